"""Blocklists: the domains in a file, and the urls that are blocked."""

from __future__ import annotations

import gzip
import pickle
import re
import time

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaclip_spark.core.urls.hosts import hosts_of, normal_host, written_hosts
from metaclip_spark.errors import ConfigError
from metaclip_spark.filters import blocklist as module
from metaclip_spark.filters.blocklist import Blocklist, load_blocklist


@pytest.fixture
def listed(tmp_path):
    """Load a list of these lines."""

    def load(*lines: str, end: str = "\n") -> Blocklist:
        path = tmp_path / "list.txt"
        path.write_bytes(end.join(lines).encode())
        return load_blocklist(path)

    return load


def blocked(blocklist: Blocklist, *urls: str | None) -> list[str | None]:
    """Return the urls that the list blocks."""
    found = blocklist.blocks(pa.array(urls, pa.string()))
    assert not found.null_count
    return [url for url, out in zip(urls, found.to_pylist(), strict=True) if out]


def test_a_domain_blocks_itself_and_its_subdomains(listed):
    """Labels are compared, not letters: a longer name with the same end is another domain."""
    out = ["http://ex.org/a.jpg", "https://www.ex.org", "http://a.b.ex.org?q", "http://ex.org:8080/", "http://ex.org#x"]
    kept = ["http://notex.org/", "http://ex.org.uk/", "http://other.com/ex.org", "http://other.com/?u=http://ex.org/"]
    assert blocked(listed("ex.org"), *out, *kept) == out


@pytest.mark.parametrize(
    "url",
    [
        "HTTP://WWW.EX.ORG/A",
        "http://user:pass@ex.org/",
        "http://a@b@ex.org/",
        "http://ex.org./a",
        "http://ex%2Eorg/a",
        r"http://ex.org\@other.com/",
        "ftp://ex.org/a",
        "//ex.org/a",
    ],
)
def test_a_host_is_found_in_every_form_of_url(listed, url):
    """Upper case, user information, a last dot, percent codes and backslashes do not hide a host."""
    assert blocked(listed("ex.org"), url) == [url]


@pytest.mark.parametrize(
    "url",
    [None, "", "ex.org", "mailto:a@ex.org", "http://", "http:///ex.org", "http://ex.org@other.com/", "data:,ex.org"],
)
def test_what_has_no_such_host_is_not_blocked(listed, url):
    """A null, a path, and user information that looks like a host are not hosts."""
    assert blocked(listed("ex.org"), url) == []


def test_non_ascii_domains_equal_their_punycode(listed):
    """A list may use either form, and so may a url."""
    urls = ["http://www.bücher.example/", "http://xn--bcher-kva.example/", "http://BÜCHER.example"]
    assert blocked(listed("Bücher.example"), *urls) == urls
    assert blocked(listed("xn--bcher-kva.example"), *urls) == urls


def test_addresses_are_blocked_as_they_are(listed):
    """An address has no domain above it; IPv6 is compared in its short form."""
    blocklist = listed("10.0.0.1", "2001:DB8:0::1", "[::2]")
    out = ["http://10.0.0.1/a", "http://[2001:db8::1]:80/", "http://[::2]"]
    assert blocked(blocklist, *out, "http://1.10.0.0.1.ex.org/", "http://10.0.0.2/", "http://[::3]/") == out


def test_every_way_to_write_a_list_gives_the_same_list(listed):
    """Comments, wildcards, dots, case, order, repeats, blanks, line ends and hosts files do not change the id."""
    expected = listed("a.example", "b.example")
    same = [
        ["b.example", "a.example", "a.example"],
        ["# head", "", "*.a.example  # why", "  .B.Example. "],
        ["127.0.0.1 localhost", "0.0.0.0 0.0.0.0", "0.0.0.0 a.example b.example", "::1 ip6-loopback"],
        ["\ufeffa.example", "b.example", ""],
    ]
    assert [listed(*lines).id for lines in same] == [expected.id] * 4
    assert listed("a.example", "b.example", end="\r\n").id == expected.id
    assert listed("a.example", "c.example").id != expected.id
    assert len(expected) == 2
    assert len(expected.id) == 16


def test_numbers_are_names_but_a_last_number_is_not(listed):
    """163.com and 4.cn are domains, and 3.4 is not."""
    assert len(listed("163.com", "4.cn", "my_site.example", "-a-.example")) == 4
    with pytest.raises(ConfigError, match="line 1: '3.4' is not a domain"):
        listed("3.4")


def test_a_gzip_list_is_read_by_its_content(tmp_path):
    """The name does not matter."""
    path = tmp_path / "list"
    path.write_bytes(gzip.compress(b"ex.org\n"))
    assert blocked(load_blocklist(path), "http://ex.org/") == ["http://ex.org/"]


def test_a_top_level_domain_needs_its_dot(listed):
    """A stray word must not block a part of the web."""
    assert blocked(listed(".zip", "*.рф"), "http://a.zip/", "http://xn--p1ai", "http://zip.com/") == [
        "http://a.zip/",
        "http://xn--p1ai",
    ]
    with pytest.raises(ConfigError) as error:
        listed("ex.org", "com")
    assert str(error.value).endswith(
        "list.txt, line 2: 'com' is not a domain. Write \".com\" to block a whole top-level domain."
    )


