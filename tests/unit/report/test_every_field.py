"""Every text of a card, whatever its field, is a text on the page: no element and no attribute comes out of it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from itertools import count
from typing import Any

import numpy as np
import pytest
from browser import Browser
from selectolax.lexbor import LexborHTMLParser
from test_browser import ATTACKS
from test_render import make_card
from whole import whole

from metaclip_spark.core.worldwide.sections import Sections
from metaclip_spark.counts.given import compared
from metaclip_spark.metadata import Metadata
from metaclip_spark.report.account import WithoutPairs
from metaclip_spark.report.card import Card
from metaclip_spark.report.compare import compare
from metaclip_spark.report.languages import LanguageRow
from metaclip_spark.report.plots import card as card_plots
from metaclip_spark.report.render import render, render_compared

_LONGEST = 300
"""The two attacks that are only long are tried in test_browser.py."""
TEXTS = [text for text in ATTACKS if len(text) < _LONGEST] + [
    "</svg><svg onload=\"document.title='ran'\">",
    "--></style></head><body onload=\"document.title='ran'\">",
    "]]></text><foreignObject><script>document.title='ran'</script>",
    "<math><mtext><table><mglyph><style><img src=x onerror=\"document.title='ran'\">",
    "\x1b[31m\u2028\u2029\ufeff",
]


OURS = ("sources", "used", "masked", "given_counts")
"""Fields whose keys the program itself writes."""


def spoiled(value: Any, texts: Iterator[str], keys: bool = True) -> Any:
    """Return a value with another hostile text in the place of each text in it, at any depth."""
    if isinstance(value, str):
        return next(texts)
    if isinstance(value, Mapping):
        named = {key: next(texts) if keys and isinstance(key, str) else key for key in value}
        return {named[key]: spoiled(part, texts, keys) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(spoiled(part, texts, keys) for part in value)
    if is_dataclass(value) and not isinstance(value, type):
        parts = {each.name: getattr(value, each.name) for each in fields(value) if each.init}
        return replace(value, **{name: spoiled(part, texts, name not in OURS) for name, part in parts.items()})
    return value


def full_card() -> Card:
    """Make a card with every part that there is."""
    n = 2_000
    two = Metadata.from_entries(["cat", "dog"])
    language = LanguageRow("de", 20, 0.06, True, "frozen", n, 3, 900, 300, 50, 40)
    return make_card(
        n,
        **whole(),
        languages=[language, replace(language, name="en", remark="", pool=900, curated=300)],
        entry_thresholds=np.full(n, 250, dtype=np.int64),
        left_of="the pool",
        given="run-b",
        capped=3,
        images=11_000,
        drawn=3_400,
        pool_pairs=20_000,
        pairs_before=15_000,
        taken_down=5,
        masked={"email": 3},
        given_counts={"layout": "card", **compared(np.array([5, 40]), np.array([0, 500]), 50, two)},
        weights={"column": "score", "path": "w.parquet"},
        sections=Sections.of({"de": n // 2, "en": n // 2}),
        has_earlier=True,
        pairs_seen=13_000,
        used=[{"stage": "extract", "snapshot": "CC-MAIN-2025-05", "seconds": 2.5, "core_seconds": 4.0, "bytes": 900}],
        without_pairs=[WithoutPairs("no_match", 3, 40, 50, 60, "a.wat.gz"), WithoutPairs("", 1, 0, 2, 0, "b.tsv")],
        passed_over={"not_page": 4},
        pairs_rematched=2,
        rejected={"bad_url": 3, "filter:mine:ugly": 4, "noai": 5, "an unknown one": 6},
        incomplete_sources=[("a.wat.gz", "partial", "gzip ends early"), ("b.tsv", "failed", "status 403")],
        config={"balance": {"seed": 3, "list": ["a", "b"]}, "filter": ["m:f"], "x": None, "y": {"z": {"w": "v"}}},
    )


def hostile_card(first: int = 0) -> Card:
    """Return the full card with a hostile text in each of its texts, beginning with one of them."""
    card = full_card()
    numbers = count(first)
    texts = iter(lambda: TEXTS[next(numbers) % len(TEXTS)] + f" {first}", None)
    spoilt: Card = spoiled(card, texts)
    return replace(spoilt, entries=[next(texts) for _ in range(card.n_entries)])


def elements(html: str) -> list[tuple[str, tuple[str, ...]]]:
    """Return (name, names of the attributes) of each element, in order, as a browser reads the page."""
    tree = LexborHTMLParser(html).root
    assert tree is not None
    return [(node.tag, tuple(sorted(node.attributes))) for node in tree.traverse(include_text=False)]


def shapes(html: str) -> set[tuple[str, tuple[str, ...]]]:
    """Return the kinds of elements of a page."""
    return set(elements(html))


def test_the_full_card_has_every_part():
    """A field that is added to the card, and that nobody fills here, fails this test."""
    card = full_card()
    values = {each.name: getattr(card, each.name) for each in fields(card)}
    assert [name for name, value in values.items() if not isinstance(value, np.ndarray) and not value] == []


@pytest.mark.parametrize("first", range(0, len(TEXTS), 5))
def test_no_element_of_a_page_comes_from_a_text(first):
    """The pages have the elements and attributes of pages of harmless texts."""
    assert card_plots.available()
    card, other = full_card(), replace(full_card(), run_id="other", metadata_id="cd")
    page, compared = render(card), render_compared(compare(card, other))
    hostile, second = hostile_card(first), hostile_card(first + 3)
    assert shapes(render(hostile)) <= shapes(page)
    assert shapes(render_compared(compare(hostile, second))) <= shapes(compared)
    for html, harmless in ((render(hostile), page), (render_compared(compare(hostile, second)), compared)):
        tags = [[tag for tag, _ in elements(each)] for each in (html, harmless)]
        assert tags[0].count("script") == tags[1].count("script")
        assert 'http-equiv="Content-Security-Policy"' in html
        assert html.index("Content-Security-Policy") < html.index("<style")


def wait_for(browser: Browser, condition: str) -> None:
    """Wait until a condition holds in the page."""
    limit = time.monotonic() + 30
    while not browser.value(condition):
        assert time.monotonic() < limit, condition
        time.sleep(0.05)


def test_a_browser_runs_nothing_of_a_text_in_any_field(browser, tmp_path):
    """The title stays, nothing is asked for, and nothing fails; also after a search, and after tables are sorted."""
    pages = {"card": render(hostile_card()), "compared": render_compared(compare(hostile_card(), hostile_card(7)))}
    for name, html in pages.items():
        page = tmp_path / f"{name}.html"
        page.write_text(html, encoding="utf-8")
        browser.open(page, 1280)
        title = browser.value("document.title")
        for wanted in ("script", "img", "</", "ran"):
            browser.value(
                f"if (window.wanted) {{ wanted.value = {wanted!r}; wanted.dispatchEvent(new Event('input')); }}"
            )
            wait_for(browser, "!window.wanted || document.querySelectorAll('button.pick').length > 0")
            browser.value("document.querySelectorAll('button.pick').forEach(one => one.click())")
        browser.value("document.querySelectorAll('th button').forEach(one => { one.click(); one.click(); })")
        browser.value("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        assert browser.value("document.title") == title
        assert title != "ran"
        asked = [e["params"]["request"]["url"] for e in browser.events if e["method"] == "Network.requestWillBeSent"]
        assert asked == [page.as_uri()]
        problems = [e["params"] for e in browser.events if e["method"] in ("Log.entryAdded", "Runtime.exceptionThrown")]
        assert problems == []
        strange = "img, a, form, input:not(#wanted), iframe, base, link, meta[http-equiv=refresh], foreignObject"
        assert browser.value(f"document.querySelectorAll({strange!r}).length") == 0
        assert "document.title='ran'" in browser.value("document.body.innerText")
