"""Batches of texts: candidates, kinds, masks, and what hostile texts cost."""

from __future__ import annotations

import gzip
import json
import random
import time
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from personal_data import look_alike, personal, text_around

from metaclip_spark.candidates.ledger import PII_KINDS
from metaclip_spark.core.worldwide.switches import NO_SWITCHES, Switches, edge_spaced_entry, spaced_text
from metaclip_spark.errors import ConfigError
from metaclip_spark.filters.pii import check_installed, mask_text, scan, spans_of
from metaclip_spark.filters.pii.finds import may_hold
from metaclip_spark.matchers import compile_matcher
from metaclip_spark.metadata import load_metadata

MANY, OTHERS = 100, 10_000
PARTS = st.sampled_from(
    [
        *(
            "jane@example.org",
            "@",
            ".",
            "call ",
            "tel",
            "IP ",
            "SSN ",
            "CPF",
            "DNI ",
            "+44 20 7946 0958",
            "201-555-0123",
        ),
        *(
            "4111 1111 1111 1111",
            "DE89370400440532013000",
            "45.1.2.3",
            "104.18.203.114",
            "390.533.447-05",
            "1",
            "9",
            "-",
        ),
        *(" ", "\u200b", "\u202d", "\uff11", "\u0661", "\uff20", "\u00ad", "2a00:1450:4001:81b::200e", ":", "[", "]"),
        *("54362315K", "RCCMNL83S18D969H", "\ufe0f", "a", "\u732b", "/", "(", ")", "\U0001d7ce", "\ud7ff"),
    ]
)
TEXTS = st.lists(PARTS | st.text(max_size=3), max_size=12).map("".join)


@pytest.mark.parametrize("kind", PII_KINDS)
def test_generated_data_of_a_kind_is_found_and_masked(kind):
    """Recall on generated texts is 100%, in ASCII, and in full-width digits with marks of direction around them."""
    draw = random.Random(kind)
    for _ in range(MANY):
        data = personal(draw, kind)
        text = text_around(draw, data)
        assert [found for _, _, found in spans_of(text)] == [kind], text
        assert not spans_of(mask_text(text)), text
        wide = "\u202d" + text.translate({digit: digit + 0xFEE0 for digit in range(48, 58)}) + "\u202c"
        assert [found for _, _, found in spans_of(wide)] == [kind], wide


def test_numbers_that_captions_have_are_not_found():
    """Precision on generated look-alikes is 100%: ISBNs, dates, versions, sizes, coordinates, names of files."""
    draw = random.Random(0)
    texts = [text_around(draw, look_alike(draw)) for _ in range(OTHERS)]
    found = scan(pa.array(texts))
    assert [(texts[row], kinds) for row, kinds in zip(found.rows, found.kinds, strict=True)] == []


def test_a_batch_is_scanned():
    """Rows, kinds by their place, counts of texts by kind, and masked texts; other texts are not in it."""
    texts = ["a kite", "a@example.org, tel 030 12345678, b@example.org", "201-555-0123", "", "v1.2.3.4"]
    found = scan(pa.array(texts))
    assert found.rows.tolist() == [1, 2]
    assert list(found.kinds) == [("email", "phone"), ("phone",)]
    assert found.masked.to_pylist() == ["[EMAIL], tel [PHONE], [EMAIL]", "[PHONE]"]
    assert found.counts == {"email": 1, "phone": 2}
    assert len(scan(pa.array([], pa.string()))) == 0
    assert scan(pa.array(texts)[2:4]).masked.to_pylist() == ["[PHONE]"]


def test_a_national_id_is_masked_by_one_word():
    """Whatever the country; a card that is also a number of another kind is the kind that is looked for first."""
    assert mask_text("390.533.447-05 and 360426199101010071") == "[ID] and [ID]"
    assert [kind for _, _, kind in spans_of("call 4111 1111 1111 1111")] == ["card"]


