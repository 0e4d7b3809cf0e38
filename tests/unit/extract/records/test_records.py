"""The reader of WARC records: the same records however the file is packed and read, in both dialects."""

from __future__ import annotations

import gzip
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaclip_spark.errors import CorruptGzipError, DamagedSourceError
from metaclip_spark.extract.records import chunk
from metaclip_spark.extract.records.chunk import check_gzip
from metaclip_spark.extract.records.dialect import WARC, WAT, Dialect
from metaclip_spark.extract.records.reader import warc_records
from metaclip_spark.extract.records.record import Record

BOTH = pytest.mark.parametrize("dialect", [WAT, WARC], ids=["WAT", "WARC"])


def warc(payload: bytes, *fields: str, end: bytes = b"\r\n\r\n") -> bytes:
    head = "\r\n".join(["WARC/1.0", "WARC-Type: metadata", *fields, f"Content-Length: {len(payload)}"])
    return head.encode() + b"\r\n\r\n" + payload + end


def payloads(content: bytes, dialect: Dialect) -> list[bytes]:
    return [bytes(record.payload) for record in warc_records(io.BytesIO(content), dialect)]


class Dripping(io.BytesIO):
    """A stream that returns a few bytes per read, as a network does."""

    def read(self, size: int = -1) -> bytes:
        return super().read(min(size, 7) if size > 0 else 7)


PAYLOADS = [b"", b"one", b"\r\n\r\n", b"WARC/1.0\r\n", b"\x1f\x8b\x08 in a payload", bytes(range(256)) * 300]
PACKINGS = {
    "plain": lambda parts: b"".join(parts),
    "one member per record": lambda parts: b"".join(map(gzip.compress, parts)),
    "one member": lambda parts: gzip.compress(b"".join(parts)),
    "one member per two records": lambda parts: b"".join(
        gzip.compress(b"".join(parts[at : at + 2])) for at in range(0, len(parts), 2)
    ),
    "stored, so that a member's first bytes occur in it": lambda parts: b"".join(
        gzip.compress(part, compresslevel=0) for part in parts
    ),
    "padded with zeros": lambda parts: b"".join(gzip.compress(part) + bytes(5) for part in parts) + bytes(1 << 14),
    "with empty members": lambda parts: b"".join(gzip.compress(part) + gzip.compress(b"") for part in parts),
}


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("stream", [io.BytesIO, Dripping])
@pytest.mark.parametrize("end", [b"\r\n\r\n", b"\n\n", b"\r\n\r\n\r\n"])
@BOTH
def test_the_same_records_however_they_are_packed(packing, stream, end, dialect):
    """Members, padding, line ends between records, and the size of a read do not matter."""
    content = PACKINGS[packing]([warc(payload, end=end) for payload in PAYLOADS])
    assert [record.payload for record in warc_records(stream(content), dialect)] == PAYLOADS


@settings(max_examples=100)
@given(st.lists(st.binary(max_size=2000), max_size=5), st.lists(st.integers(1, 3000), max_size=8), st.integers(1, 600))
@BOTH
def test_members_may_end_anywhere(dialect, payloads_in, cuts, read_bytes):
    """Members and records may begin at different bytes."""
    whole = b"".join(map(warc, payloads_in))
    content, at = b"", 0
    for cut in cuts:
        content += gzip.compress(whole[at : at + cut])
        at += cut
    content += gzip.compress(whole[at:])
    stream = io.BytesIO(content)
    read = stream.read
    stream.read = lambda size: read(min(size, read_bytes))
    assert [record.payload for record in warc_records(stream, dialect)] == payloads_in


def test_fields_of_a_header():
    """Names are read in any case, white space around values is stripped, and the last field of a name counts."""
    record = Record(b"WARC/1.0\r\nWARC-Type:  response \r\nX: a:b\nwarc-type: metadata\r\nContent-Length: 7")
    assert [record.get(name) for name in (b"warc-type", b"x", b"y", b"type")] == [b"metadata", b"a:b", b"", b""]
    assert record.length(7) == 7


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        ("Content-Length: x", "a record without a usable Content-Length: got b'x'"),
        ("", "a record without a usable Content-Length: got b''"),
        ("Content-Length: 268435457", "the file ends inside a record: 4 of 268435457 bytes"),
        ("Content-Length: 9", "the file ends inside a record: 4 of 9 bytes"),
        ("Content-Length: 0", "not a WARC record: expected a line 'WARC/1.0', got b'body'"),
        ("X: y\r\n" * 1001 + "Content-Length: 4", "a record with more than 1000 header lines"),
    ],
)
@pytest.mark.parametrize("pack", [gzip.compress, bytes])
def test_a_header_that_makes_no_sense_is_damage(head, reason, pack):
    """The error shows the bytes that were found; the records before the header are yielded."""
    content = pack(warc(b"first")) + pack(f"WARC/1.0\r\n{head}\r\n\r\nbody".encode())
    found = []
    with pytest.raises(DamagedSourceError) as error:
        found.extend(record.payload for record in warc_records(io.BytesIO(content), WAT))
    assert (str(error.value).startswith(reason), found[:1]) == (True, [b"first"])


