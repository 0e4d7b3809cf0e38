"""The options of every command, derived from the fields of `Settings`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from metaclip_spark.cli.failures import remember
from metaclip_spark.cli.help import HeadedOption
from metaclip_spark.cli.metadata import VARIADIC as METADATA_VARIADIC
from metaclip_spark.config.merge import make_settings
from metaclip_spark.config.setting import Group
from metaclip_spark.config.settings import SETTINGS, Settings, settings_in
from metaclip_spark.core.secrets import remember as remember_secrets
from metaclip_spark.core.secrets import secrets_in

F = TypeVar("F", bound=Callable[..., Any])

VARIADIC = (*(f"--{name}" for name, setting in SETTINGS.items() if setting.variadic), *METADATA_VARIADIC)
"""Flags that take every word up to the next flag, such as the files of a glob that the shell expanded."""


def settings_options(*names: str | Group, without: Sequence[str] = ()) -> Callable[[F], F]:
    """Add one option per setting to a command, as `Settings` describes it, and `--config` and `--debug`.

    Args:
        names: settings by name, or all settings of a group.
        without: settings that the command does not take.
    """
    names = (*names, Group.LOGS)
    chosen = [name for part in names for name in (settings_in(part) if isinstance(part, Group) else [part])]
    headings = list(Group)
    chosen.sort(key=lambda name: headings.index(SETTINGS[name].group))  # stable: in a group, in the order of Settings

    def decorate(function: F) -> F:
        for name in reversed([name for name in chosen if name not in without]):
            function = _option(name)(function)
        function = click.option("--config", metavar="FILE", help="YAML file with any of these settings; a flag wins.")(
            function
        )
        return click.option("--debug", is_flag=True, help="Show stack traces and Spark's own output.")(function)

    return decorate


def _option(name: str) -> Callable[[F], F]:
    field, setting = Settings.model_fields[name], SETTINGS[name]
    flag = "--" + name.replace("_", "-")
    is_switch = field.annotation is bool
    default = setting.default_text or ("" if is_switch else _text_of(field.default))
    text = f"{field.description}  [default: {default}]" if default else field.description
    flags = [flag] if setting.short is None else [flag, setting.short]
    kind: dict[str, Any] = {"is_flag": True} if is_switch else {"metavar": setting.metavar}
    if setting.repeatable:
        kind["multiple"] = True
    return click.option(*flags, name, cls=HeadedOption, heading=setting.group.value, help=text, default=None, **kind)


def _text_of(default: object) -> str:
    """Return a default as --help shows it; empty for no value."""
    if isinstance(default, tuple):
        return ",".join(default)
    return "" if default is None or default == {} else str(default)


def settings_from(flags: dict[str, Any], config: str | None) -> Settings:
    """Return the settings of the flags that were given, and of the YAML file.

    Raises:
        ConfigError: a setting is wrong.
    """
    given = {name: value for name, value in flags.items() if value not in (None, ())}
    remember_secrets(secrets_in(given))  # before the check, whose error may quote them
    settings = make_settings(given, config)
    remember_secrets(secrets_in(settings.model_dump()))
    remember(settings)
    return settings


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