@settings(max_examples=400, deadline=None)
@given(TEXTS)
@example("[IP] 45.1.2.3 a@b.example@c.example")
def test_masking_changes_the_finds_alone_and_leaves_nothing_to_find(text):
    """What is between finds stays, and a masked text is not masked again."""
    spans = spans_of(text)
    assert all(0 <= start < end <= len(text) for start, end, _ in spans)
    assert all(one[1] <= other[0] for one, other in zip(spans, spans[1:], strict=False))
    masked = mask_text(text)
    at = 0
    for start, end, _ in [*spans, (len(text), len(text), "")]:
        kept = text[at:start]
        assert masked.startswith(kept)
        masked, at = masked[len(kept) :], end
        masked = masked.partition("]")[2] if start < len(text) else masked
    assert masked == ""
    assert mask_text(mask_text(text)) == mask_text(text)


@settings(max_examples=400, deadline=None)
@given(TEXTS)
def test_every_text_with_a_find_is_looked_at(text):
    """The regular expressions that choose the candidates lose nothing."""
    assert may_hold(pa.array([text], pa.string()))[0].as_py() or not spans_of(text)


@pytest.mark.parametrize(
    "text",
    [
        "1" * 1_000_000,
        "1 " * 150_000,
        "1-" * 150_000,
        "1." * 150_000,
        "+1" * 150_000,
        "tel 1234567 " * 25_000,
        "@" * 300_000,
        "a@" * 150_000,
        "a" * 300_000 + "@example.org",
        "a@" + "b." * 150_000,
        "a@" + "b-" * 150_000 + ".org",
        "DE89" * 75_000,
        "DE89" + " A" * 150_000,
        "(" * 300_000,
        "2a00:" * 60_000,
        "2000" + ":" * 300_000,
        "call " * 60_000,
        "\u202e1\u200b" * 100_000,
        "\uff11" * 300_000,
        "4111 1111 1111 1111 " * 15_000,
        "a@b.example " * 25_000,
        "A" * 300_000,
    ],
    ids=range(22),
)
def test_a_hostile_text_is_scanned_in_time_by_its_length(text):
    """Up to a megabyte, in a time that grows with the length: none of the expressions backtracks over the text."""
    began = time.process_time()
    found = scan(pa.array([text]))
    assert time.process_time() - began < 20
    assert len(found) <= 1


def test_the_words_of_a_mask_match_no_entry():
    """Neither alone nor in a sentence, with the shipped list; other words of the text match as before."""
    metadata = load_metadata("en")
    texts = ["[EMAIL]", "[IBAN]", "[CARD]", "[IP]", "[PHONE]", "[ID]", "(tel:[PHONE],[EMAIL].)"]
    matched = compile_matcher(metadata).match(pa.array([*texts, "write to [EMAIL] now"])).to_arrow().to_pylist()
    assert matched[:-1] == [[]] * len(texts[:-1]) + [matched[6]]
    assert {metadata.entries[at] for at in matched[6]} <= {"tel"}
    assert {metadata.entries[at] for at in matched[-1]} == {"write", "to", "now"}


@pytest.mark.slow
def test_the_words_of_a_mask_match_no_entry_of_any_shipped_list():
    """In worldwide mode an entry may match inside a word; only entries of the masks' characters could."""
    masks = ("[EMAIL]", "[IBAN]", "[CARD]", "[IP]", "[PHONE]", "[ID]")
    texts = [text for mask in masks for text in (mask, f"\u732b{mask}\u72ac", f"a {mask} b")]
    lists = sorted((Path(__file__).parents[4] / "metadata" / "worldwide").glob("*.json.gz"))
    assert len(lists) > 80
    for path in lists:
        entries = json.loads(gzip.decompress(path.read_bytes()))
        for entry in (each for each in entries if set(each) <= set("".join(masks))):
            for switches in (NO_SWITCHES, Switches(True, True, True, True)):
                form = edge_spaced_entry(entry, switches)
                assert not any(form is not None and form in spaced_text(text, switches) for text in texts), path.name


def test_a_missing_package_is_said(monkeypatch):
    """With the command that installs it."""
    import metaclip_spark.filters.pii.finds as module

    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "phonenumbers" else object())
    monkeypatch.setattr(module, "how_to_install", lambda extra: f"pip install {extra}")
    with pytest.raises(ConfigError) as error:
        check_installed()
    assert str(error.value) == "--pii needs the package phonenumbers: pip install pii"
