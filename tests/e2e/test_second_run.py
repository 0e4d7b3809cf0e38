"""The second run of the same command finds everything done."""

from __future__ import annotations

import json

import pytest
from e2e_world import DATA_TABLES, TAIL, appends, assert_same, call, rows_of, table_state, versions

pytestmark = pytest.mark.spark


def test_second_run_does_no_work_and_changes_nothing(spark, undisturbed):
    """No data table gets a new Delta version, no row changes, and the closing table is the same."""
    before = versions(undisturbed.warehouse)
    reports = {path: path.read_bytes() for path in (undisturbed.warehouse / "reports").iterdir()}
    again = call("run", *undisturbed.world.words())
    assert again.status == 0, again.err
    assert again.out == undisturbed.ended.out
    assert "3 done already" in again.err
    assert versions(undisturbed.warehouse) == before
    assert {path: path.read_bytes() for path in (undisturbed.warehouse / "reports").iterdir()} == reports
    assert min(before.values()) >= 0, f"a table of {DATA_TABLES} is missing"
    assert_same(table_state(spark, undisturbed.warehouse), undisturbed.state)


def test_stdout_has_only_json_and_yaml_equals_flags(spark, undisturbed):
    """A run with --config has the run_id, and so the tables, of the run configured by flags.

    With --json, stdout is one JSON document with the tables' numbers, and progress goes to stderr.
    """
    world, before = undisturbed.world, versions(undisturbed.warehouse)
    config = world.root / "config.yaml"
    config.write_text(
        f"input: [{world.pool}]\nmetadata: {world.metadata}\nwarehouse: {world.root}/nowhere\nno_lid: true\n"
        "balance:\n  threshold: 3\nextract:\n  files-per-commit: 1\n",
        encoding="utf-8",
    )
    # A flag wins over the file.
    words = ["run", "--config", config, "--threshold", 2, "--warehouse", undisturbed.warehouse, "--json"]
    resumed = call(*words)
    assert resumed.status == 0, resumed.err
    assert versions(undisturbed.warehouse) == before
    numbers = json.loads(resumed.out)
    assert numbers["run_id"] == undisturbed.run_id
    assert undisturbed.run_id in resumed.err
    state = undisturbed.state
    assert numbers["sources"] == {"done": 3, "partial": 0, "failed": 0}
    assert numbers["texts_read"] == 34  # an empty text is not read as a text
    assert numbers["texts_matched"] == 31
    assert numbers["rejected"] == {"no_match": 2, "repeat": 1, "empty_text": 1, "data_url": 1}
    assert numbers["unique_pairs"] == len(state["pairs"]) == 28
    assert numbers["curated_size"] == len(state["curated_pairs"])
    assert numbers["threshold"] == 2
    assert numbers["entries"] == numbers["entries_unmatched"] + numbers["entries_tail"] + numbers["entries_head"] == 10
    assert numbers["entries_tail"] == 1
    assert TAIL[0] in {url for (url,) in rows_of(spark, undisturbed.warehouse, "curated_pairs", ("url",))}
    assert numbers["report"] == str(undisturbed.warehouse / "reports" / f"{numbers['run_id']}.html")
    assert "engine: " in resumed.err


def test_progress_goes_to_stderr_and_the_closing_table_to_stdout(undisturbed):
    """Each step reports on stderr, and stdout has only the closing table."""
    ended = undisturbed.ended
    for step in ("extract", "dedup", "count", "balance"):
        assert [line for line in ended.err.splitlines() if line.startswith(f"{step:<8} ")], f"{step} reported nothing"
        assert f"{step:<8} " not in ended.out
    lines = [line.split() for line in ended.out.splitlines()]
    assert ["sources", "3", "3", "done"] in lines
    assert ["unique", "pairs", "28", "the", "pool"] in lines
    assert any(line[:1] == ["report"] for line in lines)
    warnings = [line for line in ended.err.splitlines() if "warning" in line]
    (warning,) = warnings  # the list of the tests has one entry that no text matches
    assert warning.startswith("warning: metadata: 1 of 10 entries (10.0%) can never match, e.g. 'St. John'")


def test_each_source_is_committed_by_itself(undisturbed):
    """With --files-per-commit 1, three sources are three commits of extraction."""
    assert appends(undisturbed.warehouse, "extracted") == 3
