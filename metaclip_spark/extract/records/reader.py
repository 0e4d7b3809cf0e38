"""Read the records of a WARC file, gzip or plain, one at a time, whatever the file's size.

WAT, WARC and WET files all consist of WARC records; a `Dialect` names their differences.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from metaclip_spark.errors import CorruptGzipError, FetchError, TooMuchDamageError
from metaclip_spark.extract.records.buffer import Buffer
from metaclip_spark.extract.records.chunk import Chunks
from metaclip_spark.extract.records.damage import DAMAGE, Damage
from metaclip_spark.extract.records.dialect import Dialect
from metaclip_spark.extract.records.members import Members
from metaclip_spark.extract.records.record import Record


def warc_records(stream: BinaryIO, dialect: Dialect, damage: Damage | None = None) -> Iterator[Record]:
    """Yield the records of a WARC file, gzip or plain.

    A record is yielded once the checksum of its gzip member is verified, or, in a large member of several records, once
    the bytes after the record are inflated. After damage, the records of later members are yielded, or those after the
    next header of a plain file; in a file of one member, nothing is.

    Args:
        stream: the file from its start.
        dialect: the rules for this kind of file.
        damage: collects the damaged places. Without it the first one ends the file.

    Raises:
        DamagedSourceError: the stream is not a WARC, ends inside a record, or has an invalid header.
        CorruptGzipError, EOFError, gzip.BadGzipFile: the gzip stream is corrupt, truncated, or followed by other bytes.
    """
    for record in _read(stream, dialect, damage, together=False):
        if isinstance(record, Record):
            yield record


def records_or_members(stream: BinaryIO, dialect: Dialect, damage: Damage) -> Iterator[Record | Members]:
    """Yield the same records as `warc_records`, in the same order, many at once where each has a small member.

    What is yielded is valid until the next is read.
    """
    return _read(stream, dialect, damage, together=True)


def _read(stream: BinaryIO, dialect: Dialect, damage: Damage | None, *, together: bool) -> Iterator[Record | Members]:
    buffer = Buffer(Chunks(stream, dialect.read_bytes), dialect)
    continues = True
    while continues:
        try:
            yield from _records(buffer, together)
            break
        except FetchError:
            raise
        except DAMAGE as error:
            if damage is None:
                raise
            continues = _continues(buffer, error, damage)
    if damage is not None:
        damage.close()


def _continues(buffer: Buffer, error: Exception, damage: Damage) -> bool:
    """Add the damage, and go to a place after it where a record may start; return whether there is one."""
    while True:
        damage.add(error)
        try:
            if buffer.after_damage(error):
                damage.went_on()
                return True
            return False
        except FetchError:
            raise
        except TooMuchDamageError as end:
            damage.add(end)
            return False
        except DAMAGE as next_error:
            error = next_error


def _records(buffer: Buffer, together: bool) -> Iterator[Record | Members]:
    while True:
        yield from buffer.whole_records(together)
        if not buffer.at_record():
            return
        record = buffer.record()
        try:
            buffer.verify()
        except CorruptGzipError:
            raise
        except DAMAGE:
            yield record
            raise
        yield record
