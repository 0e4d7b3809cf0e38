"""Batches of texts: an engine keeps texts apart, for any form of the Arrow array."""

from __future__ import annotations

import pickle

import numpy as np
import pyarrow as pa
import pytest

from metaclip_spark import matchers
from metaclip_spark.errors import ConfigError
from metaclip_spark.matchers import ENGINES, Matches, ahocorasick, base, compile_matcher
from metaclip_spark.metadata import Metadata

ENTRIES = ["cat", "new york", "york", "a", "new", "\U0001f600", "a \n b", "b", "cat dog", "!"]
TEXTS = [
    "new york",
    None,
    "",
    "a\nb",
    " ",
    "cat\n",
    "\ndog",
    None,
    "\U0001f600 cat!",
    "new",
    "york",
    "a \n b",
    "cat",
    "dog",
    "caf\u00e9 \U0001f600\U0001f600 \U0001f600",
    "\r\n\t",
    "cat\tdog",
    None,
]


@pytest.fixture(params=list(ENGINES))
def engine(request):
    """An engine compiled for ENTRIES."""
    return compile_matcher(Metadata.from_entries(ENTRIES), request.param)


def lists(matches: Matches) -> list[list[int]]:
    return matches.to_arrow().to_pylist()


def expected(definition, texts=TEXTS, entries=ENTRIES) -> list[list[int]]:
    return [definition(entries, text) for text in texts]


def test_no_match_runs_from_one_text_into_the_next(engine):
    """Words at the end of one text and the start of the next form no phrase, however texts are joined."""
    texts = ["new", "york", "a", "b", "", "cat", None, "dog"]
    assert lists(engine.match(pa.array(texts))) == [[4], [2], [3], [7], [], [0], [], []]


def test_nulls_empty_texts_and_line_feeds_keep_their_places(engine, definition):
    """A batch with all of them gives each text its own ids."""
    assert lists(engine.match(pa.array(TEXTS))) == expected(definition)


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("text", [None, "", "\n", "a\nb", "a"])
def test_small_batches_of_one_text(engine, definition, text, count):
    """One, two or three times the same text: counting line feeds must not mistake one for a border."""
    assert lists(engine.match(pa.array([text] * count, pa.string()))) == expected(definition, [text] * count)


def test_batch_of_no_texts_has_no_rows(engine):
    """Offsets of an empty batch are one zero."""
    matches = engine.match(pa.array([], pa.string()))
    assert matches.offsets.tolist() == [0]
    assert matches.ids.tolist() == []
    assert lists(matches) == []


def test_batch_of_nulls_matches_nothing(engine):
    """Nulls alone are as many empty lists."""
    assert lists(engine.match(pa.nulls(3, pa.string()))) == [[], [], []]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()], ids=str)
@pytest.mark.parametrize(("start", "length"), [(0, 5), (1, 5), (3, 1), (7, 11), (17, 1), (18, 0)])
def test_slices_of_an_array_match_their_own_texts(engine, definition, kind, start, length):
    """An array with an offset is read from its offset, in each of Arrow's string types."""
    part = pa.array(TEXTS, kind).slice(start, length)
    assert lists(engine.match(part)) == expected(definition, TEXTS[start : start + length])


def test_result_has_the_types_that_tables_hold(engine):
    """Offsets and ids are int32, ids ascending and distinct, counts the lengths of the lists."""
    matches = engine.match(pa.array(["york cat york new york cat !", "x"]))
    assert matches.to_arrow().type == pa.list_(pa.int32())
    assert (matches.offsets.dtype, matches.ids.dtype) == (np.int32, np.int32)
    assert matches.ids.tolist() == [0, 1, 2, 4, 9]
    assert matches.counts.tolist() == [5, 0]


@pytest.mark.parametrize("limit", [1, 2, 7, 16, 64, 1 << 20])
def test_slices_are_cut_by_bytes_and_lose_nothing(limit):
    """Slices put together are the array; none is empty, and only a text longer than the limit exceeds it."""
    texts = [*TEXTS, "x" * 100, "\u00e9" * 40, None, "y"]
    for array in (pa.array(texts), pa.array(["other", *texts]).slice(1), pa.array(texts, pa.large_string())):
        parts = list(base.slices_by_bytes(array, limit))
        assert pa.concat_arrays(parts).to_pylist() == texts
        for part in parts:
            size = sum(len((text or "").encode()) for text in part.to_pylist())
            assert len(part) == 1 or (len(part) > 0 and size <= limit)


