"""A table that is read at a version gives the rows of that version, whatever is committed later."""

from __future__ import annotations

import shutil

import pyarrow as pa
import pytest
from e2e_world import call, flag_words

from metaclip_spark.schemas import TABLES
from metaclip_spark.warehouse.delta_rs import DeltaLogs
from metaclip_spark.warehouse.tables import Warehouse

pytestmark = pytest.mark.spark

NAME = "run_statistics"
COMMITS = 7


def rows_of(number: int) -> pa.Table:
    """Return three rows of a run."""
    schema = TABLES[NAME].arrow
    values = [(f"r{number % 2}", f"n{number}", row, number) for row in range(3)]
    return pa.table([pa.array([value[at] for value in values], field.type) for at, field in enumerate(schema)], schema)


def statistics_in(frame) -> list[tuple]:
    """Return the rows of a DataFrame."""
    return sorted(map(tuple, frame.select("run_id", "name", "key", "value").collect()))


@pytest.fixture(params=["warehouse", "my pairs 50", "bücher"])
def table(spark, request, tmp_path):
    """Return a warehouse, and the rows of each version of its table: it is created, then seven commits add rows."""
    warehouse = Warehouse(spark, str(tmp_path / request.param))
    warehouse.ensure(NAME)
    names = [field.name for field in TABLES[NAME].arrow]
    expected = [[]]
    for number in range(COMMITS):
        warehouse.append(
            NAME, spark.createDataFrame([tuple(row.values()) for row in rows_of(number).to_pylist()], names)
        )
        expected.append(statistics_in(warehouse.read(NAME)))
    assert [len(rows) for rows in expected] == [3 * number for number in range(COMMITS + 1)]
    return warehouse, expected


def test_every_version_is_read_before_and_after_later_checkpoints(table):
    """Also those that were opened before a checkpoint, and those between two checkpoints."""
    warehouse, expected = table
    logs = DeltaLogs(warehouse.root)
    last = logs.last(NAME).version
    first = last - COMMITS
    versions = range(first, last + 1)
    before = {version: warehouse.read(NAME, version) for version in versions}
    logs.open(NAME, first + 3).create_checkpoint()
    logs.clean_log(NAME, None)
    logs.compact(NAME, 1 << 20, [{"run_id": "r0"}, {"run_id": "r1"}])
    logs.clean_log(NAME, None)
    for version in versions:
        assert statistics_in(before[version]) == expected[version - first]
        assert statistics_in(warehouse.read(NAME, version)) == expected[version - first]
    assert statistics_in(warehouse.read(NAME)) == expected[-1]


def test_a_draw_and_maintenance_while_a_subset_is_exported_change_nothing(undisturbed, tmp_path, monkeypatch):
    """An export to another place reads the version of the subset that it began with."""
    from metaclip_spark.commands import export

    warehouse = shutil.copytree(undisturbed.warehouse, tmp_path / "warehouse")
    write = export.write

    def maintained_meanwhile(*given):
        assert call("balance", *flag_words(warehouse=warehouse, threshold=1)).status == 0
        assert call("maintain", *flag_words(warehouse=warehouse, target_size="1m")).status == 0
        return write(*given)

    monkeypatch.setattr(export, "write", maintained_meanwhile)
    for place in ("during", "after"):
        words = flag_words(warehouse=warehouse, output=tmp_path / place, shards=1, run_id=undisturbed.run_id)
        done = call("export", *words)
        assert done.status == 0, done.err
        monkeypatch.undo()
    files = {place: (tmp_path / place / "00000.parquet").read_bytes() for place in ("during", "after")}
    assert files["during"] == files["after"]
