"""Bytes are read whole and once from servers that fail, and every outcome has its error."""

from __future__ import annotations

import gzip
import io
import random
import sys
import threading

import bad_server as bad
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from metaclip_spark.errors import DamagedSourceError, InputError
from metaclip_spark.sources.files import find_sources
from metaclip_spark.storage import open, private_addresses
from metaclip_spark.storage.fetch import Fetch, Patience
from metaclip_spark.storage.open import check_transport, info_of, list_remote, open_source, same_source

QUICK = Patience(
    attempts=4,
    forbidden_attempts=3,
    base_delay=0.001,
    max_delay=0.004,
    longest_wait=0.05,
    connect_seconds=1.0,
    read_seconds=0.15,
    block_seconds=5.0,
    block_bytes=1 << 16,
    progress_bytes=1 << 14,
)
DATA = random.Random(0).randbytes(300_001)
AGAIN = "run again with --retry partial,failed"


@pytest.fixture
def server():
    """Start a server that follows its plan."""
    with bad.serving() as made:
        yield made


@pytest.fixture
def url(server) -> str:
    """Serve DATA, and return its url."""
    return server.add("/x/a.bin", DATA)


def read_all(url: str, patience: Patience = QUICK, step: int = 10_000) -> bytes:
    parts = bytearray()
    with open_source(url, patience) as file:
        while piece := file.read(step):
            parts += piece
            assert file.tell() == len(parts)
    return bytes(parts)


def damage(url: str, patience: Patience = QUICK) -> str:
    with pytest.raises(DamagedSourceError) as caught:
        read_all(url, patience)
    return str(caught.value)


def test_a_good_server_is_asked_once(server, url):
    """A file costs one request for any number of blocks, because Common Crawl's servers count requests."""
    assert read_all(url) == DATA
    assert server.requests == [("/x/a.bin", None)]


@pytest.mark.parametrize(
    "plan",
    [
        [bad.status(503)],
        [bad.status(503)] * 3,
        [bad.status(500), bad.status(429), bad.status(502)],
        [bad.status(403)] * 2,
        [bad.reset(0)],
        [bad.reset(100_000)],
        [bad.reset(65_536)],
        [bad.reset(90_000), bad.reset(1), bad.status(503), bad.reset(80_000)],
        [bad.cut(0)],
        [bad.cut(150_000)],
        [bad.cut(300_000)],
        [bad.stall(0, 1)],
        [bad.stall(120_000, 1)],
        [bad.drip(40_000, 0.02)],
        [bad.status(503, retry_after="0")],
        [bad.status(503, retry_after="Wed, 21 Oct 2015 07:28:00 GMT")],
    ],
    ids=lambda plan: "+".join(behaviour.__qualname__.partition(".")[0] for behaviour in plan),
)
@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "no ranges"])
def test_nothing_is_lost_and_nothing_doubled(server, url, plan, ranges):
    """Whatever fails in between, the bytes are the file's, and each failure costs one request."""
    server.plan, server.ranges = list(plan), ranges
    assert read_all(url, Patience(**{**vars(QUICK), "attempts": 5})) == DATA
    failures = 0 if plan[0].__qualname__.startswith("drip") else len(plan)
    assert len(server.requests) == 1 + failures


def test_a_cut_body_is_continued_where_it_was_cut(server, url):
    """The bytes before the cut are not fetched again."""
    server.plan = [bad.cut(100_000), bad.cut(50_000)]
    assert read_all(url) == DATA
    assert [requested for _, requested in server.requests] == [None, "bytes=100000-", "bytes=150000-"]


def test_requests_that_are_made_again_are_counted_by_kind(server, url):
    """The counter has no address and no number that differs by request. The failure that ends a source is no retry."""
    server.plan = [bad.status(503), bad.reset(90_000), bad.status(503), bad.reset(1)]
    with open_source(url, QUICK) as file:
        assert len(file.read()) == len(DATA)
        assert dict(file.retries) == {"status 503": 2, "a connection reset": 2}
    server.plan = [bad.status(503)] * QUICK.attempts
    with open_source(url, QUICK) as file:
        with pytest.raises(DamagedSourceError):
            file.read()
        assert dict(file.retries) == {"status 503": QUICK.attempts - 1}


def test_more_failures_than_attempts_are_fine_while_bytes_come(server, url):
    """Only failures in a row count: a connection that breaks every 30,000 bytes still gives the file."""
    server.plan = [bad.reset(30_000) for _ in range(10)]
    assert read_all(url) == DATA
    assert len(server.requests) == 11


