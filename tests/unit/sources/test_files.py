"""Paths, folders and globs become sources, and sources become splits."""

from __future__ import annotations

import gzip
import os
import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaclip_spark.errors import InputError
from metaclip_spark.sources.files import Source, find_sources, source_path_of, splits_of
from metaclip_spark.sources.kinds import format_of
from metaclip_spark.storage.open import etag_of, open_source, size_of


@pytest.fixture
def pool(tmp_path):
    """Write a folder with files of every kind, and some that are not input."""
    folder = tmp_path / "pool"
    for name in (
        "b.parquet",
        "a.tsv",
        "deep/er/c.wat.gz",
        "deep/d.jsonl.gz",
        "notes.txt",
        "README",
        ".hidden.tsv",
        "_SUCCESS",
        "_temporary/e.parquet",
        ".git/f.csv",
        "_metadata.parquet",
    ):
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
        ("a.wat.gz", "wat"),
        ("A.WAT.GZ", "wat"),
        ("a.parquet", "parquet"),
        ("a.snappy.parquet", "parquet"),
        ("a.tsv", "tsv"),
        ("a.tsv.gz", "tsv"),
        ("a.csv", "csv"),
        ("a.csv.gz", "csv"),
        ("a.jsonl", "jsonl"),
        ("a.jsonl.gz", "jsonl"),
        ("a.json", None),
        ("a.txt", None),
        ("a.gz", None),
        ("a.wat", None),
        ("a", None),
        ("a.warc.gz", "warc"),
        ("A.warc", "warc"),
        ("a.warc.wat.gz", "wat"),
        ("a.warc.wet.gz", None),
        ("a.parquet.crc", None),
        ("parquet", None),
    ],
)
def test_suffix_says_the_format(name, kind):
    """The end of the name decides, in upper or lower case."""
    assert format_of(f"some/where/{name}") == kind


def test_suffix_of_a_uri_says_the_format():
    """A query is not part of the name."""
    assert format_of("https://x.org/a.parquet?download=true") == "parquet"
    assert format_of("s3://bucket/a.wat.gz") == "wat"


def test_a_folder_is_all_its_files_of_known_kinds(pool):
    """All subfolders are searched; hidden files, markers and other kinds are skipped."""
    assert names(find_sources([str(pool)]), pool) == [
        "a.tsv",
        "b.parquet",
        "deep/d.jsonl.gz",
        "deep/er/c.wat.gz",
    ]


def test_a_source_says_what_it_is(pool):
    """A source has the key, place, format, size and fingerprint of its file."""
    (source,) = find_sources([str(pool / "a.tsv")])
    path = str(pool / "a.tsv")
    assert source == Source(path, path, "tsv", 5, etag_of(path))


def test_globs_are_expanded(pool):
    """A pattern that no shell expanded finds the same files; ** enters folders."""
    assert names(find_sources([str(pool / "*.tsv")]), pool) == ["a.tsv"]
    found = find_sources([str(pool / "**" / "*.gz")])
    assert names(found, pool) == ["deep/d.jsonl.gz", "deep/er/c.wat.gz"]


def test_a_glob_passes_by_folders(pool):
    """A pattern that matches a folder and files gives the files."""
    (pool / "folder.tsv").mkdir()
    assert names(find_sources([str(pool / "*.tsv")]), pool) == ["a.tsv"]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tmp_path):
    """A path that exists is not expanded, even with brackets."""
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
        ("file:///data/pool/x.parquet", "/data/pool/x.parquet"),
        ("https://data.commoncrawl.org/crawl-data/CC/x.wat.gz", "crawl-data/CC/x.wat.gz"),
        ("s3://commoncrawl/crawl-data/CC/x.wat.gz", "crawl-data/CC/x.wat.gz"),
        ("s3a://bucket/x.wat.gz", "s3://bucket/x.wat.gz"),
        ("https://ex.org/x.wat.gz?version=2", "https://ex.org/x.wat.gz?version=2"),
        ("https://ex.org/x.wat.gz?X-Amz-Signature=ab", "https://ex.org/x.wat.gz"),
    ],
)
def test_key_is_the_path_inside_the_crawl(path, key):
    """A crawl's file has one key wherever it was copied to; any other file is known by its absolute path."""
    assert source_path_of(path) == key


def test_key_does_not_depend_on_the_current_folder(tmp_path, monkeypatch):
    """Inside a crawl's folder, a relative path and an absolute one name the same source."""
    folder = tmp_path / "crawl-data" / "CC"
    folder.mkdir(parents=True)
    (folder / "a.wat.gz").write_text("x")
    monkeypatch.chdir(folder)
    found = find_sources(["a.wat.gz", str(folder / "a.wat.gz"), ".."])
    assert [source.source_path for source in found] == ["crawl-data/CC/a.wat.gz"]


