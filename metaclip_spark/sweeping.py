"""`sweep`: how large the curated subset would be at many t, and what would be in it; nothing is drawn or written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from metaclip_spark.commands import reading_context
from metaclip_spark.config import Settings
from metaclip_spark.core.expected_size import sizes_at
from metaclip_spark.core.sampling import from_fixed_point
from metaclip_spark.core.threshold_search import round_thresholds
from metaclip_spark.errors import ConfigError
from metaclip_spark.progress import Reporter
from metaclip_spark.report.card import share
from metaclip_spark.stages.sweep import expected_sums
from metaclip_spark.steps.balance import choose_threshold
from metaclip_spark.steps.count import counted_snapshots
from metaclip_spark.steps.pool import whole_pool

GROUPS_SHOWN = 6
"""Text sources and languages with a column of their own in the printed table; --json has all."""


@dataclass(frozen=True)
class At:
    """What one t would keep.

    Attributes:
        threshold: t.
        chosen: whether the settings choose this one.
        expected_size: the sum of the sampling probabilities, in pairs.
        expected_sd: the standard deviation of the subset's size, in pairs.
        tail_fraction: the share of all counts in entries with count < t.
        entries_head, entries_tail: matched entries with count >= t, and the others.
        counts_head, counts_tail: their counts, summed.
        groups: (text source, language) -> expected size.
    """

    threshold: int
    chosen: bool
    expected_size: float
    expected_sd: float
    tail_fraction: float
    entries_head: int
    entries_tail: int
    counts_head: int
    counts_tail: int
    groups: dict[tuple[str, str], float]


@dataclass(frozen=True)
class Sweep:
    """A pool at many t: its pairs, those that match, and pairs by (text source, language), most first.

    With unit image a pair is that of an image's matched texts which is drawn.
    """

    unit: str
    snapshots: Sequence[str]
    metadata_id: str
    pairs: int
    matched: int
    groups: dict[tuple[str, str], int]
    rows: list[At]


def sweep(
    settings: Settings, reporter: Reporter, thresholds: str | None, plot: str | None, as_json: bool = False
) -> int:
    """Sweep the counted pool; print it, and draw it where `plot` says."""
    asked = _parsed(thresholds)
    if plot is not None:
        from metaclip_spark.report import sweep_plot

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


def make_sweep(
    sums: pa.Table,
    counts: np.ndarray,
    values: Sequence[int],
    chosen: int,
    unit: str,
    snapshots: Sequence[str],
    metadata_id: str,
) -> Sweep:
    """Put the pool's sums and the entries' counts together.

    Args:
        sums: rows of `expectations.EXPECTED_DDL`.
        counts: int64, by entry id, zeros included.
        values: the t, ascending.
        chosen: the one that the settings choose.
    """
    rows = sums.to_pylist()
    kept: dict[int, dict[tuple[str, str], float]] = {t: {} for t in values}
    for row in rows:
        row["group"] = (row["text_source"] or "", row["lang"] or "")
        kept[row["threshold"]][row["group"]] = from_fixed_point(row["expected_high"], row["expected_low"])
    first = [row for row in rows if row["threshold"] == values[0]]
    sizes = {row["group"]: row["pairs"] for row in first if row["pairs"]}
    groups = dict(sorted(sizes.items(), key=lambda item: (-item[1], item[0])))
    at = []
    for size in sizes_at(sums, counts, values).to_pylist():
        t = size["threshold"]
        at.append(At(**size, chosen=t == chosen, groups={group: kept[t][group] for group in groups}))
    return Sweep(unit, snapshots, metadata_id, sum(sizes.values()), sum(row["matched"] for row in first), groups, at)


def plain(found: Sweep) -> dict[str, Any]:
    """Return the sweep as JSON has it."""
    names = (
        "threshold",
        "chosen",
        "expected_size",
        "expected_sd",
        "tail_fraction",
        "entries_head",
        "entries_tail",
        "counts_head",
        "counts_tail",
    )
    return {
        "metadata_id": found.metadata_id,
        "unit": found.unit,
        "snapshots": list(found.snapshots),
        "pairs": found.pairs,
        "matched": found.matched,
        "sweep": [
            {
                **{name: getattr(row, name) for name in names},
                "kept_share": share(row.expected_size, found.pairs),
                "groups": [
                    {"text_source": source, "lang": lang, "pairs": found.groups[source, lang], "expected_size": size}
                    for (source, lang), size in row.groups.items()
                ],
            }
            for row in found.rows
        ],
    }


def _print(found: Sweep) -> None:
    from metaclip_spark.terminal import console, print_rows

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
    from metaclip_spark.terminal import console, print_rows

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
