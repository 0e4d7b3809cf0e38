"""Time the rebalancing of stored pairs (match, count and balance, Delta to Delta) against a plain copy.

    python tests/benchmarks/rebalance.py [--millions 3] [--rounds 3]     # seconds, and the ratio to the copy (bar: 4.5)
    python tests/benchmarks/rebalance.py --skew                          # one entry in every text (bar: 1.2 times)
    python tests/benchmarks/rebalance.py --millions 1 2 4 8 16 32 [--plot FILE.svg]    # linear (bar: 1.1)

The pairs are seeded, with different urls and different, resampled LAION texts. The list has 500,000 entries. CPU
seconds are those of all processes; other work on the machine changes them less than the seconds. With several sizes,
each size runs once, after a run of the smallest size that is not counted.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

sys.path.insert(0, str(Path(__file__).parent))
from texts import base_texts, entry_list

from metaclip_spark.benchmark.texts import different_texts
from metaclip_spark.core.sampling import TAIL_FRACTION, entry_probability, threshold_for_tail_fraction
from metaclip_spark.matchers import compile_matcher
from metaclip_spark.metadata import Metadata, load_metadata
from metaclip_spark.schemas import PAIRS
from metaclip_spark.spark.broadcast import Broadcast, broadcast_matcher
from metaclip_spark.spark.session import get_session
from metaclip_spark.stages.balance import balance
from metaclip_spark.stages.count import count
from metaclip_spark.stages.match import match
from metaclip_spark.terminal.tables import print_rows

PASSES = ("copy", "match", "count", "balance")


class Cost(NamedTuple):
    """The cost of a pass: seconds, and CPU seconds of all processes."""

    seconds: float
    cpu: float


def main() -> int:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--millions", type=float, nargs="+", default=[3])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--skew", action="store_true")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--spark", metavar="NAME=VALUE", action="append", default=[], help="a setting of Spark")
    args = parser.parse_args()
    metadata = load_metadata(entry_list())
    spark = get_session(f"local[{args.cores}]", "6g", dict(one.split("=", 1) for one in args.spark))
    work = Path(tempfile.mkdtemp(prefix="rebalance-"))
    try:
        if args.skew:
            skewed(spark, metadata, work, int(args.millions[0] * 1e6), args.rounds)
        elif len(args.millions) > 1:
            line(spark, metadata, work, [int(size * 1e6) for size in args.millions], args.plot)
        else:
            against_copy(spark, metadata, work, int(args.millions[0] * 1e6), args.rounds)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return 0


def against_copy(spark: SparkSession, metadata: Metadata, work: Path, pairs: int, rounds: int) -> None:
    """Print the cost of each pass, and the ratio of match + count + balance to the copy."""
    make_pool(spark, work / "pool", pairs)
    found = rounds_of(lambda: one_round(spark, metadata, work / "pool", work / "out", copy=True), rounds)
    rows = [[name, f"{found[name].seconds:.2f}", f"{found[name].cpu:.1f}"] for name in PASSES]
    print(f"{pairs:,} pairs, {len(metadata.entries):,} entries; medians of {rounds}, after one that is not counted")
    print_rows(["pass", "seconds", "CPU seconds"], rows)
    for unit, label in (("seconds", "seconds"), ("cpu", "CPU seconds")):
        whole = sum(getattr(found[name], unit) for name in PASSES[1:])
        print(f"match + count + balance: {whole / getattr(found['copy'], unit):.2f} times the copy, in {label}")


def skewed(spark: SparkSession, metadata: Metadata, work: Path, pairs: int, rounds: int) -> None:
    """Print the cost if every text has the same entry, against the cost if that word is not an entry."""
    costs = {}
    for name, word in (("a word that is not an entry", "zqx"), ("one entry in every text", "the")):
        make_pool(spark, work / "pool", pairs, word)
        found = rounds_of(lambda: one_round(spark, metadata, work / "pool", work / "out"), rounds)
        costs[name] = Cost(*(sum(getattr(cost, unit) for cost in found.values()) for unit in Cost._fields))
    print(f"{pairs:,} pairs, each text with the same first word; match + count + balance, medians of {rounds}")
    rows = [[name, f"{cost.seconds:.2f}", f"{cost.cpu:.1f}"] for name, cost in costs.items()]
    print_rows(["first word", "seconds", "CPU seconds"], rows)
    plain, skew = costs.values()
    times, cpu = skew.seconds / plain.seconds, skew.cpu / plain.cpu
    print(f"skewed: {times:.2f} times the seconds, {cpu:.2f} times the CPU seconds")


def line(spark: SparkSession, metadata: Metadata, work: Path, sizes: list[int], plot: Path | None) -> None:
    """Print the cost per pair at each size."""
    rows, costs = [], {}
    for at, pairs in enumerate([sizes[0], *sizes]):
        make_pool(spark, work / "pool", pairs)
        found = one_round(spark, metadata, work / "pool", work / "out")
        if not at:
            continue  # warm-up
        seconds, cpu = (sum(getattr(cost, unit) for cost in found.values()) for unit in Cost._fields)
        costs[pairs] = Cost(seconds / pairs * 1e6, cpu / pairs * 1e6)
        rows.append(
            [
                f"{pairs / 1e6:g}M",
                f"{seconds:.1f}",
                f"{cpu:.1f}",
                f"{seconds / pairs * 1e6:.2f}",
                f"{cpu / pairs * 1e6:.2f}",
                f"{peak_mib(os.getpid()):.0f}",
                f"{peak_mib(jvm()):,.0f}",
            ]
        )
        print(" ".join(rows[-1]), file=sys.stderr, flush=True)
    print(f"match + count + balance, Delta to Delta; {len(metadata.entries):,} entries; local[2]")
    heads = ["pairs", "seconds", "CPU seconds", "us per pair", "CPU us per pair", "driver MiB", "JVM MiB"]
    print_rows(heads, rows)
    first, last = costs[sizes[1]], costs[sizes[-1]]
    print(
        f"per pair at {sizes[-1]:,} pairs against {sizes[1]:,}: {last.seconds / first.seconds:.2f} times the seconds, "
        f"{last.cpu / first.cpu:.2f} times the CPU seconds"
    )
    if plot:
        draw(costs, plot)


def draw(costs: dict[int, Cost], path: Path) -> None:
    """Plot the seconds against the number of pairs."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "rebalance"
    from matplotlib import pyplot

    sizes = np.array(list(costs))
    figure, axes = pyplot.subplots(figsize=(6, 3.5), layout="constrained")
    for unit, label in (("seconds", "seconds"), ("cpu", "CPU seconds")):
        totals = np.array([getattr(cost, unit) for cost in costs.values()]) * sizes / 1e6
        axes.plot(sizes / 1e6, totals, "o-", label=label)
    axes.set(xlabel="million pairs", ylabel="match + count + balance", xlim=0, ylim=0)
    axes.legend()
    figure.savefig(path, metadata={"Date": None})


