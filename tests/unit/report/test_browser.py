"""In headless Chromium, the pages fetch nothing, run nothing, and fit the width of the window."""

from __future__ import annotations

import csv
import io
import json

import pytest
from test_render import HOSTILE, hostile, make_card
from whole import whole

from metaclip_spark.report.compare import compare
from metaclip_spark.report.render import render, render_compared

ATTACKS = [
    *HOSTILE,
    "<script>document.title='ran'</script>",
    "<img src=x onerror=\"document.title='ran'\">",
    '"><svg onload="document.title=\'ran\'">',
    "<style>@import url(http://127.0.0.1:9/x.css);</style>",
    "<a href=\"javascript:document.title='ran'\">",
    "<meta http-equiv=refresh content=0;url=http://127.0.0.1:9/>",
    "</details></table><form action=http://127.0.0.1:9/><input autofocus onfocus=\"document.title='ran'\">",
    "&#60;script&#62;document.title='ran'&#60;/script&#62;",
    '=HYPERLINK("http://127.0.0.1:9/")',
    "@SUM(1)",
    "+1+1",
    "-1+1",
    "\t=1",
    "a\u2028b\u2029c",
    'שלום, "עולם"',
    "W" * 10_240,
    "\u202e\u2067" + "x" * 500,
]


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict:
    """Render the page of a run and the page of two runs, with hostile texts in all places."""
    changes = dict.fromkeys(("attempt_id", "created_at"), ATTACKS[20])
    card = make_card(
        run_id=ATTACKS[21],
        entries=lambda at: ATTACKS[at % len(ATTACKS)],
        metadata_id=ATTACKS[0],
        snapshots=ATTACKS,
        notes=ATTACKS,
        rejected=dict.fromkeys(ATTACKS, 3),
        config={t: t for t in ATTACKS},
        versions={t: t for t in ATTACKS},
        table_paths={t: t for t in ATTACKS},
        incomplete_sources=[(t, t, t) for t in ATTACKS],
        **changes,
        **whole(ATTACKS),
    )
    folder = tmp_path_factory.mktemp("pages")
    rendered = {"card": render(card), "compared": render_compared(compare(card, make_card(entries=hostile, **whole())))}
    for name, html in rendered.items():
        (folder / f"{name}.html").write_text(html, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in rendered}


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", ["card", "compared"])
def test_a_page_of_hostile_texts_stays_whole(browser, pages, name, width):
    """The page causes no request, script, error or horizontal scrolling, in wide and in narrow windows."""
    browser.open(pages[name], width)
    requests = [e["params"]["request"]["url"] for e in browser.events if e["method"] == "Network.requestWillBeSent"]
    assert requests == [pages[name].as_uri()]
    problems = [e["params"] for e in browser.events if e["method"] in ("Log.entryAdded", "Runtime.exceptionThrown")]
    assert problems == []
    assert browser.value("document.title").startswith("Data card of run" if name == "card" else "Runs ")
    assert browser.value("document.querySelectorAll('script:not([type])').length") == 1
    assert browser.value("document.querySelectorAll('img, a, form, iframe, base, link').length") == 0
    assert browser.value("document.querySelectorAll('main > footer').length") == 1
    for opened in (False, True):
        assert browser.value("document.documentElement.scrollWidth") <= width
        if not opened:
            browser.value("document.querySelectorAll('details').forEach(one => one.open = true)")
    shown = browser.value("document.body.innerText")
    assert "<script>document.title='ran'</script>" in shown
    assert "\u202e" not in shown


def test_the_policy_stops_a_text_that_is_not_escaped(browser, pages):
    """If a text is not escaped, its script does not run and its image is not requested."""
    page = pages["card"].with_name("broken.html")
    injected = '<img src="http://127.0.0.1:9/x.png"><script>document.title="ran"</script></main>'
    page.write_text(pages["card"].read_text(encoding="utf-8").replace("</main>", injected), encoding="utf-8")
    browser.open(page, 1280)
    assert browser.value("document.title") != "ran"
    blocked = [e["params"].get("blockedReason") for e in browser.events if e["method"] == "Network.loadingFailed"]
    assert blocked == ["csp"]
    messages = [e["params"]["entry"]["text"] for e in browser.events if e["method"] == "Log.entryAdded"]
    assert len([text for text in messages if "Content Security Policy" in text]) == 2


