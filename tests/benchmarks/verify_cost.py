"""Measure what `verify` costs per pair, beside the run that made the warehouse.

    python tests/benchmarks/verify_cost.py [--rows 1000000] [--engine embedded|spark] [--memory 4g] [--work FOLDER]

Prints one table: what, seconds, CPU seconds of all processes, CPU seconds for each million pairs of the pool, and the
peak memory; then the seconds of each check. Below a start of about 2 CPU seconds, the cost is in the pairs. On a busy
machine compare CPU seconds. The pool is generated, with repeats and unmatched texts.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from generated_pool import write_generated
from process_tree import Measured, measured
from texts import entry_list

from metaclip_spark.terminal.tables import print_rows

LAST = '{"warehouse": '
"""How the answer of verify begins."""


def main() -> None:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--engine", default="embedded", choices=["embedded", "spark"])
    parser.add_argument("--memory", default="4g")
    parser.add_argument("--work", type=Path)
    args = parser.parse_args()
    work = args.work or Path(tempfile.mkdtemp(prefix="verify-cost-"))
    work.mkdir(parents=True, exist_ok=True)
    warehouse = ["--warehouse", str(work / "warehouse"), "--engine", args.engine]
    warehouse += ["--memory" if args.engine == "embedded" else "--driver-memory", args.memory]
    if not (work / "pool").exists():
        write_generated(work / "pool", args.rows)
    shutil.rmtree(work / "warehouse", ignore_errors=True)

    def timed(command: str, *more: str) -> Measured:
        one = measured([sys.executable, "-m", "metaclip_spark", command, *warehouse, *more], folder=work)
        if one.status:
            raise SystemExit(f"{command}: exit status {one.status}\n{one.output}")
        return one

    where = ("--input", f"{work / 'pool'}/*.parquet", "--metadata", str(entry_list()), "--no-lid", "--threshold", "200")
    found = {"run": timed("run", *where)}
    found["verify"] = timed("verify", "--json")
    found["verify --sample 1%"] = timed("verify", "--sample", "1%", "--json")
    answer = json.loads(found["verify"].output[found["verify"].output.index(LAST) :])
    checks = {check["check"]: check for check in answer["checks"]}
    pairs = checks["subsets"]["checked"]["pairs"]
    curated = checks["draws"]["checked"]["pairs"]
    print(f"{args.rows:,} rows, {pairs:,} pairs, {curated:,} of them curated; engine {args.engine}")
    rows = [
        [
            what,
            f"{one.seconds:.1f}",
            f"{one.cpu_seconds:.1f}",
            f"{one.cpu_seconds / pairs * 1e6:.1f}",
            f"{one.peak / 2**20:,.0f} MiB",
        ]
        for what, one in found.items()
    ]
    print_rows(["what", "seconds", "CPU seconds", "CPU s/million pairs", "peak memory"], rows)
    print_rows(["check", "seconds"], [[name, f"{check['seconds']:.1f}"] for name, check in checks.items()])
    if args.work is None:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
