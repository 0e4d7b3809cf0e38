"""Takedown lists: the files, the hashes, and the urls that they cover."""

from __future__ import annotations

import gzip
import pickle
import time
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pytest

from metaclip_spark.errors import ConfigError
from metaclip_spark.takedown.hashes import (
    DOMAIN,
    PAGE_DOMAIN,
    URL,
    Takedowns,
    from_arrow,
    hashes_of,
    sorted_hashes,
    to_arrow,
    url_forms,
)
from metaclip_spark.takedown.lists import read_lists

SALT = "5a17"


def taken_down(**listed: list[str]) -> Takedowns:
    """Build a takedown list of `url=[...]`, `domain=[...]` and `page_domain=[...]`."""
    return Takedowns(SALT, {k: sorted_hashes([hashes_of(SALT, k, pa.array(v))]) for k, v in listed.items()})


def takes(takedowns: Takedowns, url: str | None, page: str | None = None) -> bool:
    (found,) = takedowns.covers(pa.array([url], pa.string()), pa.array([page], pa.string()))
    return bool(found)


def test_hashes_are_blake2b_keyed_by_salt_and_kind():
    """The hash equals that of hashlib; another key or kind gives another hash."""
    values = ["https://ex.org/a.jpg", "", "ü" * 200, *(f"https://ex.org/{n}" for n in range(40))]
    key = f"{SALT}:{URL}".encode()
    head = len(key).to_bytes(8, "little") + key
    wanted = [blake2b(head + value.encode(), digest_size=16).digest() for value in values]
    found = hashes_of(SALT, URL, pa.array(values))
    assert to_arrow(found).to_pylist() == wanted
    for other in (hashes_of(SALT, DOMAIN, pa.array(values)), hashes_of("5a18", URL, pa.array(values))):
        assert not (other == found).any()


def test_a_hash_that_ends_in_zeros_is_found_and_kept_whole():
    """numpy drops NULs at the end of bytes, and neither the look-up nor the table may lose them."""
    raw = [bytes(16), b"a" + bytes(15), b"a" * 16]
    hashes = from_arrow(pa.chunked_array([pa.array(raw[:1], pa.binary()), pa.array(raw[1:], pa.binary())]))
    assert to_arrow(sorted_hashes([hashes])).to_pylist() == raw
    assert to_arrow(from_arrow(pa.array(raw, pa.binary()).slice(1))).to_pylist() == raw[1:]
    assert len(from_arrow(pa.chunked_array([], pa.binary()))) == 0


def test_a_url_is_compared_without_spaces_and_tabs():
    """The form is that of image_id; another scheme, path or query is another url."""
    takedowns = taken_down(url=["https://ex.org/a.jpg"])
    for url in ("https://ex.org/a.jpg", " https://ex.org/a .jpg\t"):
        assert takes(takedowns, url)
        assert takes(takedowns, "https://other.org/", page=url)
    others = ("http://ex.org/a.jpg", "https://ex.org/A.jpg", "https://ex.org/a.jpg?", "https://ex.org/a.jp", "", None)
    for url in others:
        assert not takes(takedowns, url, page=url)


@pytest.mark.parametrize(
    ("listed", "url"),
    [
        ("https://ex.org/my photo.jpg", "https://ex.org/my photo.jpg"),
        ("https://ex.org/my photo.jpg", "https://ex.org/my%20photo.jpg"),
        ("https://ex.org/my%20photo.jpg", "https://ex.org/my photo.jpg"),
        ("HTTPS://EX.org/caf\u00e9.jpg", "https://ex.org/caf%C3%A9.jpg"),
        ("https://ex.org/caf%C3%A9.jpg", "https://ex.org:443/caf\u00e9.jpg#top"),
        ("https://b\u00fccher.example/a.jpg", "https://xn--bcher-kva.example/a.jpg"),
        ("http://a b/c.jpg", "http://a b/c.jpg"),
    ],
)
def test_a_list_names_a_url_as_found_or_as_a_browser_requests_it(listed, url):
    """Exports have the second form, pages the first; a url that no browser accepts is covered as it is."""
    takedowns = taken_down(url=url_forms(pa.array([listed])).to_pylist())
    assert takedowns.covers(pa.array(["https://ex.org/other.jpg", None, url])).tolist() == [False, False, True]
    assert takes(takedowns, "https://other.org/", page=url)


