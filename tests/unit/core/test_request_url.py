"""The url that a browser requests: the URL Standard's examples, and the short cut for usual urls."""

from __future__ import annotations

import doctest

import ada_url
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from metaclip_spark.core.urls import request
from metaclip_spark.core.urls.request import request_url, request_urls, requested

REQUESTS = {
    # what is encoded, in the path and in the query
    "https://example.org/my photo.jpg": "https://example.org/my%20photo.jpg",
    "https://example.org/café.jpg": "https://example.org/caf%C3%A9.jpg",
    "https://example.org/cafe\u0301/\U0001f600.jpg": "https://example.org/cafe%CC%81/%F0%9F%98%80.jpg",
    "https://example.org/a?q=café+au lait": "https://example.org/a?q=caf%C3%A9+au%20lait",
    'https://example.org/"<>`{}^': "https://example.org/%22%3C%3E%60%7B%7D%5E",
    "https://example.org/a|b[1]'(2).jpg": "https://example.org/a|b[1]'(2).jpg",
    "https://example.org/a?'\"<>|[]{}^`\\": "https://example.org/a?%27%22%3C%3E|[]{}^`\\",
    "https://example.org/a\u200bb.jpg": "https://example.org/a%E2%80%8Bb.jpg",
    "https://example.org/a\u00a0b.jpg": "https://example.org/a%C2%A0b.jpg",
    # what is encoded already, and a % that encodes nothing
    "https://example.org/my%20photo%2fcaf%C3%A9.jpg": "https://example.org/my%20photo%2fcaf%C3%A9.jpg",
    "https://example.org/100%/50%zz.jpg?a=%": "https://example.org/100%/50%zz.jpg?a=%",
    "https://example.org/a%20b c.jpg": "https://example.org/a%20b%20c.jpg",
    # what is dropped
    "https://example.org/a\nb.jpg": "https://example.org/ab.jpg",
    "https://exam\tple.org/a\r\nb.jpg": "https://example.org/ab.jpg",
    "  https://example.org/a.jpg\u0000 ": "https://example.org/a.jpg",
    "https://example.org/a.jpg#top left": "https://example.org/a.jpg",
    "https://example.org/a?b#": "https://example.org/a?b",
    "https://example.org/a?#b": "https://example.org/a?",
    "https://example.org:443/a:b.jpg": "https://example.org/a:b.jpg",
    "http://example.org:443/a.jpg": "http://example.org:443/a.jpg",
    # slashes and dots
    "https://example.org/images\\c.jpg": "https://example.org/images/c.jpg",
    "https:\\\\example.org\\c.jpg": "https://example.org/c.jpg",
    "https:/example.org/a.jpg": "https://example.org/a.jpg",
    "http:///example.org/a.jpg": "http://example.org/a.jpg",
    "https://example.org": "https://example.org/",
    "https://example.org?a": "https://example.org/?a",
    "https://example.org/a/../b/./c//d": "https://example.org/b/c//d",
    "https://example.org/a/%2E%2e/b": "https://example.org/b",
    "https://example.org/.well-known/..a/%2ea": "https://example.org/.well-known/..a/%2ea",
    # hosts
    "HTTPS://WWW.Example.ORG/A.JPG": "https://www.example.org/A.JPG",
    "https://bücher.example/a.jpg": "https://xn--bcher-kva.example/a.jpg",
    "https://xn--bcher-kva.example/a.jpg": "https://xn--bcher-kva.example/a.jpg",
    "https://ex%61mple.org/a.jpg": "https://example.org/a.jpg",
    "https://ＥＸＡＭＰＬＥ.org/a.jpg": "https://example.org/a.jpg",
    "http://[2001:DB8:0:0::1]:80/a b": "http://[2001:db8::1]/a%20b",
    "http://0x7f.1/a": "http://127.0.0.1/a",
    "http://my_site.example.org/a": "http://my_site.example.org/a",
    "http://a@b:pass word@example.org/a": "http://a%40b:pass%20word@example.org/a",
}
REFUSED = [
    "http://a b/c.jpg",
    "http://[::1",
    "http://example.org:99999/a",
    "http://",
    "http://1.2.3.4.5/",
    "//example.org/a.jpg",
    "a.jpg",
    "",
    "s3://bucket/my photo.jpg",
    "file:///tmp/a.jpg",
    "C:\\images\\a.jpg",
]


@pytest.mark.parametrize(("found", "wanted"), REQUESTS.items())
def test_a_url_is_written_as_a_browser_requests_it(found, wanted):
    """The Standard's serialization, without the fragment; written again, it stays as it is."""
    assert request_urls(pa.array([found, wanted])).to_pylist() == [wanted, wanted]


@pytest.mark.parametrize("url", REFUSED)
def test_what_no_browser_requests_is_null(url):
    """Hosts and ports that the Standard refuses, relative urls, and other schemes."""
    assert request_url(url) is None


def test_refused_urls_stay_as_found_and_are_marked():
    """A null is neither rewritten nor refused; slices and other string types are accepted."""
    urls = pa.array(["x", "http://a.org/a b", "http://a b/", None, "http://a.org/a"], pa.large_string()).slice(1)
    found, rewritten, refused = requested(urls)
    assert found.to_pylist() == ["http://a.org/a%20b", "http://a b/", None, "http://a.org/a"]
    assert rewritten.tolist() == [True, False, False, False]
    assert refused.tolist() == [False, True, False, False]
    assert requested(pa.array([], pa.string()))[0].to_pylist() == []


def test_a_usual_url_needs_no_parser(monkeypatch):
    """Most urls never become Python strings."""
    monkeypatch.setattr(request, "request_url", lambda url: pytest.fail(url))
    usual = [
        "https://cdn-2.example.co.uk/wp-content/uploads/2020/01/a_b-300x200.jpg?w=300&h=%20x,y;z",
        "http://x--y.example.org/%C3%A9/(1)/@2x/~me/a,b;c=d!$'*+|[0].jpg",
        "https://example.org/",
    ]
    assert request_urls(pa.array(usual)).to_pylist() == usual


PIECES = [*"ahx0-._~%2eE/?#:@[]|^`{}\\ \t\n'\"<>éß中\u200b\u00ad;=&+,$!()*", "xn--", "%2e", "..", "1", ".org"]


@settings(max_examples=300)
@given(
    st.sampled_from(["http://h.org/", "https://a-b.example.org/x?", "http://", "https://x--a.org/", "http://1.2.3.4/"]),
    st.lists(st.sampled_from(PIECES), max_size=8),
    st.text(max_size=3),
)
@example("http://xn--a.org/", [], "")
@example("http://a.1/", [], "")
def test_the_short_cut_changes_nothing(start, pieces, end):
    """For any url the answer is that of the parser, and asked again, the same."""
    url = start + "".join(pieces) + end
    try:
        url.encode()
        parsed = ada_url.normalize_url(url).partition("#")[0]
    except ValueError:
        return
    assert request_urls(pa.array([url, parsed])).to_pylist() == [parsed, parsed]


def test_examples_in_docstrings_are_true():
    """The module's examples give what they say."""
    assert doctest.testmod(request).failed == 0
