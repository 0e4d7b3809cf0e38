"""A page -> its images, each with its texts and its urls.

The tree is lexbor's, which parses as browsers without scripting do: `<noscript>` is markup, entities are decoded once.

Which urls an image has:

1. its `src`, if that is usable (every pair of a WAT, which has nothing else, is then here too);
2. the first usable of `data-src`, `data-original`, `data-lazy-src`, if it is another one: beside a usable `src` too. Of
   12,177 `<img>` with text in 1,024 real pages, 390 have both and they differ; most of these `src` are one placeholder
   for a whole page, some a smaller copy, and the url alone does not say which;
3. only where there is neither: the largest of `srcset`, of `data-srcset`, or of the `<source>` of its `<picture>`.
   Beside a usable `src` they are the same picture in other sizes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
from selectolax.lexbor import LexborDocumentOptions, LexborHTMLParser, LexborNode

LAZY_SOURCES = ("data-src", "data-original", "data-lazy-src")
_LAZY = frozenset(LAZY_SOURCES)
SETS = ("srcset", "data-srcset")
SIZES = ("width", "height")

_PIECE_TAGS = 4096
_TAG_BYTES = 1 << 14
_TAG_WORDS = 1000
_FIGURE_LEVELS = 16
_TEMPLATE_LEVELS = 4
_TRIED_IMAGES = 20
# Without "events" a <selectedcontent> is not filled with copies, of which a page could ask for any number.
_PARSER_OPTIONS = LexborDocumentOptions.WO_EVENTS.value
_SEEN_BYTES = 1 << 16
_OPT_OUT_METAS = 'meta[name="robots" i],meta[name="tdm-reservation" i]'
_BLOCK = re.compile(rb"<(?:p|div|li|tr|td|dt|dd|h[1-6]|section|article|figure|table|ul)[\s>]")
_TAG_START = re.compile(rb"<[A-Za-z]")
_MAYBE_IMAGE = re.compile(rb"<[iI][mM]")
_TAG_NAME = re.compile(rb"<[^\s/>]*")
_ATTRIBUTE = re.compile(rb"[\s/]*(?:([^\s/>][^\s/>=]*)|(>))")
_VALUE = re.compile(rb"\s*=\s*(?:\"[^\"]*\"|'[^']*'|(?=>)|[^\s>\"'][^\s>]*)")
_EQUALS = re.compile(rb"\s*=")
_RAW_TEXT = ((b"<script", b"</script"), (b"<style", b"</style"), (b"<!--", b"-->"))
_SET_URL = re.compile(r"[^\s,]\S*")


class HtmlPage:
    """A page, parsed as far as its last image, and piece by piece where it is a large one.

    Attributes:
        base: the `href` of the first `<base>` that has one, or None.
        metas: the attributes of each `<meta>`, in their order, wherever it stands in the first piece.
    """

    def __init__(self, html: bytes, fields: Sequence[str]) -> None:
        """Parse the page's first piece; most pages have no other.

        Args:
            html: the page in UTF-8; bytes that are not become U+FFFD in what is read of it.
            fields: the wanted texts. Without og:title, `metas` has only those that say what `optouts` asks.
        """
        self.base: str | None = None
        self.metas: list[dict[str, str | None]] = []
        self._fields = frozenset(fields)
        own = "og:title" in fields
        self._wanted = f"img,base,template,{'meta' if own else _OPT_OUT_METAS}"
        if not own and "figcaption" not in fields:
            html = up_to_last_image(html, fields)
        self._pieces = pieces_of(without_long_tags(html))
        first = next(self._pieces)
        self._first = self._image_nodes(first, self.metas) if first else []

    def images(self) -> Iterator[HtmlImage]:
        """Yield the `<img>` with texts once, in their order; those inside a `<template>` come last in their piece."""
        captioned = "figcaption" in self._fields
        nodes, self._first = self._first, []
        while True:
            captions: dict[int, str | None] = {}
            for node in nodes:
                attributes = node.attributes
                if captioned or not self._fields.isdisjoint(attributes):
                    yield HtmlImage(node, attributes, captions)
            nodes = []
            piece = next(self._pieces, None)
            if piece is None:
                return
            nodes = self._image_nodes(piece, [])

    def _image_nodes(self, piece: bytes, metas: list[dict[str, str | None]]) -> list[LexborNode]:
        images: list[LexborNode] = []
        # The tree, and then what stands inside a <template>, which is no part of it: a tree of its own.
        trees: list[Any] = [LexborHTMLParser(piece, options=_PARSER_OPTIONS)]
        for _ in range(_TEMPLATE_LEVELS):
            inside: list[LexborNode] = []
            for tree in trees:
                nodes = tree.css(self._wanted)
                found = [node for node in nodes if node.tag == "img"]
                images += found
                if len(found) < len(nodes) and self._gather(nodes, metas):
                    inside += tree.template_fragments()
            trees = inside
        return images

    def _gather(self, nodes: list[LexborNode], metas: list[dict[str, str | None]]) -> bool:
        """Take what is no image; returns whether there is a `<template>`."""
        templates = False
        for node in nodes:
            tag = node.tag
            if tag == "meta":
                metas.append(node.attributes)
            elif tag == "base":
                self.base = self.base or node.attributes.get("href")
            elif tag == "template":
                templates = True
        return templates


class HtmlImage:
    """An `<img>`: what its attributes and surroundings say, nothing resolved or cleaned."""

    __slots__ = ("_captions", "_node", "attributes")

    def __init__(self, node: LexborNode, attributes: dict[str, str | None], captions: dict[int, str | None]) -> None:
        self._node = node
        self._captions = captions
        self.attributes = attributes

    def texts(self, fields: Sequence[str]) -> list[tuple[str, str]]:
        """Return (field, text as it stands) for each wanted field that the image has, empty ones too."""
        attributes = self.attributes
        found = [(field, attributes[field] or "") for field in fields if field in attributes]
        if "figcaption" in fields and (caption := self._figcaption()):
            found.append(("figcaption", caption))
        return found

    @property
    def src(self) -> str | None:
        """The attribute `src`, None where it is missing or empty."""
        return self.attributes.get("src")

    @property
    def is_lazy(self) -> bool:
        """Whether it has an attribute that scripts read."""
        return not _LAZY.isdisjoint(self.attributes)

    def lazy_sources(self) -> list[str]:
        """Return the urls in attributes that scripts read; a list or a template with braces in it is no url."""
        found = (self.attributes.get(name) for name in LAZY_SOURCES)
        return [url for url in found if url and "{" not in url]

    def largest_sources(self) -> list[str]:
        """Return the largest url of each set: `srcset`, `data-srcset`, and those of the enclosing `<picture>`."""
        sets = [self.attributes.get(name) for name in SETS]
        picture = self._node.parent
        if picture is not None and picture.tag == "picture":
            sources = [node.attributes for node in picture.iter() if node.tag == "source"]
            sets += [source.get(name) for name in SETS for source in sources]
        return [url for one in sets if one and (url := largest_of(one))]

    def sizes(self) -> list[tuple[str, str]] | None:
        """Return the attributes width and height that are there, None where there is neither."""
        attributes = self.attributes
        if "width" not in attributes and "height" not in attributes:
            return None
        return [(name, size) for name in SIZES if (size := attributes.get(name))] or None

    def _figcaption(self) -> str | None:
        """Return the text of the innermost enclosing figure's caption, white space collapsed as browsers do."""
        node: Any = self._node
        for _ in range(_FIGURE_LEVELS):
            node = node.parent
            if node is None:
                return None
            if node.tag == "figure":
                break
        else:
            return None
        key = node.mem_id
        if key not in self._captions:
            caption = next((child for child in node.iter() if child.tag == "figcaption"), None)
            self._captions[key] = None if caption is None else " ".join(caption.text().split())
        return self._captions[key]