@pytest.mark.parametrize("stored_before", [False, True])
def test_a_listed_url_with_character_references_covers_the_url_that_they_mean(stored_before):
    """Exports of earlier releases have `&amp;`, and so have the hashes that they stored."""
    listed = pa.array(["http://a.com/i?a=1&amp;b=2", "http://a.com/my photo?a=1&amp;b=2&amp;c=3"])
    # Stored as listed, without the space, and as requested.
    before = [*listed.to_pylist(), "http://a.com/my%20photo?a=1&amp;b=2&amp;c=3"]
    takedowns = taken_down(url=before if stored_before else url_forms(listed).to_pylist())
    for url in (*listed.to_pylist(), "http://a.com/i?a=1&b=2", "http://a.com/my photo?a=1&b=2&c=3"):
        assert takes(takedowns, url)
        assert takes(takedowns, "https://other.org/", page=url)
    assert not takes(takedowns, "http://a.com/i?a=1&b=3")
    assert not takes(takedowns, "http://a.com/i?a=1b=2")
    assert takedowns.covers_any_url_in(pa.array(["see http://a.com/i?a=1&b=2."])).tolist() == [True]


def test_a_domain_covers_its_subdomains_of_images_or_of_pages():
    """A domain covers every host at or below it, in any form of url, of one kind alone."""
    takedowns = taken_down(domain=["ex.org"], page_domain=["pages.org", "xn--bcher-kva.example"])
    for url in ("http://ex.org/a", "https://img.cdn.EX.org:8080/a?b", "//ex.org/a", "http://ex.org./"):
        assert takes(takedowns, url)
        assert not takes(takedowns, "http://other.net/", page=url)
    for page in ("http://pages.org/", "https://www.pages.org/x", "http://www.Bücher.example/"):
        assert takes(takedowns, "http://other.net/", page=page)
        assert not takes(takedowns, page)
    for url in ("http://notex.org/", "http://ex.org.uk/", "http://other.net/ex.org", "ex.org", None):
        assert not takes(takedowns, url, page=url)


def test_without_pages_and_without_rows():
    """Tabular input has no pages; a batch may be empty."""
    takedowns = pickle.loads(pickle.dumps(taken_down(url=["http://ex.org/a"], domain=["a.org"])))
    urls = pa.array(["http://ex.org/a", "http://a.org/1", None, "http://b.org/1"], pa.large_string())
    assert takedowns.covers(urls).tolist() == [True, True, False, False]
    assert takedowns.covers(urls.slice(0, 0)).tolist() == []
    assert taken_down().covers(urls, urls).tolist() == [False] * 4
    assert len(takedowns) == 2


@pytest.mark.parametrize(
    "text",
    [
        "http://ex.org/a b.jpg",
        'broken: {"url": "http:\\/\\/ex.org\\/ab.jpg", "x',
        "see (http://ex.org/ab.jpg).",
        "it is on http://pages.org/x, and on http://img.net/1",
    ],
)
def test_urls_are_found_in_words(text):
    """A reject's record or detail may be a url, JSON or a sentence, about images or pages."""
    takedowns = taken_down(url=["http://ex.org/ab.jpg"], page_domain=["pages.org"])
    found = takedowns.covers_any_url_in(pa.array([None, "row 7", text, "a: http://ex.org/ab.jpgs", ""], pa.string()))
    assert found.tolist() == [False, False, True, False, False]


