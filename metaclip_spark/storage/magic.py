"""Tell what a file is by its first bytes, whatever its name says.

A reader calls `check_head` with the first bytes of a file, inflated if the file is gzip, before a parser sees them.
"""

from __future__ import annotations

import re
from typing import BinaryIO, NamedTuple

from metaclip_spark.errors import DamagedSourceError, WrongKindError

GZIP_MAGIC = b"\x1f\x8b"
HEAD_BYTES = 4096
"""The number of bytes that `kind_of` looks at."""
_SHOWN_BYTES = 20
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_RENAME = "give the file a name that ends in {}"
_EXPORT = "write its columns as Parquet, CSV, TSV or JSON lines"


class Kind(NamedTuple):
    """What a file is.

    Attributes:
        name: one word to compare with.
        what: the file in words, with an article.
        advice: what to do with the file.
    """

    name: str
    what: str
    advice: str


_SIGNATURES: tuple[tuple[bytes, Kind], ...] = (
    (GZIP_MAGIC, Kind("gzip", "gzip data", "inflate it once with gunzip")),
    (b"\x28\xb5\x2f\xfd", Kind("zstd", "zstd data", "inflate it with 'zstd -d', or compress it with gzip")),
    (b"BZh", Kind("bzip2", "bzip2 data", "inflate it with bunzip2, or compress it with gzip")),
    (b"\xfd7zXZ\0", Kind("xz", "xz data", "inflate it with unxz, or compress it with gzip")),
    (b"\x04\x22\x4d\x18", Kind("lz4", "lz4 data", "inflate it with 'lz4 -d', or compress it with gzip")),
    (b"\xff\x06\0\0sNaPpY", Kind("snappy", "snappy data", "inflate it, or compress it with gzip")),
    (b"7z\xbc\xaf\x27\x1c", Kind("7z", "a 7z archive", "unpack it and give the files inside")),
    (b"PK\x03\x04", Kind("zip", "a zip archive", "unpack it and give the files inside (of .xlsx: save as CSV)")),
    (b"PK\x05\x06", Kind("zip", "an empty zip archive", "give the files that it should hold")),
    (b"PAR1", Kind("parquet", "a Parquet file", _RENAME.format(".parquet"))),
    (b"PARE", Kind("parquet-encrypted", "an encrypted Parquet file", "decrypt it")),
    (b"ORC", Kind("orc", "an ORC file", _EXPORT)),
    (b"Obj\x01", Kind("avro", "an Avro file", _EXPORT)),
    (b"ARROW1", Kind("arrow", "an Arrow IPC (Feather) file", _EXPORT)),
    (b"FEA1", Kind("feather", "a Feather file", _EXPORT)),
    (b"\xff\xff\xff\xff", Kind("arrow-stream", "an Arrow IPC stream", _EXPORT)),
    (b"SQLite format 3\0", Kind("sqlite", "an SQLite database", _EXPORT)),
    (b"\x89HDF\r\n", Kind("hdf5", "an HDF5 file", _EXPORT)),
    (b"\x93NUMPY", Kind("numpy", "a NumPy array", _EXPORT)),
    (b"\xd0\xcf\x11\xe0", Kind("xls", "an Excel or other Office file", "save it as CSV in UTF-8")),
    (b"%PDF-", Kind("pdf", "a PDF", "give a table")),
    (b"\x89PNG\r\n", Kind("png", "a PNG image", "give a table of urls and texts")),
    (b"\xff\xd8\xff", Kind("jpeg", "a JPEG image", "give a table of urls and texts")),
    (b"WARC/", Kind("warc", "a WARC file", _RENAME.format(".warc or .warc.gz"))),
    (b"filedesc://", Kind("arc", "an ARC file", "convert it to WARC, e.g. with 'warcio recompress'")),
    (
        b"version https://git-lfs",
        Kind("lfs", "a Git LFS pointer, not the file itself", "fetch the file with 'git lfs pull'"),
    ),
    (b"\xff\xfe\0\0", Kind("utf-32", "text in UTF-32", "convert it: iconv -f UTF-32 -t UTF-8")),
    (b"\0\0\xfe\xff", Kind("utf-32", "text in UTF-32", "convert it: iconv -f UTF-32 -t UTF-8")),
    (b"\xff\xfe", Kind("utf-16", "text in UTF-16", "convert it: iconv -f UTF-16 -t UTF-8")),
    (b"\xfe\xff", Kind("utf-16", "text in UTF-16", "convert it: iconv -f UTF-16 -t UTF-8")),
)
_LETTERS = (b"BZh", b"PAR1", b"PARE", b"ORC", b"FEA1")
"""Signatures that a line of text may begin with (`ORCID,url,text`): such a file has bytes that text has not, too."""
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_HTML = Kind("html", "an HTML page", "it may be the error page of a server: fetch the file again")
_XML = Kind("xml", "XML", "it may be the error message of a server: fetch the file again")
_ARRAY = Kind("json-array", "a JSON array", "write one object per line, e.g. with \"jq -c '.[]'\"")
_OBJECT = Kind("json", "JSON", _RENAME.format(".jsonl and holds one object per line"))
_TAR = Kind("tar", "a tar archive", "unpack it and give the files inside")
_NULS = Kind("nul", "NUL bytes without content", "the disk or the download lost it: fetch the file again")
_WIDE = Kind("utf-16", "text in UTF-16 without a byte order mark", "convert it: iconv -f UTF-16LE -t UTF-8")
_TEXT = ("json-array", "json")
_EXPECTED = {
    "parquet": ("a Parquet file", ("parquet", "parquet-encrypted")),
    "jsonl": ("one JSON object per line, in UTF-8", ("json",)),
    "csv": ("a header and rows of text in UTF-8, plain or gzip", _TEXT),
    "tsv": ("a header and rows of text in UTF-8, plain or gzip", _TEXT),
    "wat": ("the records of a WAT, plain or gzip", ("warc",)),
    "warc": ("the records of a WARC, plain or gzip", ("warc",)),
}
"""Format -> its content in words, and the kinds that its reader can judge better than this module."""


