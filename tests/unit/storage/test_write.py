"""Files appear whole or not at all."""

from __future__ import annotations

import os
import zipfile

import fsspec
import pytest

from metaclip_spark.errors import ConfigError
from metaclip_spark.storage.filesystem import filesystem_of, writable_filesystem_of
from metaclip_spark.storage.write import open_atomic, write_text, write_together


def test_a_file_replaces_the_old_one_when_it_is_complete(tmp_path):
    """Until then the old content stays; the folder is created, and no other file remains in it."""
    path = tmp_path / "new" / "a.bin"
    for content in (b"first", b"second"):
        with open_atomic(path) as file:
            file.write(content)
            file.flush()
            assert path.exists() == (content == b"second")
        assert path.read_bytes() == content
    assert os.listdir(path.parent) == ["a.bin"]


def test_an_error_leaves_the_old_file(tmp_path):
    """The partial file is removed, and the error is raised."""
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def fail():
        with open_atomic(f"file://{path}") as file:
            file.write(b"half")
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        fail()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.bin": b"old"}


def test_a_name_without_a_folder_is_in_the_current_one(tmp_path, monkeypatch):
    """No folder is created for it."""
    monkeypatch.chdir(tmp_path)
    with open_atomic("a.bin") as file:
        file.write(b"x")
    assert os.listdir(tmp_path) == ["a.bin"]


def test_files_written_together_appear_in_order(tmp_path, monkeypatch):
    """Each file is complete before the first one appears; after an error no later file appears."""
    contents = {tmp_path / name: name.encode() for name in ("sidecar", "provenance", "list")}
    order = []
    replace = os.replace

    def renamed(partial, path):
        assert os.path.getsize(partial) == len(os.path.basename(path))
        order.append(os.path.basename(path))
        if order[-1] == fails_at:
            raise OSError(5, "broken disk")
        replace(partial, path)

    monkeypatch.setattr(os, "replace", renamed)
    fails_at = "provenance"
    with pytest.raises(OSError, match="broken disk"):
        write_together(contents)
    assert (order, os.listdir(tmp_path)) == (["sidecar", "provenance"], ["sidecar"])
    order, fails_at = [], None
    write_together(contents)
    assert order == ["sidecar", "provenance", "list"]
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == contents


def test_a_uri_gives_its_filesystem_and_path(tmp_path):
    """Of a local path, with and without its scheme, of a store in upper case, and of a chain."""
    for uri in (f"{tmp_path}/a", f"file://{tmp_path}/a"):
        files, path = filesystem_of(uri)
        assert (files.protocol, path) == (("file", "local"), f"{tmp_path}/a")
    files, path = filesystem_of("MEMORY://pool/a")
    assert (files, path) == (fsspec.filesystem("memory", use_listings_cache=False), "/pool/a")
    assert filesystem_of("memory://pool/a::b")[1] == "pool/a::b"
    files, path = filesystem_of(f"simplecache::file://{tmp_path}/a")
    assert (type(files).__name__, path) == ("SimpleCacheFileSystem", f"{tmp_path}/a")


def test_an_unknown_scheme_is_an_error():
    """Callers name what they wanted to do with the uri."""
    with pytest.raises(ValueError, match="Protocol not known: nope"):
        filesystem_of("nope://bucket/a")


def test_credentials_that_may_only_put_objects_write_a_text(monkeypatch):
    """Whether the bucket may be listed or created is not asked: the write itself shows what is allowed."""

    def refuse(*args, **options):
        raise PermissionError("ListObjectsV2")

    monkeypatch.setattr(fsspec.get_filesystem_class("memory"), "makedirs", refuse)
    write_text("memory://bucket/outcome.json", "{}", "outcome")
    assert fsspec.filesystem("memory").cat("/bucket/outcome.json") == b"{}"


@pytest.mark.parametrize("place", ["simplecache::memory://bucket/chained.json", "MEMORY://bucket/chained.json"])
def test_a_chain_of_uris_is_not_taken_for_a_local_path(tmp_path, monkeypatch, place):
    """Nothing appears in the current folder."""
    monkeypatch.chdir(tmp_path)
    write_text(place, "{}", "outcome")
    assert fsspec.filesystem("memory").cat("/bucket/chained.json") == b"{}"
    assert os.listdir(tmp_path) == []


def test_a_member_of_an_archive_is_a_chain(tmp_path):
    """`zip://member::archive` is read through both filesystems."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("x.txt", "inside")
    files, path = filesystem_of(f"zip://x.txt::file://{tmp_path}/a.zip")
    assert files.cat(path) == b"inside"


def test_a_local_name_with_colons_is_a_path(tmp_path, monkeypatch):
    """`::` makes a chain only before `://`."""
    monkeypatch.chdir(tmp_path)
    write_text("a::b.json", "{}", "outcome")
    assert os.listdir(tmp_path) == ["a::b.json"]


def test_an_unknown_scheme_is_wrong_usage():
    """The error names what the user gave, and what to give instead (exit status 2)."""
    with pytest.raises(ConfigError, match="^warehouse nosuch://a cannot be written: .*Give a folder, or a uri"):
        writable_filesystem_of("nosuch://a", "warehouse")
