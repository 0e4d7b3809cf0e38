"""The phrase matcher: exact for any hashes, any bounds of windows, and any Arrow buffers."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from array_files import damaged
from hypothesis import given, settings
from hypothesis import strategies as st

from metaclip_spark.errors import MetadataError
from metaclip_spark.matchers.phrases import PhraseMatcher, compiled_list
from metaclip_spark.matchers.phrases.builder import build
from metaclip_spark.matchers.phrases.grouped_ids import MAX_RANKED, RANKED, write_rows
from metaclip_spark.metadata import Metadata

SIZES = [1, 7, 8, 9, 15, 16, 17, 23, 24, 25, 40]
"""Sizes of tokens in bytes, around the bounds of the two words."""


def matcher_of(entries: list[str], hash_bits: int = 64, window: int | None = None) -> PhraseMatcher:
    metadata = Metadata.from_entries(entries)
    matcher = PhraseMatcher(metadata.metadata_id, build(metadata, hash_bits))
    if window is not None:
        matcher.window = window
    return matcher


def lists(matcher: PhraseMatcher, texts) -> list[list[int]]:
    array = texts if isinstance(texts, (pa.Array, pa.ChunkedArray)) else pa.array(texts, pa.string())
    return matcher.match(array).to_arrow().to_pylist()


@pytest.mark.parametrize("hash_bits", [1, 2, 3, 5, 8])
def test_colliding_hashes_cost_time_and_change_nothing(definition, hash_bits):
    """With hashes of a few bits most keys are in the overflow, and every answer is still exact."""
    words = [f"w{number}" for number in range(40)] + ["x" * size + end for size in SIZES for end in "ab"]
    entries = [*words, *(f"{a} {b}" for a, b in zip(words, words[1:], strict=False)), "w1 w2 w3", "w1 w2 w3 w4 w5"]
    tables = build(Metadata.from_entries(entries), hash_bits)
    assert tables.head[compiled_list.OVERFLOW] + tables.depths[:, compiled_list.DEPTH_OVERFLOW].sum() > 20
    texts = [" ".join(words[start : start + 9]) for start in range(len(words))] + ["w1 w2 w99 w3", "w5 w1, w2", "x"]
    assert lists(matcher_of(entries, hash_bits), texts) == [definition(entries, text) for text in texts]


@settings(max_examples=150)
@given(
    pieces=st.lists(st.lists(st.sampled_from(["a", "aa", "b" * 17, "b" * 18, ",", "", "\u00e9", "a\tb"]), max_size=5)),
    bits=st.sampled_from([1, 4, 64]),
    window=st.integers(1, 50),
)
def test_any_texts_hashes_and_windows_give_what_the_definition_gives(definition, pieces, bits, window):
    """Entries that are prefixes of each other, and repeated and long tokens, for any bounds of windows."""
    phrases = [" ".join(piece) for piece in pieces]
    entries = [entry for entry in dict.fromkeys([*phrases, "a", "a a", "a a a a"]) if entry and not entry.isspace()]
    texts = [*phrases, " ".join(phrases), "a " * 40 + "b"]
    assert lists(matcher_of(entries, bits, window), texts) == [definition(entries, text) for text in texts]


@pytest.mark.parametrize("size", SIZES)
def test_tokens_that_differ_in_one_byte_anywhere_are_different(definition, size):
    """Every byte counts, also beyond the sixteen that are compared as words."""
    base = "x" * size
    others = [base[:at] + "y" + base[at + 1 :] for at in range(size)] + [base + "x", base[:-1] + "\0", base + "\0"]
    entries = [base, *others[::2]]
    texts = [base, *others, f"{base} {base}", f"z {others[-1]}"]
    assert lists(matcher_of(entries), texts) == [definition(entries, text) for text in texts]


@pytest.mark.parametrize("text", ["", "a", "a b", "ab,", "abcdefgh", "a b c d e f g"])
def test_buffers_shorter_than_what_is_read_at_once(definition, text):
    """Batches of a few bytes in all, whose buffer ends with the text."""
    entries = ["a", "b", "a b", "ab", "abcdefgh", "f g"]
    buffer = pa.py_buffer(text.encode())
    array = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(np.array([0, len(text)], np.int32)), buffer])
    assert lists(matcher_of(entries), array) == [definition(entries, text)]


def test_bytes_beneath_a_null_are_not_read(definition):
    """A null's row may have bytes in the buffer; they belong to no text."""
    offsets, valid = np.array([0, 3, 6, 6, 9], np.int32), np.array([0b1101], np.uint8)
    array = pa.Array.from_buffers(
        pa.string(), 4, [pa.py_buffer(valid), pa.py_buffer(offsets), pa.py_buffer(b"catdogcat" + b" " * 20)]
    )
    assert array.to_pylist() == ["cat", None, "", "cat"]
    for window in (1, 4, 100):
        assert lists(matcher_of(["cat", "dog", "catdog"], window=window), array) == [[0], [], [], [0]]


