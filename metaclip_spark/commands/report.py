"""The data card of a run, or of two side by side: read, rendered as a page, and written with its JSON twin."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from metaclip_spark.commands.opening import run_context
from metaclip_spark.commands.outcome import outcome_of, write_outcome
from metaclip_spark.config import Settings
from metaclip_spark.errors import ConfigError
from metaclip_spark.report.card import Card
from metaclip_spark.report.class_counts import THIN
from metaclip_spark.report.class_names import count_classes, read_class_names
from metaclip_spark.steps.card import as_json, make_card, with_composition
from metaclip_spark.steps.context import Context
from metaclip_spark.storage.write import write_text
from metaclip_spark.terminal.progress import Reporter

WHOLE_UP_TO = 5_000_000
"""Pairs of a pool that `run` and `balance` look through once more for the page, if the draw read them; of a larger one
`report` does."""


def report(
    settings: Settings,
    reporter: Reporter,
    run_id: str | None,
    output: str | None,
    class_names: str | None = None,
    thin: int | None = None,
    compare: tuple[str, str] | None = None,
) -> int:
    """Write the card of a run again, whole; or that of two runs side by side. Return the exit status."""
    if compare is not None and class_names is not None:
        raise ConfigError("--class-names goes with the card of one run; leave --compare out.")
    names = read_class_names(class_names) if class_names else None
    if thin is not None and names is None:
        raise ConfigError("--thin says which classes are thin; give them with --class-names FILE.")
    if compare is not None and run_id is not None:
        raise ConfigError("--compare names both runs; leave --run-id out.")
    with ExitStack() as opened:  # all runs, before the work on the first
        contexts = [opened.enter_context(run_context(settings, reporter, one)) for one in compare or (run_id,)]
        cards = []
        for ctx in contexts:
            with reporter.stage("report", ctx.spark) as stage:
                cards.append(with_composition(ctx, make_card(ctx)))
                looked = cards[-1].unique_pairs if cards[-1].composition is not None else 0
                stage.note = f"{looked:,} pairs looked through"
        if names is not None:
            cards = [replace(card, classes=count_classes(card, names, thin or THIN)) for card in cards]
        ctx = contexts[-1]
        place = _write_compared(ctx, *cards, output) if compare else write_card(ctx, cards[0], output)
        print(place)
        write_outcome(ctx, outcome_of(ctx, "report", 0, curated=as_json(cards[-1], place)))
    return 0


def closing_report(ctx: Context, card: Card) -> str:
    """Write the card with which a run ends, and return its path; the one that is there stays, if it is of this draw."""
    place = str(report_path(ctx))
    if _is_of(card, place):
        return place
    # Where the old pool was not read for the draw, it is not for the page.
    whole = card.unique_pairs <= WHOLE_UP_TO and card.given is None
    return write_card(ctx, with_composition(ctx, card) if whole else card)


def write_card(ctx: Context, card: Card, output: str | None = None) -> str:
    """Write the page, then its twin, and return the page's path."""
    from metaclip_spark.report.card_json import as_plain
    from metaclip_spark.report.render import render

    return _write(output or str(report_path(ctx)), render(card), as_plain(card))


def _write_compared(ctx: Context, first: Card, second: Card, output: str | None) -> str:
    from metaclip_spark.report.compare import compare
    from metaclip_spark.report.render import render_compared

    place = output or str(report_path(ctx, f"{first.run_id}-{second.run_id}"))
    compared = compare(first, second)
    return _write(place, render_compared(compared), compared.as_plain())


def _write(place: str, page: str, plain: dict[str, Any]) -> str:
    from metaclip_spark.report.card_json import as_text

    write_text(place, page, "report")
    write_text(sidecar_path(place), as_text(plain), "report")
    return place


def report_path(ctx: Context, name: str | None = None) -> Path:
    """Return where a run's report goes: beside local tables, else into the current folder."""
    root = ctx.warehouse.root
    folder = Path(root) / "reports" if root is not None and "://" not in root else Path.cwd()
    return folder / f"{name or ctx.attempt.run_id}.html"


def sidecar_path(page: str) -> str:
    """Return where the JSON of a page goes.

    >>> sidecar_path("reports/a.html"), sidecar_path("card")
    ('reports/a.json', 'card.json')
    """
    return page.removesuffix(".html") + ".json"


def _is_of(card: Card, place: str) -> bool:
    """Return whether the card that is there is of the same draw and says the same."""
    from metaclip_spark.report.card_json import closing_numbers

    try:
        found = json.loads(Path(sidecar_path(place)).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    wanted = {"attempt_id": card.attempt_id, "metaclip_spark_version": card.metaclip_spark_version}
    wanted = json.loads(json.dumps(wanted | closing_numbers(card)))
    return Path(place).is_file() and all(found.get(name) == value for name, value in wanted.items())
