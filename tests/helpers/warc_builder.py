"""Writes small WARCs record by record, and reads them back, for the tests of the WARC reader."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path

PAGE = "http://ex.org/a/page.html"
HTML = "Content-Type: text/html; charset=utf-8"


def record(
    block: bytes,
    kind: str = "response",
    uri: str = PAGE,
    content_type: str = "application/http; msgtype=response",
    length: str | None = None,
) -> bytes:
    """A WARC record."""
    said = str(len(block)) if length is None else length
    head = f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Target-URI: {uri}\r\nContent-Type: {content_type}\r\n"
    return f"{head}Content-Length: {said}\r\n\r\n".encode() + block + b"\r\n\r\n"


def http(body: str | bytes, *fields: str, status: str = "200 OK") -> bytes:
    """An HTTP response; without fields it is HTML in UTF-8."""
    raw = body.encode() if isinstance(body, str) else body
    return "\r\n".join([f"HTTP/1.1 {status}", *(fields or (HTML,)), "", ""]).encode() + raw


def page(body: str | bytes, *fields: str, uri: str = PAGE) -> bytes:
    """The record of a response."""
    return record(http(body, *fields), uri=uri)


def write(path: Path, records: Iterable[bytes]) -> Path:
    """A file of records, one gzip member each where its name ends in .gz, with the same bytes each time."""
    packed = path.name.endswith(".gz")
    path.write_bytes(b"".join(gzip.compress(one, mtime=0) if packed else one for one in records))
    return path
