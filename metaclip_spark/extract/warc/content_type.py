"""Decide whether a body is an HTML page: by its content type as the web writes it, or by its first bytes."""

from __future__ import annotations

import re

HTML_TYPES = ("text/html", "application/xhtml+xml")
_UNKNOWN = ("unknown/unknown", "application/unknown", "*/*")
_TYPE = re.compile(r"[\s\"']*([^\s\"',;:]*)")
_VALID = re.compile(r"[\w!#$%&'*+.^`|~-]+/[\w!#$%&'*+.^`|~-]+", re.ASCII)
_SNIFFED_BYTES = 1024
_TAGS = rb"!doctype\s+html|html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p|!--"
_HTML_START = re.compile(
    rb"[\t\n\f\r ]*<(?:" + _TAGS + rb")[\s>]|<\?xml[^>]{0,200}>\s*<(?:!doctype|html)", re.IGNORECASE
)
_HTML_WITHIN = re.compile(rb"<(?:!doctype\s+html|html|head|body|title|meta)\b", re.IGNORECASE)


def is_html_type(content_type: str) -> bool | None:
    """Return whether a content type is that of a page, or None if it is unknown and the body decides.

    The web writes more than the syntax of HTTP allows: "text/html charset=utf-8", "text/html, text/html", quotes. One
    HTML type in a list is enough. A value that is no type, "html" say, is unknown, as browsers have it.

    >>> is_html_type("TEXT/HTML;charset=utf-8"), is_html_type("text/plain"), is_html_type("html")
    (True, False, None)
    """
    types = [match.group(1).lower() for part in content_type.split(",") if (match := _TYPE.match(part))]
    known = [kind for kind in types if _VALID.fullmatch(kind) and kind not in _UNKNOWN]
    return any(kind in HTML_TYPES for kind in known) if known else None


def looks_like_html(body: bytes) -> bool:
    """Return whether the first bytes are HTML, by the tags of the MIME Sniffing Standard, or by a tag of its head."""
    return _HTML_START.match(body) is not None or _HTML_WITHIN.search(body, 0, _SNIFFED_BYTES) is not None
