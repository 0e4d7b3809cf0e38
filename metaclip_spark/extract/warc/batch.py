"""Gather the texts of pages, with their urls, until there are enough for a batch of candidates."""

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
from metaclip_spark.extract.optouts import opt_out_of
from metaclip_spark.extract.warc.html import HtmlImage, HtmlPage, og_image

BATCH_TEXTS = 8192
"""The number of texts that are gathered before they become candidates."""
BATCH_CHARS = 1 << 23
"""The number of characters of texts and urls from which on they become candidates, whatever their number."""
MAX_URL_CHARS = 1 << 20
"""A longer url is a `bad_url`; browsers go no further than 2 MB."""

Extra = list[tuple[str, str]] | None


class _PageInfo(NamedTuple):
    """The fields that all texts of a page share.

    Attributes:
        url: the page's url as the record has it.
        page_url: the page's url, cleaned for the column `page_url`; None if it is empty.
        opt_out: the page's opt-out if it is honoured, else None.
        chars: the length of `page_url`, which every text of the page adds to a batch.
    """

    url: str
    page_url: str | None
    opt_out: str | None
    chars: int


class Batch:
    """Texts gathered page by page until there are enough for a batch."""

    def __init__(self, options: ExtractOptions, ledger: Ledger) -> None:
        self.ledger = ledger
        self._options = options
        self._og = "og:title" in options.text_fields
        self._usual_chars = min(options.text_cap, MAX_URL_CHARS)
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
        self._chars = 0

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
        page_url = clean_text(url)
        adder = _PageAdder(self, base, _PageInfo(url, page_url or None, opt_out, len(page_url)))
        links = 0
        for image in page.images():
            if texts := image.texts(self._options.text_fields):
                links += 1
                if links > self._options.link_cap:
                    self.reject("link_cap", url, f"an image link after the first {self._options.link_cap}")
                    continue
                adder.add_image(image, texts)
                if len(self._texts) >= BATCH_TEXTS or self._chars >= BATCH_CHARS:
                    yield self.flush()
        if self._og and (og := og_image(page.metas)):
            adder.add_og_image(*og)

    def add(self, url: str, problem: str, text: str, field: str, page: _PageInfo, extra: Extra) -> None:
        """Add a nonempty text, or count it as a reject: it is long, the page opts out, or the url has a problem."""
        self.ledger.texts_read += 1
        self.position += 1
        chars = len(url) + len(text)
        if chars > self._usual_chars:  # few texts
            if len(text) > self._options.text_cap:
                self.reject("text_cap", page.url, text)
                return
            if len(url) > MAX_URL_CHARS:
                problem = problem or "bad_url"
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
        self._chars += chars + page.chars
        if extra:
            for name, value in extra:
                self._extra_keys.append(name)
                self._extra_values.append(value)
                self._chars += len(value)
        self._extra_ends.append(len(self._extra_keys))

    def reject(self, reason: str, record: str, detail: str) -> None:
        """Count a reject; the ledger keeps the first ones of each reason as examples."""
        if self.ledger.rejected[reason] < self._options.sample_cap:
            self.ledger.reject(reason, record, detail)
        else:
            self._only_counted[reason] += 1


class _PageAdder:
    """A writer that adds the texts of one page to a batch."""

    def __init__(self, batch: Batch, base: str, page: _PageInfo) -> None:
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
