"""The command `counts merge`: add the counts of cards."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from metaclip_spark.commands.counts.summary import print_head
from metaclip_spark.core.wording import counted
from metaclip_spark.counts.card import merge as merge_cards
from metaclip_spark.counts.card import repeated_snapshots
from metaclip_spark.counts.files import check_suffix, read_card, write_card
from metaclip_spark.errors import ConfigError


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
    print_head(merged, output, as_json)
    return 0
