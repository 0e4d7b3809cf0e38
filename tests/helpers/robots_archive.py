"""Build archives of robots.txt, of examples of the AIPREF drafts and as public sites have it, and pages for them."""

from __future__ import annotations

from warc_builder import http, record

AIPREF = """\
User-Agent: *
Allow: /
Disallow: /never/
Content-Usage: train-ai=n
Content-Usage: /ai-ok/ train-ai=y

User-Agent: ExampleBot
Allow: /
Content-Usage: train-ai=y
"""
"""The example of draft-ietf-aipref-attach-05, section 3.4."""

NEWS = (
    "User-agent: GPTBot\nUser-agent: CCBot\nDisallow: /\n\nUser-agent: *\nDisallow: /search\nSitemap: https://n/s.xml\n"
)
"""As many newspapers write it."""
CLOUDFLARE = "# signals\nUser-Agent: *\nContent-Signal: search=yes,ai-train=no\nAllow: /\n"
"""As Cloudflare manages it."""
WORDPRESS = "User-agent: *\nDisallow: /wp-admin/\nAllow: /wp-admin/admin-ajax.php\n"

DATE = "2024-12-01T00:00:00Z"


def robots(
    url: str, body: str | bytes = "", *fields: str, status: str = "200 OK", date: str = DATE, more: str = ""
) -> bytes:
    """Build the record of a response to a request for a robots.txt."""
    made = record(http(body, *(fields or ("Content-Type: text/plain",)), status=status), uri=url)
    return made.replace(
        b"\r\nContent-Type: application/http",
        f"\r\nWARC-Date: {date}{more}\r\nContent-Type: application/http".encode(),
        1,
    )


def moved(url: str, to: str, status: str = "301 Moved Permanently") -> bytes:
    """Build the record of a redirect."""
    return robots(url, "", f"Location: {to}", status=status)


def archive() -> list[bytes]:
    """Return the records of an archive with one of everything."""
    return [
        record(b"software: test\r\n", kind="warcinfo", content_type="application/warc-fields"),
        robots("http://aipref.example/robots.txt", AIPREF),
        robots("https://news.example/robots.txt", NEWS),
        moved("http://news.example/robots.txt", "https://news.example/robots.txt"),
        robots("https://cloudflare.example/robots.txt", CLOUDFLARE),
        robots("http://blog.example/robots.txt", WORDPRESS),
        robots("http://other-blog.example/robots.txt", WORDPRESS),
        moved("http://lost.example/robots.txt", "/elsewhere/robots.txt"),
        moved("http://front.example/robots.txt", "/"),
        robots("http://absent.example/robots.txt", "gone", status="404 Not Found"),
        robots("http://down.example/robots.txt", status="503 Service Unavailable"),
        # Several files of a host: the latest one that could be reached.
        robots("http://again.example/robots.txt", "User-agent: *\nDisallow: /", date="2024-12-01T00:00:00Z"),
        robots("http://again.example/robots.txt", "User-agent: *\nDisallow: /new", date="2024-12-03T00:00:00Z"),
        robots("http://again.example/robots.txt", status="500 Oops", date="2024-12-04T00:00:00Z"),
        robots("http://again.example/robots.txt", "User-agent: *\nDisallow: /", date="2024-12-02T00:00:00Z"),
        robots("http://latin.example/robots.txt", b"User-agent: *\nDisallow: /a # caf\xe9"),
        robots("http://huge.example/robots.txt", "User-agent: *\nDisallow: /a\n" + "#" * 600_000),
        robots(
            "http://short.example/robots.txt",
            "User-agent: *\nDisallow: /a\nDisallow: /b",
            more="\r\nWARC-Truncated: length",
        ),
        robots("http://aipref.example/index.html", "<p>"),
        record(b"no http", uri="http://broken.example/robots.txt"),
    ]


HOSTS = {
    "http://aipref.example": (
        "read",
        "User-agent: *\nAllow: /\nDisallow: /never/\nContent-Usage: train-ai=n\nContent-Usage: /ai-ok/ train-ai=y\n",
    ),
    "https://news.example": (
        "read",
        "User-agent: GPTBot\nUser-agent: CCBot\nDisallow: /\nUser-agent: *\nDisallow: /search\n",
    ),
    "http://news.example": ("redirect", ""),
    "https://cloudflare.example": ("read", "User-agent: *\nContent-Signal: search=yes,ai-train=no\nAllow: /\n"),
    "http://blog.example": ("read", WORDPRESS),
    "http://other-blog.example": ("read", WORDPRESS),
    "http://lost.example": ("redirect", ""),
    "http://front.example": ("absent", ""),
    "http://absent.example": ("absent", ""),
    "http://down.example": ("unreachable", "unreachable"),
    "http://again.example": ("read", "User-agent: *\nDisallow: /new\n"),
    "http://latin.example": ("read", "User-agent: *\nDisallow: /a\n"),
    "http://huge.example": ("read", "User-agent: *\nDisallow: /a\n"),
    "http://short.example": ("read", "User-agent: *\nDisallow: /a\n"),
}
"""Origin -> status and rules in the table that is built of `archive`."""

COUNTS = {"broken_record": 1, "cut": 2, "not_response": 1, "not_robots": 1, "not_utf8": 1}

PAGES = {
    "http://aipref.example/test": "robots:content-usage",
    "http://aipref.example/never/test": "robots:*",
    "http://aipref.example/ai-ok/test": None,
    "https://news.example/a": "robots:GPTBot",
    "http://news.example/a": "robots:GPTBot",
    "https://cloudflare.example/a": "robots:content-signal",
    "https://cloudflare.example:8443/a": None,
    "http://blog.example/wp-admin/x": "robots:*",
    "http://blog.example/wp-admin/admin-ajax.php": None,
    "http://lost.example/a": None,
    "http://absent.example/a": None,
    "http://down.example/a": "robots:unreachable",
    "http://again.example/new": "robots:*",
    "http://again.example/old": None,
    "http://unknown.example/a": None,
}
"""Page -> why it is refused."""
