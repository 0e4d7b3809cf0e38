"""The funnel: every row is the row before it and the lines between them, whatever the numbers are."""

from __future__ import annotations

import json
from typing import Any

from cards import REJECTED, make_card
from hypothesis import given
from hypothesis import strategies as st

from metaclip_spark.candidates.ledger import NO_TEXT_REASONS, PASSED_OVER, RECORD_REASONS, TEXT_REASONS
from metaclip_spark.report import tables
from metaclip_spark.report.card import Card
from metaclip_spark.report.card_json import as_plain, closing_numbers
from metaclip_spark.report.funnel import FunnelRow, funnel, on_the_page
from metaclip_spark.report.render import render
from metaclip_spark.terminal.tables import card_rows


def assert_adds_up(card: Card) -> list[FunnelRow]:
    """Check the rows of the page, the numbers of the JSON, and the lines of the terminal; return the rows."""
    rows = funnel(card)
    for before, after in zip(rows, rows[1:], strict=False):
        lines = [*after.left_out, *after.added]
        assert all(n > 0 for _, n in lines)
        assert before.value - sum(n for _, n in after.left_out) + sum(n for _, n in after.added) == after.value
    plain = json.loads(json.dumps(closing_numbers(card)))["funnel"]
    assert plain == as_plain(card)["funnel"]
    for before, after in zip(plain, plain[1:], strict=False):
        assert before["value"] - sum(after["left_out"].values()) + sum(after["added"].values()) == after["value"]
    assert_lines_add_up(card)
    return rows


def assert_lines_add_up(card: Card) -> None:
    """Check the terminal's lines: the signed numbers between two levels are their difference."""
    levels = {"texts", "matched", "pairs", "unique pairs", "  images", "earlier subset", "curated subset"}
    level, lines = None, 0
    for name, value, _ in card_rows(card):
        if value[0] in "+-" and value != "-":
            lines += int(value.replace(",", ""))
        elif name in levels:
            number = int(value.replace(",", ""))
            assert level is None or level + lines == number, name
            level, lines = number, 0
    assert level == card.curated_size


def test_every_row_is_the_row_before_it_minus_what_was_left_out():
    """The texts and pairs that are dropped are listed by reason, the largest number first."""
    rows = assert_adds_up(make_card())
    assert [(row.name, row.value) for row in rows] == [
        ("Texts", 300),
        ("Matched", 170),
        ("Language identified", 140),
        ("Unique pairs: the pool", 130),
        ("Curated subset", 40),
    ]
    assert rows[1].left_out == [
        ("no_match", 100),
        ("opt-outs of the page", 15),
        ("too_short", 8),
        ("filter:mine:ugly", 7),
    ]
    assert rows[2].left_out == [("repeat", 20), ("language", 10)]
    assert rows[3].left_out == [("repeats that met in deduplication", 10)]
    assert rows[3].dropped == [("duplicates found in deduplication", 10)]
    assert rows[4].dropped == [("not sampled", 90)]


def test_a_language_that_the_input_names_is_left_out_before_matching():
    """Of 50 texts in other languages, 40 were named by a column, and 10 were identified after matching."""
    rejected = {"no_match": 100, "language": 50}
    card = make_card(config={"lang_column": "lang"}, rejected=rejected, texts_matched=160, pairs_sent=150)
    rows = assert_adds_up(card)
    assert rows[1].left_out == [("no_match", 100), ("language", 40)]
    assert rows[2].left_out == [("language", 10)]


def test_texts_that_are_kept_without_a_match_stay_in_the_funnel():
    """The matched texts are no level then. The pairs that match no entry leave at the draw."""
    rejected = {"repeat": 30, "language": 10}
    config = {"keep_unmatched": True}
    histogram = {0: 100, 1: 130}
    card = make_card(
        config=config, rejected=rejected, pairs_sent=260, unique_pairs=230, matches_per_text=histogram, curated_size=90
    )
    rows = assert_adds_up(card)
    assert [row.value for row in rows] == [300, 260, 230, 90]
    assert rows[3].left_out == [("kept without a match", 100), ("not drawn", 40)]
    assert ("  (matched)", "170", "56.7% of the texts; unmatched ones are kept as well") in card_rows(card)


