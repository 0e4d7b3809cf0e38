"""Folders: links are followed without loops, files count once, and what is no input is counted and said."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from metaclip_spark.errors import InputError
from metaclip_spark.sources import listing
from metaclip_spark.sources.files import find_sources
from metaclip_spark.sources.folders import files_of_glob
from metaclip_spark.sources.kinds import advice_for, ending_of


def write(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.name)


def link(path: Path, target: str | Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def found(*inputs: object, folder: Path) -> list[str]:
    """Return the source paths below a folder."""
    return [os.path.relpath(source.source_path, folder) for source in find_sources([str(given) for given in inputs])]


def said(*inputs: object) -> str:
    """Return the line about files that are not read; "" if there is none."""
    lines: list[str] = []
    find_sources([str(given) for given in inputs], lines.append)
    assert len(lines) <= 1
    return "".join(lines)


def refusal(*inputs: object) -> str:
    with pytest.raises(InputError) as caught:
        find_sources([str(given) for given in inputs])
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_linked_folder_is_read_as_a_pattern_reads_it(tmp_path):
    """Half of a pool may be on another disk; links may be absolute, relative, and links to links."""
    write(
        tmp_path / "pool" / "a.parquet", tmp_path / "disk" / "2024" / "b.parquet", tmp_path / "disk" / "2025" / "c.tsv"
    )
    link(tmp_path / "pool" / "2024", "../disk/2024")
    link(tmp_path / "pool" / "deep" / "2025", tmp_path / "pool" / "again")
    link(tmp_path / "pool" / "again", tmp_path / "disk" / "2025")
    assert found(tmp_path / "pool", folder=tmp_path) == ["pool/2024/b.parquet", "pool/a.parquet", "pool/again/c.tsv"]
    assert found(tmp_path / "pool" / "*" / "*.parquet", folder=tmp_path) == ["pool/2024/b.parquet"]
    assert found(tmp_path / "pool" / "**" / "*.parquet", folder=tmp_path) == ["pool/2024/b.parquet", "pool/a.parquet"]


def test_a_folder_that_is_a_link_is_read(tmp_path):
    """The given folder itself may be one; its files have the path that was given."""
    write(tmp_path / "disk" / "a.tsv")
    link(tmp_path / "pool", "disk")
    assert found(tmp_path / "pool", folder=tmp_path) == ["pool/a.tsv"]


@pytest.mark.parametrize("pattern", ["", "**/*.tsv", "**/a.tsv", "**"])
def test_links_to_a_folder_above_are_no_loop(tmp_path, pattern):
    """Neither one link nor many that lead to each other repeat a file, or take for ever."""
    for name in ("one", "two", "three"):
        write(tmp_path / "pool" / name / "a.tsv")
        link(tmp_path / "pool" / name / "up", "..")
        link(tmp_path / "pool" / name / "here", ".")
        link(tmp_path / "pool" / f"{name}-again", tmp_path / "pool")
    link(tmp_path / "pool" / "self", "self")
    assert found(tmp_path / "pool" / pattern, folder=tmp_path) == [
        "pool/one/a.tsv",
        "pool/three/a.tsv",
        "pool/two/a.tsv",
    ]


def test_folders_that_link_to_each_other_are_read_once(tmp_path):
    """Two folders beside each other, each with a link to the other."""
    write(tmp_path / "a" / "x.tsv", tmp_path / "b" / "y.tsv")
    link(tmp_path / "a" / "to", tmp_path / "b")
    link(tmp_path / "b" / "to", tmp_path / "a")
    assert found(tmp_path, folder=tmp_path) == ["a/x.tsv", "b/y.tsv"]
    assert found(tmp_path / "a", folder=tmp_path) == ["a/to/y.tsv", "a/x.tsv"]
    assert found(tmp_path / "**" / "*.tsv", folder=tmp_path) == ["a/x.tsv", "b/y.tsv"]


def test_a_file_that_is_reached_twice_counts_once(tmp_path):
    """Its key is the path without links, in whatever order the inputs come, so a new link renames nothing."""
    write(tmp_path / "z" / "2024" / "b.tsv")
    link(tmp_path / "z" / "2023", "2024")
    link(tmp_path / "z" / "a.tsv", "2024/b.tsv")
    link(tmp_path / "a", "z")
    assert found(tmp_path / "z", folder=tmp_path) == ["z/2024/b.tsv"]
    inputs = [tmp_path / "a", tmp_path / "z", tmp_path / "z" / "a.tsv", tmp_path / "z" / "*" / "*.tsv"]
    assert found(*inputs, folder=tmp_path) == found(*inputs[::-1], folder=tmp_path) == ["z/2024/b.tsv"]


def test_a_file_that_only_links_reach_has_the_smallest_path(tmp_path):
    """A cache of downloads names its files by hashes; only the links have an ending."""
    write(tmp_path / "blobs" / "0123")
    for name in ("b.parquet", "a.parquet"):
        link(tmp_path / "pool" / name, "../blobs/0123")
    assert found(tmp_path / "pool", folder=tmp_path) == ["pool/a.parquet"]
    assert found(tmp_path / "pool" / "b.parquet", tmp_path / "pool" / "*", folder=tmp_path) == ["pool/a.parquet"]


def test_links_below_a_hidden_name_are_read(tmp_path):
    """git-annex, DVC and caches of downloads keep the files in a hidden folder of the pool, and link to them."""
    store = tmp_path / "pool" / ".git" / "annex"
    write(store / "SHA256E--0.parquet", store / "2024" / "SHA256E--1.tsv", tmp_path / "pool" / "_v1" / "c.tsv")
    link(tmp_path / "pool" / "a.parquet", ".git/annex/SHA256E--0.parquet")
    link(tmp_path / "pool" / "2024", ".git/annex/2024")
    link(tmp_path / "pool" / "current", "_v1")
    assert found(tmp_path / "pool", folder=tmp_path / "pool") == ["2024/SHA256E--1.tsv", "a.parquet", "current/c.tsv"]
    assert said(tmp_path / "pool") == ""


def test_hidden_links_are_not_followed(tmp_path):
    """Neither is what they lead to refused; a folder beside them is read."""
    write(tmp_path / "t" / "x.parquet", tmp_path / "t" / "_delta_log" / "0.json", tmp_path / "pool" / "2024" / "a.tsv")
    link(tmp_path / "pool" / "_table", "../t")
    link(tmp_path / "pool" / "_latest", "2024")
    link(tmp_path / "pool" / "_broken.tsv", "gone")
    assert found(tmp_path / "pool", folder=tmp_path / "pool") == ["2024/a.tsv"]
    assert "1 below a name that begins with . or _" in said(tmp_path / "pool")


def test_a_linked_crawl_keeps_the_path_inside_the_crawl(tmp_path):
    """The key of a crawl's file does not depend on the disk."""
    write(tmp_path / "store" / "1.wat.gz")
    link(tmp_path / "crawl-data" / "CC" / "1.wat.gz", "../../store/1.wat.gz")
    sources = find_sources([str(tmp_path / "store"), str(tmp_path / "crawl-data")])
    assert [source.source_path for source in sources] == ["crawl-data/CC/1.wat.gz"]


