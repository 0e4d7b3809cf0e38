"""Print the head of a card of counts."""

from __future__ import annotations

import json

from metaclip_spark.core.secrets import masked
from metaclip_spark.core.wording import counted
from metaclip_spark.counts.card import CountsCard
from metaclip_spark.terminal.console import console


def print_head(card: CountsCard, output: str, as_json: bool) -> None:
    """Print what a card says, without its counts."""
    if as_json:
        head = card.plain
        head["lists"] = {name: {k: v for k, v in each.items() if k != "counts"} for name, each in head["lists"].items()}
        print(json.dumps({"output": masked(output), **head}, ensure_ascii=False))
        return
    out = console()
    lines = [
        ("list", card.metadata_id),
        ("snapshots", ", ".join(card.snapshots)),
        ("pairs", f"{card.pairs:,} match an entry"),
        ("counts", f"{card.total:,} of {counted(card.counted, 'entry', 'entries')}"),
        *([("languages", f"{len(card.lists):,}")] if len(card.lists) > 1 else []),
        *([("merged", counted(len(card.merged), "card"))] if card.merged else []),
        ("card", f"{card.card_id} in {masked(output)}"),
    ]
    out.print()
    for name, value in lines:
        out.print(f"{name:<10}{value}", markup=False)