def test_without_deduplication_nothing_is_a_repeat():
    """With --no-dedup, the pool has all pairs of the sources."""
    rows = assert_adds_up(make_card(config={"no_lid": True, "no_dedup": True}, unique_pairs=140))
    assert (rows[2].name, rows[2].title) == ("Each once a source", "Unique per source")
    assert rows[3].left_out == []


def test_pairs_of_earlier_snapshots_are_told_from_repeats():
    """135 pairs are unique in their snapshots, and 5 of them are in the pool of an earlier snapshot."""
    rows = assert_adds_up(make_card(has_earlier=True, pairs_seen=135))
    assert rows[3].left_out == [
        ("pairs that an earlier snapshot has", 5),
        ("repeats that met in deduplication", 5),
    ]
    rows = assert_adds_up(make_card(has_earlier=True))
    assert rows[3].left_out == [("repeats that met in deduplication, or pairs of earlier snapshots", 10)]
    assert rows[3].dropped == [("duplicates found in deduplication, or pairs of earlier snapshots", 10)]


def test_pairs_taken_down_are_no_repeats():
    """Of the 10 pairs that the pool lacks, 7 were taken down. The page and the terminal have a line for them."""
    card = make_card(taken_down=7)
    rows = assert_adds_up(card)
    assert rows[3].left_out == [("taken down", 7), ("repeats that met in deduplication", 3)]
    lines = card_rows(card)
    assert ("  repeats", "-3", "the same url and text on other pages or sources") in lines
    assert ("  taken down", "-7", "removed by `takedown`") in lines
    assert "taken down" in render(card)
    assert [name for name, _ in assert_adds_up(make_card(taken_down=10))[3].left_out] == ["taken down"]
    assert [name for name, _ in assert_adds_up(make_card(taken_down=0))[3].left_out] == [
        "repeats that met in deduplication"
    ]


def test_pairs_taken_down_of_several_snapshots():
    """Of 10 missing pairs, 4 were taken down, and an earlier snapshot has 5 of the others."""
    rows = assert_adds_up(make_card(has_earlier=True, pairs_seen=139, taken_down=4))
    assert rows[3].left_out == [
        ("pairs that an earlier snapshot has", 5),
        ("taken down", 4),
        ("repeats that met in deduplication", 1),
    ]
    rows = assert_adds_up(make_card(has_earlier=True, taken_down=4))
    assert rows[3].left_out == [
        ("repeats that met in deduplication, or pairs of earlier snapshots", 6),
        ("taken down", 4),
    ]


def test_a_takedown_of_an_earlier_release_is_named_with_the_repeats():
    """It did not count how many pairs of the pool it removed, so the line says what it may have."""
    rows = assert_adds_up(make_card(taken_down=None))
    assert rows[3].left_out == [("repeats that met in deduplication, or pairs taken down since", 10)]
    assert on_the_page(rows[3].left_out[0][0]) == "duplicates found in deduplication, or pairs taken down since"


def test_survivors_that_were_drawn_and_taken_down_have_a_line():
    """Of 50 survivors 40 were drawn, and 15 of these were taken down since."""
    given = {"left_of": "the pool", "pool_pairs": 130, "pairs_before": 130, "unique_pairs": 50}
    card = make_card(**given, matches_per_text={1: 50}, curated_size=25, drawn=40)
    rows = assert_adds_up(card)
    assert rows[-1].left_out == [("taken down", 15), ("not drawn", 10)]
    assert rows[-2].left_out == [("pairs that are not left", 80)]
    images = make_card(**given, images=45, matches_per_text={1: 50}, curated_size=25, drawn=40)
    assert assert_adds_up(images)[-1].left_out == [("taken down", 15), ("not drawn", 5)]


def test_the_expected_size_of_a_draw_is_compared_with_what_the_draw_kept():
    """Of 40 pairs 35 were taken down since; the expected size is still 38 ± 4."""
    card = make_card(given="b", curated_size=5, unique_pairs=90, drawn=40, matches_per_text={1: 90})
    assert_adds_up(card)
    assert card.deviation_sds == as_plain(card)["deviation_sds"] == 0.5
    assert ("  expected", "38", "± 4; 0.5 sd away, given the subset of run b, at the draw, which kept 40") in (
        card_rows(card)
    )
    assert tables.deviation(card) == "+0.50 sd from the expected size, at the draw, which kept 40"
    assert closing_numbers(card)["drawn"] == 40
    assert tables.deviation(make_card()) == "+0.50 sd from the expected size"


