"""The empty figure of a plot: its size, its settings, its axes.

matplotlib is imported when a figure is made, and through its object API only, so that nothing of a
notebook's or a caller's pyplot state is touched.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from metaclip_spark.report.plots.svg import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

POINTS = 300
"""Points per curve: enough for a smooth line, and 500,000 entries still make a small page."""

WIDTH, FONT = 520, 12.5
"""Width of a plot and size of its letters, in px of the viewBox; the page scales both."""

T_LINE = {"color": INK["t"], "linestyle": (0, (5, 4)), "linewidth": 1.6}

_SETTINGS = {
    "svg.fonttype": "none",
    "font.size": FONT,
    "text.color": INK["fg"],
    "axes.labelcolor": INK["muted"],
    "axes.edgecolor": INK["line"],
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": INK["line"],
    "grid.linewidth": 0.8,
    "xtick.color": INK["line"],
    "ytick.color": INK["line"],
    "xtick.labelcolor": INK["muted"],
    "ytick.labelcolor": INK["muted"],
    "xtick.minor.visible": False,
    "ytick.minor.visible": False,
    "lines.linewidth": 2.4,
}


@contextmanager
def blank(key: str, height: int) -> Iterator[Figure]:
    """A figure under our settings alone, whatever the user's matplotlibrc says."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS | {"svg.hashsalt": key})
        yield Figure(figsize=(WIDTH / 72, height / 72), dpi=72)


def frame(figure: Figure, height: int, left: int = 62, top: int = 34) -> Axes:
    """Axes with fixed margins in px, so that labels of any length stay inside."""
    bottom, right = 56, 18
    box = (left / WIDTH, bottom / height, 1 - (left + right) / WIDTH, 1 - (top + bottom) / height)
    axes = figure.add_axes(box)
    axes.tick_params(length=0, pad=7)
    axes.tick_params(axis="x", pad=10)
    return axes


def entitle(axes: Axes, x: str, y: str) -> None:
    """Axis titles: the vertical one lies flat above its axis, where it can be read."""
    axes.set_xlabel(x, labelpad=8)
    axes.annotate(
        y,
        (0, 1),
        (-50, 14),
        xycoords="axes fraction",
        textcoords="offset points",
        color=INK["muted"],
        annotation_clip=False,
    )


def decades(top: float) -> list[int]:
    """1, 10, 100, ... up to the first at or above `top`."""
    return [10**k for k in range(int(np.ceil(np.log10(max(top, 1)))) + 1)]


def sampled(n: int) -> np.ndarray:
    """At most POINTS ranks of 1..n, evenly spaced on a log axis, both ends included."""
    return np.unique(np.rint(np.geomspace(1, n, min(n, POINTS))).astype(np.int64))
