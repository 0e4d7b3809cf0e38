"""The commands `counts export` and `counts merge`: write the entry counts of a pool as a card, and add cards."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from metaclip_spark.commands.opening import reading_pool
from metaclip_spark.config.settings import Settings
from metaclip_spark.core.secrets import masked
from metaclip_spark.core.wording import counted
from metaclip_spark.counts.card import CountsCard, repeated_snapshots
from metaclip_spark.counts.card import merge as merge_cards
from metaclip_spark.counts.files import check_suffix, read_card, write_card
from metaclip_spark.errors import ConfigError
from metaclip_spark.steps.counts import card_of_pool
from metaclip_spark.terminal.progress import Reporter
from metaclip_spark.terminal.tables import console


def export(settings: Settings, reporter: Reporter, output: str, as_json: bool = False) -> int:
    """Write the entry counts of the counted pool as a card; return 0."""
    check_suffix(output)  # before the engine starts
    ctx = reading_pool(settings, reporter)
    card = card_of_pool(ctx)
    write_card(card, output)
    _print(card, output, as_json)
    return 0


def merge(paths: Sequence[str], output: str, as_json: bool = False) -> int:
    """Write a card with the counts of several cards; return 0.

    Raises:
        ConfigError: there are fewer than two cards.
    """
    check_suffix(output)
    if len(paths) < 2:
        raise ConfigError(f"counts merge adds cards, got {counted(len(paths), 'card')}; expected at least two.")
    cards = [(path, read_card(path)) for path in paths]
    merged = merge_cards(cards)
    print("Pairs that several cards counted are not known, and count once for each card.", file=sys.stderr)
    for sentence in repeated_snapshots(cards):
        print(f"warning: {sentence}: its pairs may count twice.", file=sys.stderr)
    write_card(merged, output)
    _print(merged, output, as_json)
    return 0


def _print(card: CountsCard, output: str, as_json: bool) -> None:
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