def test_a_broken_link_with_the_name_of_an_input_is_refused(tmp_path):
    """Its rows would be missing."""
    write(tmp_path / "pool" / "a.tsv")
    link(tmp_path / "pool" / "b.tsv", "../gone/b.tsv")
    message = f"input {tmp_path}/pool/b.tsv is a link to ../gone/b.tsv, which does not exist; mend or remove the link."
    for given in (tmp_path / "pool", tmp_path / "pool" / "b.tsv"):
        assert refusal(given) == message


def test_other_broken_links_are_said(tmp_path):
    """A disk may not be mounted."""
    write(tmp_path / "pool" / "a.tsv")
    link(tmp_path / "pool" / "2024", "/gone/2024")
    link(tmp_path / "pool" / ".#lock", "nobody@nowhere")
    assert said(tmp_path / "pool") == (
        f"input {tmp_path}/pool: 1 file is no input and is not read: 1 broken link (e.g. {tmp_path}/pool/2024)."
    )


def test_a_folder_that_cannot_be_read_is_refused(tmp_path, monkeypatch):
    """Its files would be missing; a hidden one is no input anyway."""
    write(tmp_path / "pool" / "a.tsv", tmp_path / "pool" / "closed" / "b.tsv", tmp_path / "pool" / ".Trash" / "c.tsv")
    scandir = os.scandir

    def closed(path):
        if str(path).endswith(("closed", ".Trash")):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    assert refusal(tmp_path / "pool").startswith(
        f"input folder {tmp_path}/pool/closed cannot be read: Permission denied. Its files would be missing"
    )
    (tmp_path / "pool" / "closed" / "b.tsv").unlink()
    (tmp_path / "pool" / "closed").rmdir()
    assert found(tmp_path / "pool", folder=tmp_path) == ["pool/a.tsv"]


