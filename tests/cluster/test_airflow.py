"""The DAGs are tested in an environment with Airflow and without Spark, and one runs on the standalone cluster."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import zlib
from pathlib import Path

import pytest
from documented import ROOT
from own_venv import own_venv
from test_standalone import TABLES, rows_of

pytestmark = [pytest.mark.spark, pytest.mark.slow, pytest.mark.timeout(3600)]

CRAWL = "CC-MAIN-2024-51"
HERE = ROOT / "tests" / "airflow"
DAGS = ROOT / "jobs" / "airflow"
DYING_ONCE = """#!/bin/bash
# spark-submit, but the first driver that runs count is killed when it has written its first rows.
case "$*" in
  *jobs/count.py*) ;;
  *) exec "{real}" "$@" ;;
esac
if ! mkdir "{mark}" 2>/dev/null; then exec "{real}" "$@"; fi
"{real}" "$@" &
until ls "{warehouse}"/entry_counts/*/*/*.parquet >/dev/null 2>&1; do sleep 0.1; done
driver=$(pgrep -P $!)
kill -9 $! $driver
wait $!
"""


PAGES = 60


def members(wat: bytes, number: int) -> list[int]:
    """Return the offsets of the first gzip members, and the end of the last one."""
    starts = [0]
    for _ in range(number):
        member = zlib.decompressobj(31)
        tail = wat[starts[-1] : starts[-1] + (1 << 20)]
        member.decompress(tail)
        assert member.eof
        starts.append(starts[-1] + len(tail) - len(member.unused_data))
    return starts


@pytest.fixture(scope="module")
def airflow_python() -> Path:
    """Return the interpreter of .venv-airflow; create the environment if it is missing or outdated."""
    return own_venv("airflow", HERE / "requirements.txt") / "python"


@pytest.fixture(scope="module")
def airflow_env(airflow_python, desk, tmp_path_factory) -> dict[str, str]:
    """Return the environment of an Airflow with its own home and database, without this interpreter's packages."""
    home = tmp_path_factory.mktemp("airflow")
    env = {
        **desk.env,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    migrate = [airflow_python.with_name("airflow"), "db", "migrate"]
    done = subprocess.run(migrate, env=env, cwd=home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return env


def test_dags_are_what_airflow_takes(airflow_python, airflow_env):
    """tests/airflow passes with real Airflow: imports without warnings, structure, the sensor."""
    words = [airflow_python, "-m", "pytest", "-q", "-c", HERE / "pytest.ini", "--rootdir", HERE, HERE]
    done = subprocess.run(words, env=airflow_env, cwd=HERE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def deployment(desk, packaged, cluster, tmp_path) -> dict[str, str]:
    """Return the Airflow variable, for a mirror with one crawl of three files, of which one is damaged."""
    sample = (ROOT / "jobs" / "sample" / "pool.wat.gz").read_bytes()
    mirror, home = tmp_path / "mirror", tmp_path / "home"
    names = [f"crawl-data/{CRAWL}/segments/{n}/wat/{n}.warc.wat.gz" for n in range(3)]
    cuts = members(sample, 3 * PAGES)[::PAGES]
    for number, name in enumerate(names):
        part = sample[cuts[number] : cuts[number + 1]]
        (mirror / name).parent.mkdir(parents=True)
        (mirror / name).write_bytes(part[:-30] if number == 2 else part)
    with gzip.open(mirror / "crawl-data" / CRAWL / "wat.paths.gz", "wt") as file:
        file.writelines(f"{name}\n" for name in names)
    (home / "conf").mkdir(parents=True)
    (home / "jobs").symlink_to(ROOT / "jobs")
    # The operator passes only one properties file to spark-submit, so it must include the cluster's own settings.
    own = (desk.folder / "spark-conf" / "spark-defaults.conf").read_text()
    (home / "conf" / "cluster.conf").write_text((ROOT / "conf" / "cluster.conf").read_text() + own)
    (home / "conf" / "crawl.yaml").write_text("threshold: 2\nallow_incomplete: 50%\nno_lid: true\n")
    from metaclip_spark.spark.session import delta_package

    unpacked = desk.folder / "environment"
    if not unpacked.exists():
        unpacked.mkdir()
        subprocess.run(["tar", "-xzf", packaged / "metaclip-spark-env.tar.gz", "-C", unpacked], check=True)
    return {
        "home": str(home),
        "archive": str(packaged / "metaclip-spark-env.tar.gz"),
        "python": str(unpacked / "bin" / "python"),
        "delta": delta_package(),
        "config": str(home / "conf" / "crawl.yaml"),
        "metadata": str(ROOT / "metadata" / "wordnet.json.gz"),
        "crawl_root": str(mirror),
        "warehouse": str(tmp_path / "warehouse"),
        "outcomes": f"file://{tmp_path}/outcomes",
    }


def versions(warehouse: str) -> dict[str, int]:
    """Return each data table's latest version, from the file names of its log."""
    return {name: max(int(path.stem) for path in Path(warehouse, name, "_delta_log").glob("*.json")) for name in TABLES}


def test_dag_whose_count_dies_ends_in_the_tables_of_a_local_run(
    spark, airflow_python, airflow_env, deployment, desk, metaclip, tmp_path
):
    """The month's crawl runs command by command on the cluster, and the first try of count is killed.

    Rows and run id equal those of one local run. XCom has the outcome of each command. A second run changes nothing.
    """
    real, shim = Path(desk.env["SPARK_HOME"]) / "bin" / "spark-submit", tmp_path / "bin" / "spark-submit"
    shim.parent.mkdir()
    mark = tmp_path / "killed"
    shim.write_text(DYING_ONCE.format(real=real, mark=mark, warehouse=deployment["warehouse"]))
    shim.chmod(0o755)
    env = {
        **airflow_env,
        "PATH": os.pathsep.join([str(shim.parent), airflow_env["PATH"]]),
        "AIRFLOW_VAR_METACLIP": json.dumps(deployment),
        "AIRFLOW_CONN_SPARK_DEFAULT": f'{{"conn_type": "spark", "host": "spark://127.0.0.1", "port": {desk.port}}}',
    }

    def run_dag() -> dict:
        words = [airflow_python, HERE / "run_dag.py", DAGS, "metaclip_curation", "2024-12-01T00:00:00+00:00"]
        log = tmp_path / "dag.log"
        with open(log, "wb") as output:
            done = subprocess.run(words, env=env, cwd=tmp_path, stdout=output, stderr=subprocess.STDOUT, check=False)
        text = log.read_text(errors="replace")
        assert done.returncode == 0, text[-5000:]
        return json.loads(text.splitlines()[-1])

    ended = run_dag()
    assert mark.exists()
    assert {name: task["state"] for name, task in ended["tasks"].items()} == dict.fromkeys(ended["tasks"], "success")
    tries = {name: task["tries"] for name, task in ended["tasks"].items()}
    assert tries == {**dict.fromkeys(ended["tasks"], 1), "count": 2}
    outcomes = ended["outcomes"]
    assert outcomes["published"] == CRAWL
    assert outcomes["extract"]["sources"] == {"done": 2, "partial": 1, "failed": 0}
    assert outcomes["extract"]["incomplete"][0]["status"] == "partial"
    assert {outcomes[name]["run_id"] for name in ("extract", "dedup", "count", "balance", "report")} == {
        outcomes["balance"]["curated"]["run_id"]
    }
    page = outcomes["report"]["curated"]["report"].removeprefix("file://")
    assert Path(page).read_text(encoding="utf-8").startswith("<!doctype html>")

    local = tmp_path / "local"
    alone = metaclip(
        "run",
        "--config",
        deployment["config"],
        "--crawl",
        CRAWL,
        "--crawl-root",
        deployment["crawl_root"],
        "--metadata",
        deployment["metadata"],
        "--warehouse",
        local,
    )
    assert alone.status == 0, alone.err
    on_cluster, here = rows_of(spark, Path(deployment["warehouse"])), rows_of(spark, local)
    assert outcomes["balance"]["curated"]["curated_size"] == len(here["curated_pairs"]) > 0
    for name in TABLES:
        assert on_cluster[name] == here[name], f"{name} differs"

    before = versions(deployment["warehouse"])
    again = run_dag()
    assert again["state"] == "success"
    assert versions(deployment["warehouse"]) == before
