"""Read WAT files: the image links of Common Crawl's metadata records.

A WAT is gzip with one member per record. Only the metadata record of a *response* has links, and any level of its JSON
may be missing or null. Both extractors in use (Common Crawl's, Internet Archive's) are supported. They differ in
whether they decode character references (`metaclip_spark.extract.wat.extractor`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np

from metaclip_spark.candidates.batch import Candidates
from metaclip_spark.candidates.ledger import Ledger
from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.errors import WrongKindError
from metaclip_spark.extract.records.chunk import check_gzip
from metaclip_spark.extract.records.damage import Damage
from metaclip_spark.extract.records.dialect import WAT
from metaclip_spark.extract.records.members import Members
from metaclip_spark.extract.records.reader import records_or_members
from metaclip_spark.extract.records.record import Record
from metaclip_spark.extract.wat.batch import Batch
from metaclip_spark.extract.wat.extractor import MAX_INFO_BYTES, References, references_of
from metaclip_spark.extract.wat.pages import PageReader
from metaclip_spark.extract.wat.scan import PAGE
from metaclip_spark.extract.wat.scanner import REASONS, Scanned, Scanner
from metaclip_spark.sources.files import Split
from metaclip_spark.storage.open import open_source


def read_wat(split: Split, options: ExtractOptions, ledger: Ledger) -> Iterator[Candidates]:
    """Read a whole WAT; yield the candidates before any damage, then raise its error.

    Raises:
        WrongKindError: the file is a WARC.
        DamagedSourceError, OSError, EOFError: as `warc_records` raises them.
    """
    records = _Records(split, options, ledger)
    failure: Exception | None = None
    with open_source(split.source.uri) as raw:
        check_gzip(raw)
        try:
            for found in records_or_members(raw, WAT, Damage(ledger)):
                for candidates in records.read(found) if isinstance(found, Record) else records.read_members(found):
                    ledger.bytes_read = raw.tell()
                    yield candidates
        except MemoryError:
            raise
        except Exception as error:
            failure = error
        ledger.bytes_read = raw.tell()
        ledger.opened(raw)
    for reason, number in records.passed_over.items():
        ledger.pass_over(reason, number)
    yield records.batch.flush()
    if failure is not None:
        raise failure


class _Records:
    """The records of a WAT, read one by one or many at once.

    Attributes:
        batch: the pages that are not yielded yet.
        passed_over: reason -> number of records without a text.
    """

    def __init__(self, split: Split, options: ExtractOptions, ledger: Ledger) -> None:
        self.batch = Batch(options, ledger)
        self.passed_over: Counter[str] = Counter()
        self._split, self._ledger = split, ledger
        self._scanner = Scanner(options)
        self._reader = PageReader(options)
        self._reader.encoded = _references(split).encoded

    def read_members(self, members: Members) -> Iterator[Candidates]:
        """Read the records of many members, as `read` does one by one; yield the candidates of full batches."""
        before = self._ledger.records_read
        for first, kinds in self._scanner.runs(members):
            done = 0
            try:
                for stop in [*np.flatnonzero(kinds < 0).tolist(), len(kinds)]:
                    pages = np.flatnonzero(kinds[done:stop] == PAGE) + (first + done)
                    self._ledger.records_read, done = before + first + stop, stop
                    if len(pages):
                        yield from self._add(self._scanner.pages(members, pages))
                    if stop < len(kinds):
                        yield from self.read(members.record(first + stop))
            finally:
                counts = np.bincount(kinds[:done][kinds[:done] >= 0], minlength=len(REASONS))
                for kind, reason in REASONS.items():
                    self.passed_over[reason] += int(counts[kind])

    def _add(self, scanned: Scanned) -> Iterable[Candidates]:
        """Add scanned pages; return the candidates of each batch that becomes full."""
        found = zip(scanned.urls, scanned.bases, strict=True)
        return self.batch.add_pages([self._reader.page(url, base) for url, base in found], scanned)

    def read(self, record: Record) -> Iterable[Candidates]:
        """Read one record; return the candidates of each batch that becomes full.

        Raises:
            WrongKindError: the record is a response.
        """
        ledger = self._ledger
        if not record.holds_json and record.get(b"warc-type") == b"response":
            raise WrongKindError("a WARC, not a WAT: it holds response records; a WAT holds metadata records in JSON")
        ledger.records_read += 1
        if not record.holds_json and not record.get(b"content-type").startswith(b"application/json"):
            if record.get(b"warc-type") == b"warcinfo":
                self._reader.encoded = _references(self._split, record).encoded
            self.passed_over["not_response"] += 1
            return ()
        try:
            if record.skipped:
                raise ValueError(f"a record of more than {WAT.max_block_bytes} bytes")
            found = self._reader.read(record.payload, record.raw, record.start)
        except (ValueError, RecursionError) as error:
            detail = f"{error}: {bytes(record.payload[:100])!r}"
            ledger.reject("broken_json", f"record {ledger.records_read}", detail)
            return ()
        if isinstance(found, str):
            self.passed_over[found] += 1
            return ()
        return self.batch.add(*found)


def _references(split: Split, warcinfo: Record | None = None) -> References:
    """Return whether the records after a warcinfo record, or at the start of the file, have character references."""
    path = f"{split.source.uri} {split.source.source_path}"
    if warcinfo is None:
        return references_of(path)
    name, date = (warcinfo.get(field).decode("utf-8", "replace") for field in (b"warc-filename", b"warc-date"))
    return references_of(path, bytes(warcinfo.payload[:MAX_INFO_BYTES]), name, date)