@pytest.mark.parametrize("name", ["card", "compared"])
def test_every_table_is_sorted_by_each_of_its_columns(browser, pages, name):
    """A click sorts, another click turns round; the head says so; groups stay, and no row is lost."""
    browser.open(pages[name], 1280)
    wrong = """
      const wrong = [];
      const tables = [...document.querySelectorAll('table')];
      for (const table of tables) {
        const heads = [...table.tHead.rows[0].cells].filter((head) => head.scope);
        const state = () => [...table.tBodies].map((body) => [...body.rows].map((row) => row.outerHTML));
        const groups = () => [...table.tBodies].map((body) => body.rows[0].className).join();
        const [all, first] = [state().map((rows) => [...rows].sort()), groups()];
        for (const head of heads) {
          const clicked = [0, 1].map(() => (head.querySelector('button').click(), [head.ariaSort, state()]));
          const sorted = table.querySelectorAll('[aria-sort]').length;
          const whole = JSON.stringify(state().map((rows) => [...rows].sort())) === JSON.stringify(all);
          const turned = clicked.map(([sort]) => sort).sort().join() === 'ascending,descending';
          const right = sorted === 1 && whole && turned && groups() === first;
          if (!right) wrong.push([table.dataset.csv, head.textContent]);
        }
      }
      return JSON.stringify([tables.length, wrong]);"""
    number, found = json.loads(browser.value(f"(() => {{{wrong}}})()"))
    assert (number, found) == ({"card": 16, "compared": 6}[name], [])


def test_numbers_are_sorted_as_numbers_and_missing_ones_come_last(browser, tmp_path):
    """Commas and signs do not matter, words follow numbers, and a dash is no value."""
    card = make_card(**whole())
    (tmp_path / "card.html").write_text(render(card), encoding="utf-8")
    browser.open(tmp_path / "card.html", 1280)
    column = "[...document.querySelectorAll('table[data-csv=NAME] tbody tr')].map((row) => row.cells[AT].textContent)"

    def after_click(name: str, at: int) -> list[str]:
        script = f"document.querySelectorAll('table[data-csv={name}] thead th')[{at}].querySelector('button').click()"
        return browser.value(f"{script}, {column.replace('NAME', name).replace('AT', str(at))}")

    assert after_click("rejects", 1) == ["1,717", "9"]
    assert after_click("rejects", 1) == ["9", "1,717"]
    assert after_click("compared-with-the-paper", 3)[-1] == "–"
    assert after_click("compared-with-the-paper", 3)[-1] == "–"
    assert after_click("top-entries", 0)[:3] == ["entry 0", "entry 1", "entry 2"]
    assert after_click("languages", 0) == ["cat", "cow", "dog"]


