"""Simulate the commits of extraction: the share of time that a cluster's cores are at work, by sources per commit.

    python tests/benchmarks/batches.py [--cores 400] [--files 90000] [--input FILE.wat.gz]

All cores wait for the last source of a commit, and for the commit itself. The time of a source is drawn: a piece of
the input (20 records of a WAT) is extracted on one core, and the seconds per byte of a random piece are those of a
whole file. That is wider than files differ, since a file is the mean of thousands of pieces. Some files are slow
besides (--slow-share, --slow-times): a machine that is busy, a transfer that was resumed.
"""

from __future__ import annotations

import argparse
import heapq
import random
import statistics
import tempfile
import time
import zlib
from collections.abc import Sequence
from pathlib import Path

from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.extract.task import Stamp, Tools, extract_split
from metaclip_spark.matchers import compile_matcher
from metaclip_spark.metadata import load_metadata
from metaclip_spark.sources.files import find_sources, splits_of
from metaclip_spark.steps.reading.pace import sources_per_commit
from metaclip_spark.terminal.tables import print_rows

ROOT = Path(__file__).resolve().parents[2]
FILE_SECONDS = 8.6
"""Mean seconds of a WAT on one core: 215 core-hours for 90,000 (docs/SCALING.md)."""
MEASURED = (0.55, 0.62, 0.68, 0.73, 0.78, 0.83, 0.88, 0.93, 0.98, 1.03, 1.09, 1.16, 1.25, 1.38, 1.6, 2.1)
"""Times of pieces of a real WAT, as multiples of their mean, where no input is given."""
_RECORDS = 20


def share_at_work(times: Sequence[float], cores: int, per_commit: int, commit_seconds: float) -> float:
    """Return the share of the cores' time that tasks take, from the first source to the last commit.

    Args:
        times: seconds of each source, in the order in which they are read.
        per_commit: sources of a commit.
        commit_seconds: seconds from the end of a commit's last source to the start of the next one's first.
    """
    wall = 0.0
    for start in range(0, len(times), per_commit):
        free = [0.0] * cores
        for seconds in times[start : start + per_commit]:
            heapq.heapreplace(free, free[0] + seconds)
        wall += max(free) + commit_seconds
    return sum(times) / (cores * wall)


def drawn_times(
    files: int, ratios: Sequence[float], slow_share: float = 0.01, slow_times: float = 3.0, seed: int = 0
) -> list[float]:
    """Return the seconds of each file, drawn from the ratios of pieces to their mean."""
    draw = random.Random(seed)
    mean = statistics.fmean(ratios)
    times = [FILE_SECONDS * draw.choice(ratios) / mean for _ in range(files)]
    return [seconds * (slow_times if draw.random() < slow_share else 1.0) for seconds in times]


def measured_ratios(path: Path) -> list[float]:
    """Return the seconds per byte of each piece of a WAT, in multiples of their mean."""
    tools = Tools(matcher=compile_matcher(load_metadata("en")))
    options, stamp = ExtractOptions(), Stamp("s", "m", "b")
    rates = []
    with tempfile.TemporaryDirectory() as folder:
        members = _members(path.read_bytes())
        for number, start in enumerate(range(0, len(members) - _RECORDS, _RECORDS)):
            piece = Path(folder) / f"{number}.wat.gz"
            piece.write_bytes(b"".join(members[start : start + _RECORDS]))
            (split,) = splits_of(find_sources([str(piece)]))
            seconds = []
            for _ in range(3):
                began = time.process_time()
                for _ in extract_split(split, options, tools, stamp):
                    pass
                seconds.append(time.process_time() - began)
            rates.append(min(seconds) / split.source.bytes)
    mean = statistics.fmean(rates)
    return [rate / mean for rate in rates]


def _members(data: bytes) -> list[bytes]:
    """Return the gzip members of a file."""
    members = []
    while data:
        inflate = zlib.decompressobj(31)
        inflate.decompress(data)
        inflate.flush()
        members.append(data[: len(data) - len(inflate.unused_data)])
        data = inflate.unused_data
    return members


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", type=int, default=400)
    parser.add_argument("--files", type=int, default=90_000)
    parser.add_argument("--commit-seconds", type=float, default=5.0)
    parser.add_argument("--slow-share", type=float, default=0.01)
    parser.add_argument("--slow-times", type=float, default=3.0)
    parser.add_argument("--input", type=Path, default=ROOT.parent / "shared" / "data" / "crawl" / "pages.wat.gz")
    args = parser.parse_args()
    ratios: Sequence[float] = measured_ratios(args.input) if args.input.is_file() else MEASURED
    spread = statistics.pstdev(ratios)
    print(
        f"{len(ratios)} pieces; standard deviation {spread:.2f} of the mean, slowest {max(ratios):.1f} times the mean"
    )
    times = drawn_times(args.files, ratios, args.slow_share, args.slow_times)
    chosen = sources_per_commit(None, args.cores)
    rows = []
    for per_commit in sorted({500, 2 * args.cores, 4 * args.cores, 8 * args.cores, 16 * args.cores, chosen}):
        at_work = share_at_work(times, args.cores, per_commit, args.commit_seconds)
        hours = sum(times) / args.cores / at_work / 3600
        note = "the default" if per_commit == chosen else ""
        rows.append([f"{per_commit:,}", f"{at_work:.0%}", f"{hours:.2f}", note])
    print_rows(["sources per commit", f"{args.cores:,} cores at work", "hours", ""], rows)


if __name__ == "__main__":
    main()
