"""Clean the texts of image links by compiled loops, as far as most texts need it."""

from __future__ import annotations

import numpy as np

from metaclip_spark.core.jit import copy_bytes, kernel
from metaclip_spark.extract.byte_masks import BLOCK, ampersands, copy_block, unclean
from metaclip_spark.extract.wat.json_strings import MAX_STRING_BYTES, decode, start_of
from metaclip_spark.extract.wat.references import decode_in_place

TO_CLEAN, TO_CLEAN_HTML, EMPTY, LONG_TEXT = 8, 16, 32, 64
"""The status of a row's text, added to that of its url: `clean_text` may change the text; it has references to decode;
the text is empty; it has more characters than the maximum."""
_JSON_BYTES = 12  # of a character, at most: two escapes


@kernel
def _may_be_space(text: np.ndarray, at: int) -> bool:
    """Return whether the character that starts at `at` may be white space to `str.strip`; `False` is certain.

    The white space of more than one byte is U+0085, U+00A0, U+1680, U+2000 to U+205F and U+3000.
    """
    lead = text[at]
    if lead < 128:
        return lead < 33 or lead == 127
    second = text[at + 1] if at + 1 < len(text) else 0
    return (
        lead == 0xC2
        or (lead == 0xE1 and second == 0x9A)
        or (lead == 0xE2 and second <= 0x81)
        or (lead == 0xE3 and second == 0x80)
    )


@kernel
def _is_unclean(text: np.ndarray) -> bool:
    """Return whether `clean_text` may change a nonempty text: it has controls, or white space around it."""
    last = len(text) - 1
    while last > 0 and 128 <= text[last] < 192:
        last -= 1
    if _may_be_space(text, 0) or _may_be_space(text, last):
        return True
    unclean = np.uint8(0)
    for char in text:  # this loop becomes vector instructions
        unclean = max(unclean, np.uint8((char == 0) | (char == 9) | (char == 10) | (char == 13)))
    return unclean > 0


@kernel
def _clean(texts: np.ndarray, at: int, end: int, encoded: bool, text_cap: int) -> tuple[int, int]:
    """Decode the commonest references of the text at [at, end), and strip the spaces around it, in place.

    This is the only part of `clean_text` done here.

    Returns:
        (end of the text, its status). With `EMPTY`, `TO_CLEAN` and `TO_CLEAN_HTML` the rest is to be done.
    """
    if encoded:
        size = decode_in_place(texts[at:end])
        if size < 0:
            return end, TO_CLEAN_HTML
        end = at + size
    start, stop = at, end
    while start < stop and texts[start] == 32:
        start += 1
    while stop > start and texts[stop - 1] == 32:
        stop -= 1
    if start == stop:
        return end, EMPTY
    if _is_unclean(texts[start:stop]):
        return end, TO_CLEAN
    status = 0
    if stop - start > text_cap:
        chars = 0
        for char in texts[start:stop]:
            chars += (char & 192) != 128
        status = LONG_TEXT if chars > text_cap else 0
    return (stop if start == at else copy_bytes(texts[start:stop], texts, at)), status


@kernel
def add_text(
    raw: np.ndarray, start: int, stop: int, encoded: bool, text_cap: int, texts: np.ndarray, to: int
) -> tuple[int, int]:
    """Write the text at [start, stop) of `raw`, cleaned as far as `_clean` does; return its end, and its status.

    Args:
        raw: (n,) uint8, JSON.
        encoded: whether the text still has character references.
        text_cap: the maximum length of a text in characters.
        texts: (.,) uint8, written.
        to: the position in `texts` to write to.
    """
    size = stop - start
    if size == 0:
        return to, EMPTY
    if size <= min(BLOCK, text_cap) and start + BLOCK <= len(raw) and to + BLOCK <= len(texts):
        found = unclean(raw, start)
        if encoded:
            found |= ampersands(raw, start)
        if found << np.uint64(BLOCK - size) == 0 and raw[start] != 32 and raw[stop - 1] != 32:  # most texts
            copy_block(raw, start, texts, to)
            return to + size, 0
    if size > max(MAX_STRING_BYTES, _JSON_BYTES * text_cap):
        return start_of(raw, start, stop, texts, to), LONG_TEXT
    return _clean(texts, to, decode(raw, start, stop, texts, to), encoded, text_cap)
