"""The page is complete, self-contained, escaped, and the same for equal cards."""

from __future__ import annotations

import re
import sys
from base64 import b64encode
from dataclasses import fields, replace
from hashlib import sha256
from html.parser import HTMLParser

import numpy as np
import pytest
from whole import composition, whole

from metaclip_spark.core.extras import requirements
from metaclip_spark.counts.given import compared
from metaclip_spark.metadata import Metadata
from metaclip_spark.report import card_json, sections
from metaclip_spark.report.card import Card
from metaclip_spark.report.compare import compare
from metaclip_spark.report.plots import card as card_plots
from metaclip_spark.report.render import NO_MATPLOTLIB, render, render_compared

VOID = {"meta", "br", "hr", "img", "input", "link"}
HOSTILE = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "' onload='x",
    "&amp;lt;",
    "{{ 7 * 7 }}",
    "{% raw %}",
    "$x^2$ \\frac",
    "]]>-->",
    "a\u202egnp.exe",
    "\u2066iso\u2069",
    "nul\x00 esc\x1b",
    "line\nend",
    "\ud800 lone",
    "word" * 2_500,
    "京都 大阪",
    "שלום",
    "@0@",
    "@1@",
    "</text></svg></style>",
    "url(https://example.org/x.png)",
]


def hostile(entry_id: int) -> str:
    """Return a hostile entry for any id."""
    return HOSTILE[entry_id % len(HOSTILE)]


class Page(HTMLParser):
    """A parsed page: its elements, their attributes, and its texts."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.in_style: list[str] = []
        self.in_script: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, {k: v or "" for k, v in attrs}))
        if tag not in VOID:
            self.open.append(tag)  # the parser calls both handlers for <path />

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data):
        (
            self.in_style
            if self.open[-1:] == ["style"]
            else self.in_script
            if self.open[-1:] == ["script"]
            else self.texts
        ).append(data)

    @property
    def tags(self) -> set[str]:
        """Names of the elements on the page."""
        return {tag for tag, _ in self.elements}


def make_card(n: int = 2_000, **changes) -> Card:
    """Make a card with a long tail: counts are 5000 / rank, and the last fifth of the entries is unmatched."""
    counts = (5_000 / np.arange(1, n + 1)).astype(np.int64)
    counts[-n // 5 :] = 0
    curated = np.minimum(counts, 300)
    values = {
        "run_id": "0123abcd",
        "attempt_id": "attempt-7",
        "created_at": "2025-01-01T00:00:00+00:00",
        "metaclip_spark_version": "0.1.0",
        "snapshots": ["CC-MAIN-2025-05"],
        "metadata_id": "ab12",
        "metadata_path": "list.json",
        "n_entries": n,
        "seed": 3,
        "threshold": 250,
        "tail_fraction_target": 0.06,
        "tail_fraction": 0.0612,
        "records_read": 765_432,
        "sources": {"done": 41, "partial": 2, "failed": 1},
        "texts_read": 54_321,
        "texts_matched": 23_456,
        "unique_pairs": 12_345,
        "rejected": {"bad url": 1_717, "json": 9},
        "entry_counts": counts,
        "curated_entry_counts": curated,
        "entries": lambda i: f"entry {i}",
        "matches_per_text": {1: 9_000, 2: 3_000, 30: 345},
        "curated_size": 3_456,
        "curated_matches_per_text": {1: 3_000, 2: 456},
        "expected_size": 3_444.5,
        "expected_sd": 46.0,
        "incomplete_sources": [("a.wat.gz", "partial", "gzip ends early")],
        "config": {"balance": {"seed": 3}},
        "versions": {"spark": "4.0.0"},
        "table_paths": {"pairs": "wh/pairs"},
        "notes": ["2 sources are partial"],
    }
    return Card(**(values | changes))


def empty_card() -> Card:
    """Make the card of a run that read nothing."""
    nothing = np.zeros(0, dtype=np.int64)
    return make_card(
        10,
        n_entries=0,
        entry_counts=nothing,
        curated_entry_counts=nothing,
        sources={},
        records_read=0,
        texts_read=0,
        texts_matched=0,
        unique_pairs=0,
        rejected={},
        entries=[],
        matches_per_text={},
        curated_matches_per_text={},
        curated_size=0,
        expected_size=0.0,
        expected_sd=0.0,
        tail_fraction=0.0,
        incomplete_sources=[],
        notes=[],
        config={},
        versions={},
        table_paths={},
        snapshots=[],
        threshold=1,
    )


def test_page_is_well_formed_and_has_four_plots():
    """Every element is closed, and every plot has a name for screen readers."""
    page = Page(render(make_card()))
    assert page.open == []
    svgs = [attributes for tag, attributes in page.elements if tag == "svg"]
    assert [a["aria-label"] for a in svgs] == [
        "Entry counts, sorted",
        "Cumulative counts",
        "Matches per text",
        "Most frequent entries",
    ]


def test_page_carries_the_strict_policy():
    """The page's policy lets nothing load, and nothing run but its script, even if a text is not escaped."""
    for html in (render(make_card()), render_compared(compare(make_card(), make_card()))):
        page = Page(html)
        script = page.in_script[-1]
        allowed = b64encode(sha256(script.encode()).digest()).decode()
        assert [a.get("content") for _, a in page.elements if "http-equiv" in a] == [
            "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'unsafe-inline'; "
            f"script-src 'sha256-{allowed}'"
        ]


