"""Real captions against a real list of 500,000 entries."""

from __future__ import annotations

import gzip
import json

import ahocorasick as pyahocorasick
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from metaclip_spark.matchers import compile_matcher
from metaclip_spark.metadata import Metadata, load_metadata


def captions(folder) -> list[str | None]:
    found: list[str | None] = []
    for path in sorted(folder.glob("*.parquet")):
        found += pq.read_table(path, columns=["text"]).column("text").to_pylist()
    for path in sorted(folder.glob("*.tsv.gz")):
        with gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
            found += [line.split("\t")[0] for line in lines]
    return found


@pytest.fixture(scope="module")
def real(shared_data):
    """(texts, entries, compiled engine): every captions file, and the whole list."""
    texts = captions(shared_data / "captions")
    assert len(texts) > 100_000
    metadata = load_metadata(shared_data / "metadata" / "approx_500k.json.gz")
    return texts, metadata.entries, compile_matcher(metadata)


@pytest.fixture(scope="module")
def matched(real):
    """The ids that the engine finds, in batches as Spark sends them."""
    texts, _, matcher = real
    batches = [pa.array(texts[start : start + 8192], pa.string()) for start in range(0, len(texts), 8192)]
    return [ids for batch in batches for ids in matcher.match(batch).to_arrow().to_pylist()]


def test_batches_equal_a_loop_over_texts(real, matched):
    """The default engine finds in every caption the ids that pyahocorasick finds text by text."""
    texts, entries, matcher = real
    assert matcher.name == "phrases"
    automaton = pyahocorasick.Automaton(pyahocorasick.STORE_INTS)
    for number, entry in enumerate(entries):
        automaton.add_word(f" {entry} ", number)
    automaton.make_automaton()
    for text, found in zip(texts, matched, strict=True):
        spaced = f" {text or ''} "
        for char in ",.;:?!`":
            spaced = spaced.replace(char, f" {char} ")
        spaced = spaced.translate({9: " ", 10: " ", 13: " "})
        assert found == sorted({entry for _, entry in automaton.iter(spaced)}), text
    assert sum(map(len, matched)) > len(texts)


@pytest.mark.parametrize("engine", ["ahocorasick"])
def test_other_engines_find_the_same(real, matched, engine):
    """Every engine that is fast enough, over a sample of the captions."""
    texts, entries, _ = real
    matcher = compile_matcher(Metadata.from_entries(entries), engine)
    assert matcher.match(pa.array(texts[::8], pa.string())).to_arrow().to_pylist() == matched[::8]


def test_engine_equals_the_definition_on_real_texts(real, matched, definition):
    """A few dozen captions, scanned for each of the 500,000 entries, match what the engine says."""
    texts, entries, _ = real
    for index in range(0, len(texts), len(texts) // 24):
        assert matched[index] == definition(entries, texts[index]), texts[index]


def test_every_entry_is_found_in_itself_unless_it_can_never_match(real):
    """The list, matched against itself: an entry without padded characters is found in its own text."""
    _, entries, matcher = real
    sample = range(0, len(entries), 25)
    own = matcher.match(pa.array([entries[number] for number in sample])).to_arrow().to_pylist()
    for number, ids in zip(sample, own, strict=True):
        inner = set(entries[number]) & set(",.;:?!`\t\n\r")
        assert (number in ids) or inner, json.dumps(entries[number])
