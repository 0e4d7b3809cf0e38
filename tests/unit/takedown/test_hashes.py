"""Takedown lists: the files, the hashes, and the urls that they cover."""

from __future__ import annotations

import gzip
import pickle
import time
from hashlib import blake2b, md5, sha256

import numpy as np
import pyarrow as pa
import pytest

from metaclip_spark.core.wording import shortened
from metaclip_spark.errors import ConfigError
from metaclip_spark.takedown.hashes import (
    DOMAIN,
    PAGE_DOMAIN,
    PAIR_ID,
    URL,
    URL_MD5,
    URL_SHA256,
    Takedowns,
    from_arrow,
    hashes_of,
    pair_id_forms,
    sorted_hashes,
    to_arrow,
    url_forms,
)
from metaclip_spark.takedown.lists import ListFiles, read_lists

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
    lists = read_lists(ListFiles(str(urls), str(domains)))
    assert {kind: values.to_pylist() for kind, values in lists.items()} == {
        URL: ["https://ex.org/a b.jpg", "https://ex.org/ab.jpg", "s3://bucket/x.png"],
        DOMAIN: ["ex.org", "xn--bcher-kva.example"],
    }
    assert read_lists(ListFiles(page_domains=str(domains)))[PAGE_DOMAIN].to_pylist() == lists[DOMAIN].to_pylist()
    assert read_lists(ListFiles()) == {}


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
        read_lists(ListFiles(str(path)))
    assert str(error.value) == f"takedown list {path}{problem}"


def test_an_invalid_list_of_domains_is_refused(tmp_path):
    """A url is not a domain, and a missing file has its error."""
    path = tmp_path / "domains.txt"
    path.write_text("ex.org\nhttps://ex.org/a\n")
    with pytest.raises(ConfigError) as error:
        read_lists(ListFiles(domains=str(path)))
    assert str(error.value) == f"takedown list {path}, line 2: 'https://ex.org/a' is not a domain."
    path.write_text("\n")
    with pytest.raises(ConfigError) as error:
        read_lists(ListFiles(page_domains=str(path)))
    assert str(error.value) == f"takedown list {path} holds no domain."
    with pytest.raises(ConfigError) as error:
        read_lists(ListFiles(str(tmp_path / "none.txt")))
    assert str(error.value).startswith(f"takedown list {tmp_path / 'none.txt'} cannot be read: ")


SPACED = "https://ex.org/my photo.jpg?a=1&b=2"
FORMS = [
    SPACED,
    "https://ex.org/myphoto.jpg?a=1&b=2",
    "https://ex.org/my%20photo.jpg?a=1&b=2",
    "https://ex.org/my photo.jpg?a=1&amp;b=2",
    "https://ex.org/myphoto.jpg?a=1&amp;b=2",
    "https://ex.org/my%20photo.jpg?a=1&amp;b=2",
]
"""A url as found, and its other forms that a partner may have hashed."""
OTHERS = [
    "https://ex.org/my photo.jpg?a=1&b=3",
    "http://ex.org/my photo.jpg?a=1&b=2",
    "https://ex.org/my+photo.jpg?a=1&b=2",
    "https://ex.org/My photo.jpg?a=1&b=2",
]


@pytest.mark.parametrize("kind", [URL_SHA256, URL_MD5])
@pytest.mark.parametrize("form", FORMS)
def test_a_hash_covers_the_url_in_every_form(kind, form):
    """Also as the url of a page and in the text of a reject, and no other url."""
    digest = (sha256 if kind == URL_SHA256 else md5)(form.encode()).hexdigest()
    takedowns = taken_down(**{kind: [digest]})
    assert takes(takedowns, SPACED)
    assert takes(takedowns, "https://other.org/", page=SPACED)
    assert not any(takes(takedowns, other, page=other) for other in [*OTHERS, None])
    assert takedowns.covers_any_url_in(pa.array([f'"{form}"', form, "nothing"])).tolist()[1:] == [True, False]
    none = pa.nulls(3, pa.string())
    listed = takedowns.listed_in(pa.array([OTHERS[0], None, SPACED]), none, none)
    assert {name: to_arrow(hashes).to_pylist() for name, hashes in listed.items()} == {
        URL_SHA256: [],
        URL_MD5: [],
        PAIR_ID: [],
        kind: to_arrow(takedowns.hashes[kind]).to_pylist(),
    }


