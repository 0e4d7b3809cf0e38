"""Time one machine: the embedded engine, and Spark in the same run, in turns.

    python tests/benchmarks/one_machine.py [--rounds 3] [--only NAME ...] [--memory 4g] [--work FOLDER]

Prints one table: what, seconds, CPU seconds, peak memory of all processes, bar, and whether the bar is met. Seconds are
medians of the rounds. A first run of each engine, which compiles kernels, is not counted. The big pool and the tests
run once. Bars are for two idle cores; on a busy machine compare CPU seconds.

Names: small (40,000 rows, the same again, runs list, explain, sweep), spark-small (40,000 rows on Spark, and again),
million (a million LAION rows on both engines), big (a million generated rows, and --big-rows of them), quickstart,
tests.

Needs the package with both engines, and Java. The inputs are made from ../shared/data where that is there, else they
are generated.
"""

from __future__ import annotations

import argparse
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parent))
from generated_pool import write_generated
from process_tree import Measured, measured
from texts import CAPTIONS, ROOT, different_texts, entry_list, write_pool

from metaclip_spark.core.machine import size_in_bytes
from metaclip_spark.terminal.tables import print_rows

SMALL_ROWS, MILLION = 40_000, 1_000_000
SPARK_FRACTION, ROW_FACTOR = 5.0, 1.2
"""The embedded engine takes at most a fifth of Spark's seconds; a row of the big pool at most 1.2 times as much."""
EMBEDDED, SPARK = "embedded", "spark"
BARS = {
    "run, 40,000 rows": 6.0,
    "the same again": 3.0,
    "runs list": 3.0,
    "explain": 3.0,
    "sweep": 3.0,
    "run, 1,000,000 rows": 12.0,
    "run, 40,000 rows, Spark": 30.0,
    "the same again, Spark": 10.0,
    "quickstart --no-spark, fresh clone": 75.0,
    "the run in it": 10.0,
    "tests/run.sh": 720.0,
}
"""What is timed -> seconds on two idle cores."""


@dataclass
class Results:
    """The measurements of each line of the table, in the order of their first round."""

    of: dict[str, list[Measured]] = field(default_factory=dict)

    def add(self, what: str, one: Measured) -> None:
        """Add a measurement.

        Raises:
            SystemExit: the command failed.
        """
        if one.status != 0:
            raise SystemExit(f"{what}: exit status {one.status}\n{one.output}")
        self.of.setdefault(what, []).append(one)

    def median(self, what: str) -> float:
        """Return the median of the seconds of a line."""
        return statistics.median(one.seconds for one in self.of[what])

    def rows(self) -> Iterator[list[str]]:
        """Yield the rows of the table."""
        for what, all_of in self.of.items():
            seconds = self.median(what)
            bar = BARS.get(what)
            yield [
                what,
                f"{seconds:.1f}",
                f"{statistics.median(one.cpu_seconds for one in all_of):.1f}",
                f"{max(one.peak for one in all_of) / 2**20:,.0f} MiB",
                "" if bar is None else f"{bar:g} s",
                "" if bar is None else met(seconds, bar),
            ]


def met(value: float, bar: float) -> str:
    """Say whether a value is at most the bar, or by how much it is more.

    >>> met(5.0, 6.0), met(9.0, 6.0)
    ('met', 'missed by 50%')
    """
    return "met" if value <= bar else f"missed by {value / bar - 1:.0%}"


