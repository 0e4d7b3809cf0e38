"""Build small WARCs record by record for the tests of the WARC reader."""

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
    """Build a WARC record."""
    content_length = str(len(block)) if length is None else length
    head = f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Target-URI: {uri}\r\nContent-Type: {content_type}\r\n"
    return f"{head}Content-Length: {content_length}\r\n\r\n".encode() + block + b"\r\n\r\n"


def http(body: str | bytes, *fields: str, status: str = "200 OK") -> bytes:
    """Build an HTTP response; without fields it is HTML in UTF-8."""
    raw = body.encode() if isinstance(body, str) else body
    return "\r\n".join([f"HTTP/1.1 {status}", *(fields or (HTML,)), "", ""]).encode() + raw


def page(body: str | bytes, *fields: str, uri: str = PAGE) -> bytes:
    """Build the record of a response."""
    return record(http(body, *fields), uri=uri)


def write(path: Path, records: Iterable[bytes]) -> Path:
    """Write a file of records, one gzip member per record if its name ends in .gz; equal records give equal bytes."""
    packed = path.name.endswith(".gz")
    path.write_bytes(b"".join(gzip.compress(one, mtime=0) if packed else one for one in records))
    return path


THREE_FIELDS = "<img src=i.jpg alt='an alt' title='a title' data-image-title='a third'>"


def golden_records() -> list[bytes]:
    """Build records of all kinds that occur; only responses with HTML have texts."""
    lost = http("<img src=http://img.org/lost.jpg alt=lost>")
    packed = gzip.compress(b"<img src=z.jpg alt=packed>", mtime=0)
    return [
        record(b"software: test\r\n", kind="warcinfo", content_type="application/warc-fields"),
        record(b"GET / HTTP/1.1\r\n\r\n", kind="request", content_type="application/http; msgtype=request"),
        record(b"fetchTimeMs: 5\r\n", kind="metadata", content_type="application/warc-fields"),
        record(lost, kind="revisit"),
        record(lost, kind="resource", content_type="text/css"),
        record(lost, kind="continuation"),
        record(lost, content_type="text/dns"),
        page("<img src=http://img.org/lost.jpg alt=lost>", "Content-Type: text/plain"),
        # records that cannot be read
        record(b""),
        record(b"<html><img src=a.jpg alt=lost>"),
        record(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"),
        page(b"\x28\xb5\x2f\xfd\x00", HTML, "Content-Encoding: zstd"),
        # statuses, headers, codings
        record(http("<img src=s.jpg alt='not found'>", HTML, status="404 Not Found")),
        record(http("<img src=s.jpg alt='no reason'>", HTML, status="500")),
        page("<html><img src=n.jpg alt='no type'>", "X: y"),
        page("1c\r\n<img src=c.jpg alt=chunked>\r\n0\r\n\r\n", HTML, "Transfer-Encoding: chunked"),
        page(packed, HTML, "Content-Encoding: gzip"),
        page("<img src=z.jpg alt='header says gzip'>", HTML, "Content-Encoding: gzip"),
        record(http("<img src=l.jpg alt='old lines'>").replace(b"\r\n", b"\n")),
        page("<img src=w.jpg alt=wget>", uri="<http://wget.org/>"),
        page("<img src=http://img.org/u.jpg alt='no page'><img src=u.jpg alt=nowhere>", uri=""),
        # charsets
        page("<img src=é.jpg alt='größer ž'>".encode("iso8859-2"), "Content-Type: text/html; charset=latin2"),
        page("<meta charset=euc-jp><img src=j.jpg alt='日本'>".encode("euc_jp"), "Content-Type: text/html"),
        page(b"<img src=x.jpg alt='bad \xff byte'>"),
        # urls
        page(
            "<img src=http://img.org/1.jpg alt=absolute><img src=2.jpg alt=relative><img src=../3.jpg?x=1#f alt=parent>"
            "<img src=/4.jpg alt=root><img src=//cdn.org/5.jpg alt=protocol><img src='my pic.jpg' alt=spaces>"
            "<img src=' \thttp://img.org/8.jpg \n' alt='outer whitespace'><img src='/?a=1&amp;b=2' alt=entity>"
            "<img src='data:image/gif;base64,R0' alt=inlined title=twice><img src=ftp://ex.org/a.jpg alt=ftp>"
            "<img src='//[::1/a.jpg' alt='bad IPv6'><img src='' alt='empty url'><img alt='no url'>"
        ),
        page("<base href='https://base.org/dir/index.html'><img src=b.jpg alt='absolute base'>"),
        page("<base href='../up/'><img src=b.jpg alt='relative base'>"),
        page("<base href='http://[bad/'><img src=b.jpg alt='malformed base'>"),
        # lazy-loaded images
        page(
            "<img src='data:image/gif;base64,R0' data-src=real1.jpg alt='inlined placeholder'>"
            "<img data-original=real2.jpg alt='no src'><img src='' data-lazy-src=real3.jpg alt='empty src'>"
            "<img src=blank.gif data-src=real4.jpg alt=both><img src=same.jpg data-src=/a/same.jpg alt='the same'>"
            "<img src=5.jpg srcset='5b.jpg 2x' alt='src wins'><img srcset='6s.jpg 1w, 6l.jpg 2w' alt='set'>"
            "<img src='data:x' data-srcset='7.jpg' alt='lazy set'>"
            "<picture><source srcset='8s.webp 1x, 8l.webp 2x'><img src='data:x' alt=picture></picture>"
            "<img src='data:x' data-src='{\"a\":1}' srcset='9.jpg' alt='no url there'>"
            "<img data-src='data:x' alt='lazy, inlined'><img src=javascript:1 data-src='ftp://x/y' alt='neither'>"
            "<noscript><img src=10.jpg alt=noscript></noscript>"
        ),
        # texts
        page(
            THREE_FIELDS + "<img src=t1.jpg alt='' title=' &nbsp;\t'><img src=t2.jpg>"
            "<img src=t3.jpg alt='Tom &amp;amp; Jerry'><img width=80 height=60"
            " src=t4.jpg alt='two\r\nlines\tand &#0; more'>"
            "<img src=t5.jpg alt=' edges '>"
            "<img src=blank.gif data-src=t6.jpg alt='' width=1>"
        ),
        page(THREE_FIELDS),
    ]