@pytest.mark.parametrize("pattern", ["*/*.tsv", "**/*.tsv", "**", "closed/*", "*/b.tsv"])
def test_a_folder_that_a_pattern_cannot_read_is_refused(tmp_path, monkeypatch, pattern):
    """As one below a folder; one that the pattern does not enter is not looked at."""
    write(tmp_path / "a.tsv", tmp_path / "closed" / "b.tsv", tmp_path / ".Trash" / "c.tsv")
    scandir, lstat = os.scandir, os.lstat

    def closed(read, ending):
        def look(path):
            if str(path).endswith(ending):
                raise PermissionError(13, "Permission denied", path)
            return read(path)

        return look

    monkeypatch.setattr(os, "scandir", closed(scandir, ("closed", ".Trash")))
    monkeypatch.setattr(os, "lstat", closed(lstat, "closed/b.tsv"))
    assert refusal(f"{tmp_path}/{pattern}") == (
        f"input folder {tmp_path}/closed cannot be read: Permission denied. Its files would be missing; give the right "
        "to read it, or give the folders beside it."
    )
    assert found(tmp_path / "*.tsv", folder=tmp_path) == ["a.tsv"]


@pytest.mark.parametrize("pattern", ["*.tsv", "**/*.tsv", "**", "b*"])
def test_a_broken_link_that_a_pattern_matches_is_refused(tmp_path, pattern):
    """If it has the name of an input: its rows would be missing."""
    write(tmp_path / "a.tsv")
    link(tmp_path / "b.log", "gone.log")
    link(tmp_path / "b.tsv", "gone.tsv")
    assert refusal(tmp_path / pattern) == (
        f"input {tmp_path}/b.tsv is a link to gone.tsv, which does not exist; mend or remove the link."
    )
    assert found(tmp_path / "a*", folder=tmp_path) == ["a.tsv"]
    assert "matches no file" in refusal(tmp_path / "*.log")


def test_a_pattern_does_not_enter_hidden_folders(tmp_path, bucket):
    """Spark keeps files that it did not commit in `_temporary`; a pattern may still name such a folder."""
    for name in ("a.tsv", "x/b.tsv", "_temporary/0/c.tsv", "x/_v1/d.tsv", "x/_v1/y/e.tsv"):
        write(tmp_path / name)
        bucket.put_object(Bucket="pool", Key=name, Body=b"x")
    cases = {
        "**/*.tsv": ["a.tsv", "x/b.tsv"],
        "**": ["a.tsv", "x/b.tsv"],
        "**/_v1/*.tsv": ["x/_v1/d.tsv"],
        "x/_v*/**/*.tsv": ["x/_v1/d.tsv", "x/_v1/y/e.tsv"],
    }
    for pattern, files in cases.items():
        assert found(tmp_path / pattern, folder=tmp_path) == files, pattern
        if pattern != "**":
            uris = [source.uri for source in find_sources([f"s3://pool/{pattern}"])]
            assert uris == [f"s3://pool/{name}" for name in files], pattern
    assert "matches only files below a name that begins with . or _." in refusal("s3://pool/**/c.tsv")


def test_a_pipe_is_no_file(tmp_path):
    """Reading it would wait for ever."""
    os.mkfifo(tmp_path / "a.tsv")
    assert refusal(tmp_path / "a.tsv") == f"input {tmp_path}/a.tsv is no regular file; expected a file."


def test_a_file_that_cannot_be_read_is_refused(tmp_path, monkeypatch):
    """The sentence names it."""
    write(tmp_path / "a.tsv")
    refuse = PermissionError(13, "Permission denied")
    monkeypatch.setattr("metaclip_spark.sources.files.etag_of", lambda path: (_ for _ in ()).throw(refuse))
    assert f"input {tmp_path}/a.tsv cannot be read: Permission denied" in refusal(tmp_path / "a.tsv")


def test_files_that_are_no_input_are_counted_by_their_endings(tmp_path):
    """One line for all folders; the most frequent endings come first."""
    names = [f"{n}.txt" for n in range(7)] + [f"{n}.WARC.ZST" for n in range(3)] + ["a.wacz", "b.wacz", "README"]
    write(*(tmp_path / "pool" / name for name in names), tmp_path / "pool" / "a.tsv")
    assert said(tmp_path / "pool") == (
        f"input {tmp_path}/pool: 13 files are no input and are not read: 7 .txt, 3 .warc.zst, 2 .wacz, 1 without an "
        "ending."
    )
    write(tmp_path / "other" / "b.tsv", tmp_path / "other" / "b.json", tmp_path / "third" / "c.tsv")
    assert said(tmp_path / "pool", tmp_path / "other", tmp_path / "third").startswith(
        f"input {tmp_path}/pool and 1 more: 14 files are no input and are not read: 7 .txt"
    )


