"""The page of a run, and the entry points."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from e2e_world import call, rows_of

import metaclip_spark

pytestmark = pytest.mark.spark

ROOT = Path(__file__).resolve().parents[2]
JOBS = sorted(path.name for path in (ROOT / "jobs").glob("*.py"))


def words_of(page: str) -> str:
    """Return the page's words with single spaces, without its style."""
    page = re.sub(r"<style>.*?</style>|<svg.*?</svg>", " ", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def test_report_writes_the_page_again_with_the_tables_numbers(spark, undisturbed):
    """`report` prints where the page is, and what it says is what the tables hold."""
    path = undisturbed.warehouse / "reports" / f"{undisturbed.run_id}.html"
    first = path.read_text(encoding="utf-8")
    path.unlink()
    said = call("report", "--warehouse", undisturbed.warehouse)
    assert (said.status, said.out) == (0, f"{path}\n"), said.err
    page = path.read_text(encoding="utf-8")
    assert re.sub(r"<time>.*?</time>", "", page) == re.sub(r"<time>.*?</time>", "", first)
    assert not list(path.parent.glob("*.partial"))

    words = words_of(page)
    state, warehouse = undisturbed.state, undisturbed.warehouse
    texts, matched = (
        sum(number for (number,) in rows_of(spark, warehouse, "sources", (name,)))
        for name in ("texts_read", "texts_matched")
    )
    assert f"Pool, unique pairs {len(state['pairs'])} " in words
    assert f"Curated subset {len(state['curated_pairs'])} " in words
    assert f"Texts {texts} " in words
    assert f"Matched {matched} " in words
    curated = [ids for (ids,) in rows_of(spark, warehouse, "curated_pairs", ("entry_ids",))]
    top = rows_of(spark, warehouse, "entry_probabilities", ("entry", "entry_id", "count", "probability"))
    assert len(top) == 7
    for entry, entry_id, count, probability in top:
        kept = sum(entry_id in ids for ids in curated)
        assert f" {entry} {entry_id} {count} {kept} {probability:.4g} " in words
    assert f"Counts after {sum(map(len, curated))} " in words


def test_report_of_a_run_that_is_not_there_is_refused(undisturbed):
    """An unknown run id is an error with a sentence."""
    said = call("report", "--warehouse", undisturbed.warehouse, "--run-id", "feedfeedfeedfeed")
    assert (said.status, said.out) == (2, "")
    sentence = f"{undisturbed.warehouse} holds no run 'feedfeedfeedfeed'; expected tables made by run."
    assert said.err.splitlines()[-1] == f"metaclip-spark: {sentence}"


def test_report_on_a_folder_without_tables_is_refused(spark, tmp_path):
    """A folder that no run was given is an error, and stays as it is."""
    said = call("report", "--warehouse", tmp_path)
    assert said.status in (1, 2)
    assert said.err.splitlines()[-1] == (
        f"metaclip-spark: {tmp_path} holds no curated subset yet; run balance first."
    )
    assert list(tmp_path.iterdir()) == []


def test_explain_agrees_with_the_tables(spark, undisturbed):
    """Kept pairs and dropped ones are explained with the tables' probability, draw and verdict."""
    kept = rows_of(spark, undisturbed.warehouse, "curated_pairs", ("pair_id", "sampling_probability", "draw"))
    dropped = {pair for (pair,) in rows_of(spark, undisturbed.warehouse, "pairs", ("pair_id",))} - {
        k[0] for k in kept
    }
    pair, probability, draw = kept[0]
    said = call("explain", "--warehouse", undisturbed.warehouse, "--pair-id", pair, "--json")
    assert said.status == 0, said.err
    assert repr(probability) in said.out
    assert repr(draw) in said.out
    (why,) = json.loads(said.out)
    assert why["seen_in"] == ["default"]
    assert why["verdict"].startswith("kept: ")
    assert 1 <= why["kept_from_threshold"] <= 2
    for match in why["matches"]:
        for at in match["positions"]:
            assert why["spaced"][at:].startswith(match["entry"])
    said = call("explain", "--warehouse", undisturbed.warehouse, "--pair-id", min(dropped), "--json")
    assert said.status == 0, said.err
    (why,) = json.loads(said.out)
    assert why["verdict"].startswith("dropped: ")
    assert 2 < why["kept_from_threshold"] <= min(match["count"] for match in why["matches"])


def child(*words: str, env: dict[str, str]) -> subprocess.CompletedProcess:
    """Run Python on these words in a process of its own."""
    return subprocess.run(
        [sys.executable, *words], env=env, capture_output=True, text=True, timeout=120, check=False
    )


def test_module_says_its_version_without_spark(child_env, tmp_path):
    """python -m metaclip_spark --version needs no Java."""
    ended = child("-m", "metaclip_spark", "--version", env={**child_env, "JAVA_HOME": str(tmp_path)})
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == f"metaclip-spark, version {metaclip_spark.__version__}\n"


def test_no_java_is_one_sentence(world, child_env, tmp_path):
    """Without Java a run ends with status 1 and says what to install."""
    words = ["-m", "metaclip_spark", "run", *map(str, world.words())]
    ended = child(*words, env={**child_env, "JAVA_HOME": str(tmp_path)})
    assert (ended.returncode, ended.stdout) == (1, "")
    sentence = ended.stderr.splitlines()[-1]
    assert sentence.startswith(
        f"metaclip-spark: Spark needs Java 17 or 21, and JAVA_HOME={tmp_path} holds no bin/java."
    )
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("job", JOBS)
def test_job_takes_the_flags_of_its_command(child_env, job):
    """jobs/NAME.py --help is the help of `metaclip-spark NAME`."""
    name = job.removesuffix(".py")
    ended = child(str(ROOT / "jobs" / job), "--help", env=child_env)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == call(name, "--help").out
