"""Measure the WAT reader on one core, in MB of gzip per second, against decompression alone and two other readers.

    python tests/benchmarks/wat_rate.py [--rounds 5] [--megabytes 60]

The readers take turns in each round, in this process. The time is CPU time, so other work on the machine does not
count. Ours is the reader as extraction uses it, opt-outs included, with both ids of every pair. Matching and language
identification are off. The exit status is 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import gzip
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from hashlib import md5
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pyarrow.compute as pc
import simdjson
from fastwarc.warc import ArchiveIterator

from metaclip_spark.candidates.ledger import Ledger
from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.core.hashing.ids import image_ids, pair_ids
from metaclip_spark.extract.wat.reader import read_wat
from metaclip_spark.sources.files import Source, Split
from metaclip_spark.terminal.tables import print_rows

ROOT = Path(__file__).resolve().parents[2]


def split_only(path: Path) -> int:
    """Decompress and split records without parsing them; return the number of bytes."""
    with open(path, "rb") as file:
        return sum(len(record.reader.read()) for record in ArchiveIterator(file))


def ours(path: Path) -> int:
    """Read the pairs with their ids, as a task does; return the number of pairs."""
    split = Split(Source(path.name, str(path), "wat", path.stat().st_size, ""), 0, 1, 0, 1)
    pairs = 0
    for batch in read_wat(split, ExtractOptions(), Ledger()):
        pairs += len(pc.unique(pair_ids(batch.url, batch.text))) and len(image_ids(batch.url))
    return pairs


def simdjson_urljoin_md5(path: Path) -> int:
    """Decode every record, join the url of every image link, and hash each pair by md5; return the number of pairs."""
    parser = simdjson.Parser()
    pairs = 0
    with open(path, "rb") as file:
        for record in ArchiveIterator(file):
            if record.headers.get("Content-Type") != "application/json":
                continue
            for base, url, texts in texts_of(parser.parse(record.reader.read(), recursive=True)):
                absolute = urljoin(base, url)
                for text in texts:
                    pairs += bool(md5(f"{absolute}\t{text}".encode()).hexdigest())
    return pairs


def gzip_json(path: Path) -> int:
    """Read gzip line by line and decode every line of JSON, without joining urls; return the number of pairs."""
    pairs = 0
    with gzip.open(path, "rb") as lines:
        for line in lines:
            if line.startswith(b"{"):
                for _, url, texts in texts_of(json.loads(line)):
                    pairs += len([(url, text) for text in texts])
    return pairs


def texts_of(record: dict[str, Any]) -> Iterator[tuple[str, str, list[str]]]:
    """Yield (base, url, texts) of each image link of a decoded record that has a text."""
    envelope = record["Envelope"]
    header = envelope["WARC-Header-Metadata"]
    if header.get("WARC-Type") != "response":
        return
    http = envelope["Payload-Metadata"].get("HTTP-Response-Metadata") or {}
    html = http.get("HTML-Metadata") or {}
    base = (html.get("Head") or {}).get("Base")
    base = urljoin(header["WARC-Target-URI"], base) if base else header["WARC-Target-URI"]
    for link in html.get("Links") or ():
        if link.get("path") == "IMG@/src":
            texts = [text for text in (link.get("alt"), link.get("title")) if text]
            if texts and link.get("url"):
                yield base, link["url"], texts


READERS: list[tuple[str, Callable[[Path], int], float]] = [
    ("split only (fastwarc)", split_only, 0.45),
    ("ours, with ids", ours, 1.0),
    ("simdjson, urljoin, md5", simdjson_urljoin_md5, 2.2),
    ("gzip lines + json", gzip_json, 3.2),
]
"""Name, function, and bar: the smallest ratio of our rate to its rate."""


def main() -> int:
    """Run the benchmark and print its table; return 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--megabytes", type=float, default=60)
    args = parser.parse_args()
    pages = ROOT.parent / "shared" / "data" / "crawl" / "pages.wat.gz"
    if not pages.exists():
        sys.exit(f"real data is missing: {pages} does not exist")
    with tempfile.TemporaryDirectory(prefix="wat-rate-") as work:
        path = Path(work) / "pages.wat.gz"
        once = pages.read_bytes()
        path.write_bytes(once * -(-int(args.megabytes * 1e6) // len(once)))
        return report(path, args.rounds)


def report(path: Path, rounds: int) -> int:
    """Time all readers on a file, in turn in each round; return the exit status."""
    seconds: dict[str, list[float]] = {name: [] for name, *_ in READERS}
    for _ in range(rounds):
        for name, read, _bar in READERS:
            began = time.process_time()
            read(path)
            seconds[name].append(time.process_time() - began)
    size = path.stat().st_size / 1e6
    (our_name, *_), rows, missed = READERS[1], [], 0
    for name, _, bar in READERS:
        best, median = (pick(seconds[name]) / pick(seconds[our_name]) for pick in (min, statistics.median))
        missed += best < bar
        rows.append(
            [
                name,
                f"{size / min(seconds[name]):.1f}",
                f"{size / statistics.median(seconds[name]):.1f}",
                f"{best:.2f}",
                f"{median:.2f}",
                f"{bar:.2f}",
            ]
        )
    print(f"{size:.1f} MB of gzip, {rounds} rounds, one core")
    print_rows(["reader", "MB/s best", "MB/s median", "ours/it best", "ours/it median", "bar"], rows)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
