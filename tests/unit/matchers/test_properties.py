"""Every engine returns the ids of the definition, on generated inputs."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from metaclip_spark.matchers import ENGINES, ahocorasick, base, compile_matcher
from metaclip_spark.matchers.phrases import PhraseMatcher
from metaclip_spark.metadata import Metadata

ENTRIES = ["a \n b", "a", "b", "a b"]
TOKENS = [
    "a",
    "b",
    "ab",
    "aa",
    "aba",
    "A",
    "a" * 40,
    "ab" * 30,
    "\u00e9",
    "e\u0301",
    "\u732b",
    "\u9ed2\u732b",
    "\U0001f600",
    "\0",
    "\u00a0",
    "'a'",
    "a-b",
    "(",
    ",",
    ".",
    ";",
    ":",
    "?",
    "!",
    "`",
    "!!",
]
BETWEEN = [" ", " ", " ", " ", "", "  ", "\t", "\n", "\r", "\r\n"]

pieces = st.lists(st.tuples(st.sampled_from(TOKENS), st.sampled_from(BETWEEN)), max_size=8)
phrases = pieces.map(lambda pairs: "".join(token + gap for token, gap in pairs))
texts = st.one_of(st.none(), phrases, st.text(alphabet="ab \n.!\u00e9\U0001f600", max_size=12))


@st.composite
def lists_of_entries(draw) -> list[str]:
    """Entries: phrases, prefixes of phrases, and phrases with single spaces, so that many of them match."""
    made = []
    for phrase in draw(st.lists(phrases, min_size=1, max_size=8)):
        made += [phrase, phrase[: draw(st.integers(0, len(phrase)))], " ".join(phrase.split())]
    kept = [entry for entry in dict.fromkeys(made) if entry and not entry.isspace()]
    return kept or ["a"]


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=250)
@given(entries=lists_of_entries(), batch=st.lists(texts, max_size=6), limit=st.integers(1, 60))
@example(entries=ENTRIES, batch=["a", "b"], limit=60)
@example(entries=ENTRIES, batch=["a\nb", None, "a\n", "\nb"], limit=60)
@example(entries=["a b a b a", "b a"], batch=["a b a b a b a", None, "a"], limit=1)
def test_engine_equals_the_definition(definition, engine, entries, batch, limit):
    """A batch, in slices or windows of any size, gives each text exactly the entries that the definition gives it."""
    matcher = compile_matcher(Metadata.from_entries(entries), engine)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ahocorasick, "slices_by_bytes", lambda array: base.slices_by_bytes(array, limit))
        patch.setattr(PhraseMatcher, "window", limit)
        found = matcher.match(pa.array(batch, pa.string())).to_arrow().to_pylist()
    assert found == [definition(entries, text) for text in batch]


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=100)
@given(entries=lists_of_entries(), batch=st.lists(phrases, min_size=1, max_size=5))
def test_entries_cut_out_of_the_texts_are_found(definition, engine, entries, batch):
    """Whole texts as entries: each is found in its own text exactly when spacing leaves it as it is."""
    added = [text for text in dict.fromkeys(batch) if text and not text.isspace() and text not in entries]
    every = [*entries, *added]
    matcher = compile_matcher(Metadata.from_entries(every), engine)
    found = matcher.match(pa.array(batch)).to_arrow().to_pylist()
    assert found == [definition(every, text) for text in batch]
    for text, ids in zip(batch, found, strict=True):
        if text in every and not set(text) & set(",.;:?!`\t\n\r"):
            assert every.index(text) in ids


@settings(max_examples=200)
@given(batch=st.lists(texts, min_size=1, max_size=6))
def test_joining_and_cutting_is_spacing_each_text(batch):
    """The joined text equals the spaced texts, joined; the ends are at the line feeds."""
    joined = ahocorasick.joined_spaced(batch)
    ends = ahocorasick.text_ends(joined).tolist()
    assert len(ends) == len(batch) - 1
    parts = [joined[start:stop] for start, stop in zip([0, *(e + 1 for e in ends)], [*ends, None], strict=True)]
    plain = []
    for text in batch:
        spaced = f" {text or ''} "
        for char in ",.;:?!`":
            spaced = spaced.replace(char, f" {char} ")
        plain.append(spaced.replace("\t", " ").replace("\n", " ").replace("\r", " "))
    assert parts == plain