def test_survivors_have_the_pool_and_the_subset_before_them():
    """The pool has 130 pairs, the subset of a run 60, and 50 of them survived."""
    card = make_card(left_of="run b", pool_pairs=130, pairs_before=60, unique_pairs=50, matches_per_text={1: 50})
    rows = assert_adds_up(card)
    assert [(row.name, row.value) for row in rows[3:]] == [
        ("Unique pairs: the pool", 130),
        ("Subset of run b", 60),
        ("Pairs left of run b", 50),
        ("Curated subset", 40),
    ]
    assert rows[4].left_out == [("not drawn", 70)]
    assert rows[5].left_out == [("pairs that are not left", 10)]
    card = make_card(left_of="the pool", pool_pairs=130, pairs_before=130, unique_pairs=50, matches_per_text={1: 50})
    assert [row.value for row in assert_adds_up(card)] == [300, 170, 140, 130, 50, 40]


def test_survivors_of_a_run_on_another_pool_begin_at_its_subset():
    """The sources of this run's snapshots say nothing about the pool of that run."""
    card = make_card(left_of="run b", pairs_before=60, unique_pairs=50, matches_per_text={1: 50})
    assert [row.name for row in assert_adds_up(card)] == ["Subset of run b", "Pairs left of run b", "Curated subset"]


def test_survivors_of_an_earlier_release_share_a_line_with_the_repeats():
    """Earlier releases did not store how many pairs the survivors are left of."""
    rows = assert_adds_up(make_card(left_of="the pool", unique_pairs=50, matches_per_text={1: 50}))
    assert rows[3].left_out == [("repeats, and pairs that are not left", 90)]


def test_with_images_as_the_unit_other_texts_have_a_line():
    """Of 130 pairs, 6 match nothing, and 100 images are left to sample."""
    rows = assert_adds_up(make_card(images=100, matches_per_text={0: 6, 1: 124}))
    assert rows[4].left_out == [("other texts of the same image", 24), ("kept without a match", 6)]
    assert rows[5].left_out == [("not drawn", 60)]


def test_pairs_that_match_stored_need_no_sources():
    """A list that was matched again has no sources: the funnel begins at its pool, or names the pairs that came."""
    rows = assert_adds_up(make_card(pairs_sent=None, texts_read=0, texts_matched=0, rejected={}, pairs_rematched=130))
    assert [row.name for row in rows] == ["Unique pairs: the pool", "Curated subset"]
    rows = assert_adds_up(make_card(pairs_rematched=25, unique_pairs=155))
    assert (rows[3].left_out, rows[3].added) == (
        [("repeats that met in deduplication", 10)],
        [("matched again with this list", 25)],
    )


def test_a_difference_without_a_reason_has_a_line():
    """More pairs than the sources have: a source was read again, and its first pairs stayed."""
    rows = assert_adds_up(make_card(unique_pairs=150, matches_per_text={1: 150}))
    assert rows[3].added == [("not accounted for", 10)]
    assert "not accounted for: a source was read again" in render(make_card(unique_pairs=150))


def test_records_passed_over_are_no_rejects():
    """They have their own line and their own table, and are in no sum of rejects."""
    card = make_card(passed_over={"not_page": 12_000, "not_response": 300})
    page = render(card)
    assert "passed over, because they have no text: 12,000 not_page, 300 not_response" in page
    assert "Records passed over" in page
    sums = {name: value for name, value, _ in tables.numbers(card)[0][1]}
    assert (sums["Passed over"], sums["Rejects"]) == ("12,300", f"{sum(REJECTED.values())}")
    numbers = closing_numbers(card)
    assert numbers["rejected"] == REJECTED
    assert numbers["passed_over"] == {"not_page": 12_000, "not_response": 300}
    assert ("records", "400", "no text in 12,000 not_page, 300 not_response, 2 broken_json; 3 texts are empty") in (
        card_rows(card)
    )


