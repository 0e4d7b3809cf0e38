"""Delimited files that Spark writes give the pairs that were written."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from extraction import run_split

from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.sources.files import find_sources, splits_of

pytestmark = pytest.mark.spark

TEXTS = [
    "a plain dog",
    'a sign that says "open" at night',
    'a "big", red kite',
    "two lines\nof a cat",
    'a 5" pipe',
    "ends in a backslash \\",
    'a \\"mixed\\" text, with a comma',
    "a tab\tinside",
    "the last dog",
]


def pairs_in(folder: Path, rows: int) -> list[tuple[str, str]]:
    """Extract a folder, and check that each of its rows is a pair or a counted reject."""
    options = ExtractOptions(dedup=False)
    found = [run_split(split, options) for split in splits_of(find_sources([str(folder)]))]
    assert [one.ending for one in found] == [("done", None)] * len(found)
    assert sum(one.outcome["records_read"] for one in found) == rows
    assert sum(len(one.pairs) + sum(one.rejected.values()) for one in found) == rows
    return sorted(row for one in found for row in one.rows)


def check_all(spark, table: pa.Table, folder: Path) -> None:
    """Write a table as Spark's CSV, TSV and JSON lines, and compare the pairs with those of Parquet."""
    pq.write_table(table, folder / "pairs.parquet")
    expected = pairs_in(folder / "pairs.parquet", len(table))
    frame = spark.createDataFrame(table.to_pandas()).coalesce(1)
    for name, sep in (("csv", ","), ("tsv", "\t")):
        frame.write.csv(str(folder / name), header=True, sep=sep)
        for part in (folder / name).glob("part-*.csv"):
            part.rename(part.with_suffix(f".{name}"))
        assert pairs_in(folder / name, len(table)) == expected, name
    frame.write.json(str(folder / "json"))
    for part in (folder / "json").glob("part-*.json"):
        part.rename(part.with_suffix(".jsonl"))
    assert pairs_in(folder / "json", len(table)) == expected


def test_files_of_spark_give_the_texts_that_were_written(spark, tmp_path):
    """Spark escapes a quotation mark by a backslash in a quoted field, and leaves other backslashes alone."""
    urls = [f"https://example.org/{number}.jpg" for number in range(len(TEXTS))]
    check_all(spark, pa.table({"url": urls, "text": TEXTS}), tmp_path)


def test_files_of_spark_give_the_pairs_of_the_laion_sample(spark, shared_data, tmp_path):
    """All 10,000 rows of real captions are accounted for."""
    check_all(spark, pq.read_table(shared_data / "captions" / "laion_sample.parquet"), tmp_path)
