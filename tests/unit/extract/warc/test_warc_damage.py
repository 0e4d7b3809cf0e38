"""Damaged WARCs and other files: rows before the damage are kept, and the outcome names the damage."""

from __future__ import annotations

import gzip
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from warc_builder import HTML, golden_records, http, page, record, write

from metaclip_spark.errors import DamagedSourceError
from metaclip_spark.extract.records.dialect import WARC
from metaclip_spark.extract.records.reader import warc_records
from metaclip_spark.extract.warc import content, reader

PAGES = 8
NOISE = random.Random(5).randbytes(400).hex()


def rows_of(pages: int) -> list[tuple[str, str]]:
    return [(f"http://ex.org/a/{n}.jpg", f"text {n}") for n in range(pages)]


@pytest.fixture
def records() -> list[bytes]:
    """Pages of one text each, with bytes that compress badly."""
    return [page(f"<p title={NOISE}><img src={n}.jpg alt='text {n}'>") for n in range(PAGES)]


@pytest.fixture
def members(records) -> list[bytes]:
    """The same pages as gzip members."""
    return [gzip.compress(one, mtime=0) for one in records]


def put(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_a_file_cut_anywhere_in_a_member_keeps_the_members_before(tmp_path, extract, members):
    """The cut is at every seventh byte: rows before are kept, the member's own if only its end is missing."""
    before = b"".join(members[:4])
    for cut in range(1, len(members[4]), 7):
        found = extract(put(tmp_path / "a.warc.gz", before + members[4][:cut]))
        assert found.outcome["status"] == "partial", cut
        assert found.rows == rows_of(found.outcome["records_read"]), cut
        assert found.outcome["records_read"] == 4 or len(members[4]) - cut < 16, cut


def test_a_plain_file_cut_anywhere_keeps_the_records_before(tmp_path, extract, records):
    """The cut may be inside a header, a block, or the empty lines after it."""
    before, whole = b"".join(records[:2]), records[2]
    for cut in range(1, len(whole), 11):
        found = extract(put(tmp_path / "a.warc", before + whole[:cut]))
        complete = len(whole) - cut <= 4
        assert found.rows == rows_of(3 if complete else 2), cut
        assert found.outcome["status"] == ("done" if complete else "partial"), cut


@pytest.mark.parametrize(("step", "size"), [(31, 1), (97, 40)])
def test_corrupt_bytes_lose_only_their_own_record(tmp_path, extract, members, step, size):
    """If bytes of a member change, no changed row is extracted, and no row of another member is lost."""
    before, member, after = b"".join(members[:5]), members[5], b"".join(members[6:])
    others = [row for row in rows_of(PAGES) if row[1] != "text 5"]
    for place in range(10, len(member) - size, step):
        corrupt = bytearray(member)
        corrupt[place : place + size] = bytes(byte ^ 0x55 for byte in corrupt[place : place + size])
        found = extract(put(tmp_path / "a.warc.gz", before + bytes(corrupt) + after))
        assert found.outcome["status"] == "partial", place
        assert found.rows == others, place
        assert found.rejected["broken_record"] == 1, place
        assert found.outcome["reason"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (
            b"<?xml version='1.0'?><Error><Code>SlowDown</Code></Error>",
            "not a WARC: the first bytes are b'<?xml', expected b'WARC/' or gzip's b'\\x1f\\x8b'",
        ),
        (b"\x1f", "not a WARC: the first bytes are b'\\x1f'"),
        (b"WARC", "not a WARC: the first bytes are b'WARC'"),
        (b"WARC/1.0\r\n", "the file ends inside a record's header"),
        (gzip.compress(b"hello\nworld\r\n\r\n"), "not a WARC record: expected a line 'WARC/1.0', got b'hello\\nworld"),
        (gzip.compress(b"<html>\n\nSlowDown</html>"), "not a WARC record: expected a line 'WARC/1.0', got b'<html>"),
        (gzip.compress(b"\x00" * 100_000), "not a WARC record"),
        (gzip.compress(b"WARC/1.0\r\nWARC-Type: response\r\n"), "the file ends inside a record's header"),
        (gzip.compress(b"WARC/1.0\r\n" + b"X-A: y\r\n" * 50_000), "a record with a header of more than 65536 bytes"),
        (gzip.compress(b"WARC/1.0\r\n" + b"X" * 500_000), "a record with a header of more than 65536 bytes"),
        (random.Random(1).randbytes(5000), "not a WARC: the first bytes are"),
    ],
    ids=[
        "empty",
        "an error page",
        "one byte",
        "four bytes",
        "a line",
        "gzip of a text",
        "gzip of a page",
        "gzip of zeros",
        "header only",
        "endless header",
        "endless line",
        "noise",
    ],
)
def test_a_file_that_is_no_warc_fails(tmp_path, extract, content, reason):
    """There are no rows and no rejects, and the reason shows the bytes that were found."""
    for name in ("a.warc.gz", "a.warc"):
        found = extract(put(tmp_path / name, content), entries=["cat"])
        assert (found.outcome["status"], found.rows, found.rejected) == ("failed", [], {})
        assert reason in found.outcome["reason"]


