"""Draw the figure of README.md from a run: `python docs/figures.py WAREHOUSE`, after `bash jobs/quickstart.sh`.

The figure is the first plot of the data card of the warehouse's last run: entry counts, sorted, of the pool and of the
curated subset. docs/entry-counts.svg is not part of a page, so the file contains the colours and a white background.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from metaclip_spark.commands.opening import reading
from metaclip_spark.config.merge import make_settings
from metaclip_spark.report.plots.card import draw
from metaclip_spark.steps.card import make_card
from metaclip_spark.terminal.progress import Reporter

OUTPUT = Path(__file__).with_name("entry-counts.svg")

COLOURS = {
    "fg": "#17212c",
    "muted": "#566373",
    "line": "#dde3ea",
    "pool": "#8492a3",
    "curated": "#0b62b4",
    "t": "#b94a06",
}
"""The light colours of the data card (metaclip_spark/report/templates/card.css.j2)."""

LEGEND = (("pool", "pool"), ("curated", "curated subset"))
"""Colour and label of each curve."""


def standalone(svg: str) -> str:
    """Return an inline plot of the data card as an SVG file: with its namespace, colours, background and legend."""
    svg = re.sub(r"var\(--(\w+)\)", lambda found: COLOURS[found.group(1)], svg)
    parts = re.fullmatch(r'(<svg[^>]*viewBox="(\S+) (\S+) (\S+) (\S+)"[^>]*)>(.*)</svg>', svg, re.DOTALL)
    if parts is None:
        raise ValueError(f"expected an <svg> element with a viewBox, got {svg[:80]!r}")
    head, left, top, width, height, rest = parts.groups()
    size = f'width="{width}" height="{height}" font-family="system-ui, sans-serif" font-size="12.5"'
    name = 'xmlns="http://www.w3.org/2000/svg"'
    background = f'<rect x="{left}" y="{top}" width="{width}" height="{height}" fill="#ffffff"/>'
    return f"{head} {name} {size}>{background}{rest}{_legend(float(width))}</svg>\n"


def _legend(width: float) -> str:
    """Return the legend as SVG, in the upper right corner, where no curve passes."""
    lines = []
    for at, (colour, label) in enumerate(LEGEND):
        left, y = width - 150, 30 + 20 * at
        lines.append(f'<path d="M{left:g} {y}h26" stroke="{COLOURS[colour]}" stroke-width="2.4"/>')
        lines.append(f'<text x="{left + 34:g}" y="{y + 4}" fill="{COLOURS["fg"]}">{label}</text>')
    return "".join(lines)


def main(warehouse: str) -> None:
    """Draw the last run of a warehouse into docs/entry-counts.svg, and print the caption of the plot."""
    ctx = reading(make_settings({"warehouse": warehouse}), Reporter(quiet=True), run_id=None)
    ranks, *_ = draw(make_card(ctx))
    OUTPUT.write_text(standalone(ranks.svg), encoding="utf-8")
    print(OUTPUT)
    print(ranks.caption)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python docs/figures.py WAREHOUSE")
    main(sys.argv[1])
