"""Choose the parts of a page that are parsed, and cut them into pieces, so that every page is parsed quickly.

The time to parse grows with the number of tags times their depth, and with the square of the number of a tag's
attributes. The functions here read bytes, not a tree. The parts and pieces of real pages give the same images as whole
pages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
import numpy.typing as npt

from metaclip_spark.core.jit import bytes_of
from metaclip_spark.extract.byte_search import count_of, padded
from metaclip_spark.extract.warc.last_image import end_of_last_image

_TAG = ord("<")
_PIECE_TAGS = 4096
_TAG_BYTES = 1 << 14
_MAX_ATTRIBUTES = 1000
_BLOCKS_TRIED = 100
_CUT_WITHIN = 1 << 16
_BLOCK = re.compile(rb"<(?:p|div|li|tr|td|dt|dd|h[1-6]|section|article|figure|table|ul)[\s>]")
_TAG_START = re.compile(rb"<[A-Za-z]")
_TAG_NAME = re.compile(rb"<[^\s/>]*")
_ATTRIBUTE = re.compile(rb"[\s/]*(?:([^\s/>][^\s/>=]*)|(>))")
_VALUE = re.compile(rb"\s*=\s*(?:\"[^\"]*\"|'[^']*'|(?=>)|[^\s>\"'][^\s>]*)")
_EQUALS = re.compile(rb"\s*=")
_READ_TAG = re.compile(rb"<(?:img|image|base|meta|source)(?=[\s/])", re.IGNORECASE)
_READ_ATTRIBUTES = frozenset(
    b"alt title data-image-title aria-label src data-src data-original data-lazy-src srcset data-srcset width height"
    b" href name content property".split()
)
_RAW_TEXT = ((b"<script", b"</script"), (b"<style", b"</style"), (b"<!--", b"-->"))


def up_to_last_image(html: bytes, fields: Sequence[str]) -> bytes:
    """Return a page up to the end of the last `<img>` with a wanted attribute, b"" if it has no such `<img>`.

    The bytes after this `<img>`, a quarter of all bytes, can change neither the images before them nor, as a rule, the
    head. A page without such an `<img>` is not parsed at all.
    """
    stop = end_of_last_image(bytes_of(html), padded(tuple(fields)))
    return html[:stop] if stop else b""


def _attributes(html: bytes, at: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield (name in lower case, start, end) of each attribute of the tag at `at`, and b"" for the tag's end."""
    if name := _TAG_NAME.match(html, at):
        at = name.end()
    while attribute := _ATTRIBUTE.match(html, at):
        at = attribute.end()
        if attribute.group(2):
            yield b"", at, at
            return
        value = _VALUE.match(html, at)
        if value:
            at = value.end()
        yield attribute.group(1).lower(), attribute.start(1), at
        if not value and _EQUALS.match(html, at):
            return


def pieces_of(html: bytes) -> Iterator[bytes]:
    """Cut a page of very many tags into pieces that are parsed one by one.

    The time to parse grows with tags times depth: a megabyte of `<div>` takes minutes in one piece, and seconds in
    several. A cut is before a block element and outside scripts, styles and comments, or before any "<" if no such
    place is near. Few pages are cut: 28 of 1,024 real ones.
    """
    start = 0
    raw = bytes_of(html)
    if count_of(raw, _TAG) > _PIECE_TAGS:
        tags = np.flatnonzero(raw == _TAG)
        while cut := _cut_after(html, start, tags):
            yield html[start:cut]
            start = cut
    yield html[start:] if start else html


def _cut_after(html: bytes, start: int, tags: npt.NDArray[np.intp]) -> int:
    """Return the end of the piece that begins at `start`, or 0 for the end of the page."""
    last = int(np.searchsorted(tags, start)) + _PIECE_TAGS
    if last >= len(tags):
        return 0
    at = int(tags[last])
    lowered = html[start : at + _CUT_WITHIN].lower()
    at -= start
    for _ in range(_BLOCKS_TRIED):
        block = _BLOCK.search(lowered, at)
        if not block:
            break
        cut = block.start()
        inside = next(
            (end for begin, end in _RAW_TEXT if lowered.rfind(begin, 0, cut) > lowered.rfind(end, 0, cut)), b""
        )
        if not inside:
            return start + cut
        at = lowered.find(inside, cut)
        if at < 0:
            break
    return int(tags[last])


def without_long_tags(html: bytes) -> bytes:
    """Return a page without tags of many kilobytes and a thousand attributes.

    Such a tag is text after a stray "<". A parser compares each attribute with those before it, so a book of a
    megabyte in one tag takes minutes. An image, or another tag that is read, keeps the attributes that are read.
    """
    parts: list[bytes] = []
    kept = at = 0
    while at + _TAG_BYTES <= len(html):
        if html.find(b">", at, at + _TAG_BYTES) >= 0:
            at += _TAG_BYTES
            continue
        stop = html.find(b">", at) + 1 or len(html)
        tag = _TAG_START.search(html, html.rfind(b">", kept, at) + 1 or kept, stop)
        if tag and html.find(b"</", tag.start(), stop) < 0 and _has_many_attributes(html, tag.start()):
            part, end = _read_part(html, tag.start(), stop)
            parts += (html[kept : tag.start()], part)
            kept = stop = end
        at = stop
    return b"".join([*parts, html[kept:]]) if parts else html


def _has_many_attributes(html: bytes, at: int) -> bool:
    return next(islice(_attributes(html, at), _MAX_ATTRIBUTES, None), (b"",))[0] != b""


def _read_part(html: bytes, at: int, stop: int) -> tuple[bytes, int]:
    """Return the tag at `at` with only the attributes that are read, and its end; b"" for a tag that is not read.

    Args:
        stop: the end of a tag that is not read.
    """
    name = _READ_TAG.match(html, at)
    if not name:
        return b"", stop
    part = [name.group()]
    seen: set[bytes] = set()
    end = at
    for attribute, start, end in _attributes(html, at):
        if attribute in _READ_ATTRIBUTES and attribute not in seen:
            seen.add(attribute)
            part.append(html[start:end])
    return b" ".join(part) + b">", max(end, stop)
