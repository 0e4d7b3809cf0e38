"""In headless Chromium, the pages fetch nothing, run nothing, and fit the width of the window."""

from __future__ import annotations

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
    assert browser.value("document.querySelectorAll('script, img, a, form, input, iframe, base, link').length") == 0
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