def test_a_table_is_saved_as_csv_with_exact_numbers_and_no_formula(browser, pages, tmp_path):
    """The file is UTF-8 for spreadsheets, formulas get an apostrophe, and numbers have no separators."""
    browser.open(pages["card"], 1280)
    browser.downloads_to(tmp_path)
    tables = browser.value("[...document.querySelectorAll('table')].map((table) => table.dataset.csv)")
    assert browser.value("document.querySelectorAll('.tools button.csv').length") == len(tables) + 1
    names = ("configuration", "rejects", "top-entries", "numbers")
    for name in names:
        browser.value(f"document.querySelector('.csv[title=\"{name}.csv\"]').click()")
    rows = {}
    for path in browser.downloaded(tmp_path, 4):
        assert path.read_bytes().startswith(b"\xef\xbb\xbf")
        name = next(name for name in names if path.stem.endswith(f"-{name}"))
        rows[name] = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))
    cells = [cell for each in rows.values() for row in each for cell in row]
    assert [cell for cell in cells if cell[:1] in ("=", "+", "@", "\t", "\r")] == []
    assert [cell for cell in cells if cell.startswith("-")] == []
    settings = dict(rows["configuration"][1:])
    for formula in ('=HYPERLINK("http://127.0.0.1:9/")', "@SUM(1)", "+1+1", "-1+1"):
        assert settings[f"'{formula}"] == f"'{formula}"
    assert settings['שלום, "עולם"'] == 'שלום, "עולם"'
    assert rows["top-entries"][0] == ["Entry", "Entry id", "Pool", "Curated", "Entry probability"]
    assert rows["top-entries"][1][1:] == ["0", "5000", "300", "0.05"]
    assert rows["numbers"][0] == ["Group", "Name", "Value", "Meaning"]
    assert ["Texts and pairs", "Texts", "54321", "found, not empty"] in rows["numbers"]


FOUND = """
  (async () => {
    const place = document.getElementById('search');
    const input = place.querySelector('input');
    input.focus();
    input.value = WANTED;
    input.dispatchEvent(new Event('input'));
    const status = place.querySelector('[role=status]');
    status.textContent = '';
    while (!status.textContent) await new Promise((done) => setTimeout(done, 20));
    await new Promise((done) => setTimeout(done, 200));
    return JSON.stringify({
      status: status.textContent,
      heads: [...place.querySelectorAll('thead th')].map((head) => head.textContent),
      rows: [...place.querySelectorAll('tbody tr')].map((row) => [...row.cells].map((cell) => cell.textContent)),
      panel: place.querySelector('.panel').innerText,
    });
  })()"""


def found(browser, wanted: str) -> dict:
    """Type into the page's search, and return what it then shows."""
    return json.loads(browser.value(FOUND.replace("WANTED", json.dumps(wanted))))


def test_an_entry_is_searched_with_its_numbers_and_texts(browser, tmp_path):
    """An exact match comes first and is shown; capitals do not matter; a click shows another entry."""
    (tmp_path / "card.html").write_text(render(make_card(**whole())), encoding="utf-8")
    browser.open(tmp_path / "card.html", 1280)
    assert browser.value("document.querySelector('label[for=wanted]').control === document.querySelector('#wanted')")
    seen = found(browser, "ENTRY 3")
    assert seen["status"] == "111 entries contain this; the first 50 are shown."
    assert seen["heads"] == ["Entry", "Entry id", "Pool", "Curated", "Kept", "t", "Entry probability"]
    assert seen["rows"][:2] == [
        ["entry 3", "3", "1,250", "300", "24.0%", "250", "0.2"],
        ["entry 30", "30", "161", "161", "100%", "250", "1"],
    ]
    assert len(seen["rows"]) == 50
    assert [row[0] for row in found(browser, "3")["rows"]][:2] == ["entry 3", "entry 30"]
    seen = found(browser, "ENTRY 3")
    lines = [line for line in seen["panel"].splitlines() if line]
    assert lines[:3] == ["entry 3", "Entry id", "3"]
    at = lines.index("Before: 3 random texts of 1,250")
    assert lines[at + 1 : at + 3] == ["cat", "https://example.org/cat"]
    at = lines.index("After: 1 random text of 300")
    assert lines[at + 1 :] == ["cow", "https://example.org/after"]
    browser.value("document.querySelectorAll('#search .pick')[1].click()")
    assert (
        browser.value("new Promise((done) => setTimeout(() => done(document.activeElement.innerText), 300))")[:8]
        == "entry 30"
    )
    assert found(browser, "entry 999")["panel"].endswith("This page has no texts of this entry.")
    assert found(browser, "no such entry")["status"] == "No entry of this page contains this."
    assert browser.value("document.querySelectorAll('#search table').length") == 0
    problems = [e["params"] for e in browser.events if e["method"] in ("Log.entryAdded", "Runtime.exceptionThrown")]
    assert problems == []


