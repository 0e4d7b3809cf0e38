"""The levels of a WAT record's JSON, any of which may be missing or null.

A WAT that was made from ARC files has `ARC-Header-Metadata` in the place of `WARC-Header-Metadata`. An ARC record has
no type: it is a response if it has the metadata of one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import msgspec
import simdjson

from metaclip_spark.core.text import without_surrogates
from metaclip_spark.extract.optouts import opt_out_of

_IMAGE_PATH = "IMG@/src"
_PATH_TO_HTML = ("Payload-Metadata", "HTTP-Response-Metadata", "HTML-Metadata")
_WARC, _ARC = "WARC-Header-Metadata", "ARC-Header-Metadata"
_TYPE = f"/Envelope/{_WARC}/WARC-Type"
_Link = dict[str, "str | None"]


class _Head(msgspec.Struct, gc=False):
    base: str | None = msgspec.field(name="Base", default=None)


class Html(msgspec.Struct, gc=False):
    """The level `HTML-Metadata`."""

    links: Any = msgspec.field(name="Links", default=None)
    head: _Head | None = msgspec.field(name="Head", default=None)


class _Http(msgspec.Struct, gc=False):
    html: Html | None = msgspec.field(name="HTML-Metadata", default=None)


class _Payload(msgspec.Struct, gc=False):
    http: _Http | None = msgspec.field(name="HTTP-Response-Metadata", default=None)


class _WarcHeader(msgspec.Struct, gc=False):
    type: str | None = msgspec.field(name="WARC-Type", default=None)
    uri: str | None = msgspec.field(name="WARC-Target-URI", default=None)


class _ArcHeader(msgspec.Struct, gc=False):
    uri: str | None = msgspec.field(name="Target-URI", default=None)


class _Envelope(msgspec.Struct, gc=False):
    warc: _WarcHeader | None = msgspec.field(name=_WARC, default=None)
    arc: _ArcHeader | None = msgspec.field(name=_ARC, default=None)
    payload: _Payload | None = msgspec.field(name="Payload-Metadata", default=None)

    @property
    def html(self) -> Html | None:
        http = self.payload.http if self.payload else None
        return http.html if http else None

    @property
    def page_url(self) -> str | None:
        """The url of a response, "" if it has none; None if the record is no response."""
        if self.warc is not None and self.warc.type is not None:
            return self.warc.uri or "" if self.warc.type == "response" else None
        return self.arc.uri or "" if self.arc is not None else None


class Outside(msgspec.Struct, gc=False):
    """A whole record whose links are cut; `_Envelope` is what is read of it."""

    envelope: _Envelope | None = msgspec.field(name="Envelope", default=None)


class Decoded(NamedTuple):
    """A page whose record was decoded in full.

    Attributes:
        url: the page's url, "" if the record has none.
        base: the value of the attribute in `<base>`, or None.
        images: the page's image links that have a text.
        beyond: the number of further image links with a text, over the maximum per page.
        opt_out: the page's opt-out if it is honoured, else None.
    """

    url: str
    base: str | None
    images: list[_Link]
    beyond: int
    opt_out: str | None


def decode_in_full(payload: bytes | memoryview, opt_outs: Sequence[str], og: bool, most: int) -> Decoded | str:
    """Decode a record; return its page, or the reason why the record is passed over.

    Args:
        payload: the record's JSON.
        opt_outs: the opt-outs to honour.
        og: whether og:image with og:title is a link.
        most: the maximum number of image links to return.

    Raises:
        ValueError, RecursionError: the record is not JSON.
    """
    record = json.loads(bytes(payload))
    envelope = _get(record, "Envelope")
    http = _get(envelope, *_PATH_TO_HTML[:-1])
    url = _page_url(envelope, http)
    if url is None:
        return "not_response"
    html = _get(http, _PATH_TO_HTML[-1])
    if not isinstance(html, dict):
        return "not_page"
    links = html.get("Links")
    found = _image_links(links) if isinstance(links, list) else iter(())
    images = list(islice(found, most))
    beyond = sum(1 for _ in found)
    metas = _get(html, "Head", "Metas")
    metas = [meta for meta in metas if isinstance(meta, dict)] if isinstance(metas, list) else []
    headers = _get(http, "Headers")
    headers = headers.items() if isinstance(headers, dict) else ()
    for link in _og_link(metas) if og else ():
        if len(images) < most:
            images.append(link)
        else:
            beyond += 1
    named = ((meta.get("name"), meta.get("content")) for meta in metas)
    opt_out = opt_out_of(named, headers, opt_outs) if opt_outs else None
    return Decoded(url, _string(_get(html, "Head", "Base")), images, beyond, opt_out)


def passed_over(record: Any) -> str:
    """Return the reason why a record without an image is passed over.

    Args:
        record: the record as simdjson parsed it. Nothing of it is kept.
    """
    if not isinstance(record, simdjson.Object):
        return "not_response"
    kind = _at(record, _TYPE)
    if kind.__class__ is str and kind != "response":
        return "not_response"
    if isinstance(kind, simdjson.Array):
        kind = kind[0] if len(kind) else ""
    http = None
    if kind is None and isinstance(_at(record, f"/Envelope/{_ARC}"), simdjson.Object):
        http = _at(record, "/Envelope/" + "/".join(_PATH_TO_HTML[:-1]))
        kind = "response" if isinstance(http, simdjson.Object) else None
    if kind != "response":
        return "not_response"
    html = _at(record, "/Envelope/" + "/".join(_PATH_TO_HTML))
    return "no_image_text" if isinstance(html, simdjson.Object) else "not_page"


def _at(record: simdjson.Object, pointer: str) -> Any:
    try:
        return record.at_pointer(pointer)
    except (KeyError, ValueError, TypeError, IndexError):
        return None


def _page_url(envelope: Any, http: Any) -> str | None:
    """Return the url of a response, "" if it has none; None if the record is no response."""
    warc, arc = _get(envelope, _WARC), _get(envelope, _ARC)
    kind = _get(warc, "WARC-Type")
    if kind is not None:
        return _string(_get(warc, "WARC-Target-URI")) or "" if _string(kind) == "response" else None
    if isinstance(arc, dict) and isinstance(http, dict):
        return _string(arc.get("Target-URI")) or ""
    return None


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
