"""Checks of what a caller gives."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from metaclip_spark.errors import InputError
from metaclip_spark.matchers.base import Matcher


def need_names(columns: Sequence[str], stage: str, wanted: Sequence[str], hint: str) -> None:
    """Refuse columns that lack one of those wanted, saying what is there and what to do."""
    for name in wanted:
        if name not in columns:
            raise InputError(f"{stage}: column {name!r} is missing; got {list(columns)}. {hint}")


def matched_ids(matcher: Matcher, texts: pa.Array) -> pa.ListArray:
    """Return `list<int32>`: each text's entry ids, ascending and distinct; null where the text is null."""
    matches = matcher.match(texts)
    nulls = texts.is_null() if texts.null_count else None
    return pa.ListArray.from_arrays(pa.array(matches.offsets), pa.array(matches.ids), mask=nulls)
