"""Read the bytes of a WARC file in chunks: its inflated gzip members, or the bytes of a plain file.

Crawls put each record into a separate gzip member. A small member is inflated whole, with its checksum. A large one
(a whole file in one member, a record of many megabytes) is inflated in parts.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Generator, Iterator
from struct import Struct
from typing import BinaryIO

import deflate

from metaclip_spark.errors import CorruptGzipError, DamagedSourceError

try:
    from stringzilla import find  # several times as fast as bytes.find, with the same arguments and results
except ImportError:

    def find(data: bytes | memoryview, pattern: bytes, start: int = 0) -> int:
        """Return the first position of a pattern, or -1, as `bytes.find` does."""
        return bytes(data).find(pattern, start)


GZIP_MAGIC = b"\x1f\x8b"

_INFLATED_BYTES = Struct("<I").unpack_from
_MEMBER = b"\x1f\x8b\x08"  # a member's first bytes; they also occur inside a member by chance, once in 16 MiB
_READ_BYTES = 1 << 18
_SMALL_MEMBER_BYTES = 1 << 20
_SMALL_MEMBER_INFLATED = 1 << 24
_BITE_BYTES = 4096  # inflated at once; small, because all output of corrupt bytes is lost

Chunk = tuple[bytes | bytearray, bool]
"""Bytes, and whether their checksum was verified (a plain file has none to verify)."""


def check_gzip(raw: BinaryIO) -> None:
    """Refuse a file that is not gzip (an error page, say) before a parser reads it, and rewind."""
    magic = raw.read(2)
    raw.seek(0)
    if not magic:
        raise DamagedSourceError("the file is empty")
    if magic != GZIP_MAGIC:
        raise DamagedSourceError(f"not gzip: the first bytes are {magic!r}, expected {GZIP_MAGIC!r}")


def chunks_of(stream: BinaryIO, read_bytes: int) -> Iterator[Chunk]:
    """Return the chunks of a stream, gzip or plain.

    Args:
        stream: the file from its start.
        read_bytes: the size of the first read, and of every read of a plain file.

    Raises:
        CorruptGzipError, EOFError, gzip.BadGzipFile: while the chunks are read, as `_in_parts` raises them.
    """
    first = stream.read(read_bytes)
    while len(first) == 1 and (more := stream.read(read_bytes)):
        first += more
    return _inflated(stream, first) if first[:2] == GZIP_MAGIC else _plain(stream, first, read_bytes)


def _plain(stream: BinaryIO, data: bytes, read_bytes: int) -> Iterator[Chunk]:
    while data:
        yield data, True
        data = stream.read(read_bytes)


def _inflated(stream: BinaryIO, data: bytes) -> Iterator[Chunk]:
    """Inflate the members of a gzip stream: small ones whole with their checksum, others in parts.

    Args:
        stream: the rest of the file.
        data: the bytes that were already read.
    """
    at = 0
    while True:
        stop = find(data, _MEMBER, at + 1)
        if stop < 0:
            more = stream.read(_READ_BYTES)
            if more and len(data) - at < _SMALL_MEMBER_BYTES:
                data, at = data[at:] + more, 0
                continue
            stop = len(data)
            data += more
            if at == stop:
                return
        whole = _whole_member(data[at:stop])
        if whole is None:
            data, at = yield from _in_parts(stream, data, at)
        else:
            yield whole, True
            at = stop


def _whole_member(member: bytes) -> bytearray | None:
    """Inflate bytes that are exactly one small, intact gzip member; return None for any other bytes."""
    if not 18 <= len(member) <= _SMALL_MEMBER_BYTES:
        return None
    (size,) = _INFLATED_BYTES(member, len(member) - 4)
    if not 0 < size <= _SMALL_MEMBER_INFLATED:
        return None
    try:
        whole = deflate.gzip_decompress(member, size)
    except deflate.DeflateError:
        return None
    return whole if len(whole) == size else None


def _in_parts(stream: BinaryIO, data: bytes, at: int) -> Generator[Chunk, None, tuple[bytes, int]]:
    """Inflate in parts the member that starts at `data[at]`; return the last bytes read, and the member's end in them.

    Raises:
        CorruptGzipError: the member is corrupt.
        EOFError: the stream ends inside the member.
        gzip.BadGzipFile: no member starts there.
    """
    data = data[at:].lstrip(b"\0")  # zeros between members are padding
    while len(data) < len(_MEMBER):
        more = stream.read(_READ_BYTES)
        if not more:
            break
        data = (data + more).lstrip(b"\0")
    if not data:
        return b"", 0
    if data[:2] != GZIP_MAGIC:
        raise gzip.BadGzipFile(f"Not a gzipped file ({data[:2]!r})")
    member, at = zlib.decompressobj(31), 0
    while not member.eof:
        if at == len(data):
            data, at = stream.read(_READ_BYTES), 0
            if not data:
                raise EOFError("Compressed file ended before the end-of-stream marker was reached")
        bite = data[at : at + _BITE_BYTES]
        try:
            part = member.decompress(bite)
        except zlib.error as error:
            raise CorruptGzipError(f"the gzip data is corrupt: {error}") from None
        at += len(bite) - len(member.unused_data)
        yield part, member.eof
    return data, at
