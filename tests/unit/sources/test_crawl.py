"""Whole crawls: lists, samples, sizes, and warnings."""

from __future__ import annotations

import gzip
from collections import Counter

import bad_server as bad
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaclip_spark.errors import InputError
from metaclip_spark.sources import lists
from metaclip_spark.sources.crawl import crawl_sources, sample, sample_sizes, warnings_of
from metaclip_spark.sources.files import Source, find_sources
from metaclip_spark.storage import open
from metaclip_spark.storage.fetch import Patience

CRAWL = "CC-MAIN-2024-51"
QUICK = Patience(attempts=3, forbidden_attempts=2, base_delay=0.001, max_delay=0.002)


def paths_of(crawl: str = CRAWL, segments: int = 5, files: int = 4, kind: str = "wat") -> list[str]:
    folder = "warc" if kind == "warc" else "wat"
    return [
        f"crawl-data/{crawl}/segments/17{segment:03d}.1/{folder}/{crawl}-{file:05d}.warc{'.wat' * (kind == 'wat')}.gz"
        for segment in range(segments)
        for file in range(files)
    ]


def packed(paths: list[str]) -> bytes:
    return gzip.compress("".join(f"{path}\n" for path in paths).encode())


def segment_of(path: str) -> str:
    return path.split("/")[3]


@pytest.fixture
def server(monkeypatch):
    """Start a server with one crawl."""
    monkeypatch.setattr(open, "PLANNING_PATIENCE", QUICK)
    monkeypatch.setattr(lists, "PLANNING_PATIENCE", QUICK)
    with bad.serving() as made:
        for kind in ("wat", "warc"):
            made.add(f"/crawl-data/{CRAWL}/{kind}.paths.gz", packed(paths_of(kind=kind)))
        yield made


def refusal(*args, **kwargs) -> str:
    with pytest.raises(InputError) as caught:
        crawl_sources(*args, **kwargs)
    return str(caught.value)


@pytest.mark.parametrize("kind", ["wat", "warc"])
def test_a_crawl_is_the_files_of_its_list(server, kind):
    """The list costs one request and the files none; the key is the path inside the crawl."""
    found = crawl_sources([CRAWL], kind, root=server.root + "/")
    assert found == [Source(path, f"{server.root}/{path}", kind, 0, "") for path in sorted(paths_of(kind=kind))]
    assert len(server.requests) == 1


def test_the_archives_of_robots_txt_are_a_list_of_their_own(server):
    """They are WARCs, in a folder of their own."""
    paths = [path.replace("/wat/", "/robotstxt/").replace(".wat.gz", ".gz") for path in paths_of()]
    server.add(f"/crawl-data/{CRAWL}/robotstxt.paths.gz", packed(paths))
    found = crawl_sources([CRAWL], "robotstxt", root=server.root)
    assert found == [Source(path, f"{server.root}/{path}", "warc", 0, "") for path in sorted(paths)]


def test_a_crawl_and_its_list_as_input_are_the_same(server):
    """`--crawl NAME` and `--input .../wat.paths.gz` read the same files, for any server that has the crawl."""
    given = find_sources([f"{server.root}/crawl-data/{CRAWL}/wat.paths.gz"])
    assert given == crawl_sources([CRAWL], root=server.root)


def test_the_key_does_not_depend_on_the_transport(server, tmp_path):
    """A crawl read over http and from a local mirror has the same keys."""
    for path in paths_of():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"x")
    (tmp_path / f"crawl-data/{CRAWL}/wat.paths.gz").write_bytes(packed(paths_of()))
    local = crawl_sources([CRAWL], root=str(tmp_path))
    assert [source.source_path for source in local] == sorted(paths_of())
    assert [source.source_path for source in crawl_sources([CRAWL], root=server.root)] == sorted(paths_of())
    assert {source.bytes for source in local} == {1}


@pytest.mark.parametrize("name", ["CC-MAIN-2008-2009", "CC-MAIN-2012", "CC-MAIN-2013-20", CRAWL])
def test_names_of_all_ages_are_names(tmp_path, name):
    """The oldest crawls are named by years."""
    message = refusal([name], root=str(tmp_path))
    path = f"{tmp_path}/crawl-data/{name}/wat.paths.gz"
    assert message.startswith(f"crawl {name} cannot be listed: list {path} cannot be read: ")
    assert "No such file" in message


