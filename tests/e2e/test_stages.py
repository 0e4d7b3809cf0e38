"""Other ways to the same tables: single commands, `match`, --no-dedup, named tables, --keep-unmatched."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from e2e_world import (
    TAIL,
    UNMATCHED,
    assert_same,
    call,
    row,
    rows_of,
    table_state,
    write_parquet,
    write_tsv,
)

pytestmark = pytest.mark.spark

OF_THE_RUN = ("run_id",)
"""The run id is a hash of the configuration. A single command has only a part of the configuration."""


def done(*words: object) -> None:
    """Run a command that must succeed."""
    ended = call(*words)
    assert ended.status == 0, ended.err


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_commands_one_by_one_make_the_tables_of_run(spark, undisturbed, tmp_path):
    """extract, dedup, count, balance and report make the tables of `run`, except for the run id."""
    world, tables = undisturbed.world, ["--warehouse", tmp_path / "wh"]
    done("extract", *world.words(tmp_path / "wh", threshold=None))
    done("dedup", *tables, "--metadata", world.metadata)
    done("count", *tables)
    done("balance", *tables, "--threshold", 2)
    done("report", *tables, "--output", tmp_path / "card.html")
    assert_same(table_state(spark, tmp_path / "wh", OF_THE_RUN), table_state(spark, undisturbed.warehouse, OF_THE_RUN))
    assert (tmp_path / "card.html").read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.fixture
def schema(spark, tmp_path, monkeypatch) -> Iterator[str]:
    """Create an empty schema for named tables in the test's folder; yield its name and drop it."""
    monkeypatch.chdir(tmp_path)  # reports of named tables go to the current folder
    spark.sql(f"CREATE SCHEMA metaclip_e2e LOCATION '{tmp_path}/schema'")
    yield "spark_catalog.metaclip_e2e"
    spark.sql("DROP SCHEMA metaclip_e2e CASCADE")


