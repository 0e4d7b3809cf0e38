"""The rows of a batch: clean their texts, join their urls, and count what is rejected, one reason after the other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metaclip_spark.candidates.ledger import Ledger
from metaclip_spark.core.references import decode_references
from metaclip_spark.core.text import clean_text
from metaclip_spark.core.urls.resolve import Resolver
from metaclip_spark.extract.wat.page import Page
from metaclip_spark.extract.wat.texts import EMPTY, LONG_TEXT, TO_CLEAN, TO_CLEAN_HTML
from metaclip_spark.extract.wat.urls import DATA, LONG_URL, OF_URL, TO_DECODE, TO_JOIN

Indices = npt.NDArray[np.int64]


class Column:
    """The strings of a batch's rows, some of which are replaced."""

    def __init__(self, ends: npt.NDArray[np.int32], data: npt.NDArray[np.uint8]) -> None:
        """Take the bytes of the strings, and their offsets in Arrow's form: 0, then the end of each."""
        self._strings = pa.StringArray.from_buffers(len(ends) - 1, pa.py_buffer(ends), pa.py_buffer(data[: ends[-1]]))
        self._where = np.arange(len(ends) - 1)

    def take(self, rows: Indices) -> pa.Array:
        """Return a copy of the strings of some rows."""
        return self._strings.take(pa.array(self._where[rows]))

    def replace(self, rows: Indices, new: list[str]) -> None:
        """Replace the strings of some rows."""
        added = pa.array(new, pa.string())
        self._where[rows] = len(self._strings) + np.arange(len(rows))
        self._strings = pa.concat_arrays([self._strings, added])

    def __getitem__(self, row: int) -> str:
        """Return one row's string."""
        return str(self._strings[int(self._where[row])])


class Rows:
    """The texts of a batch, one row each, in the order of the pages' links, an alt before its title.

    Attributes:
        keep: (rows,) bool, whether a row has not been rejected.
    """

    def __init__(
        self, pages: list[Page], urls: Column, texts: Column, about: npt.NDArray[np.int32], ledger: Ledger
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

    def _cleaned(self) -> tuple[Indices, list[str]]:
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

    def page_urls(self, rows: Indices) -> pa.Array:
        """Return the page url of some rows, null if a row has none."""
        found = [page.url for page in self._pages]
        usual = all(map(str.isprintable, found))
        urls = pa.array([(url.strip() if usual else _clean(url)) or None for url in found], pa.string())
        return urls.take(pa.array(self._page[rows]))

    def _reject(self, reason: str, rows: Indices, details: Column) -> None:
        self.keep[rows] = False
        examples = ((self._pages[self._page[row]].url, details[row]) for row in rows)
        self._ledger.reject_many(reason, len(rows), examples)


def _clean(raw: str, *, is_html: bool = False) -> str:
    """Clean a text as `clean_text` does, at less cost if only spaces around the text have to be stripped."""
    text = decode_references(raw) if is_html else raw
    return text.strip() if text.isprintable() else clean_text(text)
