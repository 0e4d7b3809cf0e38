"""The built-in filters: the texts that each rejects, and the texts that it keeps."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaclip_spark.filters.texts import count_words, file_name, only_digits, other_extension, too_long, too_short

WHITE = "".join(chr(code) for code in range(0x110000) if chr(code).isspace())


def rejected(check, values: list[str], *args) -> list[str]:
    """Return the values that the check rejects."""
    found = check(pa.array(values, pa.string()), *args)
    assert found.type == pa.bool_()
    assert not found.null_count
    return [value for value, out in zip(values, found.to_pylist(), strict=True) if out]


@given(st.lists(st.text(st.sampled_from(WHITE + "ab,é猫\u200b\ufeff"))))
def test_words_are_what_split_gives(texts):
    """A word is a run of characters that are not white space, for all white space of Unicode."""
    assert count_words(pa.array(texts, pa.string())).to_pylist() == [len(text.split()) for text in texts]


def test_length_is_counted_in_code_points():
    """Four characters count as four, however they are stored; the limit itself is allowed."""
    values = ["猫犬鳥魚", "cats", "cat", "猫犬鳥", "猫犬鳥魚牛"]
    assert rejected(too_short, values, 4, 0) == ["cat", "猫犬鳥"]
    assert rejected(too_long, values, 4, 0) == ["猫犬鳥魚牛"]


def test_length_in_words_or_in_characters_each_is_enough():
    """A text is too short below one of the two limits, and too long above one of them."""
    values = ["a b c", "abcdefgh", "abc def ghi"]
    assert rejected(too_short, values, 6, 3) == ["a b c", "abcdefgh"]
    assert rejected(too_long, values, 8, 2) == ["a b c", "abc def ghi"]


def test_a_language_without_spaces_has_one_word():
    """A sentence is one run, as the documentation of `min_words` says."""
    assert rejected(too_short, ["一只猫坐在垫子上", "แมวนั่งบนเสื่อ"], 0, 2) == ["一只猫坐在垫子上", "แมวนั่งบนเสื่อ"]


def test_only_digits_has_a_digit_and_no_letter():
    """Digits of every script count, a letter of any script keeps the text, and so does a text with neither."""
    out = ["1984", "2024-05-03", "12 x 8".replace("x", "×"), "٣", "5.0/5"]
    kept = ["12 x 8", "1984年", "...", "★★★", "9a", "½"]
    assert rejected(only_digits, out + kept) == out


FILE_NAMES = [
    "IMG_1234.JPG",
    "DSC00012",
    "photo-3.jpeg",
    "untitled.png",
    "my-dog_in-the-park2.webp",
    "http://ex.org/a/b.gif",
    "写真.jpg",
    "Dsc_0174",
    "_MG_4432",
    "IMG 8321",
    "IMG-20190203-WA0003",
    "PXL_20240101_120000123",
    "DSC_0023_edited",
    "IMG_0001 (2)",
    "image1",
    "photo-3",
    "untitled-1",
    "download (3)",
    "screenshot_2024-01-02",
    "Screen Shot 2014-09-13 at 10.27.34 AM",
    "d41d8cd98f00b204e9800998ecf8427e",
    "123e4567-e89b-12d3-a456-426614174000",
]

NOT_FILE_NAMES = [
    "Red Mushroom.png",
    "see IMG_1234.JPG",
    "photo",
    "Untitled",
    "Untitled 3",
    "Image 1",
    "logo",
    "mount-everest",
    "tutorialblog.org",
    "1984",
    "1234567890123456",
    "img",
    "samurai 47",
    "SAM",
    "a photo-3",
    "deadbeefdeadbeef".replace("beef", "eeee").replace("d", "f"),
    "jpg",
    "DSC Group",
    "写真 一.jpg",
    "a\u00a0b.jpg",
]


@pytest.mark.parametrize("text", FILE_NAMES)
def test_file_names_are_recognised(text):
    """Cameras, programs and web sites give such names to files."""
    assert rejected(file_name, [text]) == [text]


@pytest.mark.parametrize("text", NOT_FILE_NAMES)
def test_texts_with_words_are_no_file_names(text):
    """A text with separate words, or without a number, may describe the image."""
    assert rejected(file_name, [text]) == []


def test_file_names_of_real_texts_are_few_and_one_run_each(shared_data):
    """Of 10,000 web texts about 0.3% are rejected, and none of them contains a space."""
    texts = pq.read_table(shared_data / "captions" / "laion_sample.parquet").column("text").drop_null().to_pylist()
    found = rejected(file_name, texts)
    assert 20 <= len(found) <= 60
    assert "Solomon_Islands.png" in found
    assert not [text for text in found if " " in text]


@pytest.mark.parametrize(
    "url",
    [
        "http://ex.org/a.jpg",
        "http://ex.org/a.JPG?w=1",
        "https://ex.org/a/b.c/d.jpg#x",
        "http://ex.org/a.jpg?f=b.gif",
        "http://ex.org/.png",
        "http://ex.org/a.gif.png",
    ],
)
def test_a_wanted_extension_stays(url):
    """Query, fragment and case do not count; the last extension of the path does."""
    assert rejected(other_extension, [url], ("jpg", ".PNG")) == []


@pytest.mark.parametrize(
    "url",
    [
        "http://ex.org/a.jpeg",
        "http://ex.org/a.gif?f=b.jpg",
        "http://ex.jpg",
        "http://ex.jpg?a.jpg",
        "http://ex.org/a.jpg/b",
        "http://ex.org/image",
        "http://ex.org/ajpg",
        "http://ex.org/a.png.gif",
    ],
)
def test_another_extension_goes(url):
    """jpeg is not jpg, and neither a host, a query nor a folder is the file's name."""
    assert rejected(other_extension, [url], ("jpg", "png")) == [url]


def test_an_extension_is_text_and_no_pattern():
    """A dot or bracket in an extension stands for itself."""
    assert rejected(other_extension, ["http://ex.org/a.tarxgz"], ("tar.gz",)) == ["http://ex.org/a.tarxgz"]