def test_lists_are_read_plain_or_gzip(tmp_path):
    """Comments, empty lines, CRLF and repeats do not matter; domains are brought to the form of urls."""
    urls = tmp_path / "urls.txt.gz"
    lines = "\ufeff# ours\r\n\r\nhttps://ex.org/a b.jpg\r\n https://ex.org/ab.jpg \r\ns3://bucket/x.png"
    urls.write_bytes(gzip.compress(lines.encode()))
    domains = tmp_path / "domains.txt"
    domains.write_text("Ex.org\n*.bücher.example # all of it\n")
    lists = read_lists(str(urls), str(domains), None)
    assert {kind: values.to_pylist() for kind, values in lists.items()} == {
        URL: ["https://ex.org/a b.jpg", "https://ex.org/ab.jpg", "s3://bucket/x.png"],
        DOMAIN: ["ex.org", "xn--bcher-kva.example"],
    }
    assert read_lists(None, None, str(domains))[PAGE_DOMAIN].to_pylist() == lists[DOMAIN].to_pylist()
    assert read_lists(None, None, None) == {}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (
            b"https://ex.org/a.jpg\nex.org/b.jpg\n",
            ", line 2: 'ex.org/b.jpg' is not a url. Expected one url per line, such as "
            "https://example.org/a.jpg; domains go with --domains.",
        ),
        (
            b"data:image/gif;base64,R0\n",
            ", line 1: 'data:image/gif;base64,R0' is not a url. Expected one url per line, such "
            "as https://example.org/a.jpg; domains go with --domains.",
        ),
        (b"# nothing\n\n", " holds no url."),
        (b"", " holds no url."),
        (b"https://ex.org/\n\xff\n", ", line 2 is not UTF-8."),
    ],
)
def test_an_invalid_list_of_urls_is_refused(tmp_path, content, problem):
    """The error names the line and the expected form."""
    path = tmp_path / "urls.txt"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as error:
        read_lists(str(path), None, None)
    assert str(error.value) == f"takedown list {path}{problem}"


def test_an_invalid_list_of_domains_is_refused(tmp_path):
    """A url is not a domain, and a missing file has its error."""
    path = tmp_path / "domains.txt"
    path.write_text("ex.org\nhttps://ex.org/a\n")
    with pytest.raises(ConfigError) as error:
        read_lists(None, str(path), None)
    assert str(error.value) == f"takedown list {path}, line 2: 'https://ex.org/a' is not a domain."
    path.write_text("\n")
    with pytest.raises(ConfigError) as error:
        read_lists(None, None, str(path))
    assert str(error.value) == f"takedown list {path} holds no domain."
    with pytest.raises(ConfigError) as error:
        read_lists(str(tmp_path / "none.txt"), None, None)
    assert str(error.value).startswith(f"takedown list {tmp_path / 'none.txt'} cannot be read: ")


def test_the_id_depends_on_the_content():
    """Workers cache the list by its id."""
    one, other = taken_down(url=["http://a/"]), taken_down(domain=["a"])
    assert one.id == taken_down(url=["http://a/"]).id
    assert len({one.id, other.id, Takedowns("0", one.hashes).id, taken_down(url=["http://b/"]).id}) == 4
    assert np.array_equal(one.hashes[URL], np.unique(one.hashes[URL]))


@pytest.mark.parametrize("line", ["x" * 100_000, "a-" * 50_000, ".".join(["x" * 60] * 2000), "http://" + "x" * 100_000])
@pytest.mark.parametrize("kind", ["domains", "page_domains"])
def test_a_long_line_that_is_no_domain_is_refused_at_once(tmp_path, kind, line):
    """Not in time by the square of its length; the error shows its beginning."""
    (tmp_path / "a.txt").write_text(line + "\n", encoding="utf-8")
    given = dict.fromkeys(("urls", "domains", "page_domains")) | {kind: str(tmp_path / "a.txt")}
    began = time.process_time()
    with pytest.raises(ConfigError, match="line 1: .* is not a domain") as refused:
        read_lists(**given)
    assert time.process_time() - began < 2
    assert len(str(refused.value)) < 500
