"""The number of sources per commit keeps a cluster's cores at work, as tests/benchmarks/batches.py simulates."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from metaclip_spark.steps.reading.extract import starts_of_sources
from metaclip_spark.steps.reading.pace import sources_per_commit

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def batches():
    """The module of the benchmark."""
    spec = importlib.util.spec_from_file_location("batches", ROOT / "tests" / "benchmarks" / "batches.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_simulation_is_right_where_it_can_be_computed(batches):
    """Two cores, equal tasks: a commit of three takes two rounds, in which a quarter of the time is waited."""
    assert batches.share_at_work([1.0] * 6, 2, 3, 0.0) == pytest.approx(6 / 8)
    assert batches.share_at_work([1.0] * 6, 2, 6, 0.0) == 1.0
    assert batches.share_at_work([1.0] * 6, 2, 3, 0.5) == pytest.approx(6 / 10)


@pytest.mark.parametrize("cores", [100, 400])
def test_large_clusters_are_at_work(batches, cores):
    """With the default, at least 85% of the cores' time; with commits of 500 sources, 400 cores wait half of theirs."""
    times = batches.drawn_times(90_000, batches.MEASURED)
    assert batches.share_at_work(times, cores, sources_per_commit(None, cores), 5.0) >= 0.85
    if cores == 400:
        assert batches.share_at_work(times, cores, 500, 5.0) < 0.5


def test_a_commit_is_cut_between_sources():
    """A source of several splits is in one commit."""

    class Split:
        def __init__(self, path):
            self.source = type("Source", (), {"source_path": path})

    assert starts_of_sources([Split(path) for path in "aabccc"]) == [0, 2, 3, 6]
    assert starts_of_sources([]) == [0]
