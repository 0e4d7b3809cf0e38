"""Read the robots.txt files of a WARC, the work of one task: a row per file, and one with the outcome of the source."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urljoin

import pyarrow as pa

from metaclip_spark.candidates.ledger import Ledger
from metaclip_spark.core.secrets import remember, secrets_in
from metaclip_spark.core.urls.origins import robots_key
from metaclip_spark.errors import BrokenResponseError, CredentialsError
from metaclip_spark.extract.records.damage import Damage
from metaclip_spark.extract.records.dialect import WARC
from metaclip_spark.extract.records.reader import warc_records
from metaclip_spark.extract.records.record import Record
from metaclip_spark.extract.warc.reader import check_start
from metaclip_spark.extract.warc.responses import response_of
from metaclip_spark.robots.rules import UNREACHABLE
from metaclip_spark.robots.text import read_robots
from metaclip_spark.schemas import ROBOTS_RECORDS
from metaclip_spark.sources.files import Source
from metaclip_spark.storage.magic import HEAD_BYTES
from metaclip_spark.storage.open import open_source
from metaclip_spark.storage.tally import Tally

READ, ABSENT, REDIRECT = "read", "absent", "redirect"
STATUSES = (READ, ABSENT, REDIRECT, UNREACHABLE)
"""What a robots.txt is: read; 4xx, which allows all; a redirect; 5xx, which RFC 9309 reads as allowing nothing."""

_ARROW = ROBOTS_RECORDS.arrow
_STATUS_LINE = re.compile(rb"HTTP/\S+ +(\d{3})\b")
_BATCH_ROWS, _BATCH_CHARS = 4096, 8 << 20
_MAX_TARGET = 2048


def read_source(source: Source, agents: Sequence[str], build_id: str, tally: str = "") -> Iterator[pa.RecordBatch]:
    """Yield the rows of `robots_records` of one WARC; an error of the file ends it as partial or failed.

    Args:
        agents: the crawlers whose rules are kept.
        tally: the folder for running numbers; see `Stamp`.
    """
    remember(secrets_in(source.uri))  # an error of a library may quote them
    ledger, counts = Ledger(), Counter[str]()
    numbers = Tally(tally, source.source_path, 0, size=source.bytes)
    rows: list[dict[str, Any]] = []
    chars = 0
    try:
        with open_source(source.uri) as raw:
            check_start(raw.read(HEAD_BYTES))
            raw.seek(0)
            for record in warc_records(raw, WARC, Damage(ledger)):
                ledger.records_read += 1
                row = _row(record, agents, counts)
                if row is not None:
                    rows.append(row)
                    chars += len(row["rules"])
                ledger.bytes_read = raw.tell()
                if len(rows) >= _BATCH_ROWS or chars >= _BATCH_CHARS:
                    yield _batch("record", rows, source, build_id)
                    rows, chars = [], 0
                    numbers.update(ledger.records_read, ledger.bytes_read)
            ledger.bytes_read = raw.tell()
    except (MemoryError, KeyboardInterrupt, CredentialsError):
        raise  # the source is not at fault
    except Exception as error:  # any error of the reader is a damaged source; the error's text becomes its reason
        ledger.damaged(error)
    finally:
        numbers.close()
    if rows:
        yield _batch("record", rows, source, build_id)
    outcome = {
        "outcome": ledger.status,
        "reason": ledger.reason,
        "records_read": ledger.records_read,
        "bytes_read": ledger.bytes_read,
        "counts": sorted((counts + ledger.rejected).items()),
    }
    yield _batch("source", [outcome], source, build_id)


def _row(record: Record, agents: Sequence[str], counts: Counter[str]) -> dict[str, Any] | None:
    """Return the row of a record; None, counted, if it holds no robots.txt."""
    if record.get(b"warc-type").lower() != b"response":
        counts["not_response"] += 1
        return None
    url = record.get(b"warc-target-uri").decode("utf-8", "replace").strip("<>")
    key = robots_key(url) if url.partition("?")[0].endswith("robots.txt") else None
    if key is None:
        counts["not_robots"] += 1
        return None
    line = _STATUS_LINE.match(bytes(record.payload[:60]))
    try:
        if line is None or record.skipped:
            raise BrokenResponseError("no status line, or a record that is too long")
        response = response_of(record.payload)
        http, target, rules = int(line[1]), "", ""
        status = UNREACHABLE if http >= 500 else ABSENT
        if 200 <= http < 300:
            status = READ
            found = read_robots(response.body(), agents, truncated=bool(record.get(b"warc-truncated")))
            rules = found.rules
            counts.update(found.counts)
        elif 300 <= http < 400:
            location = response.get("location")
            target = _target(url, location) if location else ""
            status = REDIRECT if target else ABSENT
        elif status == UNREACHABLE:
            rules = UNREACHABLE
    except BrokenResponseError:
        counts["broken_record"] += 1
        return None
    fetched = record.get(b"warc-date").decode("latin-1")
    return {"origin": key, "fetched": fetched, "http": http, "status": status, "target": target, "rules": rules}


def _target(url: str, location: str) -> str:
    """Return the key of where a redirect leads; "" if that is no robots.txt, such as the first page of the host."""
    try:
        to = urljoin(url, location)[:_MAX_TARGET]
    except ValueError:
        return ""
    return robots_key(to) or "" if to.partition("?")[0].partition("#")[0].endswith("robots.txt") else ""


def _batch(kind: str, rows: list[dict[str, Any]], source: Source, build_id: str) -> pa.RecordBatch:
    """Build a batch of tagged rows; a column that a row lacks is null."""
    same = {"build_id": build_id, "kind": kind, "source_path": source.source_path}
    columns = [[{**same, **row}.get(field.name) for row in rows] for field in _ARROW]
    return pa.record_batch(
        [pa.array(column, field.type) for column, field in zip(columns, _ARROW, strict=True)], schema=_ARROW
    )