@pytest.mark.parametrize("limit", [6, 7, 8])
def test_slices_are_as_long_as_the_limit_allows(limit):
    """Cutting is greedy: texts of 3 bytes and a limit of 6 to 8 go two by two."""
    parts = base.slices_by_bytes(pa.array(["abc"] * 5), limit)
    assert [len(part) for part in parts] == [2, 2, 1]


@pytest.mark.parametrize("limit", [1, 3, 10, 33])
def test_result_does_not_depend_on_where_slices_are_cut(monkeypatch, definition, limit):
    """With slices of a few bytes, and texts longer than a slice, every text keeps its ids."""
    cut = base.slices_by_bytes
    cuts = []

    def small(texts):
        cuts.extend(cut(texts, limit))
        return iter(cuts)

    monkeypatch.setattr(ahocorasick, "slices_by_bytes", small)
    texts = [*TEXTS, "cat dog " * 50, "new york"]
    matcher = compile_matcher(Metadata.from_entries(ENTRIES), "ahocorasick")
    assert lists(matcher.match(pa.array(texts))) == expected(definition, texts)
    assert len(cuts) >= 4


def test_a_batch_larger_than_a_slice(definition):
    """At the size that is really used, 10 MB of texts go through as several slices."""
    texts = [f"cat {number} new york " + "x" * 1000 for number in range(10_000)]
    array = pa.array(texts)
    assert len(list(base.slices_by_bytes(array))) > 1
    matcher = compile_matcher(Metadata.from_entries(ENTRIES), "ahocorasick")
    assert lists(matcher.match(array)) == [[0, 1, 2, 4]] * len(texts)


def test_matches_are_joined_in_order():
    """Offsets of the second part go on where the first ends; a part without rows changes nothing."""
    empty = Matches(np.zeros(1, np.int32), np.zeros(0, np.int32))
    first = Matches(np.array([0, 2, 2], np.int32), np.array([3, 5], np.int32))
    second = Matches(np.array([0, 1], np.int32), np.array([4], np.int32))
    joined = base.concat_matches([first, empty, second])
    assert lists(joined) == [[3, 5], [], [4]]
    assert joined.offsets.dtype == np.int32


def test_too_many_matches_for_one_batch_are_refused():
    """More matches than int32 offsets can number raise an error and do not wrap around."""

    class Huge(Matches):
        @property
        def counts(self):
            return np.array([2**30], np.int32)

    part = Huge(np.zeros(2, np.int32), np.zeros(0, np.int32))
    with pytest.raises(OverflowError, match="use smaller batches"):
        base.concat_matches([part, part, part])


def test_a_pickled_engine_gives_the_same_matches(engine, definition):
    """An engine that went through a broadcast is the same engine."""
    copy = pickle.loads(pickle.dumps(engine))
    assert (copy.name, copy.metadata_id) == (engine.name, engine.metadata_id)
    assert lists(copy.match(pa.array(TEXTS))) == expected(definition)


@pytest.mark.parametrize("name", ENGINES)
def test_a_list_of_entries_that_never_match_compiles_and_pickles(name):
    """With nothing to look for, every text has an empty list."""
    matcher = compile_matcher(Metadata.from_entries(["a\nb", "\tc"]), name)
    copy = pickle.loads(pickle.dumps(matcher))
    assert lists(copy.match(pa.array(["a\nb", None, "\tc"]))) == [[], [], []]


def test_engine_names_its_list():
    """An engine carries the id of the list that it was compiled for."""
    metadata = Metadata.from_entries(["cat"])
    for name in ENGINES:
        matcher = compile_matcher(metadata, name)
        assert (matcher.name, matcher.metadata_id) == (name, metadata.metadata_id)


def test_auto_takes_the_fastest_engine_that_is_installed(monkeypatch):
    """Phrases where numba is there; without it pyahocorasick, and one line that says so."""
    assert compile_matcher(Metadata.from_entries(["cat"])).name == "phrases"
    monkeypatch.setattr(matchers, "find_spec", lambda name: None)
    with pytest.warns(UserWarning, match="^numba is not installed: pyahocorasick matches the texts") as warned:
        assert compile_matcher(Metadata.from_entries(["cat"])).name == "ahocorasick"
    assert len(warned) == 1


def test_unknown_engine_is_refused_with_the_known_ones():
    """The sentence says what was got and what there is."""
    with pytest.raises(ConfigError, match=r"matcher must be one of auto, phrases, ahocorasick, naive, got 'regex'\."):
        compile_matcher(Metadata.from_entries(["cat"]), "regex")
