"""What tests share: one Spark session a test run, the command line in this process, and where real data is."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

collect_ignore = ["airflow"]  # in an environment of its own, by tests/cluster/test_airflow.py

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "helpers")]  # sessions and helpers, also under importlib mode

from sessions import TEST_CONF, connect_server  # noqa: E402

SHARED = ROOT.parent / "shared" / "data"


def pytest_addoption(parser):
    """`--connect`: the session is one of Spark Connect, to a server of the tests' own (for tests/e2e)."""
    parser.addoption("--connect", action="store_true", help="run over Spark Connect: tests/e2e")


@pytest.fixture(scope="session")
def remote(request, tmp_path_factory):
    """The url of the test run's Spark Connect server; None unless pytest was given --connect."""
    if not request.config.getoption("--connect"):
        yield None
        return
    with connect_server(tmp_path_factory.mktemp("connect") / "server.log", TEST_CONF) as url:
        os.environ["METACLIP_TEST_REMOTE"] = url  # for the processes that tests start
        yield url
        del os.environ["METACLIP_TEST_REMOTE"]


@pytest.fixture(scope="session")
def spark(remote):
    """The one Spark session of the test run: local[2], with Delta."""
    from metaclip_spark.spark.session import get_session

    session = get_session("local[2]", "4g", TEST_CONF, remote=remote)
    yield session
    session.stop()


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str


@pytest.fixture
def metaclip(spark, capsys) -> Callable[..., Ended]:
    """Run a command of `metaclip-spark` in this process, on the shared session."""
    from metaclip_spark.cli import main

    def command(*words: object) -> Ended:
        capsys.readouterr()
        status = main([str(word) for word in words])
        said = capsys.readouterr()
        return Ended(status, said.out, said.err)

    return command


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real captions and crawls; tests that need it skip where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"real data is not here: {SHARED} does not exist")
    return SHARED


@pytest.fixture
def child_env() -> dict[str, str]:
    """The environment of a child process that starts its own Spark."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYSPARK_PYTHON": sys.executable}
    env.pop("PYSPARK_GATEWAY_PORT", None)
    env.pop("PYSPARK_GATEWAY_SECRET", None)
    return env
