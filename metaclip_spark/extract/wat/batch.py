"""Build candidates from the image links of many pages: clean texts, absolute urls, rejects with their reasons.

Most texts are clean, and most urls have one of the usual forms: `add_rows` handles both. Only the other texts and urls
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
from metaclip_spark.core.references import decode_references
from metaclip_spark.core.text import clean_text
from metaclip_spark.core.urls.resolve import Resolver
from metaclip_spark.extract.wat.json_strings import MAX_STRING_BYTES
from metaclip_spark.extract.wat.page import Links, Page
from metaclip_spark.extract.wat.rows import add_rows
from metaclip_spark.extract.wat.texts import EMPTY, LONG_TEXT, TO_CLEAN, TO_CLEAN_HTML
from metaclip_spark.extract.wat.urls import DATA, LONG_URL, OF_URL, TO_DECODE, TO_JOIN

FIELDS = ("alt", "title", "og:title")
BATCH_LINKS = 8192
"""The number of image links with a text that are gathered before they become candidates."""
BATCH_BYTES = 1 << 22
"""Bytes of urls, or of texts, that are gathered before they become candidates; one link may have more."""

_ROWS = 1 << 14
_FIELD_COUNT = len(FIELDS)  # rows per link, at most

_Number = TypeVar("_Number", np.int32, np.uint8)
_Indices = npt.NDArray[np.int64]


class Batch:
    """Pages gathered until they have enough links or bytes."""

    def __init__(self, options: ExtractOptions, ledger: Ledger) -> None:
        self._ledger = ledger
        self._text_cap = options.text_cap
        self._wanted = sum((name in options.text_fields) << bit for bit, name in enumerate(FIELDS))
        self._position = 0
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
        rows = _FIELD_COUNT * number
        self._make_room(self._rows + rows, self._url_bytes + url_bytes, self._text_bytes + text_bytes)
        before = self._rows
        self._rows, self._url_bytes, self._text_bytes = add_rows(
            raw,
            spans,
            number,
            len(self._pages) - 1,
            self._wanted,
            page.encoded,
            self._text_cap,
            base,
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
        urls, texts = _Column(url_ends, self._urls), _Column(text_ends, self._texts)
        rows = _Rows(self._pages, urls, texts, self._about[:, : self._rows], self._ledger)
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


class _Column:
    """The strings of a batch's rows, some of which are replaced."""

    def __init__(self, ends: npt.NDArray[np.int32], data: npt.NDArray[np.uint8]) -> None:
        """Take the bytes of the strings, and their offsets in Arrow's form: 0, then the end of each."""
        self._strings = pa.StringArray.from_buffers(len(ends) - 1, pa.py_buffer(ends), pa.py_buffer(data[: ends[-1]]))
        self._where = np.arange(len(ends) - 1)

    def take(self, rows: _Indices) -> pa.Array:
        """Return a copy of the strings of some rows."""
        return self._strings.take(pa.array(self._where[rows]))

    def replace(self, rows: _Indices, new: list[str]) -> None:
        """Replace the strings of some rows."""
        added = pa.array(new, pa.string())
        self._where[rows] = len(self._strings) + np.arange(len(rows))
        self._strings = pa.concat_arrays([self._strings, added])

    def __getitem__(self, row: int) -> str:
        """Return one row's string."""
        return str(self._strings[int(self._where[row])])


