"""Time extract + match against its floor: a bare pyahocorasick loop over the same cores, plus a plain Delta write.

    python tests/benchmarks/extract_match.py [--texts 1000000] [--repeat 3] [--cores 2]

Prints median seconds, texts/s and the ratio to the floor, whose bar is 1.25. Also prints the largest resident set of a
Python worker, whose bar is 500 MiB.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

import ahocorasick

sys.path.insert(0, str(Path(__file__).parent))
from texts import different_texts, entry_list, write_pool

from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.core.text import spaced, spaced_entry
from metaclip_spark.extract.task import Stamp
from metaclip_spark.matchers import compile_matcher
from metaclip_spark.metadata import load_metadata
from metaclip_spark.sources.files import find_sources, splits_of
from metaclip_spark.spark.broadcast import broadcast_matcher
from metaclip_spark.spark.session import get_session
from metaclip_spark.stages.extract import BroadcastTools, extract
from metaclip_spark.terminal.tables import print_rows

_automaton = None


def _bare_loop(texts: list[str]) -> int:
    find, total = _automaton.iter, 0
    for text in texts:
        total += len(sorted({entry_id for _, entry_id in find(spaced(text))}))
    return total


def _loop_seconds(texts: list[str], cores: int) -> float:
    parts = [texts[at::cores] for at in range(cores)]
    # Forked workers have the automaton and their texts from the start, so only the loop is timed.
    pipes, workers = [], []
    start = multiprocessing.get_context("fork").Barrier(cores + 1)
    for part in parts:
        receiver, sender = multiprocessing.Pipe()
        worker = multiprocessing.get_context("fork").Process(target=_timed_loop, args=(part, start, sender))
        worker.start()
        pipes.append(receiver)
        workers.append(worker)
    start.wait()
    began = time.perf_counter()
    for pipe in pipes:
        pipe.recv()
    seconds = time.perf_counter() - began
    for worker in workers:
        worker.join()
    return seconds


def _timed_loop(texts: list[str], start, pipe) -> None:
    start.wait()
    pipe.send(_bare_loop(texts))


class _WorkerMemory(threading.Thread):
    """A thread that records the largest resident set of this machine's PySpark workers."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak_mib = 0.0
        self.stop = threading.Event()

    def run(self) -> None:
        while not self.stop.wait(0.2):
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    if b"pyspark.daemon" in Path(f"/proc/{pid}/cmdline").read_bytes():
                        status = Path(f"/proc/{pid}/status").read_text()
                        self.peak_mib = max(self.peak_mib, int(status.split("VmRSS:")[1].split()[0]) / 1024)
                except (OSError, IndexError):
                    continue  # the process has ended


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--cores", type=int, default=2)
    args = parser.parse_args()

    global _automaton
    texts, name = different_texts(args.texts)
    metadata = load_metadata(entry_list())
    _automaton = ahocorasick.Automaton(ahocorasick.STORE_INTS)
    for entry_id, entry in enumerate(metadata.entries):
        _automaton.add_word(spaced_entry(entry), entry_id)
    _automaton.make_automaton()

    loops = [_loop_seconds(texts, args.cores) for _ in range(args.repeat)]
    _automaton = None
    work = Path(tempfile.mkdtemp(prefix="extract-match-"))
    write_pool(work / "pool", texts, files=2 * args.cores)
    del texts
    spark = get_session(f"local[{args.cores}]", conf={"spark.ui.enabled": "false"})
    matcher = broadcast_matcher(spark, compile_matcher(metadata))
    splits = splits_of(find_sources([str(work / "pool")]))
    stamp = Stamp("benchmark", metadata.metadata_id, "batch")
    memory = _WorkerMemory()
    memory.start()
    ours, writes = [], []
    for at in range(args.repeat + 1):  # the first round warms the JVM and unpacks the list; it is not counted
        target, copy = str(work / f"ours-{at}"), str(work / f"copy-{at}")
        began = time.perf_counter()
        rows = extract(spark, splits, ExtractOptions(), BroadcastTools(matcher=matcher), stamp)
        rows.write.format("delta").partitionBy("metadata_id", "snapshot").save(target)
        seconds = time.perf_counter() - began
        if at == 0:
            spark.read.format("delta").load(target).write.parquet(str(work / "rows"))
        began = time.perf_counter()
        spark.read.parquet(str(work / "rows")).write.format("delta").partitionBy("metadata_id", "snapshot").save(copy)
        if at:
            ours.append(seconds)
            writes.append(time.perf_counter() - began)
    memory.stop.set()
    shutil.rmtree(work)
    loop, write, whole = (statistics.median(x) for x in (loops, writes, ours))
    print(f"{name}; {len(metadata.entries):,} entries; {args.cores} cores; medians of {args.repeat}")
    rate = lambda s: f"{args.texts / s:,.0f}"  # noqa: E731
    print_rows(
        ["pass", "seconds", "texts/s"],
        [
            ["pyahocorasick, bare loop over the cores", f"{loop:.2f}", rate(loop)],
            ["plain Delta write of the same rows", f"{write:.2f}", rate(write)],
            ["both, one after the other: the floor", f"{loop + write:.2f}", rate(loop + write)],
            ["extract + match into Delta", f"{whole:.2f}", rate(whole)],
        ],
    )
    print(f"ratio {whole / (loop + write):.2f} (bar: at most 1.25)")
    print(f"largest Python worker {memory.peak_mib:.0f} MiB (bar: under 500)")


if __name__ == "__main__":
    main()