def test_page_has_no_outside_resources():
    """Each reference has a target inside the page."""
    page = Page(render(make_card()))
    assert page.tags.isdisjoint({"link", "iframe", "object", "embed", "img", "base", "a"})
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    for tag, attributes in page.elements:
        for name, value in attributes.items():
            assert not re.match("on|src|action", name), tag
            targets = re.findall(r"url\(\s*['\"]?([^)'\"]*)", value)
            targets += [value] if name.endswith("href") else []
            assert all(t.startswith("#") and t[1:] in ids for t in targets), (tag, name, value)
    css = "".join(page.in_style)
    assert "url(" not in css
    assert "@import" not in css


@pytest.mark.parametrize("where", ["entries", "everywhere"])
def test_hostile_texts_do_not_break_the_page(where):
    """A page of hostile texts has the elements of a page of harmless ones."""
    changes: dict = {"entries": hostile}
    if where == "everywhere":
        changes |= dict.fromkeys(("run_id", "attempt_id", "created_at"), HOSTILE[1])
        changes |= {
            "metadata_id": HOSTILE[0],
            "metadata_path": HOSTILE[1],
            "snapshots": HOSTILE,
            "notes": HOSTILE,
            "rejected": dict.fromkeys(HOSTILE, 3),
            "config": {t: t for t in HOSTILE},
            "versions": {t: t for t in HOSTILE},
            "table_paths": {t: t for t in HOSTILE},
            "incomplete_sources": [(t, t, t) for t in HOSTILE],
            "metaclip_spark_version": "<b>",
        }
    html = render(make_card(**whole(HOSTILE if where == "everywhere" else ["a"]), **changes))
    page = Page(html)
    assert page.open == []
    assert page.tags == Page(render(make_card(**whole()))).tags
    assert not any(name.startswith("on") for _, a in page.elements for name in a)
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00\x1b\ud800-\udfff]", html)
    assert len(html.encode("utf-8")) < 500_000


def test_entries_are_shown_unchanged_in_table_and_plot():
    """Escaping does not change the shown text, and `$` is not read as mathematics."""
    page = Page(render(make_card(entries=hostile)))
    assert "<script>alert(1)</script>" in page.texts
    assert "a[U+202E]gnp.exe" in page.texts
    assert page.texts.count("$x^2$ \\frac") == 3  # the table, the plot, and the unmatched entries
    assert page.texts.count("@0@") == page.texts.count("@1@") == 2


def test_a_comparison_of_hostile_texts_does_not_break_the_page():
    """The page of two runs is escaped, too."""
    cards = [make_card(entries=hostile, run_id=HOSTILE[0], **whole(HOSTILE))]
    cards.append(make_card(200, entries=hostile, metadata_id="short", composition=composition(["a"])))
    cards.append(make_card(entries=hostile, metadata_id="other", config={t: t for t in HOSTILE}, **whole(HOSTILE)))
    for other in cards[1:]:
        html = render_compared(compare(cards[0], replace(other, entries=[hostile(i) for i in range(other.n_entries)])))
        page = Page(html)
        assert page.open == []
        assert page.tags.isdisjoint({"img", "svg", "a", "link"})
        assert not any(name.startswith("on") for _, a in page.elements for name in a)
        assert not re.search("[\u202a-\u202e\u2066-\u2069\x00\x1b\ud800-\udfff]", html)
        card_json.as_text(compare(cards[0], other).as_plain()).encode("utf-8")


