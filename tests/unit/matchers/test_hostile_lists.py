"""Compiled lists whose checksum is right and whose content is not: no kernel reads outside of an array."""

from __future__ import annotations

import re

import numpy as np
import pytest
from array_files import sealed

from metaclip_spark.core.worldwide.switches import NO_SWITCHES, Switches
from metaclip_spark.errors import MetadataError
from metaclip_spark.matchers.phrases import PhraseMatcher
from metaclip_spark.matchers.phrases.builder import build
from metaclip_spark.matchers.phrases.compiled_list import KIND, problem_of
from metaclip_spark.matchers.worldwide.compiled import CompiledList
from metaclip_spark.metadata import Metadata
from metaclip_spark.storage.array_file import Layout, read_arrays

ENTRIES = ["cat", "york", "new york", "x" * 40, "a b c", "\u732b", "\u9ed1\u732b", "(a"]
LARGE = (1 << 31) - 1


def put(name: str, at: int, value: int):
    def change(header, arrays) -> None:
        arrays[name][at] = value

    return change


def describe(name: str, **entry):
    return lambda header, arrays: header["arrays"][name].update(entry)


def say(**values):
    return lambda header, arrays: header.update(values)


HOSTILE = {
    "more slots than there are": (put("head", 0, LARGE), "a table of"),
    "no slots": (put("head", 0, 0), "a table of"),
    "no buckets": (put("head", 1, 0), "a table of|the table of tokens is empty"),
    "slots below zero": (put("head", 0, -1), "a table of"),
    "overflow": (put("head", 2, LARGE), "a table of"),
    "a hash of no bits": (put("head", 4, 0), "a table of"),
    "a hash of 65 bits": (put("head", 4, 65), "a table of"),
    "a long token elsewhere": (lambda header, arrays: arrays["rest_at"].fill(LARGE), "a long token lies outside"),
    "a longer token": (lambda header, arrays: _longer(arrays["tokens"]), "a long token lies outside"),
    "an entry of another list": (lambda header, arrays: _entry(arrays["tokens"]), "it names entry 2147483648 of"),
    "transitions elsewhere": (put("levels", 3, LARGE), "a table of transitions lies outside"),
    "transitions below zero": (put("levels", 3, -5), "has a size that is none"),
    "transitions without slots": (put("levels", 0, 0), "has a size that is none"),
    "buckets elsewhere": (put("levels", 4, LARGE), "the buckets of a table of transitions"),
    "sums that overflow": (put("levels", 3, (1 << 63) - 1), "has a size that is none"),
    "another type": (describe("tokens", dtype="<f4"), "the header describes tokens"),
    "objects": (describe("tokens", dtype="|O"), "the header describes tokens"),
    "other dimensions": (describe("tokens", shape=[2, 2]), "the header describes tokens"),
    "a shape below zero": (describe("tokens", shape=[-4]), "the header describes tokens"),
    "a place below zero": (describe("tokens", at=-4096), "the header describes tokens"),
    "a place in the header": (describe("tokens", at=64), "tokens has .* outside of the file"),
    "a place after the end": (describe("tokens", at=1 << 40), "the header describes tokens"),
    "a place that is not aligned": (describe("tokens", at=4097), "tokens has .* outside of the file"),
    "no place": (describe("tokens", at=None), "the header describes tokens"),
    "a shape that is none": (describe("tokens", shape="long"), "the header describes tokens"),
    "no arrays": (say(arrays=[]), "it describes no arrays"),
    "an array that is none": (say(arrays={"head": 3}), "got no tokens"),
    "no format": (say(format=None), "got format None"),
    "no size": (say(bytes=None), "expected None"),
}


def _longer(tokens) -> None:
    sizes = tokens.view(np.uint32)[7::8]
    sizes[sizes == 40] = 41


