"""Read the opt-outs of pages from the use of their texts and images: robots directives and the TDM reservation.

Sources: the robots meta tag and `X-Robots-Tag` (RFC 9309 leaves them to their de facto definition), the
directives `noai` and `noimageai`, and the TDM Reservation Protocol (W3C community group report, 2024).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from metaclip_spark.candidates.options import OPT_OUTS

Named = tuple[str | None, str | Sequence[str] | None]
"""A meta tag's (name, content) or a header's (name, value); the value of a repeated header may be a list."""

_ROBOTS = {name: name for name in OPT_OUTS if name != "tdm"} | {"none": "noindex"}  # "none" means noindex and nofollow
_WORDS = _ROBOTS | {"tdm-reservation": "tdm"}
_SEPARATORS = re.compile(r"[\s,;:]+")  # a colon follows a crawler's name: `X-Robots-Tag: somebot: noai`


def opt_out_of(metas: Iterable[Named], headers: Iterable[Named], wanted: Sequence[str]) -> str | None:
    """Return the first of the wanted opt-outs (in the order of `OPT_OUTS`) that a page declares, or None.

    Names and directives are case-insensitive. The meta tag `robots` counts; a meta tag for one crawler (`googlebot`)
    does not. A header that names a crawler before its directives counts for every crawler.

    Args:
        metas: the page's meta tags as (name, content).
        headers: the response's headers as (name, value).
        wanted: the opt-outs to honour, of `OPT_OUTS`.

    >>> opt_out_of([("ROBOTS", "NoAI, follow")], [], ("noai", "tdm"))
    'noai'
    >>> opt_out_of([], [("tdm-reservation", "1")], ("noai", "tdm"))
    'tdm'
    """
    declared: set[str] = set()
    for name, content in metas:
        declared.update(_declared(name, content, "robots"))
    for name, value in headers:
        declared.update(_declared(name, value, "x-robots-tag"))
    return next((opt_out for opt_out in OPT_OUTS if opt_out in wanted and opt_out in declared), None)


def opt_out_words(wanted: Sequence[str]) -> list[str]:
    """Return words to search for: a page with a wanted opt-out contains at least one, in upper or lower case.

    >>> opt_out_words(["noindex", "tdm"])
    ['noindex', 'none', 'tdm-reservation']
    """
    return [word for word, opt_out in _WORDS.items() if opt_out in wanted]


def _declared(name: object, value: object, robots: str) -> Iterator[str]:
    name = name.strip().lower() if isinstance(name, str) else ""
    if name not in (robots, "tdm-reservation"):
        return
    for content in value if isinstance(value, (list, tuple)) else (value,):
        if not isinstance(content, str):
            continue
        if name == "tdm-reservation":
            if content.strip() == "1":
                yield "tdm"
            continue
        for word in _SEPARATORS.split(content.lower()):
            if word in _ROBOTS:
                yield _ROBOTS[word]
