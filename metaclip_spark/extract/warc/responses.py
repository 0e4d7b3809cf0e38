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
from metaclip_spark.storage.magic import GZIP_MAGIC

MAX_BODY_BYTES = 32 << 20
"""Maximum size of a body; a longer one is an error, because a small body can inflate to any size."""

_MAX_HEAD_BYTES = 1 << 18
_MAX_CODINGS = 8
_MAX_ZSTD_WINDOW = 1 << 25
_ZSTD_PART = 1 << 17
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_TEXT_BYTES = 1024
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_CHUNK_SIZE = re.compile(rb"[ \t]*([0-9a-fA-F]{1,8})[ \t]*(?:;[^\r\n]{0,200})?\r?\n")


class Response(NamedTuple):
    """An HTTP response.

    Attributes:
        headers: (name, value) of each header field, in order.
        stored: the body with its codings.
    """

    headers: list[tuple[str, str]]
    stored: memoryview

    def get(self, name: str) -> str:
        """Return the nonempty values of a field by its lower-case name, joined by commas as HTTP allows, or ""."""
        return ", ".join(value for field, value in self.headers if value and field.lower() == name)

    def body(self) -> bytes:
        """Return the body without its codings; a truncated body is decoded up to its end.

        Raises:
            BrokenResponseError: an unknown or broken content coding, or a body of more than `MAX_BODY_BYTES`.
        """
        body = body_of(self.stored)
        if "chunked" in self.get("transfer-encoding").lower():
            body = without_chunks(body)
        codings = [coding for coding in self.get("content-encoding").lower().split(",") if coding.strip()]
        if len(codings) > _MAX_CODINGS:
            raise BrokenResponseError(f"a body with {len(codings)} codings, expected at most {_MAX_CODINGS}")
        for coding in reversed(codings):
            body = _decode(body, coding.strip())
        return body_of(body)


def body_of(block: bytes | memoryview) -> bytes:
    """Return a body as bytes.

    Raises:
        BrokenResponseError: the body has more than `MAX_BODY_BYTES`.
    """
    if len(block) > MAX_BODY_BYTES:
        raise BrokenResponseError(f"a body of more than {MAX_BODY_BYTES} bytes")
    return bytes(block)


def response_of(block: bytes | memoryview) -> Response:
    """Parse a response; header lines may end in LF alone, and an indented line continues the line before it.

    Raises:
        BrokenResponseError: the response has no status line, or its header has no end.
    """
    start = bytes(block[:60])
    if not start.startswith(b"HTTP/"):
        raise BrokenResponseError(f"no status line: expected 'HTTP/1.1 200 OK', got {start!r}")
    end = _HEAD_END.search(block, 0, _MAX_HEAD_BYTES)
    if end is None and len(block) > _MAX_HEAD_BYTES:
        raise BrokenResponseError(f"an HTTP header of more than {_MAX_HEAD_BYTES} bytes")
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
        return _inflate(body, 31) if body.startswith(GZIP_MAGIC) else body
    if coding == "deflate":
        zlib_header = len(body) > 1 and body[0] & 15 == 8 and not (body[0] << 8 | body[1]) % 31
        return _decode_unless_text(body, lambda raw: _inflate(raw, 15 if zlib_header else -15), coding)
    if coding == "br":
        return _decode_unless_text(body, _decode_brotli, coding)
    if coding == "zstd":
        return _decode_zstd(body) if body.startswith(_ZSTD_MAGIC) else _decode_unless_text(body, _decode_zstd, coding)
    # Servers send "identity", "none" or "utf-8" by mistake before plain text.
    return _decode_unless_text(body, None, coding)


def _decode_unless_text(body: bytes, decode: Callable[[bytes], bytes] | None, coding: str) -> bytes:
    start = body[:_TEXT_BYTES]
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


def _decode_zstd(body: bytes) -> bytes:
    import zstandard  # few files need it

    decompressor = zstandard.ZstdDecompressor(max_window_size=_MAX_ZSTD_WINDOW)
    parts: list[bytes] = []
    remaining = MAX_BODY_BYTES + 1
    try:
        with decompressor.stream_reader(body, read_across_frames=True) as reader:
            while remaining > 0 and (part := reader.read1(_ZSTD_PART)):
                parts.append(part)
                remaining -= len(part)
    except zstandard.ZstdError as error:
        if not parts:
            raise BrokenResponseError(f"the body cannot be decoded: {error}") from None
    if not parts:
        raise BrokenResponseError("the body cannot be decoded: it ends before its first block")
    return b"".join(parts)
