"""The tables that commands print on stdout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from metaclip_spark.core.secrets import masked
from metaclip_spark.core.wording import counted, one_line
from metaclip_spark.counts import wording
from metaclip_spark.report.account import largest, meaning_of
from metaclip_spark.report.card import Card
from metaclip_spark.report.funnel import (
    DUPLICATES,
    EARLIER,
    NOT_DRAWN,
    NOT_LEFT,
    NOT_SURVIVING,
    OPT_OUT,
    OTHER_TEXTS,
    REMATCHED,
    SUBSET_OF,
    TAKEN_DOWN,
    UNEXPLAINED,
    UNMATCHED_KEPT,
    FunnelRow,
    funnel,
)
from metaclip_spark.terminal.console import console


def print_card(card: Card, report: str | None) -> None:
    """Print the summary of a run.

    Args:
        report: path of the report, or None.
    """
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column()
    for name, value, note in card_rows(card):
        table.add_row(Text(name), value, Text(note))
    out = console()
    out.print()
    out.print(table)
    out.print()
    if card.given_counts is not None:
        print_given_counts(card.given_counts)
    for note in card.notes:
        out.print(f"note    {note}", markup=False)
    out.print(f"tables  {card.table_paths['curated_pairs']} and next to it", markup=False)
    if report:
        out.print(f"report  {masked(report)}", markup=False)


def print_given_counts(logged: Mapping[str, Any]) -> None:
    """Print how given counts differ from those of the pool."""
    print_rows(list(wording.HEADERS), [list(row) for row in wording.rows(logged)])
    out = console()
    out.print()
    print_rows(list(wording.LARGEST_HEADERS), [[repr(row[0]), *row[1:]] for row in wording.largest(logged)])
    out.print(f"{wording.RATIO} {wording.rank_sentence(logged)}", markup=False)
    out.print()


def card_rows(card: Card) -> list[tuple[str, str, str]]:
    """Return (name, value, note) for each line of the summary.

    From the texts to the subset, each number is the one before it and the signed numbers between them.
    """
    statuses = ", ".join(f"{number:,} {status}" for status, number in card.sources.items() if number)
    rows = funnel(card)
    of_pool, (drawn,) = _funnel_rows(card, rows[:-1]), rows[-1:]
    head, tail, unmatched = card.entries_head, card.entries_tail, card.entries_unmatched
    return [
        ("sources", f"{sum(card.sources.values()):,}", statuses),
        *_without_text(card),
        *of_pool,
        ("entries", f"{card.n_entries:,}", "in the metadata"),
        ("  unmatched", f"{unmatched:,}", _share(unmatched, card.n_entries)),
        ("  tail", f"{tail:,}", f"{_share(tail, card.n_entries)}, count < t: every pair is kept"),
        ("  head", f"{head:,}", f"{_share(head, card.n_entries)}, count >= t"),
        ("head's share", f"{card.head_share_of_counts:.1%}", "of all counts"),
        *_t_rows(card),
        *_between(card, drawn),
        (
            "curated subset",
            f"{card.curated_size:,}",
            f"{_share(card.curated_size, card.unique_pairs)} of the {'survivors' if card.left_of else 'pool'}",
        ),
        ("  expected", f"{card.expected_size:,.0f}", f"± {card.expected_sd:,.0f}; {_away(card)}"),
        *([] if card.capped is None else [("  capped", f"{card.capped:,}", _CAPPED)]),
    ]


_LANGUAGES = 10
"""Number of languages with a line in the summary; the report has all."""


def _t_rows(card: Card) -> list[tuple[str, str, str]]:
    """Return the line of t, or one for each of the languages with the highest counts."""
    if not card.languages:
        return [("t", f"{card.threshold:,}", f"tail fraction {card.tail_fraction:.3f}")]
    target = "" if card.tail_fraction_target is None else f", for a tail fraction of {card.tail_fraction_target:.4g}"
    rows = [("t", "", f"of {len(card.languages):,} languages{target}")]
    for row in card.languages[:_LANGUAGES]:
        note = f"{row.counts:,} counts, {_share(row.curated_counts, row.counts)} kept"
        note += f", tail fraction {row.tail_fraction:.3f}" + (f" ({row.remark})" if row.remark else "")
        rows.append((f"  {row.name}", f"{row.threshold:,}", note))
    left = len(card.languages) - _LANGUAGES
    return rows if left <= 0 else [*rows, ("  ...", "", f"{left:,} more in the report")]


_LINES = 15
"""Maximum number of lines between two rows of the funnel; the reasons after them share one line."""

_SHORT = {
    OPT_OUT: ("opt-outs", "the page opts out"),
    DUPLICATES: ("repeats", "the same url and text on other pages or sources"),
    EARLIER: ("earlier", "pairs that an earlier snapshot has"),
    UNMATCHED_KEPT: ("unmatched", "match no entry (--keep-unmatched)"),
    NOT_SURVIVING: ("not left", "repeats, and pairs that did not survive"),
    NOT_LEFT: ("not left", "did not survive"),
    NOT_DRAWN: ("not drawn", "by the sampling probability of each pair"),
    OTHER_TEXTS: ("other texts", "of the same image"),
    REMATCHED: ("rematched", "pairs that `match` stored for this list"),
    TAKEN_DOWN: ("taken down", "removed by `takedown`"),
    UNEXPLAINED: ("other", "not accounted for: a source was read again, or the tables changed since"),
}
"""Reason of the funnel -> (name, note) of its line."""


def _funnel_rows(card: Card, rows: Sequence[FunnelRow]) -> list[tuple[str, str, str]]:
    """Return the lines of the texts and pairs, up to the pairs that are sampled."""
    lines = []
    for row in rows:
        lines += [*_between(card, row), _level(card, row)]
        if row.name == "Texts" and not any(row.name == "Matched" for row in rows):
            note = f"{_share(card.texts_matched, card.texts_read)} of the texts; unmatched ones are kept as well"
            lines.append(("  (matched)", f"{card.texts_matched:,}", note))
    return lines


def _level(card: Card, row: FunnelRow) -> tuple[str, str, str]:
    value = f"{row.value:,}"
    match row.name:
        case "Texts":
            return "texts", value, "image texts found"
        case "Matched":
            return "matched", value, f"{_share(card.texts_matched, card.texts_read)} of the texts"
        case "Language identified" | "Each once a source":
            return "pairs", value, "each once per source"
        case "Unique pairs: the pool":
            return "unique pairs", value, "the pool"
        case "Images":
            return "  images", value, "with a matched text; one text each is sampled"
        case name if name.startswith(SUBSET_OF):
            return "earlier subset", value, f"of {card.left_of}"
    return "unique pairs", value, f"survivors of {card.left_of}"


def _between(card: Card, row: FunnelRow) -> list[tuple[str, str, str]]:
    """Return a line for each reason between a row and the row before it."""
    shown = row.left_out if len(row.left_out) <= _LINES else row.left_out[: _LINES - 1]
    rest = row.left_out[len(shown) :]
    lines = [(name, f"-{n:,}", note) for n, (name, note) in ((n, _line(card, why)) for why, n in shown)]
    if rest:
        left = sum(n for _, n in rest)
        lines.append(("  others", f"-{left:,}", f"{counted(len(rest), 'more reason')}; the report lists them"))
    return lines + [(name, f"+{n:,}", note) for n, (name, note) in ((n, _line(card, why)) for why, n in row.added)]


def _line(card: Card, reason: str) -> tuple[str, str]:
    for known, (name, note) in _SHORT.items():
        if reason.startswith(known):
            return f"  {name}", note + reason.removeprefix(known)
    if reason == "language":
        wanted = card.config.get("languages")
        return (
            "  language",
            f"not in {', '.join(wanted)}" if wanted else "not in en; --languages all keeps all languages",
        )
    if reason == "repeat":
        return "  repeat", "the same url and text again in the same source"
    return f"  {reason}", meaning_of(reason)


def _without_text(card: Card) -> list[tuple[str, str, str]]:
    """Return the line of the records, if some of them, or some rows, have no text."""
    if not card.without_text:
        return []
    reasons = largest({why: n for why, n in card.without_text.items() if why not in _OF_IMAGES})
    named = ", ".join(f"{n:,} {why}" for why, n in reasons[:3])
    rest = sum(n for _, n in reasons[3:])
    more = f", {rest:,} for {counted(len(reasons) - 3, 'other reason')}" if rest else ""
    of_images = [f"{card.without_text[why]:,} {what}" for why, what in _OF_IMAGES.items() if card.without_text.get(why)]
    notes = [f"no text in {named}{more}"] if reasons else []
    return [("records", f"{card.records_read:,}", "; ".join([*notes, *of_images]))]


_OF_IMAGES = {"empty_text": "texts are empty", "link_cap": "image links are beyond the maximum of a page"}
"""Reasons that count texts or images of a page, and not records -> words."""

_CAPPED = "kept with certainty, because p is above that of the run; a large number means that its t was too small"


def _away(card: Card) -> str:
    sds = abs(card.compared_size - card.expected_size) / card.expected_sd if card.expected_sd else 0.0
    given = f", given the subset of run {card.given}" if card.given else ""
    at_draw = "" if card.drawn is None else f", at the draw, which kept {card.drawn:,}"
    return f"{sds:.1f} sd away{given}{at_draw}"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "-"


def print_rows(headers: list[str], rows: list[list[str]], whole: int = 0) -> None:
    """Print a plain table, with columns of numbers aligned to the right.

    Args:
        whole: number of columns, from the left, that are never folded.
    """
    table = Table(box=None, pad_edge=False, show_header=any(headers))
    for at, header in enumerate(headers):
        numbers = all(row[at].replace(",", "").replace(".", "").replace("%", "").isdigit() for row in rows if row[at])
        table.add_column(header, justify="right" if numbers else "left", overflow="fold", no_wrap=at < whole)
    for row in rows:
        table.add_row(*map(one_line, row))
    console().print(table, markup=False)
