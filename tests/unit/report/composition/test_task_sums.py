"""The composition of a pool is checked against plain counting, for any batches and tasks."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from composed_pool import Pool, found_in

from metaclip_spark.report.composition import merge, task_sums
from metaclip_spark.report.composition.merge import composition_of, merge_rows
from metaclip_spark.report.composition.model import LEAST, Composition, EntryDomains, Part
from metaclip_spark.report.composition.task_sums import PARTIAL, PER_ENTRY, TaskSums, make_plan


@pytest.fixture(scope="module")
def pool() -> Pool:
    """Make a pool that is so small that the domains of all its pairs are counted."""
    return Pool(3_000)


def as_parts(pool: Pool, value) -> list[Part]:
    """Count parts with a plain loop."""
    before = Counter(value(i) for i in range(len(pool.kept)))
    after = Counter(value(i) for i in np.flatnonzero(pool.kept).tolist())
    return sorted((Part(name, n, after[name]) for name, n in before.items()), key=lambda one: (-one.pool, one.value))


def test_languages_sources_and_domains_are_counted_in_pool_and_subset(pool):
    """Every pair is counted once per side. Port, capitals and subdomains do not count, and a null is ""."""
    found = found_in(pool, pool.plan())
    assert found.languages.listed == as_parts(pool, lambda i: pool.langs[i] or "")
    assert found.text_sources.listed == as_parts(pool, lambda i: pool.sources[i])
    assert found.lists.listed == as_parts(pool, lambda i: pool.lists[i] or "")
    assert found.domains.listed == as_parts(pool, pool.domain)
    assert [one.pool for one in found.domains.listed if not one.value] == [2]
    for parts in (found.languages, found.text_sources, found.lists, found.domains):
        assert (parts.pool, parts.curated) == (3_000, int(pool.kept.sum()))
        assert parts.values == len(parts.listed)
    assert found.domain_share == 1.0


def test_domains_of_an_entry_are_counted_in_pairs_whose_hash_is_below_its_share(pool):
    """These are all pairs up to a count of PER_ENTRY, and about PER_ENTRY pairs above it."""
    found = found_in(pool, pool.plan()).entry_domains
    assert pool.counts[0] == 3_000
    compared = np.flatnonzero(pool.counts >= LEAST)
    assert found.entry_ids.tolist() == compared.tolist()
    for at, entry in enumerate(compared.tolist()):
        share = PER_ENTRY / max(pool.counts[entry], PER_ENTRY)
        domains = Counter(pool.domain(i) for i, ids in enumerate(pool.ids) if entry in ids and pool.s[i] < share)
        pairs = sum(domains.values())
        top = min(domains, key=lambda name: (-domains[name], name))
        assert (found.pairs[at], found.top_pairs[at], found.top_domains[at]) == (pairs, domains[top], top)
        assert found.effective[at] == pytest.approx(1 / sum((n / pairs) ** 2 for n in domains.values()), rel=1e-12)
        assert pairs == pool.counts[entry] or pool.counts[entry] > PER_ENTRY
    assert 60 < found.pairs[0] < 140
    (worst,) = found.worst(1, pool.counts)
    assert (found.entry_ids[worst], found.effective[worst], found.top_domains[worst]) == (8_999, 1.0, "shop7.example")


def test_pairs_shown_are_those_with_the_lowest_hashes(pool):
    """The page shows fifty kept and fifty dropped pairs, each with its probability and its draw."""
    found = found_in(pool, pool.plan()).drawn
    order = np.argsort(pool.s)
    assert 400 < pool.kept.sum() < 2_600
    for kept in (True, False):
        wanted = [i for i in order.tolist() if pool.kept[i] == kept][:50]
        shown = [one for one in found if one.kept is kept]
        assert [one.pair_id for one in shown] == [pool.keys[i] for i in wanted]
        assert [(one.url, one.text, one.draw) for one in shown] == [
            (pool.urls[i], pool.texts[i], pool.u[i]) for i in wanted
        ]
        assert [one.sampling_probability for one in shown] == pytest.approx([pool.p[i] for i in wanted], rel=1e-12)
        assert all((one.draw < one.sampling_probability) is kept for one in shown)


@pytest.mark.parametrize(("size", "tasks", "places"), [(10_000, 1, 1), (700, 3, 5)])
def test_batches_and_tasks_change_nothing(pool, monkeypatch, size, tasks, places):
    """The result does not depend on batches, tasks, early rows of a task, or the tasks that merge."""
    wanted = found_in(pool, pool.plan())
    monkeypatch.setattr(task_sums, "_FLUSH", 500)
    got = found_in(pool, pool.plan(), size, tasks, places)
    for name in ("languages", "text_sources", "lists", "domains", "drawn"):
        assert getattr(got, name) == getattr(wanted, name), name
    for name in ("entry_ids", "pairs", "effective", "top_pairs"):
        assert np.array_equal(getattr(got.entry_domains, name), getattr(wanted.entry_domains, name)), name
    assert got.entry_domains.top_domains == wanted.entry_domains.top_domains


def test_the_most_frequent_are_named_and_the_rest_is_summed(pool, monkeypatch):
    """The most frequent values of pool and subset are named, and the sums are over all values."""
    whole = found_in(pool, pool.plan()).domains
    monkeypatch.setattr(merge, "LISTED", 3)
    found = found_in(pool, pool.plan()).domains
    assert (found.values, found.pool, found.curated) == (whole.values, whole.pool, whole.curated)
    of_subset = sorted(whole.listed, key=lambda one: (-one.curated, one.value))[:3]
    assert found.listed == [one for one in whole.listed if one in whole.listed[:3] or one in of_subset]


def test_a_large_pool_is_sampled_by_one_hash_per_pair(pool, monkeypatch):
    """Above DOMAIN_PAIRS, domains are counted in the pairs whose hash is below the share, in pool and subset alike."""
    monkeypatch.setattr(task_sums, "DOMAIN_PAIRS", 600)
    found = found_in(pool, pool.plan())
    below = pool.s < 0.2
    assert found.domain_share == 0.2
    assert (found.domains.pool, found.domains.curated) == (int(below.sum()), int((below & pool.kept).sum()))
    assert found.languages.pool == 3_000


def test_cuts_let_enough_pairs_through_and_not_many_more():
    """A few hundred of ten billion pairs pass the cuts, and all pairs of a small pool do."""
    counts = np.zeros(4, np.int64)
    plan = make_plan(counts, np.full(4, np.nan), 10_000_000_000, 2_300_000_000)
    assert 7_700_000_000 * plan.cut_dropped == pytest.approx(220)
    assert 2_300_000_000 * plan.cut_kept == pytest.approx(220)
    assert plan.probabilities.tolist() == [0.0] * 4
    plan = make_plan(counts, np.full(4, np.nan), 40, 40)
    assert (plan.cut_dropped, plan.cut_kept, plan.domain_share) == (1.0, 1.0, 1.0)
    plan = make_plan(counts, np.full(4, np.nan), 10_000_000_000, 9_999_999_000)
    assert 10_000_000_000 * plan.cut_dropped == pytest.approx(1_000_000)


def test_rows_are_merged_for_both_types_of_strings(pool):
    """Spark sends string or large_string, depending on its version."""
    sums = TaskSums(pool.plan())
    for batch in pool.batches(pool.plan(), 10_000):
        assert list(sums.add(batch)) == []
    rows = list(sums.rows())
    large = pa.schema([(f.name, pa.large_string() if f.type == pa.string() else f.type) for f in PARTIAL])
    wanted = pa.Table.from_batches(merge_rows(rows))
    assert pa.Table.from_batches(merge_rows(pa.Table.from_batches(rows).cast(large).to_batches())) == wanted


def test_a_pool_without_pairs_has_an_empty_composition():
    """An empty pool gives no rows and no error."""
    plan = make_plan(np.zeros(3, np.int64), np.full(3, np.nan), 0, 0)
    met = list(merge_rows(TaskSums(plan).rows()))
    found = composition_of(pa.Table.from_batches(met, PARTIAL), plan, np.zeros(3, np.int64))
    assert found == Composition(drawn=[])


def test_entries_are_counted_by_their_effective_domains():
    """A border belongs to the class above it."""
    n = 6
    domains = EntryDomains(
        np.arange(n, dtype=np.int32),
        np.full(n, 20),
        np.array([1.0, 1.5, 2.0, 5.0, 10.0, 11.0]),
        np.full(n, 1),
        "abcdef",
        100,
    )
    assert domains.classes() == [
        ("under 1.5", 1),
        ("1.5 to 2", 1),
        ("2 to 5", 1),
        ("5 to 10", 1),
        ("10 or more", 2),
    ]
    assert domains.worst(2, np.array([1, 1, 1, 1, 1, 1])) == [0, 1]
