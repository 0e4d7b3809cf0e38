"""Uids are counted, checked and sorted on the engine."""

from __future__ import annotations

import hashlib

import pyarrow as pa
import pytest

from metaclip_spark.spark.embedded import is_embedded
from metaclip_spark.stages.uids import count_uids, sorted_uids

pytestmark = pytest.mark.spark

UIDS = [hashlib.md5(str(number).encode()).hexdigest() for number in range(700)]
EXTRA = [
    *({"uid": uid} for uid in UIDS),
    {"uid": UIDS[3]},
    {"uid": UIDS[5].upper()},
    {"uid": "ff"},
    {"uid": "0" * 32},
    {"uid": "f" * 32},
    {"uid": "f" * 33},
    {"uid": "no uid"},
    {"uid": ""},
    {"uid": None},
    {"note": "x"},
    None,
]


def pairs_of(spark):
    """Return pairs with these kept columns."""
    return spark.createDataFrame([(extra,) for extra in EXTRA], "extra map<string,string>")


def test_pairs_without_a_uid_and_with_another_value_are_counted(spark):
    """A uid has 1 to 32 hex digits, in either case."""
    row = count_uids(pairs_of(spark), "uid").collect()[0]
    assert row.asDict() == {"pairs": 711, "with_uid": 708, "valid": 705}
    assert count_uids(pairs_of(spark), "other").collect()[0].asDict() == {"pairs": 711, "with_uid": 0, "valid": 0}


@pytest.mark.parametrize("parts", [1, 3, 16])
def test_uids_ascend_over_all_parts(spark, parts):
    """Each part is in one partition, and its first digits decide about it."""

    def named(batches):
        seen = []
        for batch in batches:
            seen += zip(batch.column("part").to_pylist(), batch.column("uid").to_pylist(), strict=True)
        for at, (part, uid) in enumerate(seen):
            yield pa.record_batch({"part": pa.array([part], pa.int32()), "at": [at], "uid": [uid.hex()]})

    rows = sorted_uids(pairs_of(spark), "uid", parts).mapInArrow(named, "part int, at bigint, uid string").collect()
    by_part: dict[int, list[tuple[int, str]]] = {}
    for row in rows:
        by_part.setdefault(row["part"], []).append((row["at"], row["uid"]))
    for of_part in by_part.values():
        positions = sorted(at for at, _ in of_part)
        assert positions == list(range(positions[0], positions[0] + len(positions)))
    found = [uid for part in sorted(by_part) for _, uid in sorted(by_part[part])]
    wanted = [*UIDS, UIDS[3], UIDS[5], "ff".zfill(32), "0" * 32, "f" * 32]
    assert found == sorted(wanted)
    assert {part: {int(uid[:8], 16) * parts >> 32 for _, uid in rows} for part, rows in by_part.items()} == {
        part: {part} for part in range(parts)
    }
    assert is_embedded(spark) or len(by_part) == parts
