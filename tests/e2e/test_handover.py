"""Commands pass the run id and pinned versions by their outcomes, as a scheduler does it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from e2e_world import assert_same, call, flag_words, row, rows_of, table_state, write_parquet

pytestmark = [pytest.mark.spark, pytest.mark.slow, pytest.mark.timeout(900)]


def outcome_of(folder: Path, command: str, *words: object, status: int = 0) -> dict:
    """Run a command, and return the outcome that it wrote."""
    ended = call(command, *words, "--outcome", folder / f"{command}.json")
    assert ended.status == status, ended.err
    return json.loads((folder / f"{command}.json").read_text(encoding="utf-8"))


def pins(outcome: dict, *names: str) -> str:
    """Return versions of an outcome in the format of --pinned."""
    return ",".join(f"{name}={outcome['versions'][name]}" for name in names)


def test_commands_with_the_settings_of_one_file_make_the_tables_of_run(spark, undisturbed, tmp_path):
    """Every command gets the same YAML. The run id in extract's outcome is that of `run`, so the tables have it too. A
    repeated command has the same outcome and changes no row."""
    world, wh = undisturbed.world, tmp_path / "wh"
    words = world.words(wh)
    at = words.index("--threshold")
    (tmp_path / "run.yaml").write_text(f"threshold: {words[at + 1]}\n")
    common = ["--config", tmp_path / "run.yaml"]
    tables = [*common, *flag_words(warehouse=wh, metadata=world.metadata)]
    extracted = outcome_of(tmp_path, "extract", *common, *words[:at], *words[at + 2 :])
    assert extracted["run_id"] == undisturbed.run_id
    assert extracted["sources"] == {"done": 3, "partial": 0, "failed": 0}
    run_id = ["--run-id", extracted["run_id"]]

    closed = outcome_of(tmp_path, "dedup", *tables, *run_id)
    assert (closed["sources"]["done"], closed["pairs_added"]) == (3, 28)
    counting = [*tables, *run_id, "--pinned", pins(closed, "pairs")]
    counted = outcome_of(tmp_path, "count", *counting)
    assert counted["snapshots"] == ["default"]
    balancing = [*tables, *run_id, "--pinned", pins(counted, "pairs", "entry_counts")]
    balanced = outcome_of(tmp_path, "balance", *balancing)
    reported = outcome_of(tmp_path, "report", *tables, *run_id, "--output", f"file://{tmp_path}/page/card.html")
    assert reported["curated"]["report"] == f"file://{tmp_path}/page/card.html"
    assert (tmp_path / "page" / "card.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert balanced["curated"]["curated_size"] == len(undisturbed.state["curated_pairs"])
    assert_same(table_state(spark, wh), undisturbed.state)

    for command, given, first in (("count", counting, counted), ("balance", balancing, balanced)):
        again = outcome_of(tmp_path, command, *given)
        assert {**again, "attempt_id": ""} == {**first, "attempt_id": ""}
    assert_same(table_state(spark, wh), undisturbed.state)


def test_balance_repeated_after_another_snapshot_came_reads_what_the_first_one_read(spark, world, tmp_path):
    """Pinned versions exclude later pairs, also with another t. The first snapshot's subset is the same."""
    warehouse = flag_words(warehouse=tmp_path / "wh", metadata=world.metadata)
    extracted = outcome_of(tmp_path, "extract", *world.words(tmp_path / "wh", threshold=None))
    run_id = ["--run-id", extracted["run_id"]]
    closed = outcome_of(tmp_path, "dedup", *warehouse, *run_id)
    counted = outcome_of(tmp_path, "count", *warehouse, *run_id, "--pinned", pins(closed, "pairs"))
    balancing = [*warehouse, *run_id, "--pinned", pins(counted, "pairs", "entry_counts"), "--threshold", 2]
    outcome_of(tmp_path, "balance", *balancing)
    mine = f"run_id = '{extracted['run_id']}'"
    # What is expected depends on what was drawn before: the last balance reads the subset of this run at t = 3.
    exact = "name NOT LIKE 'expected%' AND name NOT LIKE 'variance%'"
    conditions = {"curated_pairs": mine, "run_statistics": f"{mine} AND {exact}"}
    first = {name: rows_of(spark, tmp_path / "wh", name, condition=each) for name, each in conditions.items()}

    later = write_parquet(world.root / "later" / "e.parquet", [row("e", n, "cat") for n in range(40)])
    assert call("run", *world.words(tmp_path / "wh", input=later, snapshot="second")).status == 0
    outcome_of(tmp_path, "balance", *balancing[:-1], 3)
    other = rows_of(spark, tmp_path / "wh", "curated_pairs", condition=mine)
    assert {pair for pair in other if "/e/" in repr(pair)} == set()
    outcome_of(tmp_path, "balance", *balancing)
    assert first == {name: rows_of(spark, tmp_path / "wh", name, condition=each) for name, each in conditions.items()}

    unpinned = outcome_of(tmp_path, "balance", *warehouse, "--threshold", 2)
    assert unpinned["snapshots"] == ["default", "second"]


def test_extract_reports_damaged_sources_and_reads_them_again_when_retried(world, tmp_path):
    """Exit status 3 has an outcome too. `--retry=` without a value, as in a first try, reads nothing again."""
    broken = next(path for path in world.pool.iterdir() if path.name.endswith(".wat.gz"))
    whole = broken.read_bytes()
    broken.write_bytes(whole[:-40])
    words = [*world.words(tmp_path / "wh", threshold=None), "--retry="]
    first = outcome_of(tmp_path, "extract", *words, status=3)
    assert first["sources"] == {"done": 2, "partial": 1, "failed": 0}
    assert [each["source_path"] for each in first["incomplete"]] == [str(broken)]
    assert first["status"] == 3
    broken.write_bytes(whole)
    again = outcome_of(tmp_path, "extract", *words[:-1], "--retry=partial,failed")
    assert again["sources"] == {"done": 3, "partial": 0, "failed": 0}
