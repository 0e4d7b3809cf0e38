"""Render the data card as one self-contained HTML page."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from metaclip_spark.counts import wording
from metaclip_spark.report import languages, search, sections, tables
from metaclip_spark.report.account import SHOWN
from metaclip_spark.report.card import TOP, Card, share
from metaclip_spark.report.compare import Compared
from metaclip_spark.report.formatting import flat, number, percent, probability, visible
from metaclip_spark.report.funnel import funnel
from metaclip_spark.report.plots import card as card_plots

NO_MATPLOTLIB = "Plots need matplotlib: pip install 'matplotlib>=3.8'."

POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'unsafe-inline'; script-src 'sha256-{}'"
"""The page's security policy: nothing is loaded, and nothing runs but the page's script, by its hash, even if a text
is not escaped. Styles are inline."""
EXAMPLES = 12
"""Number of unmatched entries that the page names."""


def render(card: Card) -> str:
    """Render a card. Equal cards give equal pages.

    Every text of the card is escaped, and its invisible characters are shown by name (`formatting.visible`).

    Args:
        card: The run's numbers.

    Returns:
        A complete HTML document, to be written as UTF-8.
    """
    template = _environment().get_template("card.html.j2")
    return template.render(card=card, **_script("tables.js.j2", "search.js.j2"), **_context(card))


def _script(*names: str) -> dict[str, str]:
    """Return a page's script, made of templates, and the policy that allows it alone."""
    script = "".join(_template(name) for name in names)
    hashed = b64encode(sha256(script.encode()).digest()).decode()
    return {"script": Markup(script), "policy": POLICY.format(hashed)}


def render_compared(compared: Compared) -> str:
    """Render the comparison of two runs. Equal comparisons give equal pages."""
    a, b = compared.first, compared.second
    return (
        _environment()
        .get_template("compare.html.j2")
        .render(
            a=a,
            b=b,
            **_script("tables.js.j2"),
            other_list=sections.OTHER_LIST if a.metadata_id != b.metadata_id else "",
            groups=[(title, [sections.difference(row) for row in rows]) for title, rows in compared.groups],
            rejects=[sections.difference(row) for row in compared.rejects],
            settings=compared.settings,
            parts=compared.parts,
            moved=[
                ("By count", sections.BY_COUNT, compared.by_count),
                ("By kept share", sections.BY_SHARE, compared.by_share),
            ],
        )
    )


def _context(card: Card) -> dict[str, Any]:
    drawn = card_plots.draw(card) if card_plots.available() else []
    return {
        "plots": [(p.title, Markup(p.svg), p.caption) for p in drawn],
        "no_plots": "" if drawn else NO_MATPLOTLIB,
        "funnel": funnel(card),
        "source_line": tables.source_line(card),
        "deviation": tables.deviation(card),
        "gauge": tables.gauge(card),
        "target": tables.target(card),
        "t_of": tables.name_of_t(card),
        "numbers": tables.numbers(card),
        "paper": tables.PAPER,
        "paper_rows": tables.paper_rows(card),
        "splits": _splits(card),
        "top": _top(card),
        "given_counts": _given_counts(card),
        "languages": languages.shown(card.languages, card.tail_fraction_target),
        "search": search.search(card),
        "rejects": tables.rejects(card),
        "opt_outs": tables.opt_out_sentence(card),
        "passed_over": tables.passed_over(card),
        "masked": tables.masked(card),
        "left_without_text": tables.left_without_text(card),
        "without_pairs": [group.sentence for group in card.without_pairs[:SHOWN]],
        "unmatched": _unmatched(card),
        "made": sections.composition(card),
        "no_composition": sections.NO_COMPOSITION,
        "classes": sections.classes(card),
        "config": flat(card.config),
        "used": tables.used_rows(card),
    }


def _given_counts(card: Card) -> dict[str, Any] | None:
    """Return how given counts differ from those of the pool; None where the counts are the pool's."""
    logged = card.given_counts
    if logged is None:
        return None
    return {
        "rows": wording.rows(logged),
        "largest": logged["largest"],
        "ranks": wording.rank_sentence(logged),
        "ratio": wording.RATIO,
    }


def _splits(card: Card) -> list[tuple[str, list[tuple[str, str, float]]]]:
    """Return bars of (class, number, share): of the entries, and of the counts in the pool and in the subset."""
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
            "probability": card.threshold_of(i) / max(int(card.entry_counts[i]), card.threshold_of(i)),
        }
        for i in card.top_entry_ids(TOP)
    ]


def _unmatched(card: Card) -> list[tuple[str, int, str, list[str]]]:
    """Return (kind, number, meaning, examples) of the entries with count 0; empty if all entries matched."""
    if not card.entries_unmatched:
        return []
    impossible = [int(at) for at in card.impossible]
    kinds = (
        ("can never match", impossible, len(impossible), f" ({tables.CANNOT_MATCH})"),
        ("did not occur", card.absent_entry_ids(EXAMPLES), card.entries_unmatched - len(impossible), ""),
    )
    return [(name, n, about, [card.entry(at) for at in ids[:EXAMPLES]]) for name, ids, n, about in kinds]


def _template(name: str) -> str:
    # importlib reads the file, because the package may be a zip on Spark's path.
    return (resources.files(__package__) / "templates" / name).read_text(encoding="utf-8")


def _environment() -> Environment:
    environment = Environment(
        loader=FunctionLoader(_template),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "percent": percent, "probability": probability, "visible": visible}
    return environment
