"""Lists that ship have names, which mean the same list in every folder."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

import metaclip_spark as mc
from metaclip_spark.errors import MetadataError
from metaclip_spark.metadata import shipped
from metaclip_spark.metadata.shipped import shipped_list, shipped_names

ROOT = Path(__file__).resolve().parents[3]


def test_names_are_those_of_the_files():
    """Each list of metadata/ has the name of its file."""
    assert shipped_names() == ["en", "wordnet"]


@pytest.mark.parametrize("name", ["en", "wordnet"])
def test_a_name_and_the_path_give_one_list(name):
    """Equal ids, so a run has the same run_id by either."""
    assert mc.load_metadata(name) == mc.load_metadata(ROOT / "metadata" / f"{name}.json.gz")


def test_a_name_does_not_depend_on_the_current_folder(tmp_path, monkeypatch):
    """A folder, and a file with a suffix, that are called like a list do not change it. `./` names a file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wordnet").mkdir()
    (tmp_path / "en").write_text("dog\n")
    (tmp_path / "wordnet.json").write_text('["dog"]')
    assert len(mc.load_metadata("wordnet").entries) == 148_730
    assert mc.load_metadata("./wordnet.json").entries == ("dog",)
    assert mc.load_metadata("wordnet.json").entries == ("dog",)
    with pytest.raises(MetadataError, match=r"^\./en: the suffix names no known format"):
        mc.load_metadata("./en")


@pytest.mark.parametrize("name", ["english", "EN", "en2", "../en", "en.json", "e n", ""])
def test_other_words_are_no_names(name):
    """Names are exact, and have neither a dot nor a slash."""
    assert shipped_list(name) is None


def test_an_unknown_name_lists_the_known_ones():
    """The sentence has every name."""
    with pytest.raises(MetadataError, match=r"^english: .*the name of a list that ships \(en, wordnet\)"):
        mc.load_metadata("english")


def test_a_wheel_reads_the_copy_in_the_package(tmp_path, monkeypatch):
    """The copy is found in a folder and in a zip of modules; the folder `metadata` beside them is not ours."""
    package = tmp_path / "site" / "metaclip_spark"
    (package / "metadata" / "lists").mkdir(parents=True)
    (package / "metadata" / "lists" / "tiny.json.gz").write_bytes(b"x")
    monkeypatch.setattr(shipped.resources, "files", lambda name: package)
    assert shipped_names() == ["tiny"]
    assert shipped_list("tiny").read_bytes() == b"x"

    archive = tmp_path / "modules.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("metaclip_spark/metadata/lists/tiny.json.gz", b"y")
    monkeypatch.setattr(shipped.resources, "files", lambda name: zipfile.Path(archive, "metaclip_spark/"))
    assert shipped_names() == ["tiny"]
    assert shipped_list("tiny").read_bytes() == b"y"


def test_a_copy_without_lists_has_no_names(tmp_path, monkeypatch):
    """A folder `metadata` beside an installed package is somebody else's."""
    monkeypatch.setattr(shipped.resources, "files", lambda name: tmp_path / "metaclip_spark")
    monkeypatch.setattr(shipped, "__file__", str(tmp_path / "metaclip_spark" / "metadata" / "shipped.py"))
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata" / "en.json.gz").write_bytes(b"")
    assert (shipped_names(), shipped_list("en")) == ([], None)
    with pytest.raises(MetadataError, match="none is installed"):
        mc.load_metadata("en")


def test_inspect_and_diff_take_names(tmp_path, capsys):
    """`metadata inspect wordnet` and `metadata diff wordnet FILE`."""
    from metaclip_spark.cli import main

    (tmp_path / "mine.txt").write_text("dog\n")
    assert main(["metadata", "diff", "wordnet", str(tmp_path / "mine.txt"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)
    assert main(["metadata", "inspect", "wordnet", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["path"] == "wordnet"
