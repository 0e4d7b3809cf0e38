"""HTTP responses in a WARC: header fields, and bodies without their codings."""

from __future__ import annotations

import gzip
import zlib

import brotli
import pytest
import zstandard

from metaclip_spark.errors import BrokenResponseError
from metaclip_spark.extract.warc import responses
from metaclip_spark.extract.warc.responses import response_of, without_chunks

HTML = b"<html><img src=a.jpg alt=b></html>"

CODERS = {"gzip": gzip.compress, "deflate": zlib.compress, "br": brotli.compress}


def small_blocks(body: bytes) -> bytes:
    """Compress as a server does that sends a page in parts."""
    coder = zstandard.ZstdCompressor().compressobj()
    parts = [
        coder.compress(body[at : at + 2000]) + coder.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        for at in range(0, len(body), 2000)
    ]
    return b"".join([*parts, coder.flush()])


def body_of(*fields: str, body: bytes = HTML) -> bytes:
    return response_of("\r\n".join(["HTTP/1.1 200 OK", *fields]).encode() + b"\r\n\r\n" + body).body()


def test_header_lines_may_end_in_lf_and_continue():
    """Headers of old crawlers are read as if they followed the standard."""
    response = response_of(b"HTTP/1.0 404\nContent-Type: text/html;\n charset=euc-jp\nnonsense\nX-A: 1\nX-A: 2\n\n<p>")
    assert response.headers == [("Content-Type", "text/html; charset=euc-jp"), ("X-A", "1"), ("X-A", "2")]
    assert response.get("content-type") == "text/html; charset=euc-jp"
    assert bytes(response.stored) == b"<p>"


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        (b"", "no status line: expected 'HTTP/1.1 200 OK', got b''"),
        (b"<html>", "no status line: expected 'HTTP/1.1 200 OK', got b'<html>'"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n", "the HTTP header has no end"),
    ],
    ids=["empty", "no header", "no end"],
)
def test_a_response_without_a_header_is_broken(block, reason):
    """The error shows the bytes that were found."""
    with pytest.raises(BrokenResponseError) as raised:
        response_of(block)
    assert str(raised.value) == reason


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        (["Content-Encoding: gzip"], gzip.compress(HTML)),
        (["Content-Encoding: x-gzip"], gzip.compress(HTML[:9]) + gzip.compress(HTML[9:])),
        (["Content-Encoding: gzip"], gzip.compress(HTML) + b"trailing bytes"),
        (["Content-Encoding: deflate"], zlib.compress(HTML)),
        (["Content-Encoding: deflate"], zlib.compress(HTML)[2:-4]),
        (["Content-Encoding: br"], brotli.compress(HTML)),
        (["Content-Encoding: br, gzip"], gzip.compress(brotli.compress(HTML))),
        (["Content-Encoding: br", "Content-Encoding: gzip"], gzip.compress(brotli.compress(HTML))),
        (["Content-Encoding: zstd"], zstandard.compress(HTML)),
        (["Content-Encoding: ZSTD"], zstandard.compress(HTML[:9]) + zstandard.compress(HTML[9:])),
        (["Content-Encoding: zstd"], zstandard.compress(HTML) + b"trailing bytes"),
        (["Content-Encoding: zstd"], HTML),
        (["Content-Encoding: identity"], HTML),
        (["Content-Encoding: gzip"], HTML),
        (["Content-Encoding: deflate"], HTML),
        (["Content-Encoding: br"], HTML),
        (["Content-Encoding: utf-8"], HTML),
        (["Transfer-Encoding: chunked"], b"%x\r\n%b\r\n0\r\n\r\n" % (len(HTML), HTML)),
        (["Transfer-Encoding: chunked"], HTML),
        (
            ["Transfer-Encoding: chunked", "Content-Encoding: gzip"],
            b"%x\r\n%b\r\n0\r\n\r\n" % (len(gzip.compress(HTML)), gzip.compress(HTML)),
        ),
    ],
)
def test_a_coding_is_decoded_if_the_body_has_it(fields, body):
    """Crawlers that store decoded bodies keep the header."""
    assert body_of(*fields, body=body) == HTML


def test_a_truncated_body_is_decoded_up_to_its_end():
    """Crawlers truncate bodies at a length, whatever their coding."""
    page = b"".join(b"<img src=%d.jpg alt=b%d>" % (n, n * n) for n in range(5000))
    for coding, pack in (*CODERS.items(), ("zstd", small_blocks)):
        coded = pack(page)
        found = body_of(f"Content-Encoding: {coding}", body=coded[: len(coded) // 2])
        assert page.startswith(found)
        assert len(found) > 1000


@pytest.mark.parametrize(
    ("coding", "body", "reason"),
    [
        ("gzip", b"\x1f\x8b\x08\x00" + b"\xff" * 40, "the body cannot be inflated: "),
        ("deflate", b"\x00\x01\x02 garbage", "the body cannot be inflated: "),
        ("br", b"\xff\x01\x02 garbage", "the body cannot be decoded: "),
        ("zstd", b"\x28\xb5\x2f\xfd\x00\x01", "the body cannot be decoded: it ends before its first block"),
        ("zstd", b"\x28\xb5\x2f\xfd" + b"\xff" * 40, "the body cannot be decoded: zstd "),
        ("compress", b"\x1f\x9d\x90\x00\x01\x02", "the body's coding 'compress' is not known"),
        ("dcz", b"\x5e\x2a\x4d\x18\x00\x01", "the body's coding 'dcz' is not known"),
        (", ".join(["gzip"] * 9), b"x", "a body with 9 codings, expected at most 8"),
    ],
)
def test_a_coding_that_cannot_be_decoded_is_an_error(coding, body, reason):
    """The error names the coding or its damage."""
    with pytest.raises(BrokenResponseError) as raised:
        body_of(f"Content-Encoding: {coding}", body=body)
    assert str(raised.value).startswith(reason)


@pytest.mark.parametrize(
    ("body", "whole"),
    [
        (b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", b"abcde"),
        (b"3;name=value\r\nabc\r\n0\r\nTrailer: x\r\n\r\n", b"abc"),
        (b"3\nabc\n0\n\n", b"abc"),
        (b"A\r\nabc", b"abc"),
        (b"3\r\nabc\r\nnonsense", b"abc"),
        (b"0\r\n\r\n", b""),
        (b"<html>", b"<html>"),
        (b"ffffffff\r\nabc", b"abc"),
        (b"", b""),
    ],
)
def test_chunks_are_joined_up_to_any_damage(body, whole):
    """A body that does not start with a chunk is returned unchanged."""
    assert without_chunks(body) == whole


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", ""])
def test_a_body_beyond_the_limit_is_broken(monkeypatch, coding):
    """A small body may inflate to any size, so inflation stops at the limit."""
    monkeypatch.setattr(responses, "MAX_BODY_BYTES", 1000)
    page = HTML + b" " * 100_000
    coded = (CODERS | {"zstd": zstandard.compress}).get(coding, bytes)(page)
    with pytest.raises(BrokenResponseError, match="^a body of more than 1000 bytes$"):
        body_of(f"Content-Encoding: {coding}", body=coded)


def test_a_header_beyond_the_limit_is_broken():
    """Millions of lines would take gigabytes."""
    block = b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 100_000 + b"\r\n<html>"
    with pytest.raises(BrokenResponseError, match="^an HTTP header of more than 262144 bytes$"):
        response_of(block)
