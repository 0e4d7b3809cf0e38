"""Fixtures of the Spark tests: an empty warehouse, small pools, and a comparison of mappings."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "spark")]  # so that `import reference` works in importlib mode


@pytest.fixture
def warehouse(spark, tmp_path):
    """Return an empty warehouse in a folder."""
    from metaclip_spark.warehouse.tables import Warehouse

    return Warehouse(spark, str(tmp_path / "warehouse"))


@pytest.fixture(scope="session")
def make_pairs(spark) -> Callable[..., Any]:
    """Return a function that completes rows of (pair_id, entry_ids) to the schema of `pairs`."""
    from metaclip_spark.schemas import PAIRS

    def make(rows: Iterable[tuple[str, list[int] | None]], **common: Any):
        defaults = {"metadata_id": "m", "snapshot": "s", "lang": "und", **common}
        full = [
            tuple({**defaults, "pair_id": key, "entry_ids": ids}.get(name) for name in PAIRS.names) for key, ids in rows
        ]
        return spark.createDataFrame(full, PAIRS.ddl)

    return make


@pytest.fixture(scope="session")
def same() -> Callable[[Mapping, Mapping], None]:
    """Return a function that compares two large mappings, and shows only the first differences.

    The diff of pytest would take minutes.
    """

    def check(actual: Mapping, expected: Mapping) -> None:
        keys = actual.keys() | expected.keys()
        different = sorted(key for key in keys if actual.get(key, "absent") != expected.get(key, "absent"))
        shown = [(key, actual.get(key, "absent"), expected.get(key, "absent")) for key in different[:3]]
        assert not different, f"{len(different)} of {len(keys)} differ, e.g. (key, got, expected): {shown}"

    return check
