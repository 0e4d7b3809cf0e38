"""Parse the HTTP responses of a WARC: header fields, and the body without its transfer and content codings.

Crawlers store bodies in different ways. Common Crawl stores decoded bodies and renames the headers. Other crawlers keep
the headers of decoded bodies, or store the bytes of the connection. So a coding is decoded only if the body has it.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from typing import NamedTuple

from metaclip_spark.errors import BrokenResponseError

MAX_BODY_BYTES = 32 << 20
"""Maximum size of a body; a longer one is an error, because a small body can inflate to any size."""

HTML_TYPES = ("text/html", "application/xhtml+xml")
_SNIFFED_BYTES = 1024
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_CHUNK_SIZE = re.compile(rb"[ \t]*([0-9a-fA-F]{1,8})[ \t]*(?:;[^\r\n]{0,200})?\r?\n")
_HTML_START = re.compile(rb"<(?:!doctype\s+html|html|head|body|title|meta)\b", re.IGNORECASE)


class Response(NamedTuple):
    """An HTTP response.

    Attributes:
        headers: (name, value) of each header field, in order.
        stored: the body with its codings.
    """

    headers: list[tuple[str, str]]
    stored: memoryview

    def get(self, name: str) -> str:
        """Return the first nonempty value of a field by its lower-case name, or ""."""
        return next((value for field, value in self.headers if value and field.lower() == name), "")

    @property
    def is_html(self) -> bool:
        """Whether the body is a page: by its Content-Type, or by its first bytes if it has no Content-Type."""
        kind = self.get("content-type").partition(";")[0].strip().lower()
        return kind in HTML_TYPES if kind else _HTML_START.search(self.stored, 0, _SNIFFED_BYTES) is not None

    def body(self) -> bytes:
        """Return the body without its codings; a truncated body is decoded up to its end.

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
            body = _decode(body, coding)
        if len(body) > MAX_BODY_BYTES:
            raise BrokenResponseError(f"a body of more than {MAX_BODY_BYTES} bytes")
        return body


def response_of(block: bytes | memoryview) -> Response:
    """Parse a response; header lines may end in LF alone, and an indented line continues the line before it.

    Raises:
        BrokenResponseError: the response has no status line, or its header has no end.
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
    """Join the chunks of a body, up to any damage; return a body without chunks unchanged.

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


def _decode(body: bytes, coding: str) -> bytes:
    if coding in ("gzip", "x-gzip"):
        return _inflate(body, 31) if body.startswith(b"\x1f\x8b") else body
    if coding == "deflate":
        zlib_header = len(body) > 1 and body[0] & 15 == 8 and not (body[0] << 8 | body[1]) % 31
        return _decode_unless_text(body, lambda raw: _inflate(raw, 15 if zlib_header else -15), coding)
    if coding == "br":
        return _decode_unless_text(body, _decode_brotli, coding)
    # Servers send "identity", "none" or "utf-8" by mistake before plain text.
    return _decode_unless_text(body, None, coding)


def _decode_unless_text(body: bytes, decode: Callable[[bytes], bytes] | None, coding: str) -> bytes:
    start = body[:_SNIFFED_BYTES]
    if not body or (b"<" in start and not any(byte < 9 for byte in start)):
        return body
    if decode is None:
        raise BrokenResponseError(f"the body's coding {coding!r} is not known")
    return decode(body)


def _inflate(body: bytes, window: int) -> bytes:
    """Inflate one member after the other, up to the end of the body or the limit."""
    parts: list[bytes] = []
    remaining = MAX_BODY_BYTES + 1
    while body and remaining > 0:
        member = zlib.decompressobj(window)
        try:
            parts.append(member.decompress(body, remaining))
        except zlib.error as error:
            if not parts:
                raise BrokenResponseError(f"the body cannot be inflated: {error}") from None
            break  # the bytes after the last member are no member
        remaining -= len(parts[-1])
        body = member.unused_data if member.eof and window == 31 else b""
    return b"".join(parts)


def _decode_brotli(body: bytes) -> bytes:
    import brotli  # few files need it: most crawlers store decoded bodies

    try:
        return bytes(brotli.Decompressor().process(body, output_buffer_limit=MAX_BODY_BYTES + 1))
    except brotli.error as error:
        raise BrokenResponseError(f"the body cannot be decoded: {error}") from None