def _entry(tokens) -> None:
    entries = tokens.view(np.uint32)[6::8]
    entries[entries == 0] = 1 << 31


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_list_is_refused_when_it_is_opened(tmp_path, name):
    """Each kind of table has a size, a place or a value that a kernel would follow out of the file."""
    change, message = HOSTILE[name]
    metadata, path = Metadata.from_entries(ENTRIES), tmp_path / "a.list"
    PhraseMatcher.of(metadata).write(path)
    sealed(path, change)
    with pytest.raises(MetadataError, match=f"{re.escape(str(path))}: .*({message}).*delete it, and it is recompiled"):
        PhraseMatcher.read(path, metadata.metadata_id)


WORLDWIDE = {
    "an entry too many": (say(entries=len(ENTRIES) - 3), "it names entry"),
    "no number of entries": (say(entries="8"), "with '8' entries"),
    "no id": (say(metadata_id=3), "it is of list 3"),
    "a page elsewhere": (put("pages", 5, 60_000), "a character has a page or a slot"),
    "fewer pages": (describe("pages", shape=[10]), "there are 10 pages"),
    "a slot elsewhere": (put("slots", 300, LARGE), "a character has a page or a slot"),
    "a slot below zero": (put("slots", 300, -1), "a character has a page or a slot"),
    "an edge entry of another list": (put("edge_tokens", 3, 99), "edge entries: it names entry 99"),
    "edge transitions elsewhere": (put("edge_levels", 3, LARGE), "edge entries: a table of transitions"),
}


@pytest.mark.parametrize("name", WORLDWIDE)
def test_a_hostile_worldwide_list_is_refused_when_it_is_opened(tmp_path, name):
    """The same for the tables of edge entries, and for repeats."""
    change, message = WORLDWIDE[name]
    path = tmp_path / "a.list"
    CompiledList.of(Metadata.from_entries(ENTRIES), NO_SWITCHES).write(path, "source")
    sealed(path, change)
    with pytest.raises(MetadataError, match=f"{re.escape(str(path))}: .*({message}).*delete it, and it is recompiled"):
        CompiledList.read(path, NO_SWITCHES, "source")


@pytest.mark.parametrize("value", [-1, 2, LARGE])
def test_a_repeat_of_no_entry_is_refused(tmp_path, value):
    """Under a switch, an entry may repeat an earlier one."""
    path = tmp_path / "a.list"
    CompiledList.of(Metadata.from_entries(["caf\u00e9", "cafe\u0301"]), Switches(nfc=True)).write(path, "source")
    sealed(path, put("repeats", 1, value))
    with pytest.raises(MetadataError, match="an entry repeats one that is not there"):
        CompiledList.read(path, Switches(nfc=True), "source")


def test_a_flipped_bit_of_the_header_is_seen(tmp_path):
    """The checksum covers the header, too: a changed number of entries is damage."""
    path = tmp_path / "a.list"
    CompiledList.of(Metadata.from_entries(ENTRIES), NO_SWITCHES).write(path, "source")
    path.write_bytes(path.read_bytes().replace(b'"entries": 8', b'"entries": 9'))
    with pytest.raises(MetadataError, match="its checksum differs"):
        CompiledList.read(path, NO_SWITCHES, "source")


@pytest.mark.parametrize("hash_bits", [1, 3, 64])
def test_built_lists_have_no_problem(hash_bits):
    """Nor those with many keys in the overflow."""
    entries = [f"{a} {b}" for a in "abcde" for b in range(30)] + ["y" * size for size in range(1, 60)]
    assert problem_of(build(Metadata.from_entries(entries), hash_bits), len(entries)) is None
    assert problem_of(build(Metadata(("\n",), "of none"), hash_bits), 1) is None


def test_a_header_of_ten_thousand_levels_is_refused(tmp_path):
    """Its parser has no room for them."""
    path = tmp_path / "a.list"
    path.write_bytes(KIND.magic + b"[" * 8000)
    with pytest.raises(MetadataError, match="the header is damaged"):
        read_arrays(path, KIND, {}, {"head": Layout("<i8")})
