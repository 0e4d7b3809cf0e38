"""WARC files: the image texts of the pages in their response records, with lazy-loaded images, which no WAT has.

Every response that holds HTML is read, whatever its status: a WAT lists the links of all of them too. Requests,
revisits, metadata and other records are read over.
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
from metaclip_spark.extract.records.reader import GZIP_MAGIC, Record
from metaclip_spark.extract.warc.blocks import MAX_BLOCK_BYTES, Block, block_records
from metaclip_spark.extract.warc.charset import utf8_of
from metaclip_spark.extract.warc.html import HtmlImage, HtmlPage, og_image
from metaclip_spark.extract.warc.responses import response_of
from metaclip_spark.sources.files import Split
from metaclip_spark.storage.open import open_source

BATCH_TEXTS = 8192
Extra = list[tuple[str, str]] | None
_WAT_STARTS = (b'{"Container":', b'{"Envelope":')
_OTHER_KINDS = {
    b"metadata": "a WAT, not a WARC: it holds metadata records in JSON; a WARC holds response records",
    b"conversion": "a WET, not a WARC: it holds conversion records in plain text; a WARC holds response records",
}


def read_warc(split: Split, options: ExtractOptions, ledger: Ledger) -> Iterator[Candidates]:
    """Read a whole WARC, gzip or plain; texts found before any damage are yielded before the error is raised.

    Raises:
        WrongKindError: the file is a WAT or a WET.
        DamagedSourceError, OSError, EOFError: as `block_records` says.
    """
    batch = _Batch(options, ledger)
    failure: Exception | None = None
    with open_source(split.source.uri) as raw:
        _check_start(raw.read(5))
        raw.seek(0)
        try:
            for record, block in block_records(raw):
                kind = record.get(b"warc-type").lower()
                if kind in _OTHER_KINDS and _is_other_kind(kind, block):
                    raise WrongKindError(_OTHER_KINDS[kind])
                ledger.records_read += 1
                if kind == b"response":
                    for full in _add_response(batch, record, block):
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
    """Refuse what is neither gzip nor a WARC before a parser sees it (an error page, say)."""
    if not start:
        raise DamagedSourceError("the file is empty")
    if not start.startswith((GZIP_MAGIC, b"WARC/")):
        raise DamagedSourceError(
            f"not a WARC: the first bytes are {start!r}, expected b'WARC/' or gzip's {GZIP_MAGIC!r}"
        )


def _is_other_kind(kind: bytes, block: Block | None) -> bool:
    """Whether a record is of a WAT or a WET; a WARC may have metadata records too, of another content."""
    return kind == b"conversion" or bytes(block[:20] if block else b"").startswith(_WAT_STARTS)


def _add_response(batch: _Batch, record: Record, block: Block | None) -> Iterator[Candidates]:
    """Take the image texts of one response, if it holds a page; yields the batches that it fills."""
    if not record.get(b"content-type").lower().startswith(b"application/http"):
        return  # an answer of another protocol, dns say
    url = record.get(b"warc-target-uri").decode("utf-8", "replace")
    if url.startswith("<") and url.endswith(">"):  # as wget writes it
        url = url[1:-1]
    try:
        if block is None:
            raise BrokenResponseError(
                f"a record of more than {MAX_BLOCK_BYTES} bytes: its length is {record.get(b'content-length')!r}"
            )
        response = response_of(block)
        if response.is_html:
            html = utf8_of(response.body(), response.get("content-type"))
            yield from batch.add_page(url, html, response.headers)
    except BrokenResponseError as error:
        batch.reject("broken_record", url or f"record {batch.ledger.records_read}", str(error))


class _PageInfo(NamedTuple):
    """What all texts of a page share: its url as it stands and as it is shown, and the opt-out it declares."""

    url: str
    shown: str | None
    opt_out: str | None


class _Batch:
    """Texts gathered page by page until there are enough of them."""

    def __init__(self, options: ExtractOptions, ledger: Ledger) -> None:
        self.ledger = ledger
        self._options = options
        self._og = "og:title" in options.text_fields
        self._unshown: Counter = Counter()
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
        """Return what was gathered, and start again; the ledger is complete then."""
        batch = Candidates(
            url=pa.array(self._urls, pa.string()),
            text=pa.array(self._texts, pa.string()),
            text_source=pa.array(self._fields, pa.string()),
            position=pa.array(self._positions, pa.int64()),
            page_url=pa.array(self._pages, pa.string()),
            extra=self._extra(),
        )
        for reason, number in self._unshown.items():
            self.ledger.reject_many(reason, number, ())
        self._unshown.clear()
        self._clear()
        return batch

    def _extra(self) -> pa.Array:
        """Return a map a text, null where it is empty; tuples a text would keep the garbage collector busy."""
        ends = pa.array(self._extra_ends, pa.int32())
        none = pc.equal(ends[1:], ends[:-1])
        offsets = pc.if_else(pa.concat_arrays([none, pa.array([False])]), pa.scalar(None, pa.int32()), ends)
        keys, values = pa.array(self._extra_keys, pa.string()), pa.array(self._extra_values, pa.string())
        return pa.MapArray.from_arrays(offsets, keys, values)

    def add_page(self, url: str, html: bytes, headers: list[tuple[str, str]]) -> Iterator[Candidates]:
        """Take the texts of a page (in UTF-8): of its images in their order, then its own; yields full batches."""
        page = HtmlPage(html, self._options.text_fields)
        opt_out = None
        if self._options.opt_outs:
            named = ((meta.get("name"), meta.get("content")) for meta in page.metas)
            opt_out = opt_out_of(named, headers, self._options.opt_outs)
        base = (resolve(url, page.base.strip()) or url) if page.base else url
        of_page = _OfPage(self, base, _PageInfo(url, clean_text(url) or None, opt_out))
        for image in page.images():
            if texts := image.texts(self._options.text_fields):
                of_page.add_image(image, texts)
                if len(self._texts) >= BATCH_TEXTS:
                    yield self.flush()
        if self._og and (og := og_image(page.metas)):
            of_page.add_own(og[1], og[0])

    def add(self, url: str, problem: str, text: str, field: str, page: _PageInfo, extra: Extra) -> None:
        """Take a text that is not empty, or count it as left out: the page opted out, or the url has a problem."""
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
        self._pages.append(page.shown)
        self._positions.append(self.position - 1)
        if extra:
            for name, value in extra:
                self._extra_keys.append(name)
                self._extra_values.append(value)
        self._extra_ends.append(len(self._extra_keys))

    def reject(self, reason: str, record: str, detail: str | None) -> None:
        """Count what is left out, and keep the first of them as examples."""
        if self.ledger.rejected[reason] < self._options.sample_cap:
            self.ledger.reject(reason, record, detail)
        else:
            self._unshown[reason] += 1


class _OfPage:
    """Takes the texts of one page."""

    def __init__(self, batch: _Batch, base: str, page: _PageInfo) -> None:
        self._batch = batch
        self._page = page
        self._absolute = Resolver(base).absolute

    def add_image(self, image: HtmlImage, texts: list[tuple[str, str]]) -> None:
        """Take each text with each of the image's urls (see `metaclip_spark.extract.warc.html`)."""
        batch, page = self._batch, self._page
        sources: list[tuple[str, str]] = []
        sizes = None
        for field, raw in texts:
            text = self._text(raw)
            if not text:
                continue
            if not sources:
                sources, sizes = self._sources(image), image.sizes()
            for url, problem in sources:
                batch.add(url, problem, text, field, page, sizes)

    def add_own(self, text: str, url: str) -> None:
        """Take the text that the page itself has, with the image that stands for it."""
        if text := self._text(text):
            resolved, problem = self._absolute(url)
            self._batch.add(resolved or url, problem, text, "og:title", self._page, None)

    def _text(self, raw: str) -> str:
        """Return a text cleaned; one that is empty then is counted."""
        # Printable, so the only white space is the space; most texts are clean already. The parser decoded entities.
        if raw and raw.isprintable() and raw[0] != " " and raw[-1] != " ":
            return raw
        text = clean_text(raw)
        if not text:
            self._batch.position += 1
            self._batch.reject("empty_text", self._page.url, raw)
        return text

    def _sources(self, image: HtmlImage) -> list[tuple[str, str]]:
        """Return an image's absolute urls, each with "", or one as it stands with what is wrong with it."""
        src = image.src
        first, why_not = self._absolute(src)
        usable = [] if why_not else [(first, "")]
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
        if why_not == "no_url" and lazy:
            return [(lazy[0], self._absolute(lazy[0])[1])]
        return [(src or "", why_not)]
