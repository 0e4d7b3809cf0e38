"""Paths, folders and globs become sources, and sources become splits."""

from __future__ import annotations

import os
import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaclip_spark.errors import InputError
from metaclip_spark.extract.sources import Source, find_sources, format_of, source_path_of, splits_of
from metaclip_spark.extract.storage import etag_of, open_source, size_of


@pytest.fixture
def pool(tmp_path):
    """A folder with files of every kind, and some that are no input."""
    folder = tmp_path / "pool"
    for name in ("b.parquet", "a.tsv", "deep/er/c.wat.gz", "deep/d.jsonl.gz", "notes.txt", "README",
                 ".hidden.tsv", "_SUCCESS", "_temporary/e.parquet", ".git/f.csv", "_metadata.parquet"):  # fmt: skip
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return folder


def names(sources, folder) -> list[str]:
    return [os.path.relpath(source.source_path, folder) for source in sources]


def refusal(*inputs) -> str:
    with pytest.raises(InputError) as caught:
        find_sources([str(given) for given in inputs])
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.wat.gz", "wat"), ("A.WAT.GZ", "wat"), ("a.parquet", "parquet"), ("a.snappy.parquet", "parquet"),
        ("a.tsv", "tsv"), ("a.tsv.gz", "tsv"), ("a.csv", "csv"), ("a.csv.gz", "csv"), ("a.jsonl", "jsonl"),
        ("a.jsonl.gz", "jsonl"), ("a.json", None), ("a.txt", None), ("a.gz", None), ("a.wat", None), ("a", None),
        ("a.warc.gz", None), ("a.parquet.crc", None), ("parquet", None),
    ],
)  # fmt: skip
def test_suffix_says_the_format(name, kind):
    """The name's end decides, in any case of letters."""
    assert format_of(f"some/where/{name}") == kind


def test_a_folder_is_all_its_files_of_known_kinds(pool):
    """Folders are walked to the bottom; hidden files, markers and other kinds are left alone."""
    assert names(find_sources([str(pool)]), pool) == [
        "a.tsv",
        "b.parquet",
        "deep/d.jsonl.gz",
        "deep/er/c.wat.gz",
    ]


def test_a_source_says_what_it_is(pool):
    """Key, place, format, size and fingerprint of a file."""
    (source,) = find_sources([str(pool / "a.tsv")])
    path = str(pool / "a.tsv")
    assert source == Source(path, path, "tsv", 5, etag_of(path))


def test_globs_are_expanded(pool):
    """A pattern in quotes, which no shell expanded, finds the same files; ** goes into folders."""
    assert names(find_sources([str(pool / "*.tsv")]), pool) == ["a.tsv"]
    found = find_sources([str(pool / "**" / "*.gz")])
    assert names(found, pool) == ["deep/d.jsonl.gz", "deep/er/c.wat.gz"]


def test_a_glob_passes_by_folders(pool):
    """A pattern that matches a folder and files takes the files."""
    (pool / "folder.tsv").mkdir()
    assert names(find_sources([str(pool / "*.tsv")]), pool) == ["a.tsv"]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tmp_path):
    """A path that exists is taken as it is, brackets and all."""
    (tmp_path / "a[1].tsv").write_text("x")
    (tmp_path / "a1.tsv").write_text("y")
    assert names(find_sources([str(tmp_path / "a[1].tsv")]), tmp_path) == ["a[1].tsv"]


def test_repeats_count_once(pool, monkeypatch):
    """A file given by its name, its folder, a pattern and a relative path is one source."""
    monkeypatch.chdir(pool)
    found = find_sources([str(pool), "a.tsv", "./deep/../a.tsv", "*.tsv", str(pool / "a.tsv")])
    assert names(found, pool).count("a.tsv") == 1
    assert len(found) == 4


def test_order_does_not_depend_on_how_files_are_given(pool):
    """Sources are ordered by their keys."""
    paths = [str(pool / name) for name in ("b.parquet", "a.tsv", "deep/d.jsonl.gz")]
    assert find_sources(paths) == find_sources(paths[::-1])


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/data/crawl-data/CC-MAIN-2024-22/x.wat.gz", "crawl-data/CC-MAIN-2024-22/x.wat.gz"),
        ("crawl-data/CC-MAIN-2024-22/x.wat.gz", "crawl-data/CC-MAIN-2024-22/x.wat.gz"),
        ("/data/pool/x.parquet", "/data/pool/x.parquet"),
        ("/data/crawl-data", "/data/crawl-data"),
        ("/data/my-crawl-data/x.parquet", "/data/my-crawl-data/x.parquet"),
        ("/data/../pool/x.parquet", "/pool/x.parquet"),
        ("/data/crawl-data/../pool/x.parquet", "/data/pool/x.parquet"),
    ],
)
def test_key_is_the_path_inside_the_crawl(path, key):
    """A crawl's file has one key wherever it was copied to; any other file is known by its absolute path."""
    assert source_path_of(path) == key


def test_key_does_not_depend_on_where_one_stands(tmp_path, monkeypatch):
    """Inside a crawl's folder, a relative path and an absolute one name the same source."""
    folder = tmp_path / "crawl-data" / "CC"
    folder.mkdir(parents=True)
    (folder / "a.wat.gz").write_text("x")
    monkeypatch.chdir(folder)
    found = find_sources(["a.wat.gz", str(folder / "a.wat.gz"), ".."])
    assert [source.source_path for source in found] == ["crawl-data/CC/a.wat.gz"]


