"""The lists of many languages: loaded when they are needed, given up when there is no room, refused when damaged."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import re
import threading

import pyarrow as pa
import pytest
from array_files import damaged

from metaclip_spark.errors import ConfigError, MetadataError
from metaclip_spark.matchers.worldwide import Lists, Switches, lists, lists_in
from metaclip_spark.matchers.worldwide.compiled import CompiledList
from metaclip_spark.metadata import Metadata

ENTRIES = {
    "en": ["cat", "new york", "(c)", "york"],
    "zh": ["\u732b", "\u9ed1\u732b", "iPhone"],
    "th": ["\u0e41\u0e21\u0e27", "\u0e41\u0e21"],
    "fr": ["caf\u00e9", "chat"],
}


@pytest.fixture
def folder(tmp_path):
    """A folder with a list for each of four languages, and files that are no lists."""
    path = tmp_path / "lists"
    path.mkdir()
    for code, entries in ENTRIES.items():
        (path / f"{code}.json.gz").write_bytes(gzip.compress(json.dumps(entries).encode()))
    (path / "languages.yaml").write_text("en: en\n", encoding="utf-8")
    (path / "fr.source.json").write_text("{}", encoding="utf-8")
    return path


def found(matcher, *texts: str) -> list[list[int]]:
    return matcher.match(pa.array(texts)).to_arrow().to_pylist()


def test_a_folder_names_its_lists(folder):
    """Other files are passed over; the codes are in ascending order."""
    assert {code: path.name for code, path in lists_in(folder).items()} == {
        code: f"{code}.json.gz" for code in ("en", "fr", "th", "zh")
    }
    assert Lists(lists_in(folder)).codes == ("en", "fr", "th", "zh")


def test_two_lists_of_one_language_are_refused(folder):
    """It would be unclear which one counts."""
    (folder / "zh.txt").write_text("\u732b\n", encoding="utf-8")
    with pytest.raises(MetadataError, match=r"got two lists of zh, zh\.json\.gz and zh\.txt; remove one\."):
        lists_in(folder)


def test_folders_without_lists_are_refused(tmp_path):
    """A missing folder, and an empty one."""
    with pytest.raises(MetadataError, match=r"no such folder, expected one with <code>\.json"):
        lists_in(tmp_path / "none")
    with pytest.raises(MetadataError, match=r"the folder has no list, expected <code>\.json"):
        lists_in(tmp_path)
    with pytest.raises(ConfigError, match="got no list of any language"):
        Lists({})


def test_a_list_is_compiled_when_it_is_needed_and_once(folder, tmp_path, monkeypatch):
    """Only the languages that come are compiled; another object maps the file."""
    compiled = tmp_path / "compiled"
    many = Lists(lists_in(folder), compiled=compiled)
    assert not compiled.exists()
    assert found(many.get("zh"), "\u4e00\u53ea\u9ed1\u732b iPhone") == [[0, 1, 2]]
    assert [name.split("-")[0] for name in os.listdir(compiled)] == ["zh"]
    monkeypatch.setattr(CompiledList, "of", lambda *_: pytest.fail("compiled a second time"))
    again = Lists(lists_in(folder), compiled=compiled)
    assert found(again.get("zh"), "\u9ed1\u732b") == [[0, 1]]
    assert again.get("zh").metadata_id == Metadata.from_entries(ENTRIES["zh"]).metadata_id
    assert (again.get("zh").n_entries, again.loaded, again.given_up) == (3, 1, 0)


def test_a_changed_list_and_other_switches_are_compiled_again(folder, tmp_path):
    """A file is of one content and one rule."""
    compiled = tmp_path / "compiled"
    assert found(Lists(lists_in(folder), compiled=compiled).get("fr"), "cafe\u0301 \u00abchat\u00bb") == [[]]
    on = Lists(lists_in(folder), Switches(pad_punctuation=True, nfc=True), compiled=compiled)
    assert found(on.get("fr"), "cafe\u0301 \u00abchat\u00bb") == [[0, 1]]
    (folder / "fr.json.gz").write_bytes(gzip.compress(json.dumps(["chat"]).encode()))
    assert found(Lists(lists_in(folder), compiled=compiled).get("fr"), "chat") == [[0]]
    assert len(os.listdir(compiled)) == 3


def test_workers_map_what_was_prepared_and_do_not_read_the_lists(folder, tmp_path):
    """A list that changed since is read where its compiled form is gone, and compiled under its new hash."""
    many = Lists(lists_in(folder), compiled=tmp_path / "compiled")
    many.prepare()
    sent = pickle.dumps(many)
    (folder / "zh.json.gz").write_bytes(gzip.compress(json.dumps(["another"]).encode()))
    assert pickle.loads(sent).get("zh").metadata_id == Metadata.from_entries(ENTRIES["zh"]).metadata_id
    for compiled in (tmp_path / "compiled").glob("zh-*"):
        compiled.unlink()
    assert pickle.loads(sent).get("zh").metadata_id == Metadata.from_entries(["another"]).metadata_id
    assert Lists(lists_in(folder), compiled=tmp_path / "compiled").get("zh").n_entries == 1


def test_lists_are_given_up_by_bytes_the_oldest_use_first(folder):
    """The list in use stays, whatever its size; a list that was given up is loaded again."""
    size = {code: Lists(lists_in(folder)).get(code).nbytes for code in ENTRIES}
    many = Lists(lists_in(folder), max_bytes=size["en"] + size["zh"] + size["th"])
    for code in ("en", "zh", "th", "en"):
        many.get(code)
    assert (many.loaded, many.given_up, many.nbytes) == (3, 0, size["en"] + size["zh"] + size["th"])
    many.get("fr")  # zh was used longest ago
    assert many.nbytes <= many.max_bytes
    given_up = many.given_up
    assert given_up >= 1
    many.get("en")
    assert many.loaded == 4
    many.get("zh")
    assert many.loaded == 5
    small = Lists(lists_in(folder), max_bytes=1)
    assert found(small.get("en"), "cat") == [[0]]
    assert small.nbytes == size["en"] > small.max_bytes
    small.get("zh")
    assert (small.nbytes, small.given_up) == (size["zh"], 1)


def test_a_list_that_was_given_up_leaves_memory(folder, tmp_path):
    """Nothing else maps its file."""
    many = Lists(lists_in(folder), compiled=tmp_path / "compiled", max_bytes=1)
    many.get("en")
    maps = "/proc/self/maps"
    if not os.path.exists(maps):
        pytest.skip("there is no /proc to read the mapped files from")
    assert "en-" in mapped(maps, tmp_path)
    many.get("zh")
    assert "zh-" in mapped(maps, tmp_path)
    assert "en-" not in mapped(maps, tmp_path)


def mapped(maps, folder) -> str:
    with open(maps, encoding="utf-8") as lines:
        return " ".join(os.path.basename(line.split()[-1]) for line in lines if str(folder) in line)


def test_prepare_says_what_the_lists_are_and_keeps_none(folder, tmp_path):
    """It compiles all, in the folder."""
    many = Lists(lists_in(folder), compiled=tmp_path / "compiled")
    infos = many.prepare()
    assert {code: info.n_entries for code, info in infos.items()} == {code: len(ENTRIES[code]) for code in ENTRIES}
    assert infos["en"].metadata_id == Metadata.from_entries(ENTRIES["en"]).metadata_id
    assert all(info.nbytes > 0 for info in infos.values())
    assert (many.nbytes, len(os.listdir(tmp_path / "compiled"))) == (0, 4)
    assert list(many.prepare(["th"])) == ["th"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[]", "the list is empty"),
        (b'["caf\xe9"]', "is not UTF-8"),
        (b'["cat", ""]', r"position 1 \(from 0\) holds an empty entry"),
        (b'{"cat": 1}', "the JSON is an object, expected an array of strings"),
        (None, "zh.json: (no such file|cannot be read)"),
    ],
)
@pytest.mark.parametrize("compiled", [False, True])
def test_lists_that_cannot_be_used_are_clear_errors(tmp_path, content, message, compiled):
    """An empty list, a wrong encoding, a wrong kind, no file: named with the file, in `prepare` and in `get`."""
    path = tmp_path / "zh.json"
    if content is not None:
        path.write_bytes(content)
    many = Lists({"zh": path}, compiled=tmp_path / "compiled" if compiled else None)
    for attempt in (many.prepare, lambda: many.get("zh")):
        with pytest.raises(MetadataError, match=message):
            attempt()
    assert many.nbytes == 0
    assert not compiled or not (tmp_path / "compiled").exists() or os.listdir(tmp_path / "compiled") == []


def test_unknown_codes_and_engines_are_refused(folder):
    """The errors name what there is."""
    with pytest.raises(ConfigError, match=r"there is no list 'xx'; got lists for en, fr, th, zh\."):
        Lists(lists_in(folder)).get("xx")
    with pytest.raises(ConfigError, match="got '../en' as the code of a list"):
        Lists({"../en": folder / "en.json.gz"})
    with pytest.raises(ConfigError, match=r"matcher must be one of auto, phrases, ahocorasick, naive, got 'regex'\."):
        Lists(lists_in(folder), engine="regex")


def test_without_numba_pyahocorasick_matches_and_one_line_says_so(folder, monkeypatch):
    """The ids are the same."""
    monkeypatch.setattr(lists, "find_spec", lambda name: None)
    with pytest.warns(UserWarning, match="^numba is not installed: pyahocorasick matches the texts") as warned:
        many = Lists(lists_in(folder))
    assert (len(warned), many.engine) == (1, "ahocorasick")
    assert found(many.get("zh"), "\u4e00\u53ea\u9ed1\u732b iPhone") == [[0, 1, 2]]
    assert many.nbytes > 0


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("truncated", r"got [\d,]+ bytes, expected [\d,]+"),
        ("foreign", "is not a compiled list of worldwide mode \\(starts with b'PAR1"),
        ("another format", "got format 9, expected 3"),
        ("another rule", "got rule edge9, expected edge1"),
        ("flipped", "its checksum differs"),
    ],
)
def test_damaged_compiled_lists_are_refused(folder, tmp_path, how, message):
    """Each error names the file, and what to do next."""
    many = Lists({"en": folder / "en.json.gz"}, compiled=tmp_path / "compiled")
    many.prepare()
    (path,) = (tmp_path / "compiled").iterdir()
    path.write_bytes(damaged(path.read_bytes(), how))
    with pytest.raises(MetadataError, match=f"{re.escape(str(path))}: .*{message}.*delete it, and it is recompiled"):
        many.get("en")


def test_a_compiled_list_is_the_same_from_its_file(folder, tmp_path):
    """All arrays are equal, repeats too."""
    metadata = Metadata.from_entries(["caf\u00e9", "cafe\u0301", "\u732b", "(a b", "x" * 40, "a b c"])
    built = CompiledList.of(metadata, Switches(nfc=True))
    built.write(tmp_path / "a.list", "source")
    read = CompiledList.read(tmp_path / "a.list", Switches(nfc=True), "source")
    assert (read.metadata_id, read.n_entries, read.nbytes) == (metadata.metadata_id, 6, built.nbytes)
    for a, b in zip(read._arrays(), built._arrays(), strict=True):
        assert (a.dtype, a.shape, a.tolist()) == (b.dtype, b.shape, b.tolist())
    texts = ["cafe\u0301 \u9ed1\u732b (a b c", "x" * 40]
    assert found(read, *texts) == found(built, *texts) == [[0, 1, 2, 3], [4]]
    with pytest.raises(MetadataError, match="got source source, expected other; delete it"):
        CompiledList.read(tmp_path / "a.list", Switches(nfc=True), "other")


def test_a_pickled_list_gives_the_same_matches():
    """Its tables are elsewhere in memory."""
    built = CompiledList.of(Metadata.from_entries(["\u732b", "(a", "a", "a b"]), Switches())
    copy = pickle.loads(pickle.dumps(built))
    assert found(copy, "(a b\u732b", "a b") == found(built, "(a b\u732b", "a b") == [[0, 1], [2, 3]]
    assert (copy.addresses[::2] != built.addresses[::2]).any()
    assert copy.addresses[1::2].tolist() == built.addresses[1::2].tolist()


def test_a_pickled_object_has_no_lists(folder, tmp_path):
    """A task gets the paths, and loads what it meets."""
    many = Lists(lists_in(folder), compiled=tmp_path / "compiled")
    many.get("en")
    copy = pickle.loads(pickle.dumps(many))
    assert len(pickle.dumps(many)) < 2_000
    assert (copy.nbytes, copy.codes) == (0, many.codes)
    assert found(copy.get("en"), "cat in new york") == [[0, 1, 3]]


def test_threads_that_need_a_list_at_once_load_it_once(folder, tmp_path):
    """The others wait."""
    many = Lists(lists_in(folder), compiled=tmp_path / "compiled")
    threads = [threading.Thread(target=many.get, args=("en",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert many.loaded == 1
    assert [name.split("-")[0] for name in os.listdir(tmp_path / "compiled")] == ["en"]
