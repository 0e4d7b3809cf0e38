"""Get the page out of a WARC record: the HTML of a response or a resource, or why the record has none."""

from __future__ import annotations

from typing import NamedTuple

from metaclip_spark.errors import BrokenResponseError
from metaclip_spark.extract.records.dialect import WARC
from metaclip_spark.extract.records.record import Record
from metaclip_spark.extract.warc.content_type import is_html_type, looks_like_html
from metaclip_spark.extract.warc.responses import body_of, response_of

KINDS = (b"response", b"resource")
"""The types of the records that may hold a page."""
_HTTP_TYPES = ("application/http", "message/http")


class Content(NamedTuple):
    """The content of a record that holds a page.

    Attributes:
        body: the page's bytes, without codings.
        content_type: the page's content type as its server sent it, or as the record has it; it may name a charset.
        headers: (name, value) of each HTTP header field; none for a resource.
    """

    body: bytes
    content_type: str
    headers: list[tuple[str, str]]


def content_of(record: Record, kind: bytes) -> Content | str:
    """Return the page of a record, or the reason to pass the record over, of the ledger's `PASSED_OVER`.

    The crawler's own finding, `WARC-Identified-Payload-Type`, makes a page of a body whose content type says otherwise.

    Args:
        record: a record of a WARC.
        kind: its type, one of `KINDS`.

    Raises:
        BrokenResponseError: the record, its HTTP header, or its body cannot be read.
    """
    content_type = record.get(b"content-type").decode("latin-1")
    is_http = content_type.lower().startswith(_HTTP_TYPES) or (
        not content_type and (record.skipped or bytes(record.payload[:5]) == b"HTTP/")
    )
    if kind == b"response" and not is_http:
        return "not_response"  # of another protocol, dns say
    found = record.get(b"warc-identified-payload-type")
    identified = is_html_type(found.decode("latin-1")) if found else None
    headers: list[tuple[str, str]] = []
    if is_http:
        _check_size(record)
        response = response_of(record.payload)
        headers, content_type = response.headers, response.get("content-type")
    is_html = identified or is_html_type(content_type)
    if is_html is False:
        return "not_page"
    _check_size(record)
    body = response.body() if is_http else body_of(record.payload)
    if is_html is None and not looks_like_html(body):
        return "not_page"
    return Content(body, content_type, headers)


def _check_size(record: Record) -> None:
    if record.skipped:
        length = record.get(b"content-length")
        raise BrokenResponseError(f"a record of more than {WARC.max_block_bytes} bytes: its length is {length!r}")