def test_chunked_arrays_are_matched_chunk_by_chunk(definition):
    """Chunks, empty ones too, are one column."""
    chunks = pa.chunked_array([["a cat", None], [], ["cat", "new york"]], pa.string())
    assert lists(matcher_of(["cat", "york", "new york"]), chunks) == [[0], [], [0], [1, 2]]
    assert lists(matcher_of(["cat"]), pa.chunked_array([], pa.string())) == []


def test_texts_longer_than_a_window(definition):
    """Texts over 64 KB, with phrases across every border, between short ones."""
    rng = np.random.default_rng(0)
    words = np.array(["a", "bb", "ccc,", "dddd", "a b", "x" * 30, "e."])
    long = [" ".join(words[rng.integers(0, len(words), 30_000)]) for _ in range(3)]
    entries = ["a", "a b", "bb dddd", "a b a b", "dddd a b a", "x" * 30, "e .  a", "e"]
    texts = ["a b", *long, "dddd", None, long[0][:70_000], ""]
    assert min(len(text) for text in long) > 1 << 16
    assert lists(matcher_of(entries), texts) == [definition(entries, text) for text in texts]


def test_more_texts_than_a_window_holds():
    """Many texts of no or few bytes fill a window by their number."""
    texts = ["", "a", None, "a a"] * 5_000
    assert lists(matcher_of(["a", "a a"]), texts) == [[], [0], [], [0, 1]] * 5_000


def test_a_text_of_thousands_of_ids_is_ascending_and_distinct():
    """Far more ids than the sort by rank takes."""
    entries = [f"w{number}" for number in range(3_000)]
    order = np.random.default_rng(1).permutation(3_000)
    text = " ".join(entries[number] for number in [*order, *order])
    assert lists(matcher_of(entries), [text, "w7"]) == [list(range(3_000)), [7]]


def test_ids_of_a_text_are_sorted_for_any_number_of_them():
    """Each way to sort, at the bounds of their sizes, with repeats, small ids and the largest."""
    rng = np.random.default_rng(0)
    sizes = [*range(70), 127, 128, 129, 1000]
    for top in (3, 100, 1 << 14, 500_000, np.iinfo(np.int32).max):
        rows = [rng.integers(0, top, size).astype(np.int32) for size in sizes]
        grouped = np.concatenate([*rows, np.zeros(MAX_RANKED, np.int32)])
        ends, written = np.cumsum(sizes), np.zeros(len(sizes), np.int32)
        out = np.zeros(len(grouped), np.int32)
        total = write_rows(grouped, ends, len(sizes), np.zeros(RANKED, np.int32), out, 0, written)
        distinct = [np.unique(row) for row in rows]
        assert out[:total].tolist() == np.concatenate(distinct).tolist()
        assert written.tolist() == np.cumsum([len(row) for row in distinct]).tolist()


def test_a_batch_larger_than_a_call(monkeypatch):
    """A batch is looked up slice by slice."""
    monkeypatch.setattr("metaclip_spark.matchers.phrases.SLICE_BYTES", 100)
    texts = ["cat and a dog"] * 50 + ["cat " * 100]
    assert lists(matcher_of(["cat", "a dog"]), texts) == [[0, 1]] * 50 + [[0]]


