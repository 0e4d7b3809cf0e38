"""The public summary of training content: the headings of the template, what is filled, and what stays blank."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaclip_spark.report.summary.domain_csv import csv_lines
from metaclip_spark.report.summary.facts import DomainList, Facts, Input, Rules, listed_domains
from metaclip_spark.report.summary.render import BLANK, as_markdown, as_plain
from metaclip_spark.report.summary.template import sections

CRAWL = Input("CC-MAIN-2024-51", "wat", "CC-MAIN-2024-51", 2, 900, 3_000_000, "2024-12-01", "2024-12-12")
OWN = Input("own", "warc", "", 1, 50, 2_000, "", "")
TABLE = Input("laion", "parquet", "", 3, 700, 1_000_000, "", "")
FACTS = Facts(
    run_id="abc",
    software="0.1.0",
    threshold=20_000,
    seed=0,
    pairs=1_200,
    images=1_000,
    characters=30_000,
    languages={"en": (1_000, 25_000), "de": (200, 5_000)},
    text_sources={"alt": 1_100, "title": 100},
    inputs=[CRAWL],
    gone=[],
    rules={"CC-MAIN-2024-51": Rules(("noai", "tdm"), ("--languages en",), True)},
    rejected={"noai": (7, "the page opts out: robots say noai"), "blocklist": (3, "listed"), "filter:mine": (2, "")},
    opted_out={"noai": 7},
    taken_down=5,
    pool=1_500,
    domains=[DomainList("images", "domains-of-images.csv", 1_234, 124, 1_100, 550, 100)],
)

HEADINGS = [
    "## General information",
    "## 1. General information",
    "### 1.1. Provider identification",
    "### 1.2. Model identification",
    "### 1.3. Modalities, overall training data size and other characteristics",
    "## 2. List of data sources",
    "### 2.1. Publicly available datasets",
    "### 2.2. Private non-publicly available datasets obtained from third parties",
    "#### 2.2.1. Datasets commercially licensed by rightsholders or their representatives",
    "#### 2.2.2. Private datasets obtained from other third parties",
    "### 2.3. Data crawled and scraped from online sources",
    "### 2.4. User data",
    "### 2.5. Synthetic data",
    "### 2.6. Other sources of data",
    "## 3. Data processing aspects",
    "### 3.1. Respect of reservation of rights from text and data mining exception or limitation",
    "### 3.2. Removal of illegal content",
    "### 3.3. Other information (optional)",
]
"""The headings of the Commission's template."""


def field_of(facts: Facts, number: str, label: str):
    """Return a field of the filled template by the start of its label."""
    (section,) = [section for section in sections(facts) if section.number == number]
    return next(field for field in section.fields if field.label.startswith(label))


def test_the_headings_are_those_of_the_template():
    """In their order, and no others."""
    page = as_markdown(sections(FACTS), FACTS)
    assert [line for line in page.splitlines() if line.startswith("##")] == HEADINGS
    assert page.startswith("# Public Summary of Training Content for general-purpose AI models\n")


def test_what_only_the_provider_knows_is_blank():
    """Every field has its label; no answer is made up."""
    blank = [(of.number, field.label) for of in sections(FACTS) for field in of.fields if field.value is None]
    assert [label for number, label in blank if number in ("1.1", "1.2")] == [
        "Provider name and contact details",
        "Authorised representative name and contact details",
        "Versioned model name(s)",
        "Model dependencies",
        "Date of placement of the model on the Union market",
    ]
    assert {number for number, _ in blank} == {
        "",
        "1.1",
        "1.2",
        "1.3",
        "2.1",
        "2.2.1",
        "2.2.2",
        "2.3",
        *("2.4", "2.5", "2.6", "3.1", "3.2"),
    }
    page = as_markdown(sections(FACTS), FACTS)
    assert page.count(BLANK) == len(blank)
    plain = json.loads(json.dumps(as_plain(sections(FACTS), FACTS)))
    fields = [field for section in plain["sections"] for field in section["fields"]]
    assert sum(field["to_be_provided"] for field in fields) == len(blank)
    assert plain["numbers"]["languages"] == {"en": [1000, 25000], "de": [200, 5000]}


def test_common_crawl_is_a_public_dataset_and_own_archives_are_not():
    """As the template says in its Section 2.3. Whose the others are, only the provider knows."""
    assert field_of(FACTS, "2.1", "Have you used").value == "Yes"
    assert field_of(FACTS, "2.1", "List of large").value == (
        "Common Crawl, CC-MAIN-2024-51 (WAT): 2 files, 900 texts, 3.0 MB read, fetched 2024-12-01 to 2024-12-12"
    )
    assert field_of(FACTS, "1.3", "Latest date").value == "2024-12-12"
    crawled = field_of(FACTS, "2.3", "Were crawlers used")
    assert (crawled.value, crawled.facts) == (
        None,
        ["Archives of Common Crawl are in Section 2.1, as the template says."],
    )
    others = replace(FACTS, inputs=[OWN, TABLE], gone=["old"])
    assert field_of(others, "2.1", "Have you used").value is None
    assert field_of(others, "2.1", "Have you used").facts == [
        "snapshot laion was read from 3 tables (parquet, 700 texts); whether that is a public or a private data set, "
        "the provider knows.",
        "snapshot old was dropped since, with its list of sources; whether that is a public or a private data set, the "
        "provider knows.",
    ]
    assert field_of(others, "2.3", "Were crawlers used").facts == [
        "snapshot own: 1 archive (WARC), 50 texts; whose crawler made them, the provider knows"
    ]
    latest = field_of(others, "1.3", "Latest date")
    assert (latest.value, latest.facts) == (None, ["The tables do not know the dates of laion, old, own."])


