"""Store generated pairs as the pool of a snapshot, with the event that `dedup` records."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from metaclip_spark.warehouse.events import DONE, Attempt
from metaclip_spark.warehouse.tables import Warehouse


def store_pool(warehouse: Warehouse, attempt: Attempt, rows: DataFrame, snapshot: str) -> None:
    """Append rows of `pairs` as the only batch of a snapshot."""
    fingerprint = f"made of {snapshot}"
    commit = warehouse.append("pairs", rows.withColumn("batch_id", F.lit(fingerprint)))
    attempt.record(
        DONE,
        "dedup",
        snapshot=snapshot,
        fingerprint=fingerprint,
        versions={"pairs": commit.version},
        rows=commit.rows,
        detail={"batches": []},
    )
