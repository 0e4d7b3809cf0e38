"""Wikitext becomes the prose that a reader sees: by mwparserfromhell, walked over once.

Left out: templates, tables, footnotes, comments, pictures with their captions, categories, formulas, code, galleries,
and urls. Where something is left out that stood between two words, a line end stays, so that they make no bigram.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from metaclip_spark.errors import ConfigError

EXTRA = "pip install 'metaclip-spark[wikipedia]'"
LINK_PREFIXES = ("file", "image", "category")
"""Namespaces whose links are no prose, by their English names, which every wiki knows."""

_BREAK = "\n"
_LEFT_OUT = {
    "ref", "references", "gallery", "math", "chem", "ce", "table", "syntaxhighlight", "source", "pre", "timeline",
    "score", "imagemap", "mapframe", "maplink", "graph", "hiero", "templatestyles", "templatedata", "inputbox",
}  # fmt: skip
_INLINE = {
    "a", "abbr", "b", "bdi", "bdo", "big", "cite", "code", "del", "dfn", "em", "font", "i", "ins", "kbd", "mark",
    "noinclude", "nowiki", "onlyinclude", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "tt",
    "u", "var", "wbr",
}  # fmt: skip
# Footnotes are a third of a page's bytes: cutting them out first saves the parser that third.
_FOOTNOTES = re.compile(r"<!--.*?-->|<ref\b[^<>]*/>|<ref\b[^<>]*>.*?</ref\s*>", re.DOTALL | re.IGNORECASE)
_STYLE = re.compile("'{2,}")
_MAGIC = re.compile(r"__[A-Z]+__")


def cleaner() -> str:
    """Return the name and version of the library that cleans.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import mwparserfromhell
    except ImportError as error:
        raise ConfigError(f"reading Wikipedia needs mwparserfromhell ({error}); install it: {EXTRA}.") from error
    return f"mwparserfromhell {mwparserfromhell.__version__}"


def plain_text(wikitext: str, link_prefixes: Iterable[str] = LINK_PREFIXES) -> str:
    """Return the prose of a page.

    Args:
        wikitext: as MediaWiki stores it.
        link_prefixes: lower-case names of the namespaces whose links are left out, in the wiki's own language.

    Raises:
        mwparserfromhell.parser.ParserError: the library gave up on this page.

    >>> plain_text("'''Cats''' are [[pet|pets]].<ref>A book</ref> [[Category:Cats]]")
    'Cats are pets. '
    """
    import mwparserfromhell

    # Bold and italics are apostrophes without meaning here; parsing them takes longer, and an odd one hides the rest.
    parsed = mwparserfromhell.parse(_FOOTNOTES.sub("", wikitext), skip_style_tags=True)
    found: list[str] = []
    _walk(parsed, frozenset(link_prefixes), found)
    return _MAGIC.sub(_BREAK, _STYLE.sub("", "".join(found)))


def _walk(code: Any, prefixes: frozenset[str], found: list[str]) -> None:
    """Append the text of each node; mwparserfromhell bounds how deep they nest."""
    for node in code.nodes:
        kind = type(node).__name__
        if kind == "Text":
            found.append(node.value)
        elif kind == "Wikilink":
            if str(node.title).partition(":")[0].strip().lower() not in prefixes:
                _walk(node.title if node.text is None else node.text, prefixes, found)
        elif kind == "HTMLEntity":
            found.append(_character(node))
        elif kind == "Heading":
            found.append(_BREAK)
            _walk(node.title, prefixes, found)
            found.append(_BREAK)
        elif kind == "Tag":
            _walk_tag(node, prefixes, found)
        elif kind == "ExternalLink" and node.title is not None:
            _walk(node.title, prefixes, found)
        elif kind != "Comment":
            found.append(_BREAK)


def _walk_tag(node: Any, prefixes: frozenset[str], found: list[str]) -> None:
    name = str(node.tag).strip().lower()
    around = "" if name in _INLINE or name == "ref" else _BREAK
    found.append(around)
    if name not in _LEFT_OUT and node.contents is not None:
        _walk(node.contents, prefixes, found)
    found.append(around)


def _character(node: Any) -> str:
    try:
        return node.normalize()
    except (ValueError, OverflowError):  # such as &#1114112;, which is no character
        return _BREAK
