"""Resolve the url of an image against its page: to an absolute url, or to the reason why the url is rejected.

The result equals `urllib.parse.urljoin`'s, character for character, unless no browser accepts the url's host. The usual
forms do not need the general parser of `urljoin`.
"""

from __future__ import annotations

from urllib.parse import urljoin

from metaclip_spark.core.urls.valid_hosts import USUAL_HOST, has_host

_HTTP = ("http://", "https://")


class Resolver:
    """A resolver of the urls of the images of one page."""

    def __init__(self, base: str) -> None:
        """Take the base url of the page; "" if it has none."""
        self._base = base
        self._scheme = self._host = self._folder = ""
        if not base.startswith(_HTTP) or not base.isascii() or not base.isprintable() or ";" in base:
            return
        scheme, _, rest = base.partition("//")
        host, _, path = rest.partition("#")[0].partition("?")[0].partition("/")
        if not USUAL_HOST.fullmatch(host):
            return
        self._scheme, self._host = scheme, f"{scheme}//{host}"
        folder = f"/{path.rpartition('/')[0]}/" if "/" in path else "/"
        if "//" not in folder and "/." not in folder:
            self._folder = folder

    def absolute(self, url: str | None) -> tuple[str, str]:
        """Return the absolute url and "", or "" and the reason why the url is rejected.

        An absolute url stays as it is, without outer whitespace. Any other form is resolved against the base. A url
        whose host no browser accepts is a `bad_url`.
        """
        link = url.strip() if url else ""
        if not link:
            return "", "no_url"
        if link[0] not in "/." and not link.startswith(_HTTP):
            start = link[:8].lower()
            if start.startswith("data:"):
                return "", "data_url"
            if start.startswith(_HTTP):
                return _with_host(link)
        elif link[0] == "h":
            return _with_host(link)
        usual = self._usual(link)
        if usual:
            return usual, ""
        link = resolve(self._base, link)
        if not link:
            return "", "bad_url"
        if not link[:8].lower().startswith(_HTTP):
            return "", "not_http"
        return _with_host(link)

    def _usual(self, url: str) -> str:
        """Return the result of `urljoin` for the usual forms, or "" for the forms that need `urljoin` itself.

        `urljoin` parses schemes, parameters and fragments, strips control characters, drops an empty query, and
        resolves empty and dot segments. This method handles only leading dot segments.
        """
        path, mark, query = url.partition("?")
        if not self._host or not path or ";" in path or "#" in url or not url.isprintable() or (mark and not query):
            return ""
        if path.startswith("//"):
            host = path[2:].partition("/")[0]
            return self._scheme + url if USUAL_HOST.fullmatch(host) else ""
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
    """Return the absolute url of an image and "", or "" and the reason why the url is rejected.

    >>> absolute_url("a.jpg", "http://example.org/x/")
    ('http://example.org/x/a.jpg', '')
    >>> absolute_url("data:image/gif;base64", "http://example.org/")
    ('', 'data_url')
    """
    return Resolver(base).absolute(url)


def resolve(base: str, url: str) -> str:
    """Return `urljoin(base, url)`, or "" where either is malformed, for example by an open bracket in the host."""
    try:
        return urljoin(base, url)
    except ValueError:
        return ""


def _with_host(url: str) -> tuple[str, str]:
    return (url, "") if has_host(url) else ("", "bad_url")
