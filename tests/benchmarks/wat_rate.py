"""Measure the WAT reader on one core, in MB of gzip per second, against decompression alone and two other readers.

    python tests/benchmarks/wat_rate.py [--rounds 5] [--megabytes 60] [--parts]

The readers take turns in each round, in this process. The time is CPU time, so other work on the machine does not
count. Ours is the reader as extraction uses it, opt-outs included, with both ids of every pair. Matching and language
identification are off. `--parts` adds our reader up to each of its parts, and without its shortcuts. The exit status is
1 if a bar is missed.
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

import numpy as np
import pyarrow.compute as pc
import simdjson
from fastwarc.warc import ArchiveIterator

from metaclip_spark.candidates.ledger import Ledger
from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.core.hashing.ids import image_ids, pair_ids
from metaclip_spark.extract.records.damage import Damage
from metaclip_spark.extract.records.dialect import WAT
from metaclip_spark.extract.records.members import MemberReader
from metaclip_spark.extract.records.reader import records_or_members
from metaclip_spark.extract.records.record import Record
from metaclip_spark.extract.wat.link_scan import LATER
from metaclip_spark.extract.wat.reader import read_wat
from metaclip_spark.extract.wat.scan import PAGE
from metaclip_spark.extract.wat.scanner import Scanner
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


def members_only(path: Path) -> int:
    """Inflate and split as our reader does; return the number of records."""
    with open(path, "rb") as file:
        found = records_or_members(file, WAT, Damage(Ledger()))
        return sum(1 if isinstance(records, Record) else len(records) for records in found)


def scan_only(path: Path) -> int:
    """Inflate, split, and find the links of pages; return the number of pages."""
    scanner, pages = Scanner(ExtractOptions()), 0
    with open(path, "rb") as file:
        for members in records_or_members(file, WAT, Damage(Ledger())):
            if not isinstance(members, Record):
                pages += sum(int((kinds == PAGE).sum()) for _, kinds in scanner.runs(members))
    return pages


def without_ids(path: Path) -> int:
    """Read the pairs without their ids; return their number."""
    split = Split(Source(path.name, str(path), "wat", path.stat().st_size, ""), 0, 1, 0, 1)
    return sum(len(batch.url) for batch in read_wat(split, ExtractOptions(), Ledger()))


def not_scanned(path: Path) -> int:
    """Read the pairs, and leave every record to the parser; return the number of pairs."""
    runs = Scanner.runs
    Scanner.runs = lambda _, members: iter([(0, np.full(len(members), LATER, np.int8))])  # type: ignore[method-assign]
    try:
        return ours(path)
    finally:
        Scanner.runs = runs  # type: ignore[method-assign]


def one_by_one(path: Path) -> int:
    """Read the pairs, member by member, and leave every record to the parser; return the number of pairs."""
    read = MemberReader.read
    MemberReader.read = lambda *_: None  # type: ignore[assignment, method-assign]
    try:
        return ours(path)
    finally:
        MemberReader.read = read  # type: ignore[method-assign]


READERS: list[tuple[str, Callable[[Path], int], float]] = [
    ("split only (fastwarc)", split_only, 0.55),
    ("ours, with ids", ours, 1.0),
    ("simdjson, urljoin, md5", simdjson_urljoin_md5, 2.2),
    ("gzip lines + json", gzip_json, 3.2),
]
"""Name, function, and bar: the smallest ratio of our rate to its rate."""
PARTS: list[tuple[str, Callable[[Path], int], float]] = [
    ("ours, members and records only", members_only, 0.0),
    ("ours, up to the links", scan_only, 0.0),
    ("ours, without ids", without_ids, 0.0),
    ("ours, no record scanned", not_scanned, 0.0),
    ("ours, member by member", one_by_one, 0.0),
]
"""The same for `--parts`, without bars."""


def main() -> int:
    """Run the benchmark and print its table; return 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--megabytes", type=float, default=60)
    parser.add_argument("--parts", action="store_true", help="also time the parts of our reader")
    args = parser.parse_args()
    pages = ROOT.parent / "shared" / "data" / "crawl" / "pages.wat.gz"
    if not pages.exists():
        sys.exit(f"real data is missing: {pages} does not exist")
    with tempfile.TemporaryDirectory(prefix="wat-rate-") as work:
        path = Path(work) / "pages.wat.gz"
        once = pages.read_bytes()
        path.write_bytes(once * -(-int(args.megabytes * 1e6) // len(once)))
        return report(path, args.rounds, [*READERS, *PARTS] if args.parts else READERS)


def report(path: Path, rounds: int, readers: list[tuple[str, Callable[[Path], int], float]]) -> int:
    """Time all readers on a file, in turn in each round; return the exit status."""
    seconds: dict[str, list[float]] = {name: [] for name, *_ in readers}
    for _ in range(rounds):
        for name, read, _bar in readers:
            began = time.process_time()
            read(path)
            seconds[name].append(time.process_time() - began)
    size = path.stat().st_size / 1e6
    (our_name, *_), rows, missed = readers[1], [], 0
    for name, _, bar in readers:
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
