"""The image links of many pages -> candidates: texts cleaned, urls made absolute, the rest rejected with its reason.

Most texts are clean and most urls in one of the usual forms, which `add_rows` sees and does; only the others go
through Python one by one.
"""

from __future__ import annotations

from html import unescape

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metaclip_spark.extract.candidates import Candidates
from metaclip_spark.extract.ledger import Ledger
from metaclip_spark.extract.options import ExtractOptions
from metaclip_spark.extract.urls import Resolver
from metaclip_spark.extract.wat_links import DATA, TO_CLEAN, TO_JOIN, add_rows
from metaclip_spark.extract.wat_pages import Links, Page
from metaclip_spark.text import clean_text

FIELDS = ("alt", "title", "og:title")

_ROWS = 1 << 14
_BYTES = 1 << 20


class Batch:
    """Pages gathered until there are enough of them; its length is the number of links."""

    def __init__(self, options: ExtractOptions, ledger: Ledger) -> None:
        self._ledger = ledger
        self._wanted = sum((name in options.text_fields) << bit for bit, name in enumerate(FIELDS))
        self._position = 0
        self._clear()

    def _clear(self) -> None:
        self._pages: list[Page] = []
        self._links = self._rows = 0
        self._urls = np.empty(_BYTES, np.uint8)
        self._texts = np.empty(_BYTES, np.uint8)
        self._ends = np.zeros((2, _ROWS + 1), np.int32)
        self._about = np.empty((3, _ROWS), np.int32)

    def __len__(self) -> int:
        return self._links

    def add(self, page: Page, links: Links) -> None:
        """Take a page's links."""
        count = len(links.spans)
        scheme, host, folder = (np.frombuffer(part, np.uint8) for part in Resolver(page.base).parts())
        self._make_room(count, len(links.raw), 2 * count * (len(scheme) + len(host) + len(folder)))
        self._rows = add_rows(
            np.frombuffer(links.raw, np.uint8), links.spans, count, len(self._pages), self._wanted,
            scheme, host, folder, self._rows, self._urls, self._texts, self._ends, self._about,
        )  # fmt: skip
        self._pages.append(page)
        self._links += count

    def _make_room(self, links: int, text_bytes: int, url_bytes: int) -> None:
        rows = self._rows
        if rows + 3 * links > self._about.shape[1]:
            more = rows + 3 * links
            self._ends = np.pad(self._ends, ((0, 0), (0, more)))
            self._about = np.pad(self._about, ((0, 0), (0, more)))
        if self._ends[0, rows] + 3 * text_bytes + url_bytes > len(self._urls):
            self._urls = np.pad(self._urls, (0, len(self._urls) + 3 * text_bytes + url_bytes))
        if self._ends[1, rows] + text_bytes > len(self._texts):
            self._texts = np.pad(self._texts, (0, len(self._texts) + text_bytes))

    def flush(self) -> Candidates:
        """Return the texts of what was gathered, count what was left out, and start again."""
        about = self._about[:, : self._rows]
        urls, texts = (
            _strings(self._ends[0, : self._rows + 1], self._urls),
            _strings(self._ends[1, : self._rows + 1], self._texts),
        )
        rows = _Rows(self._pages, urls, texts, about, self._ledger)
        texts = rows.clean_texts()
        rows.drop_opted_out(texts)
        urls = rows.absolute_urls()
        keep = pa.array(rows.keep)
        batch = Candidates(
            url=urls.filter(keep),
            text=texts.filter(keep),
            text_source=pa.array(FIELDS).take(pa.array(about[0][rows.keep])),
            position=pa.array(np.flatnonzero(rows.keep) + self._position),
            page_url=rows.page_urls().filter(keep),
        )
        self._position += len(rows.keep)
        self._clear()
        return batch


def _strings(ends: np.ndarray, data: np.ndarray) -> pa.Array:
    return pa.StringArray.from_buffers(len(ends) - 1, pa.py_buffer(ends), pa.py_buffer(data[: ends[-1]]))


class _Rows:
    """The texts of a batch, one row each, in the order of the pages' links, an alt before its title.

    Attributes:
        keep: which rows are still in (bool).
    """

    def __init__(self, pages: list[Page], urls: pa.Array, texts: pa.Array, about: np.ndarray, ledger: Ledger) -> None:
        self._pages = pages
        self._ledger = ledger
        self._url, self._raw = urls, texts
        self._page, self._state = about[1], about[2]
        self.keep = np.ones(len(texts), dtype=bool)

    def clean_texts(self) -> pa.Array:
        """Return every row's text; rows of which nothing is left are rejected, the others are texts read."""
        unclean = pa.array(self._state & TO_CLEAN != 0)
        found = self._raw.filter(unclean).to_pylist()
        fixed = {text: _cleaned(text) for text in dict.fromkeys(found)}
        texts = pc.replace_with_mask(self._raw, unclean, pa.array([fixed[text] for text in found], pa.string()))
        empty = pc.equal(pc.binary_length(texts), 0).to_numpy(zero_copy_only=False)
        self._reject("empty_text", np.flatnonzero(empty), self._raw)
        self._ledger.texts_read += int(self.keep.sum())
        return texts

    def drop_opted_out(self, texts: pa.Array) -> None:
        """Reject the rows of pages that opt out."""
        for reason in sorted({page.opt_out for page in self._pages if page.opt_out}):
            pages = np.array([page.opt_out == reason for page in self._pages])
            self._reject(reason, np.flatnonzero(self.keep & pages[self._page]), texts)

    def absolute_urls(self) -> pa.Array:
        """Return every row's url, of those that are still in absolute; rows without one are rejected."""
        self._reject("data_url", np.flatnonzero(self.keep & (self._state & 3 == DATA)), self._url)
        rows = np.flatnonzero(self.keep & (self._state & 3 == TO_JOIN))
        fixed: list[str] = []
        problems: dict[str, list[int]] = {}
        page, before, result, absolute = -1, None, ("", ""), Resolver("").absolute
        found = self._url.take(pa.array(rows)).to_pylist()
        for row, of, raw in zip(rows.tolist(), self._page[rows].tolist(), found, strict=True):
            if of != page:
                page, before, absolute = of, None, Resolver(self._pages[of].base).absolute
            if raw != before:  # an alt and a title of one image stand next to each other
                before, result = raw, absolute(raw)
            url, problem = result
            fixed.append(url)
            if problem:
                problems.setdefault(problem, []).append(row)
        for problem, where in problems.items():
            self._reject(problem, np.array(where), self._url)
        mask = np.zeros(len(self.keep), dtype=bool)
        mask[rows] = True
        return pc.replace_with_mask(self._url, pa.array(mask), pa.array(fixed, pa.string()))

    def page_urls(self) -> pa.Array:
        """Return every row's page, null where it has none."""
        urls = pa.array([_cleaned(page.url, is_html=False) or None for page in self._pages], pa.string())
        return urls.take(pa.array(self._page))

    def _reject(self, reason: str, rows: np.ndarray, details: pa.Array) -> None:
        self.keep[rows] = False
        examples = ((self._pages[self._page[row]].url, details[int(row)].as_py()) for row in rows)
        self._ledger.reject_many(reason, len(rows), examples)


def _cleaned(raw: str, *, is_html: bool = True) -> str:
    """Return `clean_text`, at less cost where nothing but spaces around a text has to go."""
    text = unescape(raw) if is_html and "&" in raw else raw
    return text.strip() if text.isprintable() else clean_text(text)