def test_the_composition_of_the_pool_is_on_the_page():
    """The page shows languages, sources, domains, entries from few domains, sample pairs, and thin classes."""
    page = Page(render(make_card(**whole())))
    text = " ".join(" ".join(page.texts).split())
    for sentence in (
        "cat 900 300 33.3%",
        "7 more languages have 9,648 pairs of the pool and 2,559 of the subset.",
        "entry 0 1.00 cat 32.5% 5,000 300",
        "under 1.5 2",
        "1 / Σ share² (inverse Simpson)",
        "40 entries have at least 20 pairs in the pool, and are compared.",
        "about 100 of them are sampled by a keyed hash of the pair.",
        "A domain is the registered part of an image's host: example.co.uk of img1.example.co.uk. "
        "The pool has 10 domains.",
        "50 pairs of the curated subset cat https://example.org/cat > 0.9999 draw 0.2500",
        "50 pairs that were dropped cat https://example.org/cat 0.125 draw 0.2500",
        "1 of 3 classes is thin",
        "cat the same 5,000 5",
        "A class is thin if fewer than 100 pairs of the curated subset match its entry.",
        "1 class is not an entry",
        "All 2 classes that are entries, sorted by their pairs in the subset",
        "cow",
        "can never match 2 (contains a TAB, a line end, or punctuation that matching separates by spaces): entry 1700 "
        "entry 1999",
        "did not occur 398 : entry 1600 entry 1601",
        "− 655 duplicates found in deduplication",
        "− 8,889 not sampled",
    ):
        assert sentence.replace(" :", ":") in text.replace(" :", ":"), sentence


def test_a_sample_of_domains_is_described_as_one():
    """In a very large pool, domains are counted in a sample of the pairs."""
    made = replace(whole()["composition"], domain_share=0.003)
    text = " ".join(Page(render(make_card(composition=made))).texts)
    assert (
        "Domains are counted in 12,345 pairs, a sample of 0.3% of the pool by a keyed hash. "
        "The subset is sampled by the same hash."
    ) in text


def test_a_card_without_composition_names_the_command_that_adds_it():
    """For a large pool, `run` leaves the pass to `report`."""
    page = Page(render(make_card()))
    assert page.texts.count(sections.NO_COMPOSITION) == 1
    assert sections.NO_COMPOSITION == (
        "Languages, text sources, domains and a random sample of pairs need another pass over the pool: "
        "`metaclip-spark report` makes it and writes this page again."
    )


def test_numbers_on_the_page_equal_the_card():
    """The page shows each number of the card, with separators."""
    card = make_card()
    texts = Page(render(card)).texts
    assert texts.count("12,345") == texts.count("3,456") == 4
    text = " ".join(texts)
    shown = set(re.findall(r"\d[\d,]*(?:\.\d+)?", text))
    for name in (
        "unique_pairs",
        "curated_size",
        "texts_read",
        "texts_matched",
        "records_read",
        "n_entries",
        "threshold",
        "seed",
        "entries_unmatched",
        "entries_tail",
        "entries_head",
        "total_counts",
        "curated_total_counts",
    ):
        assert f"{getattr(card, name):,}" in shown, name
    assert {"3,444.5", "46.0", "1,717", "41", "2", "1", "9"} <= shown
    for share in (card.kept_share, card.tail_fraction, card.head_share_of_counts):
        assert f"{share * 100:.1f}%" in text
    assert "+0.25 sd from the expected size" in text
    for entry_id in card.top_entry_ids():
        assert f"{card.entry_counts[entry_id]:,}" in shown
        assert f"entry {entry_id}" in text