def test_one_key_with_two_contents_is_refused(tmp_path):
    """Two files that claim to be the same file of a crawl but differ: neither is silently left out."""
    for mirror, content in (("one", "x"), ("two", "y")):
        folder = tmp_path / mirror / "crawl-data" / "CC"
        folder.mkdir(parents=True)
        (folder / "a.wat.gz").write_text(content)
    said = refusal(tmp_path / "one", tmp_path / "two")
    assert "crawl-data/CC/a.wat.gz" in said
    assert "other bytes" in said


def test_one_key_with_one_content_is_one_source(tmp_path):
    """Two copies of a crawl's file are read once."""
    for mirror in ("one", "two"):
        folder = tmp_path / mirror / "crawl-data" / "CC"
        folder.mkdir(parents=True)
        (folder / "a.wat.gz").write_text("x")
    (source,) = find_sources([str(tmp_path / "one"), str(tmp_path / "two")])
    assert source.source_path == "crawl-data/CC/a.wat.gz"


def test_no_input_is_refused():
    """The sentence shows what to give."""
    assert refusal() == "input is missing; expected files, folders or globs, e.g. --input pool/*.parquet."


def test_a_path_that_is_not_there_is_refused(pool):
    """A typing mistake is no empty input; a pattern without files is told apart."""
    assert refusal(pool / "gone.tsv") == f"input {pool}/gone.tsv does not exist; expected a file, a folder or a glob."
    assert "matches no file" in refusal(pool / "*.csv")
    assert "does not exist" in refusal(pool / "a.tsv", pool / "gone")


def test_a_file_of_an_unknown_kind_is_refused(pool):
    """A file that was named must be readable; the known endings are listed."""
    said = refusal(pool / "notes.txt")
    assert f"input {pool}/notes.txt is of no known kind" in said
    assert ".parquet" in said
    assert ".wat.gz" in said


def test_a_pattern_that_takes_in_unknown_kinds_is_refused(pool):
    """A pattern is as good as the names it gives: nothing is skipped silently."""
    assert "no known kind" in refusal(pool / "*")


@pytest.mark.parametrize("name", ["a.warc.gz", "a.warc", "A.WARC.GZ"])
def test_a_warc_is_refused_by_its_name(tmp_path, name):
    """WARCs come later; the sentence says what to give today."""
    (tmp_path / name).write_text("x")
    assert "is a WARC, which this version does not read; give the crawl's WAT" in refusal(tmp_path / name)


def test_a_folder_without_input_is_refused(tmp_path):
    """An empty folder, or one of other files, is no pool of zero pairs."""
    (tmp_path / "notes.txt").write_text("x")
    assert f"no input in folder {tmp_path}" in refusal(tmp_path)


def source(kind: str, size: int) -> Source:
    return Source("p", "/p", kind, size, "e")


@settings(max_examples=200, deadline=None)
@given(size=st.integers(0, 10**7), split_bytes=st.integers(1, 10**6).filter(lambda n: n > 10))
def test_parquet_splits_cover_every_byte_once(size, split_bytes):
    """Splits follow each other from 0 to the end, none is larger than asked, and each knows how many there are."""
    if size // split_bytes > 5000:
        split_bytes = size // 5000 + 1
    splits = splits_of([source("parquet", size)], split_bytes)
    assert splits[0].start == 0
    assert splits[-1].stop == size
    assert all(a.stop == b.start for a, b in zip(splits, splits[1:], strict=False))
    assert [split.index for split in splits] == list(range(len(splits)))
    assert {split.of for split in splits} == {len(splits)}
    assert all(split.stop - split.start <= split_bytes for split in splits)


@pytest.mark.parametrize("kind", ["wat", "tsv", "csv", "jsonl"])
def test_other_formats_are_one_split(kind):
    """What cannot be entered in the middle is read by one task."""
    (split,) = splits_of([source(kind, 10**9)], 1000)
    assert (split.index, split.of, split.start, split.stop) == (0, 1, 0, 10**9)


def test_etag_depends_on_content_alone(tmp_path):
    """A copy with another name and time has the same fingerprint."""
    first = tmp_path / "a"
    first.write_bytes(os.urandom(200_000))
    second = shutil.copy(first, tmp_path / "b")
    os.utime(second, (1, 1))
    assert etag_of(str(first)) == etag_of(str(second))
    assert size_of(str(first)) == 200_000
    with open_source(str(first)) as file:
        assert file.read() == first.read_bytes()


@pytest.mark.parametrize("size", [1, 100, 65_536, 65_537, 100_000, 131_072, 131_073, 300_000])
def test_etag_sees_the_first_and_last_bytes_and_the_size(tmp_path, size):
    """A byte changed at the start or end, or a byte more or less, is another file; at every size."""
    path = tmp_path / "a"

    def etag(content: bytes) -> str:
        path.write_bytes(content)
        return etag_of(str(path))

    plain = bytes(size)
    variants = [plain, b"\1" + plain[1:], plain[:-1] + b"\2", plain + b"\0", plain[:-1]]
    assert len({etag(content) for content in variants}) == len(variants)


def test_etag_of_an_empty_file(tmp_path):
    """An empty file has a fingerprint too."""
    (tmp_path / "a").touch()
    assert len(etag_of(str(tmp_path / "a"))) == 32