@pytest.mark.parametrize(
    ("behaviour", "requests", "message"),
    [
        (bad.status(503), 4, "got status 503 4 times"),
        (bad.status(403), 3, "got status 403 3 times"),
        (bad.reset(0), 4, "got a connection reset 4 times"),
        (bad.cut(0), 4, "got a truncated body 4 times"),
        (bad.stall(0, 1), 4, "got a read timeout 4 times"),
    ],
    ids=["503", "403", "reset", "cut", "stall"],
)
def test_a_source_that_cannot_be_fetched_fails(server, url, behaviour, requests, message):
    """The error names the failure, the number of attempts, and the command to run."""
    server.plan = [behaviour] * 100
    text = damage(url)
    assert text.startswith(f"{url} could not be fetched: ")
    assert message in text
    assert text.endswith(AGAIN)
    assert len(server.requests) == requests


def test_different_failures_are_counted_together(server, url):
    """The error names the last one."""
    server.plan = [bad.status(503), bad.cut(0), bad.status(500), bad.status(429)]
    assert damage(url) == f"{url} could not be fetched: 4 times in a row, the last with status 429; {AGAIN}"


def test_what_came_before_the_end_is_kept(server, url):
    """A read before the failure returns the bytes so far; the next read raises."""
    server.plan = [bad.cut(100_000), *[bad.status(503)] * 10]
    with open_source(url, QUICK) as file:
        assert file.read(200_000) == DATA[:100_000]
        assert file.tell() == 100_000
        for _ in range(2):
            with pytest.raises(DamagedSourceError, match="got status 503|the last with status 503"):
                file.read(1)
    server.plan = [bad.cut(100_000), *[bad.status(503)] * 10]
    with open_source(url, QUICK) as file, pytest.raises(DamagedSourceError):
        file.read()


def test_a_missing_file_is_not_asked_for_again(server):
    """Status 404 is final."""
    url = server.root + "/gone.wat.gz"
    assert damage(url) == f"{url} does not exist (status 404)"
    assert len(server.requests) == 1


def test_other_refusals_end_at_once(server, url):
    """Another attempt cannot help."""
    server.plan = [bad.status(401)]
    assert damage(url).startswith(f"{url} was refused for its credentials (status 401): they are missing, wrong or ")
    assert len(server.requests) == 1


def test_retry_after_is_honoured_up_to_a_limit(server, url, monkeypatch):
    """A server that asks for 2 seconds gets them, and a server that asks for a day does not."""
    waits = []
    monkeypatch.setattr(Fetch, "_wait", lambda self, seconds: waits.append(seconds))
    server.plan = [bad.status(503, "2"), bad.status(503, "86400"), bad.status(503)]
    patience = Patience(**{**vars(QUICK), "longest_wait": 300.0})
    assert read_all(url, patience) == DATA
    assert waits[:2] == [2.0, 300.0]
    assert waits[2] < 1


def test_waits_grow_and_are_not_the_same_for_all(server, url, monkeypatch):
    """Each wait is between half of its delay and all of it, and delays double up to the maximum."""
    waits = []
    monkeypatch.setattr(Fetch, "_wait", lambda self, seconds: waits.append(seconds))
    server.plan = [bad.status(503)] * 7
    patience = Patience(**{**vars(QUICK), "attempts": 8, "base_delay": 1.0, "max_delay": 16.0})
    assert read_all(url, patience) == DATA
    delays = [1, 2, 4, 8, 16, 16, 16]
    assert [delay / 2 <= wait <= delay for wait, delay in zip(waits, delays, strict=True)] == [True] * 7
    assert len(set(waits)) == 7


@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "no ranges"])
@pytest.mark.parametrize("other", [DATA[:-1], DATA[:-1] + b"!"], ids=["size", "etag"])
def test_a_file_that_changes_is_not_mixed(server, url, other, ranges):
    """Halves of two versions are not one file."""
    server.ranges = ranges
    server.plan = [bad.cut(100_000), bad.becomes(other, bad.well)]
    assert damage(url) == f"{url} changed while it was read; {AGAIN}"


def test_a_redirect_is_followed(server, url):
    """Archives redirect to mirrors; the bytes are those of the mirror."""
    server.plan[:] = [bad.redirect(url), bad.redirect("/x/a.bin")]
    assert read_all(url) == DATA
    server.plan[:] = [bad.redirect(url)] * 60
    with pytest.raises(DamagedSourceError, match="redirect"):
        read_all(url)


