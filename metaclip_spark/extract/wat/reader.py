"""WAT files: the image links of Common Crawl's metadata records.

A WAT is gzip with one member a record; only the metadata record of a *response* carries links, any level of
its JSON may be missing or null, and both extractors in use (Common Crawl's, Internet Archive's) are read.
"""

from __future__ import annotations

from collections.abc import Iterator

from metaclip_spark.candidates.batch import Candidates
from metaclip_spark.candidates.ledger import Ledger
from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.errors import WrongKindError
from metaclip_spark.extract.records.reader import check_gzip, warc_records
from metaclip_spark.extract.wat.batch import Batch
from metaclip_spark.extract.wat.pages import PageReader
from metaclip_spark.sources.files import Split
from metaclip_spark.storage.open import open_source

BATCH_LINKS = 8192
"""Image links with a text that are gathered before they become candidates."""


def read_wat(split: Split, options: ExtractOptions, ledger: Ledger) -> Iterator[Candidates]:
    """Read a whole WAT; texts found before any damage are yielded before the error is raised.

    Raises:
        WrongKindError: the file is a WARC.
        DamagedSourceError, OSError, EOFError: as `warc_records` says.
    """
    reader = PageReader(options)
    batch = Batch(options, ledger)
    failure: Exception | None = None
    with open_source(split.source.uri) as raw:
        check_gzip(raw)
        try:
            for record in warc_records(raw):
                if not record.holds_json and record.get(b"warc-type") == b"response":
                    raise WrongKindError(
                        "a WARC, not a WAT: it holds response records; a WAT holds metadata records in JSON"
                    )
                ledger.records_read += 1
                if not record.holds_json and not record.get(b"content-type").startswith(b"application/json"):
                    continue
                try:
                    found = reader.read(record.payload, record.raw, record.start)
                except (ValueError, RecursionError) as error:
                    shown = f"{error}: {bytes(record.payload[:100])!r}"
                    ledger.reject("broken_json", f"record {ledger.records_read}", shown)
                    continue
                if found is None:
                    continue
                batch.add(*found)
                if batch.links >= BATCH_LINKS:
                    ledger.bytes_read = raw.tell()
                    yield batch.flush()
        except MemoryError:
            raise
        except Exception as error:
            failure = error
        ledger.bytes_read = raw.tell()
        ledger.opened(raw)
    yield batch.flush()
    if failure is not None:
        raise failure
