"""Make WAT files that differ: real records, of which each copy has urls and texts of its own."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from pathlib import Path

from texts import ROOT

REAL = ROOT.parent / "shared" / "data" / "crawl" / "pages.wat.gz"
_SPLIT = re.compile(rb'("alt":"[^"\\]+|"url":"[^"\\#]+)(?=")')
_LENGTH = re.compile(rb"(?i)(\r\nContent-Length: *)\d+")


def write_wats(folder: Path, files: int, copies: int) -> list[Path]:
    """Write files of `copies` copies of the real records each, one gzip member per record; return their paths.

    Without ../shared/data, the records are those of the shipped sample. A url or text with an escape in its JSON stays
    as it is. So a few pairs, 38 of 10,225 of the real records, are in every copy.
    """
    folder.mkdir(parents=True)
    records = list(_records(REAL if REAL.exists() else ROOT / "jobs" / "sample" / "pool.wat.gz"))
    paths = []
    for at in range(files):
        path = folder / f"{at:03d}.wat.gz"
        with path.open("wb") as file:
            for number in range(at * copies, (at + 1) * copies):
                for head, body in records:
                    file.write(_member(head, _changed(body, number)))
        paths.append(path)
    return paths


def _records(path: Path) -> Iterator[tuple[bytes, list[bytes]]]:
    """Yield (header, JSON split at the ends of its urls and texts) of each record."""
    data = path.read_bytes()
    while data:
        member = zlib.decompressobj(31)
        head, _, body = member.decompress(data).partition(b"\r\n\r\n")
        yield head, _SPLIT.split(body.removesuffix(b"\r\n\r\n"))
        data = member.unused_data


def _changed(parts: list[bytes], number: int) -> bytes:
    """Return the JSON with the number of the copy in each text and each query."""
    text, query, another = b" %d" % number, b"?%d" % number, b"&%d" % number
    changed = list(parts)
    for at in range(1, len(parts), 2):
        part = parts[at]
        changed[at] += text if part.startswith(b'"alt') else another if b"?" in part else query
    return b"".join(changed)


def _member(head: bytes, body: bytes) -> bytes:
    head = _LENGTH.sub(rb"\g<1>%d" % len(body), head)
    pack = zlib.compressobj(6, zlib.DEFLATED, 31)
    return pack.compress(b"".join((head, b"\r\n\r\n", body, b"\r\n\r\n"))) + pack.flush()
