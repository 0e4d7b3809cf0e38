"""Reading on after damage: the records of later gzip members are read, and each damaged place is one broken record."""

from __future__ import annotations

import gzip
import io
import random
import time
import zlib

import pytest

from metaclip_spark.candidates.ledger import Ledger
from metaclip_spark.errors import DamagedSourceError, FetchError
from metaclip_spark.extract.records.damage import Damage
from metaclip_spark.extract.records.dialect import WARC, WAT
from metaclip_spark.extract.records.reader import warc_records
from metaclip_spark.storage.magic import GZIP_MAGIC

BOTH = pytest.mark.parametrize("dialect", [WAT, WARC], ids=["WAT", "WARC"])
NOISE = random.Random(7).randbytes(3000)


def warc(payload: bytes, *fields: str, length: str | None = None) -> bytes:
    length = str(len(payload)) if length is None else length
    head = "\r\n".join(["WARC/1.0", "WARC-Type: metadata", *fields, f"Content-Length: {length}"])
    return head.encode() + b"\r\n\r\n" + payload + b"\r\n\r\n"


def packed(payload: bytes, level: int = 6) -> bytes:
    return gzip.compress(warc(payload), level, mtime=0)


def corrupt(member: bytes, place: float = 0.5) -> bytes:
    changed = bytearray(member)
    changed[int(place * (len(member) - 1))] ^= 0x5A
    return bytes(changed)


def read(content: bytes, dialect=WARC, stream=io.BytesIO) -> tuple[list[bytes], int, str]:
    """Return (payloads, broken records, reason) of a file; the reason of an undamaged file is ""."""
    ledger, payloads, reason = Ledger(), [], ""
    try:
        for record in warc_records(stream(content), dialect, Damage(ledger)):
            ledger.records_read += 1
            payloads.append(bytes(record.payload))
    except (DamagedSourceError, EOFError, gzip.BadGzipFile) as error:
        reason = str(error)
    broken = ledger.rejected.get("broken_record", 0)
    assert ledger.records_read == len(payloads) + broken
    return payloads, broken, reason


A, B, C, D = (bytes([letter]) * 20 + NOISE.hex().encode() for letter in b"abcd")
BAD = {
    "a flipped byte": corrupt(packed(B)),
    "a flipped byte of the checksum": corrupt(packed(B), 0.9985),
    "a flipped byte of the magic": b"\x1f\x8c" + packed(B)[2:],
    "zeros": packed(B)[:500] + bytes(500) + packed(B)[1000:],
    "truncated": packed(B)[:-700],
    "truncated in its first bytes": packed(B)[:7],
    "garbage": NOISE,
    "a page": b"<html>503 SlowDown</html>",
    "a length that is no number": gzip.compress(warc(B, length="x143")),
    "no length": gzip.compress(warc(B, length="")),
    "a length beyond the member": gzip.compress(warc(B, length=str(len(B) + 4000))),
    "a length far beyond the file": gzip.compress(warc(B, length=str(len(B) + 200_000_000))),
    "a length that is too small": gzip.compress(warc(B, length=str(len(B) - 50))),
    "no record": gzip.compress(b"<html>\r\n\r\n503</html>"),
    "a header without an end": gzip.compress(b"WARC/1.0\r\nWARC-Type: metadata\r\n"),
    "a header line without an end": gzip.compress(b"WARC/1.0\r\nX: " + b"y" * 70_000_000, 1),
    "a bomb that is no record": gzip.compress(bytes(300_000_000), 1),
}


@pytest.mark.parametrize("kind", BAD)
@BOTH
def test_one_bad_member_loses_only_its_own_record(kind, dialect):
    """The members before and after it are read, one record is broken, and the reason tells of it."""
    payloads, broken, reason = read(packed(A) + BAD[kind] + packed(C) + packed(D), dialect)
    assert (payloads, broken) == ([A, C, D], 1)
    assert reason


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_first_or_last_member_loses_only_its_own_record(kind):
    """What the end of a file truncates is told by the reason alone; a bad last member is a broken record."""
    payloads, broken, reason = read(packed(A) + packed(C) + BAD[kind])
    assert (payloads, broken) == ([A, C], 0 if kind.startswith("truncated") else 1)
    assert reason
    if BAD[kind].startswith(b"\x1f\x8b"):
        payloads, broken, reason = read(BAD[kind] + packed(A) + packed(C))
        assert (payloads, broken) == ([A, C], 1)
        assert reason


