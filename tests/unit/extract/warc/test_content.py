"""Which records hold a page: by their types, the content type as the web writes it, and the first bytes."""

from __future__ import annotations

import pytest
from warc_builder import http, page, record, write

from metaclip_spark.extract.records.record import Record
from metaclip_spark.extract.warc.content import content_of
from metaclip_spark.extract.warc.content_type import is_html_type, looks_like_html

IMAGE = "<img src=a.jpg alt='a red kite'>"
HTML = f"<html>{IMAGE}"


@pytest.mark.parametrize(
    "content_type",
    [
        "text/html",
        "TEXT/HTML",
        "text/html;",
        "text/html, text/html",
        "text/html,text/html; charset=utf-8",
        "text/html; charset=utf-8, text/html",
        "text/html charset=utf-8",
        "text/html:charset=utf-8",
        '"text/html"',
        "'text/html'",
        " \t text/html\t;charset=utf-8",
        '"text/html; charset=utf-8"',
        ";text/html, text/html",
        "text/plain, text/html",
        "application/xhtml+xml; charset=utf-8",
        "application/xhtml+xml,text/html",
    ],
)
def test_a_type_of_html_however_it_is_written(content_type):
    """The web sends much that HTTP's syntax does not allow."""
    assert is_html_type(content_type) is True


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "image/jpeg",
        "application/html",
        "text/x-html",
        "text/xhtml",
        "text/xml",
        "application/octet-stream",
        "application/vnd.wap.xhtml+xml",
        "text/htmlx",
        "text/plain; x=text/html",
        "text/dns",
    ],
)
def test_a_type_that_is_not_html(content_type):
    """The body does not matter then: browsers would show it as text, or save it."""
    assert is_html_type(content_type) is False


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        " ",
        "html",
        "unknown/unknown",
        "Unknown/Unknown; charset=utf-8",
        "application/unknown",
        "*/*",
        ";",
        ",",
        "None",
    ],
)
def test_a_type_that_is_not_known(content_type):
    """The body decides then."""
    assert is_html_type(content_type) is None


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"<!DOCTYPE html><p>", True),
        (b"\n\t <!doctype HTML>", True),
        (b"\n<!DOCTYPE  html>", True),
        (b"<html lang=en>", True),
        (b"<HEAD>", True),
        (b"<p>text", True),
        (b"<a href=x>", True),
        (b"<!-- a comment --><p>", True),
        (b"<div\nclass=x>", True),
        (b"<script>x</script>", True),
        (b"<?xml version='1.0'?><html xmlns=x>", True),
        (b"\xef\xbb\xbf<html>", True),
        (b"<article>", False),
        (b"<pre>", False),
        (b"text <p>", False),
        (b"<?xml version='1.0'?><rss><p>", False),
        (b"%PDF-1.4", False),
        (b"{}", False),
        (b"", False),
        (b" " * 2000 + b"x<html>", False),
    ],
)
def test_the_first_bytes_of_html(body, expected):
    """The tags are those of the MIME Sniffing Standard, at the start, and those of a head, in the first kilobyte."""
    assert looks_like_html(body) is expected


def reason_of(raw: bytes) -> str:
    head, _, block = raw.partition(b"\r\n\r\n")
    found = Record(head, memoryview(block[:-4]))
    content = content_of(found, found.get(b"warc-type").lower())
    return content if isinstance(content, str) else "page"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (page(HTML, "X: y"), "page"),
        (page(HTML, "Content-Type: html"), "page"),
        (page(HTML, "Content-Type: text/plain"), "not_page"),
        (page(HTML, "Content-Type: text/plain", "Content-Type: text/html"), "page"),
        (page(HTML, "Content-Type :text/html"), "page"),
        (page(HTML, "Content-Type:", "Content-Type:\r\n\ttext/html"), "page"),
        (page("%PDF-1.4", "X: y"), "not_page"),
        (page("%PDF-1.4", "Content-Type: */*"), "not_page"),
        (record(http(HTML), content_type="text/dns"), "not_response"),
        (record(http(HTML), content_type="APPLICATION/HTTP ; msgtype = response"), "page"),
        (record(http(HTML), content_type=""), "page"),
        (record(HTML.encode(), kind="resource", content_type="text/html"), "page"),
        (record(HTML.encode(), kind="resource", content_type="text/html, text/html"), "page"),
        (record(HTML.encode(), kind="resource", content_type=""), "page"),
        (record(HTML.encode(), kind="resource", content_type="image/jpeg"), "not_page"),
        (record(b"dns", kind="resource", content_type="text/dns"), "not_page"),
        (record(b"\x89PNG", kind="resource", content_type=""), "not_page"),
        (record(http(HTML), kind="resource", content_type="application/http; msgtype=response"), "page"),
        (record(http(HTML, "Content-Type: image/png"), kind="resource", content_type="application/http"), "not_page"),
    ],
)
def test_what_a_record_holds(raw, expected):
    """A resource has no HTTP header, unless its content type says so; then its header decides, as for a response."""
    assert reason_of(raw) == expected


