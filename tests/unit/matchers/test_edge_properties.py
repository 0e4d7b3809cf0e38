"""Worldwide lists return the ids of the definition, on generated inputs, for any hashes and any bounds of windows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaclip_spark.core.worldwide.switches import Switches
from metaclip_spark.matchers import ahocorasick, base
from metaclip_spark.matchers.worldwide.compiled import CompiledList
from metaclip_spark.matchers.worldwide.needles import with_repeats
from metaclip_spark.matchers.worldwide.oracles import AhocorasickList, NaiveList
from metaclip_spark.metadata import Metadata

LETTERS = [
    "a",
    "b",
    "\u00e9",
    "e\u0301",
    "\u0130",
    "\u732b",
    "\u72d7",
    "\u4e00",
    "\U00020000",
    "\u0e41",
    "\u0e21",
    "\u0e27",
    "\u30cd",
    "\uac00",
    "\u0642",
    "\u0964",
    "\u0905",
    "\U0001f600",
    "\u200b",
    "\u200c",
    "\0",
    "\u00a0",
]
MARKS = ["(", ")", "-", "'", ",", ".", "!", "`", "\u3002", "\uff0c", "\u300c", "\u201c", "\u00ab", "\u060c", "\u2026"]
BETWEEN = [" ", " ", "", "", "", "  ", "\t", "\n", "\r\n"]

pieces = st.lists(st.tuples(st.sampled_from(LETTERS + MARKS), st.sampled_from(BETWEEN)), max_size=8)
phrases = pieces.map(lambda pairs: "".join(char + gap for char, gap in pairs))
texts = st.one_of(st.none(), phrases, st.text(alphabet="\u732b\u72d7\u4e00 a,(", max_size=12), st.text(max_size=8))
switches = st.builds(Switches, st.booleans(), st.booleans(), st.booleans(), st.booleans())


@st.composite
def lists_of_entries(draw) -> list[str]:
    """Entries: phrases and pieces of phrases, so that many of them match."""
    made = []
    for phrase in draw(st.lists(phrases, min_size=1, max_size=8)):
        start = draw(st.integers(0, len(phrase)))
        made += [phrase, phrase[start:], phrase[:start], phrase[start : start + 2], phrase.strip()]
    kept = [entry for entry in dict.fromkeys(made) if entry and not entry.isspace()]
    return kept or ["a"]


def as_keywords(switches: Switches) -> dict[str, bool]:
    return {name: getattr(switches, name) for name in Switches.__dataclass_fields__}


@settings(max_examples=400)
@given(
    entries=lists_of_entries(),
    batch=st.lists(texts, min_size=1, max_size=6),
    on=st.one_of(st.just(Switches()), switches),
    bits=st.sampled_from([1, 3, 64, 64]),
    window=st.integers(1, 40),
)
def test_compiled_lists_give_what_the_definition_gives(edge_definition, entries, batch, on, bits, window):
    """For any entries, texts, switches, hashes and bounds of windows."""
    matcher = CompiledList.of(Metadata.from_entries(entries), on, bits)
    matcher.window = matcher.edge_window = window
    expected = [edge_definition(entries, text, **as_keywords(on)) for text in batch]
    assert matcher.match(pa.array(batch, pa.string())).to_arrow().to_pylist() == expected


@pytest.mark.parametrize("engine", [AhocorasickList, NaiveList], ids=["ahocorasick", "naive"])
@settings(max_examples=200)
@given(entries=lists_of_entries(), batch=st.lists(texts, min_size=1, max_size=6), on=switches, limit=st.integers(1, 40))
def test_other_engines_give_what_the_definition_gives(edge_definition, engine, entries, batch, on, limit):
    """The fallback without numba, and the naive scan."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ahocorasick, "slices_by_bytes", lambda array: base.slices_by_bytes(array, limit))
        found = engine(Metadata.from_entries(entries), on).match(pa.array(batch, pa.string())).to_arrow().to_pylist()
    assert found == [edge_definition(entries, text, **as_keywords(on)) for text in batch]


def test_the_texts_of_the_property_match(edge_definition):
    """Of the entries that are cut out of texts, many match: the properties compare more than empty lists."""
    rng = np.random.default_rng(0)
    chars = [char for char in LETTERS + MARKS if char.strip()]
    batch = ["".join(chars[at] for at in rng.integers(0, len(chars), 12)) for _ in range(200)]
    entries = list(dict.fromkeys(text[start : start + 2] for text in batch for start in range(10)))
    found = [edge_definition(entries, text) for text in batch]
    matcher = CompiledList.of(Metadata.from_entries(entries), Switches())
    assert matcher.match(pa.array(batch)).to_arrow().to_pylist() == found
    assert sum(map(len, found)) > 2 * len(batch)


