"""Time deduplication as crawls are added: crawl 20 against crawl 2, of equal size, with 30% repeats in each.

    python tests/benchmarks/dedup_crawls.py [--pairs 2000000] [--crawls 20] [--prefixes 1]
    python tests/benchmarks/dedup_crawls.py --against DIR [--pairs 2000000] [--rounds 3] [--engine spark]

The first command deduplicates every crawl. For each it prints the microseconds and the bytes shuffled per new pair, and
the bytes that Spark read. The bars for the last crawl against the second are a ratio of 1.2 for the time and 1.1 for
the bytes. Then it projects the measured rates to 90 whole crawls, and prints the arithmetic.

The second command times a run of a generated pool, from files to the curated subset, with this code and with the
checkout DIR, in turns. The bar is a ratio of 1.05.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from generated_pool import write_generated
from process_tree import Measured, measured
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from metaclip_spark.config.settings import Settings
from metaclip_spark.schemas import EXTRACTED
from metaclip_spark.spark.session import get_session
from metaclip_spark.steps import dedup as deduplication
from metaclip_spark.steps.context import NO_LIST, NO_METADATA, WritingContext
from metaclip_spark.steps.dedup import dedup_step
from metaclip_spark.terminal.progress import Reporter
from metaclip_spark.terminal.tables import print_rows
from metaclip_spark.warehouse.runs import RunLog
from metaclip_spark.warehouse.tables import Warehouse

REPEATS = 0.3
TIME_BAR, BYTES_BAR, RUN_BAR = 1.2, 1.1, 1.05
WHOLE_CRAWL, WHOLE_NEW, WHOLE_CRAWLS = 9.2e9, 4.6e9, 90
"""Staged pairs of a whole crawl, its new ones, and the number of crawls (docs/SCALING.md)."""


@dataclass(frozen=True)
class Timed:
    """The deduplication of a crawl: seconds, new pairs, known pairs before it, bytes shuffled, bytes read."""

    seconds: float
    new: int
    known: int
    shuffled: int
    read: int

    @property
    def microseconds(self) -> float:
        """Wall time per new pair."""
        return 1e6 * self.seconds / self.new

    @property
    def bytes_per_new(self) -> float:
        """Bytes shuffled per new pair."""
        return self.shuffled / self.new


def pair_numbers(spark: SparkSession, crawl: int, pairs: int) -> DataFrame:
    """Return the numbers of a crawl's pairs: 70% are new, the others are pairs of earlier crawls."""
    new_pairs = int(pairs * (1 - REPEATS)) if crawl > 1 else pairs
    new = spark.range(crawl * pairs, crawl * pairs + new_pairs, 1, 4)
    # A repeat has a number that was new in an earlier crawl.
    earlier = 1 + F.pmod(F.xxhash64("id", F.lit("crawl")), F.lit(crawl - 1)) if crawl > 1 else F.lit(1)
    offset = F.pmod(F.xxhash64("id", F.lit(crawl)), F.lit(int(pairs * (1 - REPEATS))))
    repeats = spark.range(0, pairs - new_pairs, 1, 4).select((earlier * pairs + offset).alias("id"))
    return new.union(repeats).distinct()


def staged(crawl: str, ids: DataFrame, pairs: int) -> DataFrame:
    """Return rows of `extracted`, as long as those of real pairs, and the outcome of their only source."""
    columns = {
        "snapshot": F.lit(crawl),
        "metadata_id": F.lit(NO_LIST),
        "batch_id": F.lit(f"batch-{crawl}"),
        "kind": F.lit("pair"),
        "pair_id": F.md5(F.col("id").cast("string")),
        "image_id": F.substring("pair_id", 1, 24),
        "url": F.concat(F.lit("https://images.example.org/"), F.sha1("pair_id"), F.lit(".jpg")),
        "text": F.concat(F.lit("a photo of "), F.sha1("url")),
        "text_source": F.lit("alt"),
        "page_url": F.concat(F.lit("https://example.org/"), "image_id"),
        "lang": F.lit("und"),
        "source_path": F.lit("a"),
        "position": F.col("id"),
        "entry_ids": F.sequence(F.lit(1), F.lit(4)),
    }
    rows = ids
    for name, column in columns.items():
        rows = rows.withColumn(name, column)
    outcome = {
        "snapshot": F.lit(crawl),
        "metadata_id": F.lit(NO_LIST),
        "batch_id": F.lit(f"batch-{crawl}"),
        "kind": F.lit("source"),
        "source_path": F.lit("a"),
        "status": F.lit("done"),
        "pairs_written": F.lit(pairs),
        "records_read": F.lit(pairs),
        "texts_read": F.lit(pairs),
        "texts_matched": F.lit(pairs),
        "bytes_read": F.lit(0),
        "rejected": F.create_map().cast("map<string,bigint>"),
    }
    source_row = ids.sparkSession.range(1).select(*[value.alias(name) for name, value in outcome.items()])
    return _full(rows).unionByName(_full(source_row))


