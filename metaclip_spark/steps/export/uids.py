"""Write the uids of a run's pairs: sort on the engine, let tasks write parts, and join the parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
from pyspark.sql import DataFrame

from metaclip_spark.core.wording import counted
from metaclip_spark.errors import InputError
from metaclip_spark.export.place import Place
from metaclip_spark.export.uids import PARTS_DDL, UIDS, npy_header, write_parts
from metaclip_spark.extract.tabular.names import UID
from metaclip_spark.stages.choose import choose
from metaclip_spark.stages.uids import count_uids, sorted_uids
from metaclip_spark.steps.export.shards import written_twice

UIDS_A_PART = 8_000_000
"""Uids per task: 128 MB of a part's file."""


@dataclass(frozen=True)
class WrittenUids:
    """The uids of an export.

    Attributes:
        pairs: number of pairs that the uids are of, those without one included.
        uids: number of uids in the file.
        without: number of pairs without a uid.
        malformed: number of pairs whose value is no uid.
        repeated: number of pairs whose uid another pair has, too.
        bytes: size of the file.
    """

    pairs: int
    uids: int
    without: int
    malformed: int
    repeated: int
    bytes: int


def write_uids(pairs: DataFrame, place: Place, seed: int | None = None) -> WrittenUids:
    """Write the uids of pairs into a place that has begun.

    Args:
        seed: write one uid of each image, that of the pair which `--unit image` chooses with this seed; None: all uids.

    Raises:
        InputError: no pair has a uid.
        WarehouseError: Spark spread a part over several tasks.
    """
    if seed is not None:
        pairs = choose(pairs, seed)
    row = count_uids(pairs, UID).collect()[0]
    if not row["valid"]:
        why = f"values such as 139e4a9b22a614771f06c700a8ebe150 in column {UID!r}"
        raise InputError(
            f"--format datacomp expects pairs with a uid, and none of {counted(row['pairs'], 'pair')} has one. Read "
            f"the pool from DataComp's metadata, or with --keep-columns {UID} from tables that have {why}."
        )
    parts = max(1, -(-row["valid"] // UIDS_A_PART))
    folder = place.work

    def write_task(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from write_parts(batches, folder)

    written = sorted_uids(pairs, UID, parts).mapInArrow(write_task, PARTS_DDL).toArrow().to_pylist()
    files = {part["file"]: part["bytes"] for part in sorted(written, key=lambda part: str(part["file"]))}
    if len(files) < len(written):
        raise written_twice("part", "uids")
    uids = sum(part["rows"] for part in written)
    size = place.join(files, UIDS, npy_header(uids))
    return WrittenUids(
        pairs=row["pairs"],
        uids=uids,
        without=row["pairs"] - row["with_uid"],
        malformed=row["with_uid"] - row["valid"],
        repeated=sum(part["repeats"] for part in written),
        bytes=size,
    )
