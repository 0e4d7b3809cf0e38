"""Reading many members at once gives the same records, errors and counts as reading them one by one."""

from __future__ import annotations

import gzip
import io
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaclip_spark.candidates.ledger import Ledger
from metaclip_spark.errors import DamagedSourceError, FetchError
from metaclip_spark.extract.records import inflate, members
from metaclip_spark.extract.records.damage import Damage
from metaclip_spark.extract.records.dialect import WAT
from metaclip_spark.extract.records.members import BUFFER_BYTES, MAX_RECORDS, MemberReader
from metaclip_spark.extract.records.reader import records_or_members, warc_records
from metaclip_spark.extract.records.record import Record

NOISE = random.Random(11).randbytes(1 << 16)


def warc(payload: bytes, *fields: str, length: int | None = None) -> bytes:
    length = len(payload) if length is None else length
    head = "\r\n".join(["WARC/1.0", "WARC-Type: metadata", *fields, f"Content-Length: {length}"])
    return head.encode() + b"\r\n\r\n" + payload + b"\r\n\r\n"


JSON = "Content-Type: application/json"


def facts(record: Record) -> tuple:
    return bytes(record.payload), record.get(b"warc-type"), record.get(b"content-type"), record.holds_json


def read(content: bytes, together: bool, stream=io.BytesIO) -> tuple[list[tuple], int, dict, str]:
    """Return the records of a file, the number of those read together, the rejects, and the error."""
    ledger, records, number, reason = Ledger(), [], 0, ""
    way = records_or_members if together else warc_records
    try:
        for found in way(stream(content), WAT, Damage(ledger)):
            many = [found] if isinstance(found, Record) else [found.record(index) for index in range(len(found))]
            number += len(many) if not isinstance(found, Record) else 0
            records += map(facts, many)
            ledger.records_read += len(many)
    except (DamagedSourceError, EOFError, gzip.BadGzipFile) as error:
        reason = f"{type(error).__name__}: {error}"
    return records, number, {**ledger.rejected, "sample": ledger.sample}, reason


def assert_same(content: bytes, stream=io.BytesIO) -> int:
    """Check that both ways agree; return how many records were read together."""
    records, number, *rest = read(content, True, stream)
    expected, _, *expected_rest = read(content, False, stream)
    assert records == expected
    assert rest == expected_rest
    return number


class Dripping(io.BytesIO):
    """A stream that returns a few bytes per read, as a network does."""

    def read(self, size: int = -1) -> bytes:
        return super().read(min(size, 997) if size > 0 else 997)


