"""Read the opt-outs of pages from the use of their texts and images.

Sources: the robots meta tag and `X-Robots-Tag` (RFC 9309 leaves them to their de facto definition) with the directives
`noai`, `noimageai` and `noml`; the TDM Reservation Protocol (W3C community group report, 2024); the header
`Content-Usage` of IETF AIPREF; the header `Content-Signal`. A meta tag with the name of one of these headers counts as
the header.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from metaclip_spark.candidates.options import OPT_OUTS
from metaclip_spark.core.preferences import signal_disallows, usage_disallows

Named = tuple[str | None, str | Sequence[str] | None]
"""A meta tag's (name, content) or a header's (name, value); the value of a repeated header may be a list."""

_STATEMENTS: dict[str, Callable[[str], bool]] = {"content-usage": usage_disallows, "content-signal": signal_disallows}
"""Name of a header with a statement about uses, the name of its opt-out too -> whether a value disallows training."""

_ROBOTS = {name: name for name in OPT_OUTS if name != "tdm" and name not in _STATEMENTS} | {"none": "noindex"}
"""Directive -> opt-out; `none` means noindex and nofollow."""

_WORDS = _ROBOTS | {"tdm-reservation": "tdm"} | {name: name for name in _STATEMENTS}
_SEPARATORS = re.compile(r"[\s,;:]+")  # a colon follows a crawler's name: `X-Robots-Tag: somebot: noai`

META_NAMES = ("robots", "tdm-reservation", *_STATEMENTS)
"""Names of the meta tags that can opt out."""


def opt_out_of(metas: Iterable[Named], headers: Iterable[Named], wanted: Sequence[str]) -> str | None:
    """Return the first of the wanted opt-outs (in the order of `OPT_OUTS`) that a page declares, or None.

    Names and directives are case-insensitive. The meta tag `robots` counts; a meta tag for one crawler (`googlebot`)
    does not. A header that names a crawler before its directives counts for every crawler. Headers of one name make one
    statement about uses; each meta tag makes its own, and the most restrictive statement counts.

    Args:
        metas: the page's meta tags as (name, content).
        headers: the response's headers as (name, value).
        wanted: the opt-outs to honour, of `OPT_OUTS`.

    >>> opt_out_of([("ROBOTS", "NoAI, follow")], [], ("noai", "tdm"))
    'noai'
    >>> opt_out_of([], [("Content-Usage", "train-ai=n")], ("noai", "content-usage"))
    'content-usage'
    """
    declared: set[str] = set()
    stated: dict[str, list[str]] = {}
    for name, content in metas:
        declared.update(_declared(name, content, "robots"))
        declared.update(statement for statement, text in _statements(name, content) if _STATEMENTS[statement](text))
    for name, value in headers:
        declared.update(_declared(name, value, "x-robots-tag"))
        for statement, text in _statements(name, value):
            stated.setdefault(statement, []).append(text)
    declared.update(name for name, parts in stated.items() if _STATEMENTS[name](", ".join(parts)))
    return next((opt_out for opt_out in OPT_OUTS if opt_out in wanted and opt_out in declared), None)


def opt_out_words(wanted: Sequence[str]) -> list[str]:
    """Return words to search for: a page with a wanted opt-out contains at least one, in upper or lower case.

    >>> opt_out_words(["noindex", "tdm"])
    ['noindex', 'none', 'tdm-reservation']
    """
    return [word for word, opt_out in _WORDS.items() if opt_out in wanted]


def _declared(name: object, value: object, robots: str) -> Iterator[str]:
    named = _normal(name)
    if named not in (robots, "tdm-reservation"):
        return
    for content in _strings(value):
        if named == "tdm-reservation":
            if content.strip() == "1":
                yield "tdm"
            continue
        for word in _SEPARATORS.split(content.lower()):
            if word in _ROBOTS:
                yield _ROBOTS[word]


def _statements(name: object, value: object) -> Iterator[tuple[str, str]]:
    """Yield the statements about uses of a meta tag or header, each with the name of its opt-out."""
    named = _normal(name)
    if named in _STATEMENTS:
        yield from ((named, content) for content in _strings(value))


def _normal(name: object) -> str:
    return name.strip().lower() if isinstance(name, str) else ""


def _strings(value: object) -> Iterator[str]:
    for content in value if isinstance(value, (list, tuple)) else (value,):
        if isinstance(content, str):
            yield content