def test_many_endings_are_one_line(tmp_path):
    """Those that are not named are counted together."""
    write(*(tmp_path / f"a.e{n}" for n in range(12)), tmp_path / "a.tsv")
    assert said(tmp_path).endswith("1 .e0, 1 .e1, 1 .e10, 1 .e11, 1 .e2, 1 .e3, 1 .e4, 1 .e5, 4 with other endings.")


def test_markers_and_checksums_are_not_worth_a_line(tmp_path):
    """Spark writes them beside every file."""
    for name in ("_SUCCESS", "._SUCCESS.crc", ".part-0.parquet.crc", "_committed_1", "_temporary/0/x.crc", ".git/HEAD"):
        write(tmp_path / name)
    write(tmp_path / "part-0.tsv")
    assert said(tmp_path) == ""


def test_input_below_a_hidden_name_is_said(tmp_path):
    """A folder `_2024` may be half of the pool."""
    write(
        tmp_path / "a.tsv", tmp_path / "_2024" / "b.tsv", tmp_path / "_2024" / "deep" / "c.parquet", tmp_path / ".d.csv"
    )
    assert said(tmp_path) == (
        f"input {tmp_path}: 3 files are no input and are not read: 3 below a name that begins with . or _ "
        f"(e.g. {tmp_path}/.d.csv)."
    )


def test_a_hidden_folder_that_is_given_is_read(tmp_path):
    """Only names below the given folder count."""
    write(tmp_path / "_2024" / "a.tsv", tmp_path / ".cache" / "b.tsv")
    assert found(tmp_path / "_2024", tmp_path / ".cache", folder=tmp_path) == [".cache/b.tsv", "_2024/a.tsv"]
    assert said(tmp_path / "_2024") == ""


def test_files_of_a_bucket_that_are_no_input_are_counted(bucket):
    """As those of a local folder."""
    for key in ("p/a.tsv", "p/b.warc.zst", "p/c.wacz", "p/_SUCCESS", "p/_2024/d.tsv", "p/notes.txt"):
        bucket.put_object(Bucket="pool", Key=key, Body=b"x")
    for given in ("s3://pool/p", "s3a://pool/p/"):
        assert (
            said(given)
            .rstrip(".")
            .endswith(
                "4 files are no input and are not read: 1 .txt, 1 .wacz, 1 .warc.zst, "
                "1 below a name that begins with . or _ (e.g. s3://pool/p/_2024/d.tsv)"
            )
        )
    bucket.put_object(Bucket="pool", Key="q/b.warc.zst", Body=b"x")
    assert "Found there: 1 .warc.zst (.warc.zst: decompress it" in refusal("s3://pool/q")


def test_a_folder_without_input_says_what_is_in_it(tmp_path):
    """With what to do with the most frequent files."""
    write(tmp_path / "p" / "a.warc.zst", tmp_path / "p" / "b.warc.zst", tmp_path / "p" / "c.txt")
    assert refusal(tmp_path / "p").endswith(
        ".jsonl, .jsonl.gz. Found there: 2 .warc.zst, 1 .txt (.warc.zst: decompress it; of the compressed files, only "
        ".gz is read)."
    )
    write(tmp_path / "q" / "_2024" / "a.tsv")
    assert f"Found there: 1 below a name that begins with . or _, e.g. {tmp_path}/q/_2024/a.tsv." in refusal(
        tmp_path / "q"
    )
    (tmp_path / "r").mkdir()
    assert refusal(tmp_path / "r").endswith(" It holds no files.")


