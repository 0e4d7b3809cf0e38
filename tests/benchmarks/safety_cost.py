"""Measure what the safety of a run costs: the lease, the log of runs, the fences of commits, the check of constraints.

    python tests/benchmarks/safety_cost.py [--rows 1000000] [--memory 2g] [--work FOLDER]

Runs the same undisturbed `run` on the embedded engine, in turn as it is and without the safety, and prints the seconds,
the CPU seconds of all processes, and the seconds that the first one spent in each part of the safety. The run without
it asks nobody before a commit, does not look for its own commit, and checks no constraint. The log of runs and the
taking of the lease stay in both, because later stages read them; their seconds are counted. The staging of extracted
pairs, by which a killed run goes on, is no part of this: it is how extraction hands its pairs to deduplication.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from generated_pool import write_generated
from process_tree import Measured, measured
from texts import entry_list

from metaclip_spark.terminal.tables import print_rows

MARK = "seconds of the safety: "
AS_IT_IS, WITHOUT = "as it is", "without the safety"


def parts() -> list[tuple[str, Any, str]]:
    """Return (part, owner, name) of each function that is there for safety only."""
    from metaclip_spark.warehouse import files
    from metaclip_spark.warehouse.delta_rs import DeltaLogs
    from metaclip_spark.warehouse.events import Attempt
    from metaclip_spark.warehouse.lease import Lease

    return [
        ("lease", Lease, "acquire"),
        ("lease", Lease, "check"),
        ("lease", Lease, "release"),
        ("fences and transactions", DeltaLogs, "_fences"),
        ("fences and transactions", DeltaLogs, "find"),
        ("constraints", files, "_check"),
        ("log of runs", Attempt, "record"),
    ]


def count_seconds(spent: Counter[str]) -> None:
    """Count the seconds of each part; what one part calls of another is counted once, by the outer one."""
    inside = threading.local()

    def timed(part: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if getattr(inside, "any", False):
                return work(*args, **kwargs)
            inside.any, start = True, time.perf_counter()
            try:
                return work(*args, **kwargs)
            finally:
                inside.any = False
                spent[part] += time.perf_counter() - start

        return wrapped

    for part, owner, name in parts():
        setattr(owner, name, timed(part, getattr(owner, name)))


def leave_out() -> None:
    """Replace each part by nothing, but for the log of runs and the taking of the lease."""
    nothing = {
        "check": lambda self: None,
        "_fences": lambda self, table: [],
        "find": lambda self, name, token, after: None,
        "_check": lambda table, staged: None,
    }
    for _, owner, name in parts():
        if name in nothing:
            setattr(owner, name, nothing[name])


def child(how: str, words: list[str]) -> int:
    """Run a command as it is or without the safety; print the seconds of the parts."""
    from metaclip_spark.cli import main as command

    spent: Counter[str] = Counter()
    if how == WITHOUT:
        leave_out()
    else:
        count_seconds(spent)
    status = command(words)
    print(MARK + json.dumps(spent), flush=True)
    return status


def main() -> None:
    """Run the benchmark and print its tables."""
    if sys.argv[1:2] == ["--child"]:
        from metaclip_spark.core.leave import leave

        leave(child(sys.argv[2], sys.argv[3:]))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--memory", default="2g")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--work", type=Path)
    args = parser.parse_args()
    with contextlib.ExitStack() as end:
        work = args.work or Path(tempfile.mkdtemp(prefix="safety-cost-"))
        if args.work is None:
            end.callback(shutil.rmtree, work)
        work.mkdir(parents=True, exist_ok=True)
        if not (work / "pool").exists():
            write_generated(work / "pool", args.rows)
        found: list[tuple[str, Measured]] = []
        for how in (AS_IT_IS, WITHOUT) * args.rounds:
            found.append((how, run(how, work, args.memory)))
        report(args.rows, found)


def run(how: str, work: Path, memory: str) -> Measured:
    """Run the command once on a new warehouse."""
    shutil.rmtree(work / "warehouse", ignore_errors=True)
    words = ["run", "--input", f"{work / 'pool'}/*.parquet", "--metadata", str(entry_list()), "--no-lid"]
    words += ["--threshold", "200", "--warehouse", str(work / "warehouse"), "--engine", "embedded", "--memory", memory]
    one = measured([sys.executable, __file__, "--child", how, *words], folder=work)
    if one.status:
        raise SystemExit(f"{how}: exit status {one.status}\n{one.output}")
    return one


def report(rows: int, found: list[tuple[str, Measured]]) -> None:
    """Print the tables."""
    print(f"{rows:,} rows; embedded engine")
    print_rows(
        ["run", "seconds", "CPU seconds"], [[how, f"{one.seconds:.1f}", f"{one.cpu_seconds:.1f}"] for how, one in found]
    )
    first = found[0][1]
    line = next(line for line in first.output.splitlines() if line.startswith(MARK))
    spent: dict[str, float] = json.loads(line.removeprefix(MARK))
    lines = [*spent.items(), ("together", sum(spent.values()))]
    print_rows(
        ["part", "seconds", "of the run"],
        [[part, f"{seconds:.2f}", f"{seconds / first.seconds:.1%}"] for part, seconds in lines],
    )


if __name__ == "__main__":
    main()
