"""The tables of the data card: the funnel, the numbers, the paper's figures beside ours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from metaclip_spark.candidates.ledger import FILTER_PREFIX, NO_TEXT_REASONS, REASONS, RECORD_REASONS, TEXT_REASONS
from metaclip_spark.report.card import Card, share
from metaclip_spark.report.formatting import number, percent

PAPER = "arXiv 2309.16671"
_NOT_GIVEN = "–"


@dataclass(frozen=True)
class Step:
    """One step of the funnel.

    Attributes:
        left_out: (reason, number) of what was left out on the way to this step, most first.
        width: Its bar in percent of the longest.
    """

    name: str
    value: int
    note: str
    width: float
    left_out: Sequence[tuple[str, int]] = ()


_AFTER_MATCHING = ("repeat", "language")
OPT_OUT = "opt-outs of the page"
MET = "repeats that met in deduplication"
UNMATCHED_KEPT = "kept without a match"
NOT_LEFT = "repeats, and pairs that are not left"
NOT_DRAWN = "not drawn"


def funnel(card: Card) -> list[Step]:
    """Texts -> matched -> sent on (language identified) -> unique pairs -> curated subset."""
    sent = "Language identified" if _identifies(card) else "Each once a source"
    steps = [
        ("Texts", card.texts_read, "", {}),
        ("Matched", card.texts_matched, "of the texts", _before_matching(card)),
        *([] if card.pairs_sent is None else [(sent, card.pairs_sent, "of the matched", _after_matching(card))]),
        (
            pool_name(card),
            card.unique_pairs,
            f"of the {'matched' if card.pairs_sent is None else 'pairs'}",
            {MET if card.left_of is None else NOT_LEFT: (card.pairs_sent or 0) - card.unique_pairs},
        ),
        (
            "Curated subset",
            card.curated_size,
            "of the pool" if card.left_of is None else "of them",
            {NOT_DRAWN: card.unique_pairs - card.curated_size},
        ),
    ]
    longest = max(value for _, value, _, _ in steps)
    made, previous = [], 0
    for name, value, of, left_out in steps:
        note = f"{percent(share(value, previous))} {of}" if of and previous else ""
        ordered = sorted(((why, n) for why, n in left_out.items() if n > 0), key=lambda item: (-item[1], item[0]))
        made.append(Step(name, value, note, round(100 * share(value, longest), 3), ordered))
        previous = value
    return made


def pool_name(card: Card) -> str:
    """What was drawn from, in words: the pool, or what is left after download."""
    return "Unique pairs: the pool" if card.left_of is None else f"Pairs left of {card.left_of}"


def left_out_before(card: Card) -> list[tuple[str, int]]:
    """(reason, number) of records and rows whose text was never seen, most first."""
    early = {**RECORD_REASONS, **NO_TEXT_REASONS}
    found = [(why, n) for why, n in card.rejected.items() if why in early and n]
    return sorted(found, key=lambda item: (-item[1], item[0]))


def rejects(card: Card) -> list[tuple[str, int, str]]:
    """(reason, number, what it means), most frequent first."""
    ordered = sorted(card.rejected.items(), key=lambda item: (-item[1], item[0]))
    return [(why, n, _meaning(why)) for why, n in ordered]


def opt_out_sentence(card: Card) -> str:
    """How many texts were left out because their page opts out, by opt-out, and which were honoured."""
    honoured = ", ".join(card.config.get("opt_outs") or ()) or "none"
    found = card.opted_out
    if not found:
        return f"No text was left out for an opt-out of its page; honoured: {honoured}."
    each = ", ".join(f"{number(n)} {name}" for name, n in found.items())
    total = sum(found.values())
    of = percent(share(total, card.texts_read))
    return f"{number(total)} texts ({of}) were left out because their page opts out: {each}; honoured: {honoured}."


def _meaning(reason: str) -> str:
    if reason.startswith(FILTER_PREFIX):
        return "a filter of the user's"
    return REASONS.get(reason, "")


def _identifies(card: Card) -> bool:
    config = card.config
    return not config.get("no_lid") or config.get("lang_column") is not None


def _before_matching(card: Card) -> dict[str, int]:
    opted_out = card.opted_out
    of_texts = {
        why: n
        for why, n in card.rejected.items()
        if (why in TEXT_REASONS or why.startswith(FILTER_PREFIX)) and why not in (*_AFTER_MATCHING, *opted_out)
    }
    found = {OPT_OUT: sum(opted_out.values()), **of_texts}
    if card.config.get("keep_unmatched"):
        found[UNMATCHED_KEPT] = card.texts_read - sum(found.values()) - card.texts_matched
    return found


def _after_matching(card: Card) -> dict[str, int]:
    return {why: card.rejected.get(why, 0) for why in _AFTER_MATCHING}


def source_line(card: Card) -> str:
    """The sources above the funnel, in words: they are files, not texts."""
    total = sum(card.sources.values())
    done = card.sources.get("done", 0)
    read = number(total) if done == total else f"{number(done)} of {number(total)}"
    sources = "source" if total == 1 else "sources"
    records = "record" if card.records_read == 1 else "records"
    return f"{read} {sources} read to the end, {number(card.records_read)} {records}"


def deviation(card: Card) -> str:
    """The curated size against its expectation, in words."""
    sds = card.deviation_sds
    if math.isinf(sds):
        return "not the expected size, though nothing was left to chance"
    if card.expected_sd == 0:
        return "exactly as expected: no draw was left to chance"
    return f"{sds:+.2f} sd from the expected size".replace("-", "−")


def gauge(card: Card) -> float:
    """Where the curated size lies between -5 sd (0) and +5 sd (100)."""
    return round(50 + 10 * max(-5.0, min(5.0, card.deviation_sds)), 2)


def target(card: Card) -> str:
    """Where t comes from."""
    if card.config.get("target_size") is not None:
        return f"the smallest whose expected size reaches {number(card.config['target_size'])}"
    if card.tail_fraction_target is None:
        return "given directly"
    return f"for a tail fraction of {percent(card.tail_fraction_target)}"


def numbers(card: Card) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """Groups of (name, value, what it is)."""
    return [
        ("Texts and pairs", _pair_rows(card)),
        ("Entries", _entry_rows(card)),
        ("Balance", _balance_rows(card)),
    ]


def _pair_rows(card: Card) -> list[tuple[str, str, str]]:
    total = sum(card.sources.values())
    return [
        ("Sources", number(total), "input files planned"),
        ("Records", number(card.records_read), "read from the sources"),
        ("Texts", number(card.texts_read), "found beside an image url"),
        ("Matched", number(card.texts_matched), "texts with at least one match"),
        (
            "Unique pairs",
            number(card.unique_pairs),
            "the pool, after deduplication" if card.left_of is None else f"left of {card.left_of}",
        ),
        *([] if card.images is None else [("Images", number(card.images), "with a matched text: one each is drawn")]),
        ("Opt-outs", number(sum(card.opted_out.values())), "texts of pages that opt out"),
        ("Rejects", number(sum(card.rejected.values())), "records left out, with a reason"),
    ]


def _entry_rows(card: Card) -> list[tuple[str, str, str]]:
    n, impossible = card.n_entries, len(card.impossible)

    def part(k: int) -> str:
        return f"{percent(share(k, n))} of the entries"

    head, tail = card.entries_head, card.entries_tail
    return [
        ("Entries", number(n), "in the metadata"),
        ("Unmatched", number(card.entries_unmatched), f"count 0; {part(card.entries_unmatched)}"),
        ("  can never match", number(impossible), "punctuation that spacing parts, or a line end, stands inside"),
        ("  did not occur", number(card.entries_unmatched - impossible), "in no text of the pool"),
        ("Tail", number(tail), f"0 < count < t; {part(tail)}"),
        ("Head", number(head), f"count ≥ t; {part(head)}"),
        ("Counts", number(card.total_counts), "summed over the entries, pool"),
        ("Counts after", number(card.curated_total_counts), "the same, curated subset"),
        ("Head share", percent(card.head_share_of_counts), "of the counts, pool"),
        ("Head share after", percent(card.curated_head_share_of_counts), "curated subset"),
    ]


def _balance_rows(card: Card) -> list[tuple[str, str, str]]:
    return [
        ("t", number(card.threshold), target(card)),
        ("Tail fraction", percent(card.tail_fraction), "share of counts in the tail, at this t"),
        ("Curated subset", number(card.curated_size), f"{percent(card.kept_share)} of the pool"),
        ("Expected size", number(card.expected_size, 1), "sum of the sampling probabilities"),
        ("Standard deviation", number(card.expected_sd, 1), deviation(card)),
        *([] if card.capped is None else [("Capped", number(card.capped), "kept for certain: p is above the run's")]),
        ("Seed", str(card.seed), "of the draws"),
    ]


def paper_rows(card: Card) -> list[tuple[str, str, str, str]]:
    """(quantity, this run, Pool 1, Pool 2): the figures published in the paper beside ours."""
    n = card.n_entries

    def entries(k: int) -> str:
        return f"{number(k)} ({percent(share(k, n))})"

    matched = percent(share(card.texts_matched, card.texts_read))
    return [
        ("Entries", number(n), "500,000", "500,000"),
        ("Pool, matched pairs", number(card.unique_pairs), "1.6B", "10.7B"),
        ("t", number(card.threshold), "20,000", "170,000"),
        ("Curated subset", number(card.curated_size), "400M", "2.5B"),
        ("Pool kept", percent(card.kept_share), "about 23%", "about 23%"),
        ("Counts, summed", number(card.total_counts), "5.6B", _NOT_GIVEN),
        ("Entries with count 0", entries(card.entries_unmatched), "114K (22.8%)", _NOT_GIVEN),
        ("Entries in the head", entries(card.entries_head), "16K (3.2%)", _NOT_GIVEN),
        ("Counts in the head", percent(card.head_share_of_counts), "94.5%", "about 94%"),
        ("Matches per text", f"{card.mean_matches:.2f}", "about 3.5", _NOT_GIVEN),
        ("Texts that match", matched, "about half", _NOT_GIVEN),
        ("Sd of the subset's size", number(card.expected_sd, 1), "4,035 (3 runs)", _NOT_GIVEN),
    ]
