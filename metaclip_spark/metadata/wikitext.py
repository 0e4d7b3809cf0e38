"""Extract the prose of wikitext: mwparserfromhell tokenizes a page, and one walk over the tokens collects the text.

Excluded are templates, tables, footnotes, comments, pictures with their captions, categories, formulas, code,
galleries and urls. A line end replaces excluded markup between two words, so these words form no bigram.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from metaclip_spark.core.extras import how_to_install
from metaclip_spark.errors import ConfigError

LINK_PREFIXES = ("file", "image", "category")
"""Namespaces whose links are not prose. Every wiki knows these English names."""

_BREAK = "\n"
_EXCLUDED_TAGS = {
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
_INLINE_TAGS = {
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
# Footnotes are a third of a page's bytes. Removing footnotes first saves the parser that third.
_FOOTNOTES = re.compile(r"<!--.*?-->|<ref\b[^<>]*/>|<ref\b[^<>]*>.*?</ref\s*>", re.DOTALL | re.IGNORECASE)
_STYLE = re.compile("'{2,}")
_MAGIC = re.compile(r"__[A-Z]+__")


def parser_version() -> str:
    """Return the name and version of the library that parses wikitext.

    Raises:
        ConfigError: the library is not installed.
    """
    try:
        import mwparserfromhell
    except ImportError as error:
        raise ConfigError(
            f"reading Wikipedia needs mwparserfromhell ({error}); install it: {how_to_install('wikipedia')}"
        ) from error
    return f"mwparserfromhell {mwparserfromhell.__version__}"


def plain_text(wikitext: str, link_prefixes: Iterable[str] = LINK_PREFIXES) -> str:
    """Return the prose of a page.

    Args:
        wikitext: the text of a page as MediaWiki stores it.
        link_prefixes: lower-case names of the namespaces whose links are excluded, in the wiki's own language.

    Raises:
        mwparserfromhell.parser.ParserError: the library cannot parse this page.

    >>> plain_text("'''Cats''' are [[pet|pets]].<ref>A book</ref> [[Category:Cats]]")
    'Cats are pets. '
    """
    from mwparserfromhell import parser

    # The library defines CTokenizer, but does not list it in __all__.
    tokenizer = parser.CTokenizer if parser.use_c else parser.tokenizer.Tokenizer  # type: ignore[attr-defined]
    # Bold and italics are not parsed: they have no meaning here, parsing takes longer, and an odd apostrophe hides the
    # rest of the page.
    tokens = tokenizer().tokenize(_FOOTNOTES.sub("", wikitext), 0, True)
    prose = _Prose(tokens, frozenset(link_prefixes))
    try:
        prose.walk()
    except (IndexError, KeyError) as error:
        # The library's constructor has no annotations.
        raise parser.ParserError(f"tokens do not nest ({error!r})") from error  # type: ignore[no-untyped-call]
    return _MAGIC.sub(_BREAK, _STYLE.sub("", "".join(prose.pieces)))


class _Prose:
    """A walk over the tokens of a page.

    The library's tree of nodes is not built. Building it takes three times as long as tokenizing, and most of its nodes
    would be templates, which are excluded.
    """

    def __init__(self, tokens: list[Any], prefixes: frozenset[str]) -> None:
        self.tokens = tokens
        self.prefixes = prefixes
        self.pieces: list[str] = []
        # For each open link: the index in `pieces` at which its title or url begins, or None in its label.
        # For each open tag: the text to append at its end.
        self.open: list[Any] = []
        self.at = 0

    def walk(self) -> None:
        """Append the text of all tokens; raise IndexError or KeyError if they do not nest."""
        tokens, pieces = self.tokens, self.pieces
        while self.at < len(tokens):
            token = tokens[self.at]
            self.at += 1
            kind = type(token).__name__
            if kind == "Text":
                pieces.append(token["text"])
            else:
                _HANDLERS[kind](self)
        if self.open:
            raise IndexError(f"{len(self.open)} constructs are not closed")

    def skip_to_end(self, opens: str, *closes: str) -> None:
        """Skip the tokens up to the end of the open construct."""
        depth = 1
        while depth:
            kind = type(self.tokens[self.at]).__name__
            self.at += 1
            depth += (kind == opens) - (kind in closes)

    def leading_text(self) -> str:
        """Return the text of the next text tokens, up to the first token of another kind."""
        parts = []
        while type(self.tokens[self.at]).__name__ == "Text":
            parts.append(self.tokens[self.at]["text"])
            self.at += 1
        return "".join(parts)

    def break_run(self) -> None:
        self.pieces.append(_BREAK)

    def template(self) -> None:
        self.skip_to_end("TemplateOpen", "TemplateClose")
        self.pieces.append(_BREAK)

    def argument(self) -> None:
        self.skip_to_end("ArgumentOpen", "ArgumentClose")
        self.pieces.append(_BREAK)

    def comment(self) -> None:
        self.skip_to_end("CommentStart", "CommentEnd")

    def link(self) -> None:
        begin = self.at
        prefix, colon, _ = self.leading_text().partition(":")
        if colon and prefix.strip().lower() in self.prefixes:
            self.skip_to_end("WikilinkOpen", "WikilinkClose")
            return
        self.at = begin
        self.open.append(len(self.pieces))

    def link_label(self) -> None:
        del self.pieces[self.open[-1] :]  # the label replaces the title or url
        self.open[-1] = None

    def link_end(self) -> None:
        self.open.pop()

    def url(self) -> None:
        self.open.append(len(self.pieces))

    def url_end(self) -> None:
        begin = self.open.pop()
        if begin is not None:  # the link has no label
            self.pieces[begin:] = [_BREAK]

    def tag(self) -> None:
        begin = self.at
        name = self.leading_text().strip().lower()
        around = "" if name in _INLINE_TAGS or name == "ref" else _BREAK
        self.pieces.append(around)
        if name in _EXCLUDED_TAGS:
            self.at = begin
            self.skip_to_end("TagOpenOpen", "TagCloseClose", "TagCloseSelfclose")
            self.pieces.append(around)
            return
        while (kind := type(self.tokens[self.at]).__name__) not in ("TagCloseOpen", "TagCloseSelfclose"):
            self.at += 1
            if kind == "TagOpenOpen":  # a tag in an attribute
                self.skip_to_end("TagOpenOpen", "TagCloseClose", "TagCloseSelfclose")
        self.at += 1
        if kind == "TagCloseOpen":
            self.open.append(around)
        else:
            self.pieces.append(around)

    def tag_end(self) -> None:
        self.skip_to_end("", "TagCloseClose")
        self.pieces.append(self.open.pop())

    def entity(self) -> None:
        kinds = []
        while (kind := type(self.tokens[self.at]).__name__) != "Text":
            kinds.append(kind)
            self.at += 1
        named, hexadecimal = "HTMLEntityNumeric" not in kinds, "HTMLEntityHex" in kinds
        self.pieces.append(_character(self.tokens[self.at]["text"], named, hexadecimal))
        self.at += 2  # skip the text and the end of the entity


_HANDLERS = {
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
    except (ValueError, OverflowError):  # such as &#1114112;, which is not a character
        return _BREAK
