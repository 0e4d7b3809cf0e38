"""Read lists: UTF-8 text files with one name per line, plain or gzip."""

from __future__ import annotations

import gzip
import io
import os
import zlib
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from metaclip_spark.errors import ConfigError
from metaclip_spark.storage.magic import BYTE_ORDER_MARK, GZIP_MAGIC

MOST_BYTES, MOST_TIMES = 1 << 28, 100
"""A gzip file may inflate to this many bytes, or to this many times its size if that is more."""


def read_text(path: str | os.PathLike[str]) -> bytes:
    """Return the bytes of a text file: inflated if it is gzip, without a byte order mark.

    Raises:
        OSError: the file cannot be read, or its gzip data is damaged.
    """
    raw = Path(path).read_bytes()
    return (inflate(raw) if raw.startswith(GZIP_MAGIC) else raw).removeprefix(BYTE_ORDER_MARK)


def inflate(raw: bytes) -> bytes:
    """Inflate a whole gzip file, of one or many members.

    Raises:
        OSError: the data is damaged or incomplete, or inflates to more bytes than a list of names does.
    """
    most = max(MOST_BYTES, MOST_TIMES * len(raw))
    try:
        # `gzip.decompress` copies the rest of the data for each member.
        with gzip.GzipFile(fileobj=io.BytesIO(raw)) as file:
            inflated = file.read(most + 1)
    except (EOFError, zlib.error) as error:
        raise gzip.BadGzipFile(str(error)) from error
    if len(inflated) > most:
        raise gzip.BadGzipFile(f"{len(raw):,} bytes inflate to more than {most:,}, which no list of names does")
    return inflated


def split_lines(text: str) -> list[str]:
    r"""Split a text at LF and CRLF alone; the line end of the last line is optional.

    `str.splitlines` also splits at U+0085, U+2028 and form feeds, which a name may hold.

    >>> split_lines("dog\r\nred\u2028cat\n")
    ['dog', 'red\u2028cat']
    """
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def read_lines(path: str | os.PathLike[str], what: str) -> pa.Array:
    """Return the lines of a file as a large_string array; no Python string is made per line.

    Blank lines and comments are included, so that an index plus one is a line number.

    Args:
        what: the file's name in errors.

    Raises:
        ConfigError: the file cannot be read, or is not UTF-8.
    """
    try:
        text = read_text(path).replace(b"\r\n", b"\n")
    except OSError as error:
        raise ConfigError(f"{what} {path} cannot be read: {error}.") from None
    try:
        whole = pa.array([text], pa.large_binary()).cast(pa.large_string())
    except pa.ArrowInvalid:
        number = next(at for at, line in enumerate(text.split(b"\n"), 1) if not _is_utf8(line))
        raise ConfigError(f"{what} {path}, line {number} is not UTF-8.") from None
    return pc.list_flatten(pc.split_pattern(whole, "\n"))


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True
