"""Build candidates from the image links of many pages: clean texts, absolute urls, rejects with their reasons.

Most texts are clean, and most urls have one of the usual forms: `add_pages` handles both. Only the other texts and urls
go through Python one by one. A batch ends at a number of links or of bytes, inside a page if need be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metaclip_spark.candidates.batch import Candidates
from metaclip_spark.candidates.ledger import Ledger
from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.core.jit import bytes_of
from metaclip_spark.extract.records.members import RECORD_COLUMNS
from metaclip_spark.extract.wat.batch_rows import Column, Rows
from metaclip_spark.extract.wat.json_strings import MAX_STRING_BYTES
from metaclip_spark.extract.wat.page import Links, Page
from metaclip_spark.extract.wat.rows import add_pages
from metaclip_spark.extract.wat.scan import PAGE_COLUMNS
from metaclip_spark.extract.wat.scanner import Scanned

FIELDS = ("alt", "title", "og:title")
BATCH_LINKS = 8192
"""The number of image links with a text that are gathered before they become candidates."""
BATCH_BYTES = 1 << 22
"""Bytes of urls, or of texts, that are gathered before they become candidates; one link may have more."""

_ROWS = 1 << 14
_FIELD_COUNT = len(FIELDS)  # rows per link, at most
_FIRST = np.zeros(1, np.int64)  # the number of a record that is alone

_Number = TypeVar("_Number", np.int32, np.uint8)


class Batch:
    """Pages gathered until they have enough links or bytes."""

    def __init__(self, options: ExtractOptions, ledger: Ledger) -> None:
        self._ledger = ledger
        self._text_cap = options.text_cap
        self._wanted = sum((name in options.text_fields) << bit for bit, name in enumerate(FIELDS))
        self._position = 0
        self._folder = np.empty(1 << 12, np.uint8)
        self._row_room = self._url_room = self._text_room = 0
        self._clear()

    def _clear(self) -> None:
        self._pages: list[Page] = []
        self._links = self._rows = self._url_bytes = self._text_bytes = self._page_bytes = 0
        if self._row_room != _ROWS:
            self._row_room = _ROWS
            self._ends = np.zeros((2, _ROWS + 1), np.int32)
            self._about = np.empty((3, _ROWS), np.int32)
        if self._url_room != BATCH_BYTES:
            self._url_room = BATCH_BYTES
            self._urls = np.empty(BATCH_BYTES, np.uint8)
        if self._text_room != BATCH_BYTES:
            self._text_room = BATCH_BYTES
            self._texts = np.empty(BATCH_BYTES, np.uint8)

    def add(self, page: Page, links: Links) -> Iterable[Candidates]:
        """Add a page's links; return the candidates of each batch that becomes full, and start a new one.

        The links are added while the result is read.
        """
        number, size = links.number, len(links.raw)
        base = bytes_of(page.base.encode())
        url_bytes = _FIELD_COUNT * size + 5 * (len(base) + 1) * number
        if links.beyond or not self._fits(url_bytes, size, _FIELD_COUNT * number * len(page.url)):
            return self._add_slices(page, links, base)
        self._add(page, links.raw, links.spans, number, base, url_bytes, size)
        page.complete = True
        return (self.flush(),) if self._links >= BATCH_LINKS else ()

    def add_pages(self, pages: list[Page], scanned: Scanned) -> Iterator[Candidates]:
        """Add several pages with their links, and yield the candidates of each batch that becomes full."""
        bases = [page.base.encode() for page in pages]
        table = scanned.table[scanned.numbers]
        base_bytes = np.array([len(base) for base in bases])
        url_chars = np.array([len(page.url) for page in pages])
        links = np.minimum(table[:, 5], scanned.most)
        number = int(links.sum())
        url_bytes = int((5 * (base_bytes + 1) * links + _FIELD_COUNT * table[:, 6]).sum())
        text_bytes = int(table[:, 7].sum())
        page_bytes = _FIELD_COUNT * int((url_chars * links).sum())
        if number < table[:, 5].sum() or not self._fits(url_bytes, text_bytes, page_bytes):
            for index, page in enumerate(pages):
                yield from self.add(page, scanned.links(index))
            return
        self._prepare(number, url_bytes, text_bytes, int(base_bytes.max()))
        before, first = self._rows, len(self._pages)
        self._rows, self._url_bytes, self._text_bytes = add_pages(
            scanned.raw,
            scanned.records,
            scanned.table,
            scanned.numbers,
            scanned.spans,
            scanned.most,
            first,
            self._wanted,
            pages[0].encoded,
            self._text_cap,
            bytes_of(b"".join(bases)),
            base_bytes.cumsum(),
            self._folder,
            before,
            self._urls,
            self._texts,
            self._ends,
            self._about,
        )
        self._pages += pages
        for page in pages:
            page.complete = True
        self._links += number
        self._page_bytes += int(url_chars[self._about[1, before : self._rows] - first].sum())
        if self._links >= BATCH_LINKS:
            yield self.flush()

    def _prepare(self, links: int, url_bytes: int, text_bytes: int, base_bytes: int) -> None:
        """Make room for more links, whose urls and texts need at most so many bytes."""
        if base_bytes >= len(self._folder):
            self._folder = np.empty(2 * base_bytes, np.uint8)
        self._make_room(self._rows + _FIELD_COUNT * links, self._url_bytes + url_bytes, self._text_bytes + text_bytes)

    def _add_slices(self, page: Page, links: Links, base: npt.NDArray[np.uint8]) -> Iterator[Candidates]:
        """Add a page's links in slices that fit into a batch; yield the full batches."""
        detail = f"an image link after the first {links.number}"
        self._ledger.reject_many("link_cap", links.beyond, ((page.url, detail) for _ in range(links.beyond)))
        page_bytes = _FIELD_COUNT * len(page.url)
        for start, stop, url_bytes, text_bytes in _slices(links, 5 * (len(base) + 1), page_bytes):
            if self._rows and not self._fits(url_bytes, text_bytes, (stop - start) * page_bytes):
                yield self.flush()
            self._add(page, links.raw, links.spans[start:stop], stop - start, base, url_bytes, text_bytes)
        page.complete = True
        if self._links >= BATCH_LINKS:
            yield self.flush()

    def _fits(self, url_bytes: int, text_bytes: int, page_bytes: int) -> bool:
        """Return whether a batch with so many more bytes is not too large."""
        return (
            self._url_bytes + url_bytes <= BATCH_BYTES
            and self._text_bytes + text_bytes <= BATCH_BYTES
            and self._page_bytes + page_bytes <= BATCH_BYTES
        )

    def _add(
        self,
        page: Page,
        raw: npt.NDArray[np.uint8],
        spans: npt.NDArray[np.int64],
        number: int,
        base: npt.NDArray[np.uint8],
        url_bytes: int,
        text_bytes: int,
    ) -> None:
        """Add links of a page, whose urls and texts need at most so many bytes."""
        if not self._pages or self._pages[-1] is not page:
            self._pages.append(page)
        self._prepare(number, url_bytes, text_bytes, len(base))
        before = self._rows
        record, page_row = np.zeros((1, RECORD_COLUMNS), np.int64), np.zeros((1, PAGE_COLUMNS), np.int64)
        record[0, 3], page_row[0, 5] = len(raw), number
        self._rows, self._url_bytes, self._text_bytes = add_pages(
            raw,
            record,
            page_row,
            _FIRST,
            spans,
            number,
            len(self._pages) - 1,
            self._wanted,
            page.encoded,
            self._text_cap,
            base,
            np.array([len(base)]),
            self._folder,
            self._rows,
            self._urls,
            self._texts,
            self._ends,
            self._about,
        )
        self._links += number
        self._page_bytes += (self._rows - before) * len(page.url)

    def _make_room(self, rows: int, url_bytes: int, text_bytes: int) -> None:
        if rows > self._row_room:
            self._row_room = 2 * rows
            self._ends = _enlarge(self._ends, 2 * rows + 1)
            self._about = _enlarge(self._about, 2 * rows)
        if url_bytes > self._url_room:
            self._url_room = 2 * url_bytes
            self._urls = _enlarge(self._urls, 2 * url_bytes)
        if text_bytes > self._text_room:
            self._text_room = 2 * text_bytes
            self._texts = _enlarge(self._texts, 2 * text_bytes)

    def flush(self) -> Candidates:
        """Return the candidates of the gathered pages, count their rejects, and start a new batch."""
        url_ends, text_ends = self._ends[:, : self._rows + 1]
        urls, texts = Column(url_ends, self._urls), Column(text_ends, self._texts)
        rows = Rows(self._pages, urls, texts, self._about[:, : self._rows], self._ledger)
        rows.clean_texts(self._text_cap)
        rows.drop_opted_out()
        rows.join_urls()
        keep = np.flatnonzero(rows.keep)
        batch = Candidates(
            url=urls.take(keep),
            text=texts.take(keep),
            text_source=pa.array(FIELDS).take(pa.array(self._about[0, keep])),
            position=pa.array(keep + self._position),
            page_url=rows.page_urls(keep),
        )
        self._position += len(rows.keep)
        self._clear()
        return batch


