"""Measure the WARC reader on one core, in MB of gzip per second, against two usual readers.

    python tests/benchmarks/warc_rate.py [--rounds 5]

The readers take turns in each round, in this process; the slowest runs only in the last round. The time is CPU time, so
other work on the machine does not count. The peers return (url, text) from `src`, `alt` and `title` of each `<img>`, in
the page's charset. Ours also returns lazy-loaded images, and checks opt-outs. The exit status is 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urljoin

from bs4 import BeautifulSoup
from selectolax.lexbor import LexborHTMLParser
from warcio.archiveiterator import ArchiveIterator

from metaclip_spark.candidates.ledger import Ledger
from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.extract.warc.reader import read_warc
from metaclip_spark.sources.files import Source, Split
from metaclip_spark.terminal.tables import print_rows

ROOT = Path(__file__).resolve().parents[2]
TEXTS = ("alt", "title")
Pairs = set[tuple[str, str]]


def ours(path: Path) -> Pairs:
    """Read the pairs as a task does."""
    split = Split(Source(path.name, str(path), "warc", path.stat().st_size, ""), 0, 1, 0, 1)
    found: Pairs = set()
    for batch in read_warc(split, ExtractOptions(), Ledger()):
        found.update(zip(batch.url.to_pylist(), batch.text.to_pylist(), strict=True))
    return found


def warcio_selectolax(path: Path) -> Pairs:
    """Read with warcio and parse with selectolax."""
    found: Pairs = set()
    for page, body in bodies(path):
        tree = LexborHTMLParser(body, encoding=True)
        base = tree.css_first("base[href]")
        base = urljoin(page, base.attributes["href"] or "") if base else page
        add(found, base, (node.attributes for node in tree.css("img")))
    return found


def warcio_beautifulsoup(path: Path) -> Pairs:
    """Read with warcio and parse with BeautifulSoup and the standard library's parser."""
    found: Pairs = set()
    for page, body in bodies(path):
        tree = BeautifulSoup(body, "html.parser")
        base = tree.find("base", href=True)
        add(found, urljoin(page, base["href"]) if base else page, (node.attrs for node in tree.find_all("img")))
    return found


def bodies(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield (page's url, body) of each response."""
    with open(path, "rb") as file:
        for record in ArchiveIterator(file):
            if record.rec_type == "response" and "html" in (record.http_headers.get_header("Content-Type") or ""):
                yield record.rec_headers.get_header("WARC-Target-URI"), record.content_stream().read()


def add(found: Pairs, base: str, images: Iterator[dict[str, str | None]]) -> None:
    """Add the pairs of images, each given as its attributes."""
    for image in images:
        texts = [text for name in TEXTS if (text := (image.get(name) or "").strip())]
        src = image.get("src")
        if texts and src and not src.startswith("data:"):
            url = urljoin(base, src.strip())
            found.update((url, text) for text in texts)


READERS: list[tuple[str, Callable[[Path], Pairs], float]] = [
    ("this reader", ours, 1.0),
    ("warcio + selectolax", warcio_selectolax, 1.5),
    ("warcio + BeautifulSoup", warcio_beautifulsoup, 3.0),
]
"""Name, function, and bar: the smallest ratio of our rate to its rate."""


def main() -> int:
    """Run the benchmark and print its table; return 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    path = ROOT.parent / "shared" / "data" / "crawl" / "pages.warc.gz"
    if not path.exists():
        sys.exit(f"real data is missing: {path} does not exist")
    warnings.simplefilter("ignore")  # BeautifulSoup warns of pages that look like something else
    seconds: dict[str, list[float]] = {name: [] for name, *_ in READERS}
    pairs: dict[str, Pairs] = {}
    for number in range(args.rounds):
        for name, read, _bar in READERS if number == args.rounds - 1 else READERS[:2]:
            gc.collect()
            began = time.process_time()
            pairs[name] = read(path)
            seconds[name].append(time.process_time() - began)
    return report(path.stat().st_size / 1e6, seconds, pairs)


def report(size: float, seconds: dict[str, list[float]], pairs: dict[str, Pairs]) -> int:
    """Print the table; return the exit status."""
    ours_name, rows, missed = READERS[0][0], [], 0
    for name, _, bar in READERS:
        best, median = (pick(seconds[name]) / pick(seconds[ours_name]) for pick in (min, statistics.median))
        missed += best < bar
        rows.append(
            [
                name,
                f"{size / min(seconds[name]):.1f}",
                f"{size / statistics.median(seconds[name]):.1f}",
                f"{best:.2f}",
                f"{median:.2f}",
                f"{bar:.2f}",
                f"{len(pairs[name]):,}",
                f"{len(pairs[name] & pairs[ours_name]):,}",
            ]
        )
    print(f"{size:.1f} MB of gzip, {len(seconds[ours_name])} rounds, one core")
    heads = ["reader", "MB/s best", "MB/s median", "ours/it best", "ours/it median", "bar", "pairs", "also in ours"]
    print_rows(heads, rows)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
