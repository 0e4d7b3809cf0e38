"""Whole crawls: lists, samples, sizes, and warnings."""

from __future__ import annotations

import gzip
import threading
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
    """A server with one crawl."""
    monkeypatch.setattr(open, "PLANNING_PATIENCE", QUICK)
    monkeypatch.setattr(lists, "PLANNING_PATIENCE", QUICK)
    made = bad.BadServer()
    for kind in ("wat", "warc"):
        made.add(f"/crawl-data/{CRAWL}/{kind}.paths.gz", packed(paths_of(kind=kind)))
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def refusal(*args, **kwargs) -> str:
    with pytest.raises(InputError) as caught:
        crawl_sources(*args, **kwargs)
    return str(caught.value)


@pytest.mark.parametrize("kind", ["wat", "warc"])
def test_a_crawl_is_the_files_of_its_list(server, kind):
    """One request for the list, none for the files; the key is the path inside the crawl."""
    found = crawl_sources([CRAWL], kind, root=server.root + "/")
    assert found == [Source(path, f"{server.root}/{path}", kind, 0, "") for path in sorted(paths_of(kind=kind))]
    assert len(server.asked) == 1


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
    said = refusal([name], root=str(tmp_path))
    path = f"{tmp_path}/crawl-data/{name}/wat.paths.gz"
    assert said.startswith(f"crawl {name} cannot be listed: list {path} cannot be read: ")
    assert "No such file" in said


@pytest.mark.parametrize("name", ["2024-51", "CC-MAIN-2024", "CC-MAIN-24-51", "cc-main-2024-51", "CC-NEWS", ""])
def test_a_name_that_is_none_is_refused(name):
    """Before anything is fetched."""
    assert refusal([name]) == f"crawl {name!r} is no crawl's name; expected one such as CC-MAIN-2024-51."


def test_a_crawl_that_is_not_there_is_one_sentence(server):
    """The name, where it was looked for, and the answer."""
    said = refusal(["CC-MAIN-2024-52"], root=server.root)
    where = f"{server.root}/crawl-data/CC-MAIN-2024-52/wat.paths.gz"
    listed = f"crawl CC-MAIN-2024-52 cannot be listed: list {where} cannot be read: "
    assert said == f"{listed}{where} does not exist (status 404)."


def test_a_list_that_cannot_be_fetched_is_one_sentence(server):
    """Without the advice for sources of a run: there is none yet."""
    server.plan = [bad.status(403)] * 9
    said = refusal([CRAWL], root=server.root)
    where = f"{server.root}/crawl-data/{CRAWL}/wat.paths.gz"
    assert said == f"crawl {CRAWL} cannot be listed: list {where} could not be fetched: got status 403 2 times."


def test_a_list_comes_through_failures(server):
    """The list is fetched with the same patience as a source."""
    server.plan = [bad.status(503), bad.cut(20)]
    assert len(crawl_sources([CRAWL], root=server.root)) == 20


def test_half_of_a_list_is_no_list(server):
    """A plain list that stops coming is not taken for a short one."""
    url = server.add("/uris.txt", "".join(f"{path}\n" for path in paths_of()).encode())
    server.plan = [bad.cut(500), *[bad.status(503)] * 5]
    with pytest.raises(InputError, match=f"list {url} could not be fetched: "):
        find_sources([url])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (packed([]), "names nothing; expected WAT files."),
        (packed(paths_of(kind="warc")), ".warc.gz'; expected WAT files."),
        (packed(["https://elsewhere.org/a.wat.gz"]), "names 'https://elsewhere.org/a.wat.gz'; expected WAT files."),
        (b"<?xml version='1.0'?><Error/>", '<Error/>"; expected WAT files.'),
        (gzip.compress(b"WARC/1.0\r\n"), "holds WARC records, not paths"),
    ],
    ids=["empty", "WARCs", "elsewhere", "error page", "records"],
)
def test_a_list_of_something_else_is_refused(server, content, said):
    """A crawl's list names the crawl's files."""
    server.files[f"/crawl-data/{CRAWL}/wat.paths.gz"] = content
    assert said in refusal([CRAWL], root=server.root)


