"""A pool of hostile texts, urls, languages and names, through the commands: pages and terminal show it as text."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from browser import Browser, installed
from e2e_world import call, flag_words, write_parquet
from selectolax.lexbor import LexborHTMLParser

pytestmark = pytest.mark.spark

RAN = "document.title='ran'"
TEXTS = [
    f"a cat <script>{RAN}</script>",
    f"a cat <img src=x onerror={RAN}>",
    f'a cat "><svg onload="{RAN}">',
    f"a cat </script><script>{RAN}</script>",
    f"a cat </textarea></title></style><body onload={RAN}>",
    "a cat \x1b[2J\x1b]0;title\x07",
    "a cat \u202egnp.exe \u2067",
    "a cat {{ 7 * 7 }} {% raw %} ${x} %(y)s",
    "=1+1 a cat",
    "a cat\n=1+1",
    "@SUM(A1) a cat",
    "a cat -->]]>",
]
ENTRIES = ["cat", f"<script>{RAN}</script>", f"<img src=x onerror={RAN}>", "=1+1", "\u202egnp", "</script>", "a"]
NAMES = [f"x<img src=y onerror={RAN}>.parquet", "b'\"><svg onload=1>.parquet", "c\x1b[31m\u202e.parquet"]
_CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@pytest.fixture(scope="module")
def browser():
    """Start one browser for all pages; None without one: then only the parser checks them."""
    found = Browser(installed()) if installed() else None
    yield found
    if found is not None:
        found.close()


def hostile_pool(folder: Path) -> Path:
    """Write files with hostile names, whose urls, texts, languages and kept columns are hostile, too."""
    for at, name in enumerate(NAMES):
        rows = [
            (f"http://h{number}.example/{at}/{text}?{text}", text, text if number % 3 else "en", text, text)
            for number, text in enumerate(TEXTS)
        ]
        write_parquet(folder / name, [*rows, (f"javascript:{RAN}", TEXTS[0], "en", "k", "n")])
    return folder


def test_hostile_data_is_text_on_every_page_and_on_the_terminal(world, browser, monkeypatch):
    """Card, comparison with classes, and what `explain`, `runs`, `sweep` and `verify` print."""
    monkeypatch.chdir(world.root)
    entries = world.root / "hostile.json"
    entries.write_text(json.dumps(ENTRIES), encoding="utf-8")
    classes = world.root / "classes.txt"
    classes.write_text("\n".join([*ENTRIES[:4], f"<b>{RAN}</b>"]), encoding="utf-8")
    pool = hostile_pool(world.root / "hostile")
    words = world.words(input=pool, metadata=entries)
    words += ["--lang-column", "lang", "--languages", "all", "--keep-columns", "key,note"]
    at = flag_words(warehouse=world.root / "warehouse")
    ended = [call("run", *words), call("balance", *at, "--threshold", 5)]
    assert [each.status for each in ended] == [0, 0], [each.err for each in ended]
    runs = [run["run_id"] for run in json.loads(call("runs", "list", *at, "--json").out)]
    card, compared = world.root / "card.html", world.root / "compared.html"
    ended += [
        call("report", *at, "--class-names", classes, "--output", card, "--metadata", entries),
        call("report", *at, "--compare", *runs[:2], "--output", compared, "--metadata", entries),
        call("explain", *at, "--text", TEXTS[5], "--metadata", entries),
        call("explain", *at, "--url", f"http://h5.example/0/{TEXTS[5]}?{TEXTS[5]}", "--metadata", entries),
        call("sweep", *at),
        call("runs", "show", runs[0], *at),
        call("snapshots", "list", *at),
        call("verify", *at),
        call("export", *at),
        call("report", *at, "--eu-summary", world.root / "summary"),
    ]
    assert [each.status for each in ended] == [0] * len(ended), [each.err[-400:] for each in ended if each.status]
    assert [each for each in ended if _CONTROLS.search(each.out + each.err)] == []
    assert "\\x1b[2J" in ended[4].out  # explain writes texts as Python does
    assert "[U+001B][2J[U+001B]]0;title[U+0007]" in ended[5].out
    markdown = (world.root / "summary" / "summary.md").read_text(encoding="utf-8")
    assert RAN in markdown
    assert re.search(r"(?<!\\)[<>]", markdown) is None
    assert _CONTROLS.search(markdown) is None
    for line in (world.root / "summary" / "domains-of-images.csv").read_text(encoding="utf-8").splitlines()[1:]:
        assert re.match(r"\d+,[\w.-]+,\d+,\d+$", line)
    for page in (card, compared):
        html = page.read_text(encoding="utf-8")
        tree = LexborHTMLParser(html)
        assert tree.css("img, svg[onload], a, iframe, base, link, form, object, embed") == []
        assert [
            node.tag for node in tree.root.traverse() if any(name.startswith("on") for name in node.attributes)
        ] == []
        assert "\u202e" not in html
        assert "\x1b" not in html
        assert "Content-Security-Policy" in html
        if browser is not None:
            browser.open(page, 1280)
            assert browser.value("document.title") != "ran"
            problems = [e for e in browser.events if e["method"] in ("Log.entryAdded", "Runtime.exceptionThrown")]
            assert problems == []
            shown = browser.value("document.documentElement.innerText")
            assert RAN in shown
