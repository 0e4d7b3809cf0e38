"""The JSON of a WAT record -> the page it describes: its address, its base, and its image links.

Decoding a record in full costs many times what inflating it does, and few of its links are images. So the usual
record, as all extractors write it, is held against JSON's grammar, cut at the bytes that begin an image link, and
only those links and what is left outside `Links` are decoded. Anything else is decoded in full, and broken JSON is
noticed wherever it is. Both ways give the same pages; where image links stand deeper inside `Links` than extractors
put them, both take them too. Only how deep JSON may be nested (about 1,000 levels) depends on the way.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import msgspec
import simdjson

from metaclip_spark.extract.options import ExtractOptions
from metaclip_spark.extract.optouts import may_opt_out, opt_out_of
from metaclip_spark.extract.records import find
from metaclip_spark.extract.urls import resolve
from metaclip_spark.text import without_surrogates

_IMAGE_PATH = "IMG@/src"
_IMAGE = b'IMG@/src"'
_PATH_TO_HTML = ("Payload-Metadata", "HTTP-Response-Metadata", "HTML-Metadata")
_KEEP_PARSER_BYTES = 1 << 23  # a parser keeps the memory of the largest record that it has seen
_CUT = 7_142_857_142_857  # stands in for the links that were cut out; no WAT has it there
_FEW_ESCAPES = 100
_ESCAPES_IN_A_PATH = {b"u002", b"u004", b"u006", b"u007"}
_KNOWN_NAMES = 1000


class Link(msgspec.Struct, gc=False):
    """An image link; a text that is not there, or no string, is None."""

    url: str | None = None
    alt: str | None = None
    title: str | None = None
    path: Literal["IMG@/src"] | None = None  # links come without theirs; a second one must say the same
    og_title: ClassVar[str | None] = None


class OgLink(Link, gc=False):
    """A page's og:image with its og:title."""

    og_title: str | None = None


class Page(msgspec.Struct, gc=False):
    """What a record says about a page.

    Attributes:
        url: the page's address, "" where there is none.
        base: where relative urls start.
        links: its image links that have a text, in the record's order, and og:image with og:title where that is wanted.
        opt_out: the opt-out that is honoured, or None.
    """

    url: str
    base: str
    links: list[Link]
    opt_out: str | None = None


class _Meta(msgspec.Struct, gc=False):
    name: str | None = None
    content: str | None = None


class _Head(msgspec.Struct, gc=False):
    base: str | None = msgspec.field(name="Base", default=None)
    metas: list[_Meta] | None = msgspec.field(name="Metas", default=None)


class _Html(msgspec.Struct, gc=False):
    links: Any = msgspec.field(name="Links", default=None)
    head: _Head | None = msgspec.field(name="Head", default=None)


class _Http(msgspec.Struct, gc=False):
    headers: dict[str, str | list[str]] | None = msgspec.field(name="Headers", default=None)
    html: _Html | None = msgspec.field(name="HTML-Metadata", default=None)


class _Payload(msgspec.Struct, gc=False):
    http: _Http | None = msgspec.field(name="HTTP-Response-Metadata", default=None)


class _Header(msgspec.Struct, gc=False):
    type: str | None = msgspec.field(name="WARC-Type", default=None)
    uri: str | None = msgspec.field(name="WARC-Target-URI", default=None)


class _Envelope(msgspec.Struct, gc=False):
    header: _Header | None = msgspec.field(name="WARC-Header-Metadata", default=None)
    payload: _Payload | None = msgspec.field(name="Payload-Metadata", default=None)


class _Outside(msgspec.Struct, gc=False):
    envelope: _Envelope | None = msgspec.field(name="Envelope", default=None)


class Unusual(Exception):
    """The record is not written as extractors write it; it has to be decoded in full."""


