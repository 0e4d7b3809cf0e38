"""Fixtures of the fault harness: one pool, one undisturbed curation, small disks, and the figures at the end."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "faults"), str(TESTS / "e2e"), str(TESTS / "spark"), str(TESTS)]

from bad_server import serving  # noqa: E402
from curation import Figures, Pool, Undisturbed, make_undisturbed  # noqa: E402

FIGURES = Figures()


@pytest.fixture(scope="session")
def figures() -> Figures:
    """Return the figures of this test run, which are printed at its end."""
    return FIGURES


@pytest.fixture(scope="session")
def pool(tmp_path_factory) -> Iterator[Pool]:
    """Yield the pool; one of its sources is on a server that fails as a test says."""
    with serving() as server:
        yield Pool(tmp_path_factory.mktemp("pool"), server)


@pytest.fixture
def cluster_env(child_env, spark_home) -> dict[str, str]:
    """Return the environment of processes whose workers can import the modules of the harness."""
    folders = [str(TESTS / "faults"), str(TESTS / "e2e"), child_env["PYTHONPATH"]]
    return {**child_env, "SPARK_HOME": str(spark_home), "PYTHONPATH": os.pathsep.join(folders)}


@pytest.fixture(scope="session")
def undisturbed(pool, tmp_path_factory) -> Undisturbed:
    """Run the curation once without a fault."""
    env = {**os.environ, "PYTHONPATH": str(TESTS.parent), "PYSPARK_PYTHON": sys.executable}
    return make_undisturbed(tmp_path_factory.mktemp("undisturbed"), pool, env)


def pytest_terminal_summary(terminalreporter) -> None:
    """Print the figures."""
    lines = list(FIGURES.lines())
    if lines:
        terminalreporter.section("faults")
        for line in lines:
            terminalreporter.line(line)
