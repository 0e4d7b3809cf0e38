"""Whether a command works on few pairs, which decides how a local Spark starts."""

from __future__ import annotations

import pyarrow as pa
import pytest

from metaclip_spark.commands import opening
from metaclip_spark.schemas import TABLES
from metaclip_spark.sources.files import Source
from metaclip_spark.warehouse.delta_rs import DeltaLogs
from metaclip_spark.warehouse.files import LocalFiles


def given(*sizes: int) -> opening.Given:
    """Return sources of these sizes."""
    return {"s": [Source(f"{at}.parquet", f"{at}.parquet", "parquet", size, "e") for at, size in enumerate(sizes)]}


@pytest.mark.parametrize(
    ("sizes", "small"),
    [((), True), ((1000, 2000), True), ((opening.SMALL_BYTES, 1), False), ((1000, 0), False)],
    ids=["none", "few bytes", "many bytes", "unknown size"],
)
def test_the_sources_decide(tmp_path, sizes, small):
    """Sources of unknown size may be large."""
    assert opening.is_small(str(tmp_path), given(*sizes)) is small


def test_what_is_stored_decides_too(tmp_path, monkeypatch):
    """A large pool is large also for a command without sources."""
    root = str(tmp_path / "w")
    logs = DeltaLogs(root)
    logs.create(TABLES["pairs"])
    row = {name: None for name in TABLES["pairs"].names} | {"metadata_id": "m", "snapshot": "s", "pair_id": "a"}
    rows = pa.Table.from_pylist([row] * 3, TABLES["pairs"].arrow)
    LocalFiles(root, logs, lambda: None).write("pairs", rows, {"metadata_id": "m", "snapshot": "s"})
    assert opening.is_small(root, given(10))
    monkeypatch.setattr(opening, "SMALL_ROWS", 2)
    assert not opening.is_small(root, given(10))


@pytest.mark.parametrize("root", [None, "s3://bucket/w", "/tmp/50%20"])
def test_what_cannot_be_asked_is_not_small(root):
    """Tables in a catalog, in an object store, or in a folder that delta-rs does not open."""
    assert not opening.is_small(root, given(10))
