"""Expected sizes at many t: the exact sums, whatever the batches, and the smallest t that reaches a size."""

from __future__ import annotations

import json
import math
import random
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaclip_spark.commands import sweep
from metaclip_spark.core import threshold_search
from metaclip_spark.core.draw import draws
from metaclip_spark.core.expected_size import ExpectedSums, Thresholds
from metaclip_spark.core.sampling import batch_probability, entry_probability, fixed_point, from_fixed_point
from metaclip_spark.core.threshold_search import THRESHOLDS_PER_PASS, smallest_threshold
from metaclip_spark.errors import ConfigError, InputError, WarehouseError
from metaclip_spark.report.sweep import Sweep, make_sweep, plain
from metaclip_spark.verbs import local

LISTS = pa.list_(pa.int32())


def counts_of(lists: list[list[int] | None], n_entries: int) -> np.ndarray:
    ids = [entry for ids in lists for entry in ids or ()]
    return np.bincount(np.array(ids, dtype=np.int64), minlength=n_entries).astype(np.int64)


def brute_force(lists, counts, threshold: int, weights=None) -> tuple[Fraction, Fraction]:
    """Return the sums of p and of p(1 - p), pair by pair as in the algorithm, each rounded to 2**-53."""
    expected, variance = Fraction(0), Fraction(0)
    for at, ids in enumerate(lists):
        missed = 1.0
        for entry in ids or ():
            missed *= 1.0 - threshold / float(max(counts[entry], threshold))
        p = (1.0 - missed) * (1.0 if weights is None else weights[at])
        for value in (p, p * (1.0 - p)):
            rounded = Fraction(round(Fraction(value) * 2**53), 2**53)
            expected, variance = (expected + rounded, variance) if value is p else (expected, variance + rounded)
    return expected, variance


def exact(row: dict, name: str) -> Fraction:
    return Fraction((row[f"{name}_high"] << 27) + row[f"{name}_low"], 2**53)


@st.composite
def pools(draw):
    n_entries = draw(st.integers(1, 9))
    ids = st.lists(st.integers(0, n_entries - 1), unique=True, max_size=6).map(sorted)
    lists = draw(st.lists(st.one_of(st.none(), ids), max_size=40))
    values = draw(st.lists(st.integers(1, 50), min_size=1, max_size=9))
    cuts = sorted(draw(st.lists(st.integers(0, len(lists)), max_size=3)))
    # Counts at least as high as those of this pool, as if more pairs matched elsewhere.
    more = draw(st.lists(st.integers(0, 10**6), min_size=n_entries, max_size=n_entries))
    return lists, counts_of(lists, n_entries), np.array(more), values, [0, *cuts, len(lists)]


@settings(max_examples=150)
@given(pool=pools())
def test_sums_equal_the_brute_force_sum_for_any_cut_into_batches(pool):
    """At each t, of each group and of all: the exact sums, with nulls and slices among the batches."""
    lists, counts, more, values, cuts = pool
    counts = np.where(counts > 0, counts + more, 0)
    array = pa.array(lists, LISTS)
    sources = pa.array([("alt", "title", None)[at % 3] for at in range(len(lists))], pa.string())
    langs = pa.array([("en", "de")[at % 2] for at in range(len(lists))], pa.string())
    grouped, whole = ExpectedSums(Thresholds(counts, values)), ExpectedSums(Thresholds(counts, values))
    for start, stop in zip(cuts, cuts[1:], strict=False):
        part = slice(start, stop)
        grouped.add(array[part], sources[part], langs[part])
        whole.add(array[part])
    found = grouped.to_arrow().to_pylist()
    assert len(found) == len(set(values)) * len({(at % 3, at % 2) for at in range(len(lists))})
    for row in found:
        mine = [
            ids
            for ids, source, lang in zip(lists, sources.to_pylist(), langs.to_pylist(), strict=True)
            if (source, lang) == (row["text_source"], row["lang"])
        ]
        assert (row["pairs"], row["matched"]) == (len(mine), sum(bool(ids) for ids in mine))
        assert (exact(row, "expected"), exact(row, "variance")) == brute_force(mine, counts, row["threshold"])
    for row in whole.to_arrow().to_pylist():
        assert (row["text_source"], row["lang"], row["pairs"]) == (None, None, len(lists))
        assert (exact(row, "expected"), exact(row, "variance")) == brute_force(lists, counts, row["threshold"])


