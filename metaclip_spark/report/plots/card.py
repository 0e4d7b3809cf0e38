"""Draw the plots of the data card as inline SVG.

matplotlib is optional (extra `[report]`): call `available` before `draw`.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metaclip_spark.report import captions
from metaclip_spark.report.card import Card, share
from metaclip_spark.report.formatting import number, percent, short, visible
from metaclip_spark.report.languages import pool_sizes, sizes_after
from metaclip_spark.report.plots.canvas import T_LINE, blank, decades, entitle, frame, sampled
from metaclip_spark.report.plots.svg import INK, inline

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BINS = 12
"""Maximum number of matches with a separate bar. The last bar also counts all higher numbers."""

_ENTRY_COLUMNS = 17
LANGUAGES = 20
"""Number of languages with bars: those with the most pairs."""


@dataclass(frozen=True)
class Plot:
    """A plot: its title, its SVG (empty if there is nothing to draw), and its caption."""

    title: str
    svg: str
    caption: str


def available() -> bool:
    """Return whether matplotlib can be imported."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        return False
    return True


def preload() -> None:
    """Import matplotlib in a thread, which takes a second; a command calls this before it waits for something else."""
    threading.Thread(target=available, name="matplotlib", daemon=True).start()


def draw(card: Card) -> list[Plot]:
    """Draw the four plots in reading order, and those of the languages' shares. This needs matplotlib."""
    languages = [_plot("languages", "Languages", captions.languages, 480, _languages, card)] if card.languages else []
    return [
        _plot("ranks", "Entry counts, sorted", captions.ranks, 340, _ranks, card),
        _plot("cumulative", "Cumulative counts", captions.cumulative, 340, _cumulative, card),
        _plot("matches", "Matches per text", captions.matches, 480, _matches, card),
        _plot("top", "Most frequent entries", captions.top, 480, _top, card),
        *languages,
    ]


def _plot(
    key: str,
    title: str,
    caption: Callable[[Card], str],
    height: int,
    paint: Callable[[Figure, Card], dict[str, str]],
    card: Card,
) -> Plot:
    if not card.total_counts:
        return Plot(title, "", captions.NOTHING)
    with blank(key, height) as figure:
        texts = paint(figure, card)
        svg = io.StringIO()
        # Without date and creator, equal cards give equal pages.
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(svg, format="svg", metadata=nothing, transparent=True)
    picture = inline(svg.getvalue(), label=title, prefix=f"{key}-", texts=texts)
    return Plot(title, picture, caption(card))


def _ranks(figure: Figure, card: Card) -> dict[str, str]:
    axes = frame(figure, 340)
    pools = (("pool", card.entry_counts), ("curated", card.curated_entry_counts))
    for name, counts in pools:
        ordered = np.sort(counts[counts > 0])[::-1]
        if len(ordered):
            at = sampled(len(ordered))
            axes.plot(at, ordered[at - 1], color=INK[name], marker="o" if len(at) == 1 else "")
    highest = max(int(card.entry_counts.max()), card.threshold)
    matched = int((card.entry_counts > 0).sum())
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.minorticks_off()
    axes.set_xticks(decades(matched), labels=[short(d) for d in decades(matched)])
    axes.set_yticks(decades(highest), labels=[short(d) for d in decades(highest)])
    axes.set_xlim(0.8, max(matched, 10) * 1.25)
    axes.set_ylim(0.6, highest * 2.5)
    entitle(axes, "Rank of the entry", "Entry count")
    if card.languages:
        return {}  # each language has a t of its own
    axes.axhline(card.threshold, **T_LINE)
    # With a head, both curves start above the line, so the label fits below its left end.
    below = card.entries_head > 0 and card.threshold > 4
    axes.annotate(
        f"t = {number(card.threshold)}",
        (0, card.threshold),
        (8, -19 if below else 6),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        color=INK["t"],
    )
    return {}


