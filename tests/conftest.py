"""Fixtures that all tests share: the Spark session, the command line in this process, and real data."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import pytest

# How long an example takes depends on what else the machine does, and on the first call, which compiles.
hypothesis.settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
hypothesis.settings.load_profile("untimed")

collect_ignore = ["airflow", "trainers"]  # run in environments of their own, by test_airflow.py and test_trainers.py

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "helpers")]  # sessions and helpers, also under importlib mode

from sessions import TEST_CONF, connect_server  # noqa: E402

# A shell ignores Ctrl-C in what it starts in the background, as tests/run.sh starts the unit tests, and children would
# inherit that.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

SHARED = ROOT.parent / "shared" / "data"


def pytest_addoption(parser):
    """Add --connect and --engine, which run tests/e2e over Spark Connect or on the embedded engine."""
    parser.addoption("--connect", action="store_true", help="run tests/e2e over Spark Connect")
    parser.addoption("--engine", default="spark", choices=["spark", "embedded"], help="run tests/e2e on this engine")


@pytest.fixture(scope="session")
def remote(request, tmp_path_factory):
    """Yield the url of the test run's Spark Connect server, or None without --connect."""
    if not request.config.getoption("--connect"):
        yield None
        return
    with connect_server(tmp_path_factory.mktemp("connect") / "server.log", TEST_CONF) as url:
        os.environ["METACLIP_TEST_REMOTE"] = url  # for the processes that tests start
        yield url
        del os.environ["METACLIP_TEST_REMOTE"]


@pytest.fixture(scope="session")
def spark(request, remote):
    """Yield the only session of the test run: local[2] with Delta, or the embedded engine's with --engine embedded."""
    if request.config.getoption("--engine") == "embedded":
        from metaclip_spark.spark.embedded import embedded_session, stop

        yield embedded_session()
        stop()
        return
    from metaclip_spark.spark.session import get_session

    session = get_session("local[2]", "4g", TEST_CONF, remote=remote)
    yield session
    session.stop()


@dataclass(frozen=True)
class Ended:
    """The outcome of a command: exit status, stdout and stderr."""

    status: int
    out: str
    err: str


@pytest.fixture
def metaclip(spark, capsys) -> Callable[..., Ended]:
    """Return a function that runs a command of `metaclip-spark` in this process, on the shared session."""
    from metaclip_spark.cli import main

    def command(*words: object) -> Ended:
        capsys.readouterr()
        status = main([str(word) for word in words])
        captured = capsys.readouterr()
        return Ended(status, captured.out, captured.err)

    return command


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real captions and crawls; skip the test if the folder is missing."""
    if not SHARED.is_dir():
        pytest.skip(f"real data is missing: {SHARED} does not exist")
    return SHARED


@pytest.fixture
def child_env() -> dict[str, str]:
    """Return the environment for a child process that starts its own Spark."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYSPARK_PYTHON": sys.executable}
    env.pop("PYSPARK_GATEWAY_PORT", None)
    env.pop("PYSPARK_GATEWAY_SECRET", None)
    env.pop("SPARK_CONNECT_MODE_ENABLED", None)  # of the embedded engine in this process
    return env


@pytest.fixture(scope="session")
def spark_home(tmp_path_factory) -> Path:
    """Link the installed Spark into a new folder, so that the cluster's work folder is not in the installation."""
    import pyspark

    home = tmp_path_factory.mktemp("spark-home")
    for item in Path(pyspark.__file__).parent.iterdir():
        (home / item.name).symlink_to(item)
    (home / "work").unlink(missing_ok=True)
    return home
