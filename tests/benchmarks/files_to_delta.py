"""Time WAT files to the Delta table `extracted`, against bare extraction plus a plain Delta write of the same rows.

    python tests/benchmarks/files_to_delta.py [--engine embedded spark] [--files 8] [--rounds 5] [--cores 2]

No file is read twice for the same texts: each has urls and texts of its own (`different_wats.py`). Matching, with
500,000 entries if ../shared/data exists, and language identification are on, as in a run. Bare extraction runs in as
many processes as there are cores, which keep nothing. The plain write is the engine's own, from Parquet. An engine runs
in a process of its own, and its passes take turns in each round; the first round warms up and is not counted.

Prints medians and the ratio, whose bar is 1.2, and the largest resident memory of a process that reads files.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from different_wats import write_wats
from process_tree import tree_of
from texts import entry_list

from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.extract.language import load_identifier
from metaclip_spark.extract.task import Stamp, Tools, extract_split
from metaclip_spark.matchers import Matcher, compile_matcher
from metaclip_spark.metadata import load_metadata
from metaclip_spark.sources.files import Split, find_sources, splits_of
from metaclip_spark.terminal.tables import print_rows

ENGINES = ("embedded", "spark")
BAR = 1.2
BARE, WRITE = "extraction in bare processes", "plain Delta write of the same rows"
COUNT, OURS = "files to the engine, which counts the rows", "files to Delta"
_READERS = ("pyspark.daemon", "workers import serve")
"""What the command line of a process that reads files contains."""


def main() -> int:
    """Run the benchmark and print its tables; return 1 if the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--files", type=int, default=8)
    parser.add_argument("--copies", type=int, default=2, help="copies of the real records in a file (default 2)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.inside is not None:
        print(json.dumps(measure(args.engine[0], args.inside, args.rounds, args.cores)))
        return 0
    work = Path(tempfile.mkdtemp(prefix="files-to-delta-"))
    missed = 0
    try:
        paths = write_wats(work / "crawl", args.files, args.copies)
        size = sum(path.stat().st_size for path in paths) / 1e6
        for engine in args.engine:
            command = [sys.executable, __file__, "--engine", engine, "--inside", str(work)]
            command += ["--rounds", str(args.rounds), "--cores", str(args.cores)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            missed += report(engine, size, len(paths), args.cores, json.loads(done.stdout.splitlines()[-1]))
    finally:
        shutil.rmtree(work)
    return int(missed > 0)


def report(engine: str, size: float, files: int, cores: int, found: dict[str, Any]) -> bool:
    """Print the table of an engine; return whether the bar is missed."""
    bare, write, count, ours = (statistics.median(found[name]) for name in (BARE, WRITE, COUNT, OURS))
    rounds = len(found[OURS])
    print(f"\n{engine}: {files} different WATs, {size:.0f} MB; {found['rows']:,} rows; {cores} cores, {rounds} rounds")
    passes = [(BARE, bare), (WRITE, write), ("both, one after the other: the floor", bare + write)]
    passes += [(COUNT, count), (OURS, ours)]
    print_rows(
        ["pass", "seconds", "MB/s"], [[name, f"{seconds:.2f}", f"{size / seconds:.1f}"] for name, seconds in passes]
    )
    ratio = ours / (bare + write)
    print(f"ratio {ratio:.2f} (bar: at most {BAR}); largest reader {found['reader_bytes'] / 2**20:.0f} MiB")
    return ratio > BAR


def measure(engine: str, work: Path, rounds: int, cores: int) -> dict[str, Any]:
    """Return the seconds of each pass and round, the number of rows, and the memory of the largest reader."""
    splits = splits_of(find_sources([str(work / "crawl")]))
    metadata = load_metadata(entry_list())
    matcher = compile_matcher(metadata)
    identifier = load_identifier("lid176")
    options = ExtractOptions(languages=("en",), identifier=f"{identifier.name}:{identifier.version}")
    stamp = Stamp("benchmark", metadata.metadata_id, "batch")
    bare = BareProcesses(splits, options, matcher, stamp, cores)  # before the engine, which has threads
    spark = started(engine, cores)
    from metaclip_spark.spark.broadcast import broadcast_matcher
    from metaclip_spark.stages.extract import BroadcastTools, extract
    from metaclip_spark.warehouse.tables import Warehouse

    tools = BroadcastTools(matcher=broadcast_matcher(spark, matcher), identifier="lid176").with_workers(spark, options)
    seconds: dict[str, list[float]] = {name: [] for name in (BARE, WRITE, COUNT, OURS)}
    rows, reader_bytes = 0, 0
    for at in range(rounds + 1):
        root, copy = work / f"{engine}-{at}", str(work / f"{engine}-copy-{at}")
        warehouse = Warehouse(spark, root=str(root))
        warehouse.ensure("extracted")
        taken = {BARE: bare.seconds()}
        began = time.perf_counter()
        rows = warehouse.append("extracted", extract(spark, splits, options, tools, stamp), txn="batch").rows
        taken[OURS] = time.perf_counter() - began
        reader_bytes = max(reader_bytes, largest_reader())
        began = time.perf_counter()
        extract(spark, splits, options, tools, stamp).count()
        taken[COUNT] = time.perf_counter() - began
        stored = str(work / f"{engine}-rows")
        if at == 0:
            warehouse.read("extracted").write.parquet(stored)
        began = time.perf_counter()
        spark.read.parquet(stored).write.format("delta").partitionBy("metadata_id", "snapshot").save(copy)
        taken[WRITE] = time.perf_counter() - began
        for name, value in taken.items():
            seconds[name] += [value] if at else []
        shutil.rmtree(root)
        shutil.rmtree(copy)
    bare.stop()
    return {**seconds, "rows": rows, "reader_bytes": reader_bytes}


def started(engine: str, cores: int) -> Any:
    """Start an engine; return its session."""
    if engine == "embedded":
        from metaclip_spark.spark.embedded import embedded_session

        return embedded_session()
    from metaclip_spark.spark.session import get_session

    return get_session(f"local[{cores}]")


def largest_reader() -> int:
    """Return the most bytes that a process below this one that reads files has had in memory."""
    largest = 0
    for pid in tree_of(os.getpid())[1:]:
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode()
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue  # the process has ended
        if any(word in words for word in _READERS):
            largest = max(largest, int(status.split("VmHWM:")[1].split()[0]) << 10)
    return largest


class BareProcesses:
    """Forked processes that extract files on demand and keep nothing; they inherit the compiled list."""

    def __init__(
        self, splits: Sequence[Split], options: ExtractOptions, matcher: Matcher, stamp: Stamp, cores: int
    ) -> None:
        context = multiprocessing.get_context("fork")
        self._pipes: list[Connection] = []
        self._processes = []
        for at in range(cores):
            here, there = context.Pipe()
            process = context.Process(
                target=_serve, args=(there, splits[at::cores], options, matcher, stamp), daemon=True
            )
            process.start()
            self._pipes.append(here)
            self._processes.append(process)

    def seconds(self) -> float:
        """Extract all files; return the seconds until the last process is done."""
        began = time.perf_counter()
        for pipe in self._pipes:
            pipe.send(True)
        for pipe in self._pipes:
            pipe.recv()
        return time.perf_counter() - began

    def stop(self) -> None:
        """End the processes."""
        for pipe in self._pipes:
            pipe.send(False)
        for process in self._processes:
            process.join()


def _serve(pipe: Connection, splits: Sequence[Split], options: ExtractOptions, matcher: Matcher, stamp: Stamp) -> None:
    tools = Tools(matcher=matcher, identifier=load_identifier("lid176"))
    while pipe.recv():
        pipe.send(sum(1 for split in splits for _ in extract_split(split, options, tools, stamp)))


if __name__ == "__main__":
    sys.exit(main())
