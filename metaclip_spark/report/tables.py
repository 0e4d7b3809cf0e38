"""The tables of the data card: the rejects, the numbers, and the comparison with the paper."""

from __future__ import annotations

import math

from metaclip_spark.candidates.ledger import PII_KINDS
from metaclip_spark.core.wording import agrees, counted, size
from metaclip_spark.core.worldwide.thresholds import ENGLISH
from metaclip_spark.report.account import largest, meaning_of
from metaclip_spark.report.card import Card, share
from metaclip_spark.report.formatting import number, percent

PAPER = "arXiv 2309.16671"
CANNOT_MATCH = "contains a TAB, a line end, or punctuation that matching separates by spaces"
"""The reason why no text can match an entry."""
_NOT_GIVEN = "–"


def left_without_text(card: Card) -> list[tuple[str, list[tuple[str, int]]]]:
    """Return (what happened, (reason, number)) of the records and rows whose text was not read, the largest first."""
    early = {why: n for why, n in card.without_text.items() if why not in card.passed_over}
    kinds = (("passed over, because they have no text", card.passed_over), ("rejected before a text was read", early))
    return [(name, largest(counts)) for name, counts in kinds if any(counts.values())]


def rejects(card: Card) -> list[tuple[str, int, str]]:
    """Return (reason, number, meaning) of the rejects, the most frequent first."""
    return [(why, n, meaning_of(why)) for why, n in largest(card.rejected)]


def passed_over(card: Card) -> list[tuple[str, int, str]]:
    """Return (reason, number, meaning) of the records passed over, the most frequent first."""
    return [(why, n, meaning_of(why)) for why, n in largest(card.passed_over)]


def masked(card: Card) -> list[tuple[str, int, str]]:
    """Return (kind, number of texts, meaning) of the personal data that was masked, the most frequent first."""
    return [(kind, n, PII_KINDS[kind]) for kind, n in largest(card.masked)]


def opt_out_sentence(card: Card) -> str:
    """Report the texts that were rejected because their page opts out, and the honoured opt-outs."""
    named = list(card.config.get("opt_outs") or ())
    if card.config.get("robots"):
        of = {"image": "the image's host", "both": "both hosts"}.get(
            card.config.get("robots_for") or "", "the page's host"
        )
        named.append(f"robots.txt of {of}")
    honoured = ", ".join(named) or "none"
    who = "page or its robots.txt" if card.config.get("robots") else "page"
    found = card.opted_out
    if not found:
        return f"No text was rejected because its {who} opts out. Honoured opt-outs: {honoured}."
    each = ", ".join(f"{number(n)} {name}" for name, n in found.items())
    total = sum(found.values())
    part = percent(share(total, card.texts_read))
    rejected = f"{counted(total, 'text')} ({part}) {agrees(total, 'was', 'were')} rejected"
    sentence = f"{rejected} because {agrees(total, 'its', 'their')} {who} opts out: {each}."
    return f"{sentence} Honoured opt-outs: {honoured}."


def source_line(card: Card) -> str:
    """Report the sources and records above the funnel, which counts texts."""
    total = sum(card.sources.values())
    done = card.sources.get("done", 0)
    read = number(total) if done == total else f"{number(done)} of {number(total)}"
    sources = "source" if total == 1 else "sources"
    records = "record" if card.records_read == 1 else "records"
    return f"{read} {sources} read to the end, {number(card.records_read)} {records}"


def deviation(card: Card) -> str:
    """Compare the curated size with its expectation, in words."""
    sds = card.deviation_sds
    if math.isinf(sds):
        return "not the expected size, although every sampling probability is 0 or 1"
    if card.expected_sd == 0:
        return "exactly as expected: every sampling probability is 0 or 1"
    at_draw = "" if card.drawn is None else f", at the draw, which kept {number(card.drawn)}"
    return f"{sds:+.2f} sd from the expected size{at_draw}".replace("-", "−")


def gauge(card: Card) -> float:
    """Return the position of the curated size on a scale from -5 sd (0) to +5 sd (100)."""
    return round(50 + 10 * max(-5.0, min(5.0, card.deviation_sds)), 2)


def target(card: Card) -> str:
    """Report how t was chosen."""
    if card.config.get("target_size") is not None:
        return f"the smallest t whose expected size reaches {number(card.config['target_size'])}"
    if card.tail_fraction_target is None:
        return "set directly"
    return f"for a tail fraction of {percent(card.tail_fraction_target)}"