@pytest.mark.parametrize("written", ["application/octet-stream", "text/plain", "unknown/unknown", "image/jpeg", ""])
@pytest.mark.parametrize("identified", ["text/html", "application/xhtml+xml", "TEXT/HTML"])
def test_the_type_that_the_crawler_found_makes_a_page(written, identified):
    """Common Crawl writes `WARC-Identified-Payload-Type`."""
    raw = page(HTML, f"Content-Type: {written}")
    field = f"\r\nWARC-Identified-Payload-Type: {identified}\r\nContent-Type: application".encode()
    assert reason_of(raw.replace(b"\r\nContent-Type: application", field, 1)) == "page"


def test_another_type_that_the_crawler_found_changes_nothing():
    """The server's type decides, or the first bytes."""
    for written, expected in (("text/html", "page"), ("image/png", "not_page"), ("", "page")):
        raw = page(HTML, f"Content-Type: {written}")
        field = b"\r\nWARC-Identified-Payload-Type: text/plain\r\nContent-Type: application"
        assert reason_of(raw.replace(b"\r\nContent-Type: application", field, 1)) == expected


def test_pages_in_resource_records_are_read(tmp_path, extract):
    """Their content type names the charset; a relative url needs a page at http."""
    records = [
        record(f"<meta charset=utf-8>{HTML}".encode(), kind="resource", content_type="text/html"),
        record(
            "<img src=b.jpg alt='größer'>".encode("latin-1"), kind="resource", content_type="text/html;charset=latin1"
        ),
        record(HTML.encode(), kind="resource", content_type="text/html", uri="file:///mirror/p.html"),
        record(f"<meta name=robots content=noai>{HTML}".encode(), kind="resource", content_type="text/html"),
        record(b"\xff\xd8\xff", kind="resource", content_type="image/jpeg"),
        record(b"20240501 192.0.2.1", kind="resource", content_type="text/dns", uri="dns:ex.org"),
    ]
    found = extract(write(tmp_path / "a.warc.gz", records))
    assert found.rows == [("http://ex.org/a/a.jpg", "a red kite"), ("http://ex.org/a/b.jpg", "größer")]
    assert found.rejected == {"not_http": 1, "noai": 1, "not_page": 2}


def test_every_record_is_counted(tmp_path, extract):
    """records_read = pages with a text + records that were passed over + broken records."""
    records = [
        record(b"software: x\r\n", kind="warcinfo", content_type="application/warc-fields"),
        record(b"GET / HTTP/1.1\r\n\r\n", kind="request", content_type="application/http; msgtype=request"),
        record(http(HTML), kind="revisit"),
        record(b"", kind="metadata", content_type="application/warc-fields"),
        record(http(HTML), kind="x"),
        record(http(HTML), content_type="text/dns"),
        page(HTML, "Content-Type: image/jpeg"),
        page("<p>no image"),
        page("<img src=a.jpg>"),
        page("<img src=a.jpg alt=''><img src=b.jpg title=' &nbsp;'>"),
        page(""),
        page(f"<meta name=robots content=noai>{IMAGE}"),
        page("<img src='data:x' alt='inlined'>"),
        page(f"<img src=a.jpg alt='{'long ' * 5000}'>"),
        page(IMAGE),
        record(b"HTTP/1.1 200 OK\r\n"),
    ]
    found = extract(write(tmp_path / "a.warc.gz", records))
    assert found.outcome["records_read"] == len(records) == 16
    assert found.rejected == {
        "not_response": 6,
        "not_page": 1,
        "no_image_text": 4,
        "broken_record": 1,
        "empty_text": 2,
        "noai": 1,
        "data_url": 1,
        "text_cap": 1,
    }
    pages_with_text = 4
    assert found.outcome["records_read"] == pages_with_text + 6 + 1 + 4 + 1
    assert found.outcome["texts_read"] == 4


def test_headers_of_any_form(tmp_path, extract):
    """Folded lines, white space before the colon, names and types in any case: in the record's header and in HTTP's."""
    plain = page(HTML)
    forms = [
        plain.replace(b"WARC-Target-URI: ", b"WARC-Target-URI:\r\n "),
        plain.replace(b"WARC-Target-URI: http", b"WARC-Target-URI:\r\n\t http"),
        plain.replace(b"WARC-Type: ", b"WARC-Type : "),
        plain.replace(b"WARC-Type: response", b"warc-type\t:\tResponse"),
        plain.replace(b"Content-Length: ", b"Content-Length :"),
        plain.replace(b"Content-Length: ", b"Content-Length:\r\n   "),
        plain.replace(b"Content-Type: application/http; ", b"Content-Type: application/http;\r\n "),
        page(HTML, "Content-Type : text/html"),
        page(HTML, "Content-Type:\r\n text/html;\r\n charset=utf-8"),
        page(HTML, "CONTENT-TYPE:text/html"),
    ]
    for name in ("a.warc.gz", "a.warc"):
        found = extract(write(tmp_path / name, forms), dedup=False)
        assert found.rows == [("http://ex.org/a/a.jpg", "a red kite")] * len(forms)
        assert {pair["page_url"] for pair in found.pairs} == {"http://ex.org/a/page.html"}
        assert found.ending == ("done", None)


@pytest.mark.parametrize("written", ["text/html/", "text/ html", "[text/html]", "<text/html>", "text", "/"])
def test_a_content_type_that_is_none_leaves_the_decision_to_the_body(written):
    """Browsers cannot parse these values, and look at the first bytes."""
    assert is_html_type(written) is None