def _full(rows: DataFrame) -> DataFrame:
    """Select the columns of `extracted`; missing columns are null."""
    existing = set(rows.columns)
    return rows.select(
        *[(F.col(c.name) if c.name in existing else F.lit(None)).cast(c.type).alias(c.name) for c in EXTRACTED.columns]
    )


def bytes_moved(spark: SparkSession) -> tuple[int, int]:
    """Return the bytes that all of Spark's stages have written to shuffles, and that they have read from files."""
    jvm, store = spark.sparkContext._jvm, spark.sparkContext._jsc.sc().statusStore()
    none = jvm.java.util.ArrayList()
    quantiles = spark.sparkContext._gateway.new_array(jvm.double, 0)
    stages = store.stageList(none, False, False, quantiles, none)
    each = [stages.apply(at) for at in range(stages.size())]
    return sum(stage.shuffleWriteBytes() for stage in each), sum(stage.inputBytes() for stage in each)


def timed(ctx: WritingContext, pairs: int, crawl: int) -> Timed:
    """Add a crawl and return what its deduplication took."""
    spark, name = ctx.spark, f"crawl-{crawl:02d}"
    ctx.settings = Settings(warehouse=ctx.warehouse.root, snapshot=name)
    rows = staged(name, pair_numbers(spark, crawl, pairs), pairs).sortWithinPartitions("pair_id")
    ctx.warehouse.append("extracted", rows, txn=f"staged-{crawl}")
    known = ctx.warehouse.count("pairs", metadata_id=NO_LIST)
    shuffled, read = bytes_moved(spark)
    began = time.perf_counter()
    new = dedup_step(ctx)
    seconds = time.perf_counter() - began
    moved, read_now = bytes_moved(spark)
    assert new > 0.6 * pairs, f"crawl {crawl} brought {new} pairs"
    return Timed(seconds, new, known, moved - shuffled, read_now - read)


def projection(second: Timed, last: Timed, pairs: int, cores: int) -> list[str]:
    """Return the arithmetic of 90 whole crawls, from the rates of a new pair and of a known key.

    The difference of two crawls of equal size is the time of the known keys that only the later one has.
    """
    more = last.known - second.known
    per_known = max(0.0, last.seconds - second.seconds) * cores / more
    per_staged = (second.seconds * cores - per_known * second.known) / pairs
    shuffled = second.shuffled / pairs
    known = [WHOLE_CRAWL - WHOLE_NEW + WHOLE_NEW * crawl for crawl in range(WHOLE_CRAWLS)]
    staged_hours = WHOLE_CRAWL * per_staged / 3600
    known_hours = [keys * per_known / 3600 for keys in known]
    return [
        f"per staged pair: ({second.seconds:.1f} s x {cores} cores - known keys) / {pairs:,}"
        f" = {per_staged * 1e6:.2f} us",
        f"per known key:   ({last.seconds:.1f} s - {second.seconds:.1f} s) x {cores} cores / {more:,} keys"
        f" = {per_known * 1e6:.3f} us",
        f"per staged pair: {shuffled:.0f} bytes shuffled",
        f"a whole crawl:   {WHOLE_CRAWL:.1e} x {per_staged * 1e6:.2f} us = {staged_hours:,.0f} core-hours,"
        f" {WHOLE_CRAWL * shuffled / 1e12:.2f} TB shuffled",
        f"its known keys:  crawl 2 {known[1]:.1e} x {per_known * 1e6:.3f} us = {known_hours[1]:,.1f} core-hours;"
        f" crawl 90 {known[-1]:.1e} x {per_known * 1e6:.3f} us = {known_hours[-1]:,.1f} core-hours",
        f"90 crawls:       90 x {staged_hours:,.0f} + {sum(known_hours):,.0f}"
        f" = {90 * staged_hours + sum(known_hours):,.0f} core-hours,"
        f" {90 * WHOLE_CRAWL * shuffled / 1e12:,.0f} TB shuffled",
        "That is as if the disks, the network and the driver never limited the cores. No whole crawl has been run.",
    ]


