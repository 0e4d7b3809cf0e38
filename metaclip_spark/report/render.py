"""The data card as one HTML page that needs nothing from outside."""

from __future__ import annotations

from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from metaclip_spark.report import plots, summary
from metaclip_spark.report.card import TOP, Card, share
from metaclip_spark.report.wording import flat, number, percent, visible

NO_MATPLOTLIB = "Plots need matplotlib: pip install 'metaclip-spark[report]'."


def render(card: Card) -> str:
    """The page; equal cards give equal pages.

    Every text of the card is escaped, and what cannot be seen in it is named (`wording.visible`).

    Args:
        card: The run's numbers.

    Returns:
        A complete HTML document. Write it as UTF-8.
    """
    template = _environment().get_template("card.html.j2")
    return template.render(card=card, **_context(card))


def _context(card: Card) -> dict[str, Any]:
    drawn = plots.draw(card) if plots.available() else []
    return {
        "plots": [(p.title, Markup(p.svg), p.sentence) for p in drawn],
        "no_plots": "" if drawn else NO_MATPLOTLIB,
        "funnel": summary.funnel(card),
        "source_line": summary.source_line(card),
        "deviation": summary.deviation(card),
        "gauge": summary.gauge(card),
        "target": summary.target(card),
        "numbers": summary.numbers(card),
        "paper": summary.PAPER,
        "paper_rows": summary.paper_rows(card),
        "splits": _splits(card),
        "top": _top(card),
        "rejects": _rejects(card),
        "config": flat(card.config),
    }


def _splits(card: Card) -> list[tuple[str, list[tuple[str, str, float]]]]:
    """Bars of (class, number, share): the entries, and the counts before and after."""
    n = card.n_entries
    before, after = card.head_share_of_counts, card.curated_head_share_of_counts
    entries = [
        (name, number(k), share(k, n))
        for name, k in (
            ("unmatched", card.entries_unmatched),
            ("tail", card.entries_tail),
            ("head", card.entries_head),
        )
    ]
    bars = [("Entries", entries)]
    for name, head, total in (
        ("Counts, pool", before, card.total_counts),
        ("Counts, curated subset", after, card.curated_total_counts),
    ):
        tail = 1 - head if total else 0.0
        bars.append((name, [("tail", percent(tail), tail), ("head", percent(head), head)]))
    return bars


def _top(card: Card) -> list[dict[str, Any]]:
    return [
        {
            "id": i,
            "entry": card.entry(i),
            "before": int(card.entry_counts[i]),
            "after": int(card.curated_entry_counts[i]),
            "probability": card.threshold / max(int(card.entry_counts[i]), card.threshold),
        }
        for i in card.top_entry_ids(TOP)
    ]


def _rejects(card: Card) -> list[tuple[str, int, float]]:
    """(reason, number, bar in percent of the longest), most frequent first."""
    ordered = sorted(card.rejected.items(), key=lambda item: (-item[1], item[0]))
    longest = max(card.rejected.values(), default=0)
    return [(reason, n, round(100 * share(n, longest), 2)) for reason, n in ordered]


def _environment() -> Environment:
    environment = Environment(
        # Through importlib, so that the package may also be a zip on Spark's path.
        loader=FunctionLoader(lambda name: (resources.files(__package__) / name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "percent": percent, "visible": visible}
    return environment
