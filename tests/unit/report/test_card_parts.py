"""The funnel, class names, the JSON sidecar and the comparison of two cards, as plain data."""

from __future__ import annotations

import json
from dataclasses import replace

import cards
import numpy as np
import pytest
from whole import whole

from metaclip_spark.errors import ConfigError
from metaclip_spark.report import card_json, tables
from metaclip_spark.report.card import Card
from metaclip_spark.report.class_counts import ClassCount
from metaclip_spark.report.class_names import count_classes, read_class_names
from metaclip_spark.report.compare import compare

ENTRIES = ["cat", "dog", "St. John", "zebra", "Tench"]


def make_card(**changes) -> Card:
    """Make a small card: t = 10, `cat` is in the head, `zebra` does not occur, `St. John` cannot match."""
    values = {
        "n_entries": 5,
        "entry_counts": np.array([100, 9, 0, 0, 25]),
        "curated_entry_counts": np.array([12, 9, 0, 0, 20]),
        "entries": ENTRIES,
        "impossible": [2],
        "config": {"seed": 0},
        "table_paths": {},
    }
    return cards.make_card(**(values | changes))


def test_opt_outs_are_named_apart():
    """The sentence has the number of texts by opt-out, and the honoured opt-outs."""
    card = make_card(config={"opt_outs": ["noai", "tdm"]})
    assert tables.opt_out_sentence(card) == (
        "15 texts (5.0%) were rejected because their page opts out: 10 noai, 5 tdm. Honoured opt-outs: noai, tdm."
    )
    robots = {"opt_outs": ["noai"], "robots": "folder"}
    assert tables.opt_out_sentence(make_card(config=robots, rejected={"robots:GPTBot": 3})) == (
        "3 texts (1.0%) were rejected because their page or its robots.txt opts out: 3 robots:GPTBot. Honoured "
        "opt-outs: noai, robots.txt of the page's host."
    )
    for where, of in [("image", "the image's host"), ("both", "both hosts")]:
        card = make_card(config={"robots": "folder", "robots_for": where}, rejected={})
        assert tables.opt_out_sentence(card) == (
            f"No text was rejected because its page or its robots.txt opts out. Honoured opt-outs: robots.txt of {of}."
        )
    assert tables.opt_out_sentence(make_card(rejected={})) == (
        "No text was rejected because its page opts out. Honoured opt-outs: none."
    )


def test_class_names_are_looked_up_unchanged_then_in_lower_case():
    """No other form is tried, neither `Tench` for `tench`, nor a part of a name."""
    found = count_classes(make_card(), ["cat", "Dog", "tench", "zebra", "kite (bird of prey)", "Tench"], thin=20)
    assert list(found.found) == [
        ClassCount("cat", 0, True, 100, 12),
        ClassCount("Dog", 1, False, 9, 9),
        ClassCount("zebra", 3, True, 0, 0),
        ClassCount("Tench", 4, True, 25, 20),
    ]
    assert list(found.missing) == ["tench", "kite (bird of prey)"]
    assert [row.name for row in found.thin_classes] == ["zebra", "Dog", "cat"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("names.txt", "tench\n\n goldfish \r\ntench\n"),
        ("names.tsv", "tench\t727\ngoldfish\t35109\n"),
        ("names.json", '["tench", "", "goldfish"]'),
    ],
)
def test_class_names_come_one_per_line_or_as_json(tmp_path, name, content):
    """Counts after a TAB are ignored, and repeated names are read once."""
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert read_class_names(str(tmp_path / name)) == ["tench", "goldfish"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "cannot be read: No such file or directory. Check the path."),
        (b"\n", "has no names; expected one name per line, or a JSON array of strings."),
        (b"\xff", "is not UTF-8: invalid start byte at byte 0."),
        (b"{}", 'is not an array of strings; write it as ["tench", "goldfish", ...].'),
        (b"[1]", 'is not an array of strings; write it as ["tench", "goldfish", ...].'),
        (b"[", "is not JSON: Expecting value: line 1 column 2 (char 1); expected an array of strings."),
    ],
)
def test_class_names_that_cannot_be_used(tmp_path, content, sentence):
    """The error names the flag and the file."""
    path = tmp_path / ("names.json" if content is None or content[:1] in b"{[" else "names.txt")
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as refused:
        read_class_names(str(path))
    assert str(refused.value) == f"--class-names {path} {sentence}"


def test_real_class_names_are_read(shared_data):
    """The published file has the 1,000 names of ImageNet with their counts in MetaCLIP-400M."""
    names = read_class_names(
        str(shared_data / "metadata" / "class_freqs" / "class_frequency_metaclip_400m_imagenet_ori.txt")
    )
    assert len(names) >= 998
    assert names[:3] == ["tench", "goldfish", "great white shark"]


