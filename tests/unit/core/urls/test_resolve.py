"""Urls of images: resolution equals the standard library's, with a reason where no browser takes the url."""

from __future__ import annotations

import json
from urllib.parse import urljoin

import ada_url
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.core.urls.resolve import Resolver, absolute_url, resolve
from metaclip_spark.extract.records.dialect import WAT
from metaclip_spark.extract.records.reader import warc_records
from metaclip_spark.extract.wat.pages import PageReader

HTTP = ("http://", "https://")


def slow(url: str | None, base: str) -> tuple[str, str]:
    """Return the result of `absolute_url`, without any shortcut."""
    found = (url or "").strip()
    if not found:
        return "", "no_url"
    start = found[:8].lower()
    if start.startswith("data:"):
        return "", "data_url"
    if not start.startswith(HTTP):
        try:
            found = urljoin(base, found)
        except ValueError:
            found = ""
        if not found:
            return "", "bad_url"
        if not found[:8].lower().startswith(HTTP):
            return "", "not_http"
    return (found, "") if ada_url.check_url(found) else ("", "bad_url")


PIECES = st.sampled_from(
    [
        *"/////....??##;;::&=@[]%\\ \t\n\r\0~-_|'\"<>{}^`aZ0",
        "http:",
        "https:",
        "HTTP:",
        "//",
        "../",
        "./",
        "/..",
        "/.",
        "..",
        "a.jpg",
        "x",
        "b/",
        "?q=1",
        "?a/b",
        "#f",
        "h",
        "data:",
        "ftp:",
        "\u00e9",
        "\u732b",
        "\u2100",
        "\uff0f",
        "\u3000",
        "\x1f",
        "\x85",
        "&amp;",
        ";p=1",
        ":80",
        "user@",
    ]
)
URLS = st.one_of(st.lists(PIECES, max_size=8).map("".join), st.text(max_size=12))
BASES = st.one_of(
    st.lists(PIECES, max_size=6).map(lambda pieces: "http://ex.org/" + "".join(pieces)),
    st.lists(PIECES, max_size=6).map(lambda pieces: "https://" + "".join(pieces)),
    URLS,
)


@settings(max_examples=1500)
@given(URLS, BASES)
@example("a", "http://ex.org")
@example("?q", "http://ex.org/a/b")
@example("//h?", "http://ex.org/a/b")
@example("a?", "http://ex.org/a/b")
@example("a?b?", "http://ex.org/a/b")
@example("../../a", "http://ex.org/x/y")
@example("..", "http://ex.org/x/y")
@example(".//a", "http://ex.org/x/y/")
@example("..//a", "http://ex.org/x/y/")
@example("a/../b", "http://ex.org/x/y/")
@example("a:b", "http://ex.org/x/y/")
@example("/a:b", "http://ex.org/x/y/")
@example("a?b:c//d;e", "http://ex.org/x/y/")
@example("a;b", "http://ex.org/x;y/z")
@example("a", "http://ex.org//x/./y/")
@example("a", "http://ex.org?x/y/")
def test_resolution_equals_the_standard_librarys(url, base):
    """For any url and base, the short cuts give what `urljoin` gives, if a browser accepts it."""
    assert absolute_url(url, base) == slow(url, base)


def test_resolution_of_every_real_image_link(shared_data):
    """The same for each of the 22,000 image links of real pages."""
    links = 0
    for name in ("pages.wat.gz", "whirlwind.warc.wat.gz"):
        with open(shared_data / "crawl" / name, "rb") as file:
            for record in warc_records(file, WAT):
                payload = bytes(record.payload)
                read = PageReader(ExtractOptions()).in_full(payload) if payload.startswith(b"{") else ""
                if isinstance(read, str):
                    continue
                page, _ = read
                # All of them: a page's own list holds those with a text.
                http = json.loads(payload)["Envelope"]["Payload-Metadata"]["HTTP-Response-Metadata"]
                found = [link for link in http.get("HTML-Metadata", {}).get("Links", ()) if "IMG@/src" in link.values()]
                links += len(found)
                given = [link.get("url") or "" for link in found]
                expected = [slow(url, page.base) for url in given]
                absolute = Resolver(page.base).absolute
                assert [absolute(url) for url in given] == expected
    assert links > 20_000


@pytest.mark.parametrize(
    "url", ["a.jpg", "/a.jpg", "//cdn.org/a.jpg", "../a.jpg", "./a.jpg", "a b.jpg?q=1;2", "/a?x=http://b/;c", "../../a"]
)
def test_usual_forms_do_not_need_the_general_parser(url, monkeypatch):
    """They are most of the relative urls on the web, and parsing them in general took a third of the time."""
    expected = slow(url, "https://ex.org/x/y/page.html?z#f")
    monkeypatch.setattr("metaclip_spark.core.urls.resolve.urljoin", None)
    assert absolute_url(url, "https://ex.org/x/y/page.html?z#f") == expected


@pytest.mark.parametrize(("base", "url"), [("http://[bad/", "a"), ("http://ex.org/", "//[::1/a")])
def test_what_cannot_be_parsed_resolves_to_nothing(base, url):
    """A malformed host gives no url, and no error."""
    assert resolve(base, url) == ""