def test_a_warc_without_any_record(tmp_path, extract):
    """A valid gzip of no bytes is a WARC without records: the source is done."""
    found = extract(put(tmp_path / "a.warc.gz", gzip.compress(b"")))
    assert (found.ending, found.outcome["records_read"]) == (("done", None), 0)


def test_bytes_after_the_last_member(tmp_path, extract, members):
    """Zeros and stray line ends are ignored; other bytes are damage, reported after all rows."""
    whole = b"".join(members)
    assert extract(put(tmp_path / "a.warc.gz", whole + bytes(100))).ending == ("done", None)
    assert extract(put(tmp_path / "b.warc.gz", whole + gzip.compress(b"\r\r\n"))).ending == ("done", None)
    found = extract(put(tmp_path / "c.warc.gz", whole + b"<html>503 SlowDown</html>"))
    assert found.rows == rows_of(PAGES)
    assert found.outcome["status"] == "partial"
    assert "Not a gzipped file" in found.outcome["reason"]


def test_other_files_of_a_crawl_are_recognised(tmp_path, extract, wat):
    """A WAT and a WET are recognised by their first records; a WARC may have other JSON records."""
    info = record(b"software: x\r\n", kind="warcinfo", content_type="application/warc-fields")
    text = record(b"plain text", kind="conversion", content_type="text/plain")
    found = extract(write(tmp_path / "a.warc.gz", [info, wat.page("http://ex.org/", [wat.img("a.jpg", alt="x")])]))
    assert found.ending == (
        "failed",
        "a WAT, not a WARC: it holds metadata records in JSON; a WARC holds response records",
    )
    found = extract(write(tmp_path / "b.warc.gz", [info, text]))
    assert found.ending == (
        "failed",
        "a WET, not a WARC: it holds conversion records in plain text; a WARC holds response records",
    )
    own = record(b'{"fetchTimeMs": 5}', kind="metadata", content_type="application/json")
    assert extract(write(tmp_path / "c.warc.gz", [info, own, page("<img src=a alt=x>")])).ending == ("done", None)


@pytest.mark.parametrize(
    ("length", "reason"),
    [
        ("", "a record without a usable Content-Length: got b''"),
        ("many", "a record without a usable Content-Length: got b'many'"),
        ("-5", "a record without a usable Content-Length: got b'-5'"),
        ("9" * 30, "a record without a usable Content-Length: got b'999"),
        ("99999999999", "the file ends inside a record"),
        ("100000", "the file ends inside a record: "),
        ("200", "not a WARC record: expected a line 'WARC/1.0'"),
    ],
)
def test_a_record_without_a_usable_length(tmp_path, extract, members, length, reason):
    """The end of the record is not known: the records before it are kept, and the file is partial."""
    bad = record(http(f"<img src=x.jpg alt=x>{NOISE}"), length=length)
    found = extract(put(tmp_path / "a.warc.gz", b"".join(members[:3]) + gzip.compress(bad)))
    assert found.rows[:3] == rows_of(3)
    assert found.outcome["status"] == "partial"
    assert reason in found.outcome["reason"]


@pytest.mark.parametrize("name", ["a.warc.gz", "a.warc"])
def test_a_record_beyond_the_limit_is_skipped(tmp_path, extract, records, monkeypatch, name):
    """It counts as one broken record, whatever its length; the records after it are read."""
    for module in (reader, content):
        monkeypatch.setattr(module, "WARC", WARC._replace(max_block_bytes=50_000))
    long = page(f"<img src=x.jpg alt=x>{'<p>' * 1_000_000}", HTML)
    picture = record(bytes(300_000), kind="resource", content_type="image/jpeg")
    found = extract(write(tmp_path / name, [*records[:2], long, picture, *records[2:]]))
    assert found.rows == rows_of(PAGES)
    assert found.ending == ("done", None)
    assert found.rejected == {"broken_record": 1, "not_page": 1}
    assert [row["detail"] for row in found.rejects] == [
        f"a record of more than 50000 bytes: its length is b'{3_000_000 + 21 + len(http(''))}'"
    ]


