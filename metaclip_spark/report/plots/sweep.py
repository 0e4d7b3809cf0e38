"""Draw the plot of a sweep: expected size and tail fraction by t. This needs matplotlib (extra [report])."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from metaclip_spark.core.extras import how_to_install
from metaclip_spark.errors import ConfigError, WarehouseError
from metaclip_spark.report.formatting import number, short
from metaclip_spark.report.plots.canvas import decades
from metaclip_spark.storage.write import open_atomic

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from metaclip_spark.report.sweep import Sweep

_KINDS = (".svg", ".png", ".pdf")
_SIZE, _TAIL, _CHOSEN = "#1f77b4", "#d62728", "#555555"


def check(place: str) -> None:
    """Check that the plot can be drawn, before the sweep starts.

    Raises:
        ConfigError: matplotlib is missing, or the ending of the file's name is not supported.
    """
    if not place.lower().endswith(_KINDS):
        raise ConfigError(f"--plot takes a file that ends in {', '.join(_KINDS)}, got {place!r}.")
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        raise ConfigError(f"--plot needs matplotlib: {how_to_install('report')}") from None


def draw(sweep: Sweep, place: str) -> None:
    """Draw a sweep and write the file. Equal sweeps give equal files.

    Raises:
        WarehouseError: the file cannot be written.
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({"svg.hashsalt": "sweep", "svg.fonttype": "none", "font.size": 10})
        figure = Figure(figsize=(7.2, 4.4), layout="constrained")
        _paint(figure, sweep)
        nothing = {".svg": ("Date", "Creator"), ".png": ("Software",), ".pdf": ("CreationDate", "Creator", "Producer")}
        suffix = os.path.splitext(place.lower())[1]
        try:
            with open_atomic(place) as file:
                figure.savefig(file, format=suffix[1:], metadata=dict.fromkeys(nothing[suffix]))
        except (OSError, ValueError, ImportError) as error:  # fsspec: the scheme is unknown, or its package is missing
            raise WarehouseError(f"plot {place} cannot be written: {error}. Give another place with --plot.") from error


def _paint(figure: Figure, sweep: Sweep) -> None:
    t: list[float] = [row.threshold if row.fraction is None else row.fraction for row in sweep.rows]
    sizes = [row.expected_size for row in sweep.rows]
    axes = figure.add_subplot()
    axes.fill_between(
        t,
        [row.expected_size - 5 * row.expected_sd for row in sweep.rows],
        [row.expected_size + 5 * row.expected_sd for row in sweep.rows],
        color=_SIZE,
        alpha=0.25,
        linewidth=0,
        label="± 5 sd",
    )
    axes.plot(t, sizes, color=_SIZE, marker=".", label="expected size")
    if not sweep.by_fraction:
        axes.set_xscale("log")
        axes.minorticks_off()
        ticks = [decade for decade in decades(int(t[-1])) if decade <= t[-1]]
        axes.set_xticks(ticks, labels=[short(decade) for decade in ticks])
    axes.set_ylim(0, max(*sizes, 1) * 1.08)
    axes.yaxis.set_major_formatter(lambda value, _: short(value))
    axes.set_xlabel("Tail fraction of every language" if sweep.by_fraction else "t")
    axes.set_ylabel("Expected size of the curated subset, pairs", color=_SIZE)
    axes.grid(alpha=0.3)
    other = axes.twinx()
    other.plot(t, [row.tail_fraction for row in sweep.rows], color=_TAIL, linestyle="--", label="tail fraction")
    other.set_ylim(0, 1.08)
    other.set_ylabel("Tail fraction: share of counts below t", color=_TAIL)
    for at, row in zip(t, sweep.rows, strict=True):
        if row.chosen:
            label = f"t = {number(row.threshold)}" if row.fraction is None else f"tail fraction {row.fraction:g}"
            axes.axvline(at, color=_CHOSEN, linestyle=":", label=label)
    figure.legend(*_joined(axes, other), loc="outside upper center", ncols=4, frameon=False)


def _joined(*all_axes: Axes) -> tuple[list[Artist], list[str]]:
    legends = [axes.get_legend_handles_labels() for axes in all_axes]
    return [handle for handles, _ in legends for handle in handles], [
        label for _, labels in legends for label in labels
    ]