@BOTH
def test_a_corrupt_member_keeps_the_members_before_it(dialect):
    """A wrong checksum, and bytes that cannot be inflated, end the stream; the corrupt member gives no record."""
    good, bad = gzip.compress(warc(b"good")), bytearray(gzip.compress(warc(b"bad" * 100)))
    for place in (-5, -3, len(bad) // 2):
        broken = bytearray(bad)
        broken[place] ^= 0x10
        found = []
        with pytest.raises(CorruptGzipError, match="^the gzip data is corrupt: "):
            found.extend(
                record.payload for record in warc_records(io.BytesIO(good * 3 + bytes(broken) + good), dialect)
            )
        assert found == [b"good"] * 3


@BOTH
def test_of_one_large_member_the_records_before_the_damage_are_read(dialect):
    """A whole file in one member has only one checksum, at its end; its records are yielded up to the damage."""
    whole = bytearray(gzip.compress(b"".join(warc(b"%d" % n * 50) for n in range(2000)), compresslevel=1))
    whole[len(whole) * 3 // 4] ^= 0xFF
    found = []
    with pytest.raises((CorruptGzipError, DamagedSourceError)):
        found.extend(record.payload for record in warc_records(io.BytesIO(bytes(whole)), dialect))
    assert len(found) > 1000
    assert found[:-1] == [b"%d" % n * 50 for n in range(len(found) - 1)]


@BOTH
def test_a_record_of_many_megabytes_is_whole(monkeypatch, dialect):
    """It is read in parts and joined, because its member is too large to be inflated whole."""
    monkeypatch.setattr(chunk, "SMALL_MEMBER_BYTES", 1 << 12)
    large = bytes(range(256)) * (1 << 14)
    content = b"".join(gzip.compress(warc(payload), 1) for payload in (b"a", large, b"b"))
    assert payloads(content, dialect) == [b"a", large, b"b"]


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "the file is empty"), (b"<h", "not gzip: the first bytes are b'<h'")]
)
def test_a_file_that_is_not_gzip_is_refused(content, reason):
    """The refusal comes before a parser reads the file."""
    with pytest.raises(DamagedSourceError, match=reason):
        check_gzip(io.BytesIO(content))


def test_gzip_is_read_from_its_start():
    """The check of the first bytes rewinds the stream."""
    stream = io.BytesIO(gzip.compress(b""))
    check_gzip(stream)
    assert stream.tell() == 0


@pytest.mark.parametrize(
    ("content", "of_wat", "of_warc"),
    [
        (warc(b"a", end=b"\r\r\n") + warc(b"b"), "not a WARC record: expected a line 'WARC/1.0', got b'\\r\\r\\n'", 2),
        (
            warc(b"a", end=b"xy\r\n\r\n") + warc(b"b"),
            "not a WARC record: expected a line 'WARC/1.0', got b'xy\\r\\n'",
            2,
        ),
        (
            b"first\nsecond",
            "not a WARC record: expected a line 'WARC/1.0', got b'first\\n'",
            "not a WARC record: expected a line 'WARC/1.0', got b'first\\nsecond'",
        ),
        (warc(b"a") + warc(b"", *["X: y"] * 998), "a record with more than 1000 header lines", 2),
        (warc(b"a") + warc(b"", *["X: y"] * 997), 2, 2),
        (warc(b"", f"X: {'y' * 70_000}"), 1, "a record with a header of more than 65536 bytes"),
        (
            b"WARC/1.0\r\nContent-Length: 268435457\r\n\r\n",
            "the file ends inside a record: 0 of 268435457 bytes",
            "the file ends inside a record: 0 of 268435457 bytes",
        ),
    ],
    ids=["a lone CR", "two bytes short", "two lines", "1001 lines", "1000 lines", "a long line", "a length"],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_wat_is_read_more_strictly_than_a_warc(content, of_wat, of_warc, pack):
    """The faults of real WARCs are damage in a WAT, and the limits of a header differ."""
    for dialect, expected in ((WAT, of_wat), (WARC, of_warc)):
        if isinstance(expected, int):
            assert len(payloads(pack(content), dialect)) == expected
            continue
        with pytest.raises(DamagedSourceError) as error:
            payloads(pack(content), dialect)
        assert str(error.value) == expected


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_block_beyond_the_limit_is_skipped(pack):
    """The record has its header and no payload; the records after it are read."""
    content = b"".join(pack(warc(payload)) for payload in (b"a", b"long" * 1000, b"b"))
    records = list(warc_records(io.BytesIO(content), WARC._replace(max_block_bytes=3999)))
    assert [record.skipped for record in records] == [False, True, False]
    assert [bytes(record.payload) for record in records] == [b"a", b"", b"b"]
    assert records[1].get(b"content-length") == b"4000"
