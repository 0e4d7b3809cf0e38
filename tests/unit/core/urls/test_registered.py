"""The registered domain of hosts and urls."""

from __future__ import annotations

import re

import publicsuffixlist
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaclip_spark.core.urls.hosts import is_ip, normal_host
from metaclip_spark.core.urls.registered import LIST_VERSION, domain_of, domains_of_urls


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        # Of the tests that the Public Suffix List has for its readers.
        ("example.com", "example.com"),
        ("b.example.com", "example.com"),
        ("a.b.example.com", "example.com"),
        ("WwW.example.COM", "example.com"),
        ("b.example.uk.com", "uk.com"),  # the suffix uk.com is of the private part
        ("www.test.ac.jp", "test.ac.jp"),
        ("a.b.test.kyoto.jp", "test.kyoto.jp"),
        ("a.b.c.ide.kyoto.jp", "c.ide.kyoto.jp"),
        ("www.city.kobe.jp", "city.kobe.jp"),
        ("a.b.c.kobe.jp", "b.c.kobe.jp"),
        ("b.www.test.ck", "www.test.ck"),
        ("www.www.ck", "www.ck"),
        ("www.test.k12.ak.us", "test.k12.ak.us"),
        ("www.食狮.公司.cn", "xn--85x722f.xn--55qx5d.cn"),
        ("shishi.中国", "shishi.xn--fiqs8s"),
        # Without a registered domain.
        ("co.uk", "co.uk"),
        ("com", "com"),
        (".com", ".com"),
        ("localhost", "localhost"),
        ("192.168.12.34", "192.168.12.34"),
        ("[2001:DB8:0::1]", "[2001:db8::1]"),
        ("", ""),
        # A suffix that the list does not know is one label.
        ("a.b.notknown", "b.notknown"),
        # Hosts as pages write them.
        ("img_1.my-shop.co.uk.", "my-shop.co.uk"),
        ("me.github.io", "github.io"),
    ],
)
def test_the_domain_of_a_host(host, domain):
    """One level below the suffix of the registry; else the host itself."""
    assert domain_of(normal_host(host)) == domain


@pytest.mark.parametrize(
    "host", ["..", ".com", "a..com", "a." * 5_000 + "com", "x" * 100_000, "%", "a b.com", "\ud800"]
)
def test_what_is_no_host_has_a_domain_of_its_own(host):
    """Nothing raises, and the domain is not empty."""
    found = domain_of(normal_host(host))
    assert found
    assert normal_host(host).endswith(found)


LIBRARY = publicsuffixlist.PublicSuffixList(only_icann=True)
LABELS = [
    "www",
    "example",
    "co",
    "com",
    "uk",
    "jp",
    "kobe",
    "city",
    "us",
    "ak",
    "k12",
    "ck",
    "org",
    "xn--fiqs8s",
    "x",
]


@given(st.lists(st.sampled_from([*LABELS, "xn--55qx5d", "cn", "github", "io", "er", "notknown", "A", "1"]), max_size=6))
def test_any_host_has_the_domain_that_the_library_finds(labels):
    """Also where the top-level domain alone decides, which is most hosts."""
    host = normal_host(".".join(labels)).strip(".")
    assert domain_of(host) == (host if is_ip(host) else LIBRARY.privatesuffix(host) or host)


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
def test_domains_of_urls_of_each_type(kind):
    """Urls without a host, and nulls, have none."""
    urls = ["http://img1.a.co.uk:80/x", None, "no url", "//cdn.b.org/y", "https://me@WWW.A.co.uk/", "http://[::1]/"]
    assert domains_of_urls(pa.array(urls, kind)).to_pylist() == ["a.co.uk", "", "", "b.org", "a.co.uk", "[::1]"]
    assert domains_of_urls(pa.array([], kind)).to_pylist() == []


def test_the_day_of_the_list_is_known():
    """The summary names it."""
    assert re.fullmatch(r"20\d{6}", LIST_VERSION)
