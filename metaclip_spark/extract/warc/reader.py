"""Read WARC files: the image texts of the pages in response records, including lazy-loaded images, which no WAT has.

Every response with HTML is read, whatever its status, because a WAT also lists the links of every status. Requests,
revisits, metadata and other records are skipped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from metaclip_spark.candidates.batch import Candidates
from metaclip_spark.candidates.ledger import Ledger
from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.core.text import clean_text
from metaclip_spark.core.urls.resolve import Resolver, resolve
from metaclip_spark.errors import BrokenResponseError, DamagedSourceError, WrongKindError
from metaclip_spark.extract.optouts import opt_out_of
from metaclip_spark.extract.records.chunk import GZIP_MAGIC
from metaclip_spark.extract.records.dialect import WARC
from metaclip_spark.extract.records.reader import warc_records
from metaclip_spark.extract.records.record import Record
from metaclip_spark.extract.warc.charset import utf8_of
from metaclip_spark.extract.warc.html import HtmlImage, HtmlPage, og_image
from metaclip_spark.extract.warc.responses import response_of
from metaclip_spark.sources.files import Split
from metaclip_spark.storage.open import open_source

BATCH_TEXTS = 8192
"""The number of texts that are gathered before they become candidates."""

Extra = list[tuple[str, str]] | None
_WAT_STARTS = (b'{"Container":', b'{"Envelope":')
_OTHER_KINDS = {
    b"metadata": "a WAT, not a WARC: it holds metadata records in JSON; a WARC holds response records",
    b"conversion": "a WET, not a WARC: it holds conversion records in plain text; a WARC holds response records",
}


def read_warc(split: Split, options: ExtractOptions, ledger: Ledger) -> Iterator[Candidates]:
    """Read a whole WARC, gzip or plain; yield the candidates before any damage, then raise its error.

    Raises:
        WrongKindError: the file is a WAT or a WET.
        DamagedSourceError, OSError, EOFError: as `warc_records` raises them.
    """
    batch = _Batch(options, ledger)
    failure: Exception | None = None
    with open_source(split.source.uri) as raw:
        _check_start(raw.read(5))
        raw.seek(0)
        try:
            for record in warc_records(raw, WARC):
                kind = record.get(b"warc-type").lower()
                if kind in _OTHER_KINDS and _is_other_kind(kind, record.payload):
                    raise WrongKindError(_OTHER_KINDS[kind])
                ledger.records_read += 1
                if kind == b"response":
                    for full in _add_response(batch, record):
                        ledger.bytes_read = raw.tell()
                        yield full
        except MemoryError:
            raise
        except Exception as error:
            failure = error
        ledger.bytes_read = raw.tell()
        ledger.opened(raw)
    yield batch.flush()
    if failure is not None:
        raise failure


def _check_start(start: bytes) -> None:
    """Refuse a file that is neither gzip nor a WARC (an error page, say) before a parser reads it."""
    if not start:
        raise DamagedSourceError("the file is empty")
    if not start.startswith((GZIP_MAGIC, b"WARC/")):
        raise DamagedSourceError(
            f"not a WARC: the first bytes are {start!r}, expected b'WARC/' or gzip's {GZIP_MAGIC!r}"
        )


def _is_other_kind(kind: bytes, block: memoryview) -> bool:
    """Return whether a record belongs to a WAT or a WET; a WARC may have metadata records with other content."""
    return kind == b"conversion" or bytes(block[:20]).startswith(_WAT_STARTS)


def _add_response(batch: _Batch, record: Record) -> Iterator[Candidates]:
    """Add the image texts of one response, if its body is a page; yield the batches that become full."""
    if not record.get(b"content-type").lower().startswith(b"application/http"):
        return  # a response of another protocol, dns say
    url = record.get(b"warc-target-uri").decode("utf-8", "replace")
    if url.startswith("<") and url.endswith(">"):  # wget writes urls in brackets
        url = url[1:-1]
    try:
        if record.skipped:
            raise BrokenResponseError(
                f"a record of more than {WARC.max_block_bytes} bytes: its length is {record.get(b'content-length')!r}"
            )
        response = response_of(record.payload)
        if response.is_html:
            html = utf8_of(response.body(), response.get("content-type"))
            yield from batch.add_page(url, html, response.headers)
    except BrokenResponseError as error:
        batch.reject("broken_record", url or f"record {batch.ledger.records_read}", str(error))


class _PageInfo(NamedTuple):
    """The fields that all texts of a page share.

    Attributes:
        url: the page's url as the record has it.
        page_url: the page's url, cleaned for the column `page_url`; None if it is empty.
        opt_out: the page's opt-out if it is honoured, else None.
    """

    url: str
    page_url: str | None
    opt_out: str | None


class _Batch:
    """Texts gathered page by page until there are enough for a batch."""

    def __init__(self, options: ExtractOptions, ledger: Ledger) -> None:
        self.ledger = ledger
        self._options = options
        self._og = "og:title" in options.text_fields
        self._only_counted: Counter[str] = Counter()
        self.position = 0
        self._clear()

    def _clear(self) -> None:
        self._urls: list[str] = []
        self._texts: list[str] = []
        self._fields: list[str] = []
        self._pages: list[str | None] = []
        self._positions: list[int] = []
        self._extra_keys: list[str] = []
        self._extra_values: list[str] = []
        self._extra_ends: list[int] = [0]

    def flush(self) -> Candidates:
        """Return the gathered candidates, add the counted rejects to the ledger, and start a new batch."""
        batch = Candidates(
            url=pa.array(self._urls, pa.string()),
            text=pa.array(self._texts, pa.string()),
            text_source=pa.array(self._fields, pa.string()),
            position=pa.array(self._positions, pa.int64()),
            page_url=pa.array(self._pages, pa.string()),
            extra=self._extra(),
        )
        for reason, number in self._only_counted.items():
            self.ledger.reject_many(reason, number, ())
        self._only_counted.clear()
        self._clear()
        return batch

    def _extra(self) -> pa.Array:
        """Return one map per text, null if it is empty; one tuple per text would keep the garbage collector busy."""
        ends = pa.array(self._extra_ends, pa.int32())
        empty = pc.equal(ends[1:], ends[:-1])
        offsets = pc.if_else(pa.concat_arrays([empty, pa.array([False])]), pa.scalar(None, pa.int32()), ends)
        keys, values = pa.array(self._extra_keys, pa.string()), pa.array(self._extra_values, pa.string())
        return pa.MapArray.from_arrays(offsets, keys, values)

    def add_page(self, url: str, html: bytes, headers: list[tuple[str, str]]) -> Iterator[Candidates]:
        """Add the texts of a page (in UTF-8): of its images in their order, then its og:title; yield full batches."""
        page = HtmlPage(html, self._options.text_fields)
        opt_out = None
        if self._options.opt_outs:
            named = ((meta.get("name"), meta.get("content")) for meta in page.metas)
            opt_out = opt_out_of(named, headers, self._options.opt_outs)
        base = (resolve(url, page.base.strip()) or url) if page.base else url
        adder = _PageAdder(self, base, _PageInfo(url, clean_text(url) or None, opt_out))
        for image in page.images():
            if texts := image.texts(self._options.text_fields):
                adder.add_image(image, texts)
                if len(self._texts) >= BATCH_TEXTS:
                    yield self.flush()
        if self._og and (og := og_image(page.metas)):
            adder.add_og_image(*og)

    def add(self, url: str, problem: str, text: str, field: str, page: _PageInfo, extra: Extra) -> None:
        """Add a nonempty text, or count it as a reject: the page opts out, or the url has a problem."""
        self.ledger.texts_read += 1
        self.position += 1
        if page.opt_out:
            self.reject(page.opt_out, page.url, text)
            return
        if problem:
            self.reject(problem, page.url, url)
            return
        self._urls.append(url)
        self._texts.append(text)
        self._fields.append(field)
        self._pages.append(page.page_url)
        self._positions.append(self.position - 1)
        if extra:
            for name, value in extra:
                self._extra_keys.append(name)
                self._extra_values.append(value)
        self._extra_ends.append(len(self._extra_keys))

    def reject(self, reason: str, record: str, detail: str) -> None:
        """Count a reject; the ledger keeps the first ones of each reason as examples."""
        if self.ledger.rejected[reason] < self._options.sample_cap:
            self.ledger.reject(reason, record, detail)
        else:
            self._only_counted[reason] += 1


class _PageAdder:
    """A writer that adds the texts of one page to a batch."""

    def __init__(self, batch: _Batch, base: str, page: _PageInfo) -> None:
        self._batch = batch
        self._page = page
        self._absolute = Resolver(base).absolute

    def add_image(self, image: HtmlImage, texts: list[tuple[str, str]]) -> None:
        """Add each text with each of the image's urls (see `metaclip_spark.extract.warc.html`)."""
        batch, page = self._batch, self._page
        sources: list[tuple[str, str]] = []
        sizes = None
        for field, raw in texts:
            text = self._clean(raw)
            if not text:
                continue
            if not sources:
                sources, sizes = self._sources(image), image.sizes()
            for url, problem in sources:
                batch.add(url, problem, text, field, page, sizes)

    def add_og_image(self, url: str, title: str) -> None:
        """Add the page's og:title with its og:image."""
        if text := self._clean(title):
            resolved, problem = self._absolute(url)
            self._batch.add(resolved or url, problem, text, "og:title", self._page, None)

    def _clean(self, raw: str) -> str:
        """Clean a text; count a reject if the text is empty after cleaning."""
        # Most texts are clean. In a printable text the only white space is the space; the parser decoded the entities.
        if raw and raw.isprintable() and raw[0] != " " and raw[-1] != " ":
            return raw
        text = clean_text(raw)
        if not text:
            self._batch.position += 1
            self._batch.reject("empty_text", self._page.url, raw)
        return text

    def _sources(self, image: HtmlImage) -> list[tuple[str, str]]:
        """Return (absolute url, "") for each url of an image to use, or one (url, problem) if none is usable."""
        src = image.src
        first, src_problem = self._absolute(src)
        usable = [] if src_problem else [(first, "")]
        if usable and not image.is_lazy:
            return usable
        lazy = image.lazy_sources()
        for url in lazy:
            other, problem = self._absolute(url)
            if not problem:
                return usable if other == first else [*usable, (other, "")]
        if usable:
            return usable
        for url in image.largest_sources():
            other, problem = self._absolute(url)
            if not problem:
                return [(other, "")]
        if src_problem == "no_url" and lazy:
            return [(lazy[0], self._absolute(lazy[0])[1])]
        return [(src or "", src_problem)]
