"""Building metadata: the files depend on the entries alone, and are written completely or not at all."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import zlib
from pathlib import Path

import pytest

from metaclip_spark.errors import MetadataError
from metaclip_spark.metadata import Metadata, Recipe, Source, build, build_from, load_metadata, never_matching
from metaclip_spark.storage import write
from metaclip_spark.version import __version__

ROOT = Path(__file__).resolve().parents[3]
TINY = ROOT / "tests" / "data" / "wordnet_tiny"
SHIPPED = ROOT / "metadata" / "wordnet.json.gz"
SOURCE = Source("hand", "1", "none", 2, {})


def build_from_wordnet(folder: Path, output: Path) -> Metadata:
    """Build a list of WordNet's lemmas alone."""
    return build_from(Recipe(wordnet=str(folder), numbers=0), output).metadata


def test_built_list_equals_the_loaded_list(tmp_path):
    """The file has the entries that `build` returns, as plain JSON."""
    output = tmp_path / "deep" / "tiny.json.gz"
    metadata = build_from_wordnet(TINY, output)
    assert load_metadata(output) == metadata
    assert json.loads(gzip.decompress(output.read_bytes())) == list(metadata.entries)


def test_bytes_do_not_depend_on_time_or_place(tmp_path):
    """The gzip header has no time and no name, so two builds are equal byte for byte."""
    build_from_wordnet(TINY, tmp_path / "a.json.gz")
    build_from_wordnet(TINY, tmp_path / "b.json.gz")
    raw = (tmp_path / "a.json.gz").read_bytes()
    assert raw == (tmp_path / "b.json.gz").read_bytes()
    assert raw[:10] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"


def test_sidecar_describes_the_sources_of_the_entries(tmp_path, monkeypatch):
    """The sidecar has sources, versions, licences, counts, parameters, the time and the id of the list."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    metadata = build_from_wordnet(TINY, tmp_path / "tiny.json.gz")
    sidecar = json.loads((tmp_path / "tiny.sidecar.json").read_text())
    noun = hashlib.sha256((TINY / "data.noun").read_bytes()).hexdigest()
    [source] = sidecar.pop("sources")
    parameters = sidecar.pop("parameters")
    assert sidecar == {
        "file": "tiny.json.gz",
        "metadata_id": metadata.metadata_id,
        "entries": 14,
        "never_matching": 1,
        "order": "Sources as listed, each by rank; an entry stands where it first appears.",
        "built": "1970-01-02T00:00:00Z",
        "builder": f"metaclip-spark {__version__}",
    }
    assert (source["name"], source["version"], source["licence"]) == ("WordNet", "0.1", "WordNet 0.1 licence")
    assert (source["entries"], source["files"]["data.noun"]) == (14, noun)
    assert (source["read"], source["taken"], source["first_id"], source["cut"]) == (14, 14, 0, {})
    assert source["notice"].endswith("made up for these tests.")
    assert (parameters["inputs"], parameters["wordnet_names"], parameters["budget"]) == (["wordnet"], "lemmas", 500_000)
    assert str(tmp_path) not in json.dumps(sidecar) + json.dumps(parameters)


def test_no_other_file_remains_in_the_folder(tmp_path):
    """Every temporary file is renamed or removed."""
    build(["cat", "dog"], tmp_path / "list.json.gz", [SOURCE], "by hand")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["list.json.gz", "list.sidecar.json"]


def test_bad_folder_writes_nothing(tmp_path):
    """After an error there is no list, no sidecar and no folder."""
    with pytest.raises(MetadataError, match="data.noun, data.verb, data.adj, data.adv missing"):
        build_from_wordnet(tmp_path, tmp_path / "out" / "list.json.gz")
    assert list(tmp_path.iterdir()) == []


def test_failed_build_keeps_the_old_list(tmp_path, monkeypatch):
    """If a write fails, the files of the earlier build are unchanged."""
    output = tmp_path / "list.json.gz"
    build(["cat"], output, [SOURCE], "by hand")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}

    class FullDisk(io.FileIO):
        def write(self, content):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(write, "open", FullDisk, raising=False)
    with pytest.raises(MetadataError, match=r"cannot be written \(No space left on device\); check --output"):
        build(["dog"], output, [SOURCE], "by hand")
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("name", ["list.json", "list.txt.gz", ".json.gz"])
def test_output_of_another_suffix_is_refused(tmp_path, name):
    """The loader must be able to read the file back."""
    with pytest.raises(MetadataError) as caught:
        build(["cat"], tmp_path / name, [SOURCE], "by hand")
    assert str(caught.value) == (
        f"{tmp_path / name}: got {name!r}, expected a name that ends in .json.gz; change --output."
    )


def test_list_with_repeats_is_refused(tmp_path):
    """The rules for a built list are those for a loaded list."""
    with pytest.raises(
        MetadataError, match=r"^the built list: 1 entry repeats an earlier one \('a' at positions 0 and 1\)"
    ):
        build(["a", "a"], tmp_path / "list.json.gz", [SOURCE], "by hand")


@pytest.mark.parametrize(("name", "entries"), [("wordnet", 148_730), ("en", 500_000)])
def test_shipped_lists_agree_with_their_sidecars_and_the_readme(name, entries):
    """The counts, ids and hashes in metadata/ are those of the files."""
    path = SHIPPED.with_name(f"{name}.json.gz")
    metadata = load_metadata(path)
    sidecar = json.loads(path.with_name(f"{name}.sidecar.json").read_text())
    readme = path.with_name("README.md").read_text()
    assert sidecar["metadata_id"] == metadata.metadata_id
    assert sidecar["entries"] == len(metadata.entries) == entries
    assert sidecar["never_matching"] == never_matching(metadata.entries).sum()
    assert metadata.metadata_id in readme
    assert f"| {len(metadata.entries):,} | {sidecar['never_matching']} |" in readme
    assert hashlib.sha256(path.read_bytes()).hexdigest() in readme
    licence = SHIPPED.with_name("WORDNET-LICENSE.txt").read_text()
    assert licence in {source["notice"] + "\n" for source in sidecar["sources"]}


def test_counts_of_the_shipped_lists_sources_are_in_the_readme():
    """The README has the offered and taken entries of each source; the taken entries add up to the list."""
    sidecar = json.loads(SHIPPED.with_name("en.sidecar.json").read_text())
    readme = SHIPPED.with_name("README.md").read_text()
    for source in sidecar["sources"]:
        assert f"| {source['entries']:,} | {source['taken']:,} |" in readme
        assert source["licence"] in readme
    assert sum(source["taken"] for source in sidecar["sources"]) == 500_000
    firsts = [source["first_id"] for source in sidecar["sources"]]
    assert firsts == sorted(firsts)


def test_shipped_list_is_rebuilt_byte_for_byte(tmp_path):
    """The same entries give the same bytes with every zlib that deflates alike."""
    rebuilt = tmp_path / "list.json.gz"
    build(load_metadata(SHIPPED).entries, rebuilt, [SOURCE], "as shipped")
    assert gzip.decompress(rebuilt.read_bytes()) == gzip.decompress(SHIPPED.read_bytes())
    if "ng" not in zlib.ZLIB_RUNTIME_VERSION:
        assert rebuilt.read_bytes() == SHIPPED.read_bytes()
