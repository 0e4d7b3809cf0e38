"""The image links of many pages -> candidates: texts cleaned, urls made absolute, the rest rejected with its reason.

Most texts are clean and most urls absolute, which Arrow finds out for a whole batch at once; only the others go
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
from metaclip_spark.extract.wat_pages import Page
from metaclip_spark.text import clean_text

FIELDS = ("alt", "title", "og:title")

# What clean_text may change: an entity, a control character or line end inside, an edge that is not printable ASCII.
_UNCLEAN = r"[\x00\t\n\r&]|^[^!-~]|[^!-~]$"
# A url that is kept as found: absolute, with a host, and no white space at its end.
_KEPT_URL = r"^https?://.*[!-~]$"


class Batch:
    """Pages gathered until there are enough of them; its length is the number of links."""

    def __init__(self, options: ExtractOptions, ledger: Ledger) -> None:
        self._ledger = ledger
        self._wanted = [name in options.text_fields for name in FIELDS]
        self._position = 0
        self._clear()

    def _clear(self) -> None:
        self._pages: list[Page] = []
        self._links = 0

    def __len__(self) -> int:
        return self._links

    def add(self, page: Page) -> None:
        """Take a page."""
        self._pages.append(page)
        self._links += len(page.links)

    def flush(self) -> Candidates:
        """Return the texts of what was gathered, count what was left out, and start again."""
        rows = _Rows(self._pages, self._wanted, self._ledger)
        texts = rows.clean_texts()
        rows.drop_opted_out(texts)
        urls = rows.absolute_urls()
        keep = pa.array(rows.keep)
        batch = Candidates(
            url=urls.filter(keep),
            text=texts.filter(keep),
            text_source=pa.array(FIELDS).take(pa.array(rows.field[rows.keep])),
            position=pa.array(np.flatnonzero(rows.keep) + self._position),
            page_url=rows.page_urls().filter(keep),
        )
        self._position += len(rows.keep)
        self._clear()
        return batch


class _Rows:
    """The texts of a batch, one row each, in the order of the pages' links, an alt before its title.

    Attributes:
        keep: which rows are still in (bool).
        field: index into `FIELDS` (int64).
    """

    def __init__(self, pages: list[Page], wanted: list[bool], ledger: Ledger) -> None:
        links = [link for page in pages for link in page.links]
        nothing = [None] * len(links)
        texts = pa.concat_arrays(
            [
                pa.array([link.alt for link in links] if wanted[0] else nothing, pa.string()),
                pa.array([link.title for link in links] if wanted[1] else nothing, pa.string()),
                pa.array([link.og_title for link in links] if wanted[2] else nothing, pa.string()),
            ]
        )
        there = texts.is_valid().to_numpy(zero_copy_only=False).reshape(len(FIELDS), len(links))
        link, self.field = np.nonzero(there.T)
        self._pages = pages
        self._ledger = ledger
        self._page = np.repeat(np.arange(len(pages)), [len(page.links) for page in pages])[link]
        self._raw = texts.take(pa.array(self.field * len(links) + link))
        self._url = pc.fill_null(pa.array([link.url for link in links], pa.string()), "").take(pa.array(link))
        self.keep = np.ones(len(link), dtype=bool)

    def clean_texts(self) -> pa.Array:
        """Return every row's text; rows of which nothing is left are rejected, the others are texts read."""
        unclean = pc.match_substring_regex(self._raw, _UNCLEAN)
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
        kept = pc.match_substring_regex(self._url, _KEPT_URL).to_numpy(zero_copy_only=False)
        rows = np.flatnonzero(self.keep & ~kept)
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
