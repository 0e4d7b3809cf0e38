"""An image's url as a page has it -> an absolute url, or the reason why there is none.

Resolution is `urllib.parse.urljoin`'s, to the letter; the usual forms get there without the general parser.
"""

from __future__ import annotations

import re
from urllib.parse import urljoin

_HTTP = ("http://", "https://")
_UNUSUAL_HOST = re.compile(r"[^A-Za-z0-9._:@%~-]")


class Resolver:
    """Makes the urls of one page's images absolute."""

    def __init__(self, base: str) -> None:
        """Take the address that relative urls start from, "" where there is none."""
        self._base = base
        self._scheme = self._host = self._folder = ""
        if not base.startswith(_HTTP) or not base.isascii() or not base.isprintable() or ";" in base:
            return
        scheme, _, rest = base.partition("//")
        host, _, path = rest.partition("#")[0].partition("?")[0].partition("/")
        if not host or _UNUSUAL_HOST.search(host):
            return
        self._scheme, self._host = scheme, f"{scheme}//{host}"
        folder = f"/{path.rpartition('/')[0]}/" if "/" in path else "/"
        if "//" not in folder and "/." not in folder:
            self._folder = folder

    def absolute(self, url: str | None) -> tuple[str, str]:
        """Return the absolute url and "", or "" and the reason why there is none.

        An absolute url is kept as found (outer whitespace aside); any other form is resolved against the base.
        """
        found = url.strip() if url else ""
        if not found:
            return "", "no_url"
        if found[0] not in "/." and not found.startswith(_HTTP):
            start = found[:8].lower()
            if start.startswith("data:"):
                return "", "data_url"
            if start.startswith(_HTTP):
                return _with_host(found)
        elif found[0] == "h":
            return _with_host(found)
        usual = self._usual(found)
        if usual:
            return usual, ""
        found = resolve(self._base, found)
        if not found:
            return "", "bad_url"
        if not found[:8].lower().startswith(_HTTP):
            return "", "not_http"
        return _with_host(found)

    def _usual(self, url: str) -> str:
        """Return what `urljoin` would, or "" where only `urljoin` itself can tell.

        It takes schemes, parameters and fragments apart, strips control characters, drops an empty query, and
        resolves empty and dot segments; none of that is done here, but for leading dot segments.
        """
        path, mark, query = url.partition("?")
        if not self._host or not path or ";" in path or "#" in url or not url.isprintable() or (mark and not query):
            return ""
        if path.startswith("//"):
            host = path[2:].partition("/")[0]
            return "" if not host or _UNUSUAL_HOST.search(host) else self._scheme + url
        folder = self._folder
        if path[0] == "/":
            folder = ""
        elif not folder or ":" in path:
            return ""
        while path.startswith("../") and len(folder) > 1:
            path, folder = path[3:], folder[: folder.rfind("/", 0, -1) + 1]
        if path.startswith("./"):
            path = path[2:]
        if path[:1] in ("", ".") or "//" in path or "/." in path or (folder and path[0] == "/"):
            return ""
        return f"{self._host}{folder}{path}{mark}{query}"


def absolute_url(url: str | None, base: str) -> tuple[str, str]:
    """Return the image's absolute url and "", or "" and the reason why there is none.

    >>> absolute_url("a.jpg", "http://example.org/x/")
    ('http://example.org/x/a.jpg', '')
    >>> absolute_url("data:image/gif;base64", "http://example.org/")
    ('', 'data_url')
    """
    return Resolver(base).absolute(url)


def resolve(base: str, url: str) -> str:
    """Return `urljoin(base, url)`, or "" where either is malformed (an open bracket in the host, say)."""
    try:
        return urljoin(base, url)
    except ValueError:
        return ""


def _with_host(url: str) -> tuple[str, str]:
    return (url, "") if len(url) > url.index("//") + 2 else ("", "bad_url")
