"""The DAGs as Airflow sees them: importable without a warning, in the right shape, asking nothing as they are read."""

from __future__ import annotations

import ast
import json
import sys
import warnings
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.dag_processing.dagbag import BundleDagBag
from airflow.sdk.bases.sensor import PokeReturnValue

FOLDER = Path(__file__).resolve().parents[2] / "jobs" / "airflow"
STAGES = ["extract", "dedup", "count", "balance", "report"]


@pytest.fixture(scope="module")
def bag():
    """The DAG folder, read as Airflow reads it; a warning of ours or of what we use is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = BundleDagBag(FOLDER, bundle_path=FOLDER, bundle_name="dags-folder")
    assert found.import_errors == {}
    assert found.captured_warnings == {}
    return found


@pytest.fixture
def common_crawl(bag):
    """The module beside the DAGs."""
    return sys.modules["common_crawl"]


def test_both_dags_are_monthly_one_run_at_a_time_without_catching_up(bag):
    """One run a month; two at once would ask for the same warehouse."""
    assert set(bag.dags) == {"metaclip_curation", "metaclip_curation_databricks"}
    for dag in bag.dags.values():
        assert dag.timetable.expression == "0 0 1 * *"
        assert (dag.max_active_runs, dag.catchup) == (1, False)


def test_stages_follow_one_another_after_the_crawl_is_published(bag):
    """published, then a task a stage, each with retries of its own."""
    dag = bag.dags["metaclip_curation"]
    chain = ["published", *STAGES]
    for before, after in zip(chain, [*chain[1:], None], strict=True):
        assert dag.get_task(before).downstream_task_ids == ({after} if after else set())
    assert all(dag.get_task(name).retries == 3 for name in chain)
    assert [asset.name for asset in dag.get_task("balance").outlets] == ["metaclip_curated_pairs"]


def test_stages_are_handed_the_run_and_the_versions_that_earlier_ones_left(bag):
    """Every stage after extract has its run id; count and balance read pinned versions."""
    dag = bag.dags["metaclip_curation"]
    words = {name: dag.get_task(name).application_args for name in STAGES}
    run_id = "--run-id={{ ti.xcom_pull(task_ids='extract')['run_id'] }}"
    assert [name for name in STAGES if run_id in words[name]] == STAGES[1:]
    pins = {name: [word for word in words[name] if word.startswith("--pinned=")] for name in STAGES}
    assert [name for name in STAGES if pins[name]] == ["count", "balance"]
    assert "task_ids='dedup')['versions']['pairs']" in pins["count"][0]
    assert "task_ids='count')['versions']['entry_counts']" in pins["balance"][0]
    for name in STAGES:
        task = dag.get_task(name)
        assert task.application == "{{ var.json.metaclip.home }}/jobs/" + f"{name}.py"
        assert f"--outcome={task.outcome}" in words[name]
        assert {"application", "application_args", "conf", "outcome"} <= set(task.template_fields)


def test_databricks_job_is_asked_once_a_try_and_repaired(bag):
    """The bundle's job by name, with the crawl's list as its input, and a token of at most 64 characters."""
    task = bag.dags["metaclip_curation_databricks"].get_task("curate")
    assert task.upstream_task_ids == {"published"}
    assert task.repair_run is True
    assert "'metaclip_curation'" in task.job_name
    parameters = task.job_parameters
    assert parameters["input"].endswith("/wat.paths.gz")
    assert parameters["snapshot"] == "{{ ti.xcom_pull(task_ids='published') }}"

    from airflow.sdk.definitions._internal.templater import SandboxedEnvironment
    from airflow.sdk.execution_time import macros

    template = SandboxedEnvironment().from_string(task.idempotency_token)

    def token(run: str, number: int) -> str:
        return template.render(macros=macros, run_id=run, ti=SimpleNamespace(try_number=number))

    assert len(token("scheduled__2025-01-01", 1)) <= 64
    assert token("a", 1) == token("a", 1)
    assert len({token("a", 1), token("a", 2), token("b", 1)}) == 3


def test_files_only_define_things():
    """At a module's level stand imports, definitions, constants and the DAG: Airflow reads the files all the time."""
    allowed = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.With)
    for path in FOLDER.glob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            assert is_docstring or isinstance(node, allowed), f"{path.name}:{node.lineno}"


