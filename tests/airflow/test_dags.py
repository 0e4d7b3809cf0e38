"""Airflow imports the DAGs without a warning, they have the right tasks, and importing them sends no requests."""

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
COMMANDS = ["extract", "dedup", "count", "balance", "report"]


@pytest.fixture(scope="module")
def bag():
    """Return the DAG folder as Airflow reads it. Every warning is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = BundleDagBag(FOLDER, bundle_path=FOLDER, bundle_name="dags-folder")
    assert found.import_errors == {}
    assert found.captured_warnings == {}
    return found


@pytest.fixture
def common_crawl(bag):
    """Return the module that the DAGs import."""
    return sys.modules["common_crawl"]


def test_both_dags_are_monthly_one_run_at_a_time_without_catching_up(bag):
    """There is one run per month. Two concurrent runs would need the same warehouse."""
    assert set(bag.dags) == {"metaclip_curation", "metaclip_curation_databricks"}
    for dag in bag.dags.values():
        assert dag.timetable.expression == "0 0 1 * *"
        assert (dag.max_active_runs, dag.catchup) == (1, False)


def test_commands_follow_one_another_after_the_crawl_is_published(bag):
    """The sensor `published` is followed by one task per command, each with its own retries."""
    dag = bag.dags["metaclip_curation"]
    chain = ["published", *COMMANDS]
    for before, after in zip(chain, [*chain[1:], None], strict=True):
        assert dag.get_task(before).downstream_task_ids == ({after} if after else set())
    assert all(dag.get_task(name).retries == 3 for name in chain)
    assert [asset.name for asset in dag.get_task("balance").outlets] == ["metaclip_curated_pairs"]


def test_commands_get_the_run_id_and_the_versions_of_earlier_ones(bag):
    """Every command after extract gets extract's run id; count and balance read pinned versions."""
    dag = bag.dags["metaclip_curation"]
    words = {name: dag.get_task(name).application_args for name in COMMANDS}
    run_id = "--run-id={{ ti.xcom_pull(task_ids='extract')['run_id'] }}"
    assert [name for name in COMMANDS if run_id in words[name]] == COMMANDS[1:]
    pins = {name: [word for word in words[name] if word.startswith("--pinned=")] for name in COMMANDS}
    assert [name for name in COMMANDS if pins[name]] == ["count", "balance"]
    assert "task_ids='dedup')['versions']['pairs']" in pins["count"][0]
    assert "task_ids='count')['versions']['entry_counts']" in pins["balance"][0]
    for name in COMMANDS:
        task = dag.get_task(name)
        assert task.application == "{{ var.json.metaclip.home }}/jobs/" + f"{name}.py"
        assert f"--outcome={task.outcome}" in words[name]
        assert {"application", "application_args", "conf", "outcome"} <= set(task.template_fields)


def test_databricks_job_is_asked_once_a_try_and_repaired(bag):
    """The task names the bundle's job and the crawl's list. Each try has a token of at most 64 characters."""
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
    """The top level has only imports, definitions, constants and the DAG, because Airflow imports the files often."""
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
    """Each real crawl is among the crawls of its month, and of no other month."""
    year, number = month
    months = [date(year + at // 12, at % 12 + 1, 1) for at in range(number - 3, number + 2)]
    assert [found for found in months if crawl in common_crawl.crawls_of(found)] == [date(year, number, 1)]


def test_every_week_of_many_years_is_in_one_month(common_crawl):
    """No crawl is run twice, and none is skipped."""
    months = [date(year, month, 1) for year in range(2013, 2033) for month in range(1, 13)]
    names = [name for month in months for name in common_crawl.crawls_of(month)]
    weeks = {"CC-MAIN-{}-{:02}".format(*(months[0] + timedelta(days)).isocalendar()[:2]) for days in range(6, 20 * 365)}
    assert len(names) == len(set(names))
    assert weeks <= set(names)


def poked(bag, crawl: str | None, month: datetime | None) -> PokeReturnValue:
    """Poke the sensor once."""
    sensor = bag.dags["metaclip_curation"].get_task("published")
    return sensor.poke({"params": {"crawl": crawl}, "dag_run": SimpleNamespace(logical_date=month)})


def test_sensor_waits_for_the_list_of_files(bag, tmp_path, monkeypatch):
    """Without the list the sensor waits. With it, it returns the crawl's name, from the month or the params."""
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
    """A run triggered manually has no logical date, so its crawl must be a param."""
    with pytest.raises(
        ValueError, match='no logical date to choose a crawl by; expected a param: {"crawl": "CC-MAIN-2024-51"}'
    ):
        poked(bag, None, None)


def test_common_crawl_is_asked_over_https(common_crawl, monkeypatch):
    """https is used for s3://commoncrawl too, which needs an account. Only 403 and 404 mean "not published yet"."""
    from urllib.error import HTTPError

    requests = []

    def answer(request, timeout):
        requests.append((request.method, request.full_url))
        code = 404 if "2024-46" in request.full_url else 503
        raise HTTPError(request.full_url, code, "no", {}, None)

    monkeypatch.setattr(common_crawl, "urlopen", answer)
    assert common_crawl.is_published("CC-MAIN-2024-46", "s3://commoncrawl/") is False
    with pytest.raises(HTTPError, match="503"):
        common_crawl.is_published("CC-MAIN-2024-51", common_crawl.HTTPS)
    assert requests[0] == ("HEAD", "https://data.commoncrawl.org/crawl-data/CC-MAIN-2024-46/wat.paths.gz")
