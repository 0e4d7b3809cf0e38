"""Texts of many languages in one batch: each is matched against the list of its language, and rows keep their order."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaclip_spark.errors import ConfigError
from metaclip_spark.matchers.worldwide import Lists, Switches, WorldwideMatcher, lists_in

ENTRIES = {
    "en": ["a", "cat", "new york", "(c)", "york"],
    "ja": ["\u9ed2\u732b", "\u732b", "\u30cd\u30b3", "cat"],
    "th": ["\u0e41\u0e21\u0e27", "\u0e41\u0e21"],
    "zh": ["cat", "\u732b", "\u9ed1\u732b"],
}
TEXTS = [
    "a cat (c)",
    "\u9ed2\u732b\u304c\u597d\u304d",
    None,
    "\u4e00\u53ea\u9ed1\u732b cat",
    "\u0e41\u0e21\u0e27\u0e14\u0e33",
    "new york",
    "",
    "cat",
    "chat",
    "?",
    "cat",
]
CODES = ["en", "ja", "en", "zh", "th", "en", "zh", "zh", "fr", None, "ja"]
EXPECTED = [[0, 1, 3], [0, 1], [], [0, 1, 2], [0, 1], [2, 4], [], [0], [], [], [3]]
INDICES = [0, 1, 0, 3, 2, 0, 3, 3, None, None, 1]


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """The files of four lists."""
    folder = tmp_path_factory.mktemp("lists")
    for code, entries in ENTRIES.items():
        (folder / f"{code}.json").write_text(json.dumps(entries), encoding="utf-8")
    return {code: folder / f"{code}.json" for code in ENTRIES}


@pytest.fixture(params=["phrases", "ahocorasick", "naive"])
def matcher(request, paths):
    """A matcher with the four lists, for each engine."""
    return WorldwideMatcher(Lists(paths, engine=request.param))


def rows(found) -> list[list[int]]:
    return found.matches.to_arrow().to_pylist()


@pytest.mark.parametrize(
    "codes",
    [
        pa.array(CODES),
        pa.array(CODES, pa.large_string()),
        pa.array(CODES, pa.string_view()),
        pa.array(CODES).dictionary_encode(),
        pa.chunked_array([CODES[:3], CODES[3:]]),
    ],
    ids=lambda codes: str(codes.type),
)
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()], ids=str)
def test_each_text_is_matched_against_its_own_list(matcher, codes, kind):
    """The same word has other ids in other lists; a code without a list is counted, and so is a null."""
    found = matcher.match(pa.array(TEXTS, kind), codes)
    assert rows(found) == EXPECTED
    assert found.without_list == {"fr": 1, "null": 1}
    assert (found.matches.offsets.dtype, found.matches.ids.dtype) == (np.int32, np.int32)


@pytest.mark.parametrize("kind", [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8()], ids=str)
def test_integers_are_indices_of_the_codes(matcher, kind):
    """A null index is a text without a list."""
    found = matcher.match(pa.array(TEXTS), pa.array(INDICES, kind))
    assert rows(found) == EXPECTED
    assert found.without_list == {"null": 2}


def test_a_null_text_is_not_counted_as_without_a_list(paths):
    """It has nothing that a list could match."""
    found = WorldwideMatcher(Lists(paths)).match(pa.array([None, "x", None], pa.string()), pa.array(["xx", "xx", None]))
    assert (rows(found), found.without_list) == ([[], [], []], {"xx": 1})


def test_texts_without_a_list_may_be_an_error(paths):
    """With the counts by code."""
    strict = WorldwideMatcher(Lists(paths), missing="error")
    with pytest.raises(ConfigError, match=r"texts have codes without a list \(fr: 1, null: 1\); add the lists"):
        strict.match(pa.array(TEXTS), pa.array(CODES))
    assert rows(strict.match(pa.array(["cat"]), pa.array(["zh"]))) == [[0]]


@pytest.mark.parametrize("code", list(ENTRIES))
def test_a_batch_of_one_language_and_slices_of_a_batch(matcher, code):
    """Without a gather of rows, and with an offset."""
    texts, codes = pa.array(TEXTS), pa.array(CODES).dictionary_encode()
    for start, length in [(0, 1), (1, 4), (3, 8), (5, 1), (2, 0)]:
        found = matcher.match(texts.slice(start, length), codes.slice(start, length))
        assert rows(found) == EXPECTED[start : start + length]
    assert rows(matcher.match(pa.array(["cat", "x"]), pa.array([code, code]))) == [
        [number for number, entry in enumerate(ENTRIES[code]) if entry == "cat"],
        [],
    ]


def test_rows_keep_their_order_in_any_order(matcher):
    """Hundreds of texts in a random order of languages equal the texts one by one."""
    order = np.random.default_rng(0).integers(0, len(TEXTS), 500)
    found = matcher.match(pa.array([TEXTS[at] for at in order]), pa.array([CODES[at] for at in order]))
    assert rows(found) == [EXPECTED[at] for at in order]
    assert found.without_list == {"fr": int((order == 8).sum()), "null": int((order == 9).sum())}


def test_only_the_lists_that_come_are_loaded(paths):
    """A dictionary may have codes that no text has, unknown ones too."""
    matcher = WorldwideMatcher(Lists(paths))
    codes = pa.DictionaryArray.from_arrays(pa.array([3, 3, 0], pa.int8()), pa.array(["en", "xx", "ja", "zh", None]))
    found = matcher.match(pa.array(["\u732b", "cat", "cat"]), codes)
    assert (rows(found), found.without_list, matcher.lists.loaded) == ([[1], [0], [1]], {}, 2)


def test_a_room_for_one_list_changes_no_result(paths):
    """Lists are given up and loaded again, once per language and batch."""
    matcher = WorldwideMatcher(Lists(paths, max_bytes=1))
    for _ in range(2):
        assert rows(matcher.match(pa.array(TEXTS), pa.array(CODES))) == EXPECTED
    assert (matcher.lists.loaded, matcher.lists.given_up) == (8, 7)


def test_empty_batches(matcher):
    """No texts, no codes, no rows; and nulls alone."""
    found = matcher.match(pa.array([], pa.string()), pa.array([], pa.string()))
    assert (found.matches.offsets.tolist(), found.matches.ids.tolist(), found.without_list) == ([0], [], {})
    assert rows(matcher.match(pa.nulls(2, pa.string()), pa.array(["en", "zh"]))) == [[], []]


PIECES = [
    "a",
    "b",
    "\u732b",
    "\u72d7",
    "\u0e41",
    "(",
    ")",
    ",",
    "!",
    "\u3002",
    "\u00e9",
    "\U00020000",
    " ",
    " ",
    "  ",
    "\n",
]
strings = st.lists(st.sampled_from(PIECES), max_size=10).map("".join)
entry_lists = st.lists(
    strings.filter(lambda entry: entry and not entry.isspace()), min_size=1, max_size=12, unique=True
)


@settings(max_examples=150)
@given(
    entries=st.lists(entry_lists, min_size=1, max_size=4),
    batch=st.lists(st.tuples(st.one_of(st.none(), strings), st.integers(0, 5)), max_size=12),
    on=st.builds(Switches, st.booleans(), st.booleans(), st.booleans(), st.booleans()),
    room=st.sampled_from([1, 1 << 15, 1 << 30]),
)
def test_any_batch_gives_what_the_definition_gives(edge_definition, tmp_path_factory, entries, batch, on, room):
    """For any lists, mix of codes with and without a list, switches, and bytes that may be kept at once."""
    folder = tmp_path_factory.mktemp("lists")
    for number, some in enumerate(entries):
        (folder / f"l{number}.json").write_text(json.dumps(some), encoding="utf-8")
    matcher = WorldwideMatcher(Lists(lists_in(folder), on, max_bytes=room))
    keywords = {name: getattr(on, name) for name in Switches.__dataclass_fields__}
    expected = [edge_definition(entries[at], text, **keywords) if at < len(entries) else [] for text, at in batch]
    codes = [f"l{at}" for _, at in batch]
    found = matcher.match(pa.array([text for text, _ in batch], pa.string()), pa.array(codes, pa.string()))
    assert rows(found) == expected
    assert sum(found.without_list.values()) == sum(at >= len(entries) and text is not None for text, at in batch)


def test_switches_reach_every_list(paths):
    """A matcher has the rule of its lists."""
    matcher = WorldwideMatcher(Lists(paths, Switches(kana_hangul_edges=True)))
    assert rows(matcher.match(pa.array(["\u767d\u3044\u30cd\u30b3\u3068"]), pa.array(["ja"]))) == [[2]]
    plain = WorldwideMatcher(Lists(paths))
    assert rows(plain.match(pa.array(["\u767d\u3044\u30cd\u30b3\u3068"]), pa.array(["ja"]))) == [[]]


def test_wrong_codes_are_refused(matcher):
    """Each error says what was got and expected."""
    texts = pa.array(["a", "b"])
    with pytest.raises(ConfigError, match="got 2 texts and 1 codes, expected as many codes as texts"):
        matcher.match(texts, pa.array(["en"]))
    with pytest.raises(ConfigError, match="got 4 as the code of a text, expected an index from 0 to 3"):
        matcher.match(texts, pa.array([0, 4]))
    with pytest.raises(ConfigError, match="got -1 as the code of a text"):
        matcher.match(texts, pa.array([0, -1]))
    with pytest.raises(ConfigError, match="got codes of type double, expected strings"):
        matcher.match(texts, pa.array([0.0, 1.0]))
    with pytest.raises(ConfigError, match="missing must be one of count, error, got 'drop'"):
        WorldwideMatcher(matcher.lists, missing="drop")


def test_a_pickled_matcher_gives_the_same_matches(matcher):
    """It is sent to tasks with the paths of the lists."""
    copy = pickle.loads(pickle.dumps(matcher))
    assert rows(copy.match(pa.array(TEXTS), pa.array(CODES))) == EXPECTED
    assert (copy.name, copy.missing, copy.lists.engine) == ("worldwide", "count", matcher.lists.engine)
