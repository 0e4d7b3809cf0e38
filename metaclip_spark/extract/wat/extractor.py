"""Tell whether the program that wrote a WAT decoded the character references of attributes.

Two programs write WATs. Internet Archive's copies the attributes of a page as they are: `?a=1&amp;b=2`. Common Crawl's
decodes urls, bases, alt, title and the contents of meta tags since the crawl CC-MAIN-2019-26. (The programs are
github.com/iipc/webarchive-commons and its fork github.com/commoncrawl/ia-web-commons, where issue 14 has the change.)
Decoding twice would be wrong: a page's `?q=&amp;lt;` is the url `?q=&lt;`.
"""

from __future__ import annotations

import re
from email.utils import parsedate
from typing import NamedTuple

_SINCE = "20190615"  # the first day of CC-MAIN-2019-26
_SINCE_CRAWL = (2019, 26)
_PROGRAM = re.compile(r"(?:ia-web|webarchive|archive)-commons", re.IGNORECASE)
_BUILT = re.compile(r"-(20\d{6})\d{6}(?!\d)")
_CRAWL = re.compile(r"CC-MAIN-(20\d\d)(?:-(\d\d))?(?!\d)")
_CRAWLED = re.compile(r"CC-MAIN-(20\d{6})\d{6}(?!\d)")
MAX_INFO_BYTES = 1 << 16
"""Bytes of a warcinfo record's block that are read."""


class References(NamedTuple):
    """Whether the attributes of a WAT still have character references.

    Attributes:
        encoded: whether they have; then each value is decoded once.
        evidence: the value that decided, with its origin.
    """

    encoded: bool
    evidence: str


def references_of(path: str, warcinfo: bytes = b"", name: str = "", date: str = "") -> References:
    r"""Return whether the attributes of a WAT still have character references.

    The `warcinfo` record decides: `software` is written by Internet Archive's program, `Software-Info` by Common
    Crawl's (and by Internet Archive's before 2015). The latter decodes if it was built, else if it ran, in June 2019 or
    later. Without such a field the name of the crawl decides. Without that too, the attributes count as encoded: few
    texts have a reference after decoding, and many have one before.

    Args:
        path: the path of the file.
        warcinfo: the block of the file's warcinfo record, b"" if it has none.
        name, date: the fields WARC-Filename and WARC-Date of this record.

    >>> references_of("a.wat.gz", b"software: ia-web-commons.1.3.0-20241220051957\r\n").encoded
    True
    >>> references_of("a.wat.gz", b"Software-Info: ia-web-commons.1.1.10-SNAPSHOT-20240513074037\r\n").encoded
    False
    >>> references_of("crawl-data/CC-MAIN-2019-22/segments/1/wat/a.wat.gz")
    References(encoded=True, evidence='crawl CC-MAIN-2019-22')
    """
    fields = _fields(warcinfo)
    theirs = fields.get("software-info", "")
    if _PROGRAM.search(theirs):
        built = _BUILT.search(theirs)
        if built:
            return References(built[1] < _SINCE, f"Software-Info {theirs}")
        if ran := _day(fields.get("extracted-date", "")):
            return References(ran < _SINCE, f"Extracted-Date {fields['extracted-date']}")
    elif _PROGRAM.search(fields.get("software", "")):
        return References(True, f"software {fields['software']}")
    for found in (fields.get("ispartof", ""), path, name):
        if crawl := _by_crawl(found):
            return crawl
    if _PROGRAM.search(theirs):
        written = date.replace("-", "")[:8]
        return References(written.isdigit() and written < _SINCE, f"Software-Info {theirs}, WARC-Date {date}")
    return References(True, "neither a warcinfo record of a known program nor the name of a crawl")


def _by_crawl(name: str) -> References | None:
    """Decide by the name of a crawl, or by the time in the name of a crawl's file; None if there is neither."""
    crawl = _CRAWL.search(name)
    if crawl:
        decoded = (int(crawl[1]), int(crawl[2] or 0)) >= _SINCE_CRAWL
        return References(not decoded, f"crawl {crawl[0]}")
    crawled = _CRAWLED.search(name)
    return References(crawled[1] < _SINCE, f"file {crawled[0]}") if crawled else None


def _fields(warcinfo: bytes) -> dict[str, str]:
    """Return the fields of a warcinfo record's block, by their names in lower case; the first one of a name counts."""
    fields: dict[str, str] = {}
    for line in warcinfo[:MAX_INFO_BYTES].decode("utf-8", "replace").splitlines():
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name.strip().lower(), value.strip())
    return fields


def _day(date: str) -> str:
    """Return the day of a date in the form of HTTP headers as eight digits, or "" if it is no date."""
    parsed = parsedate(date)
    return "{:04}{:02}{:02}".format(*parsed) if parsed else ""
