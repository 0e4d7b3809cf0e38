"""The rows by language: their numbers, their order, and the table on the page, which a browser sorts."""

from __future__ import annotations

import json

import numpy as np
import pytest
from cards import make_card

from metaclip_spark.core.worldwide.sections import Sections
from metaclip_spark.report.card_json import as_plain
from metaclip_spark.report.composition.model import Part, Parts
from metaclip_spark.report.languages import language_rows, with_pairs
from metaclip_spark.report.render import render

SECTIONS = Sections.of({"bo": 1, "en": 2, "zh": 3})
COUNTS = np.array([0, 40, 5, 1, 9, 90])
CURATED = np.array([0, 20, 5, 1, 9, 30])
THRESHOLDS = {"bo": 1, "en": 20, "zh": 10}
HOSTILE = "<script>document.title='ran'</script>"


def rows(**changes):
    """Return the rows of three languages."""
    values = {
        "thresholds": THRESHOLDS,
        "given": ["en"],
        "remarks": {"bo": "no pairs", "zh": "low"},
        "texts": {"en": 50, "zh": 200},
        "matched": {"en": 45, "zh": 50},
    }
    return language_rows(SECTIONS, counts=COUNTS, curated_counts=CURATED, **(values | changes))


def test_a_row_has_the_numbers_of_its_list():
    """Counts, unmatched entries and the tail fraction are of the language alone."""
    zh, en, bo = rows()
    assert (zh.name, zh.threshold, zh.tail_fraction, zh.counts, zh.curated_counts) == ("zh", 10, 0.1, 100, 40)
    assert (en.given, en.tail_fraction, en.texts, en.matched) == (True, 5 / 45, 50, 45)
    assert (bo.remark, bo.entries, bo.unmatched, bo.tail_fraction) == ("no pairs", 1, 1, 0.0)


def test_rows_with_pairs_are_ordered_by_them():
    """The language with the most pairs is first; a list without pairs has 0."""
    filled = with_pairs(rows(), Parts([Part("en", 60, 20), Part("zh", 40, 10)], 2, 100, 30))
    assert [(row.name, row.pool, row.curated) for row in filled] == [("en", 60, 20), ("zh", 40, 10), ("bo", 0, 0)]


def worldwide_card(**changes):
    """Return a card with languages."""
    filled = with_pairs(rows(), Parts([Part("en", 60, 30), Part("zh", 40, 10)], 2, 100, 40))
    values = {
        "n_entries": 6,
        "threshold": 20,
        "tail_fraction_target": 0.06,
        "entry_counts": COUNTS,
        "curated_entry_counts": CURATED,
        "entries": ["བོད", "cat", "dog", "猫", "狗", "犬"],
        "languages": filled,
        "entry_thresholds": SECTIONS.spread(np.array([1, 20, 10])),
        "curated_size": 40,
    }
    return make_card(**(values | changes))


def test_head_and_tail_go_by_the_t_of_each_language():
    """An entry with 9 pairs is head in no language here; 40 is head in English, 90 in Chinese."""
    card = worldwide_card()
    assert (card.entries_head, card.entries_tail, card.entries_unmatched) == (2, 3, 1)
    assert [card.threshold_of(at) for at in range(6)] == [1, 20, 20, 10, 10, 10]
    top = {row["entry"]: row["probability"] for row in as_plain(card)["top_entries"]}
    assert (top["cat"], top["犬"]) == (0.5, 10 / 90)
    plain = json.loads(json.dumps(as_plain(card)))
    assert [row["name"] for row in plain["language_lists"]] == ["en", "zh", "bo"]
    assert "language_lists" not in as_plain(make_card())


def test_the_page_names_languages_without_pairs_in_a_sentence():
    """A row for each language with pairs, shares before and after, and the remarks on t."""
    page = render(worldwide_card())
    assert "No pair of the pool matches the lists of bo." in page
    assert "t was given" in page
    assert "t is low" in page
    for cell in ('data-value="60">60<', 'data-value="0.6">60', 'data-value="0.75">75', 'data-value="0.25">25'):
        assert cell in page


@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_sorts_the_table_by_a_click(browser, tmp_path, width):
    """Down, then up, by numbers and by names; nothing is fetched, and a text that is not escaped does not run."""
    names = ["en", HOSTILE, "zh"]
    filled = [
        type(row)(**{**vars(row), "name": name, "remark": ""})
        for row, name in zip(worldwide_card().languages, names, strict=True)
    ]
    page = tmp_path / "card.html"
    page.write_text(render(worldwide_card(languages=filled)), encoding="utf-8")
    browser.open(page, width)
    problems = [e["params"] for e in browser.events if e["method"] in ("Log.entryAdded", "Runtime.exceptionThrown")]
    assert problems == []
    column = (
        "[...document.querySelectorAll('table[data-csv=lists] tbody tr')].map(row => row.cells[AT].dataset.value ?? '')"
    )
    heads = "document.querySelectorAll('table[data-csv=lists] thead th button')"

    def values(at: int) -> list[float]:
        return [float(one) for one in browser.value(f"{column.replace('AT', str(at))}.join(' ')").split()]

    for at in (1, 4, 9):
        browser.value(f"{heads}[{at}].click()")
        assert values(at) == sorted(values(at), reverse=True)
        browser.value(f"{heads}[{at}].click()")
        assert values(at) == sorted(values(at))
    assert browser.value("document.querySelectorAll('th[aria-sort=ascending]').length") == 1
    assert browser.value("document.title").startswith("Data card of run")
    assert browser.value("document.documentElement.scrollWidth") <= width
    broken = tmp_path / "broken.html"
    injected = '<script>document.title="ran"</script></main>'
    broken.write_text(page.read_text(encoding="utf-8").replace("</main>", injected), encoding="utf-8")
    browser.open(broken, width)
    assert browser.value("document.title") != "ran"
    assert browser.value(f"{heads}.length") == 11
