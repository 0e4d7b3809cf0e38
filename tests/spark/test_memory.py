"""A worker with a large list needs little memory, and the driver never collects the pool."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import reference
from processes import peak_mib, python_workers
from pyspark.sql.classic.dataframe import DataFrame

from metaclip_spark.report.composition.merge import LISTED, SHOWN_PAIRS
from metaclip_spark.report.composition.task_sums import PARTS

pytestmark = [pytest.mark.spark, pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "jobs" / "sample" / "pool.wat.gz"
WORKER_MIB = 500
LIST_MIB = 90
"""The automaton of 500,000 entries alone has about 94 MB, so a smaller worker has not loaded it."""


def test_worker_with_500_000_entries_stays_under_500_mib(shared_data, child_env, tmp_path):
    """The limit is for the largest resident set of every Python worker of a whole run, including the list."""
    metadata = shared_data / "metadata" / "approx_500k.json.gz"
    captions = shared_data / "captions"
    inputs = [captions / "cmoa.parquet", captions / "laion_sample.parquet", SAMPLE]
    words = ["run", "--input", *inputs, shared_data / "crawl" / "pages.wat.gz", "--metadata", metadata]
    words += ["--warehouse", tmp_path / "warehouse", "--master", "local[2]", "--driver-memory", "4g"]
    command = [sys.executable, "-m", "metaclip_spark", *map(str, words)]
    peaks: dict[int, float] = {}
    with open(tmp_path / "log", "wb") as log:
        driver = subprocess.Popen(command, env=child_env, stdout=log, stderr=subprocess.STDOUT)
        try:
            while driver.poll() is None:
                for pid in python_workers(driver.pid):
                    peaks[pid] = max(peaks.get(pid, 0.0), peak_mib(pid))
                time.sleep(0.2)
        finally:
            driver.kill()
    assert driver.wait() == 0, (tmp_path / "log").read_text()
    with_list = [peak for peak in peaks.values() if peak > LIST_MIB]
    print(f"peak MiB of {len(peaks)} Python processes: {sorted(round(peak) for peak in peaks.values())}")
    assert with_list
    assert max(with_list) < WORKER_MIB


def test_driver_never_collects_the_pool(spark, metaclip, monkeypatch, tmp_path):
    """In a whole run, no result in the driver has more rows than the list's statistics or the page's listed values."""
    rows = reference.read_pool([SAMPLE])
    common = Counter(word for row in rows for word in reference.spaced(row.text).split(" ") if word)
    entries = [word for word, _ in common.most_common(60)]
    (tmp_path / "list.json").write_text(json.dumps(entries))
    collected: list[tuple[str, int]] = []

    def recorded(name: str, original):
        def method(self, *args, **kwargs):
            result = original(self, *args, **kwargs)
            collected.append((name, len(result)))
            return result

        return method

    for name in ("collect", "toArrow", "toPandas", "take", "tail"):
        monkeypatch.setattr(DataFrame, name, recorded(name, getattr(DataFrame, name)))

    def refused(self, *args, **kwargs):
        raise AssertionError("rows streamed to the driver one by one")

    for name in ("toLocalIterator", "foreach", "foreachPartition"):
        monkeypatch.setattr(DataFrame, name, refused)
    words = ["--input", SAMPLE, "--metadata", tmp_path / "list.json", "--warehouse", tmp_path / "warehouse"]
    ended = metaclip("run", *words, "--json")
    assert ended.status == 0, ended.err
    pool = json.loads(ended.out)["unique_pairs"]
    assert pool > 10_000
    assert {"collect", "toArrow"} <= {name for name, _ in collected}
    # The statistics: a row per entry, two histograms over matches per text, and six sums.
    longest = max(len(reference.spaced(row.text)) for row in rows)
    statistics = len(entries) + 2 * min(longest, len(entries) + 1) + 6
    # The composition, from each task: of three kinds of values the most frequent ones and their sum, the pairs that
    # the page shows, and a row per block of entries.
    tasks = int(spark.conf.get("spark.sql.shuffle.partitions"))
    composition = tasks * (len(PARTS) * (2 * LISTED + 1) + 2 * SHOWN_PAIRS + 1)
    assert max(number for _, number in collected) <= max(statistics, composition) < pool / 10