@dataclass(frozen=True)
class Bench:
    """The folders and the settings of a run of the benchmark."""

    work: Path
    memory: str
    big_rows: int
    results: Results

    def command(self, name: str, engine: str, warehouse: str, *more: str) -> list[str]:
        """Return a command of metaclip-spark on a warehouse of the work folder."""
        memory = ["--memory", self.memory] if engine == EMBEDDED and name == "run" else []
        return [
            *(sys.executable, "-m", "metaclip_spark", name, "--engine", engine),
            *("--warehouse", str(self.work / warehouse), *memory, *more),
        ]

    def run(self, engine: str, pool: Path, warehouse: str) -> Measured:
        """Curate a pool into a warehouse, which stays for a second run."""
        where = ("--input", f"{pool}/*.parquet", "--metadata", str(entry_list()))
        return measured(self.command("run", engine, warehouse, *where, "--no-lid"), folder=self.work)

    def time(self, what: str, one: Measured) -> None:
        """Add a measurement to the table, and print it as it comes."""
        self.results.add(what, one)
        print(f"{what}: {one.seconds:.1f} s, {one.cpu_seconds:.1f} CPU s, {one.peak >> 20:,} MiB", flush=True)

    def drop(self, warehouse: str) -> None:
        """Remove a warehouse."""
        shutil.rmtree(self.work / warehouse, ignore_errors=True)


def small_pool(work: Path) -> Path:
    """Write 40,000 rows: captions of a museum where they are there, else generated rows."""
    folder = work / "small"
    if not folder.exists():
        captions = CAPTIONS / "cmoa.parquet"
        if captions.exists():
            folder.mkdir()
            table = pq.read_table(captions, columns=["url", "text"])
            pq.write_table(table.slice(0, SMALL_ROWS), folder / "pool.parquet")
        else:
            write_generated(folder, SMALL_ROWS, files=1)
    return folder


def million_pool(work: Path) -> Path:
    """Write a million rows: different texts of the LAION sample where it is there, else generated rows."""
    folder = work / "million"
    if not folder.exists():
        if CAPTIONS.is_dir():
            write_pool(folder, different_texts(MILLION)[0])
        else:
            write_generated(folder, MILLION, files=4)
    return folder


def small(bench: Bench) -> None:
    """Time 40,000 rows on the embedded engine, and the commands that only read."""
    pool = small_pool(bench.work)
    url = pa.compute.min(pq.read_table(pool, columns=["url"])["url"]).as_py()
    bench.drop(EMBEDDED)
    bench.time("run, 40,000 rows", bench.run(EMBEDDED, pool, EMBEDDED))
    bench.time("the same again", bench.run(EMBEDDED, pool, EMBEDDED))
    given = ("--metadata", str(entry_list()))
    for what, more in {"runs list": (), "explain": ("--url", url, *given), "sweep": given}.items():
        name, *words = what.split()
        command = bench.command(name, EMBEDDED, EMBEDDED, *more)
        at = command.index(name) + 1
        bench.time(what, measured([*command[:at], *words, *command[at:]], folder=bench.work))


def spark_small(bench: Bench) -> None:
    """Time 40,000 rows on Spark."""
    pool = small_pool(bench.work)
    bench.drop(SPARK)
    bench.time("run, 40,000 rows, Spark", bench.run(SPARK, pool, SPARK))
    bench.time("the same again, Spark", bench.run(SPARK, pool, SPARK))


def million(bench: Bench) -> None:
    """Time a million rows on both engines."""
    pool = million_pool(bench.work)
    for engine, what in ((EMBEDDED, "run, 1,000,000 rows"), (SPARK, "run, 1,000,000 rows, Spark")):
        bench.drop(f"million-{engine}")
        bench.time(what, bench.run(engine, pool, f"million-{engine}"))


