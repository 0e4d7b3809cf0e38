"""Checks of what a caller gives."""

from __future__ import annotations

from collections.abc import Sequence

from metaclip_spark.errors import InputError


def need_names(columns: Sequence[str], stage: str, wanted: Sequence[str], hint: str) -> None:
    """Refuse columns that lack one of those wanted, saying what is there and what to do."""
    for name in wanted:
        if name not in columns:
            raise InputError(f"{stage}: column {name!r} is missing; got {list(columns)}. {hint}")