class Endless:
    """A WARC that is generated while it is read."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts = parts
        self.bytes = 0

    def read(self, size: int) -> bytes:
        """Return the next part, whatever its size."""
        part = next(self._parts, b"")
        self.bytes += len(part)
        return part


@pytest.mark.slow
@pytest.mark.parametrize("packed", [False, True])
def test_memory_does_not_grow_with_the_file(packed):
    """A gigabyte of records, one of them of 400 MB, takes tens of megabytes of memory."""
    import tracemalloc

    one = page("<p>text</p>" * 5000 + "<img src=a.jpg alt=x>")
    one = gzip.compress(one) if packed else one
    long = record(b"", length=str(400 << 20))[:-4]
    filler = [bytes(1 << 20)] * 400
    long = [gzip.compress(b"".join([long, *filler]))] if packed else [long, *filler]
    count = (1 << 30) // 55_000
    stream = Endless(part for n in range(count) for part in ([one] if n != 9 else [*long, b"" if packed else b"\r\n"]))
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        blocks = [record.skipped for record in warc_records(stream, WARC)]
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert (len(blocks), sum(blocks)) == (count, 1)
    assert peak < 64 << 20


def mutated(content: bytes, seed: int, packed: bool) -> bytes:
    """Return a damaged WARC; half of the compressed ones are damaged inside their gzip."""
    chance = random.Random(seed)
    if packed and chance.random() < 0.5:
        return gzip.compress(changed(gzip.decompress(content), chance), compresslevel=1)
    return changed(content, chance)


def changed(content: bytes, chance: random.Random) -> bytes:
    raw = bytearray(content)
    for _ in range(chance.choice((1, 1, 3, 20))):
        place = chance.randrange(len(raw) or 1)
        size = chance.choice((1, 1, 8, 200))
        kind = chance.randrange(6)
        if kind == 0:
            raw[place : place + 1] = bytes(byte ^ 1 << chance.randrange(8) for byte in raw[place : place + 1])
        elif kind == 1:
            del raw[place : place + size]
        elif kind == 2:
            raw[place:place] = raw[max(0, place - size * 10) : place]
        elif kind == 3:
            raw[place : place + size] = chance.randbytes(size)
        elif kind == 4:
            raw[place:place] = chance.choice((b"<" * 500, b"A" * 70_000, b"\r\n\r\n", b"WARC/1.0\r\n", b"<div>" * 500))
        else:
            del raw[place:]
            raw += raw[: size * 3] or b"x"
    return bytes(raw)


def fuzz(tmp_path: Path, extract, seeds: range) -> None:
    contents = [b"".join(golden_records()), b"".join(gzip.compress(one) for one in golden_records())]
    endings = set()
    for seed in seeds:
        content = mutated(contents[seed % 2], seed, seed % 2 == 1)
        began = time.process_time()
        found = extract(put(tmp_path / "a.warc.gz", content))  # the fixture checks the counts
        assert time.process_time() - began < 5, seed
        endings.add(found.outcome["status"])
        assert found.outcome["status"] == "done" or found.outcome["reason"], seed
        assert found.outcome["status"] != "failed" or not found.rows, seed
    assert endings == {"done", "partial", "failed"}


def test_any_damage_ends_with_an_outcome(tmp_path, extract):
    """Changed bits, cuts, repeats and giant headers cause no crash and no hang, and the counts add up."""
    fuzz(tmp_path, extract, range(150))


@pytest.mark.slow
def test_any_damage_ends_with_an_outcome_a_thousand_times(tmp_path, extract):
    """The same holds with other seeds."""
    fuzz(tmp_path, extract, range(150, 1300))


def test_a_block_that_ends_before_its_file_does():
    """The error gives the number of bytes that were read."""
    import io

    with pytest.raises(DamagedSourceError, match="^the file ends inside a record: 4 of 10 bytes$"):
        list(warc_records(io.BytesIO(record(b"abcd", length="10")[:-4]), WARC))
