"""The `--help` of a command, with its options under headings."""

from __future__ import annotations

from typing import Any

import click

OWN = "Options"
"""The heading of a command's own options, which come first."""
GENERAL = "General"
"""The heading of the options that every command has, which come last."""
_LONGEST = 27
"""Characters of a flag and its value; the help text of a longer one starts on the next line."""
_GENERAL_FLAGS = {"--json", "--config", "--debug", "--help"}


class HeadedOption(click.Option):
    """An option with a heading in `--help`."""

    def __init__(self, *args: Any, heading: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.heading = heading


class HeadedCommand(click.Command):
    """A command that lists its options under headings, in the order in which headings first occur."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, with the help texts of all headings in one column."""
        sections: dict[str, list[tuple[str, str]]] = {OWN: []}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx) if isinstance(param, click.Option) else None
            if record is not None:
                sections.setdefault(_heading_of(param), []).append(record)
        general = sections.pop(GENERAL, [])
        lengths = [len(flag) for records in [*sections.values(), general] for flag, _ in records]
        width = max((length for length in lengths if length <= _LONGEST), default=0)
        for heading, records in [*sections.items(), (GENERAL, general)]:
            if records:
                with formatter.section(heading):
                    formatter.write_dl([(flag.ljust(width), text) for flag, text in records], col_max=width)


def _heading_of(param: click.Parameter) -> str:
    if isinstance(param, HeadedOption):
        return param.heading
    return OWN if _GENERAL_FLAGS.isdisjoint(param.opts) else GENERAL


class HeadedGroup(click.Group):
    """A group of commands that list their options under headings."""

    command_class = HeadedCommand
    group_class = type