@pytest.mark.parametrize(
    "line",
    [
        "http://ex.org/",
        "ex.org/path",
        "||ex.org^",
        "two words.org",
        "a..b",
        ".",
        "*",
        "*ex.org",
        "ex.org:80",
        "user@ex.org",
        "a" * 64 + ".org",
        ".".join(["a" * 60] * 5),
        "ü" * 80 + ".org",
        "0.0.0.0 a..b",
        "[::g]",
    ],
)
def test_what_cannot_be_a_domain_is_an_error_that_names_the_line(listed, line):
    """A url, a rule of an ad blocker, and a name that DNS does not allow are errors."""
    with pytest.raises(ConfigError, match=r"list.txt, line 3: '.*('|\.\.\. \(\d+ characters\)) is not a domain\.$"):
        listed("ex.org", "# next", line)


def test_a_list_that_cannot_be_read_says_why(tmp_path):
    """A file that is missing, truncated, empty, or not text has an error with the reason."""
    cut, empty, binary = tmp_path / "cut.gz", tmp_path / "empty", tmp_path / "binary"
    cut.write_bytes(gzip.compress(b"ex.org\n" * 1000)[:-9])
    empty.write_text("# nothing\n")
    binary.write_bytes(b"ex.org\n\xff\xfe\n")
    with pytest.raises(ConfigError, match=r"^blocklist .*missing cannot be read: .*No such file"):
        load_blocklist(tmp_path / "missing")
    with pytest.raises(ConfigError, match=r"^blocklist .*cut.gz cannot be read: Compressed file ended"):
        load_blocklist(cut)
    with pytest.raises(ConfigError, match=r"^blocklist .*empty holds no domain\.$"):
        load_blocklist(empty)
    with pytest.raises(ConfigError, match=r"^blocklist .*binary, line 2 is not UTF-8\.$"):
        load_blocklist(binary)


def test_domains_with_the_same_hash_are_distinguished(monkeypatch):
    """The domain itself decides if hashes collide."""
    monkeypatch.setattr(module, "_hash", lambda raw: len(raw))
    blocklist = Blocklist.from_domains(["aa.example", "bb.example", "cc.example"])
    urls = [f"http://{name}.example/" for name in ("aa", "bb", "cc", "dd")]
    assert blocked(blocklist, *urls) == urls[:3]


LABEL = st.text("ab-", min_size=1, max_size=2)
DOMAIN = st.lists(LABEL, min_size=2, max_size=4).map(".".join)


@given(st.sets(DOMAIN, max_size=8), st.lists(DOMAIN, max_size=8))
def test_look_ups_equal_the_definition(domains, hosts):
    """A host is blocked if it is a listed domain, or ends in a dot and a listed domain."""
    blocklist = Blocklist.from_domains(domains)
    urls = [f"http://{host}/x" for host in hosts]
    expected = [any(host == name or host.endswith("." + name) for name in domains) for host in hosts]
    assert blocklist.blocks(pa.array(urls, pa.string())).to_pylist() == expected


def test_a_list_can_be_pickled(listed):
    """A pickled list is equal and blocks the same urls."""
    blocklist = listed("ex.org", "a.example")
    again = pickle.loads(pickle.dumps(blocklist))
    assert (again.id, len(again)) == (blocklist.id, 2)
    assert blocked(again, "http://www.ex.org/", "http://org/") == ["http://www.ex.org/"]


def test_hosts_of_a_batch_are_null_where_there_is_none():
    """Each url has one normal host, in the order of the urls."""
    urls = pa.array(["http://A.org/1", None, "x", "http://A.org/2", "http://[::1]/"])
    hosts = hosts_of(urls)
    assert hosts.cast(pa.string()).to_pylist() == ["a.org", None, None, "a.org", "[::1]"]


# Behind the scheme and "//": user information up to the last "@", then the host up to the port or the path.
A_HOST = r"^[^/?#\\]*//(?:[^/?#\\]*@)?(?P<host>\[[^\]/?#\\]*\]|[^/?#\\:]*)"


ODD = st.text("/:@[]?#\\.aZ\u00fc-9", max_size=14)


@given(st.lists(st.none() | ODD | st.builds("{}//{}".format, st.sampled_from(["", "http:", "?:"]), ODD)))
def test_hosts_stand_where_the_pattern_finds_them(urls):
    """The compiled loop equals the regular expression, in slices too."""
    found = [None if url is None else re.match(A_HOST, url) for url in urls]
    expected = [match["host"] or None if match else None for match in found]
    assert written_hosts(pa.array(urls, pa.string())).cast(pa.string()).to_pylist() == expected
    sliced = pa.array(["http://left.out/", *urls], pa.string()).slice(1)
    assert written_hosts(sliced).cast(pa.string()).to_pylist() == expected


def test_a_host_that_dns_does_not_allow_is_kept_as_it_stands():
    """Such a host cannot be on a list, and must not end the task."""
    assert normal_host("ü" * 80) == "ü" * 80
    assert normal_host("a..b") == "a..b"


@pytest.mark.slow
def test_a_million_domains_are_compact_and_quick(tmp_path):
    """A domain takes at most 40 bytes pickled, and 8,192 urls are looked up within a fifth of a second."""
    path = tmp_path / "list.txt"
    path.write_text("\n".join(f"domain-{at}.example" for at in range(1_000_000)))
    blocklist = load_blocklist(path)
    assert len(pickle.dumps(blocklist, protocol=5)) < 40e6
    rng = np.random.default_rng(0)
    urls = pa.array([f"http://www.domain-{at}.example/{at}.jpg" for at in rng.integers(0, 2_000_000, 8192)])
    began = time.process_time()
    found = blocklist.blocks(urls)
    assert time.process_time() - began < 0.2
    assert 3800 < found.true_count < 4400
