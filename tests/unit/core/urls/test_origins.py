"""The origin of a url, and the path and query that rules are compared with."""

from __future__ import annotations

import pyarrow as pa
import pytest

from metaclip_spark.core.urls.origins import origins_of, path_of, robots_key


@pytest.mark.parametrize(
    ("url", "origin", "path"),
    [
        ("http://example.org/a/b.html?c=d#e", "http://example.org", "/a/b.html?c=d"),
        ("https://example.org", "https://example.org", "/"),
        ("HTTP://EXAMPLE.org:80/A", "http://example.org", "/A"),
        ("https://example.org:443/", "https://example.org", "/"),
        ("https://example.org:8443/x", "https://example.org:8443", "/x"),
        ("http://example.org:443/x", "http://example.org:443", "/x"),
        ("http://example.org./x", "http://example.org", "/x"),
        ("http://example.org.:81/x", "http://example.org:81", "/x"),
        ("http://user:secret@example.org/x", "http://example.org", "/x"),
        ("http://Bücher.example/ü", "http://xn--bcher-kva.example", "/%C3%BC"),
        ("http://example.org\\a", "http://example.org", "/a"),
        ("http://example.org//a", "http://example.org", "//a"),
        ("http://example.org/a/../b", "http://example.org", "/b"),
        ("http://[2001:DB8::1]:8080/x", "http://[2001:db8::1]:8080", "/x"),
        ("http://192.0.2.1/x?", "http://192.0.2.1", "/x?"),
        ("http://example.org?x", "http://example.org", "/?x"),
        ("http://a b/x", None, "/"),
        ("ftp://example.org/x", None, "/"),
        ("data:image/png;base64,AA", None, "/"),
        ("", None, "/"),
        (None, None, None),
    ],
)
def test_origin_and_path(url, origin, path):
    """Scheme, host and port are those that a browser requests; RFC 9309 has one robots.txt for each."""
    assert origins_of(pa.array([url, "http://other.example/", url], pa.string())).to_pylist() == [
        origin,
        "http://other.example",
        origin,
    ]
    if url is not None:
        assert path_of(url) == path


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("http://example.org/robots.txt", "http://example.org"),
        ("https://Example.org:443/robots.txt", "https://example.org"),
        ("http://example.org./robots.txt", "http://example.org"),
        ("http://example.org:81/robots.txt", "http://example.org:81"),
        ("http://example.org/robots.txt?x", "http://example.org/robots.txt?x"),
        ("http://example.org/de/robots.txt", "http://example.org/de/robots.txt"),
        ("http://example.org/Robots.txt", "http://example.org/Robots.txt"),
        ("mailto:a@example.org", None),
        ("robots.txt", None),
    ],
)
def test_the_key_of_a_robots_txt(url, key):
    """It is the origin, for which origins_of has the same text; the url of any other file."""
    assert robots_key(url) == key
    if key is not None and url.endswith("/robots.txt") and url.count("/") == 3 and "R" not in url:
        assert origins_of(pa.array([url])).to_pylist() == [key]


def test_no_urls_have_no_origins():
    """An empty batch, and one of nulls."""
    assert origins_of(pa.array([], pa.string())).to_pylist() == []
    assert origins_of(pa.array([None], pa.string())).to_pylist() == [None]
