"""The job runs over Spark Connect, without a SparkContext and broadcasts, against a server in another process."""

from __future__ import annotations

import subprocess
import sys

import pytest
from e2e_world import FOR_A_DOZEN_ROWS, assert_same, table_state
from sessions import TEST_CONF, connect_server

from metaclip_spark.errors import MetaclipError
from metaclip_spark.spark.session import connect


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_over_connect_makes_the_tables_of_a_classic_one(spark, remote, undisturbed, tmp_path, child_env):
    """Every table has the same rows, and the run id is the same."""
    if remote is not None:
        pytest.skip("with --connect, all of tests/e2e runs over Spark Connect")
    pytest.importorskip("grpc", reason="Spark Connect's packages are not installed: metaclip-spark[connect]")

    warehouse = tmp_path / "warehouse"
    with connect_server(tmp_path / "server.log", {**TEST_CONF, **FOR_A_DOZEN_ROWS}) as url:
        words = undisturbed.world.words(warehouse=warehouse)
        done = subprocess.run(
            [sys.executable, "-m", "metaclip_spark", "run", *map(str, words), "--remote", url],
            env=child_env,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert_same(table_state(spark, warehouse), undisturbed.state)
    assert undisturbed.run_id in done.stderr


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("sc://127.0.0.1:1/;token=hidden", "Connection refused"),
        ("http://127.0.0.1", "'http://127.0.0.1' is not a url of Spark Connect"),
    ],
)
def test_a_missing_server_is_reported_in_one_sentence(url, problem):
    """The error names the address without its parameters, the problem, and what was expected. There is no retry."""
    with pytest.raises(MetaclipError) as raised:
        connect(url, {})
    message = str(raised.value)
    assert message.startswith(f"No Spark Connect server answers at {url.partition(';')[0]}: ")
    assert problem in message
    assert " Expected sc://host:port (15002 is the usual port) of a server that runs" in message