def _cumulative(figure: Figure, card: Card) -> dict[str, str]:
    axes = frame(figure, 340)
    order = np.argsort(-card.entry_counts, kind="stable")
    matched = int((card.entry_counts > 0).sum())
    at = sampled(matched)
    for name, counts in (("pool", card.entry_counts), ("curated", card.curated_entry_counts)):
        # from_tail[k] is the sum of the counts of the entries from rank k + 1 to the last.
        from_tail = np.cumsum(counts[order[:matched]][::-1])[::-1]
        if from_tail[0]:
            reached = from_tail[at - 1] / from_tail[0]
            axes.plot(at, reached, color=INK[name], marker="o" if len(at) == 1 else "")
    ticks = [d for d in decades(matched) if d <= max(matched, 10)]
    axes.set_xscale("log")
    axes.minorticks_off()
    axes.set_xticks(ticks, labels=[short(d) for d in ticks])
    axes.set_yticks(np.linspace(0, 1, 5), labels=["0%", "25%", "50%", "75%", "100%"])
    left, right = max(matched, 10) * 1.25, 0.8
    axes.set_xlim(left, right)
    axes.set_ylim(-0.02, 1.08)
    entitle(axes, "Rank of the entry, from tail to head", "Share of counts reached")
    if card.languages:
        return {}
    boundary = min(max(card.entries_head, 0.8), left)
    axes.axvline(boundary, **T_LINE)
    late = np.log(left / boundary) > 0.35 * np.log(left / right)
    axes.annotate(
        f"t = {number(card.threshold)}",
        (boundary, 1),
        (-7 if late else 7, -14),
        ha="right" if late else "left",
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        color=INK["t"],
    )
    return {}


def _matches(figure: Figure, card: Card) -> dict[str, str]:
    axes = frame(figure, 480)
    both = (("pool", card.matches_per_text), ("curated", card.curated_matches_per_text))
    highest = max((k for _, h in both for k, n in h.items() if n), default=1)
    first = 0 if card.matches_per_text.get(0) else 1
    last = min(max(highest, first + 1), BINS)
    peak = 0.0
    for offset, (name, histogram) in zip((-0.21, 0.21), both, strict=True):
        binned = np.zeros(last + 1)
        for matched, pairs in histogram.items():
            binned[min(matched, last)] += pairs
        shares = [share(n, binned.sum()) for n in binned[first:]]
        peak = max(peak, *shares)
        axes.bar(np.arange(first, last + 1) + offset, shares, 0.4, color=INK[name])
    labels = [str(k) for k in range(first, last + 1)]
    if highest > last:
        labels[-1] = f"{last}+"
    axes.set_xticks(range(first, last + 1), labels=labels)
    axes.set_xlim(first - 0.6, last + 0.6)
    axes.set_ylim(0, max(peak, 0.01) * 1.08)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value * 100:g}%")
    axes.locator_params(axis="y", nbins=6)
    axes.grid(visible=False, axis="x")
    entitle(axes, "Entries that the text matches", "Share of pairs")
    return {}


def _languages(figure: Figure, card: Card) -> dict[str, str]:
    rows = card.languages[:LANGUAGES]
    axes = frame(figure, 480, left=92, top=10)
    at = np.arange(len(rows))
    for offset, name, sizes in (
        (-0.2, "pool", pool_sizes(card.languages)),
        (0.2, "curated", sizes_after(card.languages)),
    ):
        whole = max(1, sum(sizes))
        axes.barh(at + offset, [size / whole for size in sizes[: len(rows)]], 0.38, color=INK[name])
    placeholders = [f"@{row}@" for row in at]
    axes.set_yticks(at, labels=placeholders)
    axes.tick_params(axis="y", labelcolor=INK["fg"])
    axes.set_ylim(max(len(rows), 5) - 0.4, -0.6)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value * 100:g}%")
    axes.locator_params(axis="x", nbins=5)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("Share before and after balancing", labelpad=8)
    return {p: visible(row.name, _ENTRY_COLUMNS) for p, row in zip(placeholders, rows, strict=True)}


def _top(figure: Figure, card: Card) -> dict[str, str]:
    ids = card.top_entry_ids()
    axes = frame(figure, 480, left=172, top=10)
    rows = np.arange(len(ids))
    before, after = card.entry_counts[ids], card.curated_entry_counts[ids]
    axes.barh(rows, before, 0.74, color=INK["pool"], alpha=0.45)
    axes.barh(rows, after, 0.36, color=INK["curated"])
    for row, count, kept in zip(rows, before, after, strict=True):
        axes.annotate(
            percent(share(int(kept), int(count))),
            (count, row),
            (6, 0),
            textcoords="offset points",
            va="center_baseline",
            color=INK["muted"],
        )
    placeholders = [f"@{row}@" for row in rows]
    axes.set_yticks(rows, labels=placeholders)
    axes.tick_params(axis="y", labelcolor=INK["fg"])
    axes.set_ylim(max(len(ids), 5) - 0.4, -0.6)
    axes.set_xlim(0, before[0] * 1.2)
    axes.locator_params(axis="x", nbins=5, integer=True)
    axes.xaxis.set_major_formatter(lambda value, _: short(value))
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("Entry count, and the share kept", labelpad=8)
    return {p: visible(card.entry(i), _ENTRY_COLUMNS) for p, i in zip(placeholders, ids, strict=True)}