class _Rows:
    """The texts of a batch, one row each, in the order of the pages' links, an alt before its title.

    Attributes:
        keep: (rows,) bool, whether a row has not been rejected.
    """

    def __init__(
        self, pages: list[Page], urls: _Column, texts: _Column, about: npt.NDArray[np.int32], ledger: Ledger
    ) -> None:
        """Take the rows' columns; `about` is as `add_rows` writes it."""
        self._pages = pages
        self._ledger = ledger
        self._urls, self._texts = urls, texts
        self._page, self._status = about[1], about[2]
        self.keep = np.ones(len(self._page), dtype=bool)

    def clean_texts(self, text_cap: int) -> None:
        """Clean every row's text, and count the texts that are not empty as texts read.

        Rows whose text is empty, or longer than `text_cap` characters, are rejected.
        """
        empty, long = self._status & EMPTY != 0, self._status & LONG_TEXT != 0
        rows, new = self._cleaned()
        empty[rows] = [not text for text in new]
        long[rows] = [len(text) > text_cap for text in new]
        self._reject("empty_text", np.flatnonzero(empty), self._texts)
        self._texts.replace(rows, new)
        self._ledger.texts_read += int(self.keep.sum())
        self._pass_over_pages()
        self._reject("text_cap", np.flatnonzero(long), self._texts)

    def _pass_over_pages(self) -> None:
        """Count the pages that have no text, now that only rows with a text are kept."""
        has_text = np.zeros(len(self._pages), dtype=bool)
        has_text[self._page[self.keep]] = True
        for page in self._pages[-1:]:  # its links may go on in the next batch
            page.has_text = page.has_text or bool(has_text[-1])
        without = [self._pages[page] for page in np.flatnonzero(~has_text)]
        self._ledger.pass_over("no_image_text", sum(page.complete and not page.has_text for page in without))

    def _cleaned(self) -> tuple[_Indices, list[str]]:
        """Return the rows whose text `clean_text` may change, and their cleaned texts."""
        rows = np.flatnonzero(self._status & (TO_CLEAN | TO_CLEAN_HTML))
        raw = zip(self._texts.take(rows).to_pylist(), (self._status[rows] & TO_CLEAN_HTML).tolist(), strict=True)
        known: dict[tuple[str, int], str] = {}
        new = []
        for key in raw:
            text = known.get(key)
            if text is None:
                text = known[key] = _clean(key[0], is_html=key[1] > 0)
            new.append(text)
        return rows, new

    def drop_opted_out(self) -> None:
        """Reject the rows of pages that opt out."""
        for reason in sorted({page.opt_out for page in self._pages if page.opt_out}):
            pages = np.array([page.opt_out == reason for page in self._pages])
            self._reject(reason, np.flatnonzero(self.keep & pages[self._page]), self._texts)

    def join_urls(self) -> None:
        """Make the urls of the kept rows absolute; reject rows without a usable url."""
        status = self._status & OF_URL
        self._reject("data_url", np.flatnonzero(self.keep & (status == DATA)), self._urls)
        self._reject("bad_url", np.flatnonzero(self.keep & (status == LONG_URL)), self._urls)
        rows = np.flatnonzero(self.keep & ((status == TO_JOIN) | (status == TO_DECODE)))
        joined: list[str] = []
        problems: dict[str, list[int]] = {}
        current, before, result, absolute = -1, None, ("", ""), Resolver("").absolute
        urls, encoded = self._urls.take(rows).to_pylist(), (status[rows] == TO_DECODE).tolist()
        for row, page, raw, decode in zip(rows.tolist(), self._page[rows].tolist(), urls, encoded, strict=True):
            if page != current:
                current, before, absolute = page, None, Resolver(self._pages[page].base).absolute
            if (raw, decode) != before:  # the rows of an image's alt and title follow each other
                before, result = (raw, decode), absolute(decode_references(raw) if decode else raw)
            url, problem = result
            joined.append(url)
            if problem:
                problems.setdefault(problem, []).append(row)
        for problem, bad_rows in problems.items():
            self._reject(problem, np.array(bad_rows), self._urls)
        self._urls.replace(rows, joined)

    def page_urls(self, rows: _Indices) -> pa.Array:
        """Return the page url of some rows, null if a row has none."""
        urls = pa.array([_clean(page.url) or None for page in self._pages], pa.string())
        return urls.take(pa.array(self._page[rows]))

    def _reject(self, reason: str, rows: _Indices, details: _Column) -> None:
        self.keep[rows] = False
        examples = ((self._pages[self._page[row]].url, details[row]) for row in rows)
        self._ledger.reject_many(reason, len(rows), examples)


def _clean(raw: str, *, is_html: bool = False) -> str:
    """Clean a text as `clean_text` does, at less cost if only spaces around the text have to be stripped."""
    text = decode_references(raw) if is_html else raw
    return text.strip() if text.isprintable() else clean_text(text)
