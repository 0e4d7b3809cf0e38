"""Tell whether an http(s) url has a host that a browser accepts.

The rule is that of the URL standard: no white space, `<`, `>`, `%` or other forbidden character in the host after
percent-decoding, a complete IPv6 address between brackets, an IPv4 address within its range, a port up to 65535.
Most hosts are ASCII names, which need no parser.
"""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

_LABELS = r"(?:[A-Za-z0-9_-]+\.)*[A-Za-z_-][A-Za-z0-9_-]*(?::[0-9]{1,4})?"
USUAL_HOST = re.compile(_LABELS)
"""Hosts, with their port, that every browser accepts: the rule of `host_kernels.end_of_usual_host`."""
_USUAL_URL = re.compile(rf"[Hh][Tt][Tt][Pp][Ss]?://{_LABELS}(?:[/?#\\]|\Z)")
_UP_TO_HOST = re.compile(r"[\0-\x20]*[Hh][Tt][Tt][Pp][Ss]?:[/\\\t\r\n]*[^/?#\\]*")
_MAX_CHARS = 4096  # of scheme, user, host and port: a domain has at most 253 characters
_KEPT = 4096


def has_host(url: str) -> bool:
    """Return whether a browser finds a host in an http(s) url; False for any other url.

    >>> has_host("http://example.org/a b.jpg"), has_host("http://a b/c.jpg"), has_host("http://[::1")
    (True, False, False)
    """
    if _USUAL_URL.match(url):
        return True
    found = _UP_TO_HOST.match(url)
    if found is None or found.end() > _MAX_CHARS:
        return False
    # With a path, spaces after the host are part of the host; without one, they are stripped.
    return _parses(found[0] if found.end() == len(url) else f"{found[0]}/")


@lru_cache(_KEPT)
def _parses(start: str) -> bool:
    """Return whether the start of a url, up to its port, is a url to a browser; no path or query is ever refused."""
    import ada_url  # with the first unusual host, so that others need no parser

    return bool(ada_url.check_url(start))


def bad_hosts(urls: pa.Array) -> npt.NDArray[np.bool_]:
    """Return which of the urls are http(s) urls without a host that a browser accepts.

    Args:
        urls: string array of n.

    Returns:
        bool, shape (n,); False where the url is null, or has another scheme or none.
    """
    # These need numba. `has_host` works without it.
    from metaclip_spark.core.jit import buffers_of
    from metaclip_spark.core.urls.host_kernels import unusual_hosts

    data, offsets = buffers_of(pc.fill_null(urls, ""))
    bad = np.empty(len(urls), np.bool_)
    unusual_hosts(data, offsets, bad)
    for row in np.flatnonzero(bad).tolist():
        bad[row] = not has_host(urls[row].as_py())
    return bad
