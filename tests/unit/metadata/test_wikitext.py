"""Wikitext as prose: excluded markup, and the run breaks in its place."""

from __future__ import annotations

import builtins
from collections.abc import Iterable

import mwparserfromhell
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from metaclip_spark.errors import ConfigError
from metaclip_spark.metadata.wikitext import (
    _EXCLUDED_TAGS,
    _FOOTNOTES,
    _INLINE_TAGS,
    _MAGIC,
    _STYLE,
    LINK_PREFIXES,
    parser_version,
    plain_text,
)
from metaclip_spark.metadata.words import phrases_of

CASES = [
    ("bold and italics", "'''Big''' ''cat's'' l'''eau'''", [["Big", "cat's", "leau"]]),
    ("links show their label", "[[Dog|two dogs]] and [[cat]]s", [["two", "dogs", "and", "cats"]]),
    ("urls are excluded, their labels are not", "see [http://x.org the page] http://y.org", [["see", "the", "page"]]),
    ("a template leaves no bigram behind", "about {{convert|5|km}} long", [["about"], ["long"]]),
    ("nested templates", "a {{x|{{y|[[z]]}}|n=1}} b", [["a"], ["b"]]),
    (
        "a footnote does not separate words",
        "a cat<ref>Book</ref> sat<ref name=x /> down",
        [["a", "cat", "sat", "down"]],
    ),
    ("comments", "a <!-- no {{ --> cat", [["a", "cat"]]),
    ("pictures with nested captions", "[[File:A.jpg|thumb|A [[cat]] there]]here", [["here"]]),
    ("categories", "x [[Category:Cats|*]]", [["x"]]),
    (
        "an article with the name of a namespace is not a file",
        "an [[image]] or [[File|files]]",
        [["an", "image", "or", "files"]],
    ),
    ("a colon in a title does not make a namespace", "[[Star Wars: Andor]]", [["Star", "Wars"], ["Andor"]]),
    ("tables", 'a\n{| class="x"\n! head\n|-\n| cell || [[cell]]\n|}\nb', [["a"], ["b"]]),
    ("headings end a run", "a\n== See also ==\nb", [["a"], ["See", "also"], ["b"]]),
    ("list items end a run", "* one cat\n* two\n# three", [["one", "cat"], ["two"], ["three"]]),
    ("line breaks end a run", "one<br />two<br>three", [["one"], ["two"], ["three"]]),
    ("inline tags do not end a run", "H<sub>2</sub>O <small>is wet</small>", [["H2O", "is", "wet"]]),
    ("formulas, code and galleries", "a <math>x^2</math> b <gallery>\nA.jpg|c\n</gallery> d", [["a"], ["b"], ["d"]]),
    ("entities", "caf&eacute; &amp; bar&nbsp;x", [["café"], ["bar", "x"]]),
    ("behaviour switches", "__NOTOC__ a", [["a"]]),
    ("unclosed markup", "a {{b [[c ''d", [["a"], ["b"], ["c", "d"]]),
    ("empty", "", []),
]


FRAGMENTS = [
    "cat",
    "two dogs",
    " ",
    "\n",
    "[[",
    "]]",
    "|",
    "File:",
    "category :",
    "image",
    ":",
    "{{",
    "}}",
    "{{{",
    "}}}",
    "=",
    "==",
    "\n== ",
    " ==\n",
    "[http://x.org",
    "[",
    "]",
    "https://y.org/z ",
    "//",
    "<ref>",
    "</ref>",
    "<ref name=a />",
    "<br>",
    "<br/>",
    "<div class='x'>",
    '<span title="<i>b</i>" {{t|<br>}}>',
    "</div>",
    "</span>",
    "<math>",
    "</math>",
    "<b>",
    "</b>",
    "<pre>",
    "</pre>",
    "<nowiki>",
    "</nowiki>",
    "\n{|",
    "\n|-",
    "\n|",
    "||",
    "\n!",
    "\n|}",
    "\n* ",
    "\n# ",
    "\n; ",
    "\n----",
    "'''",
    "''",
    "<!--",
    "-->",
    "&amp;",
    "&nbsp;",
    "&#65;",
    "&#x42;",
    "&#1114112;",
    "&bogus;",
    "&",
    "__TOC__",
    "<",
    ">",
    "/",
    '"',
    "é",
]


def tree_text(wikitext: str, prefixes: Iterable[str] = LINK_PREFIXES) -> str:
    """Return the prose of a page, from a walk over the library's tree of nodes."""
    parsed = mwparserfromhell.parse(_FOOTNOTES.sub("", wikitext), skip_style_tags=True)
    return _MAGIC.sub("\n", _STYLE.sub("", "".join(tree_pieces(parsed, frozenset(prefixes)))))


def tree_pieces(code: mwparserfromhell.wikicode.Wikicode, prefixes: frozenset[str]) -> list[str]:
    """Return the text of each node."""
    pieces = []
    for node in code.nodes:
        kind = type(node).__name__
        if kind == "Text":
            pieces.append(node.value)
        elif kind == "Wikilink":
            name, colon, _ = str(node.title).partition(":")
            if not (colon and name.strip().lower() in prefixes):
                pieces += tree_pieces(node.title if node.text is None else node.text, prefixes)
        elif kind == "HTMLEntity":
            pieces.append("\n" if node.value == "1114112" else node.normalize())
        elif kind == "Heading":
            pieces += ["\n", *tree_pieces(node.title, prefixes), "\n"]
        elif kind == "Tag":
            name = str(node.tag).strip().lower()
            around = "" if name in _INLINE_TAGS or name == "ref" else "\n"
            inside = [] if name in _EXCLUDED_TAGS else tree_pieces(node.contents, prefixes)
            pieces += [around, *inside, around]
        elif kind == "ExternalLink" and node.title is not None:
            pieces += tree_pieces(node.title, prefixes)
        elif kind != "Comment":
            pieces.append("\n")
    return pieces


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=40).map("".join))
@example("<div {{a|<b>x</b>}} class='[[y]]'>in</div> [[a|b|c]] [http://x {{y}} [[z]]] {{{p|d}}}")
def test_the_walk_over_tokens_equals_a_walk_over_the_librarys_tree(wikitext):
    """For any nesting, and for markup that is opened but not closed."""
    assert plain_text(wikitext) == tree_text(wikitext)


@pytest.mark.parametrize(("text", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_words_of_wikitext(text, expected):
    """One case per kind of markup."""
    assert phrases_of(plain_text(text)) == expected


def test_namespaces_in_the_wikis_own_language_are_excluded():
    """A German file link is excluded by its German name; otherwise its parameters would be words."""
    text = "[[Datei:A.jpg|mini|Katze]] [[Kategorie:Katzen]] Katze"
    assert phrases_of(plain_text(text, (*LINK_PREFIXES, "datei", "kategorie"))) == [["Katze"]]


def test_without_the_library_the_extra_is_named(monkeypatch):
    """The error says how to install the library."""
    original = builtins.__import__

    def refuse(name, *rest, **named):
        if name == "mwparserfromhell":
            raise ImportError("No module named 'mwparserfromhell'")
        return original(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ConfigError, match=r"needs mwparserfromhell .*pip install 'mwparserfromhell>=0\.6\.6'$"):
        parser_version()
