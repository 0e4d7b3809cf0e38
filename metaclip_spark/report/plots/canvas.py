"""Create the empty figure of a plot: its size, its settings, its axes.

matplotlib is imported when a figure is created, and only through its object API. The pyplot state of a notebook or
caller does not change.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from metaclip_spark.report.plots.svg import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

POINTS = 300
"""Maximum points per curve: enough for a smooth line, and few enough for a small page with 500,000 entries."""

WIDTH, FONT = 520, 12.5
"""Width and font size of a plot, in px of the viewBox. The page scales both."""

T_LINE: dict[str, Any] = {"color": INK["t"], "linestyle": (0, (5, 4)), "linewidth": 1.6}

_SETTINGS: dict[str, Any] = {
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
    """Yield an empty figure with these settings only, whatever the user's matplotlibrc contains."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        parameters: Any = matplotlib.rcParams  # its type takes literal names only
        parameters.update(_SETTINGS | {"svg.hashsalt": key})
        yield Figure(figsize=(WIDTH / 72, height / 72), dpi=72)


def frame(figure: Figure, height: int, left: int = 62, top: int = 34) -> Axes:
    """Add axes with fixed margins in px, so that labels of any length fit."""
    bottom, right = 56, 18
    box = (left / WIDTH, bottom / height, 1 - (left + right) / WIDTH, 1 - (top + bottom) / height)
    axes = figure.add_axes(box)
    axes.tick_params(length=0, pad=7)
    axes.tick_params(axis="x", pad=10)
    return axes


def entitle(axes: Axes, x: str, y: str) -> None:
    """Set the titles of both axes. The title of the vertical axis is horizontal, above the axis."""
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
    """Return 1, 10, 100, ... up to the first power of ten that is at least `top`."""
    return [10**k for k in range(int(np.ceil(np.log10(max(top, 1)))) + 1)]


def sampled(n: int) -> npt.NDArray[np.int64]:
    """Return at most POINTS ranks of 1..n, evenly spaced on a log axis, with both ends."""
    return np.unique(np.rint(np.geomspace(1, n, min(n, POINTS))).astype(np.int64))
