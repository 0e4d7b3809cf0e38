"""The tables that commands print on stdout."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from metaclip_spark.report.card import Card


def console() -> Console:
    """Return a console on stdout that never wraps a path."""
    return Console(highlight=False, soft_wrap=True)


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
        table.add_row(name, value, note)
    out = console()
    out.print()
    out.print(table)
    out.print()
    out.print(f"tables  {card.table_paths['curated_pairs']} and next to it", markup=False)
    if report:
        out.print(f"report  {report}", markup=False)


def card_rows(card: Card) -> list[tuple[str, str, str]]:
    """Return (name, value, note) for each line of the summary."""
    statuses = ", ".join(f"{number:,} {status}" for status, number in card.sources.items() if number)
    head, tail, unmatched = card.entries_head, card.entries_tail, card.entries_unmatched
    sds = abs(card.curated_size - card.expected_size) / card.expected_sd if card.expected_sd else 0.0
    return [
        ("sources", f"{sum(card.sources.values()):,}", statuses),
        ("texts", f"{card.texts_read:,}", "image texts found"),
        ("matched", f"{card.texts_matched:,}", f"{_share(card.texts_matched, card.texts_read)} of the texts"),
        ("unique pairs", f"{card.unique_pairs:,}", f"survivors of {card.left_of}" if card.left_of else "the pool"),
        *(
            []
            if card.images is None
            else [("  images", f"{card.images:,}", "with a matched text; one text each is sampled")]
        ),
        ("entries", f"{card.n_entries:,}", "in the metadata"),
        ("  unmatched", f"{unmatched:,}", _share(unmatched, card.n_entries)),
        ("  tail", f"{tail:,}", f"{_share(tail, card.n_entries)}, count < t: every pair is kept"),
        ("  head", f"{head:,}", f"{_share(head, card.n_entries)}, count >= t"),
        ("head's share", f"{card.head_share_of_counts:.1%}", "of all counts"),
        ("t", f"{card.threshold:,}", f"tail fraction {card.tail_fraction:.3f}"),
        (
            "curated subset",
            f"{card.curated_size:,}",
            f"{_share(card.curated_size, card.unique_pairs)} of the {'survivors' if card.left_of else 'pool'}",
        ),
        ("  expected", f"{card.expected_size:,.0f}", f"± {card.expected_sd:,.0f}; {sds:.1f} sd away{_given(card)}"),
        *([] if card.capped is None else [("  capped", f"{card.capped:,}", _CAPPED)]),
    ]


_CAPPED = "kept with certainty, because p is above that of the run; a large number means that its t was too small"


def _given(card: Card) -> str:
    return f", given the subset of run {card.given}" if card.given else ""


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
        table.add_row(*row)
    console().print(table, markup=False)
