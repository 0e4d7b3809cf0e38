"""Measure what a question about staged sources takes: from the small table `outcomes`, and from the files of pairs.

    python tests/benchmarks/staging.py [--sources 2000] [--rounds 3] [--engine spark|embedded]

Each generated source has two pairs, and becomes one task: on Spark one file of `extracted`, as a WAT does. The question
is the one that each command begins with: which splits are extracted, and how did they end?
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from metaclip_spark.cli import main as command
from metaclip_spark.config.settings import Settings
from metaclip_spark.core.wording import size
from metaclip_spark.metadata import load_metadata
from metaclip_spark.spark.engine import EngineSettings, open_engine
from metaclip_spark.steps.context import Context
from metaclip_spark.steps.staging import outcomes_in_files, staged_batches, staged_outcomes
from metaclip_spark.terminal.progress import Reporter
from metaclip_spark.terminal.tables import print_rows
from metaclip_spark.warehouse.runs import RunLog
from metaclip_spark.warehouse.tables import Warehouse

COLUMNS = ["source_path", "split", "status", "reason", "pairs_written"]


def best(work: Callable[[], pa.Table], rounds: int) -> tuple[float, pa.Table]:
    """Return the seconds of the fastest of several calls, and what the last one returned."""
    seconds = []
    for _ in range(rounds):
        began = time.perf_counter()
        rows = work()
        seconds.append(time.perf_counter() - began)
    return min(seconds), rows


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engine", choices=["spark", "embedded"], default="spark")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pool, root = Path(folder, "pool"), str(Path(folder, "warehouse"))
        pool.mkdir()
        for number in range(args.sources):
            rows = "".join(f"http://example.org/{number}/{n}.jpg\ta red cat on a road {n}\n" for n in range(2))
            (pool / f"{number:05d}.tsv").write_text("url\ttext\n" + rows)
        flags = ["--input", pool, "--warehouse", root, "--metadata", "en", "--no-lid", "--engine", args.engine]
        if command(["extract", *map(str, flags)]):
            raise SystemExit("extraction failed")
        engine = open_engine(EngineSettings(engine=args.engine, place=root), print)
        warehouse = Warehouse(engine, root)
        ctx = Context(warehouse, Settings(warehouse=root), load_metadata("en"), Reporter(quiet=True), RunLog(warehouse))
        copied, copies = best(lambda: staged_outcomes(ctx, COLUMNS), args.rounds)
        batches = staged_batches(ctx)
        beside, rows = best(
            lambda: outcomes_in_files(ctx, batches).select(*COLUMNS).toArrow().cast(copies.schema), args.rounds
        )
        assert copies.num_rows == args.sources
        assert copies.sort_by("source_path").equals(rows.sort_by("source_path"))
        table = []
        for name, seconds in (("extracted", beside), ("outcomes", copied)):
            (files,) = warehouse.files(name)
            table.append([name, f"{files.files:,}", size(files.bytes), f"{seconds:.3f}"])
        print(f"{args.sources:,} sources in {len(batches)} batches, {args.engine}")
        print_rows(["read from", "files", "bytes", "seconds"], table)


if __name__ == "__main__":
    main()
