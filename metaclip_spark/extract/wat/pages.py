"""Read the JSON of a WAT record: the page's url, its base, and its image links.

Decoding a record in full costs many times as much as inflating it, and few of its links are images. So a record in the
usual form, as all extractors write it, is only validated as JSON: `cut_links` finds its image links, and the part
outside `Links` is decoded. Any other record is decoded in full, and so is a page that may opt out. Both ways detect
broken JSON anywhere in the record and give the same pages, even if image links are nested deeper inside `Links` than
extractors put them. Only the maximum depth of nested JSON (about 1,000 levels) and of a record's size differ: a record
is decoded in full up to `MAX_DECODED_BYTES`, because its Python objects take many times its size.
"""

from __future__ import annotations

import re

import msgspec
import numpy as np
import numpy.typing as npt
import simdjson

from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.core.jit import bytes_of
from metaclip_spark.core.references import decode_references
from metaclip_spark.core.urls.resolve import resolve
from metaclip_spark.errors import UnusualRecordError
from metaclip_spark.extract.optouts import opt_out_words
from metaclip_spark.extract.wat.envelope import Outside, decode_in_full, passed_over
from metaclip_spark.extract.wat.links import CUT, FULL, SPANS, cut_links, cut_page
from metaclip_spark.extract.wat.page import Links, Page

MAX_DECODED_BYTES = 32 << 20
"""Bytes of the largest record, or part of a record, of which every value is decoded."""

_PIECE_BYTES = 1 << 22  # of an array of links that is validated at once; the parser needs 14 times as much
_BETWEEN_LINKS = re.compile(rb'\},\{"')
_KEEP_BYTES = 1 << 23  # a parser keeps the memory of its largest record: after a larger one it is replaced
_MAX_URL_CHARS = 1 << 16  # of a page, and of its base: every text of the page has a copy
_BUFFER_BYTES = 1 << 16
_USUAL_BASE = re.compile(r"https?://[A-Za-z0-9.-]+(?:/[A-Za-z0-9._~%/-]*)?")
_CUT = int(CUT)
_WRITE = msgspec.json.Encoder().encode


_NO_TEXT = "no_image_text"