def test_a_public_host_that_redirects_to_a_private_address_is_refused(server, url, monkeypatch):
    """The own network, or a cloud's metadata service, is not asked, whatever its name is."""
    inside = url.replace("127.0.0.1", "localhost")
    server.plan[:] = [bad.redirect(inside)]
    assert read_all(url) == DATA  # from one private host to another
    server.requests.clear()
    answers = iter([False, True])
    monkeypatch.setattr(private_addresses, "is_private", lambda address: next(answers))
    server.plan[:] = [bad.redirect(inside)]
    with pytest.raises(DamagedSourceError, match="127.0.0.1 redirects to localhost, which is at the private"):
        read_all(url)
    assert server.requests == [("/x/a.bin", None)]  # nothing was sent to it
    assert next(answers, None) is None


def test_a_drip_that_is_too_slow_is_a_failure(server, url):
    """A server that sends just enough to avoid a timeout does not occupy a task for days."""
    server.plan = [bad.drip(100, 0.05)] * 10
    text = damage(url, Patience(**{**vars(QUICK), "block_seconds": 0.1, "progress_bytes": 1 << 20}))
    assert "got a transfer that is too slow 4 times" in text


def test_a_server_that_does_not_say_lengths_is_read_to_its_end(server, url):
    """Without a length the connection's end is the file's end (gzip's trailer reveals a truncated file)."""
    server.lengths = False
    assert read_all(url) == DATA


def test_an_empty_file_is_empty(server):
    """A read returns no bytes, and no error."""
    url = server.add("/empty", b"")
    assert read_all(url) == b""
    assert info_of(url, QUICK)[0] == 0


def test_nobody_listens():
    """A server that does not exist is tried, and the source fails."""
    assert "could not be fetched: got no connection 4 times" in damage("http://127.0.0.1:9/a.bin")


def test_an_encoded_body_is_refused_unless_the_file_is_gzip(server):
    """Of a .gz the header describes the file; of any other file it means that the bytes are not the file's."""
    server.coding = "gzip"
    packed = gzip.compress(b"x" * 1000)
    assert read_all(server.add("/a.wat.gz", packed)) == packed
    plain = server.add("/a.tsv", packed)
    assert damage(plain) == f"{plain} comes with Content-Encoding gzip, though only identity was requested"


def test_secrets_of_a_url_are_not_shown(server):
    """Messages contain neither a signed url's query nor a password."""
    url = server.root.replace("//", "//user:secret@") + "/gone?X-Amz-Signature=abc"
    assert damage(url) == f"{server.root}/gone does not exist (status 404)"


@pytest.mark.parametrize("step", [7, 65_536, 65_537, 400_000])
def test_reads_of_any_size_give_the_same_bytes(server, url, step):
    """Borders of blocks do not show in the bytes."""
    assert read_all(url, step=step) == DATA


def test_lines_and_read1_give_the_same_bytes(server):
    """Lines may cross blocks; read1 returns bytes of the current block."""
    text = b"".join(b"line %d %s\n" % (n, b"x" * (n % 300)) for n in range(2000)) + b"no line feed"
    url = server.add("/a.tsv", text)
    with open_source(url, QUICK) as file:
        assert list(file) == text.splitlines(keepends=True)
    with open_source(url, QUICK) as file:
        assert file.readline(3) == b"lin"
        assert b"".join(iter(lambda: file.read1(10_000), b"")) == text[3:]
    with open_source(url, QUICK) as file:
        assert file.read() == text
    with io.BufferedReader(open_source(url, QUICK)) as file:
        assert file.read() == text


def test_the_magic_bytes_can_be_read_first(server, url):
    """A read of two bytes and a seek back to the start cost no further request."""
    with open_source(url, QUICK) as file:
        assert file.read(2) == DATA[:2]
        file.seek(0)
        assert file.tell() == 0
        assert file.read() == DATA
    assert len(server.requests) == 1


@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "no ranges"])
def test_any_position_can_be_read(server, url, ranges):
    """Seeks work in any order, from the start, the current position and the end."""
    server.ranges = ranges
    places = random.Random(1)
    with open_source(url, QUICK) as file:
        assert file.seek(-5, io.SEEK_END) == len(DATA) - 5
        assert file.read() == DATA[-5:]
        for _ in range(30):
            at, size = places.randrange(len(DATA) + 10), places.randrange(1, 30_000)
            file.seek(at)
            assert file.read(size) == DATA[at : at + size]
        file.seek(10)
        assert file.seek(5, io.SEEK_CUR) == 15
        assert file.read(3) == DATA[15:18]
        with pytest.raises(ValueError, match="negative position"):
            file.seek(-1)