def largest_of(srcset: str) -> str:
    """Return the url with the largest width, or density where no width is given; the first of equals.

    >>> largest_of("s.jpg 320w, l.jpg 1024w, m.jpg 640w"), largest_of("one.jpg, two.jpg 2x")
    ('l.jpg', 'two.jpg')
    """
    best, chosen = (False, -1.0), ""
    at = 0
    while found := _SET_URL.search(srcset, at):
        url, at = found.group(), found.end()
        descriptor = ""
        if url[-1] == ",":
            url = url.rstrip(",")
        else:
            comma = srcset.find(",", at)
            stop = comma if comma >= 0 else len(srcset)
            descriptor, at = srcset[at:stop].strip().lower(), stop
        size = _size(descriptor)
        if size > best and url[:5].lower() != "data:":
            best, chosen = size, url
    return chosen


def _size(descriptor: str) -> tuple[bool, float]:
    """Return (whether it is a width, the number); no descriptor is a density of 1."""
    word = descriptor.split(None, 1)[0] if descriptor else "1x"
    try:
        number = float(word[:-1])
    except ValueError:
        return False, 0.0
    return word[-1] == "w", number if 0 <= number < 1e9 else 0.0


def og_image(metas: list[dict[str, str | None]]) -> tuple[str, str] | None:
    """Return the page's first (og:image, og:title), None where one of them is missing or empty."""
    found: dict[str, str] = {}
    for meta in metas:
        content = meta.get("content")
        for name in (meta.get("property"), meta.get("name")):
            if name in ("og:image", "og:title") and content:
                found.setdefault(name, content)
    return (found["og:image"], found["og:title"]) if len(found) == 2 else None