@pytest.mark.parametrize("kind", ["a flipped byte", "truncated", "a length that is no number", "no length"])
@pytest.mark.parametrize("after", ["a flipped byte", "truncated", "a length that is no number"])
def test_two_bad_members_in_a_row_are_two_broken_records(kind, after):
    """The reason names the first damage and the last one."""
    payloads, broken, reason = read(packed(A) + BAD[kind] + BAD[after] + packed(D))
    assert (payloads, broken) == ([A, D], 2)
    assert "; 2 damaged places in all, the last: " in reason


@BOTH
def test_many_bad_members_among_good_ones(dialect):
    """Every third member is corrupt, at another place each time; no other record is lost, whatever a read returns."""
    payloads = [b"%d " % n + NOISE[: 50 + n] for n in range(300)]
    members = [corrupt(packed(p), n / 300) if n % 3 == 1 else packed(p) for n, p in enumerate(payloads)]
    expected = [p for n, p in enumerate(payloads) if n % 3 != 1]
    content = b"".join(members)
    for stream in (io.BytesIO, Dripping):
        found, broken, reason = read(content, dialect, stream)
        header_only = 300 - len(found) - broken  # a flipped bit of a gzip header's time or system is no damage
        assert [p for p in found if p in expected] == expected
        assert set(found) <= set(payloads)
        assert header_only == 0
        assert reason


class Dripping(io.BytesIO):
    """A stream that returns few bytes per read, as a network does."""

    def read(self, size: int = -1) -> bytes:
        return super().read(min(size, 1000) if size > 0 else 1000)


def test_a_member_truncated_anywhere_does_not_lose_the_next():
    """Wherever the cut is, the next member is found."""
    member = packed(B[:600])
    for cut in range(1, len(member), 13):
        payloads, broken, reason = read(packed(A) + member[:cut] + packed(C) + packed(D))
        assert (payloads, broken) == ([A, C, D], 1), cut
        assert reason, cut


def test_a_truncated_member_of_stored_bytes_does_not_lose_the_next():
    """Where deflate stores bytes, the truncated block has the bytes of the next members in its output."""
    member = packed(B, 0)
    for cut in range(80, len(member), 97):
        payloads, broken, _ = read(packed(A) + member[:cut] + b"".join(map(packed, [C, D] * 10)))
        assert (payloads, broken) == ([A, *[C, D] * 10], 1), cut


def test_a_large_member_that_is_corrupt_loses_only_its_own_record():
    """A record of several megabytes is inflated in parts; the search starts near the damage."""
    large = random.Random(1).randbytes(3_000_000)
    for place in (0.05, 0.5, 0.999):
        payloads, broken, _ = read(packed(A) + corrupt(packed(large), place) + packed(C))
        assert (payloads, broken) == ([A, C], 1), place
    payloads, broken, _ = read(packed(A) + packed(large)[:2_000_000] + packed(C) + packed(large) + packed(D))
    assert (len(payloads), broken, payloads[1], payloads[3]) == (4, 1, C, D)


@pytest.mark.parametrize("size", [2000, 3_000_000])
@pytest.mark.parametrize("damage", ["checksum", "end", "header"])
def test_a_warc_inside_a_damaged_record_is_not_read(size, damage):
    """Where deflate stores a payload that is a WARC itself, its members lie in the file: they are no records of it."""
    inner = packed(b"inner") + packed(b"inner, too")
    member = bytearray(packed(random.Random(2).randbytes(size) + inner * 5 + NOISE, 0))
    if damage == "checksum":
        member[-6] ^= 1
    elif damage == "end":
        member[-2000:-8] = bytes(1992)
    else:
        member = bytearray(gzip.compress(warc(random.Random(2).randbytes(size) + inner, length="x"), 0))
    payloads, broken, _ = read(packed(A) + bytes(member) + packed(C))
    assert (payloads, broken) == ([A, C], 1)


