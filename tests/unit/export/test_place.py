"""Where an export goes: refused where something is, there when it is whole, local and remote alike."""

from __future__ import annotations

import os
from collections.abc import Iterator

import fsspec
import pytest

from metaclip_spark.errors import ConfigError, WarehouseError
from metaclip_spark.export.place import MANIFEST, UNFINISHED, Place
from metaclip_spark.storage.write import open_whole


@pytest.fixture(params=["local", "memory", "s3"])
def output(request, tmp_path) -> Iterator[str]:
    """A place that does not exist: a path, and uris of stores."""
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
    """Returns the names of all files below a folder."""
    files, root = fsspec.core.url_to_fs(folder)
    return sorted(os.path.relpath(name, root) for name in files.find(root)) if files.exists(root) else []


def put(place: str, content: bytes = b"rows") -> None:
    """Write a file."""
    with open_whole(place) as file:
        file.write(content)


def finish(place: Place) -> None:
    """Put an export of one file in place."""
    put(f"{place.work}/00000.parquet")
    place.finish({"00000.parquet": 4}, {MANIFEST: "{}", "_index.json": "{}"})


def test_an_export_is_there_when_it_is_whole(output):
    """While it is written nothing says that it is one; then the files and the manifest are there, and nothing else."""
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
    """Also where what it holds is an export: nothing is written over."""
    put(f"{output}/notes.txt")
    sentence = "holds notes.txt already; expected a new or an empty folder. Give another --output, or remove what is"
    with pytest.raises(ConfigError, match=sentence):
        Place(output).check()


def test_what_was_cut_short_is_written_anew(output):
    """Files of a killed export go when the next one begins."""
    place = Place(output)
    place.begin()
    put(f"{place.work}/00007.parquet")
    again = Place(output)
    again.check()
    again.begin()
    finish(again)
    assert names(output) == ["00000.parquet", "_index.json", MANIFEST]


def test_an_export_that_fails_is_taken_away(output):
    """Nothing of it stays, and giving up twice is no error."""
    place = Place(output)
    place.begin()
    put(f"{place.work}/known_images/00000.parquet")
    place.abandon()
    place.abandon()
    assert names(output) == names(place.work) == []


def test_files_on_another_machine_are_missed(output):
    """What a task wrote has to be seen from here, in its length."""
    place = Place(output)
    place.begin()
    put(f"{place.work}/00000.parquet")
    with pytest.raises(WarehouseError, match=r"00001.parquet was written by a task \(9 bytes\) and is not here: the f"):
        place.finish({"00000.parquet": 4, "00001.parquet": 9}, {MANIFEST: "{}"})
    assert MANIFEST not in names(output)


def test_an_empty_folder_may_be_there(tmp_path):
    """`mkdir` before the export is no mistake."""
    (tmp_path / "new").mkdir()
    place = Place(str(tmp_path / "new"))
    place.check()
    place.begin()
    finish(place)
    assert MANIFEST in names(place.output)


def test_a_folder_in_the_way_is_not_taken_for_an_export(tmp_path):
    """What ends in .unfinished and was not made by an export is left alone."""
    (tmp_path / "one.unfinished").mkdir()
    (tmp_path / "one.unfinished" / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match="is where the export would be written, and is not an export; move it"):
        Place(str(tmp_path / "one")).check()


def test_an_unknown_scheme_is_refused():
    """Before Spark starts."""
    with pytest.raises(ConfigError, match="output nope://bucket/x cannot be written: Protocol not known: nope"):
        Place("nope://bucket/x")


def test_a_file_that_is_not_whole_is_not_there(output):
    """An error inside leaves neither the file nor its beginning."""

    def break_off():
        with open_whole(f"{output}/x") as file:
            file.write(b"half")
            raise RuntimeError("broken")

    if output.startswith("memory"):
        pytest.skip("this store has a file as soon as it is opened")
    with pytest.raises(RuntimeError, match="broken"):
        break_off()
    assert names(output) == []
