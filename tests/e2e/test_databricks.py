"""jobs/databricks: the notebooks run from top to bottom on local Spark, and the bundle fits its schema and runs."""

from __future__ import annotations

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from e2e_world import rows_of

import metaclip_spark as mc
from metaclip_spark import databricks
from metaclip_spark.spark.session import get_session

pytestmark = [pytest.mark.spark, pytest.mark.timeout(900)]

ROOT = Path(__file__).resolve().parents[2]
BUNDLE = ROOT / "jobs" / "databricks"
NOTEBOOKS = sorted((BUNDLE / "notebooks").glob("*.py"))
ENTRIES = ["photo", "dog", "a photo of", "otter", "the river", "house"]
TEXTS = ["a photo of a dog in the garden"] * 30 + ["an old house by the river"] * 8 + ["an otter by the river"] * 3


@pytest.fixture(scope="module")
def desk(tmp_path_factory) -> Path:
    """Write pairs and a list into a folder that represents the volume."""
    volume = tmp_path_factory.mktemp("desk") / "Volumes" / "main" / "metaclip" / "files"
    (volume / "pairs").mkdir(parents=True)
    pairs = pa.table({"url": [f"https://example.org/{n}.jpg" for n in range(len(TEXTS))], "text": TEXTS})
    pq.write_table(pairs, volume / "pairs" / "a.parquet")
    (volume / "en.json").write_text(json.dumps(ENTRIES))
    return volume


def expected(desk: Path, threshold: int) -> set[tuple[str, float, float]]:
    """Return the expected subset: url, probability and draw of each kept pair."""
    pairs = pq.read_table(desk / "pairs" / "a.parquet")
    kept = mc.local.curate(pairs, desk / "en.json", threshold=threshold)
    columns = kept.select(["url", "sampling_probability", "draw"]).to_pydict()
    return set(zip(*columns.values(), strict=True))


@pytest.fixture(scope="module")
def run_notebook(desk):
    """Return a function that runs a notebook as a plain file, top to bottom, and returns its names."""

    def run(number: int, monkeypatch, **widgets: object) -> dict[str, Any]:
        shown = desk.parent / f"shown{number}"
        common = {"metadata": desk / "en.json", "warehouse": desk.parent / "warehouse", "shown": shown}
        for name, value in {**common, **widgets}.items():
            monkeypatch.setenv(f"METACLIP_{name.upper()}", str(value))
        names = runpy.run_path(str(NOTEBOOKS[number - 1]))
        return {**names, "files": sorted(path.suffix for path in shown.iterdir())}

    return run


def test_notebook_1_explores_pairs_and_writes_nothing(run_notebook, desk, monkeypatch, capsys):
    """Notebook 1 prints and plots matches, counts and the subsets of some t, for a pool of Parquet files."""
    names = run_notebook(1, monkeypatch, pool=desk / "pairs")
    assert names["files"] == [".png"] * 3
    counts = {row["entry"]: row["count"] for row in names["counts"].to_pylist()}
    assert counts == {"photo": 30, "dog": 30, "a photo of": 30, "otter": 3, "the river": 11, "house": 8}
    assert [kept for _, kept in names["sizes"]] == [len(expected(desk, t)) for t, _ in names["sizes"]]
    assert "kept: the draw is below the sampling probability" in capsys.readouterr().out
    assert not (desk.parent / "warehouse").exists()


def test_notebooks_2_to_4_curate_report_and_try_another_list(spark, run_notebook, desk, monkeypatch, capsys):
    """The job's tables equal those of `mc.local`; the report is shown; the entries of a new list are counted."""
    ran = run_notebook(2, monkeypatch, input=desk / "pairs" / "*.parquet", threshold=4)
    assert (ran["status"], ran["files"]) == (0, [".png"])
    columns = ("url", "sampling_probability", "draw")
    stored = set(rows_of(spark, desk.parent / "warehouse", "curated_pairs", columns))
    assert stored == expected(desk, 4)
    assert 0 < len(stored) < len(TEXTS)

    with pytest.warns(UserWarning, match="is very low"):
        balanced = run_notebook(3, monkeypatch, report=desk / "reports" / "card.html")
    assert balanced["files"] == [".html", ".png"]
    assert dict(balanced["sizes"]) == {t: len(expected(desk, t)) for t in dict(balanced["sizes"])}
    assert len(balanced["sizes"]) > 1
    assert "<svg" in (desk / "reports" / "card.html").read_text(encoding="utf-8")

    capsys.readouterr()
    tried = run_notebook(4, monkeypatch, added="garden; St. John; dog", threshold=4)
    assert tried["more"] == ["garden", "St. John"]
    assert (tried["never"], tried["found"]["garden"]) == ([False, True], 30)
    assert tried["sizes"]["old"] + tried["sizes"]["gained"] - tried["sizes"]["lost"] == tried["sizes"]["new"]
    assert "new ['dog', 'garden']" in capsys.readouterr().out


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_one_in_source_format_with_databricks_calls_behind_the_helper(notebook):
    """A notebook has its header, cells and the wheel of this version, and makes no call that only Databricks has."""
    text = notebook.read_text(encoding="utf-8")
    header, *cells = re.split(r"\n\n# COMMAND -{10}\n\n", text)
    assert header.startswith(f"# Databricks notebook source\n# MAGIC %md\n# MAGIC # {notebook.stem[1]}. ")
    assert len(cells) >= 5
    version = mc.__version__
    wheel = f"/Volumes/main/metaclip/files/metaclip_spark-{version}+cluster-py3-none-any.whl[report]"
    assert cells[0] == f'# MAGIC %pip install --quiet "{wheel}"'
    for cell in [header.partition("\n")[2], *cells]:
        magic = [line.startswith("# MAGIC") for line in cell.strip().splitlines()]
        assert all(magic) or not any(magic), cell
    assert not re.search(r"\b(dbutils|display|displayHTML|sparkContext|rdd)\b", text)


