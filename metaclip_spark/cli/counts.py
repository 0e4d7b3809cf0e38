"""The commands `metaclip-spark counts ...`, except `export`, which needs the engine."""

from __future__ import annotations

import click

from metaclip_spark.cli.help import HeadedGroup

OUTPUT = click.option(
    "--output",
    "-o",
    metavar="FILE",
    required=True,
    help="Write the card to this path or URI: .json, or .json.gz; an earlier file is replaced.",
)
HEAD_AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print the head of the card as JSON.")


@click.group(cls=HeadedGroup)
def counts() -> None:
    """Share entry counts as a card: a file without urls and texts."""


@counts.command("merge", short_help="Add the counts of several cards.")
@click.argument("cards", metavar="CARD CARD...", nargs=-1)
@OUTPUT
@HEAD_AS_JSON
@click.option("--debug", is_flag=True, help="Show stack traces.")
def merge(cards: tuple[str, ...], output: str, as_json: bool, debug: bool) -> int:
    """Add the counts of cards, such as those of several crawls or labs.

    The cards must be of one list. The same card twice is refused. Pairs that two cards both counted are not known, and
    count twice.
    """
    from metaclip_spark.commands.counts.merge import merge as merge_cards

    return merge_cards(cards, output, as_json)
