"""Two executor processes make the same tables as one process, also if executors are killed while they work."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import reference
from processes import ancestors_of, executors

pytestmark = [pytest.mark.spark, pytest.mark.slow, pytest.mark.timeout(1200)]

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "jobs" / "sample" / "pool.wat.gz"
WORDNET = ROOT / "metadata" / "wordnet.json.gz"
PHASES = ("extract", "dedup", "statistics", "balance")
TABLES = (
    "planned",
    "sources",
    "rejects",
    "pairs",
    "sightings",
    "entry_counts",
    "entry_probabilities",
    "curated_pairs",
    "run_statistics",
)


@pytest.fixture(scope="module")
def pool(tmp_path_factory) -> list[Path]:
    """Return the shipped WAT, and six Parquet files with some of its pairs, so that both executors have tasks."""
    folder = tmp_path_factory.mktemp("pool")
    rows = iter(reference.read_pool([SAMPLE]))
    paths = []
    for number in range(6):
        part = list(islice(rows, 3000))
        table = pa.table({"url": [row.url for row in part], "text": [row.text for row in part]})
        paths.append(folder / f"part-{number}.parquet")
        pq.write_table(table, paths[-1])
    return [SAMPLE, *paths]


def words(pool: list[Path], warehouse: Path, master: str) -> list[str]:
    """Return the words of the command, with two commits of sources and t = 20."""
    return [
        "run",
        "--input",
        *map(str, pool),
        "--metadata",
        str(WORDNET),
        "--warehouse",
        str(warehouse),
        "--files-per-commit",
        "4",
        "--threshold",
        "20",
        "--master",
        master,
        "--driver-memory",
        "2g",
        "--spark",
        "spark.sql.shuffle.partitions=4",
    ]


def of_verify(warehouse: Path, master: str) -> list[str]:
    """Return the words of `verify`."""
    return ["verify", "--warehouse", str(warehouse), "--master", master, "--driver-memory", "2g"]


def rows_of(spark, warehouse: Path) -> dict[str, list[str]]:
    """Return every table's rows, sorted."""
    found = {}
    for name in TABLES:
        rows = spark.read.format("delta").load(str(warehouse / name))
        found[name] = sorted(map(repr, rows.select(*sorted(rows.columns)).toArrow().to_pylist()))
    return found


def assert_same_tables(actual: dict[str, list[str]], expected: dict[str, list[str]]) -> None:
    """Compare table by table and show the first rows that differ."""
    for name in TABLES:
        assert expected[name], f"{name} is empty"
        if actual[name] != expected[name]:
            extra = sorted(set(actual[name]) - set(expected[name]))[:2]
            lost = sorted(set(expected[name]) - set(actual[name]))[:2]
            pytest.fail(f"{name}: {len(actual[name])} rows, expected {len(expected[name])}; {extra=} {lost=}")


@pytest.fixture(scope="module")
def one_process(spark, pool, tmp_path_factory) -> dict[str, list[str]]:
    """Run on local[2], the session of these tests; return the rows of the tables."""
    from metaclip_spark.cli import main

    warehouse = tmp_path_factory.mktemp("one") / "warehouse"
    assert main(words(pool, warehouse, "local[2]")) == 0
    return rows_of(spark, warehouse)