@pytest.mark.parametrize("name", ["2024-51", "CC-MAIN-2024", "CC-MAIN-24-51", "cc-main-2024-51", "CC-NEWS", ""])
def test_an_invalid_name_is_refused(name):
    """The error comes before any request."""
    assert refusal([name]) == f"crawl {name!r} is not the name of a crawl; expected a name such as CC-MAIN-2024-51."


def test_a_missing_crawl_is_one_sentence(server):
    """The error names the crawl, the place of its list, and the server's response."""
    message = refusal(["CC-MAIN-2024-52"], root=server.root)
    where = f"{server.root}/crawl-data/CC-MAIN-2024-52/wat.paths.gz"
    listed = f"crawl CC-MAIN-2024-52 cannot be listed: list {where} cannot be read: "
    assert message == f"{listed}{where} does not exist (status 404)."


def test_a_list_that_cannot_be_fetched_is_one_sentence(server):
    """The error omits the advice for sources of a run, because there is no run yet."""
    server.plan = [bad.status(403)] * 9
    message = refusal([CRAWL], root=server.root)
    where = f"{server.root}/crawl-data/{CRAWL}/wat.paths.gz"
    assert message == f"crawl {CRAWL} cannot be listed: list {where} could not be fetched: got status 403 2 times."


def test_a_list_comes_through_failures(server):
    """The list is fetched with as many attempts as a source."""
    server.plan = [bad.status(503), bad.cut(20)]
    assert len(crawl_sources([CRAWL], root=server.root)) == 20


def test_half_of_a_list_is_no_list(server):
    """A plain list that is interrupted is not taken for a short one."""
    url = server.add("/uris.txt", "".join(f"{path}\n" for path in paths_of()).encode())
    server.plan = [bad.cut(500), *[bad.status(503)] * 5]
    with pytest.raises(InputError, match=f"list {url} could not be fetched: "):
        find_sources([url])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (packed([]), "names nothing; expected WAT files."),
        (packed(paths_of(kind="warc")), ".warc.gz'; expected WAT files."),
        (packed(["https://elsewhere.org/a.wat.gz"]), "names 'https://elsewhere.org/a.wat.gz'; expected WAT files."),
        (b"<?xml version='1.0'?><Error/>", '<Error/>"; expected WAT files.'),
        (gzip.compress(b"WARC/1.0\r\n"), "holds WARC records, not paths"),
    ],
    ids=["empty", "WARCs", "elsewhere", "error page", "records"],
)
def test_a_list_of_something_else_is_refused(server, content, message):
    """A crawl's list names the crawl's files."""
    server.files[f"/crawl-data/{CRAWL}/wat.paths.gz"] = content
    assert message in refusal([CRAWL], root=server.root)


def test_an_unknown_format_is_refused():
    """WET files have no images."""
    assert refusal([CRAWL], "wet") == "format must be one of wat, warc, robotstxt, got 'wet'."


def test_an_unknown_root_is_refused():
    """The scheme is checked before any request."""
    assert "unknown scheme gopher://" in refusal([CRAWL], root="gopher://x/")


def test_a_sample_is_spread_over_the_segments():
    """The numbers of files per segment differ by at most one, at any size."""
    paths = dict.fromkeys(paths_of(segments=7, files=5), CRAWL)
    for number in range(len(paths) + 1):
        chosen = Counter(segment_of(path) for path in sample(paths, number, 0))
        counts = [chosen[segment] for segment in {segment_of(path) for path in paths}]
        assert sum(counts) == number
        assert max(counts) - min(counts) <= 1


def test_a_sample_is_spread_over_the_crawls():
    """Crawls of different sizes give the same number of files, as long as they have files."""
    one, two = paths_of(segments=10, files=10), paths_of("CC-MAIN-2024-46", segments=3, files=4)
    paths = {**dict.fromkeys(one, CRAWL), **dict.fromkeys(two, "CC-MAIN-2024-46")}
    chosen = Counter(paths[path] for path in sample(paths, 21, 3))
    assert sorted(chosen.values()) == [10, 11]
    assert Counter(paths[path] for path in sample(paths, 40, 3)) == {CRAWL: 28, "CC-MAIN-2024-46": 12}


@settings(max_examples=50)
@given(
    sizes=st.lists(st.integers(1, 8), min_size=1, max_size=6),
    seed=st.integers(0, 2**63),
    number=st.integers(0, 50),
    shuffle=st.randoms(),
)
def test_a_sample_is_nested_and_order_independent(sizes, seed, number, shuffle):
    """N + 1 files contain the N files; the order of the list does not matter; no file is chosen twice."""
    every = [path for n, size in enumerate(sizes) for path in paths_of(segments=n + 1, files=size)[-size:]]
    order = list(every)
    shuffle.shuffle(order)
    chosen = sample(dict.fromkeys(every, CRAWL), number, seed)
    assert set(chosen) == set(sample(dict.fromkeys(order, CRAWL), number, seed))
    assert len(set(chosen)) == len(chosen) == min(number, len(set(every)))
    assert set(chosen) <= set(sample(dict.fromkeys(every, CRAWL), number + 1, seed))


