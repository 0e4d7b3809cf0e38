"""Write the url that a browser requests, by the URL Standard, for a url as a page has it.

The Standard (https://url.spec.whatwg.org/) percent-encodes spaces, other characters outside ASCII, and some marks; it
drops tabs and line ends, reads a backslash as a slash, resolves dot segments, and writes hosts in lower case and in
Punycode. `%` stays, whatever follows it, so that an encoded url is not encoded again. A request has no fragment.

A page's own charset is not known here: the characters of a query are encoded as UTF-8, as on most pages.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

# Urls of this form are as a browser requests them already; the Standard would return them unchanged. The parser gets,
# besides unusual characters: upper case and labels that begin with "xn" (Punycode) in a host, a host that ends in a
# number (it may be an address), user names, ports, an empty path, and segments that begin with a dot or an encoded dot.
_LABEL = "[a-wyz0-9_-][a-z0-9_-]*|x(?:[a-mo-z0-9_-][a-z0-9_-]*)?"
_HOST = rf"(?:(?:{_LABEL})\.)+[a-z]+"
_FIRST = r"[!$&-\-0-;=@-\[\]_a-z|~]|%[013-9A-Fa-f]"
_REST = r"[!$-.0-;=@-\[\]_a-z|~]"
_PATH = rf"(?:/(?:(?:{_FIRST}){_REST}*)?)+"
_QUERY = r"\?[!$-&(-;=?-~]*"
_SCHEMES = ("http://", "https://")
_REQUESTED = rf"^https?://{_HOST}{_PATH}(?:{_QUERY})?$"


def request_url(url: str) -> str | None:
    """Return the url that a browser requests; None where the URL Standard refuses it, or it is not http or https.

    >>> request_url("HTTPS://Example.org/my photo.jpg?size=é#top")
    'https://example.org/my%20photo.jpg?size=%C3%A9'
    >>> request_url("http://a b/c.jpg")
    """
    import ada_url  # with the first unusual url, so that others need no parser

    try:
        href: str = ada_url.normalize_url(url)
    except ValueError:
        return None
    # In what the Standard writes, "#" stands only before the fragment.
    return href.partition("#")[0] if href.startswith(_SCHEMES) else None


def request_urls(urls: pa.Array) -> pa.Array:
    """Return the url that a browser requests for each url; null where `request_url` gives None.

    Only urls of an unusual form become Python strings.

    Args:
        urls: string array of n; a null stays null.

    Returns:
        String array of n.
    """
    urls = urls.cast(pa.string())
    unusual = pc.fill_null(pc.invert(pc.match_substring_regex(urls, _REQUESTED)), False)
    if not pc.any(unusual).as_py():
        return urls
    parsed = [request_url(url) for url in urls.filter(unusual).to_pylist()]
    return pc.replace_with_mask(urls, unusual, pa.array(parsed, pa.string()))


def requested(urls: pa.Array) -> tuple[pa.Array, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return the urls to request, which of them were rewritten, and which were refused and stay as found.

    Args:
        urls: string array of n.

    Returns:
        String array of n; bool[n]; bool[n].
    """
    found = request_urls(urls)
    refused = pc.and_(pc.is_null(found), pc.is_valid(urls))
    changed = pc.fill_null(pc.not_equal(found, urls), False)
    return (
        pc.coalesce(found, urls),
        changed.to_numpy(zero_copy_only=False),
        refused.to_numpy(zero_copy_only=False),
    )