def bundle(target: str, **variables: str) -> dict[str, Any]:
    """Return the bundle's only job as a target makes it, with its variables filled in."""
    top = yaml.safe_load((BUNDLE / "databricks.yml").read_text(encoding="utf-8"))
    (included,) = BUNDLE.glob(top["include"][0])
    job = yaml.safe_load(included.read_text(encoding="utf-8"))["resources"]["jobs"]["metaclip_curation"]
    more = top["targets"][target]["resources"]["jobs"]["metaclip_curation"]
    tasks = {task["task_key"]: task for task in more["tasks"]}
    assert list(tasks) == [task["task_key"] for task in job["tasks"]]
    merged = {**job, **more, "tasks": [{**task, **tasks[task["task_key"]]} for task in job["tasks"]]}
    values = {name: str(variable["default"]) for name, variable in top["variables"].items()} | variables
    filled = re.sub(r"\$\{var\.(\w+)\}", lambda found: values[found.group(1)], json.dumps(merged))
    assert "${" not in filled
    return json.loads(filled)


@pytest.mark.parametrize("target", ["cluster", "serverless"])
def test_the_job_is_what_the_bundles_own_types_take(target):
    """`databricks-bundles` has types of resources, generated from the schema: its type of a job takes ours."""
    jobs = pytest.importorskip("databricks.bundles.jobs", reason="databricks-bundles is not installed")
    job = bundle(target)
    typed = jobs.Job.from_dict(job)
    assert typed.as_dict()["tasks"] == [{**task, "max_retries": 2} for task in job["tasks"]]
    with pytest.raises(ValueError, match="Unexpected"):
        jobs.Job.from_dict({**job, "job_cluster": []})
    keys = {key for task in job["tasks"] for key in task}
    if target == "serverless":
        assert {task["environment_key"] for task in job["tasks"]} == {job["environments"][0]["environment_key"]}
        assert not keys & {"job_cluster_key", "libraries"}
    else:
        assert {task["job_cluster_key"] for task in job["tasks"]} == {job["job_clusters"][0]["job_cluster_key"]}
        assert "environment_key" not in keys


def test_the_rest_of_the_bundle_has_documented_fields_alone():
    """No type covers top level, artifact, variables and targets, so this test lists the documented names."""
    top = yaml.safe_load((BUNDLE / "databricks.yml").read_text(encoding="utf-8"))
    assert set(top) == {"bundle", "include", "artifacts", "variables", "targets"}
    assert set(top["artifacts"]["wheel"]) == {"type", "path", "build"}
    assert all(set(variable) == {"description", "default"} for variable in top["variables"].values())
    assert all(set(target) <= {"default", "mode", "resources"} for target in top["targets"].values())
    used = set(re.findall(r"\$\{var\.(\w+)\}", "".join(p.read_text(encoding="utf-8") for p in BUNDLE.rglob("*.yml"))))
    assert used == set(top["variables"])


