"""Read WAT files: the image links of Common Crawl's metadata records.

A WAT is gzip with one member per record. Only the metadata record of a *response* has links, and any level of its JSON
may be missing or null. Both extractors in use (Common Crawl's, Internet Archive's) are supported. They differ in
whether they decode character references (`metaclip_spark.extract.wat.extractor`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from metaclip_spark.candidates.batch import Candidates
from metaclip_spark.candidates.ledger import Ledger
from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.errors import WrongKindError
from metaclip_spark.extract.records.chunk import check_gzip
from metaclip_spark.extract.records.damage import Damage
from metaclip_spark.extract.records.dialect import WAT
from metaclip_spark.extract.records.reader import warc_records
from metaclip_spark.extract.records.record import Record
from metaclip_spark.extract.wat.batch import Batch
from metaclip_spark.extract.wat.extractor import MAX_INFO_BYTES, References, references_of
from metaclip_spark.extract.wat.pages import PageReader
from metaclip_spark.sources.files import Split
from metaclip_spark.storage.open import open_source


def read_wat(split: Split, options: ExtractOptions, ledger: Ledger) -> Iterator[Candidates]:
    """Read a whole WAT; yield the candidates before any damage, then raise its error.

    Raises:
        WrongKindError: the file is a WARC.
        DamagedSourceError, OSError, EOFError: as `warc_records` raises them.
    """
    reader = PageReader(options)
    reader.encoded = _references(split).encoded
    batch = Batch(options, ledger)
    failure: Exception | None = None
    passed_over: Counter[str] = Counter()
    with open_source(split.source.uri) as raw:
        check_gzip(raw)
        try:
            for record in warc_records(raw, WAT, Damage(ledger)):
                if not record.holds_json and record.get(b"warc-type") == b"response":
                    raise WrongKindError(
                        "a WARC, not a WAT: it holds response records; a WAT holds metadata records in JSON"
                    )
                ledger.records_read += 1
                if not record.holds_json and not record.get(b"content-type").startswith(b"application/json"):
                    if record.get(b"warc-type") == b"warcinfo":
                        reader.encoded = _references(split, record).encoded
                    passed_over["not_response"] += 1
                    continue
                try:
                    if record.skipped:
                        raise ValueError(f"a record of more than {WAT.max_block_bytes} bytes")
                    found = reader.read(record.payload, record.raw, record.start)
                except (ValueError, RecursionError) as error:
                    detail = f"{error}: {bytes(record.payload[:100])!r}"
                    ledger.reject("broken_json", f"record {ledger.records_read}", detail)
                    continue
                if isinstance(found, str):
                    passed_over[found] += 1
                    continue
                for candidates in batch.add(*found):
                    ledger.bytes_read = raw.tell()
                    yield candidates
        except MemoryError:
            raise
        except Exception as error:
            failure = error
        ledger.bytes_read = raw.tell()
        ledger.opened(raw)
    for reason, number in passed_over.items():
        ledger.pass_over(reason, number)
    yield batch.flush()
    if failure is not None:
        raise failure


def _references(split: Split, warcinfo: Record | None = None) -> References:
    """Return whether the records after a warcinfo record, or at the start of the file, have character references."""
    path = f"{split.source.uri} {split.source.source_path}"
    if warcinfo is None:
        return references_of(path)
    name, date = (warcinfo.get(field).decode("utf-8", "replace") for field in (b"warc-filename", b"warc-date"))
    return references_of(path, bytes(warcinfo.payload[:MAX_INFO_BYTES]), name, date)
