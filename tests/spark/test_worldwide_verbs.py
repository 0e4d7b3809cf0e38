"""The verbs with a list for each language, on Spark: the same rows as on a Table, bit for bit."""

from __future__ import annotations

import pyarrow as pa
import pytest
from worldwide_pool import rows_for, write_lists

import metaclip_spark as mc

pytestmark = pytest.mark.spark


def test_spark_gives_what_a_table_gives(spark, tmp_path):
    """Ids, counts, probabilities and draws."""
    lists = mc.load_worldwide(write_lists(tmp_path / "lists"))
    rows = list({row[:2]: row for row in rows_for("one", 600, 4)}.values())
    pool = pa.table(dict(zip(("url", "text", "lang"), map(list, zip(*rows, strict=True)), strict=True)))
    df = spark.createDataFrame(rows, "url string, text string, lang string").repartition(3)

    def sorted_rows(table):
        return sorted((tuple(row.values()) for row in table.to_pylist()), key=str)

    def collected(frame):
        return sorted((tuple(row.asDict().values()) for row in frame.collect()), key=str)

    matched, on_table = mc.match(df, lists, lang_column="lang"), mc.match(pool, lists, lang_column="lang")
    assert collected(matched) == sorted_rows(on_table)
    assert collected(mc.count_entries(matched, lists)) == sorted_rows(mc.count_entries(on_table, lists))
    how = {"tail_fraction": 0.2, "language_thresholds": {"zh": 4}, "lang_column": "lang"}
    assert collected(mc.curate(df, lists, **how)) == sorted_rows(mc.curate(pool, lists, **how))
