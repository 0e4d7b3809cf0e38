"""The command `counts export`: write the entry counts of a pool as a card."""

from __future__ import annotations

from metaclip_spark.commands.counts.summary import print_head
from metaclip_spark.commands.opening import reading_pool
from metaclip_spark.config.settings import Settings
from metaclip_spark.counts.files import check_suffix, write_card
from metaclip_spark.steps.count import card_of_pool
from metaclip_spark.terminal.progress import Reporter


def export(settings: Settings, reporter: Reporter, output: str, as_json: bool = False) -> int:
    """Write the entry counts of the counted pool as a card; return 0."""
    check_suffix(output)  # before the engine starts
    ctx = reading_pool(settings, reporter)
    card = card_of_pool(ctx)
    write_card(card, output)
    print_head(card, output, as_json)
    return 0
