r"""The built-in filters, in Arrow, one batch at a time.

Each function takes a string array of n texts (or urls) without nulls and returns a boolean array of n, true for a text
that is rejected.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

_WORD = r"[^\s\pZ\x{0b}\x{1c}-\x{1f}\x{85}]+"
"""A run of characters for which Python's `str.isspace` is false."""

MEDIA_EXTENSIONS = "jpe?g|jfif|png|gif|webp|avif|heic|bmp|tiff?|svg|ico|cr2|nef|arw|dng|psd|pdf|mp4|mov"

FILE_NAME = (
    r"(?i)^(?:"
    # One run without white space that ends in an extension: a.jpg, my-dog_2.PNG, http://ex.org/a.gif
    rf"[^\s\pZ]*\.(?:{MEDIA_EXTENSIONS})"
    # The names of cameras and phones: IMG_1234, DSC00012, PXL_20240101_120000, IMG-20190203-WA0003
    r"|_?(?:img|dsc[nf]?|mg|pict|cimg|pxl|mvi|gopr|dji|sam|kimg|hpim|imag|imgp|mvimg)"
    r"[ _-]?\d{3,}[\w-]*(?: ?\(\d+\))?"
    # A general word and a number, joined as they never are in prose: photo-3, image1, screenshot_2024-01-02, untitled-1
    r"|(?:image|img|photo|pic|picture|untitled|unnamed|download|file|scan|screenshot|screen-shot|fullsize)"
    r"(?:[_-]?\d[\d_-]*| ?\(\d+\))"
    r"|screen ?shot \d{4}-\d\d-\d\d at [\d.]+(?: ?[ap]m)?"
    # A name that a program generates: a UUID (for hashes see _HASH).
    r"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r")$"
)
_HASH = (r"^[0-9a-fA-F]{16,}$", "[0-9]", "[a-fA-F]")
"""A hash as a name: at least 16 hexadecimal digits, some of 0-9 (else it is a word) and some of a-f (else a number)."""


def too_short(texts: pa.Array, min_chars: int, min_words: int) -> pa.Array:
    """Return whether a text has fewer characters (code points) or words than the minimum; 0 is no limit."""
    return _outside(pc.less, texts, min_chars, min_words)


def too_long(texts: pa.Array, max_chars: int, max_words: int) -> pa.Array:
    """Return whether a text has more characters (code points) or words than the maximum; 0 is no limit."""
    return _outside(pc.greater, texts, max_chars, max_words)


def _outside(compare: Callable[[pa.Array, int], pa.Array], texts: pa.Array, chars: int, words: int) -> pa.Array:
    found = pa.repeat(pa.scalar(False), len(texts))
    if chars:
        found = pc.or_(found, compare(pc.utf8_length(texts), chars))
    if words:
        found = pc.or_(found, compare(count_words(texts), words))
    return found


def count_words(texts: pa.Array) -> pa.Array:
    """Return the number of words of each text (int32): runs of characters that are not white space.

    Languages without spaces between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese) have few such runs.
    `min_words` drops nearly all of their texts; use `min_chars` for them.
    """
    return pc.count_substring_regex(texts, _WORD)


def only_digits(texts: pa.Array) -> pa.Array:
    """Return whether a text has a digit (of any script) and no letter: "2024-05-03", "12 x 8", "٣"."""
    digit = pc.match_substring_regex(texts, r"\p{Nd}")
    return pc.and_not(digit, pc.match_substring_regex(texts, r"\p{L}"))


def file_name(texts: pa.Array) -> pa.Array:
    """Return whether a whole text looks like a file's name (`FILE_NAME`); a sentence that ends in one does not."""
    all_of = [pc.match_substring_regex(texts, part) for part in _HASH]
    return pc.or_(pc.match_substring_regex(texts, FILE_NAME), reduce(pc.and_, all_of))


def other_extension(urls: pa.Array, extensions: Sequence[str]) -> pa.Array:
    """Return whether a url's path does not end in one of these extensions; query and fragment do not count.

    Args:
        urls: absolute urls.
        extensions: "jpg", ".jpg" and "JPG" are equal; "jpg" and "jpeg" are not.
    """
    names = "|".join(re.escape(name.lower().lstrip(".")) for name in extensions)
    # The path begins after the host, so that http://example.com does not end in ".com".
    return pc.invert(pc.match_substring_regex(urls, rf"(?i)^[^/?#]*//[^/?#]*/[^?#]*\.(?:{names})(?:[?#]|$)"))
