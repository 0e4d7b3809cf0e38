"""Damaged WATs: rows before the damage are kept, damaged records give no rows, and the outcome names the damage."""

from __future__ import annotations

import gzip

import pytest

PAGE = "http://ex.org/a/page.html"
PAGES = 10
TEXTS = 3


@pytest.fixture
def members(wat):
    """Ten pages with three texts each, as ten gzip members."""
    return [
        gzip.compress(
            wat.page(PAGE, [wat.img(f"{page}-{n}.jpg", alt=f"text {page} {n}") for n in range(TEXTS)]), mtime=0
        )
        for page in range(PAGES)
    ]


def rows_of(pages: int) -> list[tuple[str, str]]:
    return [(f"http://ex.org/a/{page}-{n}.jpg", f"text {page} {n}") for page in range(pages) for n in range(TEXTS)]


def write(path, content: bytes):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("seventh", range(1, 7))
def test_a_cut_file_keeps_the_records_before_the_cut(tmp_path, extract, members, seventh):
    """A truncated download is partial, with exactly the rows of its complete members."""
    whole = b"".join(members)
    cut = len(whole) * seventh // 7
    complete = sum(len(b"".join(members[: n + 1])) <= cut for n in range(PAGES))
    found = extract(write(tmp_path / "a.wat.gz", whole[:cut]))
    assert found.rows == rows_of(complete)
    assert found.outcome["status"] == "partial"
    assert "ended before the end-of-stream marker" in found.outcome["reason"]
    assert found.outcome["records_read"] == complete
    assert 0 < found.outcome["bytes_read"] <= cut


def test_a_file_cut_anywhere_in_a_member_keeps_the_members_before(tmp_path, extract, members):
    """The cut is at every byte: rows before are kept, the member's own if only its end is missing."""
    before = b"".join(members[:4])
    for cut in range(1, len(members[4])):
        found = extract(write(tmp_path / "a.wat.gz", before + members[4][:cut]))
        assert found.outcome["status"] == "partial", cut
        assert found.rows == rows_of(5 if found.outcome["records_read"] == 5 else 4), cut
        assert found.outcome["records_read"] == 4 or len(members[4]) - cut < 16, cut


