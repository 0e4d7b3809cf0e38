"""Logs as JSON lines, metrics, lineage, and what stages took: of a run, as a platform reads them."""

from __future__ import annotations

import gzip
import json
import os
import socket
from pathlib import Path

import pytest
from bad_server import Behaviour, reset, serving, status, well
from e2e_world import call, flag_words, row, rows_of, wat_of

pytestmark = pytest.mark.spark


def lines_of(text: str) -> list[dict]:
    """Parse every line; a line that is no JSON fails the test."""
    return [json.loads(line) for line in text.splitlines()]


def test_stderr_is_one_json_object_per_line(spark, world):
    """No progress line, warning or closing line mixes into it, and stages have their snapshot, run and numbers."""
    (world.pool / "broken.parquet").write_bytes(b"PAR1 and no more")
    ended = call("run", *world.words(), "--log-format", "json")
    assert ended.status == 3, ended.err
    events = lines_of(ended.err)
    assert all({"at", "event"} <= set(event) for event in events)
    done = {event["stage"]: event for event in events if event["event"] == "stage_done"}
    assert list(done) == ["extract", "dedup", "count", "balance", "report"]
    (run_id,) = {run_id for (run_id,) in rows_of(spark, world.root / "warehouse", "curated_pairs", ("run_id",))}
    assert {event["run_id"] for event in done.values()} == {run_id}
    assert done["extract"]["snapshot"] == done["dedup"]["snapshot"] == "default"
    assert done["dedup"]["pairs"] > 0
    assert done["dedup"]["pairs_per_second"] > 0
    assert all(event["seconds"] > 0 for event in done.values())
    assert [event["event"] for event in events if event["event"] in ("started", "finished")] == ["started", "finished"]
    sources = {event["status"]: event for event in events if event["event"] == "sources"}
    assert sources["done"]["number"] == 3
    assert sources["failed"]["number"] == 1
    assert "broken.parquet" not in sources["failed"]["kind"]
    levels = {event["level"] for event in events if event["event"] == "message"}
    assert levels == {"info", "warning"}


def one_after_another(*behaviours: Behaviour) -> Behaviour:
    """Return a behaviour that is each of several in turn, then sends the file."""
    left = list(behaviours)

    def answer(handler, data: bytes, start: int, stop: int) -> None:
        (left.pop(0) if left else well)(handler, data, start, stop)

    return answer


@pytest.mark.slow
def test_what_is_tried_again_is_an_event(world):
    """Requests by the kind of their failure, summed over the commit, and the sources of --retry."""
    with serving() as server:
        rows = [row("f", n)[:2] for n in range(3)]
        server.add("/f.wat.gz", b"".join(gzip.compress(record, mtime=0) for record in wat_of(rows)))
        listed = world.root / "files.paths"
        listed.write_text(f"{server.root}/f.wat.gz\n{server.root}/gone.wat.gz\n")
        server.always = {"/f.wat.gz": one_after_another(status(503, "0"), reset(10))}
        words = world.words("warehouse", "--log-format", "json", "--allow-incomplete", 1, input=listed)
        first = call("run", *words)
        assert first.status == 0, first.err
        again = [event for event in lines_of(first.err) if event["event"] == "retried"]
        assert {(e["what"], e["kind"], e["retries"], e["stage"], e["snapshot"]) for e in again} == {
            ("request", "status 503", 1, "extract", "default"),
            ("request", "a connection reset", 1, "extract", "default"),
        }
        second = call("run", *words, "--retry", "failed")
        assert second.status == 0, second.err
        again = [event for event in lines_of(second.err) if event["event"] == "retried"]
        assert [(e["what"], e["kind"], e["retries"]) for e in again] == [("source", "failed", 1)]


def test_a_command_that_fails_ends_with_an_event(world):
    """The sentence and the exit status are fields; stderr has no other line. Without settings it is text."""
    ended = call("run", *world.words(), "--log-format", "json", "--snapshots", "march")
    assert ended.status == 2
    events = lines_of(ended.err)
    assert (events[-1]["event"], events[-1]["status"]) == ("ended", 2)
    assert events[-1]["message"].startswith("snapshot 'march' has no pairs")
    wrong = call("run", *world.words(), "--log-format", "yaml")
    assert wrong.status == 2
    assert "log_format" in wrong.err