def test_a_pair_id_covers_its_pair_alone():
    """By the id of the tables, by the input's own key, and by digits in upper case; a null is no pair."""
    listed = pa.array(["AB" * 16, "photo 7", "Photo 8"])
    takedowns = taken_down(pair_id=pair_id_forms(listed).to_pylist())
    keys = pa.array(["ab" * 16, "AB" * 16, "photo 7", None, "photo 8", "cd" * 16], pa.large_string())
    assert takedowns.covers_ids(keys).tolist() == [True, True, True, False, False, False]
    urls = pa.array(["http://ex.org/"] * 6)
    assert takedowns.covers(urls, None, keys).tolist() == [True, True, True, False, False, False]
    assert takedowns.covers(urls).tolist() == [False] * 6
    assert taken_down(url=["http://ex.org/b"]).covers(urls, None, keys).tolist() == [False] * 6
    assert (takedowns.has_pair_ids, taken_down(url=["x"]).has_pair_ids) == (True, False)


def test_hashes_and_pair_ids_are_read(tmp_path):
    """Both lengths in one file, in either case; comments, empty lines and repeats do not matter."""
    hashes, ids = tmp_path / "hashes.txt.gz", tmp_path / "ids.txt"
    sha, short = sha256(b"x").hexdigest(), md5(b"x").hexdigest()
    hashes.write_bytes(gzip.compress(f"# theirs\r\n{sha}\n\n {short.upper()} \n{sha.upper()}\n{short}\n".encode()))
    ids.write_text(f"{short}\n{short}\nphoto 7\n#no\n")
    lists = read_lists(ListFiles(url_hashes=str(hashes), pair_ids=str(ids)))
    assert {kind: values.to_pylist() for kind, values in lists.items()} == {
        URL_SHA256: [sha],
        URL_MD5: [short],
        PAIR_ID: [short, "photo 7"],
    }
    hashes.write_text(sha)
    assert list(read_lists(ListFiles(url_hashes=str(hashes)))) == [URL_SHA256]


@pytest.mark.parametrize(
    "line", ["a" * 40, "a" * 56, "a" * 31, "g" * 32, "a" * 128, "sha256:" + "a" * 64, "https://ex.org/a.jpg", "a " * 16]
)
def test_a_line_that_is_no_hash_is_refused(tmp_path, line):
    """Other lengths (SHA-1, SHA-224, SHA-512) and other characters; the error names the line."""
    path = tmp_path / "hashes.txt"
    path.write_text(f"{'a' * 64}\n{line}\n")
    with pytest.raises(ConfigError) as error:
        read_lists(ListFiles(url_hashes=str(path)))
    shown = shortened(repr(line.strip()), 80)
    assert str(error.value) == (
        f"takedown list {path}, line 2: {shown} is not a hash of a url. Expected one hash of a url per line, as "
        "hexadecimal digits: 64 of SHA-256, or 32 of MD5; urls go with --urls."
    )


@pytest.mark.parametrize(("kind", "name"), [("url_hashes", "hash of a url"), ("pair_ids", "pair id")])
def test_an_empty_list_of_hashes_or_ids_is_refused(tmp_path, kind, name):
    """Comments alone are no list."""
    path = tmp_path / "a.txt"
    path.write_text("# nothing\n")
    with pytest.raises(ConfigError) as error:
        read_lists(ListFiles(**{kind: str(path)}))
    assert str(error.value) == f"takedown list {path} holds no {name}."


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
    began = time.process_time()
    with pytest.raises(ConfigError, match="line 1: .* is not a domain") as refused:
        read_lists(ListFiles(**{kind: str(tmp_path / "a.txt")}))
    assert time.process_time() - began < 2
    assert len(str(refused.value)) < 500