def crawls(pairs: int, number: int, prefixes: int, cores: int) -> None:
    """Deduplicate crawls one after another and print a table."""
    if prefixes > 1:
        deduplication.PAIRS_PER_PREFIX = -(-pairs // prefixes)
    conf = {
        "spark.ui.retainedStages": "100000",
        "spark.sql.shuffle.partitions": str(4 * cores),
        "parquet.block.size": str(1 << 20),
    }
    spark = get_session(f"local[{cores}]", conf=conf)
    rows, done = [], []
    with tempfile.TemporaryDirectory() as folder:
        warehouse = Warehouse(spark, folder)
        log = RunLog(warehouse)
        attempt = log.attempt("benchmark", {}, [NO_LIST])
        ctx = WritingContext(
            warehouse,
            Settings(warehouse=folder),
            NO_METADATA,
            Reporter(),
            log,
            attempt.run_id,
            attempt.attempt_id,
            attempt.config,
            attempt,
        )
        for crawl in range(1, number + 1):
            one = timed(ctx, pairs, crawl)
            done.append(one)
            cells = [f"{one.seconds:.1f}", f"{one.microseconds:.2f}", f"{one.bytes_per_new:.0f}"]
            rows.append([str(crawl), f"{one.known:,}", f"{one.new:,}", *cells, f"{one.read / 1e6:,.0f}"])
            print(*rows[-1], flush=True)
    second, last = done[1], done[-1]
    head = ["crawl", "known pairs", "new pairs", "seconds", "us per new pair", "bytes shuffled per new pair", "MB read"]
    print_rows(head, rows)
    print(f"us per new pair, crawl {number} / crawl 2: {last.microseconds / second.microseconds:.2f} (bar {TIME_BAR})")
    print(f"bytes per new pair, the same: {last.bytes_per_new / second.bytes_per_new:.2f} (bar {BYTES_BAR})")
    print(*projection(second, last, pairs, cores), sep="\n")


def against(other: Path, pairs: int, rounds: int, engine: str) -> None:
    """Time whole runs of this code and of another checkout in turns, and print their medians."""
    here = Path(__file__).resolve().parents[2]
    taken: dict[Path, list[Measured]] = {here: [], other.resolve(): []}
    with tempfile.TemporaryDirectory() as folder:
        write_generated(Path(folder, "pool"), pairs, files=max(4, pairs // 250_000))
        for number in range(rounds + 1):  # the first round compiles kernels, and is not counted
            for code, results in taken.items():
                words = ["--input", f"{folder}/pool/*.parquet", "--metadata", str(code / "metadata" / "en.json.gz")]
                where = ["--warehouse", f"{folder}/{code.name}-{number}", "--engine", engine, "--no-lid"]
                command = [sys.executable, "-m", "metaclip_spark", "run", *words, *where]
                one = measured(command, {"PYTHONPATH": str(code)}, Path(folder))
                if one.status != 0:
                    raise SystemExit(f"{code}: exit status {one.status}\n{one.output}")
                results += [one] if number else []
    rows, medians = [], []
    for code, results in taken.items():
        medians.append(statistics.median(one.seconds for one in results))
        cpu = statistics.median(one.cpu_seconds for one in results)
        peak = max(one.peak for one in results) >> 20
        rows.append([str(code), f"{medians[-1]:.1f}", f"{cpu:.1f}", f"{peak:,}"])
    print_rows([f"run of {pairs:,} pairs, {engine}", "seconds", "CPU seconds", "peak MiB"], rows)
    print(f"this code / the other: {medians[0] / medians[1]:.3f} (bar {RUN_BAR})")


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=2_000_000)
    parser.add_argument("--crawls", type=int, default=20)
    parser.add_argument("--prefixes", type=int, default=1, help="number of key prefixes of each deduplication")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--against", type=Path, help="another checkout, to time whole runs against")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engine", choices=["spark", "embedded"], default="spark", help="with --against")
    args = parser.parse_args()
    if args.against is not None:
        against(args.against, args.pairs, args.rounds, args.engine)
    else:
        crawls(args.pairs, args.crawls, args.prefixes, args.cores)


if __name__ == "__main__":
    sys.exit(main())