PARTS = {
    "small": [warc(b"%d" % n, JSON) for n in range(3000)],
    "of other kinds": [warc(b"x", JSON), warc(b"y"), warc(b"z", JSON, "WARC-Type: response"), b""] * 50,
    "incompressible": [warc(NOISE[n : n + 3000], JSON) for n in range(0, 60_000, 1000)],
    "with the bytes of a member": [warc(b"\x1f\x8b\x08" * n, JSON) for n in range(50)],
    "two records": [warc(b"a", JSON) + warc(b"b", JSON), warc(b"c", JSON), warc(b"d", JSON)] * 20,
    "halves of records": [warc(b"a" * 50, JSON)[:40], warc(b"a" * 50, JSON)[40:], warc(b"c", JSON)] * 20,
    "a length that is wrong": [warc(b"a", JSON), warc(b"bcd", JSON, length=2), warc(b"e", JSON)] * 20,
    "one larger than the buffer": [warc(b"a", JSON), warc(b"b" * (BUFFER_BYTES + 1), JSON), warc(b"c", JSON)] * 2,
    "a buffer of records": [warc(b"b" * (BUFFER_BYTES // 4), JSON) for _ in range(9)],
    "empty": [b"", warc(b"a", JSON), b"", b""] * 3,
    "lines between": [warc(b"a", JSON), b"\r\n", warc(b"a", JSON) + b"\r\n"] * 3,
    "a WARC in a record": [warc(b"".join(gzip.compress(warc(b"inner", JSON)) for _ in range(20)), JSON)] * 5,
}


@pytest.mark.parametrize("level", [0, 6])
@pytest.mark.parametrize("stream", [io.BytesIO, Dripping])
@pytest.mark.parametrize("name", PARTS)
def test_the_same_records_together_and_one_by_one(name, stream, level):
    """Whatever a member holds: only a small one with exactly one record is read together with others."""
    content = b"".join(gzip.compress(part, level, mtime=0) for part in PARTS[name])
    number = assert_same(content, stream)
    assert number == sum(_is_alone(part) for part in PARTS[name][:-1]) or name not in ("small", "incompressible")


def _is_alone(part: bytes) -> bool:
    return part.count(b"WARC/1.0") == 1


def test_most_records_are_read_together():
    """Only the last member of a file is read by itself: nothing follows it."""
    content = b"".join(map(gzip.compress, PARTS["small"]))
    assert read(content, True)[1] == len(PARTS["small"]) - 1 > MAX_RECORDS


@settings(max_examples=300)
@given(
    st.lists(st.sampled_from(["small", "of other kinds", "two records", "halves of records", "empty"]), max_size=4),
    st.lists(st.tuples(st.floats(0, 1), st.sampled_from(["flip", "cut", "zeros", "insert"])), max_size=3),
    st.integers(0, 9),
)
def test_damaged_files(names, edits, level):
    """Bytes that are changed, removed or inserted anywhere give the same records and the same counted damage."""
    parts = [part for name in names for part in PARTS[name][:4]]
    content = b"".join(gzip.compress(part, level, mtime=0) for part in parts)
    for place, kind in edits:
        at = int(place * len(content))
        if kind == "flip":
            content = content[:at] + bytes(byte ^ 0x55 for byte in content[at : at + 1]) + content[at + 1 :]
        elif kind == "cut":
            content = content[:at] + content[at + 30 :]
        elif kind == "zeros":
            content = content[:at] + bytes(20) + content[at:]
        else:
            content = content[:at] + gzip.compress(warc(b"new", JSON)) + content[at:]
    if content:
        assert_same(content)


def test_members_are_read_one_by_one_where_the_functions_are_missing(monkeypatch):
    """A build of the library that exports nothing gives the same records."""
    content = b"".join(map(gzip.compress, PARTS["small"]))
    expected = read(content, True)[0]
    monkeypatch.setattr(inflate, "functions", lambda: None)
    records, number, *_ = read(content, True)
    assert (records == expected, number) == (True, 0)


def test_the_functions_are_missing_without_the_library(monkeypatch):
    """A library without the functions is no error."""
    inflate.functions.cache_clear()
    monkeypatch.setattr(inflate.deflate._deflate, "__file__", None)  # the process itself, which has no libdeflate
    assert inflate.functions() is None
    inflate.functions.cache_clear()


def test_a_lost_connection_ends_the_file_after_the_members_that_were_read():
    """The members before it are yielded, nothing is read again, and nothing is counted."""

    class Lost(io.BytesIO):
        reads = 0

        def read(self, size: int = -1) -> bytes:
            self.reads += 1
            if self.reads > 1:
                raise FetchError("the connection was lost")
            return super().read(size)

    content = b"".join(map(gzip.compress, PARTS["incompressible"] * 3))
    sizes: dict = {warc_records: [], records_or_members: []}
    for way, found in sizes.items():
        stream, ledger = Lost(content), Ledger()
        with pytest.raises(FetchError):
            found.extend(1 if isinstance(got, Record) else len(got) for got in way(stream, WAT, Damage(ledger)))
        assert (stream.reads, dict(ledger.rejected)) == (2, {})
    assert len(sizes[records_or_members]) < sum(sizes[records_or_members]) == len(sizes[warc_records]) > 50


def test_the_bytes_after_the_last_record_are_there():
    """Kernels may read `PADDING` bytes after any record."""
    content = b"".join(gzip.compress(part, 0) for part in PARTS["a buffer of records"])
    found, _ = MemberReader().read(content, 0)
    assert len(found) == 3
    assert found.records[-1, 3] + 4 + members.PADDING <= len(found.raw)
