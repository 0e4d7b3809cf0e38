"""Time the data card of a stored pool: `report` on N balanced pairs, as a user runs it, with Spark's start.

    python tests/benchmarks/report_rate.py [--millions 1 10] [--rounds 1] [--keep FOLDER]     # bar: 10M under 60 s

The pool is generated: 4.8 matches per pair from the 500,000 entries of metadata/en.json.gz, and a million domains. The
counts of the entries and the sizes of the domains are long-tailed, as they are in a language. The command line counts
and balances the pool, which is not timed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

sys.path.insert(0, str(Path(__file__).parent))
from rebalance import cpu_seconds
from stored_pool import store_pool

from metaclip_spark.cli import main as main_of_cli
from metaclip_spark.metadata import load_metadata
from metaclip_spark.schemas import PAIRS
from metaclip_spark.spark.session import get_session
from metaclip_spark.terminal.tables import print_rows
from metaclip_spark.warehouse.runs import RunLog
from metaclip_spark.warehouse.tables import Warehouse

ROOT = Path(__file__).resolve().parents[2]
METADATA = ROOT / "metadata" / "en.json.gz"
ENTRIES, DOMAINS = 500_000, 1_000_000
_PART = 250_000


def main() -> int:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--millions", type=float, nargs="+", default=[1, 10])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="keep the warehouses in this folder, and reuse them")
    args = parser.parse_args()
    work = args.keep or Path(tempfile.mkdtemp(prefix="report-rate-"))
    rows = []
    try:
        for millions in args.millions:
            pairs, warehouse = int(millions * 1e6), work / f"pool-{millions:g}M"
            if not (warehouse / "curated_pairs").is_dir():
                shutil.rmtree(warehouse, ignore_errors=True)  # left by an interrupted benchmark
                run_python("--make", str(warehouse), str(pairs))
                run_command("balance", "--warehouse", warehouse, "--metadata", METADATA, "--threshold", 200)
            costs = []
            for _ in range(args.rounds):
                began = time.perf_counter()
                page, cpu = run_python("--report", warehouse).split()[-2:]
                costs.append((time.perf_counter() - began, float(cpu)))
            card = json.loads(Path(page).with_suffix(".json").read_text(encoding="utf-8"))
            seconds, cpu = (statistics.median(one) for one in zip(*costs, strict=True))
            rows.append(
                [
                    f"{pairs:,}",
                    f"{card['curated_size']:,}",
                    f"{card['counts']:,}",
                    f"{card['domains']['values']:,}",
                    f"{card['entry_domains']['judged']:,}",
                    f"{seconds:.1f}",
                    f"{cpu:.0f}",
                ]
            )
    finally:
        if args.keep is None:
            shutil.rmtree(work, ignore_errors=True)
    print(f"`report` on local[2], Spark's start included: medians of {args.rounds}; bar: 60 s for 10,000,000 pairs")
    print_rows(["pairs", "curated", "matches", "domains", "entries judged", "seconds", "CPU seconds"], rows)
    return 0


def make(warehouse: str, pairs: int) -> None:
    """Write a deduplicated pool, with the events that `dedup` records."""
    spark = get_session("local[2]", "4g")
    tables = Warehouse(spark, warehouse)
    metadata_id = load_metadata(METADATA).metadata_id
    attempt = RunLog(tables).attempt("made", {}, [metadata_id])
    attempt.record("started")
    store_pool(tables, attempt, made_pairs(spark, pairs, metadata_id), "default")
    spark.stop()


def made_pairs(spark: SparkSession, pairs: int, metadata_id: str):
    """Return generated rows of `pairs`."""

    def generate(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        shuffled = np.random.default_rng(0).permutation(ENTRIES).astype(np.int32)
        entries, hosts = _cumulative(ENTRIES, 1.05), _cumulative(DOMAINS, 1.1)
        for batch in batches:
            for start in batch.column(0).to_pylist():
                numbers = np.arange(start, min(start + _PART, pairs))
                yield _part(numbers, shuffled, entries, hosts)

    starts = -(-pairs // _PART)
    rows = spark.range(0, starts * _PART, _PART, starts).mapInArrow(
        generate, "n bigint, host bigint, entry_ids array<int>"
    )
    url = F.concat(
        F.lit("https://"),
        F.when(F.col("n") % 3 == 0, "images.").otherwise("www."),
        F.lit("shop"),
        F.col("host"),
        F.lit(".org/pictures/"),
        F.col("n"),
        F.lit(".jpg"),
    )
    columns = {
        "metadata_id": F.lit(metadata_id),
        "snapshot": F.lit("default"),
        "url": url,
        "entry_ids": F.col("entry_ids"),
        "text": F.concat(F.lit("a photo of number "), F.col("n"), F.lit(", as it stands on a page")),
        "pair_id": F.md5(F.col("n").cast("string")),
        "image_id": F.substring(F.sha2(url, 224), 1, 24),
        "text_source": F.when(F.col("n") % 5 == 0, "title").otherwise("alt"),
        "lang_score": F.lit(0.9),
        "lang": F.element_at(F.array(F.lit("en"), F.lit("de"), F.lit("und")), (F.col("n") % 3 + 1).cast("int")),
        "page_url": F.concat(F.lit("https://example.org/pages/"), F.col("n") % 100_003),
        "source_path": F.lit("crawl-data/CC-MAIN-2026-01/segments/0/wat/0.warc.wat.gz"),
    }
    return rows.select(*[columns.get(c.name, F.lit(None)).cast(c.type).alias(c.name) for c in PAIRS.columns])


def _part(numbers: np.ndarray, shuffled: np.ndarray, entries: np.ndarray, hosts: np.ndarray) -> pa.RecordBatch:
    rng = np.random.default_rng(int(numbers[0]))
    row = np.repeat(np.arange(len(numbers)), rng.poisson(4.8, len(numbers)))
    drawn = shuffled[np.searchsorted(entries, rng.random(len(row)))]
    row, drawn = np.divmod(np.unique(row * np.int64(ENTRIES) + drawn), ENTRIES)  # ascending and distinct
    offsets = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(numbers)))])
    lists = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(drawn, pa.int32()))
    return pa.record_batch({"n": numbers, "host": np.searchsorted(hosts, rng.random(len(numbers))), "entry_ids": lists})


def _cumulative(size: int, exponent: float) -> np.ndarray:
    weights = 1 / np.arange(1, size + 1) ** exponent
    summed = np.cumsum(weights / weights.sum())
    summed[-1] = 1.0
    return summed


def timed_report(warehouse: str) -> None:
    """Write the card by the command; print its path and the CPU seconds of all processes."""
    code = main_of_cli(["report", "--warehouse", warehouse, "--master", "local[2]"])
    print(f"{cpu_seconds():.1f}")
    sys.exit(code)


def run_command(*words: object) -> str:
    """Run a command of metaclip-spark in another process; return its stdout."""
    return run_python("-m", "metaclip_spark", *words, "--master", "local[2]", file=False)


def run_python(*words: object, file: bool = True) -> str:
    """Run this file, or Python without a file, in another process; return its stdout."""
    first = [sys.executable, __file__] if file else [sys.executable]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run([*first, *map(str, words)], env=env, stdout=subprocess.PIPE, text=True, check=True)
    return ended.stdout


if __name__ == "__main__":
    if sys.argv[1:2] == ["--make"]:
        make(sys.argv[2], int(sys.argv[3]))
        sys.exit(0)
    if sys.argv[1:2] == ["--report"]:
        timed_report(sys.argv[2])
    sys.exit(main())
