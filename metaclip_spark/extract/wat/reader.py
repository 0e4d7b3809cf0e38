"""Read WAT files: the image links of Common Crawl's metadata records.

A WAT is gzip with one member per record. Only the metadata record of a *response* has links, and any level of its JSON
may be missing or null. Both extractors in use (Common Crawl's, Internet Archive's) are supported.
"""

from __future__ import annotations

from collections.abc import Iterator

from metaclip_spark.candidates.batch import Candidates
from metaclip_spark.candidates.ledger import Ledger
from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.errors import WrongKindError
from metaclip_spark.extract.records.chunk import check_gzip
from metaclip_spark.extract.records.dialect import WAT
from metaclip_spark.extract.records.reader import warc_records
from metaclip_spark.extract.wat.batch import Batch
from metaclip_spark.extract.wat.pages import PageReader
from metaclip_spark.sources.files import Split
from metaclip_spark.storage.open import open_source

BATCH_LINKS = 8192
"""The number of image links with a text that are gathered before they become candidates."""


def read_wat(split: Split, options: ExtractOptions, ledger: Ledger) -> Iterator[Candidates]:
    """Read a whole WAT; yield the candidates before any damage, then raise its error.

    Raises:
        WrongKindError: the file is a WARC.
        DamagedSourceError, OSError, EOFError: as `warc_records` raises them.
    """
    reader = PageReader(options)
    batch = Batch(options, ledger)
    failure: Exception | None = None
    with open_source(split.source.uri) as raw:
        check_gzip(raw)
        try:
            for record in warc_records(raw, WAT):
                if not record.holds_json and record.get(b"warc-type") == b"response":
                    raise WrongKindError(
                        "a WARC, not a WAT: it holds response records; a WAT holds metadata records in JSON"
                    )
                ledger.records_read += 1
                if not record.holds_json and not record.get(b"content-type").startswith(b"application/json"):
                    continue
                try:
                    page_links = reader.read(record.payload, record.raw, record.start)
                except (ValueError, RecursionError) as error:
                    detail = f"{error}: {bytes(record.payload[:100])!r}"
                    ledger.reject("broken_json", f"record {ledger.records_read}", detail)
                    continue
                if page_links is None:
                    continue
                batch.add(*page_links)
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
