"""Time deduplication as crawls are added: crawl 20 against crawl 2, of equal size, with 30% repeats in each.

    python tests/benchmarks/dedup_crawls.py [--pairs 500000] [--crawls 20]

Prints the seconds and the bytes shuffled per new pair, for crawls 2 and 20. The bar is a ratio of 1.5.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from metaclip_spark.config.settings import Settings
from metaclip_spark.schemas import EXTRACTED
from metaclip_spark.spark.session import get_session
from metaclip_spark.steps.context import NO_LIST, NO_METADATA, WritingContext, in_pool
from metaclip_spark.steps.dedup import dedup_step
from metaclip_spark.terminal.progress import Reporter
from metaclip_spark.terminal.tables import print_rows
from metaclip_spark.warehouse.runs import RunLog
from metaclip_spark.warehouse.tables import Warehouse

REPEATS = 0.3


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


def shuffle_bytes(spark: SparkSession) -> int:
    """Return the bytes that all of Spark's stages have written to shuffles."""
    jvm, store = spark.sparkContext._jvm, spark.sparkContext._jsc.sc().statusStore()
    none = jvm.java.util.ArrayList()
    quantiles = spark.sparkContext._gateway.new_array(jvm.double, 0)
    stages = store.stageList(none, False, False, quantiles, none)
    return sum(stages.apply(at).shuffleWriteBytes() for at in range(stages.size()))


def timed(ctx: WritingContext, pairs: int, crawl: int) -> tuple[float, float]:
    """Add a crawl; return the seconds, and the bytes shuffled per new pair."""
    spark, name = ctx.spark, f"crawl-{crawl:02d}"
    ctx.settings = Settings(warehouse=ctx.warehouse.root, snapshot=name)
    ctx.warehouse.append("extracted", staged(name, pair_numbers(spark, crawl, pairs), pairs), txn=f"staged-{crawl}")
    before, began = shuffle_bytes(spark), time.perf_counter()
    new = dedup_step(ctx)
    seconds, bytes_moved = time.perf_counter() - began, shuffle_bytes(spark) - before
    assert new > 0.6 * pairs, f"crawl {crawl} brought {new} pairs"
    return seconds, bytes_moved / new


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=500_000)
    parser.add_argument("--crawls", type=int, default=20)
    args = parser.parse_args()
    conf = {"spark.ui.retainedStages": "100000", "spark.sql.shuffle.partitions": "4"}
    spark = get_session("local[2]", conf=conf)
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
        timed(ctx, args.pairs, 1)
        second = timed(ctx, args.pairs, 2)
        for crawl in range(3, args.crawls):  # only the keys, because nothing else of an earlier crawl is read
            ids = spark.range(crawl * args.pairs, crawl * args.pairs + int(args.pairs * (1 - REPEATS)), 1, 2)
            keys = ids.select(
                F.lit(NO_LIST).alias("metadata_id"),
                F.lit(f"crawl-{crawl:02d}").alias("snapshot"),
                F.unhex(F.md5(F.col("id").cast("string"))).alias("pair_key"),
            )
            warehouse.append("pair_keys", keys)
        last = timed(ctx, args.pairs, args.crawls)
        known = in_pool(ctx, "pair_keys", f"crawl-{args.crawls:02d}").count()
    rows = [
        ["2", f"{second[0]:.1f}", f"{second[1]:.0f}"],
        [f"{args.crawls}", f"{last[0]:.1f}", f"{last[1]:.0f}"],
        ["ratio (bar 1.5)", f"{last[0] / second[0]:.2f}", f"{last[1] / second[1]:.2f}"],
    ]
    print_rows([f"crawl of {args.pairs:,} pairs", "seconds", "bytes shuffled per new pair"], rows)
    print(f"{known:,} pairs of crawl {args.crawls} were new.")


if __name__ == "__main__":
    sys.exit(main())