def name_of_t(card: Card) -> str:
    """Name the t that the page shows first: of one list, of English, or the largest of the languages."""
    if not card.languages:
        return "t"
    return "t of English" if any(row.name == ENGLISH for row in card.languages) else "largest t"


def numbers(card: Card) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """Return (title, rows) of the table of numbers; a row is (name, value, meaning)."""
    return [
        ("Texts and pairs", _pair_rows(card)),
        ("Entries", _entry_rows(card)),
        ("Balance", _balance_rows(card)),
    ]


def _pair_rows(card: Card) -> list[tuple[str, str, str]]:
    total = sum(card.sources.values())
    return [
        ("Sources", number(total), "planned input files"),
        ("Records", number(card.records_read), "read from the sources"),
        ("Texts", number(card.texts_read), "found, not empty"),
        ("Matched", number(card.texts_matched), "texts with at least one match"),
        (
            "Unique pairs",
            number(card.unique_pairs),
            "the pool, after deduplication" if card.left_of is None else f"survivors of {card.left_of}",
        ),
        *(
            []
            if card.images is None
            else [("Images", number(card.images), "with a matched text; one text each is sampled")]
        ),
        ("Opt-outs", number(sum(card.opted_out.values())), "texts of pages that opt out"),
        ("Passed over", number(sum(card.passed_over.values())), "records without a text; not among the rejects"),
        ("Rejects", number(sum(card.rejected.values())), "rejected records and texts"),
    ]


def _entry_rows(card: Card) -> list[tuple[str, str, str]]:
    n, impossible = card.n_entries, len(card.impossible)

    def part(k: int) -> str:
        return f"{percent(share(k, n))} of the entries"

    head, tail = card.entries_head, card.entries_tail
    return [
        ("Entries", number(n), "in the metadata"),
        ("Unmatched", number(card.entries_unmatched), f"count 0; {part(card.entries_unmatched)}"),
        ("  can never match", number(impossible), CANNOT_MATCH),
        ("  did not occur", number(card.entries_unmatched - impossible), "in no text of the pool"),
        ("Tail", number(tail), f"0 < count < t; {part(tail)}"),
        ("Head", number(head), f"count ≥ t; {part(head)}"),
        ("Counts", number(card.total_counts), "sum over all entries, in the pool"),
        ("Counts after", number(card.curated_total_counts), "the same, in the curated subset"),
        ("Head share", percent(card.head_share_of_counts), "of the counts, in the pool"),
        ("Head share after", percent(card.curated_head_share_of_counts), "the same, in the curated subset"),
    ]


def _balance_rows(card: Card) -> list[tuple[str, str, str]]:
    return [
        (name_of_t(card), number(card.threshold), target(card)),
        ("Tail fraction", percent(card.tail_fraction), "share of the counts in tail entries"),
        ("Curated subset", number(card.curated_size), f"{percent(card.kept_share)} of the pool"),
        ("Expected size", number(card.expected_size, 1), "sum of the sampling probabilities"),
        ("Standard deviation", number(card.expected_sd, 1), deviation(card)),
        *(
            []
            if card.capped is None
            else [("Capped", number(card.capped), "p is above that of the earlier run: always kept")]
        ),
        ("Seed", str(card.seed), "of the draws"),
    ]


def paper_rows(card: Card) -> list[tuple[str, str, str, str]]:
    """Return (quantity, this run, Pool 1, Pool 2), with the figures of the paper."""
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


def used_rows(card: Card) -> list[tuple[str, str]]:
    """Return (stage and snapshot, what it took) of the stages of a run, oldest first."""
    rows = []
    for one in card.used:
        parts = [f"{one['seconds']:,.1f} s"]
        if one.get("core_seconds") is not None:
            parts.append(f"{one['core_seconds'] / 3600:,.3g} core-hours")
        if one.get("read_bytes"):
            parts.append(f"{size(one['read_bytes'])} read")
        if one.get("shuffled_bytes"):
            parts.append(f"{size(one['shuffled_bytes'])} shuffled")
        rows.append((" ".join(str(part) for part in (one["stage"], one.get("snapshot")) if part), ", ".join(parts)))
    return rows