def big(bench: Bench) -> None:
    """Time the generated pool in bounded memory, and a million rows of it."""
    for rows in (MILLION, bench.big_rows):
        pool = bench.work / f"generated-{rows}"
        if not pool.exists():
            write_generated(pool, rows, files=max(4, rows // 2_500_000))
        bench.drop("big")
        bench.time(_generated(rows), bench.run(EMBEDDED, pool, "big"))
    bench.drop("big")


def _generated(rows: int) -> str:
    return f"run, {rows:,} generated rows"


def quickstart(bench: Bench) -> None:
    """Time the quickstart of a fresh clone, with an empty home directory."""
    clone, home = bench.work / "clone", bench.work / "home"
    for folder in (clone, home):
        shutil.rmtree(folder, ignore_errors=True)
    home.mkdir()
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    one = measured(["bash", "jobs/quickstart.sh", "--no-spark"], {"HOME": str(home)}, clone)
    bench.time("quickstart --no-spark, fresh clone", one)
    if (found := re.search(r"\brun\D*(\d+(?:\.\d+)?) s\b", one.output)) is not None:
        bench.time("the run in it", Measured(float(found[1]), 0.0, one.peak, 0, ""))


def tests(bench: Bench) -> None:
    """Time the whole set of tests of a fresh clone."""
    clone = bench.work / "clone-for-tests"
    shutil.rmtree(clone, ignore_errors=True)
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    bench.time("tests/run.sh", measured(["bash", "tests/run.sh"], folder=clone))


EACH_ROUND: dict[str, Callable[[Bench], None]] = {"small": small, "spark-small": spark_small, "million": million}
ONCE: dict[str, Callable[[Bench], None]] = {"big": big, "quickstart": quickstart, "tests": tests}


def closing(bench: Bench) -> Iterator[list[str]]:
    """Yield the rows of the bars that compare two lines."""
    of = bench.results.of
    ours, peer = "run, 1,000,000 rows", "run, 1,000,000 rows, Spark"
    if ours in of:
        factor = bench.results.median(peer) / bench.results.median(ours)
        yield [
            "Spark / embedded, 1,000,000 rows",
            f"{factor:.1f}",
            "",
            "",
            f">= {SPARK_FRACTION:g}",
            met(SPARK_FRACTION, factor),
        ]
    whole, part = _generated(bench.big_rows), _generated(MILLION)
    if whole in of and part in of and whole != part:
        factor = (bench.results.median(whole) / bench.big_rows) / (bench.results.median(part) / MILLION)
        yield ["seconds per row, big / million", f"{factor:.2f}", "", "", f"<= {ROW_FACTOR:g}", met(factor, ROW_FACTOR)]
        bound = size_in_bytes(bench.memory, "--memory")
        peak = of[whole][0].peak
        yield [
            f"memory of the big run, --memory {bench.memory}",
            "",
            "",
            f"{peak / 2**20:,.0f} MiB",
            bench.memory,
            met(peak, bound),
        ]


def measure(bench: Bench, names: Sequence[str], rounds: int) -> None:
    """Warm up, then run the rounds, with the engines in turns, and what runs once."""
    chosen = [name for name in (*EACH_ROUND, *ONCE) if name in names]
    engines = {"small": [EMBEDDED], "spark-small": [SPARK], "million": [EMBEDDED, SPARK], "big": [EMBEDDED]}
    for engine in dict.fromkeys(engine for name in chosen for engine in engines.get(name, [])):
        warm = bench.run(engine, small_pool(bench.work), f"warm-{engine}")
        Results().add(f"warm-up, {engine}", warm)
        bench.drop(f"warm-{engine}")
    for _ in range(rounds):
        for name in chosen:
            if name in EACH_ROUND:
                EACH_ROUND[name](bench)
    for name in chosen:
        if name in ONCE:
            ONCE[name](bench)


def main() -> None:
    """Run the benchmark and print its table."""
    names = [*EACH_ROUND, *ONCE]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="rounds of what is timed more than once (default 3)")
    parser.add_argument(
        "--only", nargs="+", choices=names, default=names, metavar="NAME", help=f"of {', '.join(names)}"
    )
    parser.add_argument("--memory", default="4g", help="memory of the embedded engine (default 4g)")
    parser.add_argument("--big-rows", type=int, default=30_000_000, help="rows of the big pool (default 30,000,000)")
    parser.add_argument(
        "--work", type=Path, help="keep inputs and warehouses in this folder (default: a temporary one)"
    )
    args = parser.parse_args()
    work = args.work or Path(tempfile.mkdtemp(prefix="one-machine-"))
    work.mkdir(parents=True, exist_ok=True)
    bench = Bench(work.absolute(), args.memory, args.big_rows, Results())
    try:
        measure(bench, args.only, args.rounds)
    finally:
        if args.work is None:
            shutil.rmtree(work)
    print_rows(["what", "seconds", "CPU seconds", "peak memory", "bar", ""], [*bench.results.rows(), *closing(bench)])


if __name__ == "__main__":
    main()