def make_pool(spark: SparkSession, folder: Path, pairs: int, word: str = "") -> None:
    """Write a Delta table of pairs, each text different, in the schema of `pairs`."""
    write(made_pairs(spark, 0, pairs, word), folder)


def made_pairs(spark: SparkSession, start: int, stop: int, word: str = "", snapshot: str = "s") -> DataFrame:
    """Return unmatched pairs numbered from start to stop, with different texts, in the schema of `pairs`."""
    base = base_texts()[0]

    def texts(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            first = batch.column(0)[0].as_py()
            resampled = different_texts(base, len(batch), seed=first, first_number=first)
            resampled = [f"{word} {text}" for text in resampled] if word else resampled
            yield pa.record_batch({"n": batch.column(0), "text": pa.array(resampled, pa.string())})

    tasks = max(8, (stop - start) // 500_000)
    rows = spark.range(start, stop, 1, tasks).mapInArrow(texts, "n bigint, text string")
    url = F.concat(F.lit("https://images.example.org/"), F.col("n") % 977, F.lit("/"), F.col("n"), F.lit(".jpg"))
    columns = {
        "metadata_id": F.lit("other"),
        "snapshot": F.lit(snapshot),
        "url": url,
        "text": F.col("text"),
        "pair_id": F.md5(F.concat(url, "text")),
        "image_id": F.substring(F.sha2(url, 224), 1, 24),
        "text_source": F.lit("alt"),
        "lang": F.lit("en"),
        "lang_score": F.lit(0.9),
        "page_url": F.concat(F.lit("https://example.org/pages/"), F.substring(F.md5(url), 1, 6), F.lit(".html")),
        "source_path": F.lit("crawl-data/CC-MAIN-2026-01/segments/0/wat/0.warc.wat.gz"),
        "entry_ids": F.array(),
    }
    return rows.select(*[columns.get(c.name, F.lit(None)).cast(c.type).alias(c.name) for c in PAIRS.columns])


def one_round(spark: SparkSession, metadata: Metadata, pool: Path, out: Path, copy: bool = False) -> dict[str, Cost]:
    """Time each pass once."""
    stored = read(spark, pool)
    costs = {}
    if copy:
        costs["copy"] = timed(lambda: write(stored, out / "copy"))
    matcher = broadcast_matcher(spark, compile_matcher(metadata))
    costs["match"] = timed(lambda: write(match(stored, matcher, metadata.metadata_id), out / "pairs"))
    matched = read(spark, out / "pairs")
    costs["count"] = timed(lambda: write(count(matched, len(metadata.entries)), out / "counts"))
    summed, counts = read(spark, out / "counts").toArrow(), np.zeros(len(metadata.entries), np.int64)
    counts[summed["entry_id"].to_numpy()] = summed["count"].to_numpy()
    t = threshold_for_tail_fraction(counts, TAIL_FRACTION)
    broadcast = Broadcast.of(
        spark, np.where(counts > 0, entry_probability(counts, t), np.nan), key=f"{pool}:{counts.sum()}:{t}"
    )
    costs["balance"] = timed(lambda: write(balance(matched, broadcast, 0, "run"), out / "curated"))
    kept, whole = read(spark, out / "curated").count(), matched.count()
    print(f"t = {t:,}: {kept:,} of {whole:,} pairs kept", file=sys.stderr, flush=True)
    return costs


def rounds_of(run: Callable[[], dict[str, Cost]], rounds: int) -> dict[str, Cost]:
    """Return the median cost of each pass. The first round is not counted."""
    found = [run() for _ in range(rounds + 1)][1:]
    return {
        name: Cost(*(statistics.median(getattr(one[name], unit) for one in found) for unit in Cost._fields))
        for name in found[0]
    }


def timed(run: Callable[[], None]) -> Cost:
    began, cpu = time.perf_counter(), cpu_seconds()
    run()
    return Cost(time.perf_counter() - began, cpu_seconds() - cpu)


def read(spark: SparkSession, folder: Path) -> DataFrame:
    return spark.read.format("delta").load(str(folder))


def write(rows: DataFrame, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    rows.write.format("delta").save(str(folder))


def cpu_seconds() -> float:
    """Return the CPU seconds of this process and all processes below it, including those that ended."""
    ticks = 0
    for pid in process_tree(os.getpid()):
        fields = stat_fields(pid)
        ticks += sum(map(int, fields[11:15])) if fields else 0
    return ticks / os.sysconf("SC_CLK_TCK")


def process_tree(root: int) -> list[int]:
    """Return a process and all processes below it."""
    parents = {
        int(pid): int(fields[1]) for pid in filter(str.isdigit, os.listdir("/proc")) if (fields := stat_fields(pid))
    }
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def stat_fields(pid: int | str) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on, or [] if the process has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def jvm() -> int:
    """Return the JVM's process id."""
    return next(pid for pid in process_tree(os.getpid()) if "java" in Path(f"/proc/{pid}/cmdline").read_text())


def peak_mib(pid: int) -> float:
    """Return the largest resident set of a process."""
    return int(Path(f"/proc/{pid}/status").read_text().split("VmHWM:")[1].split()[0]) / 1024


if __name__ == "__main__":
    sys.exit(main())
