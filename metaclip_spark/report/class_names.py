"""Read a list of class names, and count each name in the pool and in the subset."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from metaclip_spark.core.text import without_surrogates
from metaclip_spark.errors import ConfigError
from metaclip_spark.report.class_counts import THIN, ClassCount, ClassCounts
from metaclip_spark.storage.lines import read_text

if TYPE_CHECKING:
    from metaclip_spark.report.card import Card


def count_classes(card: Card, names: Sequence[str], thin: int = THIN) -> ClassCounts:
    """Count the pairs that match each class name; its entry is the unchanged name, or else the name in lower case."""
    wanted = {*names, *(name.lower() for name in names)}
    entries = card.entries if not callable(card.entries) else [card.entries(at) for at in range(card.n_entries)]
    ids = {entry: at for at, entry in enumerate(entries) if entry in wanted}
    found, missing = [], []
    for name in names:
        at = ids.get(name, ids.get(name.lower()))
        if at is None:
            missing.append(name)
        else:
            pool, curated = int(card.entry_counts[at]), int(card.curated_entry_counts[at])
            found.append(ClassCount(name, at, name in ids, pool, curated))
    return ClassCounts(found, missing, thin)


def read_class_names(place: str) -> list[str]:
    """Read the distinct names of a file: a JSON array (.json), or one name per line, up to the first TAB.

    Raises:
        ConfigError: the file cannot be read, or has no names.
    """
    try:
        text = read_text(place).decode()
    except OSError as error:
        raise ConfigError(
            f"--class-names {place} cannot be read: {error.strerror or error}. Check the path."
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"--class-names {place} is not UTF-8: {error.reason} at byte {error.start}.") from error
    names = (
        _listed(place, text)
        if place.lower().endswith(".json")
        else [line.partition("\t")[0].strip() for line in text.splitlines()]
    )
    names = list(dict.fromkeys(without_surrogates(name) for name in names if name.strip()))
    if not names:
        raise ConfigError(
            f"--class-names {place} has no names; expected one name per line, or a JSON array of strings."
        )
    return names


def _listed(place: str, text: str) -> list[str]:
    try:
        names = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"--class-names {place} is not JSON: {error}; expected an array of strings.") from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ConfigError(f'--class-names {place} is not an array of strings; write it as ["tench", "goldfish", ...].')
    return names
