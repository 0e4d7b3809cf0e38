"""Batches by concept: the definition by a naive program, its laws, and batches of an export."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_exports import make_export

from metaclip_spark.errors import ConfigError, InputError
from metaclip_spark.training import Concepts, sized_batches

ONE = 1 << 32
ENTRIES = st.lists(st.lists(st.integers(0, 12), max_size=5, unique=True), min_size=1, max_size=40)


def naive_diversity(entries: list[list[int]], size: int) -> list[int]:
    """Choose as the docstring of `Concepts` says, by looking at all candidates each time."""
    chosen, n = [], Counter()
    while len(chosen) < size:
        left = [at for at in range(len(entries)) if at not in chosen]
        gains = {at: sum(ONE // (1 + n[c]) for c in entries[at]) // max(len(entries[at]), 1) for at in left}
        best = min(left, key=lambda at: (-gains[at], -len(entries[at]), at))
        chosen.append(best)
        n.update(entries[best])
    return chosen


def naive_frequency(entries: list[list[int]], size: int) -> list[int]:
    """Choose the longest lists, the earliest of several."""
    return sorted(range(len(entries)), key=lambda at: (-len(entries[at]), at))[:size]


def effective(counts: Counter) -> float:
    """Return the number of equally frequent entries that would have the same entropy."""
    p = np.array(list(counts.values())) / counts.total()
    return float(np.exp(-(p * np.log(p)).sum()))


def chosen(mode: str, entries: list[list[int]], size: int) -> list[int]:
    """Return the positions that `Concepts` chooses."""
    return Concepts(mode).chosen(pa.array(entries, pa.list_(pa.int32())), size).tolist()


@settings(max_examples=150, deadline=None)
@given(entries=ENTRIES, data=st.data())
def test_both_modes_choose_as_they_are_defined(entries, data):
    """The heap chooses what a look at all candidates chooses, pairs without an entry included."""
    size = data.draw(st.integers(1, len(entries)))
    assert chosen("diversity", entries, size) == naive_diversity(entries, size)
    assert chosen("frequency", entries, size) == naive_frequency(entries, size)


@settings(max_examples=60, deadline=None)
@given(entries=st.lists(st.lists(st.integers(0, 6), max_size=4, unique=True), min_size=4, max_size=9))
def test_no_batch_has_more_matches_than_that_of_frequency(entries):
    """Of all batches of four."""
    most = max(sum(len(entries[at]) for at in batch) for batch in combinations(range(len(entries)), 4))
    assert sum(len(entries[at]) for at in chosen("frequency", entries, 4)) == most


@settings(max_examples=100, deadline=None)
@given(entries=st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=4, unique=True), min_size=1, max_size=40))
def test_diversity_begins_with_pairs_without_a_common_entry(entries):
    """Until each other candidate has an entry of the batch."""
    order, batch = chosen("diversity", entries, len(entries)), set()
    while order and not batch & set(entries[order[0]]):
        batch |= set(entries[order.pop(0)])
    assert all(batch & set(entries[at]) for at in order)


def test_a_null_is_an_empty_list_and_slices_are_read_as_such():
    """Arrow may have ids beneath a null, and before a slice."""
    lists = pa.array([[9], [1, 2], None, [1], [3]], pa.list_(pa.int32()))[1:]
    assert Concepts().chosen(lists, 4).tolist() == [0, 3, 2, 1]
    assert Concepts("frequency").chosen(lists, 2).tolist() == [0, 2]


def test_over_200_seeds_diversity_shares_out_the_entries():
    """In each of 200 pools with entries by Zipf's law, a batch of diversity has more entries than the first pairs of
    its candidates, and more by entropy; its most frequent entry has a smaller share of the matches in all of them
    together, and texts are as long as before, to a fifth. A batch of frequency has the most matches."""
    top, matches = Counter(), Counter()
    for seed in range(200):
        rng = np.random.default_rng(seed)
        entries = [sorted(set(rng.zipf(1.3, rng.integers(1, 6)) % 3000)) for _ in range(160)]
        batches = {mode: chosen(mode, entries, 32) for mode in ("diversity", "frequency")} | {"plain": range(32)}
        n = {name: Counter(c for at in batch for c in entries[at]) for name, batch in batches.items()}
        assert len(n["diversity"]) > len(n["plain"])
        assert effective(n["diversity"]) > effective(n["plain"])
        assert n["frequency"].total() >= max(n["diversity"].total(), n["plain"].total())
        for name, counts in n.items():
            top[name] += max(counts.values()) / counts.total() / 200
            matches[name] += counts.total()
    assert top["diversity"] < 0.7 * top["plain"]
    assert abs(matches["diversity"] / matches["plain"] - 1) < 0.2


def test_a_batch_is_a_function_of_its_candidates(tmp_path):
    """Each batch is chosen from the next 3 * 8 pairs of the worker's epoch; a last one is there if enough pairs are."""
    path = make_export(tmp_path / "x", row_group=5)
    for worker in ((0, 1), (1, 2)):
        candidates = [batch.to_pylist() for batch in sized_batches(path, 2, 24, worker=worker)]
        found = list(sized_batches(path, 2, 8, worker=worker, concepts=Concepts("diversity", 3)))
        assert len(found) == len(candidates) - (len(candidates[-1]) < 8)
        for batch, of in zip(found, candidates, strict=False):
            order = naive_diversity([pair["entry_ids"] for pair in of], 8)
            assert batch.to_pylist() == [of[at] for at in order]
        for first in range(len(found) + 1):
            concepts = Concepts("diversity", 3)
            assert list(sized_batches(path, 2, 8, worker=worker, concepts=concepts, first_batch=first)) == found[first:]


def test_entry_ids_are_read_also_where_they_are_no_column(tmp_path):
    """`columns` says what a batch has, not what it is chosen by."""
    path = make_export(tmp_path / "x")
    whole = sized_batches(path, 2, 8, concepts=Concepts("frequency", 3))
    texts = sized_batches(path, 2, 8, concepts=Concepts("frequency", 3), columns=["text"])
    assert [batch["text"] for batch in whole] == [batch["text"] for batch in texts]
    assert next(sized_batches(path, 2, 8, concepts=Concepts(), columns=["text"])).column_names == ["text"]


def test_wrong_values_are_refused():
    """An unknown mode, too few candidates, and ids that are none."""
    with pytest.raises(ConfigError, match="mode must be one of diversity, frequency, got 'random'"):
        Concepts("random")
    with pytest.raises(ConfigError, match="candidates must be a whole number from 1 on, got 0"):
        Concepts(candidates=0)
    with pytest.raises(InputError, match="an entry id is -1; expected ids from 0 on"):
        chosen("diversity", [[-1]], 1)
