"""The JSON of a WAT record -> the page it describes: its address, its base, and its image links.

Decoding a record in full costs many times what inflating it does, and few of its links are images. So the usual
record, as all extractors write it, is held against JSON's grammar, its image links are cut out by `cut_links`, and only
what is left outside `Links` is decoded. Anything else is decoded in full (a page that may opt out, too); broken JSON
is noticed wherever it is. Both ways give the same pages; where image links stand deeper inside `Links` than extractors
put them, both take them too. Only how deep JSON may be nested (about 1,000 levels) depends on the way.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import numpy as np
import simdjson

from metaclip_spark.extract.options import ExtractOptions
from metaclip_spark.extract.optouts import opt_out_of, opt_out_words
from metaclip_spark.extract.records import find
from metaclip_spark.extract.urls import resolve
from metaclip_spark.extract.wat_links import FULL, SPANS, UNUSUAL, cut_links, mentions_any
from metaclip_spark.kernels import bytes_of
from metaclip_spark.text import without_surrogates

_IMAGE_PATH = "IMG@/src"
_PATH_TO_HTML = ("Payload-Metadata", "HTTP-Response-Metadata", "HTML-Metadata")
_KEEP_PARSER_BYTES = 1 << 23  # a parser keeps the memory of the largest record that it has seen
_CUT = 7_142_857_142_857  # stands in for the links that were cut out; no WAT has it there
_NO_SPANS = np.empty((0, SPANS), np.int64)
_WRITE = msgspec.json.Encoder().encode
_Link = dict[str, "str | None"]


class Page(msgspec.Struct, gc=False):
    """What a record says about a page as a whole.

    Attributes:
        url: the page's address, "" where there is none.
        base: where relative urls start.
        opt_out: the opt-out that is honoured, or None.
    """

    url: str
    base: str
    opt_out: str | None = None


class Links(NamedTuple):
    """A page's image links that have a text, in their order; last og:image with og:title, where that is wanted.

    Attributes:
        raw: JSON in which they stand.
        spans: (links, SPANS) int64, where in it their strings are.
    """

    raw: bytes | memoryview
    spans: np.ndarray


class _Head(msgspec.Struct, gc=False):
    base: str | None = msgspec.field(name="Base", default=None)


class _Html(msgspec.Struct, gc=False):
    links: Any = msgspec.field(name="Links", default=None)
    head: _Head | None = msgspec.field(name="Head", default=None)


class _Http(msgspec.Struct, gc=False):
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
        self._spans = np.empty((256, SPANS), np.int64)
        self._outside = msgspec.json.Decoder(_Outside)
        said = opt_out_words(options.opt_outs)
        self._said = np.array([word.encode().ljust(32) for word in said], "S32").view(np.uint8).reshape(-1, 32)
        self._said_sizes = np.array([len(word) for word in said], np.int64)

    def read(self, payload: bytes | memoryview) -> tuple[Page, Links] | None:
        """Return the page that a record describes and its links, None where there is no page or no such link.

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

    def in_parts(self, payload: bytes | memoryview) -> tuple[Page, Links] | None:
        """Return what `in_full` returns, at a fraction of its cost.

        Raises:
            Unusual: the record is not JSON, or not as extractors write it.
        """
        if self._og:
            raise Unusual
        spans, first, end = self._cut(payload)
        if first < 0:
            self._must_be_json(payload)
            return None
        # A quote after a comma or brace, with a letter after it, can only be one that begins a string.
        start = find(payload, b'"Links":[{"path":"', 0, first)
        stop = find(payload, b'}],"Head":{', end - 1)
        if stop < 0:
            stop = bytes(payload).rfind(b"}]", end - 1)
        if start < 1 or stop < 0 or payload[start - 1] not in b",{":
            raise Unusual
        start, stop = start + 8, stop + 2
        outside = b"%b%d%b" % (payload[:start], _CUT, payload[stop:])
        if mentions_any(bytes_of(outside), self._said, self._said_sizes):
            raise Unusual  # the page may opt out: few do
        # Both parts are JSON, so the whole is, and `stop` is where the array ends that begins at `start`.
        page = self._page(outside)
        self._must_be_json(memoryview(payload)[start:stop])
        return (page, Links(payload, spans)) if page is not None and len(spans) else None

    def _cut(self, raw: bytes | memoryview) -> tuple[np.ndarray, int, int]:
        """Return the spans of the image links with a text, where the first image link's path stands, and the last ends.

        Raises:
            Unusual: a link is not written as extractors write it.
        """
        data = bytes_of(raw)
        while True:
            links, first, end = cut_links(data, self._spans)
            if links != FULL:
                break
            self._spans = np.empty((2 * len(self._spans), SPANS), np.int64)
        if links == UNUSUAL:
            raise Unusual
        return self._spans[:links].copy() if links else _NO_SPANS, first, end

    def _must_be_json(self, raw: bytes | memoryview) -> None:
        try:
            self._parser.parse(raw)
        except (ValueError, RuntimeError):
            raise Unusual from None

    def _page(self, outside: bytes) -> Page | None:
        try:
            str(outside, "utf-8")  # msgspec does not look at the bytes of strings that it passes over
            envelope = self._outside.decode(outside).envelope
            header, http = envelope.header, envelope.payload.http
            html = http.html
            if html.links != _CUT:
                raise Unusual
        except (msgspec.MsgspecError, ValueError, AttributeError, RecursionError):
            raise Unusual from None
        if header is None or header.type != "response":
            return None
        url = header.uri or ""
        return Page(url, _base(url, html.head.base if html.head else None))

    def in_full(self, payload: bytes | memoryview) -> tuple[Page, Links] | None:
        """Decode a record in full; arguments, result and errors as for `read`."""
        record = json.loads(bytes(payload))
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
        raw = b"[%b]" % b",".join(map(_WRITE, found))  # as extractors write them
        spans, _, _ = self._cut(raw)
        return (
            (Page(url, _base(url, _string(_get(html, "Head", "Base"))), opt_out), Links(raw, spans)) if found else None
        )


def _image_links(value: Any) -> Iterator[_Link]:
    """Yield the image links in a value at any depth, in their order."""
    if isinstance(value, dict):
        if value.get("path") == _IMAGE_PATH:
            texts = {name: _text(value.get(name)) for name in ("alt", "title")}
            if texts["alt"] is not None or texts["title"] is not None:
                yield {"path": _IMAGE_PATH, "url": _string(value.get("url")), **texts}
        value = value.values()
    for inner in value:
        if isinstance(inner, (dict, list)):
            yield from _image_links(inner)


def _og_link(metas: list[dict[str, Any]]) -> Iterator[_Link]:
    """Yield the page's first og:image with its first og:title, if it has both."""
    found: dict[str, str] = {}
    for meta in metas:
        content = _string(meta.get("content"))
        for name in ("og:image", "og:title"):
            if content is not None and name in (meta.get("property"), meta.get("name")):
                found.setdefault(name, content)
    if len(found) == 2:
        yield {"path": _IMAGE_PATH, "url": found["og:image"], "og:title": found["og:title"]}


def _base(url: str, base: str | None) -> str:
    return (resolve(url, base) or url) if base else url


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