def _slices(links: Links, per_link: int, page_bytes: int) -> Iterator[tuple[int, int, int, int]]:
    """Split the links of a page into slices that fit into a batch, of one link at least.

    Args:
        links: the page's links.
        per_link: the bytes that each url needs besides its own.
        page_bytes: the bytes of the page's url in the rows of one link.

    Yields:
        (start, stop, bytes of the urls, bytes of the texts), the last two at most.
    """
    spans = links.spans[: links.number]
    sizes = spans[:, 1::2] - spans[:, 0::2]
    urls = _FIELD_COUNT * np.minimum(sizes[:, 0], MAX_STRING_BYTES) + per_link
    texts = sizes[:, 1:].sum(1)
    most = np.maximum(np.maximum(urls, texts), page_bytes).cumsum()
    start = 0
    while start < len(spans):
        before = int(most[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(most, before + BATCH_BYTES, "right")))
        yield start, stop, int(urls[start:stop].sum()), int(texts[start:stop].sum())
        start = stop


def _enlarge(array: npt.NDArray[_Number], size: int) -> npt.NDArray[_Number]:
    """Return a copy of an array whose last dimension has a larger size; the new elements are not initialised."""
    new = np.empty((*array.shape[:-1], size), array.dtype)
    new[..., : array.shape[-1]] = array
    return new
