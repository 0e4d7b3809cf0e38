"""Time a sweep of 32 values of t against a sweep of one value, over stored pairs.

    python tests/benchmarks/sweep_many.py [--pairs 2000000] [--rounds 3]

The pool is a Delta table of pairs with urls and texts, which a sweep does not read. A pair has 4.8 matches on average.
The counts of the 500,000 entries are long-tailed, as they are in a language. Prints medians. The bar is a ratio of 2.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession

from metaclip_spark.core.threshold_search import THRESHOLDS_PER_PASS
from metaclip_spark.spark.session import get_session
from metaclip_spark.stages.count import count
from metaclip_spark.stages.sweep import expected_sums
from metaclip_spark.terminal.tables import print_rows

ENTRIES = 500_000
_PART = 250_000


def pool(spark: SparkSession, folder: str, pairs: int) -> DataFrame:
    """Write a generated pool and return it."""
    rng = np.random.default_rng(0)
    weights = 1 / np.arange(1, ENTRIES + 1) ** 1.05
    ids = rng.permutation(ENTRIES).astype(np.int32)
    for start in range(0, pairs, _PART):
        n = min(_PART, pairs - start)
        row = np.repeat(np.arange(n), rng.poisson(4.8, n))
        drawn = ids[np.searchsorted(np.cumsum(weights / weights.sum()), rng.random(len(row))).clip(max=ENTRIES - 1)]
        row, drawn = np.divmod(np.unique(row * np.int64(ENTRIES) + drawn), ENTRIES)  # ascending and distinct
        offsets = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=n))])
        lists = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(drawn, pa.int32()))
        numbers = np.arange(start, start + n)
        table = pa.table(
            {
                "url": [f"https://images.example.org/{number:x}.jpg" for number in numbers],
                "text": [f"a photo of number {number}, as it stands on a page" for number in numbers],
                "text_source": np.array(["alt", "title"])[numbers % 5 // 4],
                "lang": np.array(["en", "de", "fr", "und"])[numbers % 7 % 4],
                "entry_ids": lists,
            }
        )
        pq.write_table(table, f"{folder}/made-{start:012d}.parquet")
    spark.read.parquet(f"{folder}/made-*.parquet").write.format("delta").save(f"{folder}/pairs")
    return spark.read.format("delta").load(f"{folder}/pairs")


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    spark = get_session("local[2]", conf={"spark.sql.shuffle.partitions": "4"})
    with tempfile.TemporaryDirectory() as folder:
        pairs = pool(spark, folder, args.pairs)
        counted = count(pairs, ENTRIES).toArrow()
        counts = np.zeros(ENTRIES, dtype=np.int64)
        counts[counted["entry_id"].to_numpy()] = counted["count"].to_numpy()
        middle = int(np.quantile(counts[counts > 0], 0.999))
        many = np.unique(np.geomspace(2, counts.max(), THRESHOLDS_PER_PASS).astype(np.int64)).tolist()
        many = sorted({*many, *range(middle, middle + THRESHOLDS_PER_PASS - len(many))})[:THRESHOLDS_PER_PASS]
        seconds: dict[tuple[int, bool], list[float]] = {}
        expected_sums(pairs, counts, many)  # compiles kernels and starts the workers
        for _ in range(args.rounds):
            for values in ([middle], many):
                for by_group in (True, False):
                    began = time.perf_counter()
                    expected_sums(pairs, counts, values, by_group)
                    seconds.setdefault((len(values), by_group), []).append(time.perf_counter() - began)
    medians = {key: statistics.median(times) for key, times in seconds.items()}
    rows = [
        [
            name,
            f"{medians[1, by_group]:.2f}",
            f"{medians[len(many), by_group]:.2f}",
            f"{medians[len(many), by_group] / medians[1, by_group]:.2f}",
        ]
        for name, by_group in (("by text source and language (sweep)", True), ("in all (--target-size)", False))
    ]
    matches = int(counts.sum())
    print(f"{args.pairs:,} pairs, {matches:,} matches, {ENTRIES:,} entries; 2 cores; medians of {args.rounds}")
    print_rows(["sums", "1 t, s", f"{len(many)} t, s", "ratio (bar 2)"], rows)


if __name__ == "__main__":
    sys.exit(main())
