"""Find the end of the last image of a page that may have a text."""

from __future__ import annotations

import numpy as np

from metaclip_spark.core.jit import kernel
from metaclip_spark.extract.byte_search import find_byte, is_one_of, last_image

_MAX_NAMES = 10_000
_MAX_IMAGES_TRIED = 20


@kernel
def end_of_last_image(html: np.ndarray, fields: np.ndarray) -> int:
    """Return the end of the last `<img>`, `<IMG>` or `<image>` (parsed as `<img>`) with a wanted attribute.

    The search is bounded: of many images without one, the last ones are left out.

    Args:
        html: (n,) uint8.
        fields: (k, m) uint8, lower-case names of attributes, padded with zeros.

    Returns:
        0 if there is no such image.
    """
    at = stop = len(html)
    for _ in range(_MAX_IMAGES_TRIED):
        at = last_image(html, at)
        if at < 0:
            return 0
        stop, wanted = _tag(html, at, fields)
        if wanted:
            return stop
        stop = at
    return stop if last_image(html, at) >= 0 else 0


@kernel
def _tag(html: np.ndarray, at: int, fields: np.ndarray) -> tuple[int, bool]:
    """Return (end of the tag that starts at `at`, or of the page if it has no end; whether it has a wanted attribute).

    The vertical tab counts as white space, which it is not in HTML.
    """
    size, wanted = len(html), False
    while at < size and html[at] != 62 and html[at] != 47 and not _is_gap(html[at]):
        at += 1
    for _ in range(_MAX_NAMES):
        while at < size and (html[at] == 47 or _is_gap(html[at])):
            at += 1
        if at >= size:
            break
        if html[at] == 62:
            return at + 1, wanted
        name = at
        at += 1
        while at < size and html[at] != 61 and html[at] != 62 and html[at] != 47 and not _is_gap(html[at]):
            at += 1
        wanted = wanted or is_one_of(html, name, at, fields)
        while at < size and _is_gap(html[at]):
            at += 1
        if at >= size or html[at] != 61:
            continue
        at += 1
        while at < size and _is_gap(html[at]):
            at += 1
        if at >= size:
            break
        if html[at] in (34, 39):
            at = find_byte(html, at + 1, np.int64(html[at])) + 1
        else:
            while at < size and html[at] != 62 and not _is_gap(html[at]):
                at += 1
    return size, wanted


@kernel
def _is_gap(char: int) -> bool:
    return char == 32 or 9 <= char <= 13