def test_a_file_cut_in_its_first_record_fails(tmp_path, extract, members):
    """There are no rows, and no texts are counted."""
    found = extract(write(tmp_path / "a.wat.gz", members[0][: len(members[0]) // 2]))
    assert (found.outcome["status"], found.rows, found.outcome["texts_read"]) == ("failed", [], 0)


def test_a_corrupt_byte_loses_only_its_own_record(tmp_path, extract, members):
    """If any byte of a member changes, no changed row is extracted, and no row of another member is lost."""
    before, member, after = b"".join(members[:7]), members[7], b"".join(members[8:])
    others = [row for row in rows_of(PAGES) if not row[1].startswith("text 7")]
    for place in range(10, len(member)):
        corrupt = bytearray(member)
        corrupt[place] ^= 0x55
        found = extract(write(tmp_path / "a.wat.gz", before + bytes(corrupt) + after))
        assert found.outcome["status"] == "partial", place
        assert found.rows == others, place
        assert found.rejected["broken_record"] == 1, place
        assert found.outcome["reason"]


def test_corrupt_bytes_keep_the_texts_of_an_unfinished_batch(tmp_path, extract, members):
    """Data that cannot be inflated ends the file; the rows gathered before it are kept."""
    corrupt = bytearray(members[5])
    corrupt[10:40] = b"\xff" * 30
    found = extract(write(tmp_path / "a.wat.gz", b"".join(members[:5]) + bytes(corrupt)))
    assert found.rows == rows_of(5)
    assert found.outcome["reason"].startswith("the gzip data is corrupt: Error -")


def test_bytes_after_the_last_member(tmp_path, extract, members):
    """gzip allows padding with zeros; other bytes are damage, reported after all rows."""
    whole = b"".join(members)
    assert extract(write(tmp_path / "a.wat.gz", whole + bytes(100))).ending == ("done", None)
    found = extract(write(tmp_path / "b.wat.gz", whole + b"<html>503 SlowDown</html>"))
    assert found.rows == rows_of(PAGES)
    assert found.outcome["status"] == "partial"
    assert "Not a gzipped file" in found.outcome["reason"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"<?xml version='1.0'?><Error><Code>SlowDown</Code></Error>", "not gzip: the first bytes are b'<?'"),
        (b"WARC/1.0\r\n", "not gzip: the first bytes are b'WA', expected b'\\x1f\\x8b'"),
        (b"\x1f", "not gzip: the first bytes are b'\\x1f'"),
        (gzip.compress(b"hello\nworld"), "not a WARC record: expected a line 'WARC/1.0', got b'hello\\n'"),
        (gzip.compress(b"\x00" * 10_000), "not a WARC record"),
        (gzip.compress(b"WARC/1.0\r\nWARC-Type: metadata\r\n"), "the file ends inside a record's header"),
    ],
    ids=["empty", "an error page", "not gzip", "one byte", "gzip of a text", "gzip of zeros", "header only"],
)
def test_a_file_that_is_no_wat_fails(tmp_path, extract, content, reason):
    """There are no rows and no rejects, and the reason shows the bytes that were found."""
    found = extract(write(tmp_path / "a.wat.gz", content), entries=["cat"])
    assert (found.outcome["status"], found.rows, found.rejected) == ("failed", [], {})
    assert reason in found.outcome["reason"]


def test_gzip_without_any_record(tmp_path, extract):
    """A valid gzip of no bytes is a WAT without records: the source is done."""
    found = extract(write(tmp_path / "a.wat.gz", gzip.compress(b"")))
    assert (found.ending, found.outcome["records_read"]) == (("done", None), 0)


def test_a_warc_given_as_a_wat_is_recognised(tmp_path, extract, wat):
    """Response records belong to a WARC, so the file is not read as a WAT without links."""
    records = [
        wat.record(b"software: x\r\n", kind="warcinfo", content_type="application/warc-fields"),
        wat.record(b"GET / HTTP/1.1\r\n\r\n", kind="request", content_type="application/http; msgtype=request"),
        wat.record(b"HTTP/1.1 200 OK\r\n\r\n<html>", kind="response", content_type="application/http"),
    ]
    found = extract(wat.write(tmp_path / "a.wat.gz", records))
    assert found.outcome["status"] == "failed"
    assert found.outcome["reason"].startswith("a WARC, not a WAT")
    assert found.rows == []


def test_a_real_warc_given_as_a_wat_is_recognised(tmp_path, extract, shared_data):
    """A WARC of Common Crawl is recognised in the same way."""
    content = (shared_data / "crawl" / "whirlwind.warc.gz").read_bytes()
    found = extract(write(tmp_path / "a.wat.gz", content))
    assert found.outcome["status"] == "failed"
    assert found.outcome["reason"].startswith("a WARC, not a WAT")


@pytest.mark.parametrize(
    ("length", "reason"),
    [
        ("", "a record without a usable Content-Length: got b''"),
        ("many", "a record without a usable Content-Length: got b'many'"),
        ("-5", "a record without a usable Content-Length: got b'-5'"),
        ("12abc", "a record without a usable Content-Length"),
        ("9" * 30, "Content-Length"),
        ("99999999999", "the file ends inside a record"),
        ("100000", "the file ends inside a record"),
    ],
    ids=["missing", "a word", "negative", "mixed", "absurd", "more than memory", "more than the file has"],
)
def test_a_record_without_a_usable_length(tmp_path, extract, wat, members, length, reason):
    """The end of the record is not known: the records before it are kept, and the file is partial."""
    page = wat.page(PAGE, [wat.img("x.jpg", alt="x")])
    body = page.partition(b"\r\n\r\n")[2].rstrip()
    bad = gzip.compress(wat.record(body, length=length))
    found = extract(write(tmp_path / "a.wat.gz", b"".join(members[:3]) + bad))
    assert found.rows == rows_of(3)
    assert found.outcome["status"] == "partial"
    assert reason in found.outcome["reason"]


def test_a_length_that_is_too_short_is_damage(tmp_path, extract, wat, members):
    """The rest of the payload is no record; the rows before it are kept."""
    body = wat.page(PAGE, [wat.img("x.jpg", alt="x")]).partition(b"\r\n\r\n")[2].rstrip()
    bad = gzip.compress(wat.record(body, length=str(len(body) - 20)))
    found = extract(write(tmp_path / "a.wat.gz", b"".join(members[:3]) + bad))
    assert found.rows == rows_of(3)
    assert found.outcome["status"] == "partial"
    assert "not a WARC record" in found.outcome["reason"]
    assert found.rejected == {"broken_record": 1}


def test_a_header_without_an_end(tmp_path, extract, members):
    """A header of more than a thousand lines is damage."""
    bad = gzip.compress(b"WARC/1.0\r\n" + b"X-Header: y\r\n" * 5000)
    found = extract(write(tmp_path / "a.wat.gz", members[0] + bad))
    assert found.rows == rows_of(1)
    assert "more than 1000 header lines" in found.outcome["reason"]


def test_a_missing_file_fails(tmp_path, wat, members):
    """A source that vanished between planning and reading is a failed source, not a failed task."""
    from metaclip_spark.candidates.options import ExtractOptions
    from metaclip_spark.extract.task import Stamp, Tools, extract_split
    from metaclip_spark.sources.files import find_sources, splits_of

    path = write(tmp_path / "a.wat.gz", members[0])
    (split,) = splits_of(find_sources([str(path)]))
    path.unlink()
    (batch,) = extract_split(split, ExtractOptions(), Tools(), Stamp("s", "m", "b"))
    (row,) = batch.to_pylist()
    assert (row["kind"], row["status"]) == ("source", "failed")
    assert row["reason"].startswith("FileNotFoundError: ")
