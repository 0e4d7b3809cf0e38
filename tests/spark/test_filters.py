"""A user's filter runs in the workers if they have its module. Otherwise, the error names the module."""

from __future__ import annotations

import sys
from importlib import import_module

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.errors import PythonException

from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.extract.task import Stamp
from metaclip_spark.filters import Filters, load_filter
from metaclip_spark.sources.files import find_sources, splits_of
from metaclip_spark.spark.broadcast import Broadcast
from metaclip_spark.spark.embedded import is_embedded
from metaclip_spark.stages.extract import BroadcastTools, extract

pytestmark = pytest.mark.spark

SOURCE = """
import pyarrow as pa
import pyarrow.compute as pc

def no_addresses(batch):
    has = pc.match_substring_regex(batch.column("text"), "@")
    return pc.invert(has), "personal"
"""
TEXTS = ["a red kite", "write to me@example.org", "a dog", "", "x@y"]


def rows(spark, folder, hook) -> list:
    """Run the stage over the texts with a filter."""
    urls = [f"http://e.org/{number}" for number in range(len(TEXTS))]
    pq.write_table(pa.table({"url": urls, "text": TEXTS}), folder / "t.parquet")
    options = ExtractOptions(filters=(hook.id,))
    tools = BroadcastTools(filters=Broadcast.of(spark, Filters(options, hooks=(hook,))))
    splits = splits_of(find_sources([str(folder / "t.parquet")]))
    return extract(spark, splits, options, tools, Stamp("s", "m", "b")).collect()


def test_a_users_filter_runs_in_the_workers(spark, tmp_path, monkeypatch):
    """With addPyFile (like --py-files), the filter rejects rows, and they are counted under its reason.

    The workers of the embedded engine have the driver's paths.
    """
    module = tmp_path / "my_worker_filters.py"
    module.write_text(SOURCE)
    if not is_embedded(spark):
        spark.sparkContext.addPyFile(str(module))
    monkeypatch.syspath_prepend(str(tmp_path))
    found = rows(spark, tmp_path, load_filter("my_worker_filters:no_addresses"))
    assert sorted(row["text"] for row in found if row["kind"] == "pair") == ["a dog", "a red kite"]
    (outcome,) = [row for row in found if row["kind"] == "source"]
    assert outcome["rejected"] == {"empty_text": 1, "filter:personal": 2}
    assert sorted(row["detail"] for row in found if row["reason"] == "filter:personal") == [TEXTS[1], TEXTS[4]]


def test_a_filter_that_the_workers_do_not_have_is_an_error_that_names_it(spark, tmp_path, monkeypatch):
    """If only the driver has the module, the task fails and names it. No row is lost silently."""
    if is_embedded(spark):
        pytest.skip("the workers of the embedded engine have the driver's paths, so they have its modules")
    (tmp_path / "my_driver_filters.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    hook = load_filter("my_driver_filters:no_addresses")
    assert import_module("my_driver_filters") is sys.modules["my_driver_filters"]
    with pytest.raises(PythonException, match="my_driver_filters"):
        rows(spark, tmp_path, hook)
