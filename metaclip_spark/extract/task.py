"""One task's whole work: a split in, tagged rows out (pairs, rejects, and the split's own outcome)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metaclip_spark.extract.candidates import Candidates
from metaclip_spark.extract.checks import read_tabular
from metaclip_spark.extract.ids import image_id, pair_id
from metaclip_spark.extract.ledger import Ledger
from metaclip_spark.extract.options import ExtractOptions
from metaclip_spark.extract.sources import Split
from metaclip_spark.extract.wat import read_wat
from metaclip_spark.matchers import Matcher
from metaclip_spark.schemas import EXTRACTED

_ARROW = EXTRACTED.arrow
Seen = dict[bytes, tuple[str, str]]
"""Key of a pair -> the smallest (page, field) that was sent on, of one source."""
UNKNOWN_LANG = "und"


@dataclass(frozen=True)
class Stamp:
    """What every row of a batch of sources carries."""

    snapshot: str
    metadata_id: str
    batch_id: str


def extract_split(
    split: Split, options: ExtractOptions, matcher: Matcher | None, stamp: Stamp
) -> Iterator[pa.RecordBatch]:
    """Read, match and reduce one split.

    Order of the work: parse, check, match, drop what matches nothing, drop repeats. Filters come before
    matching and language identification after it; both join here.

    Yields:
        Record batches with the schema of `extracted`; the last row is the split's outcome. An error of the
        *reader* ends the split as partial or failed; an error of ours ends the task.
    """
    ledger = Ledger(sample_cap=options.sample_cap)
    reader = read_wat(split, ledger) if split.source.format == "wat" else read_tabular(split, options, ledger)
    seen: Seen = {}
    while True:
        try:
            candidates = next(reader)
        except StopIteration:
            break
        except (MemoryError, KeyboardInterrupt):
            raise
        except Exception as error:  # the source's fault, whatever the reader calls it: kept as its reason
            ledger.damaged(error)
            break
        batch = _pairs(candidates, options, matcher, ledger, seen)
        if batch:
            yield _rows("pair", len(batch["url"]), split, stamp, batch)
    yield from _closing_rows(split, options, ledger, stamp)


def _pairs(
    candidates: Candidates, options: ExtractOptions, matcher: Matcher | None, ledger: Ledger, seen: Seen
) -> dict[str, pa.Array] | None:
    entry_ids = None
    if matcher is not None and len(candidates):
        matches = matcher.match(candidates.text)
        entry_ids = matches.to_arrow()
        hit = matches.counts > 0
        ledger.texts_matched += int(hit.sum())
        if not options.keep_unmatched and not hit.all():
            _reject(ledger, "no_match", candidates, ~hit)
            mask = pa.array(hit)
            candidates, entry_ids = candidates.select(mask), entry_ids.filter(mask)
    keys = candidates.key.to_pylist() if candidates.key is not None else _pair_ids(candidates)
    if options.dedup:
        first = _not_repeats(keys, candidates, seen)
        if len(first) < len(keys):
            repeats = np.ones(len(keys), dtype=bool)
            repeats[first] = False
            _reject(ledger, "repeat", candidates, repeats)
            take = pa.array(first, pa.int64())
            candidates = candidates.select(take)
            entry_ids = None if entry_ids is None else entry_ids.take(take)
            keys = [keys[i] for i in first]
    if not keys:
        return None
    ledger.pairs_written += len(keys)
    return {
        "pair_id": pa.array(keys, pa.string()),
        "image_id": pa.array([image_id(url) for url in candidates.url.to_pylist()], pa.string()),
        "url": candidates.url,
        "text": candidates.text,
        "text_source": candidates.text_source,
        "page_url": candidates.page_url,
        "lang": UNKNOWN_LANG if candidates.lang is None else pc.fill_null(candidates.lang, UNKNOWN_LANG),
        "entry_ids": entry_ids,
        "extra": candidates.extra,
        "position": candidates.position,
    }


def _pair_ids(candidates: Candidates) -> list[str]:
    pairs = zip(candidates.url.to_pylist(), candidates.text.to_pylist(), strict=True)
    return [pair_id(url, text) for url, text in pairs]


def _not_repeats(keys: list[str], candidates: Candidates, seen: Seen) -> list[int]:
    """Return the indices of the keys not seen before in the source, or seen under a larger page and field.

    The smallest (page, field) of a source has to reach deduplication; a batch sends a key at most once.
    """
    pages = candidates.page_url.to_pylist() if candidates.page_url is not None else repeat(None, len(keys))
    chosen: dict[bytes, int] = {}
    shared: dict[tuple[str, str], tuple[str, str]] = {}  # one tuple for all rows of a page: `seen` keeps them
    for index, (key, page, field) in enumerate(zip(keys, pages, candidates.text_source.to_pylist(), strict=True)):
        raw, order = bytes.fromhex(key), (page or "", field)
        if raw not in seen or order < seen[raw]:
            seen[raw] = shared.setdefault(order, order)
            chosen[raw] = index
    return sorted(chosen.values())


def _reject(ledger: Ledger, reason: str, candidates: Candidates, where: np.ndarray) -> None:
    rows = np.flatnonzero(where)

    def examples() -> Iterator[tuple[str, str]]:
        for row in rows:
            page = candidates.page_url[int(row)].as_py() if candidates.page_url is not None else None
            yield page or f"row {candidates.position[int(row)]}", candidates.text[int(row)].as_py()

    ledger.reject_many(reason, len(rows), examples())


def _closing_rows(split: Split, options: ExtractOptions, ledger: Ledger, stamp: Stamp) -> Iterator[pa.RecordBatch]:
    if ledger.sample:
        record, reason, detail = zip(*ledger.sample, strict=True)
        columns = {"record": list(record), "reason": list(reason), "detail": list(detail)}
        yield _rows("reject", len(record), split, stamp, columns)
    outcome = {
        "format": split.source.format,
        "status": ledger.status,
        "reason": ledger.reason,
        "records_read": ledger.records_read,
        "texts_read": ledger.texts_read,
        "texts_matched": ledger.texts_matched,
        "pairs_written": ledger.pairs_written,
        "rejected": sorted(ledger.rejected.items()),
        "bytes_read": ledger.bytes_read,
        "etag": split.source.etag,
        "extract_id": options.extract_id,
    }
    yield _rows("source", 1, split, stamp, {name: [value] for name, value in outcome.items()})


def _rows(kind: str, rows: int, split: Split, stamp: Stamp, columns: dict) -> pa.RecordBatch:
    """Build a batch of tagged rows; a scalar is repeated, a missing column is null."""
    given = {
        "snapshot": stamp.snapshot,
        "metadata_id": stamp.metadata_id,
        "batch_id": stamp.batch_id,
        "kind": kind,
        "source_path": split.source.source_path,
        "split": split.index,
        "splits": split.of,
        **columns,
    }
    arrays = []
    for field in _ARROW:
        value = given.get(field.name)
        if value is None:
            arrays.append(pa.nulls(rows, field.type))
        elif isinstance(value, pa.Array):
            arrays.append(value)
        elif isinstance(value, list):
            arrays.append(pa.array(value, field.type))
        else:
            arrays.append(pa.repeat(pa.scalar(value, field.type), rows))
    return pa.record_batch(arrays, schema=_ARROW)
