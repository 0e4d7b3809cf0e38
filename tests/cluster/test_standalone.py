"""The packaged project runs on a standalone cluster whose machines have only its archive."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import threading
import zipfile
from pathlib import Path

import pytest
from documented import ROOT, blocks

pytestmark = [pytest.mark.spark, pytest.mark.slow, pytest.mark.timeout(1500)]

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


def rows_of(spark, warehouse: Path) -> dict[str, list[str]]:
    """Return every table's rows, sorted."""
    found = {}
    for name in TABLES:
        rows = spark.read.format("delta").load(str(warehouse / name))
        found[name] = sorted(map(repr, rows.select(*sorted(rows.columns)).toArrow().to_pylist()))
    return found


def test_archive_and_zip_hold_what_a_cluster_lacks_and_nothing_that_it_has(packaged):
    """The archive has the package, native libraries and compiled functions, but no Spark and no pip.

    The zip has the modules and templates.
    """
    with tarfile.open(packaged / "metaclip-spark-env.tar.gz") as archive:
        names = archive.getnames()
        link = archive.getmember("bin/python3")
    packages = {name.split("site-packages/")[1].split("/")[0] for name in names if "site-packages/" in name}
    assert {"metaclip_spark", "pyarrow", "pandas", "numba", "matplotlib"} <= packages
    assert not {"pyspark", "delta", "pip", "setuptools"} & packages
    assert any(name.endswith(".nbc") for name in names)
    assert link.issym()
    with zipfile.ZipFile(packaged / "metaclip_spark.zip") as modules:
        inside = modules.namelist()
    assert {name.split("/")[0] for name in inside} == {"metaclip_spark"}
    wanted = {path.relative_to(ROOT) for path in (ROOT / "metaclip_spark").rglob("*") if path.suffix in (".py", ".j2")}
    assert {Path(name) for name in inside} >= wanted
    assert len(list(packaged.glob("*.whl"))) == 1


def test_run_on_the_cluster_makes_the_tables_of_a_local_run(
    spark, packaged, cluster, workers_python, metaclip, monkeypatch
):
    """The page's command, by an interpreter that has only the archive, makes the same rows in every table.

    Both workers run the archive's Python, and compile nothing.
    """
    command = [_base_python(), "-c", "import metaclip_spark"]
    base = subprocess.run(command, cwd="/", env=cluster.env, capture_output=True, check=False)
    assert b"No module named 'metaclip_spark'" in base.stderr
    folders: dict[int, str] = {}
    over = threading.Event()
    before = set(cluster.folder.glob("work/app-*"))

    def watch() -> None:
        while not over.wait(0.5):
            folders.update(workers_python())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        done = cluster.type(blocks("CLUSTER.md", "Standalone")[2])
    finally:
        over.set()
        watcher.join()
    assert done.returncode == 0, done.stderr
    assert "curated subset" in done.stdout

    apps = set(cluster.folder.glob("work/app-*")) - before
    archives = sorted(folder for app in apps for folder in app.glob("*/environment"))
    assert len(archives) == 2
    assert {Path(folder) / "environment" for folder in folders.values()} == set(archives)
    compiled = len(list((cluster.folder / "environment").rglob("*.nbc")))
    assert compiled > 0
    assert [len(list(folder.resolve().rglob("*.nbc"))) for folder in archives] == [compiled, compiled]

    local = cluster.folder / "local"
    monkeypatch.chdir(cluster.folder)  # a source's key is its absolute path
    ended = metaclip(
        "run",
        "--config",
        "conf/quickstart.yaml",
        "--input",
        "jobs/sample/pool.wat.gz",
        "--metadata",
        "metadata/wordnet.json.gz",
        "--warehouse",
        local,
    )
    assert ended.status == 0, ended.err
    on_cluster, here = rows_of(spark, cluster.folder / "warehouse"), rows_of(spark, local)
    for name in TABLES:
        assert here[name], f"{name} is empty"
        assert on_cluster[name] == here[name], f"{name} differs"


def test_zip_goes_before_the_archive(packaged, cluster):
    """With the zip on its path (--py-files), the archive's interpreter uses the zip's modules and templates."""
    script = (
        "import metaclip_spark as m, metaclip_spark.cli.app as cli; from metaclip_spark.report import render; "
        "render._environment().get_template('card.html.j2'); print(m.__file__); cli.main(['--version'])"
    )
    env = {**cluster.env, "PYTHONPATH": str(packaged / "metaclip_spark.zip")}
    done = subprocess.run(
        ["environment/bin/python", "-c", script],
        cwd=cluster.folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    where, version = done.stdout.splitlines()
    assert where == str(packaged / "metaclip_spark.zip" / "metaclip_spark" / "__init__.py")
    assert version.startswith("metaclip-spark, version ")


def _base_python() -> str:
    return str(Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}")