def up_to_last_image(html: bytes, fields: Sequence[str]) -> bytes:
    """Return a page up to the end of the last `<img>` with a wanted attribute, b"" where it has none.

    A quarter of the bytes comes after it. What is cut off can change neither the images before it nor, as a rule, the
    head. A page that has no such `<img>` in its bytes is not parsed at all.
    """
    wanted = {field.encode() for field in fields}
    stop = 0
    for at in islice(_images_from_the_end(html), _TRIED_IMAGES):
        stop, names = _tag(html, at)
        if not wanted.isdisjoint(names):
            return html[:stop]
        stop = at
    return html[:stop]


def _images_from_the_end(html: bytes) -> Iterator[int]:
    """Yield where an `<img>`, `<IMG>` or `<image>` (which is one too) may start, the last first."""
    end = len(html)
    while end >= 0:
        usual = html.rfind(b"<img", 0, end)
        yield from reversed([found.start() for found in _MAYBE_IMAGE.finditer(html, usual + 1, end)])
        if usual >= 0:
            yield usual
        end = usual


def _tag(html: bytes, at: int) -> tuple[int, list[bytes]]:
    """Return where the tag that starts at a place ends (the page's end where it has none), and its attributes."""
    at = _TAG_NAME.match(html, at).end()
    names = []
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

    Parsing costs tags times depth: a megabyte of `<div>` takes minutes in one piece, and seconds in several. Cuts are
    before block elements and outside scripts, styles and comments. Few pages are cut: 28 of 1,024 real ones.
    """
    start = 0
    is_tag = np.frombuffer(html, np.uint8) == ord("<")
    if np.count_nonzero(is_tag) > _PIECE_TAGS:
        tags = np.flatnonzero(is_tag)
        while cut := _cut_after(html, start, tags):
            yield html[start:cut]
            start = cut
    yield html[start:] if start else html


def _cut_after(html: bytes, start: int, tags: np.ndarray) -> int:
    """Return where the piece that begins at `start` ends, 0 for the end of the page."""
    last = int(np.searchsorted(tags, start)) + _PIECE_TAGS
    if last >= len(tags):
        return 0
    at = int(tags[last])
    lowered = html[start : at + _SEEN_BYTES].lower()
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
    """Return a page without tags of many kilobytes and a thousand words: text after a stray "<", not attributes.

    Each attribute is compared with those before it: a book of a megabyte as one tag takes minutes.
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
