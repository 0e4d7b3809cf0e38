"""Time what a new machine waits for the compiler: the shipped sample with an empty and with a full cache of kernels.

    python tests/benchmarks/compile_time.py [--engines embedded,spark] [--rounds 3]

Each run is a process of its own, into a warehouse of its own, in turns: a new folder for kernels, then the same folder
again. Prints the medians of the seconds from the start of the command to the end of extraction, which is one source,
and to the end of the command, CPU seconds of all processes, and the differences: the waiting. The bar is 8 seconds, on
two idle cores.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from metaclip_spark.terminal.tables import print_rows

ROOT = Path(__file__).resolve().parents[2]
BAR = 8.0
COMMAND = "from metaclip_spark.cli import program; program()"


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    has_spark = importlib.util.find_spec("delta") is not None
    parser.add_argument("--engines", default="embedded,spark" if has_spark else "embedded")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    rows = []
    for engine in args.engines.split(","):
        empty, full = [], []
        for _ in range(args.rounds):
            with tempfile.TemporaryDirectory() as folder:
                empty.append(timed(engine, Path(folder), "empty"))
                full.append(timed(engine, Path(folder), "full"))
        rows.append(row(f"{engine}, empty cache", empty))
        rows.append(row(f"{engine}, full cache", full))
        waits = [[e - f for e, f in zip(one, other, strict=True)] for one, other in zip(empty, full, strict=True)]
        rows.append(row(f"{engine}, waiting (bar {BAR:g})", waits))
    print_rows(["", "to the first source, s", "whole, s", "CPU s"], rows)


def row(name: str, measured: list[list[float]]) -> list[str]:
    """Return a row of medians."""
    return [name, *(f"{statistics.median(values):.1f}" for values in zip(*measured, strict=True))]


def timed(engine: str, folder: Path, name: str) -> list[float]:
    """Curate the sample; return the seconds to the end of extraction and of the command, and its CPU seconds."""
    cache = folder / "kernels"
    cache.mkdir(exist_ok=True)
    given = ["--input", str(ROOT / "jobs/sample/pool.wat.gz"), "--metadata", str(ROOT / "metadata/en.json.gz")]
    given += ["--config", str(ROOT / "conf/quickstart.yaml"), "--engine", engine, "--log-format", "json"]
    began, cpu, extracted = time.monotonic(), cpu_of_children(), None
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, "run", *given, "--warehouse", folder / name],
        env={**os.environ, "NUMBA_CACHE_DIR": str(cache)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            event = json.loads(line) if line.startswith("{") else {}
            if (event.get("event"), event.get("stage")) == ("stage_done", "extract"):
                extracted = time.monotonic() - began
    if process.returncode or extracted is None:
        sys.exit(f"the run ended with status {process.returncode}:\n{''.join(said)}")
    return [extracted, time.monotonic() - began, cpu_of_children() - cpu]


def cpu_of_children() -> float:
    """Return the CPU seconds of all ended processes below this one."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