def test_one_key_with_two_contents_is_refused(tmp_path):
    """Of two files with one key and different bytes, neither is dropped in silence."""
    for mirror, content in (("one", "x"), ("two", "y")):
        folder = tmp_path / mirror / "crawl-data" / "CC"
        folder.mkdir(parents=True)
        (folder / "a.wat.gz").write_text(content)
    message = refusal(tmp_path / "one", tmp_path / "two")
    assert "crawl-data/CC/a.wat.gz" in message
    assert "have different bytes" in message


def test_one_key_with_one_content_is_one_source(tmp_path):
    """Two copies of a crawl's file are read once."""
    for mirror in ("one", "two"):
        folder = tmp_path / mirror / "crawl-data" / "CC"
        folder.mkdir(parents=True)
        (folder / "a.wat.gz").write_text("x")
    (source,) = find_sources([str(tmp_path / "one"), str(tmp_path / "two")])
    assert source.source_path == "crawl-data/CC/a.wat.gz"


def test_no_input_is_refused():
    """The error shows an example."""
    assert refusal() == "input is missing; expected files, folders or globs, e.g. --input pool/*.parquet."


def test_a_missing_path_is_refused(pool):
    """A typing mistake is not an empty input; a pattern without files has its own error."""
    assert refusal(pool / "gone.tsv") == f"input {pool}/gone.tsv does not exist; expected a file, a folder or a glob."
    assert "matches no file" in refusal(pool / "*.csv")
    assert "does not exist" in refusal(pool / "a.tsv", pool / "gone")


def test_a_file_of_an_unknown_kind_is_refused(pool):
    """A file that was named must be readable; the error lists the known suffixes."""
    message = refusal(pool / "README")
    assert f"input {pool}/README is of no known kind" in message
    assert ".parquet" in message
    assert ".wat.gz" in message


def test_a_pattern_that_takes_in_unknown_kinds_is_refused(pool):
    """No file that a pattern matches is skipped in silence."""
    assert "no known kind" in refusal(pool / "*")


def test_a_folder_without_input_is_refused(tmp_path):
    """A folder that is empty, or has only other files, is not a pool of zero pairs."""
    (tmp_path / "notes.txt").write_text("x")
    assert f"no input in folder {tmp_path}" in refusal(tmp_path)


def source(kind: str, size: int) -> Source:
    return Source("p", "/p", kind, size, "e")


@settings(max_examples=200)
@given(size=st.integers(0, 10**7), split_bytes=st.integers(1, 10**6).filter(lambda n: n > 10))
def test_parquet_splits_cover_every_byte_once(size, split_bytes):
    """Splits are adjacent from 0 to the end, none is larger than the limit, and each has their number."""
    if size // split_bytes > 5000:
        split_bytes = size // 5000 + 1
    splits = splits_of([source("parquet", size)], split_bytes)
    assert splits[0].start == 0
    assert splits[-1].stop == size
    assert all(a.stop == b.start for a, b in zip(splits, splits[1:], strict=False))
    assert [split.index for split in splits] == list(range(len(splits)))
    assert {split.of for split in splits} == {len(splits)}
    assert all(split.stop - split.start <= split_bytes for split in splits)


@pytest.mark.parametrize("kind", ["wat", "warc", "tsv", "csv", "jsonl"])
def test_other_formats_are_one_split(kind):
    """A file that cannot be entered in the middle is read by one task."""
    (split,) = splits_of([source(kind, 10**9)], 1000)
    assert (split.index, split.of, split.start, split.stop) == (0, 1, 0, 10**9)


def test_a_parquet_file_of_unknown_size_is_one_split():
    """Its task reads all row groups."""
    assert [(split.start, split.stop, split.of) for split in splits_of([source("parquet", 0)])] == [(0, 0, 1)]


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
    """A changed byte at the start or end, or one byte more or less, changes it, at every size."""
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


PATHS = ["crawl-data/CC/segments/1/wat/b.warc.wat.gz", "crawl-data/CC/segments/1/wat/a.warc.wat.gz"]
SERVER = "https://data.commoncrawl.org/"


def write_list(path, lines, packed: bool = True):
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(text) if packed else text)
    return path


@pytest.mark.parametrize(("name", "packed"), [("wat.paths.gz", True), ("wat.paths", False), ("uris.txt", False)])
def test_a_list_is_the_files_it_names(tmp_path, name, packed):
    """Paths inside a crawl belong to Common Crawl's server, which receives no request yet."""
    path = write_list(tmp_path / name, ["# two files", *PATHS, "", PATHS[0]], packed)
    assert find_sources([str(path)]) == [Source(inside, SERVER + inside, "wat", 0, "") for inside in sorted(PATHS)]


