"""Read a list of class names and count each in the pool and in the subset."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from metaclip_spark.core.text import without_surrogates
from metaclip_spark.errors import ConfigError
from metaclip_spark.report.class_counts import THIN, ClassCount, ClassCounts

if TYPE_CHECKING:
    from metaclip_spark.report.card import Card


def count_classes(card: Card, names: Sequence[str], thin: int = THIN) -> ClassCounts:
    """Return how many pairs match the entry that each name is: as it stands, else in lower case; no other form."""
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
    """Return the names in a file, each once: a JSON array (.json), else one a line, up to a TAB where there is one.

    Raises:
        ConfigError: it cannot be read, or holds no names.
    """
    try:
        text = Path(place).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"--class-names {place} cannot be read: {error.strerror}. Check the path.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"--class-names {place} is not UTF-8: {error.reason} at byte {error.start}.") from error
    names = (
        _listed(place, text)
        if place.lower().endswith(".json")
        else [line.partition("\t")[0].strip() for line in text.splitlines()]
    )
    names = list(dict.fromkeys(without_surrogates(name) for name in names if name.strip()))
    if not names:
        raise ConfigError(f"--class-names {place} holds no names; expected one a line, or a JSON array of strings.")
    return names


def _listed(place: str, text: str) -> list[str]:
    try:
        names = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"--class-names {place} is not JSON: {error}; expected an array of strings.") from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ConfigError(f'--class-names {place} is no array of strings; write it as ["tench", "goldfish", ...].')
    return names
