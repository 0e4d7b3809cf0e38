"""Build candidates from the image links of many pages: clean texts, absolute urls, rejects with their reasons.

Most texts are clean, and most urls have one of the usual forms: `add_rows` handles both. Only the other texts and urls
go through Python one by one.
"""

from __future__ import annotations

from html import unescape
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metaclip_spark.candidates.batch import Candidates
from metaclip_spark.candidates.ledger import Ledger
from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.core.jit import bytes_of
from metaclip_spark.core.text import clean_text
from metaclip_spark.core.urls.resolve import Resolver
from metaclip_spark.extract.wat.pages import Links, Page
from metaclip_spark.extract.wat.rows import DATA, EMPTY, TO_CLEAN, TO_JOIN, add_rows

FIELDS = ("alt", "title", "og:title")

_ROWS = 1 << 14
_BYTES = 1 << 22

_Number = TypeVar("_Number", np.int32, np.uint8)
_Indices = npt.NDArray[np.int64]


class Batch:
    """Pages gathered until they have enough links.

    Attributes:
        links: the number of links of these pages.
    """

    def __init__(self, options: ExtractOptions, ledger: Ledger) -> None:
        self._ledger = ledger
        self._wanted = sum((name in options.text_fields) << bit for bit, name in enumerate(FIELDS))
        self._position = 0
        self._row_room = self._url_room = self._text_room = 0
        self._clear()

    def _clear(self) -> None:
        self._pages: list[Page] = []
        self.links = self._rows = self._url_bytes = self._text_bytes = 0
        if self._row_room != _ROWS:
            self._row_room = _ROWS
            self._ends = np.zeros((2, _ROWS + 1), np.int32)
            self._about = np.empty((3, _ROWS), np.int32)
        if self._url_room != _BYTES:
            self._url_room = _BYTES
            self._urls = np.empty(_BYTES, np.uint8)
        if self._text_room != _BYTES:
            self._text_room = _BYTES
            self._texts = np.empty(_BYTES, np.uint8)

    def add(self, page: Page, links: Links) -> None:
        """Add a page's links."""
        raw, spans, number = links
        base = page.base.encode()
        rows, text_bytes, url_bytes = 3 * number, len(raw), 3 * len(raw) + 5 * number * (len(base) + 1)
        self._make_room(self._rows + rows, self._url_bytes + url_bytes, self._text_bytes + text_bytes)
        self._rows, self._url_bytes, self._text_bytes = add_rows(
            raw,
            spans,
            number,
            len(self._pages),
            self._wanted,
            bytes_of(base),
            self._rows,
            self._urls,
            self._texts,
            self._ends,
            self._about,
        )
        self._pages.append(page)
        self.links += number

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
        rows.clean_texts()
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

    def clean_texts(self) -> None:
        """Clean every row's text; reject rows whose text is empty then, and count the others as texts read."""
        rows = np.flatnonzero(self._status & TO_CLEAN)
        raw = self._texts.take(rows).to_pylist()
        cleaned = {text: _clean(text) for text in dict.fromkeys(raw)}
        empty = self._status & EMPTY != 0
        empty[rows] = [not cleaned[text] for text in raw]
        self._reject("empty_text", np.flatnonzero(empty), self._texts)
        self._texts.replace(rows, [cleaned[text] for text in raw])
        self._ledger.texts_read += int(self.keep.sum())

    def drop_opted_out(self) -> None:
        """Reject the rows of pages that opt out."""
        for reason in sorted({page.opt_out for page in self._pages if page.opt_out}):
            pages = np.array([page.opt_out == reason for page in self._pages])
            self._reject(reason, np.flatnonzero(self.keep & pages[self._page]), self._texts)

    def join_urls(self) -> None:
        """Make the urls of the kept rows absolute; reject rows without a usable url."""
        self._reject("data_url", np.flatnonzero(self.keep & (self._status & 3 == DATA)), self._urls)
        rows = np.flatnonzero(self.keep & (self._status & 3 == TO_JOIN))
        joined: list[str] = []
        problems: dict[str, list[int]] = {}
        current, before, result, absolute = -1, None, ("", ""), Resolver("").absolute
        urls = self._urls.take(rows).to_pylist()
        for row, page, raw in zip(rows.tolist(), self._page[rows].tolist(), urls, strict=True):
            if page != current:
                current, before, absolute = page, None, Resolver(self._pages[page].base).absolute
            if raw != before:  # the rows of an image's alt and title follow each other
                before, result = raw, absolute(raw)
            url, problem = result
            joined.append(url)
            if problem:
                problems.setdefault(problem, []).append(row)
        for problem, bad_rows in problems.items():
            self._reject(problem, np.array(bad_rows), self._urls)
        self._urls.replace(rows, joined)

    def page_urls(self, rows: _Indices) -> pa.Array:
        """Return the page url of some rows, null if a row has none."""
        urls = pa.array([_clean(page.url, is_html=False) or None for page in self._pages], pa.string())
        return urls.take(pa.array(self._page[rows]))

    def _reject(self, reason: str, rows: _Indices, details: _Column) -> None:
        self.keep[rows] = False
        examples = ((self._pages[self._page[row]].url, details[row]) for row in rows)
        self._ledger.reject_many(reason, len(rows), examples)


def _clean(raw: str, *, is_html: bool = True) -> str:
    """Clean a text as `clean_text` does, at less cost if only spaces around the text have to be stripped."""
    text = unescape(raw) if is_html and "&" in raw else raw
    return text.strip() if text.isprintable() else clean_text(text)
