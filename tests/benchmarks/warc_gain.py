"""Compare the pairs of a WARC with those of the WAT of the same pages.

    python tests/benchmarks/warc_gain.py

Counts different (page, url, text). Every pair of the WAT is in the WARC, or one of the `RULES` explains why it differs.
"""

from __future__ import annotations

import html
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from metaclip_spark.candidates.ledger import Ledger
from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.core.urls.resolve import Resolver, resolve
from metaclip_spark.extract.records.dialect import WARC
from metaclip_spark.extract.records.reader import warc_records
from metaclip_spark.extract.warc.charset import utf8_of
from metaclip_spark.extract.warc.html import LAZY_SOURCES, HtmlPage
from metaclip_spark.extract.warc.reader import read_warc
from metaclip_spark.extract.warc.responses import response_of
from metaclip_spark.extract.wat.reader import read_wat
from metaclip_spark.sources.files import Source, Split
from metaclip_spark.terminal.tables import print_rows

ROOT = Path(__file__).resolve().parents[2]
CRAWL = ROOT.parent / "shared" / "data" / "crawl"
FIELDS = ExtractOptions().text_fields
_SCRIPT = re.compile(rb"<script\b[^>]*>(.*?)</script", re.IGNORECASE | re.DOTALL)

RULES = {
    "charset": "the extractor decoded the page with another charset",
    "line ends": "an HTML parser reads CR LF as one line end, which becomes one space",
    "inside a script": "the extractor reads markup in a script's text as elements",
}
"""Reasons why a pair of the WAT is not in the WARC with the same url and text."""

Pair = tuple[str, str, str]
"""(page's url, image's url, text)."""


def pairs_of(path: Path, kind: str) -> dict[Pair, str]:
    """Read a file; return each pair with its text field (the first one if the pair repeats)."""
    split = Split(Source(path.name, str(path), kind, path.stat().st_size, ""), 0, 1, 0, 1)
    read = read_wat if kind == "wat" else read_warc
    found: dict[Pair, str] = {}
    for batch in read(split, ExtractOptions(), Ledger()):
        columns = (batch.page_url, batch.url, batch.text, batch.text_source)
        for page, url, text, field in zip(*(column.to_pylist() for column in columns), strict=True):
            found.setdefault((page, url, text), field)
    return found


def pages_of(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield (url, page in UTF-8) of each response."""
    with open(path, "rb") as file:
        for record in warc_records(file, WARC):
            if record.get(b"warc-type") == b"response" and not record.skipped:
                response = response_of(record.payload)
                yield record.get(b"warc-target-uri").decode(), utf8_of(response.body(), response.get("content-type"))


def differences(wat: dict[Pair, str], warc: dict[Pair, str], pages: dict[str, bytes]) -> tuple[Counter, list[Pair]]:
    """Return the number of WAT pairs that are the same, or differ by each rule, and the pairs that no rule explains."""
    by_url: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for page, url, text in warc:
        by_url[page, url].add(text)
    rules: Counter = Counter()
    unexplained: list[Pair] = []
    for pair in wat:
        page, url, text = pair
        others = by_url[page, url]
        if pair in warc:
            rules["the same"] += 1
        elif " ".join(text.split()) in {" ".join(other.split()) for other in others}:
            rules["line ends"] += 1
        elif others and not text.isascii():
            rules["charset"] += 1
        elif text in texts_in_scripts(pages[page]):
            rules["inside a script"] += 1
        else:
            unexplained.append(pair)
    return rules, unexplained


def texts_in_scripts(page: bytes) -> set[str]:
    """Return the image texts in a page's scripts, read as HTML, unescaped once more and not."""
    found = set()
    for script in _SCRIPT.findall(page):
        for raw in (script, html.unescape(script.decode("utf-8", "replace")).encode()):
            for image in HtmlPage(raw, FIELDS).images():
                found |= {html.unescape(text).strip() for _, text in image.texts(FIELDS)}
    return found


def gains(wat: dict[Pair, str], warc: dict[Pair, str], pages: dict[str, bytes]) -> Counter:
    """Return the number of pairs that only the WARC has, by the attribute of the text or the url."""
    known = {(page, url) for page, url, _ in wat}
    attributes = {page: url_attributes(page, pages[page]) for page in {page for page, _, _ in warc}}
    found: Counter = Counter()
    for (page, url, text), field in warc.items():
        if (page, url, text) in wat:
            continue
        if field not in ("alt", "title"):
            found[field] += 1
        elif attributes[page].get(url, "src") != "src":
            found[attributes[page][url]] += 1
        elif (page, url) not in known:
            found["src, lost or damaged in the WAT"] += 1
    return found


def url_attributes(url: str, page: bytes) -> dict[str, str]:
    """Return the kind of attribute of each absolute image url of a page; `src` wins over the others."""
    tree = HtmlPage(page, FIELDS)
    absolute = Resolver((resolve(url, tree.base) or url) if tree.base else url).absolute
    found: dict[str, str] = {}
    lazy = f"{', '.join(LAZY_SOURCES)}"
    for image in tree.images():
        usable = not absolute(image.src)[1]
        if usable:
            found[absolute(image.src)[0]] = "src"
        for other in image.lazy_sources():
            found.setdefault(absolute(other)[0], f"{lazy}: {'with a usable src' if usable else 'no usable src'}")
        for other in image.largest_sources():
            found.setdefault(absolute(other)[0], "srcset, data-srcset, <picture>: no usable src")
    return found


def main() -> None:
    """Print both tables."""
    if not CRAWL.is_dir():
        sys.exit(f"real data is missing: {CRAWL} does not exist")
    wat, warc = pairs_of(CRAWL / "pages.wat.gz", "wat"), pairs_of(CRAWL / "pages.warc.gz", "warc")
    pages = dict(pages_of(CRAWL / "pages.warc.gz"))
    rules, unexplained = differences(wat, warc, pages)
    print(f"{len(pages):,} pages; {len(wat):,} different pairs in the WAT, {len(warc):,} in the WARC")
    rows = [[name, f"{number:,}"] for name, number in [*rules.most_common(), ("not explained", len(unexplained))]]
    print_rows(["the WAT's pairs in the WARC", "pairs"], rows)
    print_rows(["only in the WARC", "pairs"], [[name, f"{n:,}"] for name, n in gains(wat, warc, pages).most_common()])


if __name__ == "__main__":
    main()
