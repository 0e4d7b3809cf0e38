"""WARC records out of a stream: the same records however the file is packed and read."""

from __future__ import annotations

import gzip
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaclip_spark.errors import CorruptGzipError, DamagedSourceError
from metaclip_spark.extract.records import reader as records_module
from metaclip_spark.extract.records.reader import Record, check_gzip, warc_records


def warc(payload: bytes, *fields: str, end: bytes = b"\r\n\r\n") -> bytes:
    head = "\r\n".join(["WARC/1.0", "WARC-Type: metadata", *fields, f"Content-Length: {len(payload)}"])
    return head.encode() + b"\r\n\r\n" + payload + end


def payloads(content: bytes) -> list[bytes]:
    return [record.payload for record in warc_records(io.BytesIO(content))]


class Dripping(io.BytesIO):
    """A stream that gives a few bytes at a time, as a network does."""

    def read(self, size: int = -1) -> bytes:
        return super().read(min(size, 7) if size > 0 else 7)


PAYLOADS = [b"", b"one", b"\r\n\r\n", b"WARC/1.0\r\n", b"\x1f\x8b\x08 in a payload", bytes(range(256)) * 300]
PACKINGS = {
    "plain": lambda parts: b"".join(parts),
    "a member a record": lambda parts: b"".join(map(gzip.compress, parts)),
    "one member": lambda parts: gzip.compress(b"".join(parts)),
    "a member for two records": lambda parts: b"".join(
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
def test_the_same_records_however_they_are_packed(packing, stream, end):
    """Members, padding, line ends between records, and how much a read gives do not matter."""
    content = PACKINGS[packing]([warc(payload, end=end) for payload in PAYLOADS])
    assert [record.payload for record in warc_records(stream(content))] == PAYLOADS


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=2000), max_size=5), st.lists(st.integers(1, 3000), max_size=8), st.integers(1, 600))
def test_members_may_end_anywhere(payloads_in, cuts, read_bytes):
    """Where members begin says nothing about where records do."""
    whole = b"".join(map(warc, payloads_in))
    content, at = b"", 0
    for cut in cuts:
        content += gzip.compress(whole[at : at + cut])
        at += cut
    content += gzip.compress(whole[at:])
    stream = io.BytesIO(content)
    read = stream.read
    stream.read = lambda size: read(min(size, read_bytes))
    assert [record.payload for record in warc_records(stream)] == payloads_in


def test_fields_of_a_header():
    """Names are read in any case, white space around values goes, and the last of a name counts."""
    record = Record(b"WARC/1.0\r\nWARC-Type:  response \r\nX: a:b\nwarc-type: metadata\r\nContent-Length: 7")
    assert [record.get(name) for name in (b"warc-type", b"x", b"y", b"type")] == [b"metadata", b"a:b", b"", b""]
    assert record.length() == 7


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        ("Content-Length: x", "a record without a usable Content-Length: got b'x'"),
        ("", "a record without a usable Content-Length: got b''"),
        ("Content-Length: 268435457", "a record without a usable Content-Length: got b'268435457'"),
        ("Content-Length: 9", "the file ends inside a record: 4 of 9 bytes"),
        ("Content-Length: 0", "not a WARC record: expected a line 'WARC/1.0', got b'body'"),
        ("X: y\r\n" * 1001 + "Content-Length: 4", "a record with more than 1000 header lines"),
    ],
)
@pytest.mark.parametrize("pack", [gzip.compress, bytes])
def test_a_header_that_makes_no_sense_is_damage(head, reason, pack):
    """It is said what was found; the records before it come."""
    content = pack(warc(b"first")) + pack(f"WARC/1.0\r\n{head}\r\n\r\nbody".encode())
    found = []
    with pytest.raises(DamagedSourceError) as error:
        found.extend(record.payload for record in warc_records(io.BytesIO(content)))
    assert (str(error.value).startswith(reason), found[:1]) == (True, [b"first"])


def test_a_corrupt_member_does_not_take_earlier_ones_along():
    """A wrong checksum, and bytes that cannot be inflated, end the stream; nothing of that member comes."""
    good, bad = gzip.compress(warc(b"good")), bytearray(gzip.compress(warc(b"bad" * 100)))
    for place in (-5, -3, len(bad) // 2):
        broken = bytearray(bad)
        broken[place] ^= 0x10
        found = []
        with pytest.raises(CorruptGzipError, match="^the gzip data is corrupt: "):
            found.extend(record.payload for record in warc_records(io.BytesIO(good * 3 + bytes(broken) + good)))
        assert found == [b"good"] * 3


def test_of_one_large_member_what_precedes_the_damage_is_read():
    """A whole file in one member has its checksum at its end only; its records come up to the damage."""
    whole = bytearray(gzip.compress(b"".join(warc(b"%d" % n * 50) for n in range(2000)), compresslevel=1))
    whole[len(whole) * 3 // 4] ^= 0xFF
    found = []
    with pytest.raises((CorruptGzipError, DamagedSourceError)):
        found.extend(record.payload for record in warc_records(io.BytesIO(bytes(whole))))
    assert len(found) > 1000
    assert found[:-1] == [b"%d" % n * 50 for n in range(len(found) - 1)]


def test_a_record_of_many_megabytes_comes_whole(monkeypatch):
    """It is read in parts and put together, beyond the size of members that are inflated in one go."""
    monkeypatch.setattr(records_module, "_SMALL_MEMBER_BYTES", 1 << 12)
    large = bytes(range(256)) * (1 << 14)
    content = b"".join(gzip.compress(warc(payload), 1) for payload in (b"a", large, b"b"))
    assert payloads(content) == [b"a", large, b"b"]


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "the file is empty"), (b"<h", "not gzip: the first bytes are b'<h'")]
)
def test_what_is_not_gzip_is_refused(content, reason):
    """Before a parser sees it."""
    with pytest.raises(DamagedSourceError, match=reason):
        check_gzip(io.BytesIO(content))


def test_gzip_is_read_from_its_start():
    """The look at the first bytes leaves the stream where it was."""
    stream = io.BytesIO(gzip.compress(b""))
    check_gzip(stream)
    assert stream.tell() == 0