@pytest.fixture
def written(tmp_path):
    """A compiled list in a file, and its metadata."""
    metadata = Metadata.from_entries(["cat", "new york", "york", "x" * 40, "a b c"])
    path = tmp_path / "cats.list"
    PhraseMatcher.of(metadata).write(path)
    return path, metadata


def test_a_compiled_list_is_the_same_from_its_file(written):
    """The mapped arrays equal the built ones; no other file remains."""
    path, metadata = written
    mapped, built = PhraseMatcher.read(path, metadata.metadata_id), PhraseMatcher.of(metadata)
    for name, a, b in zip(compiled_list.Compiled._fields, mapped._tables, built._tables, strict=True):
        assert (a.dtype, a.tolist()) == (b.dtype, b.tolist()), name
    texts = ["new york cat", "x" * 40, "a b c"]
    assert lists(mapped, texts) == lists(built, texts) == [[0, 1, 2], [3], [4]]
    assert os.listdir(path.parent) == [path.name]


def test_a_write_that_fails_leaves_nothing(written, monkeypatch):
    """The old file remains, and no part of a new one."""
    path, metadata = written
    before = path.read_bytes()
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        PhraseMatcher.of(metadata).write(path)
    assert (os.listdir(path.parent), path.read_bytes()) == ([path.name], before)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("truncated", r"got [\d,]+ bytes, expected [\d,]+"),
        ("cut in its header", "is not a compiled list"),
        ("empty", "cannot be mapped as a compiled list"),
        ("foreign", "is not a compiled list \\(starts with b'PAR1"),
        ("another format", "got format 9, expected 2"),
        ("another header", "the header is damaged"),
        ("flipped", "its checksum differs"),
    ],
)
def test_files_that_are_not_a_whole_compiled_list_are_refused(written, how, message):
    """Each error names what it got, what it expected and what to do next."""
    path, metadata = written
    path.write_bytes(damaged(path.read_bytes(), how))
    with pytest.raises(MetadataError, match=f"{re.escape(str(path))}: .*{message}.*delete it, and it is recompiled"):
        PhraseMatcher.read(path, metadata.metadata_id)


def test_a_compiled_list_of_other_entries_is_refused(written):
    """The file names its list."""
    path, _ = written
    with pytest.raises(MetadataError, match="got a compilation of list [0-9a-f]{16}, expected [0-9a-f]{16}"):
        PhraseMatcher.read(path, Metadata.from_entries(["dog"]).metadata_id)


READER = """
import sys
from metaclip_spark.matchers.phrases import PhraseMatcher
path, metadata_id = sys.argv[1:]
matcher = PhraseMatcher.read(path, metadata_id)
total = sum(int(array.view('u1').sum()) for array in matcher._tables)
print("mapped", flush=True)
sys.stdin.readline()
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/smaps"), reason="there is no /proc to read shared memory from")
def test_processes_that_map_a_list_share_one_copy(tmp_path):
    """Two processes read all pages of a list of 30,000 entries: both map the file itself, without a copy."""
    metadata = Metadata.from_entries([f"entry {number}" for number in range(30_000)])
    path = tmp_path / "big.list"
    PhraseMatcher.of(metadata).write(path)
    command = [sys.executable, "-c", READER, str(path), metadata.metadata_id]
    readers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        assert [reader.stdout.readline() for reader in readers] == ["mapped\n"] * 2
        memories = [memory_of(reader.pid, str(path)) for reader in readers]
        for memory in memories:
            assert memory["Rss"] >= path.stat().st_size // 1024 * 0.9
            assert memory["Private_Dirty"] + memory["Anonymous"] == 0  # nothing but the file's own pages
        assert [memory["inode"] for memory in memories] == [path.stat().st_ino] * 2
    finally:
        for reader in readers:
            reader.communicate("\n")


def memory_of(pid: int, path: str) -> dict[str, int]:
    """Return the inode and the KiB of a file's mapping in a process."""
    with open(f"/proc/{pid}/smaps", encoding="utf-8") as lines:
        before, _, after = lines.read().partition(path)
    sizes = {name: int(value) for name, value in re.findall(r"^(\w+): +(\d+) kB", after.partition("VmFlags")[0], re.M)}
    return {**sizes, "inode": int(before.split()[-1])}