@settings(max_examples=150)
@given(
    pool=pools(), weights=st.lists(st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0, 1)), min_size=40, max_size=40)
)
def test_weighted_sums_equal_the_brute_force_sum_for_any_cut_into_batches(pool, weights):
    """At each t, also of pairs that are certain at every t, and of weights with digits below 2**-53."""
    lists, counts, more, values, cuts = pool
    counts = np.where(counts > 0, counts + more, 0)
    array, factors = pa.array(lists, LISTS), np.array(weights)[: len(lists)]
    sums = ExpectedSums(Thresholds(counts, values))
    for start, stop in zip(cuts, cuts[1:], strict=False):
        sums.add(array[start:stop], weights=factors[start:stop])
    found = sums.to_arrow().to_pylist()
    assert [row["threshold"] for row in found] == sorted(set(values))
    for row in found:
        wanted = brute_force(lists, counts, row["threshold"], factors.tolist())
        assert (exact(row, "expected"), exact(row, "variance")) == wanted


def test_many_t_have_the_bits_of_one():
    """A thousand pairs at 40 values of t: the sums of `pair_probability`, in fixed point, to the last bit."""
    rng = np.random.default_rng(3)
    lists = [sorted({int(n) for n in rng.zipf(1.3, rng.integers(0, 12)) if n < 300}) for _ in range(1000)]
    counts = counts_of(lists, 300) * 7
    values = sorted({int(t) for t in np.geomspace(1, counts.max() + 1, 40)})
    array = pa.array(lists, LISTS)
    sums = ExpectedSums(Thresholds(counts, values))
    sums.add(array)
    for row in sums.to_arrow().to_pylist():
        by_entry = np.where(counts > 0, entry_probability(counts, row["threshold"]), np.nan)
        p = batch_probability(array, by_entry)
        for name, wanted in (("expected", p), ("variance", p * (1.0 - p))):
            high, low = fixed_point(wanted)
            assert exact(row, name) == Fraction((high << 27) + low, 2**53)


@pytest.mark.parametrize("entry", [1, 5])
def test_a_pair_whose_entry_was_never_counted_is_refused(entry):
    """Pairs and counts that differ are an error, inside the list and beyond it."""
    sums = ExpectedSums(Thresholds(np.array([3, 0, 1]), [1, 2]))
    with pytest.raises(InputError, match="^a pair matches an entry that was never counted: pairs and counts differ;"):
        sums.add(pa.array([[0], [0, entry]], LISTS))


def expectation(counts: list[int]):
    """Return the sizes of a pool in which every pair matches one entry, and the list of the number of t per pass."""
    passes: list[int] = []

    def sizes(thresholds):
        passes.append(len(thresholds))
        return [sum(round(Fraction(min(t, count)) * 2**53) for count in counts) for t in thresholds]

    return sizes, passes


@settings(max_examples=200)
@given(
    counts=st.lists(st.integers(1, 10**9), min_size=1, max_size=8), share=st.floats(1e-9, 1), again=st.integers(4, 9)
)
def test_smallest_threshold_reaches_the_size_and_the_one_below_it_does_not(counts, share, again):
    """The answer does not depend on the number of t per pass, and takes a handful of passes."""
    sizes, passes = expectation(counts)
    size = max(1, int(sum(counts) * share))
    threshold = smallest_threshold(size, max(counts), sizes)
    assert sizes([threshold])[0] >= size << 53
    assert threshold == 1 or sizes([threshold - 1])[0] < size << 53
    assert len(passes) <= 10
    assert max(passes) <= THRESHOLDS_PER_PASS + 1
    assert smallest_threshold(size, max(counts), expectation(counts)[0], per_pass=again) == threshold


def test_a_size_that_no_threshold_reaches_gives_none():
    """All pairs give the size 30; no t gives 31."""
    assert smallest_threshold(30, 20, expectation([10, 20])[0]) == 20
    assert smallest_threshold(31, 20, expectation([10, 20])[0]) is None


def test_two_hundred_seeds_follow_the_predicted_mean_and_standard_deviation():
    """Sizes drawn with seeds 0 to 199 have the sweep's mean and spread."""
    rng = random.Random(7)
    texts = [" ".join(sorted({rng.choice("abcdefghij") for _ in range(rng.randint(1, 3))})) for _ in range(1500)]
    pairs = pa.table({"url": [f"https://example.org/{n}.jpg" for n in range(1500)], "text": texts})
    matched = local.match(pairs, list("abcdefghij"))
    ids = matched["entry_ids"].combine_chunks()
    sums = ExpectedSums(Thresholds(counts_of(ids.to_pylist(), 10), [40]))
    sums.add(ids)
    (row,) = sums.to_arrow().to_pylist()
    mean = from_fixed_point(row["expected_high"], row["expected_low"])
    sd = math.sqrt(from_fixed_point(row["variance_high"], row["variance_low"]))
    keys = pa.array([f"{n}" for n in range(1500)])
    by_entry = entry_probability(counts_of(ids.to_pylist(), 10), 40)
    probability = batch_probability(ids, by_entry)
    sizes = np.array([(draws(keys, seed) < probability).sum() for seed in range(200)])
    assert abs(sizes.mean() - mean) < 4 * sd / math.sqrt(200)
    assert 0.8 < sizes.std() / sd < 1.2
    assert np.abs(sizes - mean).max() < 5 * sd