@pytest.mark.parametrize(
    ("images", "value", "upper"),
    [
        (999_999, "Less than 1 million images", "Less than 1 million images"),
        (1_000_000, None, "1 million to 1 billion images"),
        (1_000_000_000, None, "More than 1 billion images"),
    ],
)
def test_a_range_is_answered_where_urls_decide_it(images, value, upper):
    """Fewer urls than a million are fewer images; more urls may be fewer images, because not all were downloaded."""
    field = field_of(replace(FACTS, images=images), "1.3", "Training data size: Image")
    assert (field.value or "").startswith(value or "")
    assert (field.value is None) == (value is None)
    assert f"at most the range '{upper}'" in field.facts[0]


def test_opt_outs_are_claimed_as_they_were_honoured():
    """By snapshot, with the number of texts; none where none was honoured, or where nobody knows."""
    measures = field_of(FACTS, "3.1", "Describe the measures").facts
    assert measures == [
        "snapshot CC-MAIN-2024-51: opt-outs honoured: noai (the page opts out: robots say noai); tdm (the page "
        "reserves text and data mining).",
        "noai: 7 texts left out",
        "Takedowns removed 5 pairs from the pool; later crawls leave them out, too.",
    ]
    rules = {"a": Rules(()), "b": Rules(None), "laion": Rules(("noai",))}
    inputs = [replace(CRAWL, snapshot=name) for name in "ab"] + [TABLE]
    others = replace(FACTS, rules=rules, inputs=inputs, opted_out={}, taken_down=None)
    assert field_of(others, "3.1", "Describe the measures").facts == [
        "snapshot a: no opt-out was honoured.",
        "snapshot b: the log of runs does not tell which opt-outs were honoured.",
        "snapshot laion: read from tables, which have no opt-outs of pages; those of its own makers, the provider "
        "knows.",
        "Takedowns: a release that did not count them removed pairs.",
    ]


def test_processing_names_filters_and_what_they_left_out():
    """Opt-outs are in Section 3.1. Repeats are only claimed to be removed where all snapshots were deduplicated."""
    field = field_of(FACTS, "3.3", "Other relevant")
    assert field.value == (
        "The pool of 1,500 pairs was balanced as MetaCLIP does (t = 20,000, seed 0): 1,200 pairs are the data set. "
        "Snapshot CC-MAIN-2024-51 was read with --languages en. Each url and text is there once: repeats were "
        "removed. Left out while reading: blocklist: 3 (listed); filter:mine: 2."
    )
    assert list(field.facts) == []
    weighted = replace(FACTS, notes=["Each pair weighs 0.5."])
    assert field_of(weighted, "3.3", "Other relevant").facts == ["Each pair weighs 0.5."]
    others = replace(FACTS, rules={"a": Rules(())}, rejected={})
    assert field_of(others, "3.3", "Other relevant").value.endswith(
        "are the data set. Nothing was left out while reading."
    )
    assert field_of(FACTS, "3.2", "General description").facts[0] == "blocklist: 3 (listed)"


def test_the_lists_of_domains_say_how_much_they_cover():
    """The share of a small firm is another."""
    label = "Summary of the most relevant domain names"
    assert field_of(FACTS, "2.3", label).value == (
        "domains-of-images.csv: 124 of 1,234 domains of images (the top 10% by size), with 50.0% of the pairs. 100 "
        "pairs have no known domain."
    )
    assert "(the top 5%, at most 1,000 by size)" in field_of(replace(FACTS, small=True), "2.3", label).value
    assert field_of(replace(FACTS, domains=[]), "2.3", label).value is None


def test_names_of_users_are_no_markup():
    """A snapshot may have any name."""
    hostile = replace(FACTS, inputs=[replace(TABLE, snapshot="<b>|x](y)\n# z\u202e\x1b[2J")])
    page = as_markdown(sections(hostile), hostile)
    assert r"\<b\>\|x\](y) \# z" in page
    assert "\n# z" not in page
    assert r"\# z\[U+202E\]\[U+001B\]\[2J" in page


@given(st.lists(st.tuples(st.integers(1), st.text(), st.integers(0), st.integers(0)), max_size=5))
def test_no_cell_begins_a_formula_and_every_cell_is_read_back(rows):
    """Whatever a host is: an apostrophe stands before what a spreadsheet would compute, and nothing else changes."""
    read = list(csv.reader(io.StringIO(csv_lines(rows), newline="")))
    assert len(read) == len(rows)
    for (rank, domain, pairs, characters), cells in zip(rows, read, strict=True):
        formula = domain[:1] in ("=", "+", "-", "@", "\t", "\r") and domain != ""
        assert cells == [str(rank), f"'{domain}" if formula else domain, str(pairs), str(characters)]
        assert cells[1][:1] not in ("=", "+", "-", "@", "\t", "\r") or cells[1] == ""


@given(st.integers(0, 10**9))
def test_a_tenth_of_the_domains_is_listed_and_of_small_firms_a_twentieth(domains):
    """At least so many, and at most 1,000 of a small firm."""
    number = listed_domains(domains, False)
    assert 10 * number >= domains > 10 * (number - 1) or domains == number == 0
    small = listed_domains(domains, True)
    assert small == min(1_000, -(-domains // 20)) <= number
