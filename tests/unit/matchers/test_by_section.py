"""The matcher whose ids are those of the lists one after the other: on one machine, and with lists that were sent."""

from __future__ import annotations

import functools
import json
import pickle
import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from worldwide_pool import LISTS, write_lists

from metaclip_spark.errors import MetadataError
from metaclip_spark.matchers.worldwide.by_section import SectionMatcher, SentLists, compiled_lists, matched_by_list
from metaclip_spark.metadata.worldwide.entries import SentEntries, WorldwideMetadata
from metaclip_spark.metadata.worldwide.lists import WorldwideLists

TEXTS = pa.array(["a dog!", "黒猫の写真", "一只猫", "dog", None, "Hund und Katze"])
OF = pa.array(["en", "ja", "zh", "other", "en", "de"])


def in_folder(folder: Path, name: str) -> str:
    """Return the path of a file that was sent."""
    return str(folder / name)


@pytest.fixture
def metadata(tmp_path) -> WorldwideMetadata:
    """Return the lists of a folder, one of which has a switch."""
    return WorldwideMetadata.read(WorldwideLists.open(write_lists(tmp_path / "lists", switches={"ja": ["nfc"]})))


def test_ids_are_those_of_the_lists_one_after_the_other(metadata):
    """The entries with the ids of a text are of its list."""
    found = compiled_lists(metadata).match(TEXTS, OF)
    entries = [[metadata.entries[at] for at in ids] for ids in found.to_arrow().to_pylist()]
    english, japanese = ["a", "dog", "a dog", "!"], ["猫", "写真", "黒猫"]
    assert entries == [english, japanese, ["一只猫", "猫"], ["dog"], [], ["Hund", "Katze", "und"]]
    for name, ids in zip(OF.to_pylist(), found.to_arrow().to_pylist(), strict=True):
        start, stop = metadata.sections.range(name)
        assert all(start <= at < stop for at in ids)


def test_lists_that_were_sent_give_the_same_ids(metadata, tmp_path):
    """A task on another machine has the compiled files alone, under the names that they were sent with."""
    matcher = compiled_lists(metadata)
    there = tmp_path / "sent"
    there.mkdir()
    files, switches = {}, {name: matcher.lists.switches_of(name) for name in matcher.lists.codes}
    for name, (path, source) in matcher.lists.compiled_files().items():
        shutil.copy(path, there)
        files[name] = path.name, source
    expected = matcher.match(TEXTS, OF).to_arrow()
    shutil.rmtree(tmp_path / "lists")
    sent = SentLists(files, switches, functools.partial(in_folder, there))
    other = pickle.loads(pickle.dumps(SectionMatcher(matcher.metadata_id, matcher.sections, sent)))
    assert other.match(TEXTS, OF).to_arrow().equals(expected)
    assert not [name for name, on in switches.items() if (name == "ja") != on.nfc]


def test_entries_that_were_sent_are_the_same(metadata, tmp_path):
    """They need the files alone; a list is read when an entry of it is needed, and not pickled."""
    there = tmp_path / "there"
    there.mkdir()
    files = {name: f"{name}-sent.json" for name in LISTS}
    for name, file in metadata.lists.files.items():
        shutil.copy(file, there / files[name])
    expected = list(metadata.entries)
    shutil.rmtree(tmp_path / "lists")
    sent = SentEntries(metadata.sections, files, functools.partial(in_folder, there))
    other = pickle.loads(pickle.dumps(sent))
    assert list(other) == expected
    assert len(pickle.dumps(other)) == len(pickle.dumps(sent))
    for name in set(LISTS) - {"th"}:
        (there / files[name]).unlink()
    start, _ = metadata.sections.range("th")
    assert pickle.loads(pickle.dumps(other))[start] == LISTS["th"][0]


def test_texts_without_a_list_have_no_ids(metadata):
    """A null text gives null, and a text without a list an empty list."""
    lists = pa.array(["en", None, "zh", None, "en", "de"])
    found = matched_by_list(compiled_lists(metadata), TEXTS, lists).to_pylist()
    assert [ids if ids is None else bool(ids) for ids in found] == [True, False, True, False, None, True]


def test_a_list_that_changes_meanwhile_is_refused(metadata, tmp_path):
    """The id of all lists would be of another content."""
    changed = [*LISTS["en"], "another"]
    (tmp_path / "lists" / "en.json").write_text(json.dumps(changed), encoding="utf-8")
    with pytest.raises(MetadataError, match="the list en changed while this command read it"):
        compiled_lists(metadata)
