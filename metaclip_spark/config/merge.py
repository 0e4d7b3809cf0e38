"""Merge a YAML file and flags into settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from metaclip_spark.config.languages import problem_of_typed
from metaclip_spark.config.setting import flag_of
from metaclip_spark.config.settings import SETTINGS, Settings
from metaclip_spark.core.secrets import remember, secrets_in
from metaclip_spark.core.wording import shortened
from metaclip_spark.errors import ConfigError
from metaclip_spark.storage.safe_yaml import in_one_line, parse

_PROBLEMS = 20
"""Maximum number of sentences of an error."""


def make_settings(flags: Mapping[str, Any], config: str | None = None) -> Settings:
    """Merge a YAML file and flags (a flag wins) into settings.

    Args:
        flags: setting name -> value, only those that were given.
        config: path of the YAML file; its sections, if any, only group keys.

    Raises:
        ConfigError: one sentence per problem, each naming its flag, or its file and key.
    """
    from_file, origins = ({}, {}) if config is None else _read_yaml(config)
    remember(secrets_in(from_file))  # before the check, whose error may quote them
    replaced = {SETTINGS[name].alternative for name in flags if name in SETTINGS} - {None}
    from_file = {name: value for name, value in from_file.items() if SETTINGS[name].alternative not in replaced}
    origins.update({name: f"flag {flag_of(name)}" for name in flags})
    try:
        settings = Settings(**{**from_file, **flags})
    except ValidationError as error:
        problems = error.errors()
        sentences = [_sentence(problem, origins) for problem in problems[:_PROBLEMS]]
        if len(problems) > _PROBLEMS:
            sentences.append(f"{len(problems) - _PROBLEMS:,} more values are wrong.")
        raise ConfigError("\n".join(sentences)) from error
    problem = problem_of_typed(settings)
    if problem is not None:
        raise ConfigError(_sentence({"loc": ("languages",), "msg": problem, "type": "value_error"}, origins))
    return settings


def _read_yaml(path: str) -> tuple[dict[str, Any], dict[str, str]]:
    try:
        loaded = parse(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"config {path} cannot be read: {error}.") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"config {path} is not YAML: {in_one_line(error)}.") from error
    if loaded is None:
        loaded = {}
    if not isinstance(loaded, dict):
        raise ConfigError(f"config {path} contains a {type(loaded).__name__}; expected keys and values.")
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for key, value in loaded.items():
        name = _setting_name(key)
        group = isinstance(value, dict) and (name not in Settings.model_fields or name in ("input", "metadata"))
        for inner, setting in value.items() if group else [(key, value)]:
            shown = shortened(f"{key}.{inner}" if group else str(key))
            if _setting_name(inner) not in Settings.model_fields:
                raise ConfigError(f"{path}: unknown key {shown}; expected one of {', '.join(Settings.model_fields)}.")
            values[_setting_name(inner)] = setting
            origins[_setting_name(inner)] = f"{path}: {shown}"
    return values, origins


def _setting_name(key: object) -> str:
    return str(key).replace("-", "_")


def _sentence(problem: Mapping[str, Any], origins: Mapping[str, str]) -> str:
    name = str(problem["loc"][0]) if problem["loc"] else ""
    text = shortened(problem["msg"].removeprefix("Value error, "), 2000)
    origin = f" ({origins[name]})" if name in origins else ""
    if problem["type"] != "value_error" and "input" in problem:
        text = f"{text[0].lower()}{text[1:]}, got {shortened(repr(problem['input']))}"
    # "must be ..." follows the name directly; "expected ..." follows a colon.
    joined = f"{name} {text}" if text.startswith("must") else f"{name}: {text}" if name else text
    return f"{joined}{origin}."
