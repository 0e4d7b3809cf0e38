"""Sessions leave no file behind, and a worker without the package is one sentence: real starts in child processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import venv
from pathlib import Path

import pytest

pytestmark = pytest.mark.spark

OWN_SESSION = """
from metaclip_spark.spark.session import get_session
import metaclip_spark as mc

spark = get_session("local[1]", "1g")
df = spark.createDataFrame([("u", "a photo")], "url string, text string")
mc.match(df, ["photo"]).write.format("delta").save("{table}")
spark.sql("SHOW TABLES").collect()
spark.sql("DESCRIBE HISTORY delta.`{table}`").collect()
print(spark.read.format("delta").load("{table}").collect())
"""
BARE_WORKERS = """
from pyspark.sql import SparkSession
import metaclip_spark as mc
from metaclip_spark.errors import WorkerError

spark = SparkSession.builder.master("local-cluster[1,1,1024]").config("spark.ui.enabled", "false").getOrCreate()
df = spark.createDataFrame([("u", "a photo")], "url string, text string")
try:
    mc.match(df, ["photo"])
except WorkerError as error:
    print(type(error).__name__, error)
"""


@pytest.fixture
def child(child_env, tmp_path):
    """Return a function that runs code in a new process, in an empty folder and with an empty temporary folder."""
    here, temporary = tmp_path / "here", tmp_path / "tmp"
    here.mkdir()
    temporary.mkdir()

    def run(code: str, **env: str) -> subprocess.CompletedProcess[str]:
        own = {
            "TMPDIR": str(temporary),
            "_JAVA_OPTIONS": f"-Djava.io.tmpdir={temporary}",
            "SPARK_LOCAL_IP": "127.0.0.1",
        }
        return subprocess.run(
            [sys.executable, "-c", code],
            cwd=here,
            env={**child_env, **own, **env},
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )

    return run


@pytest.mark.slow
def test_a_session_leaves_nothing_behind(child, tmp_path):
    """Neither spark-warehouse nor a log: not in the working directory, and not in the temporary folder."""
    done = child(OWN_SESSION.format(table=tmp_path / "table"))
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[Row(url='u', text='a photo', entry_ids=[0])]\n"
    assert os.listdir(tmp_path / "here") == []
    _wait_until_gone(tmp_path / "tmp")


def _wait_until_gone(folder: Path) -> None:
    """The JVM ends after the process, and deletes its files then."""
    deadline = time.monotonic() + 60
    while left := [name for name in os.listdir(folder) if not name.startswith("hsperfdata")]:
        assert time.monotonic() < deadline, left
        time.sleep(0.2)


@pytest.mark.slow
def test_workers_without_the_package_are_one_sentence(child, tmp_path, spark_home):
    """The verb itself says it, not the job that the user starts later; Spark logs no trace."""
    venv.create(tmp_path / "bare", symlinks=True)
    python = tmp_path / "bare" / "bin" / "python"
    done = child(BARE_WORKERS, PYSPARK_PYTHON=str(python), SPARK_HOME=str(spark_home), PYTHONPATH="")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(
        f"WorkerError The workers' Python ({python}) has no module metaclip_spark, numba, numpy, pandas, pyarrow. Send "
    )
    assert done.stdout.count("\n") == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert "api.python" not in done.stderr  # of Spark's own trace of a failed worker
