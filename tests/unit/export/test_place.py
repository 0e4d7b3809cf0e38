"""The output folder of an export: it is refused if it has files, and complete or absent, local and remote alike."""

from __future__ import annotations

import os
from collections.abc import Iterator

import fsspec
import pytest

from metaclip_spark.errors import ConfigError, WarehouseError
from metaclip_spark.export.place import MANIFEST, UNFINISHED, Place
from metaclip_spark.storage.write import open_atomic


@pytest.fixture(params=["local", "memory", "s3"])
def output(request, tmp_path) -> Iterator[str]:
    """Return an output that does not exist: a path, and uris of stores."""
    if request.param == "local":
        yield str(tmp_path / "exports" / "one")
        return
    if request.param == "s3":
        request.getfixturevalue("bucket")
        yield f"s3://pool/{tmp_path.name}/exports/one"
        return
    yield f"memory://{tmp_path.name}/exports/one"
    store = fsspec.filesystem("memory")
    store.store.clear()
    store.pseudo_dirs[:] = [""]


def names(folder: str) -> list[str]:
    """Return the names of all files below a folder."""
    files, root = fsspec.core.url_to_fs(folder)
    return sorted(os.path.relpath(name, root) for name in files.find(root)) if files.exists(root) else []


def put(place: str, content: bytes = b"rows") -> None:
    """Write a file."""
    with open_atomic(place) as file:
        file.write(content)


def finish(place: Place) -> None:
    """Complete an export of one file."""
    put(f"{place.work}/00000.parquet")
    place.finish({"00000.parquet": 4}, {MANIFEST: "{}", "_index.json": "{}"})


def test_an_export_exists_when_it_is_complete(output):
    """An export that is being written has no manifest; a complete one has its files, the manifest, and no others."""
    place = Place(output)
    place.check()
    place.begin()
    put(f"{place.work}/00000.parquet")
    assert MANIFEST not in names(output)
    assert UNFINISHED in names(place.work)
    finish(place)
    assert names(output) == ["00000.parquet", "_index.json", MANIFEST]
    assert place.work == output or not os.path.exists(place.work)


def test_a_place_that_holds_files_is_refused(output):
    """An export in the folder is refused too: no file is overwritten."""
    put(f"{output}/notes.txt")
    sentence = "holds notes.txt already; expected a new or an empty folder. Give another --output, or remove what is"
    with pytest.raises(ConfigError, match=sentence):
        Place(output).check()


def test_an_interrupted_export_is_written_again(output):
    """The next export removes the files of a killed one."""
    place = Place(output)
    place.begin()
    put(f"{place.work}/00007.parquet")
    again = Place(output)
    again.check()
    again.begin()
    finish(again)
    assert names(output) == ["00000.parquet", "_index.json", MANIFEST]


def test_a_failed_export_is_removed(output):
    """No file of it remains, and `abandon` may be called twice."""
    place = Place(output)
    place.begin()
    put(f"{place.work}/known_images/00000.parquet")
    place.abandon()
    place.abandon()
    assert names(output) == names(place.work) == []


def test_files_on_another_machine_are_missed(output):
    """The driver has to see the files of all tasks, in their sizes."""
    place = Place(output)
    place.begin()
    put(f"{place.work}/00000.parquet")
    with pytest.raises(WarehouseError, match=r"00001.parquet was written by a task \(9 bytes\) and is not here: the f"):
        place.finish({"00000.parquet": 4, "00001.parquet": 9}, {MANIFEST: "{}"})
    assert MANIFEST not in names(output)


def test_an_empty_folder_may_be_there(tmp_path):
    """`mkdir` before the export is allowed."""
    (tmp_path / "new").mkdir()
    place = Place(str(tmp_path / "new"))
    place.check()
    place.begin()
    finish(place)
    assert MANIFEST in names(place.output)


def test_a_folder_in_the_way_is_not_taken_for_an_export(tmp_path):
    """A folder that ends in .unfinished and was not written by an export is not removed."""
    (tmp_path / "one.unfinished").mkdir()
    (tmp_path / "one.unfinished" / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match="is where the export would be written, and is not an export; move it"):
        Place(str(tmp_path / "one")).check()


def test_an_unknown_scheme_is_refused():
    """The error comes before Spark starts."""
    with pytest.raises(ConfigError, match="output nope://bucket/x cannot be written: Protocol not known: nope"):
        Place("nope://bucket/x")


def test_an_incomplete_file_does_not_exist(output):
    """After an error, neither the file nor its beginning exists."""

    def break_off():
        with open_atomic(f"{output}/x") as file:
            file.write(b"half")
            raise RuntimeError("broken")

    if output.startswith("memory"):
        pytest.skip("this store has a file as soon as it is opened")
    with pytest.raises(RuntimeError, match="broken"):
        break_off()
    assert names(output) == []


def test_parts_are_joined_after_a_head_and_removed(output):
    """In the order given. A part that has another size is refused: it is on the disk of another machine."""
    place = Place(output)
    place.begin()
    parts = {"00001.part": b"second", "00000.part": b"first"}
    for name, content in parts.items():
        put(f"{place.work}/{name}", content)
    sizes = {name: len(parts[name]) for name in sorted(parts)}
    with pytest.raises(WarehouseError, match=r"00000\.part was written by a task \(6 bytes\) and is not here"):
        place.join({**sizes, "00000.part": 6}, "all", b"head ")
    assert place.join(sizes, "all", b"head ") == 16
    place.finish({"all": 16}, {MANIFEST: "{}"})
    assert names(output) == [MANIFEST, "all"]
    with fsspec.open(f"{output}/all", "rb") as file:
        assert file.read() == b"head firstsecond"
