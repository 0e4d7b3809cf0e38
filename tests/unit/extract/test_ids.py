"""Ids of images and pairs: functions of the row alone, which anyone can compute."""

from __future__ import annotations

import hashlib
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaclip_spark.extract.ids import image_id, image_ids, pair_id, pair_ids


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


@settings(max_examples=200, deadline=None)
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
    assert image_ids(urls) == [image_id(url) for url in urls]
    assert pair_ids(urls, texts) == [pair_id(url, text) for url, text in zip(urls, texts, strict=True)]
    assert (image_ids([]), pair_ids([], [])) == ([], [])
