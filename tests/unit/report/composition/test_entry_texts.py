"""Sample texts of entries are the lowest hashes of a plain loop, for any batches and tasks."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from composed_pool import SEED, Pool, found_in

from metaclip_spark.core.draw import hashes
from metaclip_spark.report.composition import entry_texts, task_sums
from metaclip_spark.report.composition.entry_texts import PER_SIDE, ROWS, chosen_entries, cuts, lowest
from metaclip_spark.report.composition.task_sums import Plan, make_plan


@pytest.fixture(scope="module")
def pool() -> Pool:
    return Pool(3_000)


def plan_of(pool: Pool, named: tuple[int, ...] = ()) -> Plan:
    """Return a plan with texts of entries."""
    after = np.bincount([i for at in np.flatnonzero(pool.kept) for i in pool.ids[at]], minlength=len(pool.counts))
    chosen = chosen_entries(pool.counts, SEED, named)
    sizes = len(pool.kept), int(pool.kept.sum())
    text_cuts = cuts(chosen, pool.counts, after)
    return make_plan(pool.counts, pool.by_entry, *sizes, with_texts=chosen, text_cuts=text_cuts)


def plain(pool: Pool, entry: int, kept: bool) -> list[tuple[str, str, str]]:
    """Return the ten (text, url, pair id) with the lowest hashes, by a loop."""
    rows = [at for at in range(len(pool.kept)) if entry in pool.ids[at] and (pool.kept[at] or not kept)]
    return [(pool.texts[at], pool.urls[at], pool.keys[at]) for at in sorted(rows, key=lambda at: pool.s[at])[:PER_SIDE]]


@pytest.mark.parametrize(("size", "tasks", "places"), [(5_000, 1, 1), (700, 3, 2), (97, 5, 4)])
def test_texts_of_an_entry_are_its_pairs_with_the_lowest_hashes(pool, monkeypatch, size, tasks, places):
    """Before: of the pool; after: of the subset. Cuts, buffers, batches and tasks do not matter."""
    monkeypatch.setattr(task_sums, "_TRIM", 300)
    monkeypatch.setattr(entry_texts, "FREQUENT", 20)
    monkeypatch.setattr(entry_texts, "OTHERS", 30)
    plan = plan_of(pool)
    assert plan.text_cuts[0, 0] == pytest.approx(40 / 3_000)
    found = found_in(pool, plan, size, tasks, places)
    assert list(found.texts) == plan.with_texts.tolist()
    assert len(found.texts) == 50
    for entry, (before, after) in found.texts.items():
        assert (before, after) == (plain(pool, entry, kept=False), plain(pool, entry, kept=True))
    assert len(found.texts[0][0]) == PER_SIDE
    assert found.entry_domains.pairs.tolist() == found_in(pool, pool.plan()).entry_domains.pairs.tolist()
    assert found.drawn == found_in(pool, pool.plan()).drawn


def test_named_entries_come_first_then_the_most_frequent_then_others_by_a_keyed_hash(monkeypatch):
    """Entries without a count have no texts, and each entry is there once."""
    monkeypatch.setattr(entry_texts, "FREQUENT", 2)
    monkeypatch.setattr(entry_texts, "OTHERS", 2)
    counts = np.array([5, 0, 9, 7, 9, 1, 1, 1])
    others = [0, 3, 5, 6, 7]
    keyed = hashes(pa.array(map(str, others)), 3, "entry texts").tolist()
    chosen = [at for _, at in sorted(zip(keyed, others, strict=True))][:2]
    assert chosen_entries(counts, 3).tolist() == [2, 4, *chosen]
    assert chosen_entries(counts, 3, [7, 1, 4]).tolist() == [7, 4, 2, *[at for at in chosen if at != 7]]
    assert chosen_entries(np.zeros(3, np.int64), 3).tolist() == []
    monkeypatch.setattr(entry_texts, "TEXT_PAIRS", 100)
    assert chosen_entries(counts * 10, 3, [7], 200).tolist() == [7, 2, 4]
    assert cuts(np.array([2, 4]), counts * 10, counts).max(axis=1).tolist() == [40 / 90, 1.0]
    assert len({tuple(chosen_entries(counts, seed).tolist()) for seed in range(20)}) > 1


def test_a_pair_that_two_snapshots_have_counts_once():
    """Equal hashes of an entry and a side are one pair; the subset is apart from the pool."""
    rows = [
        {"entry_id": 1, "curated": side, "s": at / 100, "pair_id": f"{at:02}", "url": "u", "text": None}
        for side in (True, False)
        for at in (*range(15), 3, 4)
    ]
    found = lowest(pa.Table.from_pylist(rows, ROWS)).to_pylist()
    assert [(row["curated"], row["pair_id"]) for row in found] == [
        (side, f"{at:02}") for side in (False, True) for at in range(PER_SIDE)
    ]
    assert lowest(ROWS.empty_table()) == ROWS.empty_table()


def test_long_texts_are_cut_and_missing_ones_are_empty(pool):
    """A task keeps no long text."""
    batch = pool.batches(plan_of(pool), 10)[0]
    texts = pa.array(["x" * 100_000, None, *batch.column("text").to_pylist()[2:]], pa.large_string())
    batch = batch.set_column(batch.schema.get_field_index("text"), "text", texts)
    rows, ids = np.array([0, 1]), np.array([0, 0], np.int32)
    found = entry_texts.rows_of(batch, rows, ids, np.ones((2, len(pool.counts))))
    assert found.schema == ROWS
    assert found["text"].to_pylist() == ["x" * entry_texts.LENGTH, None]
    assert [side[0][0] for side in entry_texts.by_entry(found.slice(1), np.array([0]))[0] if side] == [""]
