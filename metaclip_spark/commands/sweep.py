"""The command `sweep`: print the expected size and composition of the curated subset for many t. Nothing is drawn."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from metaclip_spark.commands.opening import reading_pool
from metaclip_spark.config.settings import Settings
from metaclip_spark.core.survival.model import Survival
from metaclip_spark.core.threshold_search import round_thresholds
from metaclip_spark.core.weights.pairs import sentence_of, shown
from metaclip_spark.core.wording import agrees, counted
from metaclip_spark.core.worldwide.thresholds import FRACTION_STEPS, FRACTIONS, LanguageThresholds, for_fractions
from metaclip_spark.counts.wording import origin_sentence
from metaclip_spark.errors import ConfigError
from metaclip_spark.report.card import share
from metaclip_spark.report.sweep import Sweep, make_sweep, plain, survival_sentence
from metaclip_spark.stages.sweep import expected_sums
from metaclip_spark.steps.account.empty_pool import refuse_empty
from metaclip_spark.steps.balance import choose_thresholds, of_given_counts
from metaclip_spark.steps.count import counted_snapshots
from metaclip_spark.steps.pool import whole_pool
from metaclip_spark.steps.sweep.survival import PoolOnDisk, asked_for, survival_from
from metaclip_spark.steps.weights import joined, weigh
from metaclip_spark.terminal.progress import Reporter

GROUPS_SHOWN = 6
"""Number of text sources, and of languages, that get a column in the printed table; --json has all."""


def sweep(
    settings: Settings,
    reporter: Reporter,
    thresholds: str | None,
    plot: str | None,
    as_json: bool = False,
    survival: str | None = None,
) -> int:
    """Sweep the counted pool, print the table, and draw the plot if one is requested; return 0.

    Args:
        thresholds: values of t with commas between them; None: round values up to the highest count.
        plot: path of the plot, or None.
        survival: a rate, or the files of an earlier download; None: images on disk are not expected.

    Raises:
        ConfigError: the thresholds, the plot or the survival cannot be used.
    """
    if not settings.worldwide and "." not in (thresholds or ""):
        _parse_thresholds(thresholds)  # refuse a wrong value before the engine starts
    if plot is not None:
        from metaclip_spark.report.plots import sweep as sweep_plot

        sweep_plot.check(plot)
    asked = None if survival is None else asked_for(survival)
    ctx = reading_pool(settings, reporter)
    snapshots = counted_snapshots(ctx)
    pool = whole_pool(ctx, snapshots)
    refuse_empty(ctx, pool, snapshots)
    counts = pool.safe_counts
    weights = ctx.settings.pair_weights
    every = pool.pairs if pool.every_pair is None else pool.every_pair
    weighed = None if weights is None else shown(joined(weights, weigh(ctx, every, weights)))
    on_disk = None
    if asked is not None:
        rates = survival_from(ctx.spark, asked, every, snapshots)
        on_disk = PoolOnDisk.of(pool.pairs, ctx.settings.unit, rates, counts, weights)
    chosen = choose_thresholds(ctx, pool, on_disk)
    is_one = chosen.sections.is_one
    values, by_section, of_choice = (_thresholds if is_one else _fractions)(thresholds, pool.counts, chosen)
    with reporter.stage("sweep", ctx.spark) as stage:
        sums = expected_sums(pool.pairs, counts, values, by_section=by_section, weights=weights)
        stage.note = counted(len(values), *(("value of t", "values of t") if is_one else ("tail fraction",)))
    result = make_sweep(sums, pool.counts, values, of_choice, ctx.settings.unit, snapshots, ctx.metadata_id, by_section)
    result = replace(result, weights=weighed, given_counts=of_given_counts(ctx, pool, chosen).get("counts"))
    if on_disk is not None:
        with reporter.stage("survival", ctx.spark) as stage:
            found = on_disk.at(values, by_section)
            stage.note = f"{on_disk.survival.mean:.1%} of the images survive"
        rows = [replace(row, on_disk=one) for row, one in zip(result.rows, found, strict=True)]
        result = replace(result, rows=rows, survival=on_disk.survival)
    if as_json:
        print(json.dumps(plain(result), ensure_ascii=False))
    else:
        _print(result)
    if plot is not None:
        sweep_plot.draw(result, plot)
        reporter.say(f"plot     {plot}")
    return 0


def _thresholds(
    words: str | None, counts: npt.NDArray[np.int64], chosen: LanguageThresholds
) -> tuple[list[int], None, int]:
    """Return the t to sweep, and the t that the settings choose."""
    requested = _parse_thresholds(words)
    return sorted({*(requested or round_thresholds(int(counts.max(initial=1)))), chosen.main}), None, chosen.main


def _fractions(
    words: str | None, counts: npt.NDArray[np.int64], chosen: LanguageThresholds
) -> tuple[list[int], list[LanguageThresholds], int]:
    """Return the tail fractions to sweep, in millionths, the t of each language at each, and the chosen fraction.

    Raises:
        ConfigError: `words` are no tail fractions.
    """
    try:
        fractions = FRACTIONS if words is None else [float(word) for word in words.split(",") if word.strip()]
    except ValueError:
        fractions = []
    if not fractions or not all(0 < fraction < 1 for fraction in fractions):
        raise ConfigError(
            "--thresholds takes tail fractions between 0 and 1 with commas between them in a worldwide curation, "
            f"where each language has its t; got {words!r}."
        )
    of_choice = round((chosen.fraction or 0) * FRACTION_STEPS)
    fixed = {name: t for name, t in chosen.by_name.items() if name in chosen.given}
    at = for_fractions(counts, chosen.sections, fractions, fixed)
    if chosen.fraction is not None:
        at[of_choice] = chosen
    values = sorted(at)
    return values, [at[step] for step in values], of_choice


def _parse_thresholds(thresholds: str | None) -> list[int]:
    words = [word.strip() for word in (thresholds or "").replace("_", "").split(",") if word.strip()]
    if not all(word.isdigit() and 0 < int(word) < 2**53 for word in words):
        raise ConfigError(f"--thresholds takes whole numbers >= 1 with commas between them, got {thresholds!r}.")
    return [int(word) for word in words]


def _print(result: Sweep) -> None:
    from metaclip_spark.terminal.console import console
    from metaclip_spark.terminal.tables import print_rows

    out = console()
    out.print()
    print_rows(
        [
            "tail" if result.by_fraction else "t",
            "",
            "expected",
            "± sd",
            "kept",
            "tail fraction",
            "head",
            "head counts",
            "tail",
            "tail counts",
        ],
        [
            [
                row.label,
                "<" if row.chosen else "",
                f"{row.expected_size:,.0f}",
                f"{row.expected_sd:,.0f}",
                f"{share(row.expected_size, result.pairs):.1%}",
                f"{row.tail_fraction:.3f}",
                f"{row.entries_head:,}",
                f"{row.counts_head:,}",
                f"{row.entries_tail:,}",
                f"{row.counts_tail:,}",
            ]
            for row in result.rows
        ],
    )
    if result.survival is not None:
        _print_on_disk(result, result.survival)
    for at, name in enumerate(("text source", "language")):
        _print_parts(result, at, name)
    out.print()
    pool = (
        f"{counted(result.pairs, 'pair')} in the pool, {result.matched:,} {agrees(result.matched, 'matches', 'match')}"
    )
    if result.unit == "image":
        pool = f"{counted(result.pairs, 'image')} with a matched text; one text each is sampled"
    out.print(f"{pool}; < marks the t that these flags choose.")
    if result.given_counts is not None:
        out.print(origin_sentence(result.given_counts), markup=False)
    if result.weights is not None:
        out.print(sentence_of(result.weights), markup=False)


def _print_on_disk(result: Sweep, survival: Survival) -> None:
    """Print the expected images on disk with their bounds, and what they are expected with."""
    from metaclip_spark.terminal.console import console
    from metaclip_spark.terminal.tables import print_rows

    console().print(f"\n{survival_sentence(survival)}", markup=False)
    print_rows(
        ["tail" if result.by_fraction else "t", "", "images on disk", "from", "to"],
        [
            [row.label, "<" if row.chosen else "", *[f"{n:,.0f}" for n in (found.expected, found.low, found.high)]]
            for row in result.rows
            if (found := row.on_disk) is not None
        ],
    )


def _print_parts(result: Sweep, at: int, name: str) -> None:
    """Print the expected pairs of each text source (at = 0) or language (at = 1), if there are several."""
    from metaclip_spark.terminal.console import console
    from metaclip_spark.terminal.tables import print_rows

    sizes: dict[str, int] = {}
    for group, pairs in result.groups.items():
        sizes[group[at]] = sizes.get(group[at], 0) + pairs
    shown = sorted(sizes, key=lambda part: (-sizes[part], part))[:GROUPS_SHOWN]
    if len(sizes) < 2:
        return
    rows = []
    for row in result.rows:
        kept = [sum(size for group, size in row.groups.items() if group[at] == part) for part in shown]
        rows.append([row.label, *[f"{size:,.0f}" for size in kept]])
    more = f"; {len(sizes) - len(shown)} more with --json" if len(sizes) > len(shown) else ""
    console().print(f"\nexpected by {name}{more}")
    name = "tail" if result.by_fraction else "t"
    print_rows([name, *[f"{part or '-'} of {sizes[part]:,}" for part in shown]], rows)
