"""A folder of lists: which list a language has, ids, and what is refused."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import zipfile

import pytest

from metaclip_spark.errors import MetadataError
from metaclip_spark.metadata import Source, build, load_metadata, metadata_id, shipped
from metaclip_spark.metadata.shipped import shipped_languages
from metaclip_spark.metadata.worldwide import WorldwideLists

YAML = """
format: 1
codes:
  en: {list: en, by: upstream, reason: "Version 1."}
  sw: {list: sw, by: ours, reason: "No source."}
  th: {list: th, by: upstream, reason: "Its own."}
  yue: {list: zh, by: ours, reason: "Cantonese."}
lists:
  en: {shipped: wordnet}
  sw: {missing: "No source."}
  th: {file: th.json}
  zh: {file: zh.json.gz}
"""


@pytest.fixture
def folder(tmp_path):
    """A folder with its own languages.yaml, one plain and one compressed list."""
    (tmp_path / "languages.yaml").write_text(YAML)
    (tmp_path / "th.json").write_text(json.dumps(["แมว", "หมา"]))
    (tmp_path / "zh.json.gz").write_bytes(gzip.compress(json.dumps(["猫"]).encode()))
    return tmp_path


def test_a_code_leads_to_its_list(folder):
    """Merged codes share a list, a missing list is None, and English may be one that ships."""
    lists = WorldwideLists.open(folder)
    assert [lists.list_of(code) for code in ("th", "yue", "sw", "en")] == ["th", "zh", None, "en"]
    assert lists.load("zh").entries == ("猫",)
    assert lists.load("en") == load_metadata("wordnet")
    assert lists.ids["th"] == metadata_id(["แมว", "หมา"])


def test_the_id_of_the_whole_changes_with_codes_lists_and_switches(folder):
    """It is the same for another form of the file, and another one for every change that may change a match."""

    def whole() -> str:
        return WorldwideLists.open(folder).worldwide_id

    before, seen = whole(), set()
    (folder / "th.json.gz").write_bytes(gzip.compress((folder / "th.json").read_bytes()))
    (folder / "th.json").unlink()
    (folder / "languages.yaml").write_text(YAML.replace("th.json", "th.json.gz").replace("Cantonese.", "Canton."))
    assert whole() == before
    compressed = YAML.replace("th.json", "th.json.gz")
    for text in (
        compressed.replace("yue: {list: zh", "yue: {list: th").replace("sw: {list: sw", "sw: {list: zh") + "\n",
        compressed.replace("{file: zh.json.gz}", "{file: zh.json.gz, switches: [nfc]}"),
        compressed.replace("{file: zh.json.gz}", "{file: zh.json.gz, switches: [zero_width]}"),
        compressed.replace("{shipped: wordnet}", "{missing: none}"),
        compressed.replace("  yue:", "  wuu:"),
    ):
        if "sw: {list: zh" in text:
            text = text.replace('  sw: {missing: "No source."}\n', "")
        (folder / "languages.yaml").write_text(text)
        seen.add(whole())
    (folder / "languages.yaml").write_text(compressed)
    (folder / "zh.json.gz").write_bytes(gzip.compress(json.dumps(["猫", "犬"]).encode()))
    assert len({before, *seen, whole()}) == 7


def test_a_folder_without_languages_has_the_shipped_codes(tmp_path):
    """Its files are lists of those names; the others are not there."""
    (tmp_path / "fi.json").write_text('["koira"]')
    lists = WorldwideLists.open(tmp_path)
    assert (lists.list_of("fi"), lists.list_of("sv")) == ("fi", None)
    with pytest.raises(MetadataError, match=r"there is no list 'sv' \(.*\); the lists are fi\."):
        lists.load("sv")
    with pytest.raises(MetadataError, match="no list is called 'xx'; the lists are fi"):
        lists.load("xx")
    (tmp_path / "xx.json").write_text('["a"]')
    with pytest.raises(MetadataError, match=r"xx\.json is the list of no language"):
        WorldwideLists.open(tmp_path)


def test_ids_come_from_sidecars_and_are_verified(folder):
    """Opening reads no list that has a sidecar; loading a list that has changed since is refused."""
    build(["แมว"], folder / "zh.json.gz", [Source("a", "1", "none", 1, {})], "order")
    lists = WorldwideLists.open(folder)
    assert lists.ids["zh"] == metadata_id(["แมว"])
    assert lists.load("zh").entries == ("แมว",)
    (folder / "zh.json.gz").write_bytes(gzip.compress(b'["dog"]'))
    changed = WorldwideLists.open(folder)
    with pytest.raises(MetadataError, match=r"zh\.json\.gz: its entries have the id .*build the list again, or remove"):
        changed.load("zh")
    (folder / "zh.sidecar.json").write_text("{}")
    with pytest.raises(MetadataError, match=r"zh\.sidecar\.json: has no metadata_id and entries"):
        WorldwideLists.open(folder)
    (folder / "zh.sidecar.json").write_text('{"metadata_id": "abc", "entries": 1}')
    with pytest.raises(MetadataError, match="expected a sha256 in hex"):
        WorldwideLists.open(folder)
    (folder / "zh.sidecar.json").write_text(json.dumps({"metadata_id": "a" * 64, "entries": 0}))
    with pytest.raises(MetadataError, match="entries is 0, expected their number"):
        WorldwideLists.open(folder)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("zh.json.gz", None, r"zh\.json\.gz is missing, the list zh of languages\.yaml"),
        ("th.json", b"[]", r"th\.json: the list is empty"),
        ("th.json", '["แมว"]'.encode("utf-16"), r"th\.json: is not UTF-8"),
        ("th.json", b'["\xe4"]', r"th\.json: is not UTF-8 \(byte 0xe4"),
        ("th.json", b'{"a": 1}', r"th\.json: the JSON is an object"),
        ("th.json", b'["a", "a"]', r"th\.json: 1 entry repeats"),
        ("th.json.gz", gzip.compress(b'["a"]'), r"th\.json and th\.json\.gz are both the list th"),
        ("sw.json", b'["paka"]', r"languages\.yaml has no file: for sw\.json"),
        ("ab.json", b'["a"]', r"ab\.json is the list of no language"),
    ],
)
def test_a_faulty_folder_is_refused(folder, name, content, message):
    """Each fault has one sentence."""
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    with pytest.raises(MetadataError, match=message):
        WorldwideLists.open(folder)


def test_a_missing_folder_is_refused(tmp_path):
    """A file, nothing at all, and a folder without lists."""
    with pytest.raises(MetadataError, match=r"no such folder, expected a folder of <language>\.json\[\.gz\]"):
        WorldwideLists.open(tmp_path / "none")
    (tmp_path / "a.json").write_text('["a"]')
    with pytest.raises(MetadataError, match="is a file, expected a folder"):
        WorldwideLists.open(tmp_path / "a.json")
    (tmp_path / "a.json").unlink()
    with pytest.raises(MetadataError, match="the folder contains no list"):
        WorldwideLists.open(tmp_path)


def test_the_shipped_lists_open_and_hold_what_their_sidecars_say():
    """At least 30 languages; every list loads with the id of its sidecar, and none is empty."""
    lists = WorldwideLists.open("worldwide")
    assert len(lists.files) >= 30
    assert len(set(lists.ids.values())) == len(lists.ids)
    assert min(len(lists.load(name).entries) for name in lists.files) > 100


def test_a_zip_of_modules_has_the_folder(tmp_path, monkeypatch):
    """Lists are read from a zip, as on a cluster, by the same calls."""
    archive = tmp_path / "modules.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(
            "metaclip_spark/metadata/lists/worldwide/languages.yaml", YAML.replace("shipped: wordnet", "missing: none")
        )
        file.writestr("metaclip_spark/metadata/lists/worldwide/th.json", '["แมว"]')
        file.writestr("metaclip_spark/metadata/lists/worldwide/zh.json.gz", gzip.compress('["猫"]'.encode()))
    monkeypatch.setattr(shipped.resources, "files", lambda name: zipfile.Path(archive, "metaclip_spark/"))
    lists = WorldwideLists.open("worldwide")
    assert (lists.list_of("yue"), lists.load("zh").entries, lists.load("th").entries) == ("zh", ("猫",), ("แมว",))


def test_a_copy_without_lists_says_so(tmp_path, monkeypatch):
    """The folder and the map of codes ship together."""
    monkeypatch.setattr(shipped, "_files", lambda: [])
    with pytest.raises(MetadataError, match="the folder of shipped lists is not installed"):
        WorldwideLists.open("worldwide")
    with pytest.raises(MetadataError, match=re.escape("languages.yaml, which ships with the entry lists, is not")):
        shipped_languages()
    shutil.rmtree(tmp_path)
