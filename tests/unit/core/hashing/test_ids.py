"""Ids of images and pairs: functions of the row alone, which anyone can compute."""

from __future__ import annotations

import hashlib
import struct

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaclip_spark.core.hashing.ids import image_id, image_ids, md5_digits, pair_id, pair_ids, sha256_digits


def test_published_examples():
    """Two values that must never change: every stored table depends on them."""
    assert image_id("http://example.org/a.jpg") == "de2872ced6c1a8485bca7fbf"
    assert pair_id("http://example.org/a.jpg", "a cat") == "f3c384ffba27b9519a2737ccee0ba59c"


@pytest.mark.parametrize("url", ["http://e.org/a.jpg", "http://e.org/\u00e9\u732b\U0001f600.png", "", "x"])
def test_image_id_is_half_of_a_sha224(url):
    """The first 24 hex digits of sha224 over the url's UTF-8 bytes."""
    assert image_id(url) == hashlib.sha224(url.encode("utf-8")).hexdigest()[:24]


@pytest.mark.parametrize("url", ["http://e.org/ab.jpg", " http://e.org/ab.jpg\t", "http://e.org/a \t b.jpg"])
def test_tabs_and_spaces_are_no_part_of_an_image(url):
    """Urls that differ in tabs and spaces only name one image."""
    assert image_id(url) == hashlib.sha224(b"http://e.org/ab.jpg").hexdigest()[:24]


def test_other_whitespace_is_part_of_an_image():
    """Line feeds and no-break spaces are ordinary characters of a url."""
    plain = image_id("http://e.org/ab.jpg")
    assert plain not in {image_id(f"http://e.org/a{char}b.jpg") for char in "\n\r\u00a0\u3000"}


@settings(max_examples=200)
@given(url=st.text(), text=st.text())
def test_pair_id_is_a_blake2b_over_length_url_and_text(url, text):
    """The url's length in bytes as 8 bytes little-endian, the url, the text."""
    raw = url.encode()
    stream = struct.pack("<Q", len(raw)) + raw + text.encode()
    assert pair_id(url, text) == hashlib.blake2b(stream, digest_size=16).hexdigest()


def test_border_between_url_and_text_counts():
    """Moving a character from the url to the text, or swapping them, gives another pair."""
    assert len({pair_id("ab", "c"), pair_id("a", "bc"), pair_id("", "abc"), pair_id("c", "ab")}) == 4


def test_pair_id_keeps_spaces_of_the_url():
    """Two spellings of an image's url are one image and two pairs."""
    assert pair_id("http://e.org/a b", "x") != pair_id("http://e.org/ab", "x")


def test_ids_of_a_batch_are_those_of_its_rows():
    """Urls that repeat, spaces, tabs and text beyond ASCII included; no rows give no ids."""
    urls = ["http://a.org/a b.jpg", "http://a.org/ab.jpg", "http://a.org/\u732b\t.jpg", "http://a.org/a b.jpg", ""]
    texts = ["one", "two", "\u732b", "", "five"]
    of_images, of_pairs = [image_id(url) for url in urls], [*map(pair_id, urls, texts)]
    columns = pa.array(urls), pa.array(texts)
    assert image_ids(columns[0]).to_pylist() == of_images
    assert pair_ids(*columns).to_pylist() == of_pairs
    assert image_ids(columns[0][1:4]).to_pylist() == of_images[1:4]
    assert pair_ids(*(column[1:4] for column in columns)).to_pylist() == of_pairs[1:4]
    assert (
        image_ids(pa.array([], pa.string())).to_pylist() == pair_ids(*[pa.array([], pa.string())] * 2).to_pylist() == []
    )


def test_hashes_of_every_length_are_hashlibs():
    """Around every border between blocks, on either side of the seam between url and text."""
    urls = ["é" * (length // 2) + "x" * (length % 2) for length in range(300)]
    texts = ["y" * (7 * length % 290) for length in range(300)]
    assert image_ids(pa.array(urls)).to_pylist() == [image_id(url) for url in urls]
    assert pair_ids(pa.array(urls), pa.array(texts)).to_pylist() == [*map(pair_id, urls, texts)]
    long = ["z" * 1_000_003, " \t" * 70 + "z" * 63 + " "]
    assert image_ids(pa.array(long)).to_pylist() == [image_id(url) for url in long]
    assert pair_ids(pa.array(long), pa.array(long)).to_pylist() == [*map(pair_id, long, long)]


@given(st.lists(st.tuples(st.text(), st.text()), max_size=5))
def test_hashes_of_any_strings_are_hashlibs(rows):
    """Of anything that UTF-8 can hold."""
    urls, texts = ([row[side] for row in rows] for side in (0, 1))
    assert image_ids(pa.array(urls, pa.string())).to_pylist() == [image_id(url) for url in urls]
    assert pair_ids(pa.array(urls, pa.string()), pa.array(texts, pa.string())).to_pylist() == [
        *map(pair_id, urls, texts)
    ]


@given(st.lists(st.text(), max_size=5))
def test_digits_of_any_strings_are_hashlibs(strings):
    """SHA-256 and MD5 of the bytes as they are, with spaces and tabs."""
    strings += ["x" * len(strings) * 31, " \t", "a b"]
    column = pa.array(strings, pa.string())
    assert sha256_digits(column).to_pylist() == [hashlib.sha256(each.encode()).hexdigest() for each in strings]
    assert md5_digits(column).to_pylist() == [hashlib.md5(each.encode()).hexdigest() for each in strings]
    assert md5_digits(column[1:2]).to_pylist() == [hashlib.md5(strings[1].encode()).hexdigest()]


def test_digits_of_every_length_are_hashlibs():
    """Around every border between blocks; no strings have no digits."""
    strings = [*("y" * length for length in range(200)), "z" * 1_000_003]
    assert sha256_digits(pa.array(strings)).to_pylist() == [hashlib.sha256(s.encode()).hexdigest() for s in strings]
    assert md5_digits(pa.array(strings)).to_pylist() == [hashlib.md5(s.encode()).hexdigest() for s in strings]
    none = pa.array([], pa.string())
    assert sha256_digits(none).to_pylist() == md5_digits(none).to_pylist() == []


def test_nulls_have_no_ids():
    """A row without a url or a text is not a pair, and has no id."""
    with pytest.raises(ValueError, match="no nulls"):
        image_ids(pa.array(["a", None]))
    with pytest.raises(ValueError, match="as many urls as texts"):
        pair_ids(pa.array(["a"]), pa.array(["a", "b"]))
