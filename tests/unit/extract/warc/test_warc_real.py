"""Real WARCs: each ends as expected, and a WARC has all pairs of its WAT, except by named rules."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))
import warc_gain

WAT = "a WAT, not a WARC: it holds metadata records in JSON; a WARC holds response records"
WET = "a WET, not a WARC: it holds conversion records in plain text; a WARC holds response records"
LIST = "not a WARC record: expected a line 'WARC/1.0', got b'part-00000-"

FILES = [
    # file, status, start of the reason, records, texts, pairs
    ("aut-issue-493.warc", "done", "", 32, 0, 0),
    ("aut-issue-514.warc", "done", "", 8, 3, 3),
    ("ccmain2020-34_sample.warc.gz", "done", "", 50, 41, 32),
    ("ccrawl-html-lang-attribute.warc", "done", "", 5, 0, 0),
    ("ccrawl-link-extraction-test.warc", "done", "", 10, 4, 4),
    ("clueweb-quirk.warc.gz", "done", "", 30, 556, 19),
    ("jwarc-cc.warc.gz", "done", "", 1, 6, 6),
    ("nodewarc-books.toscrape.warc", "done", "", 60, 20, 20),
    ("pages.warc.gz", "done", "", 3073, 14937, 10190),
    ("warcio-example-bad-non-chunked.warc.gz", "done", "", 6, 0, 0),
    ("warcio-example-iana-chunked.warc", "done", "", 3, 0, 0),
    ("whirlwind.warc.gz", "done", "", 4, 7, 7),
    # files that are no WARCs
    ("CC-MAIN-2024-22.warc.paths.gz", "failed", LIST, 0, 0, 0),
    ("pages.wat.gz", "failed", WAT, 1, 0, 0),
    ("whirlwind.warc.wat.gz", "failed", WAT, 1, 0, 0),
    ("whirlwind.warc.wet.gz", "failed", WET, 1, 0, 0),
]


def test_every_real_file_is_in_the_table(shared_data):
    """The table has every file of the folder."""
    assert {path.name for path in (shared_data / "crawl").iterdir()} == {name for name, *_ in FILES}


@pytest.mark.parametrize("name", [name for name, *_ in FILES])
def test_how_a_real_file_ends(shared_data, tmp_path, extract, name):
    """The outcome has the status, the reason, and the numbers of records, texts and distinct pairs."""
    status, reason, records, texts, pairs = next(rest for file, *rest in FILES if file == name)
    path = tmp_path / ("a.warc.gz" if name.endswith(".gz") else "a.warc")
    shutil.copy(shared_data / "crawl" / name, path)
    found = extract(path)
    assert found.outcome["status"] == status
    assert (found.outcome["reason"] or "").startswith(reason)
    assert (found.outcome["reason"] is None) == (reason == "")
    assert (found.outcome["records_read"], found.outcome["texts_read"]) == (records, texts)
    assert len({pair["pair_id"] for pair in found.pairs}) == pairs


def test_charsets_of_real_files(shared_data, extract):
    """Japanese is declared in the header, Russian and Chinese in header and meta; no text has a wrong charset."""
    texts = {}
    for name in ("clueweb-quirk.warc.gz", "ccmain2020-34_sample.warc.gz"):
        texts[name] = {pair["text"] for pair in extract(shared_data / "crawl" / name).pairs}
        assert not any("\ufffd" in text for text in texts[name])
    assert any("\u30d8\u30c3\u30c9\u30dd\u30fc\u30bf\u30fc" in text for text in texts["clueweb-quirk.warc.gz"])
    chinese = [text for text in texts["ccmain2020-34_sample.warc.gz"] if any("\u4e00" <= c <= "\u9fff" for c in text)]
    assert len(chinese) > 5


def test_every_pair_of_the_wat_is_in_the_warc_or_a_rule_explains_it(shared_data):
    """The benchmark names the rules; the gains of the WARC are counted by their attribute."""
    crawl = shared_data / "crawl"
    wat, warc = (warc_gain.pairs_of(crawl / f"pages.{kind}.gz", kind) for kind in ("wat", "warc"))
    pages = dict(warc_gain.pages_of(crawl / "pages.warc.gz"))
    rules, left = warc_gain.differences(wat, warc, pages)
    assert left == []
    assert rules == {
        "the same": 9393,
        "charset": 31,
        "inside a script": 26,
        "line ends": 1,
    }
    assert set(rules) == {"the same", *warc_gain.RULES}
    gains = warc_gain.gains(wat, warc, pages)
    assert gains == {
        "data-src, data-original, data-lazy-src: no usable src": 748,
        "data-src, data-original, data-lazy-src: with a usable src": 228,
        "srcset, data-srcset, <picture>: no usable src": 173,
        "data-image-title": 125,
        "src, lost or damaged in the WAT": 26,
    }


def test_the_warc_of_a_real_page_has_more_than_its_wat(shared_data):
    """The page is Common Crawl's example; its shortened WAT lists no image."""
    wat = warc_gain.pairs_of(shared_data / "crawl" / "whirlwind.warc.wat.gz", "wat")
    warc = warc_gain.pairs_of(shared_data / "crawl" / "whirlwind.warc.gz", "warc")
    assert wat == {}
    assert len(warc) == 7