@pytest.mark.parametrize(
    ("month", "crawl"),
    [
        ((2024, 4), "CC-MAIN-2024-18"),
        ((2024, 5), "CC-MAIN-2024-22"),
        ((2024, 6), "CC-MAIN-2024-26"),
        ((2024, 12), "CC-MAIN-2024-51"),
        ((2025, 1), "CC-MAIN-2025-05"),
        ((2025, 4), "CC-MAIN-2025-18"),
        ((2025, 5), "CC-MAIN-2025-21"),
        ((2025, 8), "CC-MAIN-2025-33"),
    ],
)
def test_a_crawl_belongs_to_one_month(common_crawl, month, crawl):
    """Names of real crawls: each is among those of its month, and of no other."""
    year, number = month
    months = [date(year + at // 12, at % 12 + 1, 1) for at in range(number - 3, number + 2)]
    assert [found for found in months if crawl in common_crawl.crawls_of(found)] == [date(year, number, 1)]


def test_every_week_of_many_years_is_in_one_month(common_crawl):
    """No crawl is run twice, and none is left out."""
    months = [date(year, month, 1) for year in range(2013, 2033) for month in range(1, 13)]
    names = [name for month in months for name in common_crawl.crawls_of(month)]
    weeks = {"CC-MAIN-{}-{:02}".format(*(months[0] + timedelta(days)).isocalendar()[:2]) for days in range(6, 20 * 365)}
    assert len(names) == len(set(names))
    assert weeks <= set(names)


def poked(bag, crawl: str | None, month: datetime | None) -> PokeReturnValue:
    """Ask the sensor once."""
    sensor = bag.dags["metaclip_curation"].get_task("published")
    return sensor.poke({"params": {"crawl": crawl}, "dag_run": SimpleNamespace(logical_date=month)})


def test_sensor_waits_for_the_list_of_files(bag, tmp_path, monkeypatch):
    """Not there: ask again later. There: the crawl's name, from the month or as the run names it."""
    monkeypatch.setenv("AIRFLOW_VAR_METACLIP", json.dumps({"crawl_root": str(tmp_path)}))
    december = datetime(2024, 12, 1, tzinfo=timezone.utc)
    assert not poked(bag, None, december).is_done
    listed = tmp_path / "crawl-data" / "CC-MAIN-2024-51" / "wat.paths.gz"
    listed.parent.mkdir(parents=True)
    listed.touch()
    for crawl, month in ((None, december), ("CC-MAIN-2024-51", None)):
        answer = poked(bag, crawl, month)
        assert (answer.is_done, answer.xcom_value) == (True, "CC-MAIN-2024-51")
    assert not poked(bag, "CC-MAIN-2024-46", None).is_done


def test_run_without_a_month_must_name_its_crawl(bag):
    """A run triggered by hand has no logical date."""
    with pytest.raises(ValueError, match="no logical date to tell the crawl from; name it"):
        poked(bag, None, None)


def test_common_crawl_is_asked_over_https(common_crawl, monkeypatch):
    """Also for s3://commoncrawl, which wants an account; 404 and 403 are "not yet", other errors are errors."""
    from urllib.error import HTTPError

    asked = []

    def answer(request, timeout):
        asked.append((request.method, request.full_url))
        code = 404 if "2024-46" in request.full_url else 503
        raise HTTPError(request.full_url, code, "no", {}, None)

    monkeypatch.setattr(common_crawl, "urlopen", answer)
    assert common_crawl.is_published("CC-MAIN-2024-46", "s3://commoncrawl/") is False
    with pytest.raises(HTTPError, match="503"):
        common_crawl.is_published("CC-MAIN-2024-51", common_crawl.HTTPS)
    assert asked[0] == ("HEAD", "https://data.commoncrawl.org/crawl-data/CC-MAIN-2024-46/wat.paths.gz")
