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
from metaclip_spark.extract.byte_search import count_of, last_image

_TAG = ord("<")
_PIECE_TAGS = 4096
_TAG_BYTES = 1 << 14
_TAG_WORDS = 1000
_MAX_IMAGES_TRIED = 20
_CUT_WITHIN = 1 << 16
_BLOCK = re.compile(rb"<(?:p|div|li|tr|td|dt|dd|h[1-6]|section|article|figure|table|ul)[\s>]")
_TAG_START = re.compile(rb"<[A-Za-z]")
_TAG_NAME = re.compile(rb"<[^\s/>]*")
_ATTRIBUTE = re.compile(rb"[\s/]*(?:([^\s/>][^\s/>=]*)|(>))")
_VALUE = re.compile(rb"\s*=\s*(?:\"[^\"]*\"|'[^']*'|(?=>)|[^\s>\"'][^\s>]*)")
_EQUALS = re.compile(rb"\s*=")
_RAW_TEXT = ((b"<script", b"</script"), (b"<style", b"</style"), (b"<!--", b"-->"))


def up_to_last_image(html: bytes, fields: Sequence[str]) -> bytes:
    """Return a page up to the end of the last `<img>` with a wanted attribute, b"" if it has no such `<img>`.

    The bytes after this `<img>`, a quarter of all bytes, can change neither the images before them nor, as a rule, the
    head. A page without such an `<img>` is not parsed at all.
    """
    wanted = {field.encode() for field in fields}
    stop = len(html)
    images = _images_from_the_end(html)
    for at in islice(images, _MAX_IMAGES_TRIED):
        stop, names = _tag(html, at)
        if not wanted.isdisjoint(names):
            return html[:stop]
        stop = at
    return html[:stop] if next(images, None) is not None else b""


def _images_from_the_end(html: bytes) -> Iterator[int]:
    """Yield the positions where an `<img>`, `<IMG>` or `<image>` (parsed as `<img>`) may start, the last first."""
    raw = bytes_of(html)
    at = last_image(raw, len(raw))
    while at >= 0:
        yield at
        at = last_image(raw, at)


def _tag(html: bytes, at: int) -> tuple[int, list[bytes]]:
    """Return (end of the tag that starts at `at`, or of the page if the tag has no end; names of its attributes)."""
    if name := _TAG_NAME.match(html, at):
        at = name.end()
    names: list[bytes] = []
    while attribute := _ATTRIBUTE.match(html, at):
        at = attribute.end()
        if attribute.group(2):
            return at, names
        names.append(attribute.group(1).lower())
        value = _VALUE.match(html, at)
        if value:
            at = value.end()
        elif _EQUALS.match(html, at):
            break
    return len(html), names


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
    while block := _BLOCK.search(lowered, at):
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
    """Return a page without tags of many kilobytes and a thousand words.

    Such a tag is text after a stray "<". A parser compares each attribute with those before it, so a book of a
    megabyte in one tag takes minutes.
    """
    parts: list[bytes] = []
    kept = at = 0
    while at + _TAG_BYTES <= len(html):
        if html.find(b">", at, at + _TAG_BYTES) >= 0:
            at += _TAG_BYTES
            continue
        stop = html.find(b">", at) + 1 or len(html)
        tag = _TAG_START.search(html, html.rfind(b">", kept, at) + 1 or kept, stop)
        if tag and html.find(b"</", tag.start(), stop) < 0 and len(html[tag.start() : stop].split()) > _TAG_WORDS:
            parts.append(html[kept : tag.start()])
            kept = stop
        at = stop
    return b"".join([*parts, html[kept:]]) if parts else html
