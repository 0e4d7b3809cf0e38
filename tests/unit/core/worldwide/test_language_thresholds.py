"""The t of each language: by a tail fraction, by the t of English, or given; and the sizes of a sweep over them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from reference_worldwide import nearest_threshold

from metaclip_spark.core.expected_size import ExpectedSums, Thresholds, sizes_at
from metaclip_spark.core.worldwide.sections import Sections
from metaclip_spark.core.worldwide.thresholds import (
    LOW,
    NO_PAIRS,
    RAISED,
    LanguageThresholds,
    for_english,
    for_tail_fraction,
    remarks,
    sentences,
)
from metaclip_spark.errors import ConfigError

COUNTS = st.lists(st.integers(0, 50), min_size=1, max_size=30)
FRACTIONS = st.floats(0.001, 0.999)


@given(st.lists(COUNTS, min_size=1, max_size=4), FRACTIONS)
@example([[1, 3, 6, 10]], 0.15)
@example([[0, 0, 7], [5], [4, 4, 4, 4], [0]], 0.06)
def test_a_tail_fraction_gives_each_language_its_t(lists, fraction):
    """Ties, zeros, one entry, all equal: t of a list is that of the list alone."""
    sections = Sections.of({f"l{at}": len(counts) for at, counts in enumerate(lists)})
    counts = np.array([count for part in lists for count in part])
    chosen = for_tail_fraction(counts, sections, fraction)
    assert chosen.by_name == {f"l{at}": nearest_threshold(part, fraction) for at, part in enumerate(lists)}
    assert chosen.by_entry.tolist() == [nearest_threshold(part, fraction) for part in lists for _ in part]


def test_the_published_example_is_not_inverse():
    """Counts 1, 3, 6, 10 and a fraction of 0.15 give t = 3, whose own tail fraction is 0.05."""
    sections = Sections.of({"en": 4, "de": 4})
    counts = np.array([1, 3, 6, 10] * 2)
    assert for_tail_fraction(counts, sections, 0.15).by_name == {"en": 3, "de": 3}
    assert for_english(counts, sections, 3).fraction == 0.05


@given(COUNTS.filter(any), COUNTS, st.integers(1, 60))
def test_the_t_of_english_gives_the_fraction_of_all_others(english, other, t):
    """English keeps the t that was given; others get the t of its tail fraction."""
    sections = Sections.of({"de": len(other), "en": len(english)})
    chosen = for_english(np.array([*other, *english]), sections, t)
    fraction = sum(count for count in english if count < t) / sum(english)
    assert chosen.by_name == {"de": nearest_threshold(other, fraction), "en": t}
    assert chosen.fraction == fraction
    assert chosen.main == t


def test_given_thresholds_win():
    """They also keep the t of English from the fraction."""
    sections = Sections.of({"de": 2, "en": 2, "fr": 2})
    counts = np.array([5, 50, 5, 50, 5, 50])
    assert for_tail_fraction(counts, sections, 0.6, {"fr": 7}).by_name == {"de": 50, "en": 50, "fr": 7}
    assert for_english(counts, sections, 6, {"fr": 7}).by_name == {"de": 5, "en": 6, "fr": 7}
    with pytest.raises(ConfigError, match="xx, which the lists do not have; they are de, en, fr"):
        for_tail_fraction(counts, sections, 0.5, {"xx": 7})


def test_english_must_be_there_for_its_t():
    """Without its list, or without a count in it, its tail fraction is not known."""
    with pytest.raises(ConfigError, match="the lists have no en: de"):
        for_english(np.array([1]), Sections.of({"de": 1}), 5)
    with pytest.raises(ConfigError, match="no pair of the pool matches an entry of English"):
        for_english(np.array([1, 0]), Sections.of({"de": 1, "en": 1}), 5)


def test_what_is_unusual_about_a_t_is_said_with_what_was_done():
    """A language without pairs, one whose t collapses, and one with a small pool; never t = 0."""
    sections = Sections.of({"bo": 2, "de": 3, "en": 4, "is": 4})
    counts = np.array([0, 0, 0, 0, 9, 10, 20, 500, 600, 1, 2, 3, 4])
    chosen = for_tail_fraction(counts, sections, 0.06)
    found = remarks(counts, chosen)
    assert found == {"bo": NO_PAIRS, "de": RAISED, "is": LOW}
    assert chosen.values.min() == 1
    said = " ".join(sentences(found, chosen))
    assert "bo: no pair of the pool matches" in said
    assert "de: the tail fraction gives t = 0, which would drop every pair; t = 1 is used" in said
    assert f"is ({chosen.by_name['is']}): t is below 20" in said
    assert remarks(counts, for_tail_fraction(counts, sections, 0.06, {"de": 1}))["de"] == LOW


@given(st.data())
def test_expected_sizes_with_a_t_for_each_language_are_those_of_the_languages_alone(data):
    """The sums of all languages are the sums of one sweep per language at its own t, bit for bit."""
    lists = data.draw(st.lists(COUNTS.filter(any), min_size=1, max_size=3))
    fractions = sorted(data.draw(st.sets(FRACTIONS, min_size=1, max_size=4)))
    sections = Sections.of({f"l{at}": len(part) for at, part in enumerate(lists)})
    counts = np.array([count for part in lists for count in part])
    chosen = [for_tail_fraction(counts, sections, fraction) for fraction in fractions]
    values = list(range(len(fractions)))
    pairs, of_list = [], []
    for at, start in enumerate(sections.starts[:-1]):
        matched = [start + entry for entry, count in enumerate(lists[at]) if count]
        pairs += [sorted(data.draw(st.sets(st.sampled_from(matched), min_size=1))) for _ in range(3)]
        of_list += [at] * 3
    whole = ExpectedSums(Thresholds(counts, values, chosen))
    whole.add(pa.array(pairs, pa.list_(pa.int32())))
    sizes = sizes_at(pa.Table.from_batches([whole.to_arrow()]), counts, values, chosen).to_pylist()
    for value, t in zip(values, chosen, strict=True):
        expected = 0
        for at in range(len(lists)):
            own = [ids for ids, of in zip(pairs, of_list, strict=True) if of == at]
            alone = ExpectedSums(Thresholds(counts, [int(t.values[at])]))
            alone.add(pa.array(own, pa.list_(pa.int32())))
            row = alone.to_arrow().to_pylist()[0]
            expected += (row["expected_high"] << 27) + row["expected_low"]
        got = next(row for row in whole.to_arrow().to_pylist() if row["threshold"] == value)
        assert (got["expected_high"] << 27) + got["expected_low"] == expected
        size = sizes[value]
        assert (size["threshold"], dict(size["thresholds"])) == (t.main, t.by_name)
        head = counts >= t.by_entry
        assert size["counts_head"] == counts[head].sum()
        assert size["entries_tail"] == int((~head & (counts > 0)).sum())


def test_one_list_has_one_t():
    """The t of a list for all languages, as an array by entry."""
    assert LanguageThresholds.of_one(5, 3).by_entry.tolist() == [5, 5, 5]
    assert LanguageThresholds.of_one(5, 3).main == 5