def test_round_thresholds_end_where_everything_is_kept():
    """1, 2, 5, 10, ... up to the first at or above the highest count."""
    assert threshold_search.round_thresholds(1) == [1]
    assert threshold_search.round_thresholds(50) == [1, 2, 5, 10, 20, 50]
    assert threshold_search.round_thresholds(51)[-1] == 100
    assert len(threshold_search.round_thresholds(10**9)) == 28


@pytest.mark.parametrize("given", ["0", "5,x", "-1", "1.5", "9" * 17])
def test_thresholds_that_are_none_are_refused(given):
    """The sentence quotes what was given."""
    with pytest.raises(ConfigError) as refused:
        sweep._parse_thresholds(given)
    assert str(refused.value) == f"--thresholds takes whole numbers >= 1 with commas between them, got {given!r}."
    assert sweep._parse_thresholds("5, 1_000,") == [5, 1000]


def found_sweep() -> Sweep:
    lists, counts = [[0], [0, 1], [0], []], np.array([3, 1, 0])
    sums = ExpectedSums(Thresholds(counts, [1, 3]))
    langs = pa.array(["en", "en", "de", "en"])
    sums.add(pa.array(lists, LISTS), pa.array(["alt"] * 4), langs)
    table = pa.Table.from_batches([sums.to_arrow()])
    return make_sweep(table, counts, [1, 3], 3, "pair", ["s"], "m")


def test_a_sweep_says_what_head_and_tail_hold():
    """Entries, their counts, and expected sizes by group, as --json prints them."""
    summary = json.loads(json.dumps(plain(found_sweep())))
    assert (summary["pairs"], summary["matched"]) == (4, 3)
    one, three = summary["sweep"]
    assert one["expected_size"] == pytest.approx(1 / 3 + 1 + 1 / 3)
    assert one["expected_sd"] == pytest.approx(math.sqrt(2 * (1 / 3) * (2 / 3)))
    assert (one["entries_head"], one["entries_tail"], one["counts_head"], one["counts_tail"]) == (2, 0, 4, 0)
    assert (three["entries_head"], three["entries_tail"], three["counts_head"], three["counts_tail"]) == (1, 1, 3, 1)
    assert (one["tail_fraction"], three["tail_fraction"]) == (0.0, 0.25)
    assert (one["chosen"], three["chosen"]) == (False, True)
    assert (three["expected_size"], three["expected_sd"], three["kept_share"]) == (3.0, 0.0, 0.75)
    assert three["groups"] == [
        {"text_source": "alt", "lang": "en", "pairs": 3, "expected_size": 2.0},
        {"text_source": "alt", "lang": "de", "pairs": 1, "expected_size": 1.0},
    ]


def test_equal_sweeps_are_drawn_alike(tmp_path):
    """The picture holds both curves and the chosen t, and no date."""
    pytest.importorskip("matplotlib")
    from metaclip_spark.report.plots import sweep as sweep_plot

    for name in ("a.svg", "b.svg"):
        sweep_plot.check(name)
        sweep_plot.draw(found_sweep(), str(tmp_path / name))
    drawn = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert drawn == (tmp_path / "b.svg").read_text(encoding="utf-8")
    for words in ("expected size", "tail fraction", "t = 3", "± 5 sd"):
        assert words in drawn
    with pytest.raises(ConfigError, match=r"^--plot takes a file that ends in \.svg, \.png, \.pdf, got 'a\.jpg'\.$"):
        sweep_plot.check("a.jpg")


def test_a_plot_that_fails_leaves_the_earlier_one(tmp_path, monkeypatch):
    """The file appears whole or not at all, and no other file is left in the folder."""
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    from metaclip_spark.report.plots import sweep as sweep_plot

    place = tmp_path / "a.png"
    place.write_bytes(b"earlier")

    def fail(self, file, **more):
        file.write(b"half")
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(Figure, "savefig", fail)
        with pytest.raises(WarehouseError, match=r"^plot .*a\.png cannot be written: disk full\. Give another place"):
            sweep_plot.draw(found_sweep(), str(place))
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"earlier"]
    sweep_plot.draw(found_sweep(), str(place))
    assert place.read_bytes().startswith(b"\x89PNG")