def test_the_sidecar_has_the_cards_numbers_under_stable_names():
    """Parts that were not computed are null, so every card has the same keys."""
    brief = card_json.as_plain(make_card())
    card = make_card(
        **whole(),
        n_entries=2_000,
        entry_counts=np.full(2_000, 50),
        curated_entry_counts=np.full(2_000, 30),
        entries=[str(at) for at in range(2_000)],
    )
    full = json.loads(card_json.as_text(card_json.as_plain(card)))
    assert brief.keys() == full.keys()
    assert [name for name in ("languages", "samples", "class_names", "entry_domains") if brief[name] is not None] == []
    assert brief["never_matched"] == {
        "can_never_match": 1,
        "did_not_occur": 1,
        "examples_that_can_never_match": ["St. John"],
        "examples_that_did_not_occur": ["zebra"],
    }
    assert brief["top_entries"][0] == {"entry_id": 0, "entry": "cat", "pool": 100, "curated": 12, "probability": 0.1}
    assert full["languages"]["listed"][0] == {"value": "cat", "pool": 900, "curated": 300}
    assert full["entry_domains"]["worst"][0] == {
        "entry_id": 0,
        "entry": "0",
        "pool": 50,
        "curated": 30,
        "pairs_looked_at": 40,
        "effective_domains": 1.0,
        "top_domain": "cat",
        "top_domain_share": 0.325,
    }
    assert [len(full["samples"][kind]) for kind in ("curated", "dropped")] == [50, 50]
    assert full["class_names"]["no_entry"] == ["cow"]


def test_a_sidecar_has_neither_infinity_nor_lone_surrogates():
    """JSON cannot represent infinity, and UTF-8 cannot encode lone surrogates."""
    card = make_card(curated_size=1, expected_sd=0.0, config={"path": "\ud800"})
    assert json.loads(card_json.as_text(card_json.as_plain(card)).encode())["deviation_sds"] is None


def test_entries_that_changed_most_come_first():
    """Counts are compared relative to chance, and kept shares only for entries that are frequent in both pools."""
    second = make_card(
        run_id="b",
        threshold=20,
        config={"seed": 1},
        seed=1,
        rejected={"no_match": 90},
        entry_counts=np.array([110, 49, 0, 0, 25]),
        curated_entry_counts=np.array([22, 40, 0, 0, 25]),
    )
    found = compare(make_card(), second)
    assert [(moved.entry, moved.counts) for moved in found.by_count] == [("dog", (9, 49)), ("cat", (100, 110))]
    assert [(moved.entry, moved.curated) for moved in found.by_share] == [("Tench", (20, 25)), ("cat", (12, 22))]
    assert found.by_share[0].kept == (0.8, 1.0)
    rows = {row.key: (row.first, row.second, row.difference) for _, rows in found.groups for row in rows}
    assert rows["threshold"] == (10, 20, 10)
    assert rows["total_counts"] == (134, 184, 50)
    assert rows["opted_out"] == (15, 0, -15)
    assert found.settings == [("seed", "0", "1")]
    assert [(row.name, row.difference) for row in found.rejects][:2] == [("no_match", -10), ("repeat", -20)]
    plain = found.as_plain()
    assert plain["compared"] == ["a", "b"]
    assert plain["differences"]["threshold"] == {"first": 10, "second": 20, "difference": 10}
    assert [card["run_id"] for card in plain["cards"]] == ["a", "b"]


def test_runs_of_different_lists_are_compared_by_their_strings():
    """An entry that is missing from one list has count 0 there, and the order of the lists does not matter."""
    second = make_card(
        metadata_id="cd",
        n_entries=3,
        entries=["cow", "Tench", "cat"],
        entry_counts=np.array([30, 25, 100]),
        curated_entry_counts=np.array([30, 20, 12]),
        impossible=[],
    )
    by_count = compare(make_card(), second).by_count
    assert [(moved.entry, moved.counts, moved.curated) for moved in by_count] == [
        ("cow", (0, 30), (0, 30)),
        ("dog", (9, 0), (9, 0)),
    ]


def test_the_parts_of_both_runs_are_compared():
    """A value that a card does not list has an unknown number of pairs, unless the card lists all values."""
    made = whole()["composition"]
    few = replace(made, languages=replace(made.languages, listed=made.languages.listed[:1], values=1))
    (languages, *_) = compare(make_card(composition=made), make_card(composition=few)).parts
    pools = {row.value: row.pool for row in languages[1]}
    assert pools == {"cat": (900, 900), "dog": (899, 0), "cow": (898, 0)}
    (languages, *_) = compare(make_card(composition=few), make_card(composition=made)).parts
    assert [(row.value, row.pool) for row in languages[1]][1] == ("dog", (0, 899))
    hidden = replace(few, languages=replace(few.languages, values=9))
    (languages, *_) = compare(make_card(composition=hidden), make_card(composition=made)).parts
    assert languages[1][1].pool == (None, 899)
    assert compare(make_card(), make_card(composition=made)).parts == []
