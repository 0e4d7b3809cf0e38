"""Read the images of a page, each with its texts and its urls.

lexbor builds the tree, and parses as browsers without scripting do: `<noscript>` is markup, entities are decoded once.
Of most pages it gets only the tags that are read (`html_tags`).

The urls of an image are:

1. its `src`, if it is usable. A WAT has only this url, so all pairs of a WAT are found in the WARC too;
2. the first usable of `data-src`, `data-original`, `data-lazy-src`, if it differs from a usable `src`. Of 12,177
   `<img>` with text in 1,024 real pages, 390 have both, with different urls. Most of these `src` are one placeholder
   for the whole page, some are a smaller copy, and the url alone does not show which;
3. only if neither is usable: the largest url of `srcset`, of `data-srcset`, or of the `<source>` of its `<picture>`. If
   the image has a usable `src`, these are the same picture in other sizes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from selectolax.lexbor import LexborDocumentOptions, LexborHTMLParser, LexborNode

from metaclip_spark.extract.optouts import META_NAMES
from metaclip_spark.extract.warc.html_pieces import pieces_of, up_to_last_image, without_long_tags
from metaclip_spark.extract.warc.html_tags import TagReader

LAZY_SOURCES = ("data-src", "data-original", "data-lazy-src")
_LAZY = frozenset(LAZY_SOURCES)
SETS = ("srcset", "data-srcset")
SIZES = ("width", "height")
_OTHERS = ("src", *LAZY_SOURCES, *SETS, *SIZES)
"""Attributes of an image that are read besides its texts."""

_FIGURE_LEVELS = 16
_TEMPLATE_LEVELS = 4
# Without "events", lexbor does not fill a <selectedcontent> with copies: a page could ask for any number of copies.
_PARSER_OPTIONS = LexborDocumentOptions.WO_EVENTS.value
_OPT_OUT_METAS = ",".join(f'meta[name="{name}" i]' for name in META_NAMES)
_SET_URL = re.compile(r"[^\s,]\S*")


class HtmlPage:
    """A page, parsed up to its last image; a large page is parsed in pieces.

    Attributes:
        base: the `href` of the first `<base>` that has one, or None.
        metas: the attributes of each `<meta>` anywhere in the first piece, in their order.
    """

    def __init__(self, html: bytes, fields: Sequence[str]) -> None:
        """Parse the page's first piece; most pages have only one.

        Args:
            html: the page in UTF-8; invalid bytes become U+FFFD in the strings that are read.
            fields: the wanted text fields. Without og:title, `metas` has only the tags that `optouts` needs.
        """
        self.base: str | None = None
        self.metas: list[dict[str, str | None]] = []
        self._fields = frozenset(fields)
        og = "og:title" in fields
        self._selector = f"img,base,template,{'meta' if og else _OPT_OUT_METAS}"
        self._tags: TagReader | None = None
        if not og and "figcaption" not in fields:
            html = up_to_last_image(html, fields)
            self._tags = TagReader(fields, _OTHERS)
        self._pieces = pieces_of(without_long_tags(html))
        first = next(self._pieces)
        self._first = self._image_nodes(first, self.metas) if first else []

    def images(self) -> Iterator[HtmlImage]:
        """Yield the `<img>` that may have a text, in order; those inside a `<template>` come last in their piece.

        A second call yields none.
        """
        captioned = "figcaption" in self._fields
        nodes, self._first = self._first, []
        while True:
            shared = _Shared({}, {})
            for node in nodes:
                attributes = node.attributes
                if captioned or not self._fields.isdisjoint(attributes):
                    yield HtmlImage(node, attributes, shared)
            nodes = []
            piece = next(self._pieces, None)
            if piece is None:
                return
            nodes = self._image_nodes(piece, [])

    def _image_nodes(self, piece: bytes, metas: list[dict[str, str | None]]) -> list[LexborNode]:
        images: list[LexborNode] = []
        tags = self._tags.read(piece) if self._tags is not None else None
        if tags == b"":
            return images
        if tags:
            piece = tags
        # First the page's tree, then the contents of each <template>, which lexbor keeps as separate trees.
        trees: list[Any] = [LexborHTMLParser(piece, options=_PARSER_OPTIONS)]
        for _ in range(_TEMPLATE_LEVELS):
            inside: list[LexborNode] = []
            for tree in trees:
                nodes = tree.css(self._selector)
                in_tree = [node for node in nodes if node.tag == "img"]
                images += in_tree
                if len(in_tree) < len(nodes) and self._add_others(nodes, metas):
                    inside += tree.template_fragments()
            trees = inside
        return images

    def _add_others(self, nodes: list[LexborNode], metas: list[dict[str, str | None]]) -> bool:
        """Add the nodes that are no images to `metas` and `base`; return whether there is a `<template>`."""
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


class _Shared(NamedTuple):
    """What the images of a piece share, by the `mem_id` of its element.

    Attributes:
        captions: the caption of a figure.
        sources: the largest url of each set of a picture's sources.
    """

    captions: dict[int, str | None]
    sources: dict[int, list[str]]


class HtmlImage:
    """An `<img>` with its attributes and surroundings; its urls are not resolved and its texts not cleaned."""

    __slots__ = ("_node", "_shared", "attributes")

    def __init__(self, node: LexborNode, attributes: dict[str, str | None], shared: _Shared) -> None:
        self._node = node
        self._shared = shared
        self.attributes = attributes

    def texts(self, fields: Sequence[str]) -> list[tuple[str, str]]:
        """Return (field, unchanged text) for each wanted field that the image has, also if the text is empty."""
        attributes = self.attributes
        texts = [(field, attributes[field] or "") for field in fields if field in attributes]
        if "figcaption" in fields and (caption := self._figcaption()):
            texts.append(("figcaption", caption))
        return texts

    @property
    def src(self) -> str | None:
        """The attribute `src`, None if it is missing or empty."""
        return self.attributes.get("src")

    @property
    def is_lazy(self) -> bool:
        """Whether the image has an attribute that scripts for lazy loading read."""
        return not _LAZY.isdisjoint(self.attributes)

    def lazy_sources(self) -> list[str]:
        """Return the urls in attributes that scripts read; a value with braces is a list or a template, not a url."""
        values = (self.attributes.get(name) for name in LAZY_SOURCES)
        return [url for url in values if url and "{" not in url]

    def largest_sources(self) -> list[str]:
        """Return the largest url of each set: `srcset`, `data-srcset`, and those of the enclosing `<picture>`."""
        largest = _largest_of_each(self.attributes.get(name) for name in SETS)
        picture = self._node.parent
        if picture is None or picture.tag != "picture":
            return largest
        of_pictures, key = self._shared.sources, picture.mem_id
        if key not in of_pictures:
            sources = [node.attributes for node in picture.iter() if node.tag == "source"]
            of_pictures[key] = _largest_of_each(source.get(name) for name in SETS for source in sources)
        return largest + of_pictures[key]

    def sizes(self) -> list[tuple[str, str]] | None:
        """Return the attributes width and height that are present, or None."""
        attributes = self.attributes
        if "width" not in attributes and "height" not in attributes:
            return None
        return [(name, size) for name in SIZES if (size := attributes.get(name))] or None

    def _figcaption(self) -> str | None:
        """Return the caption of the innermost enclosing figure, with white space collapsed as browsers do."""
        node: Any = self._node
        for _ in range(_FIGURE_LEVELS):
            node = node.parent
            if node is None:
                return None
            if node.tag == "figure":
                break
        else:
            return None
        captions, key = self._shared.captions, node.mem_id
        if key not in captions:
            caption = next((child for child in node.iter() if child.tag == "figcaption"), None)
            captions[key] = None if caption is None else " ".join(caption.text().split())
        return captions[key]


def _largest_of_each(sets: Iterable[str | None]) -> list[str]:
    return [url for one in sets if one and (url := largest_of(one))]


def largest_of(srcset: str) -> str:
    """Return the url with the largest width, or density if there are no widths; the first of equals.

    >>> largest_of("s.jpg 320w, l.jpg 1024w, m.jpg 640w"), largest_of("one.jpg, two.jpg 2x")
    ('l.jpg', 'two.jpg')
    """
    best, chosen = (False, -1.0), ""
    at = 0
    while match := _SET_URL.search(srcset, at):
        url, at = match.group(), match.end()
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
    """Return (whether the descriptor is a width, its number); an empty descriptor is a density of 1."""
    word = descriptor.split(None, 1)[0] if descriptor else "1x"
    try:
        number = float(word[:-1])
    except ValueError:
        return False, 0.0
    return word[-1] == "w", number if 0 <= number < 1e9 else 0.0


def og_image(metas: list[dict[str, str | None]]) -> tuple[str, str] | None:
    """Return the page's first (og:image, og:title), or None if one of them is missing or empty."""
    tags: dict[str, str] = {}
    for meta in metas:
        content = meta.get("content")
        for name in (meta.get("property"), meta.get("name")):
            if name in ("og:image", "og:title") and content:
                tags.setdefault(name, content)
    return (tags["og:image"], tags["og:title"]) if len(tags) == 2 else None