def by_name(world, schema: str, **instead: object) -> list[object]:
    """Return the flags of `extract` for named tables, or with threshold=2 those of `run`."""
    words = world.words("-", **{"threshold": None, **instead})
    at = words.index("--warehouse")
    return [*words[:at], "--catalog", schema, *words[at + 2 :]]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_texts_matched_after_extraction_command_by_command_in_named_tables_make_the_same_subset(
    spark, undisturbed, schema, tmp_path
):
    """extract without a list, dedup, match, count, balance and report with --catalog equal `run --warehouse`.

    Pairs, counts and subset are the same. match --keep-unmatched also stores the texts that match nothing.
    """
    tables, metadata = ["--catalog", schema], ["--metadata", undisturbed.world.metadata]
    done("extract", *by_name(undisturbed.world, schema, metadata=None))
    done("dedup", *tables)
    assert len(rows_of(spark, schema, "pairs")) == 28 + 1  # with UNMATCHED once, without ids
    done("match", *tables, *metadata, "--keep-unmatched")
    done("count", *tables, *metadata)
    done("balance", *tables, *metadata, "--threshold", 2)
    done("report", *tables, "--output", tmp_path / "card.html")

    of_the_list = "metadata_id <> 'none'"
    matched = f"{of_the_list} AND size(entry_ids) > 0"
    pairs = rows_of(spark, schema, "pairs", drop=["batch_id"], condition=matched)  # a matching is another batch
    assert pairs == rows_of(spark, undisturbed.warehouse, "pairs", drop=["batch_id"])
    unmatched = rows_of(spark, schema, "pairs", ("url",), condition=f"{of_the_list} AND size(entry_ids) = 0")
    assert unmatched == [(UNMATCHED[0],)]
    same_choice(spark, schema, undisturbed)
    assert (tmp_path / "card.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def same_choice(spark, where, undisturbed) -> None:
    """Check counts, probabilities and the curated subset against the undisturbed run's."""
    for name in ("entry_counts", "entry_probabilities", "curated_pairs"):
        wanted = rows_of(spark, undisturbed.warehouse, name, drop=(*OF_THE_RUN, "batch_id"))
        assert rows_of(spark, where, name, drop=(*OF_THE_RUN, "batch_id")) == wanted, f"{name} differs"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_unique_pool_with_its_own_key_keeps_key_columns_and_every_row(spark, world):
    """With --no-dedup --id-column, pair_id is the pool's key, repeats stay, and kept columns reach the subset."""
    repeated = [row("own", n, "cat") for n in range(4)]
    again = [(url, text, lang, f"{number:032x}", "again") for number, (url, text, lang, _, _) in enumerate(repeated)]
    write_parquet(world.root / "own" / "a.parquet", repeated)
    write_tsv(world.root / "own" / "b.tsv", again)
    ended = call(
        "run",
        *world.words(input=world.root / "own"),
        "--files-per-commit",
        9,
        "--no-dedup",
        "--id-column",
        "key",
        "--lang-column",
        "lang",
        "--languages",
        "all",
        "--keep-columns",
        "note,lang",
        "--json",
    )
    assert ended.status == 0, ended.err
    warehouse = world.root / "warehouse"
    pairs = rows_of(spark, warehouse, "pairs", ("pair_id", "url", "lang", "extra"))
    wanted = [(key, url, lang, (("lang", lang), ("note", note))) for url, _, lang, key, note in repeated + again]
    assert pairs == sorted(wanted, key=repr)
    assert rows_of(spark, warehouse, "sightings") == []
    assert json.loads(ended.out)["unique_pairs"] == 8
    counts = dict(rows_of(spark, warehouse, "entry_counts", ("entry", "count")))
    assert counts["cat"] == 8
    kept = rows_of(spark, warehouse, "curated_pairs", ("pair_id", "extra"))
    assert kept
    assert set(kept) <= {(key, extra) for key, _, _, extra in wanted}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_tables_by_name_hold_what_tables_by_path_hold(spark, undisturbed, schema):
    """`run --catalog` writes the same rows to named tables, a second run finds them, and `verify` checks them."""
    words = by_name(undisturbed.world, schema, threshold=2)
    first = call("run", *words, "--json")
    assert first.status == 0, first.err
    assert_same(table_state(spark, schema), undisturbed.state)
    again = call("run", *words, "--json")
    assert (again.status, again.out) == (0, first.out)
    assert "3 done already" in again.err
    assert json.loads(first.out)["tables"]["pairs"] == f"{schema}.pairs"
    right = call("verify", "--catalog", schema, "--json")
    assert right.status == 0, right.out + right.err
    checks = {check["check"]: check for check in json.loads(right.out)["checks"]}
    assert {name: check["status"] for name, check in checks.items()} == {
        **dict.fromkeys(checks, "ok"),
        "takedowns": "nothing to check",
    }
    assert checks["staging"]["not_checked"] == [
        "files in the folder of staging, and partial exports: the warehouse is no local folder"
    ]
    spark.sql(f"UPDATE {schema}.curated_pairs SET draw = draw / 2 WHERE text LIKE '%red%'")
    spark.sql(f"DELETE FROM {schema}.pairs WHERE url = '{TAIL[0]}'")
    wrong = call("verify", "--catalog", schema, "--json")
    assert wrong.status == 1, wrong.out + wrong.err
    differing = {check["check"] for check in json.loads(wrong.out)["checks"] if check["status"] == "differs"}
    assert differing == {"counts", "probabilities", "draws", "subsets", "sources", "runs"}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_kept_unmatched_texts_change_nothing_else(spark, undisturbed, tmp_path):
    """`run --keep-unmatched` stores one more pair, without entry ids, and curates the same subset."""
    warehouse = tmp_path / "wh"
    done("run", *undisturbed.world.words(warehouse), "--keep-unmatched")
    unmatched = rows_of(spark, warehouse, "pairs", ("url", "entry_ids"), condition="size(entry_ids) = 0")
    assert unmatched == [(UNMATCHED[0], ())]
    matched = rows_of(spark, warehouse, "pairs", condition="size(entry_ids) > 0")
    assert matched == undisturbed.state["pairs"]
    same_choice(spark, warehouse, undisturbed)