def test_another_seed_takes_other_files():
    """The same seed chooses the same files, and a known sample stays the same over versions."""
    paths = dict.fromkeys(paths_of(segments=50, files=20), CRAWL)
    assert sample(paths, 50, 1) == sample(paths, 50, 1)
    assert len(set(sample(paths, 50, 1)) & set(sample(paths, 50, 2))) < 15
    assert sample(paths, 2, 0) == FIXED


FIXED = [
    f"crawl-data/{CRAWL}/segments/17000.1/wat/{CRAWL}-00018.warc.wat.gz",
    f"crawl-data/{CRAWL}/segments/17020.1/wat/{CRAWL}-00003.warc.wat.gz",
]
"""The first two files of seed 0."""


def test_max_files_takes_a_sample(server):
    """The sample is over the whole crawl; a number beyond the crawl's size chooses all files."""
    found = crawl_sources([CRAWL], max_files=5, seed=7, root=server.root)
    assert {segment_of(source.source_path) for source in found} == {segment_of(path) for path in paths_of()}
    assert [source.source_path for source in found] == sorted(sample(dict.fromkeys(paths_of(), CRAWL), 5, 7))
    assert len(crawl_sources([CRAWL], max_files=1000, root=server.root)) == 20


def test_sizes_of_a_sample_are_requested(server):
    """Each size costs a request of one byte, and a known size costs none."""
    for number, path in enumerate(paths_of()):
        server.add(f"/{path}", bytes(100 + number))
    found = crawl_sources([CRAWL], root=server.root)
    server.requests.clear()
    sizes = sample_sizes(found, n=6, seed=1)
    assert len(sizes) == len(server.requests) == 6
    assert {requested for _, requested in server.requests} == {"bytes=0-0"}
    assert all(sizes[path] == 100 + paths_of().index(path) for path in sizes)
    assert sample_sizes(found, n=6, seed=1) == sizes
    known = [Source("a", f"{server.root}/a", "wat", 7, "")]
    assert sample_sizes(known) == {"a": 7}
    assert len(server.requests) == 12


def test_a_file_that_does_not_answer_has_no_size(server):
    """The estimate does not need it, and the file's own task will report the reason."""
    assert sample_sizes(crawl_sources([CRAWL], root=server.root), n=3) == {}


def on(*uris: str) -> list[Source]:
    return [Source(uri, uri, "wat", 0, "") for uri in uris]


S3 = on("s3://commoncrawl/crawl-data/CC/a.wat.gz")
KEYS = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "x"}


@pytest.mark.parametrize(
    ("sources", "environ", "starts"),
    [
        (on("/data/a.wat.gz", "s3://mine/a.wat.gz"), {}, []),
        (S3, {**KEYS, "AWS_REGION": "us-east-1"}, []),
        (S3, {"AWS_PROFILE": "me", "AWS_DEFAULT_REGION": "us-east-1"}, []),
        (S3, {**KEYS, "AWS_REGION": "eu-west-1"}, ["s3://commoncrawl is in us-east-1, and the region here is eu-"]),
        (S3, KEYS, ["s3://commoncrawl is in us-east-1, and the region here is not known"]),
        (S3, {"AWS_REGION": "us-east-1"}, ["s3://commoncrawl needs AWS credentials, and the environment names"]),
        (on("s3a://commoncrawl/a.wat.gz"), {"AWS_REGION": "us-east-1"}, ["s3://commoncrawl needs AWS credentials"]),
        (on(*["https://data.commoncrawl.org/a"] * 1000), {}, []),
        (on(*["https://data.commoncrawl.org/a"] * 1001), {}, ["1,001 files over https: Common Crawl throttles"]),
        (on(*["https://mirror.org/a"] * 2000), {}, []),
    ],
)
def test_warnings_that_save_a_crawl(sources, environ, starts):
    """Warnings concern the place of the crawl and the credentials; a good set-up has none."""
    warnings = warnings_of(sources, environ)
    assert [text[: len(start)] for text, start in zip(warnings, starts, strict=True)] == starts
    assert all(text.endswith(".") for text in warnings)