def kind_of(head: bytes) -> Kind | None:
    """Return what a file is by its first bytes; None for bytes without a known sign, such as the text of a table.

    >>> kind_of(b"PK\\x03\\x04").name, kind_of(b"url,text")
    ('zip', None)
    """
    for signature, kind in _SIGNATURES:
        if head.startswith(signature) and (signature not in _LETTERS or _CONTROL.search(head)):
            return kind
    if head[257:262] == b"ustar":
        return _TAR
    if head and not head.strip(b"\0"):
        return _NULS
    start = head.removeprefix(BYTE_ORDER_MARK).lstrip()[:64].lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<!--", b"<title", b"<center")):
        return _HTML
    if start.startswith((b"<?xml", b"<error", b"<rss", b"<feed")):
        return _HTML if b"<html" in head.lower() else _XML
    if start.startswith(b"["):
        return _ARRAY
    if start.startswith(b"{"):
        return _OBJECT
    # Latin letters in UTF-16 have a NUL in every second byte.
    if len(head) >= 8 and max(head[0:64:2].count(0), head[1:64:2].count(0)) * 2.5 >= len(head[:64]):
        return _WIDE
    return None


def identified(head: bytes) -> str:
    """Return a phrase for an error that says what a file is and what to do with it, or "" if nothing is known.

    >>> identified(b"PK\\x03\\x04")
    '; it is a zip archive: unpack it and give the files inside (of .xlsx: save as CSV)'
    """
    kind = kind_of(head)
    return f"; it is {kind.what}: {kind.advice}" if kind else ""


def check_head(head: bytes, expected: str, is_inflated: bool = False) -> None:
    """Refuse a file whose first bytes say that it is not of the format that its name says.

    Args:
        head: the first bytes, inflated if the file is gzip.
        expected: a format, one of `sources.kinds.SUFFIXES`.
        is_inflated: whether the bytes were gzip.

    Raises:
        DamagedSourceError: the file is empty.
        WrongKindError: the file is of another kind.
    """
    what, accepted = _EXPECTED[expected]
    if not head:
        raise DamagedSourceError(f"the file is empty; expected {what}.")
    kind = kind_of(head)
    if kind is None or kind.name in accepted:
        return
    inside = " inside gzip data" if is_inflated else ""
    raise WrongKindError(
        f"the file is {kind.what}{inside} (it begins with {head[:_SHOWN_BYTES]!r}); expected {what}. "
        f"What to do: {kind.advice}."
    )


def check_start(raw: BinaryIO, expected: str) -> None:
    """Refuse a file of another kind by its first bytes as they are; the file is read from its start, and rewound.

    Raises:
        DamagedSourceError, WrongKindError: as `check_head` raises them.
    """
    raw.seek(0)
    head = raw.read(HEAD_BYTES)
    raw.seek(0)
    check_head(head, expected)
