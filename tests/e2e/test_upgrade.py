"""`upgrade` makes of a warehouse of format 1 what this release makes of the same input; until then it is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from crashing import Crash, CrashAt, watched
from deltalake import write_deltalake
from e2e_world import assert_same, call, row, rows_of, table_state
from format_1 import ONE, TWO, commands, run_words, write_file
from unpacking import unpack

from metaclip_spark.schemas import FORMAT, FORMAT_PROPERTY, TABLES
from metaclip_spark.warehouse.compare import BY_NATURE, differences
from metaclip_spark.warehouse.delta_rs import DeltaLogs

pytestmark = [pytest.mark.spark, pytest.mark.timeout(1800)]

ARCHIVE = Path(__file__).resolve().parents[1] / "data" / "warehouse-format-1.tar.gz"
"""Made by tests/helpers/format_1.py with commit e93b7ae."""
ELSEWHERE = {**BY_NATURE, "planned": ("uri",)}
"""Columns that differ between two places: the archive was made in another folder."""


def unpacked(folder: Path) -> Path:
    """Return the unpacked archive, as its release left it."""
    unpack(ARCHIVE, folder)
    return folder / "format-1"


def json_of(*words: object) -> Any:
    """Run a command that must succeed, and return its JSON."""
    ended = call(*words)
    assert ended.status == 0, ended.err
    return json.loads(ended.out)


def versions_of(warehouse: Path) -> dict[str, int]:
    return {path.parent.parent.name: int(path.stem) for path in sorted(warehouse.glob("*/_delta_log/*.json"))}


@pytest.fixture(scope="module")
def fresh(spark, tmp_path_factory) -> Path:
    """A warehouse that this release makes of the input of the archive."""
    root = unpacked(tmp_path_factory.mktemp("fresh"))
    (root / "warehouse").rename(root / "old")
    for words in commands(root):
        ended = call(*words)
        assert ended.status == 0, ended.err
    return root / "warehouse"


def test_an_old_warehouse_is_refused_with_what_to_do_and_a_newer_one_too(spark, tmp_path):
    """Nothing is written. The log of runs can be read without an upgrade; a format of the future cannot."""
    root = unpacked(tmp_path)
    warehouse = root / "warehouse"
    at, before = ["--warehouse", warehouse], versions_of(warehouse)
    refusal = (
        f"metaclip-spark: {warehouse} has format 1 of an earlier release, and this release (0.1.0) needs format "
        f"{FORMAT}. Run `metaclip-spark upgrade --warehouse {warehouse}` once; --dry-run shows what it would do. Until "
        "then only `upgrade`, `runs list` and `runs show` open it."
    )
    (run_id, *_) = [run["run_id"] for run in json_of("runs", "list", *at, "--json")]
    assert json_of("runs", "show", run_id, *at, "--json")["outcome"] == "finished"
    writes = [commands(root)[0], commands(root)[3], commands(root)[6], ["runs", "prune", run_id, *at]]
    reads = [
        ["report", *at],
        ["export", *at, "--output", tmp_path / "out"],
        ["sweep", *at],
        ["explain", *at, "--text", "a"],
    ]
    for words in [*writes, *reads]:
        ended = call(*words)
        assert (ended.status, ended.err.splitlines()[-1]) == (1, refusal), words
    assert versions_of(warehouse) == before

    logs = DeltaLogs(str(warehouse))
    logs.set_property("runs", FORMAT_PROPERTY, str(FORMAT + 1))
    for words in (reads[0], ["runs", "list", *at], ["upgrade", *at]):
        ended = call(*words)
        assert ended.status == 1
        assert f"has format {FORMAT + 1}, and this release (0.1.0) knows formats up to {FORMAT}" in ended.err


def test_an_upgraded_warehouse_equals_one_of_this_release(spark, tmp_path, fresh):
    """An upgrade that dies after any commit goes on; then all tables have the rows of a new warehouse."""
    root = unpacked(tmp_path)
    warehouse = root / "warehouse"
    at, before = ["--warehouse", warehouse], versions_of(warehouse)
    wanted = json_of("upgrade", *at, "--dry-run", "--json")
    assert (wanted["from"], wanted["to"], versions_of(warehouse)) == (1, FORMAT, before)
    assert "add list_lang, batch_id to pairs" in wanted["changes"]
    assert sum("batch_id of pairs" in each for each in wanted["changes"]) == 4
    for point in ("after replace pairs", "after replace pairs", "after replace curated_pairs"):
        watch = CrashAt(lambda reached, point=point: reached == point)
        with watched(watch), pytest.raises(Crash):
            call("upgrade", *at)
        assert call("report", *at).status == 1
    last = json_of("upgrade", *at, "--json")
    assert f"store format {FORMAT} (it was 1)" in last["changes"]
    assert not any("of pairs" in each for each in last["changes"])
    assert json_of("upgrade", *at, "--json")["changes"] == []

    assert differences(str(warehouse), str(fresh), without=ELSEWHERE) == []
    logs, new = DeltaLogs(str(warehouse)), DeltaLogs(str(fresh))
    for name, table in TABLES.items():
        if new.properties(name) is None:
            continue
        assert set(logs.columns(name)) >= set(table.names), name
        if name != "lease":
            assert logs.properties(name) == new.properties(name), name
    comments = {field.name: field.metadata for field in logs.open("pairs").schema().fields}
    assert (
        comments["batch_id"] == {field.name: field.metadata for field in new.open("pairs").schema().fields}["batch_id"]
    )


def test_sources_that_are_staged_in_format_2_go_on_after_an_upgrade(spark, undisturbed, tmp_path):
    """Format 2 has no table `outcomes`, and no retries in `extracted`. The run ends as one that was undisturbed."""
    world, warehouse = undisturbed.world, tmp_path / "wh"
    words = ["run", *world.words(warehouse)]
    watch = CrashAt(lambda point: point == "after append extracted #2")
    with watched(watch), pytest.raises(Crash):
        call(*words)
    logs = DeltaLogs(str(warehouse))
    staged = logs.rows("extracted").drop_columns("retries")
    for name in ("extracted", "outcomes"):
        shutil.rmtree(warehouse / name)
    write_deltalake(
        str(warehouse / "extracted"),
        staged,
        partition_by=["metadata_id", "snapshot"],
        configuration={"delta.dataSkippingStatsColumns": "kind,batch_id"},
    )
    logs.set_property("runs", FORMAT_PROPERTY, "2")
    assert call(*words).status == 1
    done = json_of("upgrade", "--warehouse", warehouse, "--json")
    assert (done["from"], done["to"]) == (2, FORMAT)
    assert {"add retries to extracted", "create outcomes"} <= set(done["changes"])
    ended = call(*words)
    assert ended.status == 0, ended.err
    assert_same(table_state(spark, warehouse), undisturbed.state)


@pytest.mark.slow
def test_every_command_works_on_an_upgraded_warehouse(spark, tmp_path, fresh):
    """Runs, reports and exports of the old release answer as those of this one; a new crawl and a new list go on."""
    root = unpacked(tmp_path)
    at = ["--warehouse", root / "warehouse"]
    assert call("upgrade", *at).status == 0
    listed = json_of("runs", "list", *at, "--json")
    assert [run["run_id"] for run in listed] == [
        run["run_id"] for run in json_of("runs", "list", "--warehouse", fresh, "--json")
    ]
    drawn = [run for run in listed if run["pairs_kept"]]
    assert len(drawn) == 4
    for run in drawn:
        answers = []
        for side in (root / "warehouse", fresh):
            words = ["--warehouse", side, "--run-id", run["run_id"]]
            page = call("report", *words, "--metadata", root / f"{'other' if run is drawn[3] else 'entries'}.json")
            assert page.status == 0, page.err
            card = json.loads(Path(page.out.strip()).with_suffix(".json").read_text(encoding="utf-8"))
            exported = json_of(
                "export",
                *words,
                "--stage",
                "pairs",
                "--output",
                tmp_path / "out" / run["run_id"] / side.parent.parent.name,
                "--json",
            )
            numbers = ("unique_pairs", "curated_size", "expected_size", "funnel", "notes", "sources")
            answers.append(({name: card[name] for name in numbers}, exported["pairs"], exported["rows"]))
        assert answers[0] == answers[1]
    before = versions_of(root / "warehouse")
    again = call(*run_words(root, TWO, "1"))
    assert again.status == 0, again.err
    after = versions_of(root / "warehouse")
    assert {name for name in after if after[name] != before.get(name)} <= {"runs", "lease"}

    write_file(root, ONE, "3", range(36, 50))
    write_file(root, "CC-MAIN-2024-22", "1", range(55, 70))
    for words in (run_words(root, ONE, "123"), run_words(root, "CC-MAIN-2024-22", "1"), *commands(root)[3:6]):
        ended = call(*words)
        assert ended.status == 0, ended.err
    pairs = rows_of(spark, root / "warehouse", "pairs", ("metadata_id", "url"))
    urls = {row("a", n)[0] for n in range(70) if n not in (3, 35, 50)}
    assert len(pairs) == len(set(pairs)) == 2 * len(urls)
    assert {url for _, url in pairs} == urls