def test_an_intact_record_that_holds_a_warc_is_read():
    """Its payload's members are bytes like any others."""
    payload = packed(b"inner") * 3
    assert read(packed(A) + packed(payload, 0) + packed(C)) == ([A, payload, C], 0, "")


def test_the_end_of_one_member_for_all_records_is_lost():
    """There is no later member; the records before the damage are read, as from any truncated file."""
    whole = gzip.compress(b"".join(warc(b"%d" % n * 50) for n in range(2000)), 1)
    payloads, broken, reason = read(corrupt(whole, 0.75))
    assert payloads[:1000] == [b"%d" % n * 50 for n in range(1000)]
    assert (broken, bool(reason)) == (1, True)
    payloads, broken, reason = read(gzip.compress(warc(A) + warc(B, length="x") + warc(C)))
    assert (payloads, broken, bool(reason)) == ([A], 1, True)


def test_members_of_several_records_lose_the_rest_of_their_member():
    """After a bad record, the next member is read."""
    pairs = [gzip.compress(warc(A) + warc(B)), gzip.compress(warc(C, length="x") + warc(B)), gzip.compress(warc(D))]
    payloads, broken, _ = read(b"".join(pairs))
    assert (payloads, broken) == ([A, B, D], 1)


@pytest.mark.parametrize(
    ("bad", "lost"),
    [
        (warc(B, length="x143"), 1),
        (warc(B, length=""), 1),
        (warc(B, length=str(len(B) - 50)), 1),
        (warc(B, length=str(len(B) + 1000)), 1),
        (warc(B, length=str(len(B) + 1_000_000)), 1),
        (b"WARX/1.0" + warc(B)[8:], 1),
        (warc(B)[:-600], 1),
        (warc(B, length="x") + warc(B, length="y"), 2),
        (b"<html>503</html>\r\n\r\n", 1),
        (warc(b"\r\n\r\nWARC/1.0\r\nis how a record starts", length="x"), 1),
    ],
)
def test_a_bad_record_of_a_plain_file_loses_only_itself(bad, lost):
    """The next header after an empty line, with a type and a length, starts the next record."""
    payloads, broken, reason = read(warc(A) + bad + warc(C) + warc(D))
    assert (payloads, broken) == ([A, C, D], lost)
    assert reason


def test_a_file_that_is_no_warc_has_no_broken_record():
    """Such a file failed: nothing is counted."""
    for content in (gzip.compress(b"<html>" * 100), gzip.compress(b"hello") * 3, packed(A)[:100], b"WARC/1.0\r\n"):
        payloads, broken, reason = read(content)
        assert (payloads, broken) == ([], 0)
        assert reason


def test_a_lost_connection_ends_the_file():
    """It is no damage of the file: nothing is searched and nothing is counted."""

    class Lost(io.BytesIO):
        def read(self, size: int = -1) -> bytes:
            if self.tell():
                raise FetchError("the connection was lost")
            return super().read(size)

    ledger = Ledger()
    content = b"".join(packed(A) for _ in range(200))
    records = warc_records(Lost(content), WARC, Damage(ledger))
    with pytest.raises(FetchError):
        ledger.records_read += sum(1 for _ in records)
    assert (ledger.records_read, dict(ledger.rejected)) == (0, {})


HOSTILE = {
    "members that never end": (gzip.compress(warc(b"", length="9"), 0)[:-8]) * 60_000,
    "magic numbers": GZIP_MAGIC + b"\x08" * 2_000_000 + b"\x1f\x8b\x08" * 700_000,
    "nested stored members": b"".join(
        b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + zlib.compress(b"WARC/1.0\r\n", 0)[2:-4].replace(b"\x01", b"\x00", 1)
        for _ in range(80_000)
    ),
    "bombs": gzip.compress(bytes(30_000_000), 9) * 60,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_takes_time_in_proportion_to_its_size(name):
    """The work after damage is bounded: a file with too much damage is given up, and the reason says so."""
    began = time.process_time()
    payloads, _, reason = read(packed(A) + HOSTILE[name] + packed(C))
    assert payloads[0] == A
    assert set(payloads) <= {A, C}
    assert reason
    assert time.process_time() - began < 30
