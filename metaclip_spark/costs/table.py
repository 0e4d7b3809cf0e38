"""The cost model's tables, as `plan` and docs/SCALING.md print them."""

from __future__ import annotations

from collections.abc import Sequence

from metaclip_spark.core.wording import duration, size
from metaclip_spark.costs.model import GB, Cost, Prices, total

HEADINGS = ("stage", "core time", "read", "written", "shuffled", "requests")
_SMALLEST = 0.01


def cost_rows(of: Sequence[Cost], prices: Prices) -> tuple[list[str], list[list[str]]]:
    """Return the headings and the rows of the stages and their sum; with a price given, also the money.

    >>> headings, rows = cost_rows([Cost("count", 7200.0, 1e9)], Prices(core_hour=0.05))
    >>> headings[-1], rows[0]
    ('cost', ['count', '2.0 h', '1.0 GB', '', '', '0', '0.10'])
    """
    priced = prices != Prices()
    rows = []
    for cost in [*of, total(of)]:
        row = [
            cost.stage,
            duration(cost.core_seconds),
            *(size(int(number)) if number >= 1 else "" for number in (cost.read, cost.written, cost.shuffled)),
            f"{cost.gets + cost.puts:,.0f}",
        ]
        rows.append([*row, money(prices.of(cost))] if priced else row)
    return [*HEADINGS, *(["cost"] if priced else [])], rows


def money(amount: float) -> str:
    """Return an amount in the currency of the prices.

    >>> money(0.004), money(3.456), money(12345.6)
    ('under 0.01', '3.46', '12,346')
    """
    if 0 < amount < _SMALLEST:
        return f"under {_SMALLEST}"
    return f"{amount:,.0f}" if amount >= 100 else f"{amount:,.2f}"


def storage_sentence(stored: float, prices: Prices) -> str:
    """Return what the store holds afterwards, and what a month of it costs if the price is given.

    >>> storage_sentence(2e12, Prices(gb_month=0.02))
    '2.0 TB stored; 40.00 a month'
    """
    month = f"; {money(stored / GB * prices.gb_month)} a month" if prices.gb_month else ""
    return f"{size(int(stored))} stored{month}"
