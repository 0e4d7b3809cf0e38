"""Read the JSON of a WAT record: the page's url, its base, and its image links.

Decoding a record in full costs many times as much as inflating it, and few of its links are images. So a record in the
usual form, as all extractors write it, is only validated as JSON: `cut_links` finds its image links, and the part
outside `Links` is decoded. Any other record is decoded in full, and so is a page that may opt out. Both ways detect
broken JSON anywhere in the record and give the same pages, even if image links are nested deeper inside `Links` than
extractors put them. Only the maximum depth of nested JSON (about 1,000 levels) differs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import simdjson

from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.core.jit import bytes_of
from metaclip_spark.core.text import without_surrogates
from metaclip_spark.core.urls.resolve import resolve
from metaclip_spark.errors import UnusualRecordError
from metaclip_spark.extract.optouts import opt_out_of, opt_out_words
from metaclip_spark.extract.wat.links import CUT, FULL, SPANS, cut_links, cut_page

_IMAGE_PATH = "IMG@/src"
_PATH_TO_HTML = ("Payload-Metadata", "HTTP-Response-Metadata", "HTML-Metadata")
_KEEP_BYTES = 1 << 23  # a parser keeps the memory of its largest record: after a larger one it is replaced
_BUFFER_BYTES = 1 << 16
_CUT = int(CUT)
_WRITE = msgspec.json.Encoder().encode
_Link = dict[str, "str | None"]


class Page(msgspec.Struct, gc=False):
    """The fields of a record that concern the whole page.

    Attributes:
        url: the page's url, "" if the record has none.
        base: the base of the page's relative urls.
        opt_out: the page's opt-out if it is honoured, else None.
    """

    url: str
    base: str
    opt_out: str | None = None


class Links(NamedTuple):
    """The image links of a page that have a text, in order; og:image with og:title comes last, if it is wanted.

    Attributes:
        raw: (n,) uint8, the JSON with the links.
        spans: (m, SPANS) int64; the first `number` rows are the positions of the links' strings in `raw`. The array
            belongs to the reader and is valid until the next record is read.
        number: the number of links.
    """

    raw: npt.NDArray[np.uint8]
    spans: npt.NDArray[np.int64]
    number: int


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


class PageReader:
    """A reader of the pages of one source."""

    def __init__(self, options: ExtractOptions) -> None:
        self._opt_outs = options.opt_outs
        self._og = "og:title" in options.text_fields
        self._parser = simdjson.Parser()
        self._spans = np.empty((256, SPANS), np.int64)
        self._allocate(_BUFFER_BYTES)
        self._decode = msgspec.json.Decoder(_Outside).decode
        words = opt_out_words(options.opt_outs)
        self._opt_out_words = np.array([word.encode() for word in words], "S32").view(np.uint8).reshape(-1, 32)

    def read(
        self, payload: bytes | memoryview, raw: npt.NDArray[np.uint8] | None = None, at: int = 0
    ) -> tuple[Page, Links] | None:
        """Return the page that a record describes and its links, or None if it has no page or no such link.

        Args:
            payload: a record's JSON.
            raw: (n,) uint8, bytes that contain `payload`, if they are at hand as an array of `bytes_of`.
            at: where in `raw` the payload begins.

        Raises:
            ValueError, RecursionError: the record is not JSON.
        """
        try:
            return self.in_parts(payload, bytes_of(payload) if raw is None else raw, at)
        except UnusualRecordError:
            return self.in_full(payload)
        finally:
            if len(payload) > _KEEP_BYTES:
                self._parser = simdjson.Parser()
                self._allocate(_BUFFER_BYTES)

    def in_parts(
        self, payload: bytes | memoryview, raw: npt.NDArray[np.uint8], at: int = 0
    ) -> tuple[Page, Links] | None:
        """Read a record at a fraction of the cost of `in_full`, with the same arguments (those of `read`) and result.

        Raises:
            UnusualRecordError: the record is not JSON, or not as extractors write it, or the page may opt out.
        """
        if self._og:
            raise UnusualRecordError
        if len(payload) > self._capacity:
            self._allocate(2 * len(payload))
        end = at + len(payload)
        while True:
            links, start, stop, size, plain = cut_page(raw, at, end, self._spans, self._outside, self._opt_out_words)
            if links != FULL:
                break
            self._more_spans()
        if links < 0:
            raise UnusualRecordError
        try:
            if not stop:
                self._parser.parse(payload)
                return None
            # If both parts are JSON, the whole record is JSON, and the array that begins at `start` ends at `stop`.
            page = self._page(self._view[:size], plain)
            self._parser.parse(payload[start:stop])
        except (ValueError, RuntimeError):
            raise UnusualRecordError from None
        return (page, Links(raw[at:end], self._spans, links)) if page is not None and links else None

    def _allocate(self, size: int) -> None:
        self._capacity = size
        self._outside = np.empty(size + len(CUT), np.uint8)
        self._view = self._outside.data

    def _more_spans(self) -> None:
        self._spans = np.empty((2 * len(self._spans), SPANS), np.int64)

    def _page(self, outside: memoryview, is_ascii: bool) -> Page | None:
        try:
            if not is_ascii:
                str(outside, "utf-8")  # msgspec does not validate the bytes of strings that it skips
            envelope = self._decode(outside).envelope
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise UnusualRecordError from None
        payload = envelope.payload if envelope else None
        http = payload.http if payload else None
        html = http.html if http else None
        if envelope is None or html is None or html.links != _CUT:
            raise UnusualRecordError
        header = envelope.header
        if header is None or header.type != "response":
            return None
        url = header.uri or ""
        base = html.head.base if html.head else None
        return Page(url, _base(url, base) if base else url)

    def in_full(self, payload: bytes | memoryview) -> tuple[Page, Links] | None:
        """Decode a record in full; arguments, result and errors as for `read`."""
        record = json.loads(bytes(payload))
        header = _get(_get(record, "Envelope"), "WARC-Header-Metadata")
        if _string(_get(header, "WARC-Type")) != "response":
            return None
        html = _get(_get(record, "Envelope"), *_PATH_TO_HTML)
        url = _string(_get(header, "WARC-Target-URI")) or ""
        links = _get(html, "Links")
        images = list(_image_links(links)) if isinstance(links, list) else []
        metas = _get(html, "Head", "Metas")
        metas = [meta for meta in metas if isinstance(meta, dict)] if isinstance(metas, list) else []
        headers = _get(record, "Envelope", *_PATH_TO_HTML[:-1], "Headers")
        headers = headers.items() if isinstance(headers, dict) else ()
        if self._og:
            images += _og_link(metas)
        named = ((meta.get("name"), meta.get("content")) for meta in metas)
        opt_out = opt_out_of(named, headers, self._opt_outs) if self._opt_outs else None
        if not images:
            return None
        raw = bytes_of(b"[%b]" % b",".join(map(_WRITE, images)))  # as extractors write them
        while len(images) > len(self._spans):
            self._more_spans()
        cut_links(raw, self._spans)
        page = Page(url, _base(url, _string(_get(html, "Head", "Base"))), opt_out)
        return page, Links(raw, self._spans, len(images))


def _image_links(value: Any) -> Iterator[_Link]:
    """Yield the image links in a value, at any depth, in their order."""
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
    """Yield the page's first og:image with its first og:title, if the page has both."""
    tags: dict[str, str] = {}
    for meta in metas:
        content = _string(meta.get("content"))
        for name in ("og:image", "og:title"):
            if content is not None and name in (meta.get("property"), meta.get("name")):
                tags.setdefault(name, content)
    if len(tags) == 2:
        yield {"path": _IMAGE_PATH, "url": tags["og:image"], "og:title": tags["og:title"]}


def _base(url: str, base: str | None) -> str:
    return (resolve(url, base) or url) if base else url


def _get(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _text(value: Any) -> str | None:
    return without_surrogates(value) if isinstance(value, str) else None


def _string(value: Any) -> str | None:
    """Return a string, or the first one of a list (a repeated header), without lone surrogates; else None."""
    if isinstance(value, list) and value:
        value = value[0]
    return without_surrogates(value) if isinstance(value, str) else None