class PageReader:
    """A reader of the pages of one source.

    Attributes:
        encoded: whether the attributes in the records that follow still have character references.
    """

    def __init__(self, options: ExtractOptions) -> None:
        self.encoded = True
        self._opt_outs = options.opt_outs
        self._og = "og:title" in options.text_fields
        self._link_cap = options.link_cap
        self._parser = simdjson.Parser()
        self._spans = np.empty((256, SPANS), np.int64)
        self._allocate(_BUFFER_BYTES)
        self._decode = msgspec.json.Decoder(Outside).decode
        words = opt_out_words(options.opt_outs)
        self._opt_out_words = np.array([word.encode() for word in words], "S32").view(np.uint8).reshape(-1, 32)

    def read(
        self, payload: bytes | memoryview, raw: npt.NDArray[np.uint8] | None = None, at: int = 0
    ) -> tuple[Page, Links] | str:
        """Return the page that a record describes and its links, or the reason why the record is passed over.

        Args:
            payload: a record's JSON.
            raw: (n,) uint8, bytes that contain `payload`, if they are at hand as an array of `bytes_of`.
            at: where in `raw` the payload begins.

        Raises:
            ValueError, RecursionError: the record is not JSON, or too large to be decoded.
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
    ) -> tuple[Page, Links] | str:
        """Read a record at a fraction of the cost of `in_full`, with the same arguments (those of `read`) and result.

        Raises:
            UnusualRecordError: the record is not JSON, or not as extractors write it, or the page may opt out.
            ValueError: the url of the page is too long.
        """
        if self._og:
            raise UnusualRecordError
        if len(payload) > self._capacity:
            self._allocate(len(payload) if len(payload) > _KEEP_BYTES else 2 * len(payload))
        end, most = at + len(payload), self._link_cap
        while True:
            links, start, stop, size, plain = cut_page(
                raw, at, end, self._spans, most, self._outside, self._opt_out_words
            )
            if links != FULL:
                break
            self._more_spans()
        if links < 0 or (size if stop else len(payload)) > MAX_DECODED_BYTES:
            raise UnusualRecordError
        try:
            if not stop:
                record = self._parser.parse(payload)
                return "not_response" if start else passed_over(record)
            # If both parts are JSON, the whole record is JSON, and the array that begins at `start` ends at `stop`.
            page = self._page(self._view[:size], plain)
            if stop - start <= _PIECE_BYTES:
                self._parser.parse(payload[start:stop])
            else:
                self._validate(payload[start:stop])
        except (ValueError, RuntimeError):
            raise UnusualRecordError from None
        if isinstance(page, str):
            return page
        number = min(links, most)
        return (page, Links(raw[at:end], self._spans, number, links - number)) if number else _NO_TEXT

    def _validate(self, links: bytes | memoryview) -> None:
        """Validate the JSON of a large array of links, in pieces that are each an array of links.

        Raises:
            ValueError, RuntimeError: the array is not JSON, or not as extractors write it.
        """
        at = 1
        while at < len(links):
            found = _BETWEEN_LINKS.search(links, at + _PIECE_BYTES)
            stop = found.start() + 1 if found else len(links) - 1
            if stop - at > MAX_DECODED_BYTES:
                raise UnusualRecordError
            self._parser.parse(b"[%b]" % bytes(links[at:stop]))
            at = stop + 1

    def _allocate(self, size: int) -> None:
        self._capacity = size
        self._outside = np.empty(size + len(CUT), np.uint8)
        self._view = self._outside.data

    def _more_spans(self) -> None:
        self._spans = np.empty((2 * len(self._spans), SPANS), np.int64)

    def _page(self, outside: memoryview, is_ascii: bool) -> Page | str:
        try:
            if not is_ascii:
                str(outside, "utf-8")  # msgspec does not validate the bytes of strings that it skips
            envelope = self._decode(outside).envelope
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise UnusualRecordError from None
        html = envelope.html if envelope else None
        if envelope is None or html is None or html.links != _CUT:
            raise UnusualRecordError
        url = envelope.page_url
        if url is None:
            return "not_response"
        if len(url) > _MAX_URL_CHARS:
            raise _too_long(url)
        return self.page(url, html.head.base if html.head else None)

    def page(self, url: str, base: str | None) -> Page:
        """Return a page that does not opt out, for its url and the value of the attribute in `<base>`."""
        return Page(url, self._base(url, base) if base else url, self.encoded)

    def in_full(self, payload: bytes | memoryview) -> tuple[Page, Links] | str:
        """Decode a record in full; arguments, result and errors as for `read`."""
        if len(payload) > MAX_DECODED_BYTES:
            raise ValueError(f"a record of {len(payload)} bytes that is not as extractors write it")
        found = decode_in_full(payload, self._opt_outs, self._og, self._link_cap)
        if isinstance(found, str):
            return found
        if len(found.url) > _MAX_URL_CHARS:
            raise _too_long(found.url)
        if not found.images:
            return _NO_TEXT
        raw = bytes_of(b"[%b]" % b",".join(map(_WRITE, found.images)))  # as extractors write them
        while len(found.images) >= len(self._spans):
            self._more_spans()
        cut_links(raw, self._spans, len(found.images))
        base = self._base(found.url, found.base) if found.base else found.url
        page = Page(found.url, base, self.encoded, found.opt_out)
        return page, Links(raw, self._spans, len(found.images), found.beyond)

    def _base(self, url: str, base: str) -> str:
        """Return the base of a page's relative urls, for the value of the attribute in `<base>`."""
        if len(base) > _MAX_URL_CHARS:
            return url
        if _USUAL_BASE.fullmatch(base) and url.isascii() and "[" not in url and "]" not in url:
            return base  # as `urljoin` returns it, which takes ten times as long
        return resolve(url, (decode_references(base) if self.encoded else base).strip()) or url


def _too_long(url: str) -> ValueError:
    return ValueError(f"a page whose url has {len(url)} characters; expected at most {_MAX_URL_CHARS}")
