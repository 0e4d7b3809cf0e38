"""`sweep` and `--target-size` on a warehouse predict the result of a run."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import pytest
from e2e_world import call, flag_words, rows_of, table_state, versions

from metaclip_spark.errors import ConfigError
from metaclip_spark.steps.count import counted_snapshots

pytestmark = pytest.mark.spark


@pytest.fixture
def warehouse(undisturbed, tmp_path):
    """Return a copy of the undisturbed run's tables, to add runs to."""
    return shutil.copytree(undisturbed.warehouse, tmp_path / "warehouse")


def sizes_by_hand(pairs: list[tuple], counts: dict[int, int], t: int) -> dict[tuple[str, str], float]:
    """Return the expected size by (text source, language), summed pair by pair."""
    sums: dict[tuple[str, str], float] = {}
    for source, lang, ids in pairs:
        missed = 1.0
        for entry in ids:
            missed *= 1.0 - t / max(counts[entry], t)
        sums[source, lang] = sums.get((source, lang), 0.0) + 1.0 - missed
    return sums


def test_sweep_equals_the_sum_by_hand_and_the_run_itself(spark, undisturbed):
    """At the run's t, the sweep has the run's statistics. At other t, it has the brute-force sum. It writes nothing."""
    warehouse = undisturbed.warehouse
    before = versions(warehouse)
    ended = call("sweep", *flag_words(warehouse=warehouse, thresholds="1,2,7,1000", threshold=2), "--json")
    assert ended.status == 0, ended.err
    swept = json.loads(ended.out)
    assert versions(warehouse) == before

    pairs = rows_of(spark, warehouse, "pairs", ("text_source", "lang", "entry_ids"))
    counts = dict(rows_of(spark, warehouse, "entry_counts", ("entry_id", "count")))
    assert [(row["threshold"], row["chosen"]) for row in swept["sweep"]] == [
        (1, False),
        (2, True),
        (7, False),
        (1000, False),
    ]
    for row in swept["sweep"]:
        by_hand = sizes_by_hand(pairs, counts, row["threshold"])
        found = {(group["text_source"], group["lang"]): group["expected_size"] for group in row["groups"]}
        assert found == pytest.approx(by_hand)
        assert row["expected_size"] == pytest.approx(sum(by_hand.values()))
        assert row["entries_head"] == sum(count >= row["threshold"] for count in counts.values())
    again = call("run", *undisturbed.world.words(), "--json")
    run = json.loads(again.out)
    at_two = swept["sweep"][1]
    names = ("expected_size", "expected_sd", "tail_fraction", "entries_head", "entries_tail")
    assert {name: at_two[name] for name in names} == {name: run[name] for name in names}


def test_sweep_prints_a_table(undisturbed):
    """The table has one row per t, a mark at the chosen t, and the expected size by text source."""
    ended = call("sweep", *flag_words(warehouse=undisturbed.warehouse, threshold=3))
    assert ended.status == 0, ended.err
    rows = [line.split() for line in ended.out.splitlines()]
    assert ["3", "<"] in [row[:2] for row in rows]
    assert [row[0] for row in rows if row and row[0].isdigit()][:5] == ["1", "2", "3", "5", "10"]
    assert "expected by text source" in ended.out


def test_target_size_is_reached_by_the_smallest_t(spark, warehouse):
    """`balance --target-size` takes the t of the sweep: its expected size is enough, and that of t - 1 is not."""
    size = 12
    ended = call("balance", *flag_words(warehouse=warehouse, target_size=size), "--json")
    assert ended.status == 0, ended.err
    run = json.loads(ended.out)
    t = run["threshold"]
    swept = call("sweep", *flag_words(warehouse=warehouse, target_size=size, thresholds=f"{t - 1},{t}"), "--json")
    below, at = json.loads(swept.out)["sweep"]
    assert below["expected_size"] < size <= at["expected_size"] == run["expected_size"]
    assert (below["chosen"], at["chosen"]) == (False, True)
    assert abs(run["curated_size"] - run["expected_size"]) <= 5 * run["expected_sd"]

    state = table_state(spark, warehouse)
    again = call("balance", *flag_words(warehouse=warehouse, target_size=size), "--json")
    assert json.loads(again.out)["run_id"] == run["run_id"]
    assert table_state(spark, warehouse) == state


def test_a_target_size_above_the_pool_is_refused(undisturbed):
    """No t keeps more than all matched pairs."""
    ended = call("sweep", *flag_words(warehouse=undisturbed.warehouse, target_size=10_000))
    assert ended.status == 2
    pairs = len(undisturbed.state["pairs"])
    assert (
        f"target_size 10,000 is more than the {pairs} pairs of the pool that match an entry. "
        "Give a smaller --target-size, or add input."
    ) in ended.err


def test_a_pool_with_uncounted_pairs_is_refused():
    """Pairs that were added after the count, or never counted, are not swept with old counts."""
    for counted in (None, SimpleNamespace(event="stage done", fingerprint="before")):
        ctx = SimpleNamespace(
            chosen_snapshots=lambda: ["a"], pool_state=lambda name: ("now", 3), last=lambda *query, event=counted: event
        )
        with pytest.raises(ConfigError) as refused:
            counted_snapshots(ctx)
        assert str(refused.value) == "snapshot 'a' has pairs that are not counted yet; run count first."


def test_sweep_reads_only_matches_and_groups(spark, undisturbed, capsys, request):
    """The sweep reads only the entry ids and the columns of the groups, not urls or texts."""
    if request.config.getoption("--engine") == "embedded":
        pytest.skip("the plan is read in Spark's words")
    import numpy as np

    from metaclip_spark.core.expected_size import Thresholds
    from metaclip_spark.stages.sweep import sweep
    from metaclip_spark.warehouse.tables import Warehouse

    pairs = Warehouse(spark, str(undisturbed.warehouse)).read("pairs")
    thresholds = Thresholds(np.ones(10, dtype=np.int64), [1])
    for by_group, columns in ((False, "entry_ids:array<int>"), (True, "text_source:string,lang:string,entry_ids")):
        capsys.readouterr()
        sweep(pairs, lambda: thresholds, by_group).explain()
        (schema,) = [line for line in capsys.readouterr().out.splitlines() if "ReadSchema" in line]
        assert f"ReadSchema: struct<{columns}" in schema
        assert "url" not in schema
