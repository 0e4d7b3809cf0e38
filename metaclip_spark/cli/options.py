"""The flags of every command, made from the fields of `Settings`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from metaclip_spark.cli.metadata import VARIADIC as METADATA_VARIADIC
from metaclip_spark.config import Settings, make_settings

INPUT = (
    "input",
    "crawl",
    "format",
    "max_files",
    "crawl_root",
    "snapshot",
    "url_column",
    "text_column",
    "lang_column",
    "id_column",
    "keep_columns",
    "text_fields",
)
CHECKS = (
    "languages",
    "no_lid",
    "lid",
    "min_lang_score",
    "opt_outs",
    "blocklist",
    "min_chars",
    "max_chars",
    "min_words",
    "max_words",
    "no_file_names",
    "no_digits",
    "image_extensions",
    "filter",
)
LIST = ("metadata", "matcher", "keep_unmatched")
TABLES = ("warehouse", "catalog", "lease_seconds")
READING = ("no_dedup", "files_per_commit", "allow_incomplete", "retry", "max_fetches", "rejects_per_reason")
CHOOSING = ("threshold", "tail_fraction", "target_size", "seed", "unit", "snapshots")
BUILDING_ON = ("freeze_counts", "whole_pool")
SPARK = ("master", "remote", "driver_memory", "spark")
RUN = ("run_id", "outcome")
"""Which run a stage belongs to, and where it says what came of it: how a scheduler ties stages together."""

VARIADIC = ("--input", "--crawl", *METADATA_VARIADIC)
"""Flags that take every word up to the next flag, as a shell's globs give them."""
_SHORT = {"threshold": "-t"}


def settings_options(*names: str) -> Callable[[Callable], Callable]:
    """Give a command one option per setting, named and described as `Settings` has it."""

    def decorate(function: Callable) -> Callable:
        for name in reversed(names):
            function = _option(name)(function)
        function = click.option("--config", metavar="FILE", help="YAML with any of these keys; a flag wins.")(function)
        return click.option("--debug", is_flag=True, help="Show stack traces and Spark's own output.")(function)

    return decorate


def _option(name: str) -> Callable[[Callable], Callable]:
    field = Settings.model_fields[name]
    flag = "--" + name.replace("_", "-")
    text = field.description or ""
    if field.annotation is bool:
        return click.option(flag, name, is_flag=True, default=None, help=text)
    if field.default not in (None, (), "") and not isinstance(field.default, dict):
        text += f"  [default: {field.default}]"
    flags = [flag] if name not in _SHORT else [flag, _SHORT[name]]
    many = name in ("input", "crawl", "filter", "spark")
    metavar = (field.json_schema_extra or {}).get("metavar")  # type: ignore[union-attr]
    return click.option(*flags, name, multiple=many, metavar=metavar, help=text, default=None)


def settings_from(flags: dict[str, Any], config: str | None) -> Settings:
    given = {name: value for name, value in flags.items() if value not in (None, ())}
    return make_settings(given, config)


def spread_variadic(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with a variadic flag repeated before each of its values.

    >>> spread_variadic(["run", "--input", "a", "b", "--seed", "1"])
    ['run', '--input', 'a', '--input', 'b', '--seed', '1']
    """
    spread: list[str] = []
    flag = None
    for word in arguments:
        if word.startswith("-"):
            flag = word if word in VARIADIC else None
            first = True
            spread.append(word)
        elif flag is not None:
            spread += [word] if first else [flag, word]
            first = False
        else:
            spread.append(word)
    return spread