class Cluster:
    """A driver in a child process, and its executors, which are found in /proc."""

    def __init__(self, env: dict[str, str], command: list[str], marks: Path | None, log: Path) -> None:
        argument = json.dumps({"marks": None if marks is None else str(marks), "words": command})
        self.log = log
        self.marks = marks
        self.executors: set[int] = set()
        self.killed: dict[str, int] = {}
        with open(log, "wb") as out:
            script = [sys.executable, str(Path(__file__).with_name("gated.py")), argument]
            self.driver = subprocess.Popen(script, env=env, stdout=out, stderr=subprocess.STDOUT)

    def watch(self, seconds: float) -> int:
        """Watch the run until its end. In each phase, kill one executor that runs a task of the phase."""
        deadline = time.monotonic() + seconds
        try:
            while self.driver.poll() is None and time.monotonic() < deadline:
                self.executors.update(executors(self.driver.pid))
                for phase in PHASES if self.marks else ():
                    if phase not in self.killed:
                        self._kill_in(phase)
                time.sleep(0.2)
        finally:
            if self.driver.poll() is None:
                self.driver.kill()
        return self.driver.wait()

    def _kill_in(self, phase: str) -> None:
        for mark in self.marks.glob(f"{phase}.running.*"):
            worker = int(mark.name.split(".")[2])
            victims = [pid for pid in ancestors_of(worker) if pid in executors(self.driver.pid)]
            if victims:
                os.kill(victims[0], signal.SIGKILL)
                self.killed[phase] = victims[0]
                (self.marks / f"{phase}.killed").touch()
                return

    def attempts(self, phase: str) -> int:
        """Return the largest number of attempts that a task of the phase took."""
        tasks = {tuple(mark.name.split(".")[3:]) for mark in self.marks.glob(f"{phase}.running.*")}
        return max(Counter(task for task, _ in tasks).values())


@pytest.fixture
def cluster_env(child_env, spark_home) -> dict[str, str]:
    """Return the environment of a driver whose workers can import the gates."""
    folders = [str(Path(__file__).parent), child_env["PYTHONPATH"]]
    return {**child_env, "SPARK_HOME": str(spark_home), "PYTHONPATH": os.pathsep.join(folders)}


def test_two_executor_processes_make_the_same_tables_as_one_process(spark, pool, one_process, cluster_env, tmp_path):
    """On local-cluster[2,1,1024], every table has the same rows as on local[2], and `verify` finds them right there."""
    warehouse = tmp_path / "warehouse"
    command = words(pool, warehouse, "local-cluster[2,1,1024]")
    cluster = Cluster(cluster_env, command, None, tmp_path / "log")
    assert cluster.watch(500) == 0, cluster.log.read_text()
    assert len(cluster.executors) == 2
    assert_same_tables(rows_of(spark, warehouse), one_process)
    verify = Cluster(cluster_env, of_verify(warehouse, "local-cluster[2,1,1024]"), None, tmp_path / "verify")
    said = verify.log
    assert verify.watch(500) == 0, said.read_text()
    assert len(verify.executors) == 2
    assert f"{warehouse} is right in 10 checks" in said.read_text()
    first = next((warehouse / "pairs").rglob("*.parquet"))
    first.unlink()
    broken = Cluster(cluster_env, of_verify(warehouse, "local-cluster[2,1,1024]"), None, tmp_path / "broken")
    assert broken.watch(500) == 1, broken.log.read_text()
    assert f"{warehouse} is not right" in broken.log.read_text()


def test_executors_killed_in_every_phase_change_nothing(spark, pool, one_process, cluster_env, tmp_path):
    """In each phase, a working executor gets SIGKILL. Its tasks run again elsewhere, and the tables are equal.

    In deduplication it dies after the shuffle, with its part of the shuffled rows, in the first of several prefixes.
    """
    warehouse, marks = tmp_path / "warehouse", tmp_path / "marks"
    marks.mkdir()
    command = words(pool, warehouse, "local-cluster[2,1,1024]")
    cluster = Cluster(cluster_env, command, marks, tmp_path / "log")
    status = cluster.watch(700)
    assert status == 0, cluster.log.read_text()

    assert sorted(cluster.killed) == sorted(PHASES)
    assert len(set(cluster.killed.values())) == len(PHASES)
    assert len(cluster.executors) > 2  # new executors replaced the killed ones
    for phase in PHASES:
        assert cluster.attempts(phase) > 1, f"no task of {phase} ran again"
    assert_same_tables(rows_of(spark, warehouse), one_process)
