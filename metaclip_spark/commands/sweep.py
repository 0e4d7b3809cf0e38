"""`sweep`: how large the curated subset would be at many t, and what would be in it; nothing is drawn or written."""

from __future__ import annotations

import json

from metaclip_spark.commands.opening import reading_context
from metaclip_spark.config import Settings
from metaclip_spark.core.threshold_search import round_thresholds
from metaclip_spark.errors import ConfigError
from metaclip_spark.report.card import share
from metaclip_spark.report.sweep import Sweep, make_sweep, plain
from metaclip_spark.stages.sweep import expected_sums
from metaclip_spark.steps.balance import choose_threshold
from metaclip_spark.steps.count import counted_snapshots
from metaclip_spark.steps.pool import whole_pool
from metaclip_spark.terminal.progress import Reporter

GROUPS_SHOWN = 6
"""Text sources and languages with a column of their own in the printed table; --json has all."""


def sweep(
    settings: Settings, reporter: Reporter, thresholds: str | None, plot: str | None, as_json: bool = False
) -> int:
    """Sweep the counted pool; print it, and draw it where `plot` says."""
    asked = _parsed(thresholds)
    if plot is not None:
        from metaclip_spark.report.plots import sweep as sweep_plot

        sweep_plot.check(plot)
    ctx = reading_context(settings, reporter)
    snapshots = counted_snapshots(ctx)
    pool = whole_pool(ctx, snapshots)
    counts = pool.safe_counts
    chosen = choose_threshold(ctx, pool)
    values = sorted({*(asked or round_thresholds(int(counts.max(initial=1)))), chosen})
    with reporter.stage("sweep", ctx.spark) as stage:
        sums = expected_sums(pool.pairs, counts, values)
        stage.note = f"{len(values)} values of t"
    found = make_sweep(sums, pool.counts, values, chosen, ctx.settings.unit, snapshots, ctx.metadata_id)
    if as_json:
        print(json.dumps(plain(found), ensure_ascii=False))
    else:
        _print(found)
    if plot is not None:
        sweep_plot.draw(found, plot)
        reporter.say(f"plot     {plot}")
    return 0


def _parsed(thresholds: str | None) -> list[int]:
    words = [word.strip() for word in (thresholds or "").replace("_", "").split(",") if word.strip()]
    if not all(word.isdigit() and 0 < int(word) < 2**53 for word in words):
        raise ConfigError(f"--thresholds takes whole numbers >= 1 with commas between them, got {thresholds!r}.")
    return [int(word) for word in words]


def _print(found: Sweep) -> None:
    from metaclip_spark.terminal.tables import console, print_rows

    out = console()
    out.print()
    print_rows(
        ["t", "", "expected", "± sd", "kept", "tail fraction", "head", "head counts", "tail", "tail counts"],
        [
            [
                f"{row.threshold:,}",
                "<" if row.chosen else "",
                f"{row.expected_size:,.0f}",
                f"{row.expected_sd:,.0f}",
                f"{share(row.expected_size, found.pairs):.1%}",
                f"{row.tail_fraction:.3f}",
                f"{row.entries_head:,}",
                f"{row.counts_head:,}",
                f"{row.entries_tail:,}",
                f"{row.counts_tail:,}",
            ]
            for row in found.rows
        ],
    )
    for at, name in enumerate(("text source", "language")):
        _print_parts(found, at, name)
    out.print()
    pool = f"{found.pairs:,} pairs in the pool, {found.matched:,} match"
    if found.unit == "image":
        pool = f"{found.pairs:,} images with a matched text, of which one each is drawn"
    out.print(f"{pool}; < marks the t that these flags choose.")


def _print_parts(found: Sweep, at: int, name: str) -> None:
    """Print what is kept of each text source (at = 0) or language (at = 1), where there are several."""
    from metaclip_spark.terminal.tables import console, print_rows

    sizes: dict[str, int] = {}
    for group, pairs in found.groups.items():
        sizes[group[at]] = sizes.get(group[at], 0) + pairs
    shown = sorted(sizes, key=lambda part: (-sizes[part], part))[:GROUPS_SHOWN]
    if len(sizes) < 2:
        return
    rows = []
    for row in found.rows:
        kept = [sum(size for group, size in row.groups.items() if group[at] == part) for part in shown]
        rows.append([f"{row.threshold:,}", *[f"{size:,.0f}" for size in kept]])
    more = f"; {len(sizes) - len(shown)} more with --json" if len(sizes) > len(shown) else ""
    console().print(f"\nexpected by {name}{more}")
    print_rows(["t", *[f"{part or '-'} of {sizes[part]:,}" for part in shown]], rows)
