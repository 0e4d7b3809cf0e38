"""Hosts of urls: those that a browser accepts are kept, and no others."""

from __future__ import annotations

import ada_url
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaclip_spark.core.urls.resolve import absolute_url
from metaclip_spark.core.urls.valid_hosts import bad_hosts, has_host

GOOD = [
    "http://example.org/a b.jpg",
    "HTTPS://Example.ORG",
    "https://example.org:8080?x",
    "http://example.org./a",
    "http://a_b.example.org/",
    "http://-a.example.org/",
    "http://xn--bcher-kva.example/",
    "http://b\u00fccher.example/a.jpg",
    "http://192.0.2.1/a.jpg",
    "http://[2001:db8::1]:80/a.jpg",
    "http://user:pass@example.org/",
    "http://ex%61mple.org/",
    "http://example.org\\a.jpg",
    "http://exa\tmple.org/",
    "http:///example.org/a.jpg",
    "http://localhost/a.jpg",
]
BAD = [
    "http://a b/c.jpg",
    "http://[::1",
    "http://[::1/a.jpg",
    "http://[::g]/a.jpg",
    "http://<x>/",
    "http://exa mple",
    "http://a%20b/",
    "http://a^b/",
    "http://a|b/",
    "http://a\x7fb/",
    "http://",
    "https://?x",
    "http://#f",
    "http://:80/",
    "http://user@/a.jpg",
    "http://example.org:99999/",
    "http://example.org:port/",
    "http://256.0.0.1/a.jpg",
    "http://192.0.2.999/",
    "http://1.2.3.4.5/",
    "http://{{host name}}/a.jpg",
    "HTTP://%00/",
]
OTHERS = ["ftp://a b/", "//a b/c.jpg", "a.jpg", "", None, "data:,x", "s3://bucket/a b", "httpx://a b/", "mailto:a b"]


@pytest.mark.parametrize("url", GOOD)
def test_urls_of_hosts_that_can_be_are_kept_as_found(url):
    """The path may hold anything: it is percent-encoded on export."""
    assert has_host(url)
    assert absolute_url(url, "") == (url, "")


@pytest.mark.parametrize("url", BAD)
def test_urls_of_hosts_that_cannot_be_are_bad_urls(url):
    """No browser requests them, so they are rejected with a reason: absolute, without a scheme, and in a base."""
    assert not has_host(url)
    assert absolute_url(url, "http://ex.org/") == ("", "bad_url")
    rest = url.partition(":")[2]
    if rest[2:3] not in ("", "?", "#"):  # without any host, `urljoin` takes that of the base
        assert absolute_url(rest, "http://ex.org/") == ("", "bad_url")
        assert absolute_url("a.jpg", url) == ("", "bad_url")


def test_the_mask_of_an_array_says_which_urls_have_such_a_host():
    """Only http and https urls are judged: a table's other urls are its own."""
    urls = pa.array([*GOOD, *BAD, *OTHERS], pa.string())
    assert bad_hosts(urls).tolist() == [False] * len(GOOD) + [True] * len(BAD) + [False] * len(OTHERS)
    assert bad_hosts(urls.slice(len(GOOD) - 1, 3)).tolist() == [False, True, True]
    assert bad_hosts(pa.array([], pa.string())).tolist() == []
    assert bad_hosts(pa.array([None, "http://a b"], pa.large_string())).tolist() == [False, True]


PIECES = [
    "http://",
    "https:",
    "//",
    "/",
    "a",
    "b.c",
    "1",
    ".",
    ":",
    "80",
    "@",
    "[",
    "]",
    "::1",
    " ",
    "\t",
    "\n",
    "%",
    "20",
]
PIECES += ["%41", "<", "\\", "?", "#", "\u00e9", "\u3002", "_", "-", "xn--", "0x", "\x00", "\x7f", "HTTP://", "S"]


@settings(max_examples=1000)
@given(
    st.lists(st.sampled_from(PIECES), max_size=8).map("".join), st.sampled_from(["http://", "https://", "http:", ""])
)
def test_the_short_cut_gives_what_a_browser_does(rest, scheme):
    """A usual host is accepted without a parser; the parser decides on the same urls in the same way."""
    url = scheme + rest
    is_http = url.lstrip("".join(map(chr, range(33))))[:6].lower().startswith(("http:", "https:"))
    expected = is_http and ada_url.check_url(url)
    known = "xn--" in url.lower()  # a parser may find that no Unicode name is encoded there; the name can be registered
    assert known or has_host(url) == expected
    assert bad_hosts(pa.array([url]))[0] == (is_http and not has_host(url))
