"""Time a balance that reads the earlier subset and a new crawl, against a balance that reads the whole pool.

    python tests/benchmarks/new_crawl.py [--pairs 300000] [--crawls 10] [--kept 0.23] [--rounds 3]

The pool has ten crawls, balanced at the t that keeps 23% of the pairs. One more crawl is added and counted. The
benchmark times the command `balance`, report included, with and without --whole-pool, in a running session. The bar is
half the time. It also prints the ratio with the `count` before it, of the new crawl alone and of all crawls. The pairs
are seeded, with different, resampled LAION texts. The list has 500,000 entries.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from rebalance import Cost, made_pairs, timed
from stored_pool import store_pool
from texts import entry_list

from metaclip_spark.cli import main as command
from metaclip_spark.matchers import compile_matcher
from metaclip_spark.metadata import load_metadata
from metaclip_spark.spark.broadcast import broadcast_matcher
from metaclip_spark.spark.session import get_session
from metaclip_spark.stages.match import match
from metaclip_spark.terminal.tables import print_rows
from metaclip_spark.warehouse.runs import RunLog
from metaclip_spark.warehouse.tables import Warehouse


def main() -> int:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=300_000, help="pairs of each crawl")
    parser.add_argument("--crawls", type=int, default=10)
    parser.add_argument("--kept", type=float, default=0.23)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    spark = get_session("local[2]", "6g")
    metadata = load_metadata(entry_list())
    with tempfile.TemporaryDirectory(prefix="new-crawl-") as root:
        warehouse = Warehouse(spark, root)
        attempt = RunLog(warehouse).attempt("made", {"metadata": str(entry_list())}, [metadata.metadata_id])
        attempt.record("started")
        matcher = broadcast_matcher(spark, compile_matcher(metadata))

        def add(number: int) -> None:
            name = f"crawl{number:02}"
            rows = made_pairs(spark, number * args.pairs, (number + 1) * args.pairs, snapshot=name)
            store_pool(warehouse, attempt, match(rows, matcher, metadata.metadata_id), name)

        at = ["--warehouse", root, "--metadata", str(entry_list())]
        for number in range(args.crawls):
            add(number)
        counted_old = timed(lambda: run_command("count", *at))
        old = ",".join(f"crawl{number:02}" for number in range(args.crawls))
        size = int(args.kept * args.crawls * args.pairs)
        first = run_command("balance", *at, "--snapshots", old, "--target-size", size, "--json")
        add(args.crawls)
        counted_new = timed(lambda: run_command("count", *at))
        costs: dict[str, list[Cost]] = {"the earlier subset and the new crawl": [], "the whole pool": []}
        kept = set()
        for _ in range(args.rounds + 1):
            for name, flags in zip(costs, ([], ["--whole-pool"]), strict=True):
                words = ["balance", *at, "--threshold", first["threshold"], *flags, "--json"]
                last: dict = {}
                costs[name].append(timed(lambda words=words, last=last: last.update(run_command(*words))))
                kept.add((last["curated_size"], last["threshold"]))
                # The next round must not read this subset.
                run_command("runs", "prune", last["run_id"], "--warehouse", root)
    ((curated_size, threshold),) = kept
    medians = {
        name: Cost(*(statistics.median(getattr(one, unit) for one in rounds[1:]) for unit in Cost._fields))
        for name, rounds in costs.items()
    }
    print(
        f"{args.crawls} crawls and one more, {args.pairs:,} pairs each; t = {threshold:,} keeps {curated_size:,}; "
        f"local[2]; medians of {args.rounds}, after one that is not counted"
    )
    rows = [[name, f"{cost.seconds:.2f}", f"{cost.cpu:.1f}"] for name, cost in medians.items()]
    print_rows(["balance reads", "seconds", "CPU seconds"], rows)
    by_subset, by_pool = medians.values()
    print(
        f"ratio {by_subset.seconds / by_pool.seconds:.2f} (bar: 0.5), in CPU seconds {by_subset.cpu / by_pool.cpu:.2f}"
    )
    of_new, of_all = counted_new.seconds, counted_old.seconds + counted_new.seconds
    print(
        f"with count ({of_new:.1f} s of the new crawl, {of_all:.1f} s of all): "
        f"ratio {(of_new + by_subset.seconds) / (of_all + by_pool.seconds):.2f}"
    )
    return 0


def run_command(*words: object) -> dict:
    """Run a command; return its JSON output, or {} without --json."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        status = command([str(word) for word in words])
    if status:
        raise SystemExit(f"{words[0]} ended with status {status}")
    return json.loads(out.getvalue()) if "--json" in words else {}


if __name__ == "__main__":
    sys.exit(main())