def test_all_entries_are_saved_as_csv(browser, tmp_path):
    """Exact numbers of every entry that the page has, whatever is searched."""
    (tmp_path / "card.html").write_text(render(make_card(entries=hostile, **whole())), encoding="utf-8")
    browser.open(tmp_path / "card.html", 390)
    folder = tmp_path / "saved"
    folder.mkdir()
    browser.downloads_to(folder)
    browser.value("document.querySelector('.csv[title=\"entries.csv\"]').click()")
    (path,) = browser.downloaded(folder, 1)
    assert path.name == "0123abcd-entries.csv"
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))
    assert rows[0] == ["Entry", "Entry id", "List", "Pool", "Curated", "Kept", "t", "Entry probability"]
    assert rows[1] == ["<script>alert(1)</script>", "0", "", "5000", "300", "0.06", "250", "0.05"]
    assert len(rows) == 1 + 1_600
    assert {row[0] for row in rows[1:] if row[0].startswith("'")} == {"' onload='x", "'@0@", "'@1@"}


@pytest.mark.parametrize("width", [1280, 390])
def test_hostile_entries_and_texts_are_shown_as_texts(browser, pages, width):
    """Nothing runs and nothing is asked for, and the page keeps its width."""
    browser.open(pages["card"], width)
    seen = found(browser, "<script>document.title='ran'</script>")
    assert seen["rows"][0][0] == "<script>document.title='ran'</script>"
    assert "<script>document.title='ran'</script>" in seen["panel"]
    assert browser.value("document.querySelectorAll('#search script, #search img, #search a').length") == 0
    assert browser.value("document.title").startswith("Data card of run")
    assert browser.value("document.documentElement.scrollWidth") <= width
    requests = [e["params"]["request"]["url"] for e in browser.events if e["method"] == "Network.requestWillBeSent"]
    assert requests == [pages["card"].as_uri()]


def test_a_browser_that_cannot_unpack_says_so(browser, pages):
    """The search has no control then; tables are sorted as in every browser."""
    old = browser.ask("Page.addScriptToEvaluateOnNewDocument", source="delete window.DecompressionStream")
    try:
        browser.open(pages["card"], 1280)
        shown = browser.value("document.querySelector('#search').innerText")
        assert shown.endswith("the table entry_probabilities has the same numbers.")
        assert browser.value("document.querySelectorAll('#search input, #search button').length") == 0
    finally:
        browser.ask("Page.removeScriptToEvaluateOnNewDocument", identifier=old["identifier"])


def test_a_printed_page_has_no_controls(browser, pages):
    """Buttons and an empty search are for the screen; an entry that was searched is printed."""
    browser.open(pages["card"], 1280)
    browser.ask("Emulation.setEmulatedMedia", media="print")
    try:
        seen = (
            "[...document.querySelectorAll('.tools, .controls, #search')].filter((one) => one.checkVisibility()).length"
        )
        assert browser.value(seen) == 0
        found(browser, "$x^2$ \\frac")
        assert browser.value(seen) == 1
        assert browser.value("document.querySelector('#search table').checkVisibility()") is False
        assert browser.value("document.querySelector('#search .panel').checkVisibility()") is True
    finally:
        browser.ask("Emulation.setEmulatedMedia", media="")


def test_without_scripts_the_page_has_no_dead_control(browser, pages):
    """Buttons come from the script; everything that the page shows is there without it."""
    browser.ask("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(pages["card"], 1280)
        assert browser.value("document.querySelectorAll('button, input').length") == 0
        shown = browser.value("document.body.innerText")
        assert "12,345" in shown
        assert "Search an entry" not in shown
        assert "To search an entry, to sort a table and to save it as CSV, the page needs scripts." in shown
    finally:
        browser.ask("Emulation.setScriptExecutionDisabled", value=False)