@settings(max_examples=200)
@given(
    raw=st.lists(st.sampled_from([b"\xe7\x8c\xab", b"\xe7", b"\x8c", b"\xab", b"a", b" ", b"\xc0\x80", b"\xf0\xa0"]))
)
def test_bytes_that_are_not_utf8_are_characters_of_no_entry(raw):
    """Such bytes, also at the end of a text, match nothing and hide nothing; a NUL of two bytes is none."""
    entries = ["\u732b", "a\u732b", "\0", "(a", "\u732ba"]
    joined = b"".join(raw)
    data = joined + b"\x8c\xab"  # beneath the end, what would complete a character
    offsets = pa.py_buffer(np.array([0, len(joined)], np.int32))
    array = pa.Array.from_buffers(pa.string(), 1, [None, offsets, pa.py_buffer(data + bytes(16))])
    spaced = b" " + joined + b" "
    needles = ["\u732b", " a\u732b", " \0 ", "(a ", "\u732ba "]
    expected = [number for number, needle in enumerate(needles) if needle.encode() in spaced]
    assert CompiledList.of(Metadata.from_entries(entries), Switches()).match(array).to_arrow().to_pylist() == [expected]


def test_texts_longer_than_a_window_and_batches_larger_than_a_call(edge_definition, monkeypatch):
    """Texts over 64 KB between short ones, with entries across every border, in slices of few bytes."""
    rng = np.random.default_rng(0)
    parts = np.array(["\u732b", "\u72d7\u732b", "a,", "(b", " ", "\u4e00" * 9, "e."])
    long = ["".join(parts[rng.integers(0, len(parts), 30_000)]) for _ in range(3)]
    entries = ["\u732b", "\u732b\u72d7", "\u4e00" * 40, "(b a", ", (b", "\u732ba ,", "e", "a"]
    batch = ["\u732b", *long, "(b a", None, long[0][:70_000], ""]
    matcher = CompiledList.of(Metadata.from_entries(entries), Switches())
    expected = [edge_definition(entries, text) for text in batch]
    assert matcher.match(pa.array(batch)).to_arrow().to_pylist() == expected
    monkeypatch.setattr("metaclip_spark.matchers.phrases.SLICE_BYTES", 100)
    assert matcher.match(pa.chunked_array([batch[:2], [], batch[2:]])).to_arrow().to_pylist() == expected


def test_more_texts_than_a_window_holds():
    """Many texts of no or few bytes fill a window by their number."""
    batch = ["", "\u732b", None, "\u732b\u732b"] * 5_000
    matcher = CompiledList.of(Metadata.from_entries(["\u732b", "\u732b\u732b"]), Switches())
    assert matcher.match(pa.array(batch)).to_arrow().to_pylist() == [[], [0], [], [0, 1]] * 5_000


def test_a_text_of_thousands_of_ids_is_ascending_and_distinct():
    """Far more ids than the sort by rank takes, of edge entries and phrases."""
    entries = [f"{'(' * (number % 2)}w{number}" for number in range(3_000)]
    order = np.random.default_rng(1).permutation(3_000)
    text = " ".join(entries[number] for number in [*order, *order])
    matcher = CompiledList.of(Metadata.from_entries(entries), Switches())
    assert matcher.match(pa.array([text, "(w7"])).to_arrow().to_pylist() == [list(range(3_000)), [7]]


def test_bytes_beneath_a_null_are_not_read():
    """A null's row may have bytes in the buffer; they belong to no text."""
    offsets, valid = np.array([0, 3, 6, 6, 9], np.int32), np.array([0b1101], np.uint8)
    data = "\u732b\u72d7\u732b".encode() + b" " * 20
    array = pa.Array.from_buffers(pa.string(), 4, [pa.py_buffer(valid), pa.py_buffer(offsets), pa.py_buffer(data)])
    assert array.to_pylist() == ["\u732b", None, "", "\u732b"]
    matcher = CompiledList.of(Metadata.from_entries(["\u732b", "\u72d7", "\u732b\u72d7"]), Switches())
    assert matcher.match(array).to_arrow().to_pylist() == [[0], [], [], [0]]


def test_repeats_are_added_to_the_entries_that_they_equal():
    """Several repeats of one entry, and entries without any."""
    repeats = np.array([[3, 1], [5, 0], [6, 1]], np.int32)
    offsets, ids = with_repeats(np.array([0, 2, 2, 3], np.int32), np.array([1, 4, 0], np.int32), repeats)
    assert (offsets.tolist(), ids.tolist()) == ([0, 4, 4, 6], [1, 3, 4, 6, 0, 5])
    assert (offsets.dtype, ids.dtype) == (np.int32, np.int32)
