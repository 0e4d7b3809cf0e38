"""Wikitext as prose: what is left out, and what is left between."""

from __future__ import annotations

import builtins

import pytest

from metaclip_spark.errors import ConfigError
from metaclip_spark.metadata.wikitext import LINK_PREFIXES, cleaner, plain_text
from metaclip_spark.metadata.words import phrases_of

CASES = [
    ("bold and italics", "'''Big''' ''cat's'' l'''eau'''", [["Big", "cat's", "leau"]]),
    ("links show their label", "[[Dog|two dogs]] and [[cat]]s", [["two", "dogs", "and", "cats"]]),
    ("urls are left out, their labels are not", "see [http://x.org the page] http://y.org", [["see", "the", "page"]]),
    ("a template leaves no bigram behind", "about {{convert|5|km}} long", [["about"], ["long"]]),
    ("nested templates", "a {{x|{{y|[[z]]}}|n=1}} b", [["a"], ["b"]]),
    ("a footnote does not part words", "a cat<ref>Book</ref> sat<ref name=x /> down", [["a", "cat", "sat", "down"]]),
    ("comments", "a <!-- no {{ --> cat", [["a", "cat"]]),
    ("pictures with nested captions", "[[File:A.jpg|thumb|A [[cat]] there]]here", [["here"]]),
    ("categories", "x [[Category:Cats|*]]", [["x"]]),
    ("a colon in a title is no namespace", "[[Star Wars: Andor]]", [["Star", "Wars"], ["Andor"]]),
    ("tables", 'a\n{| class="x"\n! head\n|-\n| cell || [[cell]]\n|}\nb', [["a"], ["b"]]),
    ("headings end a run", "a\n== See also ==\nb", [["a"], ["See", "also"], ["b"]]),
    ("list items end a run", "* one cat\n* two\n# three", [["one", "cat"], ["two"], ["three"]]),
    ("line breaks end a run", "one<br />two<br>three", [["one"], ["two"], ["three"]]),
    ("inline tags do not", "H<sub>2</sub>O <small>is wet</small>", [["H2O", "is", "wet"]]),
    ("formulas, code and galleries", "a <math>x^2</math> b <gallery>\nA.jpg|c\n</gallery> d", [["a"], ["b"], ["d"]]),
    ("entities", "caf&eacute; &amp; bar&nbsp;x", [["café"], ["bar", "x"]]),
    ("behaviour switches", "__NOTOC__ a", [["a"]]),
    ("what is not closed", "a {{b [[c ''d", [["a"], ["b"], ["c", "d"]]),
    ("empty", "", []),
]


@pytest.mark.parametrize(("text", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_words_of_wikitext(text, expected):
    """One line a kind of markup."""
    assert phrases_of(plain_text(text)) == expected


def test_namespaces_in_the_wikis_own_language_are_left_out():
    """A German picture is one by its German name; without it, its parameters would be words."""
    text = "[[Datei:A.jpg|mini|Katze]] [[Kategorie:Katzen]] Katze"
    assert phrases_of(plain_text(text, (*LINK_PREFIXES, "datei", "kategorie"))) == [["Katze"]]


def test_without_the_library_the_extra_is_named(monkeypatch):
    """Said before anything is started."""
    original = builtins.__import__

    def refuse(name, *rest, **named):  # noqa: ANN001, ANN002, ANN003, ANN202
        if name == "mwparserfromhell":
            raise ImportError("No module named 'mwparserfromhell'")
        return original(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ConfigError, match=r"needs mwparserfromhell .*pip install 'metaclip-spark\[wikipedia\]'"):
        cleaner()
