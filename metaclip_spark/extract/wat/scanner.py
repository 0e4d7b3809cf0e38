"""Read the records of many gzip members by compiled loops; a record that they leave is left to `PageReader`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.extract.optouts import opt_out_words
from metaclip_spark.extract.records.members import MAX_RECORDS, Members
from metaclip_spark.extract.wat.link_scan import LATER
from metaclip_spark.extract.wat.links import SPANS
from metaclip_spark.extract.wat.page import Links
from metaclip_spark.extract.wat.scan import (
    FOUND,
    MAX_DEPTH,
    NO_IMAGE_TEXT,
    NOT_PAGE,
    NOT_RESPONSE,
    PAGE_COLUMNS,
    scan_records,
)

REASONS = {NOT_RESPONSE: "not_response", NOT_PAGE: "not_page", NO_IMAGE_TEXT: "no_image_text"}

_ROWS = 1 << 12


class Scanned(NamedTuple):
    """Pages whose records were scanned, with their links; valid until the next run is read.

    Attributes:
        urls: the url of each page, "" if its record has none.
        bases: the value of the attribute in `<base>` of each page, or None.
        raw, records, table, spans: as `scan_records` reads and writes them.
        numbers: (k,) int64, the pages' records.
        most: the maximum number of links of a page.
    """

    urls: list[str]
    bases: list[str | None]
    raw: npt.NDArray[np.uint8]
    records: npt.NDArray[np.int64]
    table: npt.NDArray[np.int64]
    spans: npt.NDArray[np.int64]
    numbers: npt.NDArray[np.int64]
    most: int

    def links(self, index: int) -> Links:
        """Return the links of one page."""
        first, links = self.table[self.numbers[index], 4:6].tolist()
        start, stop = self.records[self.numbers[index], 2:4].tolist()
        found = min(links, self.most)
        return Links(self.raw[start:stop], self.spans[first : first + found], found, links - found)


class Scanner:
    """A reader of the records of one source, many at once."""

    def __init__(self, options: ExtractOptions) -> None:
        self._og = "og:title" in options.text_fields
        self._most = options.link_cap
        words = opt_out_words(options.opt_outs)
        self._words = np.array([word.encode() for word in words], "S32").view(np.uint8).reshape(-1, 32)
        self._spans = np.empty((_ROWS, SPANS), np.int64)
        self._stack = np.empty(MAX_DEPTH, np.int64)
        self._found = np.empty(FOUND, np.int64)
        self._kinds = np.empty(MAX_RECORDS, np.int8)
        self._pages = np.empty((MAX_RECORDS, PAGE_COLUMNS), np.int64)

    def runs(self, members: Members) -> Iterator[tuple[int, npt.NDArray[np.int8]]]:
        """Yield the records in runs: the number of the first one, and what each is (`REASONS`, `PAGE` or `LATER`).

        The pages of a run are valid until the next run is read.
        """
        at, number = 0, len(members)
        if self._og:
            self._kinds[:number] = LATER
            yield 0, self._kinds[:number]
            return
        while at < number:
            stop = scan_records(
                members.raw,
                members.records,
                at,
                self._spans,
                self._most,
                self._words,
                self._stack,
                self._found,
                self._kinds,
                self._pages,
            )
            if stop == at:
                self._spans = np.empty((2 * len(self._spans), SPANS), np.int64)
                continue
            yield at, self._kinds[at:stop]
            at = stop

    def pages(self, members: Members, numbers: npt.NDArray[np.int64]) -> Scanned:
        """Return pages of the last run, by the numbers of their records."""
        urls: list[str] = []
        bases: list[str | None] = []
        view = members.raw.data
        for url, url_stop, base, base_stop in self._pages[numbers, :4].tolist():
            urls.append(_string(view[url:url_stop]) if url >= 0 else "")
            bases.append(_string(view[base:base_stop]) if base >= 0 else None)
        return Scanned(urls, bases, members.raw, members.records, self._pages, self._spans, numbers, self._most)


def _string(value: memoryview) -> str:
    """Return the string that JSON has between quotes."""
    text = str(value, "utf-8")
    return str(msgspec.json.decode(f'"{text}"')) if "\\" in text else text
