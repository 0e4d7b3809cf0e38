"""The command `report`: write the data card of a run, or of two runs side by side, or its public summary."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from metaclip_spark.commands.opening import reading
from metaclip_spark.commands.outcome import outcome_of, write_outcome
from metaclip_spark.config.settings import Settings
from metaclip_spark.core.secrets import masked
from metaclip_spark.core.wording import counted
from metaclip_spark.errors import ConfigError
from metaclip_spark.report.card import Card
from metaclip_spark.report.class_counts import THIN
from metaclip_spark.report.class_names import count_classes, read_class_names
from metaclip_spark.steps.card import as_json, make_card, with_composition
from metaclip_spark.steps.context import RunContext
from metaclip_spark.steps.summary.write import files_of, write_summary
from metaclip_spark.steps.takedown.rows import refuse_takedown_since
from metaclip_spark.storage.write import write_text
from metaclip_spark.terminal.progress import Reporter

WHOLE_UP_TO = 5_000_000
"""Maximum number of pairs of a pool that `run` and `balance` read once more for the page, if the draw read it whole.
`report` reads the composition of a larger pool."""


def report(
    settings: Settings,
    reporter: Reporter,
    run_id: str | None,
    output: str | None,
    class_names: str | None = None,
    thin: int | None = None,
    compare: tuple[str, str] | None = None,
) -> int:
    """Write the complete card of a run, or of two runs side by side; return 0.

    Args:
        run_id: the run; None: the run that was balanced last.
        output: path or URI of the page; None: among the reports of the warehouse.
        class_names: path of a list of class names to count.
        thin: number of pairs in the subset below which a class is thin.
        compare: two run ids, instead of `run_id`.

    Raises:
        ConfigError: two flags exclude each other, or a run has no subset.
    """
    if compare is not None and class_names is not None:
        raise ConfigError("--class-names is for the card of one run; remove it, or remove --compare.")
    names = read_class_names(class_names) if class_names else None
    if thin is not None and names is None:
        raise ConfigError("--thin needs the classes; give them with --class-names FILE.")
    if compare is not None and run_id is not None:
        raise ConfigError("--compare names both runs; remove --run-id.")
    # All runs are opened before the work on the first: a wrong id is refused at once.
    contexts = [reading(settings, reporter, one or settings.run_id) for one in compare or (run_id,)]
    cards = []
    for ctx in contexts:
        with reporter.stage("report", ctx.spark) as stage:
            card = make_card(ctx)
            if names is not None:
                card = replace(card, classes=count_classes(card, names, thin or THIN))
            cards.append(with_composition(ctx, card))
            read = cards[-1].unique_pairs if cards[-1].composition is not None else 0
            stage.note = f"{counted(read, 'pair')} read"
    ctx = contexts[-1]
    place = _write_compared(ctx, cards[0], cards[1], output) if compare else write_card(ctx, cards[0], output)
    # After the writing: a takedown that begins now finds the page, and removes it itself.
    run_ids, files = [each.run_id for each in contexts], [place, sidecar_path(place)]
    refuse_takedown_since(contexts[0].warehouse, contexts[0].log, run_ids, files)
    print(masked(place))
    write_outcome(ctx, outcome_of(ctx, "report", 0, curated=as_json(cards[-1], place)))
    return 0


def summary(
    settings: Settings,
    reporter: Reporter,
    run_id: str | None,
    folder: str | None,
    small: bool,
    of_page: Mapping[str, object],
) -> int:
    """Write the public summary of training content of a run, and print the paths of its files; return 0.

    Args:
        run_id: the run; None: the run that was balanced last.
        folder: path or URI of the folder.
        small: list as many domains as small firms have to list.
        of_page: flags of the page -> their values, which exclude a summary.

    Raises:
        ConfigError: a flag is missing, or two flags exclude each other.
    """
    if folder is None:
        raise ConfigError("--eu-small says how many domains --eu-summary DIR lists; give that folder, too.")
    given = [flag for flag, value in of_page.items() if value is not None]
    if given:
        raise ConfigError(
            f"{given[0]} is of the page; --eu-summary writes a summary instead of it. Remove one of them."
        )
    ctx = reading(settings, reporter, run_id or settings.run_id)
    with reporter.stage("summary", ctx.spark) as stage:
        facts = write_summary(ctx, folder, small)
        stage.note = f"{counted(facts.pairs, 'pair')} read"
    for name in files_of(facts):
        print(masked(f"{folder.rstrip('/')}/{name}"))
    return 0


def closing_report(ctx: RunContext, card: Card) -> str:
    """Write the card at the end of a run, and return its path. An existing card of the same draw is kept."""
    place = str(report_path(ctx))
    if _is_of(card, place):
        return place
    # A pool that was not read for the draw is not read for the page either.
    whole = card.unique_pairs <= WHOLE_UP_TO and card.given is None
    with ctx.reporter.stage("report", ctx.spark) as stage:
        stage.note = f"{counted(card.unique_pairs if whole else 0, 'pair')} read"
        return write_card(ctx, with_composition(ctx, card) if whole else card)


def write_card(ctx: RunContext, card: Card, output: str | None = None) -> str:
    """Write the page, then its sidecar, and return the path of the page."""
    from metaclip_spark.report.card_json import as_plain
    from metaclip_spark.report.render import render

    return _write(output or str(report_path(ctx)), render(card), as_plain(card))


def _write_compared(ctx: RunContext, first: Card, second: Card, output: str | None) -> str:
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


def report_path(ctx: RunContext, name: str | None = None) -> Path:
    """Return the path of a run's report: next to local tables, otherwise in the current folder."""
    root = ctx.warehouse.root
    folder = Path(root) / "reports" if root is not None and "://" not in root else Path.cwd()
    return folder / f"{name or ctx.run_id}.html"


def sidecar_path(page: str) -> str:
    """Return the path of a page's JSON sidecar.

    >>> sidecar_path("reports/a.html"), sidecar_path("card")
    ('reports/a.json', 'card.json')
    """
    return page.removesuffix(".html") + ".json"


def _is_of(card: Card, place: str) -> bool:
    """Return whether an existing card is of the same draw and has the same numbers."""
    from metaclip_spark.report.card_json import closing_numbers

    try:
        found = json.loads(Path(sidecar_path(place)).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    wanted = {"attempt_id": card.attempt_id, "metaclip_spark_version": card.metaclip_spark_version}
    wanted = json.loads(json.dumps(wanted | closing_numbers(card)))
    return Path(place).is_file() and all(found.get(name) == value for name, value in wanted.items())
