"""A takedown of a few pairs opens only the files whose ids are near theirs; the rows of all other files stay."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from metaclip_spark.schemas import TABLES, TAKEN
from metaclip_spark.steps.takedown import rows
from metaclip_spark.steps.takedown.rows import ranges_of_ids, remove_pairs

pytestmark = pytest.mark.spark

PER_FILE = 3
PARTS = "048c"


def ids_of(part: str) -> list[str]:
    """Return the ids of a file."""
    return [f"{part}{number:04x}".ljust(32, "7") for number in range(PER_FILE)]


def table_of(spark, name: str, ids: list[str], **known: str):
    """Return rows of a table with these ids; the other columns are null."""
    given = {"metadata_id": "m", "snapshot": "s", "run_id": "r", "sampling_probability": 1.0, "draw": 0.5, **known}
    full = [tuple({**given, "pair_id": key}.get(column) for column in TABLES[name].names) for key in ids]
    return spark.createDataFrame(full, TABLES[name].ddl)


@pytest.fixture
def stored(spark, warehouse):
    """Store four files of pairs in two tables, in the order of their ids; return the files that no taken pair is in."""
    for name in ("pairs", "curated_pairs"):
        for part in PARTS:
            warehouse.append(name, table_of(spark, name, ids_of(part)).coalesce(1))
    others = []
    for name in ("pairs", "curated_pairs"):
        files = [file for file in Path(warehouse.root, name).rglob("*.parquet") if "_delta_log" not in file.parts]
        assert len(files) == len(PARTS)
        others += [file for file in files if pq.read_table(file, partitioning=None)["pair_id"][0].as_py()[0] != "4"]
    return others


def left_in(warehouse, name: str) -> set[str]:
    return {row["pair_id"] for row in warehouse.read(name).select("pair_id").collect()}


def test_only_files_near_the_taken_ids_are_opened(spark, warehouse, stored):
    """The other files are not even there while the pairs are removed."""
    gone = ids_of("4")[1]
    removed = table_of(spark, TAKEN.name, [gone], origin="pairs", takedown_id="t")
    for file in stored:
        file.rename(file.with_suffix(".away"))
    found = remove_pairs(warehouse, removed)
    for file in stored:
        file.with_suffix(".away").rename(file)
    assert (found["pairs"], found["curated_pairs"]) == (1, 1)
    for name in ("pairs", "curated_pairs"):
        assert left_in(warehouse, name) == {key for part in PARTS for key in ids_of(part)} - {gone}


@pytest.mark.slow
def test_pairs_of_several_files_are_removed(spark, warehouse, stored):
    """Several ranges are one condition; rows beside them stay."""
    gone = [ids_of(part)[number] for part, number in (("0", 0), ("0", 1), ("8", 2), ("c", 1))]
    removed = table_of(spark, TAKEN.name, gone, origin="pairs", takedown_id="t")
    assert ranges_of_ids(removed) == (("00000", "00002"), ("80002", "80003"), ("c0001", "c0002"))
    assert remove_pairs(warehouse, removed)["pairs"] == len(gone)
    assert left_in(warehouse, "pairs") == {key for part in PARTS for key in ids_of(part)} - set(gone)


@pytest.mark.parametrize("kind", ["many", pytest.param("of the input", marks=pytest.mark.slow)])
def test_without_ranges_all_files_are_read(spark, warehouse, stored, monkeypatch, kind):
    """More ids than make sense, or ids that are no hexadecimal digits, are removed as well."""
    gone = [ids_of(part)[0] for part in PARTS]
    if kind == "many":
        monkeypatch.setattr(rows, "MOST_NEAR", 3)
    else:
        gone.append("photo 7")
        warehouse.append("pairs", table_of(spark, "pairs", ["photo 7"]))
    removed = table_of(spark, TAKEN.name, gone, origin="pairs", takedown_id="t")
    assert ranges_of_ids(removed) == ()
    assert remove_pairs(warehouse, removed)["pairs"] == len(gone)
    assert left_in(warehouse, "pairs") & set(gone) == set()