def test_incomplete_sources_and_the_papers_figures_have_references():
    """A shortened list names the table with all sources, and the paper's figures name the paper."""
    text = " ".join(Page(render(make_card())).texts)
    ours = ("a.wat.gz", "gzip ends early", "The table", "lists 2 more.")
    papers = ("arXiv 2309.16671", "1.6B", "10.7B", "94.5%", "114K (22.8%)", "4,035 (3 runs)")
    assert [shown for shown in ours + papers if shown not in text] == []


def test_empty_card_has_sentences_instead_of_plots():
    """A run that read nothing has a page, too."""
    page = Page(render(empty_card()))
    assert page.open == []
    assert "svg" not in page.tags
    assert page.texts.count("Nothing to plot: no text of the pool matched an entry.") == 4


ZERO = np.zeros(4, dtype=np.int64)


@pytest.mark.parametrize(
    "changes",
    [
        {"entry_counts": ZERO, "curated_entry_counts": ZERO},
        {"entry_counts": ZERO + 1, "curated_entry_counts": ZERO, "curated_matches_per_text": {}},
        {"entry_counts": ZERO + 9, "curated_entry_counts": ZERO + 9, "threshold": 10**12},
        {"entry_counts": ZERO + 9, "curated_entry_counts": ZERO + 1, "threshold": 1},
        {"matches_per_text": {0: 5, 1: 5}, "curated_matches_per_text": {1: 2}},
        {"n_entries": 1, "entry_counts": ZERO[:1] + 7, "curated_entry_counts": ZERO[:1] + 7},
    ],
    ids=["no-counts", "empty-subset", "all-tail", "all-head", "kept-unmatched", "one-entry"],
)
def test_odd_pools_make_a_page(changes, recwarn):
    """Zeros cause neither errors nor warnings in divisions and logarithms."""
    page = Page(render(make_card(4, **changes)))
    assert page.open == []
    assert not recwarn.list
    assert "nan" not in " ".join(v for _, a in page.elements for v in a.values()).split()


def test_without_matplotlib_the_page_names_what_to_install(monkeypatch):
    """matplotlib is an extra, and the page has all numbers without it."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert not card_plots.available()
    page = Page(render(make_card()))
    assert page.texts.count(NO_MATPLOTLIB) == 1
    assert f"Plots need matplotlib: pip install '{requirements('report')[0]}'." == NO_MATPLOTLIB
    assert "svg" not in page.tags
    assert "12,345" in page.texts


def test_equal_cards_give_equal_pages():
    """A page does not depend on the date, on random ids or on the order of keys in a dict."""
    card = make_card(config={"a": 1, "b": {"c": 2, "d": 3}})
    backwards = {
        f.name: dict(reversed(v.items())) if isinstance(v := getattr(card, f.name), dict) else v for f in fields(card)
    }
    assert render(card) == render(Card(**backwards))


def test_the_users_matplotlib_settings_neither_matter_nor_change():
    """A notebook's style does not affect the page, and rendering does not change it."""
    import matplotlib

    expected = render(make_card())
    pyplot_before = "matplotlib.pyplot" in sys.modules
    with matplotlib.rc_context({"font.size": 33, "axes.grid": False, "svg.fonttype": "path"}):
        assert render(make_card()) == expected
        assert matplotlib.rcParams["font.size"] == 33
    assert ("matplotlib.pyplot" in sys.modules) == pyplot_before


def test_page_of_a_full_list_stays_small():
    """The plots of 500,000 entries have a few hundred points."""
    assert len(render(make_card(500_000)).encode()) < 150_000


def test_given_counts_are_compared_on_the_page():
    """Both sums, and the entries that differ most, with hostile ones as text; without given counts, no table."""
    entries = ["<script>alert(1)</script>", "cat", "dog"]
    difference = compared(np.array([5, 40, 50]), np.array([0, 500, 400]), 50, Metadata.from_entries(entries))
    page = render(make_card(3, entries=entries, given_counts={"layout": "card", **difference}))
    assert '<table data-csv="counts-that-differ">' in page
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;</bdi>" in page
    assert '<td class="n" data-value="500">500</td>' in page
    assert '<th scope="row">sum of the counts</th><td class="n">95</td><td class="n">900</td>' in page
    assert "Rank correlation (Spearman&#39;s) of both counts" in page
    assert "counts-that-differ" not in render(make_card(3, entries=entries))