def test_metrics_go_to_a_file_and_to_statsd(world):
    """A file gets the events with numbers; StatsD gets gauges by stage."""
    pytest.importorskip("statsd", reason="statsd is not installed; it comes with the extra [metrics]")
    file = world.root / "monitor" / "metrics.jsonl"
    assert call("run", *world.words(), "--metrics", file).status == 0
    assert {event["event"] for event in lines_of(file.read_text())} >= {"stage_done", "sources", "finished"}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)
        port = server.getsockname()[1]
        ended = call(
            "balance",
            *flag_words(warehouse=world.root / "warehouse"),
            "-t",
            3,
            "--metrics",
            f"statsd://127.0.0.1:{port}",
        )
        assert ended.status == 0, ended.err
        got = server.recv(1000).decode()
    assert got.startswith("metaclip.")
    assert got.endswith("|g")


def test_runs_show_says_what_each_stage_took(spark, world, engine):
    """Seconds and core-seconds of every stage are in the log of runs, with the bytes of Spark's tasks."""
    assert call("run", *world.words()).status == 0
    at = flag_words(warehouse=world.root / "warehouse")
    (run,) = json.loads(call("runs", "list", *at, "--json").out)
    assert [used["stage"] for used in run["used"]] == ["extract", "dedup", "count", "balance", "report"]
    assert all(used["seconds"] > 0 for used in run["used"])
    if "METACLIP_TEST_REMOTE" not in os.environ:
        assert all(used["core_seconds"] >= 0 for used in run["used"])
        assert sum(used["core_seconds"] for used in run["used"]) > 0
    if engine == "spark" and "METACLIP_TEST_REMOTE" not in os.environ:
        assert sum(used["read_bytes"] for used in run["used"]) > 0
    shown = call("runs", "show", run["run_id"], *at)
    assert "core-hours" in shown.out
    assert all(used["stage"] in shown.out for used in run["used"])


def test_an_attempt_is_a_run_of_openlineage(world, monkeypatch):
    """START, then COMPLETE with the tables, their versions and rows; FAIL with the error, without secrets."""
    pytest.importorskip("openlineage", reason="openlineage-python is not installed; it comes with the extra [lineage]")
    log = world.root / "lineage.jsonl"
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__TYPE", "file")
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__LOG_FILE_PATH", str(log))
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__APPEND", "true")
    assert call("run", *world.words()).status == 0
    start, complete = lines_of(log.read_text())
    assert (start["eventType"], complete["eventType"]) == ("START", "COMPLETE")
    assert start["run"]["runId"] == complete["run"]["runId"]
    tables = {Path(output["name"]).name: output for output in complete["outputs"]}
    assert {"pairs", "curated_pairs", "sources"} <= set(tables)
    assert tables["pairs"]["outputFacets"]["outputStatistics"]["rowCount"] > 0
    assert complete["inputs"][0]["name"] == str(world.pool)

    def fails(*_: object) -> None:
        raise OSError("password=hunter2hunter2")

    monkeypatch.setattr("metaclip_spark.pipeline.count_step", fails)
    assert call("run", *world.words("broken")).status == 1
    failed = lines_of(log.read_text())[-1]
    assert failed["eventType"] == "FAIL"
    assert failed["run"]["facets"]["errorMessage"]["message"] == "OSError: password=(hidden)"


def described(spark, group: str) -> set[str]:
    """Return the descriptions of the jobs of a group."""
    jobs = spark.sparkContext._jsc.sc().statusStore().jobsList(None)
    of_group = [job for job in map(jobs.apply, range(jobs.size())) if job.jobGroup().contains(group)]
    return {job.description().get() for job in of_group if job.description().isDefined()}


def test_jobs_have_a_group_and_a_description(spark, world, engine):
    """Spark's page shows which run, stage, snapshot, and batch or key prefix a job is of."""
    if engine == "embedded" or "METACLIP_TEST_REMOTE" in os.environ:
        pytest.skip("the embedded engine has no page, and the page of a server is not this session's")
    assert call("run", *world.words()).status == 0
    (run_id,) = {run_id for (run_id,) in rows_of(spark, world.root / "warehouse", "curated_pairs", ("run_id",))}
    tracker = spark.sparkContext.statusTracker()
    for group in (f"metaclip-{run_id}-dedup-default", f"metaclip-{run_id}-balance"):
        assert tracker.getJobIdsForGroup(group), group
    texts = described(spark, f"metaclip-{run_id}-extract-default")
    # Delta adds what it does to the description of its own jobs.
    batches = {text.partition(" (")[2].partition(")")[0] for text in texts if f"run {run_id}, batch " in text}
    assert batches == {f"sources {n} to {n} of 3" for n in (1, 2, 3)}
    texts = described(spark, f"metaclip-{run_id}-dedup-default")
    assert f"metaclip dedup of snapshot default, run {run_id}, prefix 1 of 1" in texts
    assert spark.sparkContext.getLocalProperty("spark.jobGroup.id") is None
