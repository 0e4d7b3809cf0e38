"""Lists of paths and spellings of paths, as people and their tools write them."""

from __future__ import annotations

import gzip
import os

import fsspec
import pytest

from metaclip_spark.errors import InputError
from metaclip_spark.sources.files import find_sources


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Make a home folder with a pool of one file, in whose name are a space and a percent sign."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "my pool").mkdir()
    (tmp_path / "my pool" / "a%20b.tsv").write_text("x")
    (tmp_path / "my pool" / "c.tsv").write_text("y")
    return tmp_path


def refusal(given: object) -> str:
    with pytest.raises(InputError) as caught:
        find_sources([str(given)])
    assert "\n" not in str(caught.value)
    return str(caught.value)


def found(*inputs: object) -> list[str]:
    return [os.path.basename(source.uri) for source in find_sources([str(given) for given in inputs])]


@pytest.mark.parametrize(
    "content",
    [
        "my pool/c.tsv\r\nmy pool/a%20b.tsv\r\n",
        "\ufeffmy pool/c.tsv\nmy pool/a%20b.tsv",
        "\ufeff# a comment\r\n\r\n  my pool/c.tsv  \r\n\t# another\r\nmy pool/a%20b.tsv\r\n",
        "\"my pool/c.tsv\"\n'my pool/a%20b.tsv'\n",
        "~/my pool/c.tsv\n'~/my pool/a%20b.tsv'\n",
        "file://{home}/my%20pool/c.tsv\nfile:{home}/my pool/a%20b.tsv\n",
        "{home}/my pool/c.tsv\n{home}/my pool/a%20b.tsv\n{home}/my pool/c.tsv\n",
    ],
    ids=["CRLF", "BOM", "comments and blank lines", "quotes", "home", "file uris", "repeats"],
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_list_may_be_written_in_many_ways(home, content, packed):
    """Each gives the same two files."""
    data = content.replace("{home}", str(home)).encode()
    path = home / "uris.txt"
    path.write_bytes(gzip.compress(data) if packed else data)
    assert found(path) == ["a%20b.tsv", "c.tsv"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("my pool/c.tsv\n".encode("utf-16"), "is not text in UTF-8, but in UTF-16; write it in UTF-8"),
        (b"my pool\n", "my pool, a folder; give it as --input, because a list names files; expected names ending in"),
        (b"my pool/c.zip\n", "c.zip, of no known kind; unpack it"),
        (b"my pool/*.tsv\n", "names 1 files, of which 1 do not exist"),
        (b"\xef\xbb\xbf# only a comment\r\n", "is empty; expected one path or uri per line."),
        (b"my pool/gone.tsv\r\n", "names 1 files, of which 1 do not exist, e.g. "),
        (
            b"http://ex.org/a.jpg\ta cat\n",
            "which has tabs; a table is named .tsv, and a list has one path or uri per line; expected names ending in",
        ),
        (b"x" * 5000 + b"\n", " characters), of no known kind; expected names ending in"),
    ],
    ids=["UTF-16", "a folder", "an archive", "a pattern", "a comment", "a missing file", "a table", "a long line"],
)
def test_what_a_list_cannot_name_is_refused(home, content, message):
    """The sentence says what it is, and is short."""
    (home / "uris.txt").write_bytes(content)
    assert message in refusal(home / "uris.txt")
    assert len(refusal(home / "uris.txt")) < 700


def test_one_file_in_many_spellings_is_one_source(home, monkeypatch):
    """A home folder, file uris with and without percent signs, relative and doubled parts, links and patterns."""
    monkeypatch.chdir(home)
    path = home / "my pool" / "c.tsv"
    (home / "link").symlink_to("my pool")
    spellings = [
        path,
        "my pool/c.tsv",
        "./my pool/../my pool//c.tsv",
        "~/my pool/c.tsv",
        f"file://{path}",
        path.as_uri(),
        f"file:{path}",
        "link/c.tsv",
        "my pool/[c].tsv",
        "~/my*/c.tsv",
        "**/c.tsv",
    ]
    for given in spellings:
        assert found(given) == ["c.tsv"], given
    (source,) = find_sources([str(given) for given in spellings])
    assert source.source_path == str(path)


def test_a_percent_sign_in_a_name_is_kept(home):
    """A uri is decoded only where no file has its name as it stands."""
    assert found(f"file://{home}/my pool/a%20b.tsv") == ["a%20b.tsv"]
    assert found((home / "my pool" / "a%20b.tsv").as_uri()) == ["a%20b.tsv"]


def test_a_folder_named_by_a_tilde_is_that_folder(home, monkeypatch):
    """What exists is not replaced by the home folder."""
    monkeypatch.chdir(home)
    (home / "~").mkdir()
    (home / "~" / "d.tsv").write_text("z")
    assert found("~") == found("~/d.tsv") == ["d.tsv"]
    assert found("~/my pool/c.tsv") == ["c.tsv"]


def test_a_wat_that_cannot_be_opened_is_refused_in_a_sentence(home, monkeypatch):
    """The check of its first bytes does not end in a traceback."""
    (home / "a.wat.gz").write_text("x")

    def refused(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("metaclip_spark.sources.lists.check_records", refused)
    assert f"input {home}/a.wat.gz cannot be read: Permission denied" in refusal(home / "a.wat.gz")


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("/etc/hosts.tsv", "a file of this machine"),
        ("file:///etc/hosts.tsv", "a file of this machine"),
        ("~/my pool/c.tsv", "a file of this machine"),
        ("../secret.tsv", "a path into a folder above"),
        ("a/%2e%2e/../secret.tsv", "a path into a folder above"),
        ("crawl-data/../../secret.wat.gz", "a path into a folder above"),
    ],
)
def test_a_list_that_is_fetched_names_nothing_of_this_machine(home, line, what):
    """Its author could have a file read that only this user may see. A local list may name it."""
    memory = fsspec.filesystem("memory")
    memory.pipe("/lists/a.txt", f"beside.tsv\n{line}\n".encode())
    assert f"names {line}, {what}; a list that is fetched" in refusal("memory://lists/a.txt")


def test_a_list_that_is_fetched_names_files_beside_and_below_it_and_uris(home):
    """Two dots in a name are no folder above."""
    memory = fsspec.filesystem("memory")
    memory.pipe("/lists/b.txt", b"a..b.tsv\nin/c.tsv\nmemory://other/d.tsv\ncrawl-data/x/e.wat.gz\n")
    assert found("memory://lists/b.txt") == ["e.wat.gz", "a..b.tsv", "c.tsv", "d.tsv"]


@pytest.mark.parametrize(
    "uri", ["http://[::1/a.tsv", "https://ex.org:port/a.tsv", "http://]a/b.parquet", "s3://[a/b.tsv"]
)
def test_a_uri_that_is_none_is_refused(tmp_path, uri):
    """Given by itself, and in a list; the error hides what may be a secret."""
    assert "is no uri (" in refusal(uri)
    path = tmp_path / "uris.txt"
    path.write_text(f"{uri}?token=secret\n", encoding="utf-8")
    said = refusal(path)
    assert f"names {uri}, which is no uri (" in said
    assert "secret" not in said


@pytest.mark.parametrize("line", ["~\0root/a.tsv", "a\0.tsv", "\u202egnp.tsv", "\ufffe/a.tsv", "x" * 100_000 + ".tsv"])
def test_paths_that_no_system_has_do_not_exist(tmp_path, line):
    """NUL, marks of direction, a path of a hundred thousand characters."""
    path = tmp_path / "paths.txt"
    path.write_text(line + "\n", encoding="utf-8")
    assert len(refusal(path)) < 2000
