"""Cut the tags that are read out of a page, without building the page's tree.

A page of a hundred kilobytes has a few kilobytes of tags that are read: images with a text, `<base>`, opt-outs, and the
sources of a `<picture>`. A loop over the bytes splits the page into tags by the rules of the HTML Standard (13.2.5). It
keeps just enough of the rules that build the tree (13.2.6) to know that each of these tags becomes an element, and in
which order. Where it does not know, only the tree of the whole page can tell. The tree of the tags that were cut out
has the same images with the same attributes, bases, opt-outs and pictures as the tree of the page.

Only the tree can tell:

- elements that replace the page's content, or keep theirs apart: `<frameset>`, `<template>`, `<plaintext>`;
- images, bases and pictures directly in a table or its rows, which are moved before the table;
- what else is in a `<select>` than options, in a `<picture>` than images and sources;
- what is markup in SVG and text outside, or the reverse: CDATA, and tags in a `<title>`, `<style>` or `<script>`;
- mathematics, HTML inside of SVG, a script with a `<script>` after a `<!--`, sections closed inside their cells.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from metaclip_spark.core.jit import bytes_of, copy_bytes, kernel
from metaclip_spark.extract.byte_search import find_byte, is_one_of, lower, padded, starts_with
from metaclip_spark.extract.optouts import META_NAMES

_PLAIN = 0
_IMG, _IMAGE, _BASE, _META, _SOURCE, _PICTURE, _SVG, _SELECT = range(1, 9)
_TABLE, _ROW, _SECTION, _COLUMN, _TD, _TH, _CAPTION = range(9, 16)
_RAW, _SCRIPT, _DESC, _OPTION, _TREE = range(16, 21)
_KINDS = {
    **{b"img": _IMG, b"image": _IMAGE, b"base": _BASE, b"meta": _META, b"source": _SOURCE, b"picture": _PICTURE},
    **{b"svg": _SVG, b"select": _SELECT, b"option": _OPTION, b"optgroup": _OPTION, b"hr": _OPTION},
    **{b"table": _TABLE, b"tr": _ROW, b"td": _TD, b"th": _TH, b"caption": _CAPTION},
    **dict.fromkeys((b"tbody", b"thead", b"tfoot"), _SECTION),
    **dict.fromkeys((b"col", b"colgroup"), _COLUMN),
    **dict.fromkeys((b"title", b"textarea", b"style", b"xmp", b"iframe", b"noembed", b"noframes"), _RAW),
    **{b"script": _SCRIPT, b"desc": _DESC},
    **dict.fromkeys((b"template", b"frameset", b"plaintext", b"math", b"foreignobject"), _TREE),
}
"""What a tag is, by its name; any other tag is plain."""

_NAME_BYTES = 8
_SLOT_BITS = 10
_MAX_TABLES = 64
_EOF = -1
_IN_TREE = -1


def _slot(word: int, factor: int) -> int:
    return (word * factor & (1 << 64) - 1) >> 64 - _SLOT_BITS


def _perfect_factor(words: Sequence[int]) -> int:
    """Return a factor that gives each word a slot of its own."""
    odd = (0x9E3779B97F4A7C15 * (2 * step + 1) & (1 << 64) - 1 for step in range(1 << 16))
    return next(factor for factor in odd if len({_slot(word, factor) for word in words}) == len(words))


_WORDS = {int.from_bytes(name[:_NAME_BYTES], "little"): (len(name), kind) for name, kind in _KINDS.items()}
_FACTOR = _perfect_factor(list(_WORDS))
_SLOTS = np.zeros((1 << _SLOT_BITS, 3), np.uint64)
for _word, (_length, _kind) in _WORDS.items():
    _SLOTS[_slot(_word, _FACTOR)] = _word, _length, _kind
_MULTIPLIER, _SHIFT = np.uint64(_FACTOR), np.uint64(64 - _SLOT_BITS)


_ENDS_NAME = np.array([char in b" \t\n\f\r/>" for char in range(256)])
_ENDS_ATTRIBUTE = np.array([char in b" \t\n\f\r/>=" for char in range(256)])
_NAME = padded(("name",))
_OPT_OUTS = padded(META_NAMES)
_COMMENT = np.frombuffer(b"<!--", np.uint8)
_SCRIPT_TAG = padded(("script",))


class TagReader:
    """A reader of the tags of pages.

    >>> TagReader(["alt"], ["src"]).read(b"<p><img alt=a id=x src=b><img src=c><script>'<img alt=d>'</script>")
    b'<img alt=a src=b>'
    >>> TagReader(["alt"], ["src"]).read(b"<template><img alt=a></template>") is None
    True
    """

    def __init__(self, fields: Sequence[str], others: Sequence[str]) -> None:
        """Take the names of the attributes without which an image is not read, and of others that are read, too."""
        self._fields = padded(tuple(fields))
        self._attributes = padded((*fields, *others))

    def read(self, html: bytes) -> bytes | None:
        """Return the tags of a page (in UTF-8) that are read, in their order, or None if only its tree can tell.

        Images have no other attributes than those that are read.
        """
        out = np.empty(2 * len(html), np.uint8)  # room for a space before each attribute
        length = read_tags(bytes_of(html), self._fields, self._attributes, out)
        return out[:length].tobytes() if length >= 0 else None


@kernel
def read_tags(html: np.ndarray, fields: np.ndarray, attributes: np.ndarray, out: np.ndarray) -> int:
    """Copy the tags that are read to `out`; return their length, or -1 if only the tree can tell.

    Args:
        html: (n,) uint8.
        fields: (k, m) uint8, lower-case names of attributes without which an image is not read, padded with zeros.
        attributes: (k, m) uint8, the names of the attributes of images that are read.
        out: (2 n,) uint8.
    """
    size, at, length = len(html), 0, 0
    modes, depth = np.zeros(_MAX_TABLES, np.uint8), 0
    foreign, inside = 0, _PLAIN
    while True:
        start = find_byte(html, at, 60)
        at = start + 1
        closes = at < size and html[at] == 47
        if closes:
            at += 1
        if at >= size:
            return length
        if not 97 <= lower(html[at]) <= 122:
            if closes or html[at] == 33 or html[at] == 63:
                if foreign and html[at] == 33 and at + 1 < size and html[at + 1] == 91:
                    return _IN_TREE
                at = _comment_end(html, start, at)
            continue
        name = at
        at, kind = _name_end(html, at)
        name_end = at
        at, read, self_closes = _tag_end(html, at, _PLAIN if closes else kind, fields)
        if at < 0:  # a tag without an end is no tag
            return length
        if inside:
            if closes and kind == inside:
                inside = _PLAIN
                read = kind == _PICTURE
            elif inside == _SELECT and kind != _OPTION:
                return _IN_TREE
            elif inside == _PICTURE:
                if kind != _IMG and kind != _SOURCE:
                    return _IN_TREE
                read |= kind == _SOURCE and not closes
        elif kind == _PLAIN:
            continue
        elif _TABLE <= kind <= _CAPTION:
            depth = _IN_TREE if foreign else _after_table_tag(modes, depth, kind, closes)
            if depth < 0:
                return _IN_TREE
        elif closes:
            if kind == _SVG and foreign:
                foreign -= 1
        elif kind <= _SELECT:
            if read and (modes[depth] == _TABLE or (foreign and kind != _IMG and kind != _SVG)):
                return _IN_TREE
            if kind == _SVG:
                foreign += not self_closes
            elif kind in (_SELECT, _PICTURE):
                inside = kind
            read &= kind != _SVG and kind != _SELECT
        elif kind == _TREE:
            return _IN_TREE
        elif kind in (_SCRIPT, _RAW) or kind == _DESC and foreign:
            if foreign and self_closes:
                return _IN_TREE
            at = _raw_text_end(html, at, html[name:name_end], foreign > 0)
            if at < 0:
                return _IN_TREE
        if read and kind <= _IMAGE:
            length = _copy_image(html, start, name_end, attributes, out, length)
        elif read:
            length = copy_bytes(html[start:at], out, length)


@kernel
def _copy_image(html: np.ndarray, start: int, at: int, attributes: np.ndarray, out: np.ndarray, length: int) -> int:
    """Copy the tag of an image with the attributes that are read; return the length of `out`.

    Args:
        start: the start of the tag, which has an end.
        at: the end of its name.
    """
    length = copy_bytes(html[start:at], out, length)
    while True:
        while html[at] == 47 or _is_space(html[at]):
            at += 1
        if html[at] == 62:
            out[length] = 62
            return length + 1
        name = at
        at += 1
        while not _ENDS_ATTRIBUTE[html[at]]:
            at += 1
        name_end = at
        value, _, at = _value(html, at)
        if is_one_of(html, name, name_end, attributes):
            out[length] = 32
            length = copy_bytes(html[name : name_end if value == name_end else at], out, length + 1)


@kernel
def _name_end(html: np.ndarray, at: int) -> tuple[int, int]:
    """Return the end of the tag's name that starts at `at`, and the tag's kind."""
    start, word, shift = at, np.uint64(0), np.uint64(0)
    while at < len(html) and not _ENDS_NAME[html[at]]:
        if shift < 64:
            word |= np.uint64(lower(html[at])) << shift
            shift += np.uint64(8)
        at += 1
    slot = (word * _MULTIPLIER) >> _SHIFT
    if _SLOTS[slot, 0] == word and _SLOTS[slot, 1] == np.uint64(at - start):
        return at, np.int64(_SLOTS[slot, 2])
    return at, _PLAIN


@kernel
def _tag_end(html: np.ndarray, at: int, kind: int, fields: np.ndarray) -> tuple[int, bool, bool]:
    """Return the end of a tag, whether it is read, and whether it closes itself; the end is -1 if there is none.

    Args:
        at: the end of the tag's name.
        kind: the tag's kind.
    """
    size = len(html)
    read = kind in (_BASE, _PICTURE, _SVG, _SELECT)
    while True:
        slash = False
        while at < size and (html[at] == 47 or _is_space(html[at])):
            slash = html[at] == 47
            at += 1
        if at >= size:
            return _EOF, False, False
        if html[at] == 62:
            return at + 1, read, slash
        name = at
        at += 1
        while at < size and not _ENDS_ATTRIBUTE[html[at]]:
            at += 1
        name_end = at
        value, value_end, at = _value(html, at)
        if at < 0:
            return _EOF, False, False
        if kind in (_IMG, _IMAGE):
            read = read or is_one_of(html, name, name_end, fields)
        elif kind == _META and is_one_of(html, name, name_end, _NAME):
            read = read or _may_be_opt_out(html, value, value_end)


@kernel
def _value(html: np.ndarray, at: int) -> tuple[int, int, int]:
    """Return the start and the end of an attribute's value, and the position after it; it is -1 at the page's end.

    Args:
        at: the end of the attribute's name, which is also start and end of a missing value.
    """
    size, name_end = len(html), at
    while at < size and _is_space(html[at]):
        at += 1
    if at >= size or html[at] != 61:
        return name_end, name_end, at
    at += 1
    while at < size and _is_space(html[at]):
        at += 1
    if at >= size:
        return at, at, _EOF
    quote = html[at]
    if quote == 34 or quote == 39:
        end = find_byte(html, at + 1, np.int64(quote))
        return at + 1, end, end + 1 if end < size else _EOF
    start = at
    while at < size and html[at] != 62 and not _is_space(html[at]):
        at += 1
    return start, at, at


@kernel
def _after_table_tag(modes: np.ndarray, depth: int, kind: int, closes: bool) -> int:
    """Return the number of open tables after a tag of a table, and set the innermost one's mode; -1: ask the tree.

    Args:
        modes: uint8, for each open table what is open in it: a cell, a caption, or `_TABLE` if neither is.
        depth: the number of open tables.
    """
    mode = modes[depth]
    if kind == _TABLE:
        if closes:
            return max(depth - 1, 0)
        if mode == _TABLE:  # it closes the table before it
            return depth
        depth += 1
        if depth == len(modes):
            return _IN_TREE
        modes[depth] = _TABLE
    elif not depth:
        return depth
    elif not closes:
        modes[depth] = kind if kind >= _TD else _TABLE
    elif kind == mode:
        modes[depth] = _TABLE
    elif mode in (_TD, _TH):
        if kind == _SECTION:
            return _IN_TREE
        if kind == _ROW:
            modes[depth] = _TABLE
    return depth


@kernel
def _comment_end(html: np.ndarray, start: int, at: int) -> int:
    """Return the position after a comment, a doctype, or another tag without a name.

    Args:
        start: the position of its "<".
        at: the position after its "<" or "</".
    """
    if not starts_with(html, start, _COMMENT):
        return find_byte(html, at, 62) + 1
    end = start + 3
    while True:
        end = find_byte(html, end + 1, 62)
        if end >= len(html):
            return end
        if html[end - 1] == 45 and html[end - 2] == 45:
            return end + 1
        if end - 3 >= start + 4 and html[end - 1] == 33 and html[end - 2] == 45 and html[end - 3] == 45:
            return end + 1


@kernel
def _raw_text_end(html: np.ndarray, at: int, name: np.ndarray, foreign: bool) -> int:
    """Return the end of a raw text: the position of its end tag, or the page's end; -1 if only the tree can tell.

    Args:
        at: its start.
        name: the name of its tag.
        foreign: whether it may be markup, because its tag is in SVG.
    """
    size, escaped = len(html), False
    while True:
        at = find_byte(html, at, 60)
        end = at + 2 + len(name)
        if end >= size:
            return size
        if html[at + 1] == 47 and _ENDS_NAME[html[end]] and _is_name(html, at + 2, name):
            return at
        if foreign:
            return _IN_TREE
        escaped = escaped or starts_with(html, at, _COMMENT)
        if escaped and is_one_of(html, at + 1, at + 7, _SCRIPT_TAG):
            return _IN_TREE
        at += 1


@kernel
def _is_name(html: np.ndarray, at: int, name: np.ndarray) -> bool:
    for offset in range(len(name)):  # noqa: SIM110 - this is compiled
        if lower(html[at + offset]) != lower(name[offset]):
            return False
    return True


@kernel
def _may_be_opt_out(html: np.ndarray, start: int, end: int) -> bool:
    """Return whether a meta tag's name may be that of an opt-out; one with a character reference may be."""
    return find_byte(html[:end], start, 38) < end or is_one_of(html, start, end, _OPT_OUTS)


@kernel
def _is_space(char: int) -> bool:
    return char == 32 or (9 <= char <= 13 and char != 11)