@pytest.mark.parametrize("where", ["crawl-data/CC/wat.paths.gz", "wat.paths.gz", "lists/deep/wat.paths.gz"])
def test_a_list_in_a_mirror_is_read_there(tmp_path, where):
    """A crawl-data folder above or next to the list contains its files."""
    for inside in PATHS:
        (tmp_path / inside).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / inside).write_bytes(b"x")
    found = find_sources([str(write_list(tmp_path / where, PATHS))])
    assert [(source.source_path, source.uri, source.bytes) for source in found] == [
        (inside, str(tmp_path / inside), 1) for inside in sorted(PATHS)
    ]


def test_a_list_whose_files_are_not_all_in_the_mirror_is_refused(tmp_path):
    """The missing half of a mirror is not fetched from the network in silence."""
    (tmp_path / PATHS[0]).parent.mkdir(parents=True)
    (tmp_path / PATHS[0]).write_bytes(b"x")
    path = write_list(tmp_path / "wat.paths.gz", PATHS)
    assert refusal(path) == (
        f"list {path} names 2 files, of which 1 do not exist, e.g. {tmp_path}/{PATHS[1]}; "
        "a list outside of any crawl-data folder is read from Common Crawl's server."
    )


def test_lines_of_a_list_may_be_of_any_kind(tmp_path):
    """Absolute uris and paths stay unchanged; other names are relative to the list's folder."""
    (tmp_path / "beside.tsv").write_text("x")
    (tmp_path / "other.tsv").write_text("y")
    lines = ["s3://bucket/a.tsv", "https://ex.org/b.wat.gz", str(tmp_path / "other.tsv"), "beside.tsv"]
    found = find_sources([str(write_list(tmp_path / "uris.txt", lines, packed=False))])
    assert [source.uri for source in found] == [
        str(tmp_path / "beside.tsv"),
        str(tmp_path / "other.tsv"),
        "https://ex.org/b.wat.gz",
        "s3://bucket/a.tsv",
    ]


def test_a_file_and_a_list_that_names_it_are_one_source(tmp_path):
    """The known size and fingerprint are kept, whichever comes first."""
    mirror = tmp_path / PATHS[0]
    mirror.parent.mkdir(parents=True)
    mirror.write_bytes(b"x")
    path = write_list(tmp_path.parent / f"{tmp_path.name}.paths", [PATHS[0]], packed=False)
    for order in ([mirror, path], [path, mirror]):
        (found,) = find_sources([str(one) for one in order])
        assert (found.uri, found.bytes) == (str(mirror), 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; expected one path or uri per line."),
        (gzip.compress(b""), "is empty; expected one path or uri per line."),
        (b"WARC/1.0\r\nWARC-Type: warcinfo\r\n", "holds WARC records, not paths; a WAT is named .wat.gz"),
        (gzip.compress(b"WARC/1.0\r\nWARC-Type: warcinfo\r\n"), "holds WARC records, not paths"),
        (b"\xff\xfe", "is not text in UTF-8"),
        (gzip.compress(PATHS[0].encode() * 50)[:-9], "cannot be read: Compressed file ended before"),
        (b"\x1f\x8b\x00" + b"x" * 50, "cannot be read: Unknown compression method"),
        (b"https://ex.org/a.jpg\n", "names https://ex.org/a.jpg, of no known kind; expected names ending in .wat.gz"),
        (b"gopher://ex.org/a.tsv\n", "is of the unknown scheme gopher://"),
    ],
    ids=["empty", "empty gzip", "WARC", "WARC gzip", "binary", "cut", "broken", "other names", "scheme"],
)
def test_what_is_no_list_is_refused(tmp_path, content, message):
    """The error comes before any work."""
    (tmp_path / "x.paths.gz").write_bytes(content)
    assert message in refusal(tmp_path / "x.paths.gz")


@pytest.mark.parametrize("name", ["x.wat.gz", "x.warc.gz", "x.warc"])
@pytest.mark.parametrize("packed", [True, False])
def test_a_list_named_as_a_wat_is_refused(tmp_path, name, packed):
    """Read as records, the list would be an empty file."""
    path = write_list(tmp_path / name, PATHS, packed)
    assert refusal(path) == f"input {path} holds lines of paths, not records; rename it to .paths.gz to read its files."


def test_a_broken_wat_is_left_to_its_reader(tmp_path):
    """Damage is the outcome of a source, not a wrong flag."""
    (tmp_path / "a.wat.gz").write_bytes(b"\x1f\x8b broken")
    assert len(find_sources([str(tmp_path / "a.wat.gz")])) == 1


def test_the_real_list_is_read(shared_data):
    """It has 300 names, and the error reports that their files do not exist."""
    path = shared_data / "crawl" / "CC-MAIN-2024-22.warc.paths.gz"
    message = refusal(path)
    assert message.startswith(f"list {path} names 300 files, of which 300 do not exist, e.g. {path.parent}/part-00000-")


def test_an_unknown_scheme_is_refused():
    """The error comes at the start."""
    assert "gopher://ex.org/a.tsv is of the unknown scheme gopher://" in refusal("gopher://ex.org/a.tsv")