@pytest.fixture
def table() -> pa.Table:
    """Return a table for several row groups."""
    rows = 20_000
    return pa.table({"url": [f"http://ex.org/{n}" for n in range(rows)], "text": [f"a cat {n}" for n in range(rows)]})


def parquet_of(table: pa.Table) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, row_group_size=3000)
    return file.getvalue()


@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "no ranges"])
def test_parquet_is_read_by_ranges(server, table, ranges):
    """The Parquet reader seeks between failures, and gets the same table."""
    server.ranges = ranges
    url = server.add("/a.parquet", parquet_of(table))
    server.plan = [bad.status(503), bad.well, bad.reset(10), bad.well, bad.cut(100)]
    with open_source(url, QUICK) as file:
        assert pq.ParquetFile(file).read().equals(table)


def test_a_read_of_parquet_is_whole_or_fails(server, url):
    """Half of a column chunk would be taken for the end of the file."""
    with open_source(url, QUICK) as file:
        file.seek(50_000)
        server.plan = [bad.cut(10_000), *[bad.status(503)] * 10]
        with pytest.raises(DamagedSourceError, match="status 503"):
            file.read(20_000)


def test_closing_in_the_middle_leaves_no_thread(server, url):
    """A task that ends early does not wait for a block that it does not need."""
    before = threading.active_count()
    server.plan = [bad.drip(30_000, 0.02)]
    file = open_source(url, QUICK)
    file.read(70_000)
    file.close()
    file.close()
    assert file.closed
    for thread in threading.enumerate():
        if type(thread).__name__ == "_Prefetch":
            thread.join(2)
            assert not thread.is_alive()
    assert threading.active_count() <= before + 1


def test_memory_is_two_blocks(server):
    """The next block is prefetched, and the block after it is not."""
    url = server.add("/big", bytes(20 << 20))
    with open_source(url, QUICK) as file:
        file.read(3 << 16)
        fetch = file._fetch
        file._prefetch.join()
        assert fetch._position == 4 << 16


def test_info_of_a_remote_file(server, url):
    """Size and ETag cost at most one request of one byte."""
    size, etag = info_of(url, QUICK)
    assert size == len(DATA)
    assert etag.startswith("remote:")
    assert len(etag) > len("remote:")
    assert server.requests == [("/x/a.bin", "bytes=0-0")]
    with open_source(url, QUICK) as file:
        assert file.info == (0, "")
        file.read(1)
        assert file.info == (size, etag)


def test_info_of_a_server_without_ranges_does_not_fetch_the_file(server):
    """The headers of the response are enough."""
    url = server.add("/big", bytes(50 << 20))
    server.ranges = server.etags = False
    assert info_of(url, QUICK) == (50 << 20, "")


def test_info_of_what_is_not_there(server):
    """The error is that of a read."""
    with pytest.raises(DamagedSourceError, match="does not exist"):
        info_of(server.root + "/gone", QUICK)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ((10, "abc"), (10, "abc"), True),
        ((10, "abc"), (10, "abd"), False),
        ((10, "abc"), (11, "abc"), False),
        ((10, "abc"), (10, "remote:x"), True),
        ((10, "abc"), (11, "remote:x"), False),
        ((0, ""), (10, "abc"), True),
        ((10, "remote:x"), (10, "remote:y"), False),
        ((0, "remote:x"), (10, "remote:x"), True),
        ((0, ""), (0, ""), True),
        ((10, "remote:x"), (10, "remote-modified:x"), True),
        ((10, "remote-modified:x"), (10, "remote-modified:y"), False),
    ],
)
def test_same_source_compares_what_is_known(one, other, same):
    """Sizes count if both are known, fingerprints if they are of one kind; the order does not matter."""
    assert same_source(one, other) is same
    assert same_source(other, one) is same


def test_local_files_are_opened_as_they_are(tmp_path):
    """A path may have file:// before it."""
    path = tmp_path / "a.bin"
    path.write_bytes(DATA)
    for uri in (str(path), f"file://{path}"):
        assert read_all(uri) == DATA
        assert info_of(uri) == (len(DATA), open.etag_of(str(path)))


