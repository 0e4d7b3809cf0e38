"""Find the origin of a url, which is what one robots.txt is for, and the path that its rules are for."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from metaclip_spark.core.urls.request import request_url, request_urls

_ORIGIN = r"^(?P<scheme>https?://)(?:[^/?#]*@)?(?P<host>[^/?#]*)"
_SPLIT = re.compile(r"(https?://)(?:[^/?#]*@)?([^/?#]*)(.*)", re.DOTALL)
_FINAL_DOT = r"\.(:\d+)?$"
_ROBOTS = "/robots.txt"


def origins_of(urls: pa.Array) -> pa.DictionaryArray:
    """Return the origin of each url, as a browser requests it: `scheme://host`, with a port unless it is the default.

    Args:
        urls: string array of n.

    Returns:
        Dictionary array of n (values: string, distinct); null where the url is null or is not http or https.
    """
    encoded = urls.cast(pa.string()).dictionary_encode()  # a batch has few pages, with many texts each
    parts = pc.extract_regex(request_urls(encoded.dictionary), _ORIGIN)
    host = pc.replace_substring_regex(pc.struct_field(parts, "host"), _FINAL_DOT, r"\1")
    origins = pc.binary_join_element_wise(pc.struct_field(parts, "scheme"), host, "").dictionary_encode()
    return pa.DictionaryArray.from_arrays(origins.indices.take(encoded.indices), origins.dictionary)


def path_of(url: str) -> str:
    """Return the path and query of a url, as a browser requests it; "/" where the url cannot be requested.

    >>> path_of("http://example.org:80/a b?c#d"), path_of("http://example.org")
    ('/a%20b?c', '/')
    """
    found = _SPLIT.match(request_url(url) or "")
    return found[3] if found else "/"


def robots_key(url: str) -> str | None:
    """Return the key of a robots.txt: the origin that it is for, or its url where it is none's; None if it has no key.

    Only a file at `/robots.txt` is for its origin. Any other may be where a redirect leads.

    >>> robots_key("HTTP://Example.org:80/robots.txt"), robots_key("https://example.org/en/robots.txt")
    ('http://example.org', 'https://example.org/en/robots.txt')
    """
    found = _SPLIT.match(request_url(url) or "")
    if found is None:
        return None
    origin = found[1] + re.sub(_FINAL_DOT, r"\1", found[2])
    return origin if found[3] == _ROBOTS else origin + found[3]
