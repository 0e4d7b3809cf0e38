"""Format numbers and untrusted texts for the page."""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Mapping
from typing import Any

from metaclip_spark.core.wording import is_invisible, name_of


def number(value: float, decimals: int = 0) -> str:
    """Format a number with thousands separators.

    >>> number(1234567)
    '1,234,567'
    """
    return f"{value:,.{decimals}f}" if math.isfinite(value) else "unbounded"


def percent(fraction: float) -> str:
    """Format a share as a percentage. The result is 0% or 100% only if the share is exactly 0 or 1.

    >>> percent(0.2345), percent(0.00012), percent(0.99999)
    ('23.4%', '0.012%', '> 99.9%')
    """
    if fraction == 0:
        return "0%"
    if fraction < 0.00001:
        return "< 0.001%"
    if fraction < 0.001:
        return f"{fraction * 100:.2g}%"
    if 0.9995 <= fraction < 1:
        return "> 99.9%"
    return "100%" if fraction == 1 else f"{fraction * 100:,.1f}%"


def probability(p: float) -> str:
    """Format a probability with four digits. The result is 0 or 1 only if the probability is exactly that.

    >>> probability(1.0), probability(0.21171), probability(0.99999), probability(0.0)
    ('1', '0.2117', '> 0.9999', '0')
    """
    return "> 0.9999" if 0.99995 <= p < 1 else f"{p:.4g}"


def short(value: float) -> str:
    """Format a number in at most five characters, for axes and bars.

    >>> short(950), short(20_000), short(1_560_000)
    ('950', '20k', '1.6M')
    """
    for limit, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        # The unit is chosen after rounding, so 999,950 is 1M, not 1000k.
        if value >= limit * 0.99995:
            digits = f"{value / limit:.1f}" if value < 99.95 * limit else f"{value / limit:.0f}"
            return digits.removesuffix(".0") + unit
    return f"{value:.0f}"


def visible(text: object, width: int = 400) -> str:
    r"""Format an untrusted text as one line, with names for invisible characters, cut to a width.

    Controls, line ends, bidirectional marks, lone surrogates and noncharacters are shown like `[U+202E]`, so that a
    text can neither reorder the page nor be invisible in it.

    Args:
        text: The text to show.
        width: Maximum number of columns. A wide (East Asian) character has two.

    >>> visible("a\u202eb"), visible("long long", width=5)
    ('a[U+202E]b', 'long…')
    """
    raw = str(text)
    if raw.isprintable() and 2 * len(raw) <= width:
        return raw
    shown: list[str] = []
    used = 0
    # Combining marks have no column. The limit of 2 x width characters stops endless stacks of them.
    for i, char in enumerate(raw):
        piece = name_of(char) if is_invisible(char) else char
        used += len(piece) if len(piece) > 1 else _columns(char)
        if used > width or i >= 2 * width:
            return _cut(shown, width)
        shown.append(piece)
    return "".join(shown)


def flat(config: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Flatten a nested configuration to sorted rows of (dotted key, value).

    >>> flat({"balance": {"seed": 0, "t": None}})
    [('balance.seed', '0'), ('balance.t', 'not set')]
    """
    rows: list[tuple[str, str]] = []
    for key in sorted(config, key=str):
        value, name = config[key], f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            rows += flat(value, f"{name}.")
        else:
            rows.append((name, _value(value)))
    return rows


def _value(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, (list, tuple)) and value and all(isinstance(v, str) for v in value):
        return ", ".join(value)
    if isinstance(value, str):
        return value or '""'
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def _columns(char: str) -> int:
    if unicodedata.category(char) == "Cf" or unicodedata.combining(char):  # of Cf, only joiners are shown
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _cut(shown: list[str], width: int) -> str:
    used = sum(len(p) if len(p) > 1 else _columns(p) for p in shown)
    while shown and used >= width:
        last = shown.pop()
        used -= len(last) if len(last) > 1 else _columns(last)
    return "".join(shown).rstrip() + "…"