def test_many_reasons_share_a_line_of_the_terminal():
    """A user may have a hundred filters; the lines still add up."""
    rejected = {f"filter:mine:f{at}": 1 for at in range(100)}
    card = make_card(rejected={**rejected, "no_match": 30, "repeat": 20, "language": 10})
    assert_adds_up(card)
    assert ("  others", "-87", "87 more reasons; the report lists them") in card_rows(card)


AMOUNT = st.integers(0, 50)


@st.composite
def outcomes(draw: st.DrawFn) -> dict[str, Any]:
    """Numbers of a run as the program counts them: every text has one reason, or becomes a pair."""
    before = [*(set(TEXT_REASONS) - {"repeat", "language", "no_match"}), "filter:a:b", "robots:GPTBot"]
    keep_unmatched = draw(st.booleans())
    rejected = {reason: draw(AMOUNT) for reason in before}
    by_input, identified, repeats, unmatched, sent = (draw(AMOUNT) for _ in range(5))
    rejected |= {"language": by_input + identified, "repeat": repeats}
    rejected |= {} if keep_unmatched else {"no_match": unmatched}
    rejected |= {reason: draw(AMOUNT) for reason in (*RECORD_REASONS, *NO_TEXT_REASONS)}
    after = sum(rejected[reason] for reason in before)
    texts = after + by_input + identified + repeats + sent + (0 if keep_unmatched else unmatched)
    matched = identified + repeats + sent
    matched = draw(st.integers(0, matched)) if keep_unmatched else matched
    unique = draw(st.integers(0, sent))
    images = draw(st.none() | st.integers(0, unique))
    without_match = draw(st.integers(0, unique - (images or 0))) if keep_unmatched else 0
    earlier = draw(st.booleans())
    taken = draw(st.none() | st.integers(0, sent - unique))
    return {
        "config": {"keep_unmatched": keep_unmatched, "lang_column": "lang" if by_input else None},
        "rejected": rejected,
        "passed_over": {reason: draw(AMOUNT) for reason in PASSED_OVER},
        "texts_read": texts,
        "texts_matched": matched,
        "pairs_sent": sent,
        "unique_pairs": unique,
        "images": images,
        "has_earlier": earlier,
        "pairs_seen": draw(st.none() | st.integers(unique + (taken or 0), sent)) if earlier else None,
        "taken_down": taken,
        "matches_per_text": {0: without_match, 1: unique - without_match},
        "curated_size": draw(st.integers(0, images if images is not None else unique - without_match)),
    }


@given(outcomes())
def test_random_outcomes_add_up_and_every_text_has_its_reason(values):
    """No line is needed for what nobody counted."""
    rows = assert_adds_up(make_card(**values))
    names = {name for row in rows for name, _ in (*row.left_out, *row.added)}
    assert "not accounted for" not in names
    of_texts = sum(n for row in rows for why, n in row.left_out if why in TEXT_REASONS or why.startswith("filter:"))
    opted_out = sum(n for row in rows for why, n in row.left_out if why == "opt-outs of the page")
    assert of_texts + opted_out == values["texts_read"] - values["pairs_sent"]


ANY = st.integers(0, 300)


@given(
    st.fixed_dictionaries(
        {
            **dict.fromkeys(("texts_read", "texts_matched", "unique_pairs", "curated_size", "pairs_rematched"), ANY),
            **dict.fromkeys(("pairs_sent", "pairs_seen", "images", "pool_pairs", "pairs_before"), st.none() | ANY),
            "left_of": st.sampled_from([None, "the pool", "run b"]),
            "has_earlier": st.booleans(),
            "taken_down": st.none() | ANY,
            "drawn": st.none() | ANY,
            "matches_per_text": st.dictionaries(st.integers(0, 2), ANY),
            "rejected": st.dictionaries(st.sampled_from(sorted(TEXT_REASONS)), ANY),
        }
    )
)
def test_numbers_that_contradict_each_other_still_add_up(values):
    """The tables may have changed since the draw in any way: the difference is then a line, not a wrong sum."""
    assert_adds_up(make_card(**values))