@pytest.mark.slow
def test_the_artifact_s_build_command_makes_a_wheel_with_the_entry_point(tmp_path):
    """The build command runs unchanged in a copy of the repository's folder."""
    for name in ("metaclip_spark", "metadata", "setup.py", "pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    folder = tmp_path / "jobs" / "databricks"
    folder.mkdir(parents=True)
    build = yaml.safe_load((BUNDLE / "databricks.yml").read_text(encoding="utf-8"))["artifacts"]["wheel"]["build"]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run(["bash", "-c", build], cwd=folder, env=environment, check=True, capture_output=True)
    (wheel,) = (folder / "dist").glob("*.whl")
    assert wheel.name == f"metaclip_spark-{mc.__version__}+cluster-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as files:
        names = files.namelist()
        (points,) = [name for name in names if name.endswith("entry_points.txt")]
        assert "databricks-task = metaclip_spark.databricks:task" in files.read(points).decode()
    assert {"metaclip_spark/py.typed", "metaclip_spark/verbs/spark.py"} <= set(names)


def test_the_page_names_what_there_is():
    """docs/DATABRICKS.md names parameters with their defaults, variables, boxes of each notebook, and the wheel."""
    page = (ROOT / "docs" / "DATABRICKS.md").read_text(encoding="utf-8")
    for parameter in bundle("cluster")["parameters"]:
        assert f"`{parameter['name']}`" in page
        assert f"`{parameter['default']}`" in page
    variables = re.search(r"--var ([^`]+)`", page).group(1)
    top = yaml.safe_load((BUNDLE / "databricks.yml").read_text(encoding="utf-8"))
    assert {word.partition("=")[0] for word in variables.split(",")} <= set(top["variables"])
    rows = dict(re.findall(r"^\| `(0\d_\w+)` \|.*\| ([^|]+) \|$", page, re.MULTILINE))
    boxes = {}
    for path in NOTEBOOKS:
        boxes[path.stem] = re.findall(r'widget\("(\w+)"', path.read_text(encoding="utf-8"))
    assert {name: re.findall(r"`(\w+)`", names) for name, names in rows.items()} == boxes
    variables = {name.lower() for name in re.findall(r"METACLIP_(\w+)=", page)}
    of_package_sh = {"for"}
    assert variables - of_package_sh <= {name for names in boxes.values() for name in names} | {"shown"}
    assert set(re.findall(r"metaclip_spark-(.+?)-py3", page)) == {f"{mc.__version__}+cluster"}


@pytest.mark.slow
def test_the_job_s_tasks_run_one_after_the_other_by_their_entry_point(spark, desk, monkeypatch):
    """The tasks, started as Databricks starts them (entry point, parameters), give the subset in named tables."""
    declared = re.search(r'"databricks-task = (.+?)"', (ROOT / "setup.py").read_text(encoding="utf-8")).group(1)
    task_of = EntryPoint("databricks-task", declared, "metaclip_spark.tasks").load()
    spark.sql("CREATE SCHEMA bundle_test")
    job = bundle("cluster", catalog="spark_catalog", schema="bundle_test", metadata="en.json")
    given = {parameter["name"]: parameter["default"] for parameter in job["parameters"]}
    given |= {"input": str(desk / "pairs" / "*.parquet"), "threshold": "4"}
    here = {"/Volumes/spark_catalog/bundle_test/files": str(desk), "{{job.run_id}}": "7"}
    here |= {f"{{{{job.parameters.{name}}}}}": value for name, value in given.items()}
    monkeypatch.chdir(desk)
    try:
        for task in job["tasks"]:
            wheel = task["python_wheel_task"]
            assert (wheel["package_name"], wheel["entry_point"]) == ("metaclip_spark", "databricks-task")
            words = wheel["parameters"]
            for name, value in here.items():
                words = [word.replace(name, value) for word in words]
            monkeypatch.setattr(sys, "argv", ["task", *words])
            assert task_of() is None
        rows = spark.table("spark_catalog.bundle_test.curated_pairs").select("url", "sampling_probability", "draw")
        assert {tuple(row) for row in rows.collect()} == expected(desk, 4)
        assert (desk / "reports" / "7.html").is_file()
    finally:
        spark.sql("DROP SCHEMA bundle_test CASCADE")


def test_a_task_that_fails_ends_with_the_command_s_status(monkeypatch, capsys):
    """A failure is raised, because Databricks ignores what an entry point returns."""
    monkeypatch.setattr(sys, "argv", ["task", "run", "--threshold", "0"])
    with pytest.raises(SystemExit) as ended:
        databricks.task()
    assert ended.value.code == 2
    assert "threshold must be >= 1, got 0" in capsys.readouterr().err


class Databricks:
    """A stub of the names that Databricks puts into a notebook; it records the calls."""

    def __init__(self) -> None:
        self.calls: list[tuple] = []
        self.widgets = self
        self.user_ns = {"dbutils": self, "display": self.display, "displayHTML": self.display_html}

    def text(self, name: str, default: str) -> None:
        self.calls.append(("text", name, default))

    def get(self, name: str) -> str:
        return f"typed into {name}"

    def display(self, df) -> None:
        self.calls.append(("display", df.count()))

    def display_html(self, page: str) -> None:
        self.calls.append(("displayHTML", page[:9]))


def test_on_databricks_the_helper_calls_what_a_notebook_has_there(spark, remote, monkeypatch, request):
    """The helper calls the notebook's widgets, display and displayHTML, and uses the existing session unchanged."""
    if remote is not None or request.config.getoption("--engine") == "embedded":
        pytest.skip("a session that is there is found in another way over Spark Connect")
    notebook = Databricks()
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "17.3")
    monkeypatch.setattr(databricks, "_shell", lambda: notebook)
    monkeypatch.setenv("METACLIP_POOL", "not asked")
    assert databricks.widget("pool", "main.pool") == "typed into pool"
    databricks.show(spark.range(30), rows=7)
    databricks.show_html("<!doctype html>")
    assert notebook.calls == [("text", "pool", "main.pool"), ("display", 7), ("displayHTML", "<!doctype")]
    before = {row["key"]: row["value"] for row in spark.sql("SET").collect()}
    monkeypatch.setattr("pyspark.sql.SparkSession.getActiveSession", lambda: None)
    assert (
        get_session(conf={"spark.sql.shuffle.partitions": "77"}).conf.get("spark.sql.shuffle.partitions")
        == before["spark.sql.shuffle.partitions"]
    )