def test_an_unknown_format_is_refused():
    """WET holds no images."""
    assert refusal([CRAWL], "wet") == "format must be one of wat, warc, got 'wet'."


def test_an_unknown_root_is_refused():
    """The scheme is looked at before the network is."""
    assert "unknown scheme gopher://" in refusal([CRAWL], root="gopher://x/")


def test_a_sample_is_spread_over_the_segments():
    """No segment has two more than another, at any size."""
    paths = dict.fromkeys(paths_of(segments=7, files=5), CRAWL)
    for number in range(len(paths) + 1):
        taken = Counter(segment_of(path) for path in sample(paths, number, 0))
        counts = [taken[segment] for segment in {segment_of(path) for path in paths}]
        assert sum(counts) == number
        assert max(counts) - min(counts) <= 1


def test_a_sample_is_spread_over_the_crawls():
    """Crawls of other sizes and numbers of segments bring the same number of files, while they have them."""
    one, two = paths_of(segments=10, files=10), paths_of("CC-MAIN-2024-46", segments=3, files=4)
    paths = {**dict.fromkeys(one, CRAWL), **dict.fromkeys(two, "CC-MAIN-2024-46")}
    taken = Counter(paths[path] for path in sample(paths, 21, 3))
    assert sorted(taken.values()) == [10, 11]
    assert Counter(paths[path] for path in sample(paths, 40, 3)) == {CRAWL: 28, "CC-MAIN-2024-46": 12}


@settings(max_examples=50, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 8), min_size=1, max_size=6),
    seed=st.integers(0, 2**63),
    number=st.integers(0, 50),
    shuffle=st.randoms(),
)
def test_a_sample_is_nested_and_free_of_order(sizes, seed, number, shuffle):
    """N + 1 files hold the N files; the order of the list does not matter; nothing is taken twice."""
    every = [path for n, size in enumerate(sizes) for path in paths_of(segments=n + 1, files=size)[-size:]]
    order = list(every)
    shuffle.shuffle(order)
    taken = sample(dict.fromkeys(every, CRAWL), number, seed)
    assert set(taken) == set(sample(dict.fromkeys(order, CRAWL), number, seed))
    assert len(set(taken)) == len(taken) == min(number, len(set(every)))
    assert set(taken) <= set(sample(dict.fromkeys(every, CRAWL), number + 1, seed))


def test_another_seed_takes_other_files():
    """And the same seed the same ones; a fixed sample stays what it is over versions."""
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
    """Of the whole; a number beyond the crawl's takes all."""
    found = crawl_sources([CRAWL], max_files=5, seed=7, root=server.root)
    assert {segment_of(source.source_path) for source in found} == {segment_of(path) for path in paths_of()}
    assert [source.source_path for source in found] == sorted(sample(dict.fromkeys(paths_of(), CRAWL), 5, 7))
    assert len(crawl_sources([CRAWL], max_files=1000, root=server.root)) == 20


def test_sizes_of_a_sample_are_asked(server):
    """So many requests of one byte, and none for a size that is known."""
    for number, path in enumerate(paths_of()):
        server.add(f"/{path}", bytes(100 + number))
    found = crawl_sources([CRAWL], root=server.root)
    server.asked.clear()
    sizes = sample_sizes(found, n=6, seed=1)
    assert len(sizes) == len(server.asked) == 6
    assert {asked for _, asked in server.asked} == {"bytes=0-0"}
    assert all(sizes[path] == 100 + paths_of().index(path) for path in sizes)
    assert sample_sizes(found, n=6, seed=1) == sizes
    known = [Source("a", f"{server.root}/a", "wat", 7, "")]
    assert sample_sizes(known) == {"a": 7}
    assert len(server.asked) == 12


def test_a_file_that_does_not_answer_has_no_size(server):
    """An estimate does without it; its own task will say why."""
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
    """Where it is read from, and with what; nothing to say where all is well."""
    said = warnings_of(sources, environ)
    assert [text[: len(start)] for text, start in zip(said, starts, strict=True)] == starts
    assert all(text.endswith(".") for text in said)