class PageReader:
    """Reads the pages of one source."""

    def __init__(self, options: ExtractOptions) -> None:
        self._opt_outs = options.opt_outs
        self._og = "og:title" in options.text_fields
        self._parser = simdjson.Parser()
        self._links = msgspec.json.Decoder(list[Link])
        self._outside = msgspec.json.Decoder(_Outside)
        self._harmless: set[str | None] = set()  # names of meta tags and headers that say nothing about opting out

    def read(self, payload: bytes) -> Page | None:
        """Return the page that a record describes, None where it describes none.

        Raises:
            ValueError, RecursionError: the record is not JSON.
        """
        try:
            return self.in_parts(payload)
        except Unusual:
            return self.in_full(payload)
        finally:
            if len(payload) > _KEEP_PARSER_BYTES:
                self._parser = simdjson.Parser()

    def in_parts(self, payload: bytes) -> Page | None:
        """Return what `in_full` returns, at a fraction of its cost.

        Raises:
            Unusual: the record is not JSON, or not as extractors write it.
        """
        if self._og or _may_spell_a_path(payload):
            raise Unusual
        first = find(payload, _IMAGE)
        if first < 0:
            self._must_be_json(payload)
            return None
        images, end = _cut_images(payload, first)
        # A quote after a comma or brace, with a letter after it, can only be one that begins a string.
        start = find(payload, b'"Links":[{"path":"', 0, first)
        stop = find(payload, b'}],"Head":{', end - 1)
        if stop < 0:
            stop = payload.rfind(b"}]", end - 1)
        if start < 1 or stop < 0 or payload[start - 1] not in b",{":
            raise Unusual
        start, stop = start + 8, stop + 2
        outside = b"%b%d%b" % (payload[:start], _CUT, payload[stop:])
        # Both parts are JSON, so the whole is, and `stop` is where the array ends that begins at `start`.
        self._must_be_json(outside)
        self._must_be_json(memoryview(payload)[start:stop])
        return self._page(outside, images)

    def _must_be_json(self, raw: bytes | memoryview) -> None:
        try:
            self._parser.parse(raw)
        except (ValueError, RuntimeError):
            raise Unusual from None

    def _page(self, outside: bytes, images: list[bytes]) -> Page | None:
        try:
            envelope = self._outside.decode(outside).envelope
            header, http = envelope.header, envelope.payload.http
            html = http.html
            if html.links != _CUT:
                raise Unusual
        except (msgspec.MsgspecError, ValueError, AttributeError, RecursionError):
            raise Unusual from None
        if header is None or header.type != "response":
            return None
        url, head = header.uri or "", html.head or _Head()
        opt_out = self._opt_out(head.metas or [], http.headers or {}) if self._opt_outs else None
        return Page(url, _base(url, head.base), self._images(images), opt_out)

    def _opt_out(self, metas: list[_Meta], headers: dict[str, str | list[str]]) -> str | None:
        """Return what `opt_out_of` does; the names that nearly all tags and headers have are known and passed over."""
        named = ({meta.name for meta in metas} | headers.keys()) - self._harmless
        saying = {name for name in named if may_opt_out(name)}
        if len(self._harmless) < _KNOWN_NAMES:
            self._harmless |= named - saying
        if not saying:
            return None
        said = ((meta.name, meta.content) for meta in metas if meta.name in saying)
        return opt_out_of(said, ((name, headers[name]) for name in saying & headers.keys()), self._opt_outs)

    def _images(self, images: list[bytes]) -> list[Link]:
        try:
            links = self._links.decode(b'[{"":0%b]' % b',{"":0'.join(images))
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise Unusual from None
        if len(links) != len(images):
            raise Unusual
        return [link for link in links if link.alt is not None or link.title is not None]

    def in_full(self, payload: bytes) -> Page | None:
        """Decode a record in full; arguments, result and errors as for `read`."""
        record = json.loads(payload)
        header = _get(_get(record, "Envelope"), "WARC-Header-Metadata")
        if _string(_get(header, "WARC-Type")) != "response":
            return None
        html = _get(_get(record, "Envelope"), *_PATH_TO_HTML)
        url = _string(_get(header, "WARC-Target-URI")) or ""
        links = _get(html, "Links")
        found = list(_image_links(links)) if isinstance(links, list) else []
        metas = _get(html, "Head", "Metas")
        metas = [meta for meta in metas if isinstance(meta, dict)] if isinstance(metas, list) else []
        headers = _get(record, "Envelope", *_PATH_TO_HTML[:-1], "Headers")
        headers = headers.items() if isinstance(headers, dict) else ()
        if self._og:
            found += _og_link(metas)
        named = ((meta.get("name"), meta.get("content")) for meta in metas)
        opt_out = opt_out_of(named, headers, self._opt_outs) if self._opt_outs else None
        return Page(url, _base(url, _string(_get(html, "Head", "Base"))), found, opt_out)


def _image_links(value: Any) -> Iterator[Link]:
    """Yield the image links in a value at any depth, in their order."""
    if isinstance(value, dict):
        if value.get("path") == _IMAGE_PATH:
            link = Link(_string(value.get("url")), _text(value.get("alt")), _text(value.get("title")))
            if link.alt is not None or link.title is not None:
                yield link
        value = value.values()
    for inner in value:
        if isinstance(inner, (dict, list)):
            yield from _image_links(inner)


def _og_link(metas: list[dict[str, Any]]) -> Iterator[Link]:
    """Yield the page's first og:image with its first og:title, if it has both."""
    found: dict[str, str] = {}
    for meta in metas:
        content = _string(meta.get("content"))
        for name in ("og:image", "og:title"):
            if content is not None and name in (meta.get("property"), meta.get("name")):
                found.setdefault(name, content)
    if len(found) == 2:
        yield OgLink(found["og:image"], og_title=found["og:title"])


def _base(url: str, base: str | None) -> str:
    return (resolve(url, base) or url) if base else url


def _cut_images(payload: bytes, at: int) -> tuple[list[bytes], int]:
    """Cut out the image links from behind their path to the first quote with a brace; returns where the last one ends.

    A brace behind a quote may also begin a string: decoding such a piece fails, so every piece has to be decoded.

    Args:
        at: the first place where the path of images stands.

    Raises:
        Unusual: it stands somewhere else than at the start of an object.
    """
    images = []
    while at >= 0:
        if not payload.startswith(b'{"path":"', at - 9):
            raise Unusual
        end = payload.find(b"}", at)
        while end >= 0 and payload[end - 1] != 34:  # a brace inside a string
            end = payload.find(b"}", end + 1)
        if end < 0:
            raise Unusual
        images.append(payload[at + 9 : end + 1])
        at = find(payload, _IMAGE, end)
    return images, end + 1


def _may_spell_a_path(raw: bytes) -> bool:
    r"""Return whether an escape in the record may stand for a character of an image link's path (`\u0049MG@\/src`)."""
    at = raw.find(b"\\")
    for _ in range(_FEW_ESCAPES):
        if at < 0:
            return False
        after = raw[at + 1 : at + 5]
        if after[:1] == b"/" and raw[at - 1] == 64 or after in _ESCAPES_IN_A_PATH:
            return True
        at = raw.find(b"\\", at + 2)
    return b"@\\/" in raw or b"\\u00" in raw


def _get(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _text(value: Any) -> str | None:
    return without_surrogates(value) if isinstance(value, str) else None


def _string(value: Any) -> str | None:
    """Return a string that UTF-8 can hold, the first one of a list (a repeated header), or None."""
    if isinstance(value, list) and value:
        value = value[0]
    return without_surrogates(value) if isinstance(value, str) else None
