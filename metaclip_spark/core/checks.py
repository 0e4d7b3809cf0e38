"""Check the columns of a caller's table."""

from __future__ import annotations

from collections.abc import Sequence

from metaclip_spark.errors import InputError


def need_names(columns: Sequence[str], stage: str, wanted: Sequence[str], hint: str) -> None:
    """Check that all wanted columns are present.

    Raises:
        InputError: a column is missing; the error names the columns and ends with the hint.
    """
    for name in wanted:
        if name not in columns:
            raise InputError(f"{stage}: column {name!r} is missing; got {list(columns)}. {hint}")
