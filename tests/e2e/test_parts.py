"""A text file that is cut into parts gives the tables of one that is read whole."""

from __future__ import annotations

import json
from functools import partial

import pytest
from e2e_world import call, row, rows_of, table_state, write_tsv

from metaclip_spark.extract import task
from metaclip_spark.sources.files import splits_of
from metaclip_spark.steps.reading import plan

pytestmark = [pytest.mark.spark, pytest.mark.timeout(900)]


def test_parts_and_forgotten_keys_give_the_same_pool(spark, world, monkeypatch):
    """Repeats over parts, and beyond what a task remembers, are left to deduplication, which keeps the same rows."""
    rows = [row("t", n % 40) for n in range(100)]
    write_tsv(world.pool / "t.tsv", [(*one[:4], f"note {n}") for n, one in enumerate(rows)])
    lines = [{"url": url, "text": text, "note": f"line {n}"} for n, (url, text, *_) in enumerate(rows[20:80])]
    (world.pool / "l.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    words = ["--keep-columns", "note", "--files-per-commit", 500]
    whole = call("run", *world.words("whole"), *words)
    assert whole.status == 0, whole.err

    monkeypatch.setattr(plan, "splits_of", partial(splits_of, split_bytes=1000))
    monkeypatch.setattr(task, "REMEMBERED", 7)  # workers of Spark and processes have their own
    parts = call("run", *world.words("parts"), *words)
    assert parts.status == 0, parts.err
    planned = rows_of(spark, world.root / "parts", "planned", ("source_path", "splits"))
    assert max(splits for path, splits in planned if path.endswith("t.tsv")) > 5
    got, wanted = (table_state(spark, world.root / name, {"run_id", "batch_id"}) for name in ("parts", "whole"))
    for table in ("pairs", "entry_counts", "entry_probabilities", "curated_pairs", "sightings", "run_statistics"):
        assert got[table] == wanted[table], table
    sums = ("source_path", "status", "records_read", "texts_read", "texts_matched", "bytes_read")
    found, one = (rows_of(spark, world.root / name, "sources", sums) for name in ("parts", "whole"))
    assert found == one