def test_a_pattern_without_a_match_says_what_is_there(tmp_path):
    """The endings as they are written, the folders that match, or the folder that is missing."""
    write(tmp_path / "p" / "x" / "a.PARQUET", tmp_path / "p" / "y" / "b.PARQUET", tmp_path / "p" / "c.warc.zst")
    assert refusal(tmp_path / "p" / "**" / "*.parquet").endswith(f" Found below {tmp_path}/p: 2 .PARQUET, 1 .warc.zst.")
    assert refusal(tmp_path / "p" / "?").endswith(f" It matches 2 folders, e.g. {tmp_path}/p/x; give the folders.")
    assert refusal(tmp_path / "gone" / "*.tsv").endswith(f" There is no folder {tmp_path}/gone.")


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("a.warc.zst", "decompress it"),
        ("a.tsv.zst", "decompress it"),
        ("a.jsonl.bz2", "decompress it"),
        ("a.csv.xz", "decompress it"),
        ("a.wacz", "unzip it"),
        ("a.arc.gz", "convert it to WARC"),
        ("a.warc.wet.gz", "a WET file has no image links"),
        ("a.wat", "gzip it"),
        ("a.parquet.gz", "Parquet compresses its own columns"),
        ("a.pq", "rename it to .parquet"),
        ("00000.tar", "unpack it"),
        ("a.tar.gz", "unpack it"),
        ("a.zip", "unpack it"),
        ("a.json", "rename it to .jsonl[.gz]"),
        ("a.json.gz", "rename it to .jsonl[.gz]"),
        ("a.ndjson", "rename it to .jsonl[.gz]"),
        ("a.jsonlines", "rename it to .jsonl[.gz]"),
        ("a.TAB", "rename it to .tsv[.gz]"),
        ("a.arrow", "write its rows to Parquet"),
        ("a.xlsx", "write its rows to Parquet"),
    ],
)
def test_a_usual_file_of_another_kind_is_refused_with_what_to_do(tmp_path, name, advice):
    """Given by its name or by a list."""
    write(tmp_path / name)
    message = refusal(tmp_path / name)
    assert message.startswith(f"input {tmp_path}/{name} is of no known kind; ")
    assert advice in message
    (tmp_path / "uris.txt").write_text(name)
    assert advice in refusal(tmp_path / "uris.txt")


@pytest.mark.parametrize("name", ["a.PARQUET", "a.Parquet", "A.TSV", "a.WARC.GZ", "a.JSONL.gz"])
def test_endings_may_be_capitals(tmp_path, name):
    """In a folder as by name."""
    write(tmp_path / name)
    assert found(tmp_path, folder=tmp_path) == found(tmp_path / name, folder=tmp_path) == [name]


def test_endings():
    """The compression belongs to the ending; a number with a dot does not look like one."""
    assert [ending_of(name) for name in ("a.tar.gz", "a.gz", "part-0.c000", "v1.2", "a.b c", "é.日本")] == [
        ".tar.gz",
        ".gz",
        ".c000",
        ".2",
        "",
        "",
    ]
    assert advice_for("a.txt") == ""


@pytest.mark.parametrize(
    ("pattern", "files"),
    [
        ("**", ["a.tsv", "x/b.tsv", "x/y/c.tsv"]),
        ("**/*.tsv", ["a.tsv", "x/b.tsv", "x/y/c.tsv"]),
        ("**/y/*", ["x/y/c.tsv"]),
        ("x/**/c.tsv", ["x/y/c.tsv"]),
        ("**/**/c.tsv", ["x/y/c.tsv"]),
        ("**/.h/*", [".h/d.tsv"]),
        ("**/[xy]/*.tsv", ["x/b.tsv", "x/y/c.tsv"]),
        ("x//**/*", ["x/b.tsv", "x/y/c.tsv"]),
        ("x/../**/c.tsv", ["x/../x/y/c.tsv"]),
        ("*", ["a.tsv"]),
        ("?.tsv", ["a.tsv"]),
        ("*/*", ["x/b.tsv"]),
        ("*/y/c.tsv", ["x/y/c.tsv"]),
        (".h*/*", [".h/d.tsv"]),
        ("", []),
    ],
)
def test_patterns_are_those_of_glob(tmp_path, monkeypatch, pattern, files):
    """`**` is expanded without glob, to the same files."""
    import glob

    write(*(tmp_path / name for name in ("a.tsv", "x/b.tsv", "x/y/c.tsv", ".h/d.tsv")))
    monkeypatch.chdir(tmp_path)
    assert [path.replace("//", "/") for path in files_of_glob(pattern)] == files
    theirs = {path.replace("//", "/") for path in glob.glob(pattern, recursive=True) if os.path.isfile(path)}
    assert theirs == set(files)
    assert [os.path.relpath(path, tmp_path) for path in files_of_glob(f"{tmp_path}/{pattern}")] == [
        os.path.normpath(path) for path in files
    ]


def test_a_pool_of_many_files_is_walked_once(tmp_path, monkeypatch):
    """The folder is not listed again for each count."""
    write(*(tmp_path / f"{n}.tsv" for n in range(50)))
    walks: list[str] = []
    contents_of = listing.contents_of
    monkeypatch.setattr(
        listing, "contents_of", lambda folder, enter: walks.append(folder) or contents_of(folder, enter)
    )
    assert len(find_sources([str(tmp_path)])) == 50
    assert walks == [str(tmp_path)]
