"""HTTP responses as a WARC holds them: header fields, and the body without its transfer and content codings.

Crawlers differ in what they keep: Common Crawl stores bodies decoded and renames the headers, others decode and leave
the headers, a third kind stores what came over the wire. So a coding is undone where the body has it.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from typing import NamedTuple

from metaclip_spark.errors import BrokenResponseError

MAX_BODY_BYTES = 32 << 20
"""A longer body is not read: a small one can inflate to any size."""

HTML_TYPES = ("text/html", "application/xhtml+xml")
_SNIFFED_BYTES = 1024
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_CHUNK_SIZE = re.compile(rb"[ \t]*([0-9a-fA-F]{1,8})[ \t]*(?:;[^\r\n]{0,200})?\r?\n")
_HTML_START = re.compile(rb"<(?:!doctype\s+html|html|head|body|title|meta)\b", re.IGNORECASE)


class Response(NamedTuple):
    """An HTTP response: its header fields in their order, and its body as it was stored."""

    headers: list[tuple[str, str]]
    stored: memoryview

    def get(self, name: str) -> str:
        """Return the first value of a field by its lower-case name that is not empty, or ""."""
        return next((value for field, value in self.headers if value and field.lower() == name), "")

    @property
    def is_html(self) -> bool:
        """Whether it holds a page: the header says so, or there is none and the body starts as pages do."""
        said = self.get("content-type").partition(";")[0].strip().lower()
        return said in HTML_TYPES if said else _HTML_START.search(self.stored, 0, _SNIFFED_BYTES) is not None

    def body(self) -> bytes:
        """Return the body without its codings; one that is cut is decoded as far as it goes.

        Raises:
            BrokenResponseError: an unknown or broken content coding, or a body of more than `MAX_BODY_BYTES`.
        """
        if len(self.stored) > MAX_BODY_BYTES:
            raise BrokenResponseError(f"a body of more than {MAX_BODY_BYTES} bytes")
        body = bytes(self.stored)
        if "chunked" in self.get("transfer-encoding").lower():
            body = without_chunks(body)
        codings = [
            coding.strip().lower()
            for name, value in self.headers
            if name.lower() == "content-encoding"
            for coding in value.split(",")
        ]
        for coding in reversed(codings):
            body = _decoded(body, coding)
        if len(body) > MAX_BODY_BYTES:
            raise BrokenResponseError(f"a body of more than {MAX_BODY_BYTES} bytes")
        return body


def response_of(block: bytes | memoryview) -> Response:
    """Take a response apart; header lines may end in LF alone, and go on in an indented line.

    Raises:
        BrokenResponseError: there is no status line, or the header has no end.
    """
    start = bytes(block[:60])
    if not start.startswith(b"HTTP/"):
        raise BrokenResponseError(f"no status line: expected 'HTTP/1.1 200 OK', got {start!r}")
    end = _HEAD_END.search(block)
    if end is None:
        raise BrokenResponseError("the HTTP header has no end")
    headers: list[tuple[str, str]] = []
    for line in bytes(block[: end.start()]).decode("latin-1").split("\n")[1:]:
        if line[:1] in (" ", "\t") and headers:
            headers[-1] = (headers[-1][0], f"{headers[-1][1]} {line.strip()}")
            continue
        name, colon, value = line.partition(":")
        if colon:
            headers.append((name.strip(), value.strip()))
    return Response(headers, memoryview(block)[end.end() :])


def without_chunks(body: bytes) -> bytes:
    """Return a chunked body in one piece; a body without chunks as it is, a damaged one up to the damage.

    >>> without_chunks(b"3\\r\\nabc\\r\\n2;x=y\\r\\nde\\r\\n0\\r\\n\\r\\n")
    b'abcde'
    """
    parts: list[bytes] = []
    at = 0
    while size := _CHUNK_SIZE.match(body, at):
        stop = size.end() + int(size.group(1), 16)
        parts.append(body[size.end() : stop])
        if stop == size.end() or stop > len(body):
            break
        at = stop + 2 if body.startswith(b"\r\n", stop) else stop + 1
    return b"".join(parts) if parts else body


def _decoded(body: bytes, coding: str) -> bytes:
    if coding in ("gzip", "x-gzip"):
        return _inflated(body, 31) if body.startswith(b"\x1f\x8b") else body
    if coding == "deflate":
        zlib_header = len(body) > 1 and body[0] & 15 == 8 and not (body[0] << 8 | body[1]) % 31
        return _unless_text(body, lambda raw: _inflated(raw, 15 if zlib_header else -15), coding)
    if coding == "br":
        return _unless_text(body, _unbrotli, coding)
    return _unless_text(body, None, coding)  # "identity", "none", "utf-8": sent by mistake before plain text


def _unless_text(body: bytes, decode: Callable[[bytes], bytes] | None, coding: str) -> bytes:
    start = body[:_SNIFFED_BYTES]
    if not body or (b"<" in start and not any(byte < 9 for byte in start)):
        return body
    if decode is None:
        raise BrokenResponseError(f"the body's coding {coding!r} is not known")
    return decode(body)


def _inflated(body: bytes, window: int) -> bytes:
    """Inflate one member after the other, up to a cut or the limit."""
    parts: list[bytes] = []
    room = MAX_BODY_BYTES + 1
    while body and room > 0:
        member = zlib.decompressobj(window)
        try:
            parts.append(member.decompress(body, room))
        except zlib.error as error:
            if not parts:
                raise BrokenResponseError(f"the body cannot be inflated: {error}") from None
            break  # what follows the first member is no member
        room -= len(parts[-1])
        body = member.unused_data if member.eof and window == 31 else b""
    return b"".join(parts)


def _unbrotli(body: bytes) -> bytes:
    import brotli  # few files have it: most crawlers store what is inflated

    try:
        return brotli.Decompressor().process(body, output_buffer_limit=MAX_BODY_BYTES + 1)
    except brotli.error as error:
        raise BrokenResponseError(f"the body cannot be decoded: {error}") from None
