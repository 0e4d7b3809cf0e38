"""Wikitext becomes the prose that a reader sees: cut into tokens by mwparserfromhell, walked over once.

Left out: templates, tables, footnotes, comments, pictures with their captions, categories, formulas, code, galleries,
and urls. Where something is left out that stood between two words, a line end stays, so that they make no bigram.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from metaclip_spark.errors import ConfigError

EXTRA = "pip install 'metaclip-spark[wikipedia]'"
LINK_PREFIXES = ("file", "image", "category")
"""Namespaces whose links are no prose, by their English names, which every wiki knows."""

_BREAK = "\n"
_LEFT_OUT = {
    "ref",
    "references",
    "gallery",
    "math",
    "chem",
    "ce",
    "table",
    "syntaxhighlight",
    "source",
    "pre",
    "timeline",
    "score",
    "imagemap",
    "mapframe",
    "maplink",
    "graph",
    "hiero",
    "templatestyles",
    "templatedata",
    "inputbox",
}
_INLINE = {
    "a",
    "abbr",
    "b",
    "bdi",
    "bdo",
    "big",
    "cite",
    "code",
    "del",
    "dfn",
    "em",
    "font",
    "i",
    "ins",
    "kbd",
    "mark",
    "noinclude",
    "nowiki",
    "onlyinclude",
    "q",
    "s",
    "samp",
    "small",
    "span",
    "strike",
    "strong",
    "sub",
    "sup",
    "tt",
    "u",
    "var",
    "wbr",
}
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
    from mwparserfromhell import parser

    tokenizer = parser.CTokenizer if parser.use_c else parser.tokenizer.Tokenizer
    # Bold and italics are apostrophes without meaning here; parsing them takes longer, and an odd one hides the rest.
    tokens = tokenizer().tokenize(_FOOTNOTES.sub("", wikitext), 0, True)
    prose = _Prose(tokens, frozenset(link_prefixes))
    try:
        prose.walk()
    except (IndexError, KeyError) as error:
        raise parser.ParserError(f"tokens do not nest ({error!r})") from error
    return _MAGIC.sub(_BREAK, _STYLE.sub("", "".join(prose.found)))


class _Prose:
    """A walk over the tokens of a page, which nest rightly.

    The library's own tree of nodes is never made: making it takes three times as long as cutting the tokens, and most
    of it would be templates, which are left out.
    """

    def __init__(self, tokens: list[Any], prefixes: frozenset[str]) -> None:
        self.tokens = tokens
        self.prefixes = prefixes
        self.found: list[str] = []
        # Of each open link where its title or url begins in `found` (None behind it), of each open tag what follows.
        self.open: list[Any] = []
        self.at = 0

    def walk(self) -> None:
        """Append the text of all tokens; IndexError or KeyError where they do not nest."""
        tokens, found = self.tokens, self.found
        while self.at < len(tokens):
            token = tokens[self.at]
            self.at += 1
            kind = type(token).__name__
            if kind == "Text":
                found.append(token["text"])
            else:
                _STEPS[kind](self)
        if self.open:
            raise IndexError(f"{len(self.open)} constructs are not closed")

    def pass_over(self, opens: str, *closes: str) -> None:
        """Go behind the end of what is open."""
        depth = 1
        while depth:
            kind = type(self.tokens[self.at]).__name__
            self.at += 1
            depth += (kind == opens) - (kind in closes)

    def texts(self) -> str:
        """Return the text that follows up to the first other token, which is the next."""
        parts = []
        while type(self.tokens[self.at]).__name__ == "Text":
            parts.append(self.tokens[self.at]["text"])
            self.at += 1
        return "".join(parts)

    def break_run(self) -> None:
        self.found.append(_BREAK)

    def template(self) -> None:
        self.pass_over("TemplateOpen", "TemplateClose")
        self.found.append(_BREAK)

    def argument(self) -> None:
        self.pass_over("ArgumentOpen", "ArgumentClose")
        self.found.append(_BREAK)

    def comment(self) -> None:
        self.pass_over("CommentStart", "CommentEnd")

    def link(self) -> None:
        begin = self.at
        prefix, colon, _ = self.texts().partition(":")
        if colon and prefix.strip().lower() in self.prefixes:
            self.pass_over("WikilinkOpen", "WikilinkClose")
            return
        self.at = begin
        self.open.append(len(self.found))

    def link_label(self) -> None:
        del self.found[self.open[-1] :]  # the label stands in the place of the title or url
        self.open[-1] = None

    def link_end(self) -> None:
        self.open.pop()

    def url(self) -> None:
        self.open.append(len(self.found))

    def url_end(self) -> None:
        begin = self.open.pop()
        if begin is not None:  # there was no label
            self.found[begin:] = [_BREAK]

    def tag(self) -> None:
        begin = self.at
        name = self.texts().strip().lower()
        around = "" if name in _INLINE or name == "ref" else _BREAK
        self.found.append(around)
        if name in _LEFT_OUT:
            self.at = begin
            self.pass_over("TagOpenOpen", "TagCloseClose", "TagCloseSelfclose")
            self.found.append(around)
            return
        while (kind := type(self.tokens[self.at]).__name__) not in ("TagCloseOpen", "TagCloseSelfclose"):
            self.at += 1
            if kind == "TagOpenOpen":  # in an attribute
                self.pass_over("TagOpenOpen", "TagCloseClose", "TagCloseSelfclose")
        self.at += 1
        if kind == "TagCloseOpen":
            self.open.append(around)
        else:
            self.found.append(around)

    def tag_end(self) -> None:
        self.pass_over("", "TagCloseClose")
        self.found.append(self.open.pop())

    def entity(self) -> None:
        kinds = []
        while (kind := type(self.tokens[self.at]).__name__) != "Text":
            kinds.append(kind)
            self.at += 1
        named, hexadecimal = "HTMLEntityNumeric" not in kinds, "HTMLEntityHex" in kinds
        self.found.append(_character(self.tokens[self.at]["text"], named, hexadecimal))
        self.at += 2  # the text and the end


_STEPS = {
    "TemplateOpen": _Prose.template,
    "ArgumentOpen": _Prose.argument,
    "CommentStart": _Prose.comment,
    "WikilinkOpen": _Prose.link,
    "WikilinkSeparator": _Prose.link_label,
    "WikilinkClose": _Prose.link_end,
    "ExternalLinkOpen": _Prose.url,
    "ExternalLinkSeparator": _Prose.link_label,
    "ExternalLinkClose": _Prose.url_end,
    "HeadingStart": _Prose.break_run,
    "HeadingEnd": _Prose.break_run,
    "TagOpenOpen": _Prose.tag,
    "TagOpenClose": _Prose.tag_end,
    "HTMLEntityStart": _Prose.entity,
}


@lru_cache(maxsize=4096)
def _character(value: str, named: bool, hexadecimal: bool) -> str:
    from mwparserfromhell.nodes import HTMLEntity

    try:
        return HTMLEntity(value, named, hexadecimal).normalize()
    except (ValueError, OverflowError):  # such as &#1114112;, which is no character
        return _BREAK