def test_a_scheme_of_fsspec_is_read(tmp_path):
    """Any filesystem that fsspec has here is a source, Parquet and listings included."""
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe("/pool/a.tsv", DATA)
    try:
        assert read_all("memory://pool/a.tsv") == DATA
        assert info_of("memory://pool/a.tsv", QUICK)[0] == len(DATA)
        assert [info[0] for _, info in list_remote("memory://pool/*.tsv")] == [len(DATA)]
        (found,) = find_sources(["memory://pool"])
        assert (found.format, found.bytes) == ("tsv", len(DATA))
        assert damage("memory://pool/gone.tsv") == "memory://pool/gone.tsv does not exist"
    finally:
        memory.rm("/pool", recursive=True)


def test_an_unknown_scheme_is_refused_in_one_sentence():
    """The error comes at the start, not in 90,000 tasks."""
    with pytest.raises(InputError) as caught:
        check_transport("gopher://host/a.wat.gz")
    assert str(caught.value) == (
        "gopher://host/a.wat.gz is of the unknown scheme gopher://; expected a local path, https://, http://, s3://, "
        "or another scheme that fsspec knows."
    )


def test_a_missing_package_is_named(monkeypatch):
    """The error names the package to install."""
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(InputError, match=r"gs:// needs a package that is not installed \(.*gcsfs.*\)"):
        check_transport("gs://bucket/a.wat.gz")


def test_http_cannot_be_listed():
    """The error for a pattern or a folder over http names the alternatives."""
    with pytest.raises(InputError, match=r"cannot be listed over http; give its files, or a list of them"):
        list_remote("https://data.example.org/*.wat.gz")


def wat_of_pages(wat, pages: int) -> bytes:
    """Return a WAT of this number of pages, each with other images."""
    draws = random.Random(2)
    records = []
    for page in range(pages):
        links = [wat.img(f"i{page}-{n}.jpg", alt=f"a cat {draws.random()}") for n in range(10)]
        records.append(gzip.compress(wat.page(f"http://ex.org/{page}/", links), mtime=0))
    return b"".join(records)


@pytest.fixture
def extract_url(extract, tmp_path, monkeypatch):
    """Extract one remote WAT through a list, so that its task makes the first request: `extract_url(url)`."""
    monkeypatch.setattr(open, "PATIENCE", QUICK)

    def run(url: str):
        (tmp_path / "uris.txt").write_text(url)
        return extract(tmp_path / "uris.txt")

    return run


@pytest.mark.parametrize(
    "plan",
    [
        [bad.status(503), bad.reset(70_000), bad.cut(5_000), bad.stall(20_000, 1)],
        [bad.status(403), bad.drip(50_000, 0.01)],
    ],
    ids=["503 reset cut stall", "403 drip"],
)
@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "no ranges"])
def test_a_wat_from_a_bad_server_gives_all_pairs_once(server, wat, tmp_path, extract, extract_url, plan, ranges):
    """The pairs and their order equal those of the same file on disk."""
    content = wat_of_pages(wat, 800)
    assert len(content) > 2 * QUICK.block_bytes
    (tmp_path / "a.wat.gz").write_bytes(content)
    server.plan, server.ranges = list(plan), ranges
    found = extract_url(server.add("/a.wat.gz", content))
    assert found.ending == ("done", None)
    assert found.rows == extract(tmp_path / "a.wat.gz").rows
    assert len(found.rows) == 8000
    assert found.outcome["bytes_read"] == len(content)
    assert len(server.requests) <= 1 + len(plan)


def test_a_wat_that_stops_coming_is_partial(server, wat, extract_url):
    """The pairs before the failure stay, and the reason describes the failure."""
    content = wat_of_pages(wat, 800)
    server.plan = [bad.cut(len(content) // 2), *[bad.status(503)] * 10]
    found = extract_url(server.add("/a.wat.gz", content))
    assert found.ending[0] == "partial"
    assert "could not be fetched: " in found.ending[1]
    assert found.ending[1].endswith(AGAIN)
    assert 3500 < len(found.rows) < 4100


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (bad.error_page_with_status_200(), "not gzip: the first bytes are b'<?'"),
        (bad.status(503), "could not be fetched: got status 503 4 times"),
        (bad.status(404), "does not exist (status 404)"),
    ],
    ids=["error page with status 200", "503", "404"],
)
def test_a_wat_that_does_not_come_has_failed(server, wat, extract_url, behaviour, reason):
    """The source has no pairs and a reason; an error page is not parsed."""
    server.plan = [behaviour] * 10
    found = extract_url(server.add("/a.wat.gz", wat_of_pages(wat, 3)))
    assert found.ending[0] == "failed"
    assert reason in found.ending[1]
    assert found.rows == []
