"""The same job over Spark Connect: no SparkContext, no broadcast; a server in another process."""

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
    """Row for row, in every table; the run is the same one by its id, too."""
    if remote is not None:
        pytest.skip("all of tests/e2e goes over Spark Connect here")
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
        ("http://127.0.0.1", "'http://127.0.0.1' is no such url"),
    ],
)
def test_a_server_that_is_not_there_is_said_in_a_sentence(url, problem):
    """The address without what follows it, the problem, and what was expected; at once."""
    with pytest.raises(MetaclipError) as raised:
        connect(url, {})
    said = str(raised.value)
    assert said.startswith(f"No Spark Connect server answers at {url.partition(';')[0]}: ")
    assert problem in said
    assert " Expected sc://host:port (15002 is the usual port) of a server that runs" in said
