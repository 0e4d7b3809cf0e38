"""Two warehouses are compared row for row, without order and without Spark."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from metaclip_spark.errors import WarehouseError
from metaclip_spark.schemas import TABLES
from metaclip_spark.warehouse.compare import BY_NATURE, COMPARED, EXAMPLES, compare, differences, main
from metaclip_spark.warehouse.delta_rs import DeltaLogs


def write(root: Path, name: str, *rows: dict[str, object]) -> Path:
    """Add rows to a table; columns that a row leaves out are null."""
    table = TABLES[name]
    DeltaLogs(str(root)).create(table)
    filled = [{column: row.get(column) for column in table.names} for row in rows]
    write_deltalake(str(root / name), pa.Table.from_pylist(filled, table.arrow), mode="append")
    return root


def count(number: int, **more: object) -> dict[str, object]:
    """Return a row of entry_counts."""
    row = {"metadata_id": "m", "lang": "und", "snapshot": "a", "entry_id": number, "entry": f"e{number}", "count": 1}
    return row | more


def compared(a: Path, b: Path, **given: object) -> list[str]:
    return differences(str(a), str(b), **given)


def test_rows_have_no_order_and_absent_tables_are_empty(tmp_path):
    """Files in another order, in other commits, and a table without rows make no difference."""
    a = write(tmp_path / "a", "entry_counts", count(1), count(2), count(3))
    b = write(tmp_path / "b", "entry_counts", count(3), count(1))
    write(b, "entry_counts", count(2))
    write(b, "pairs")
    assert compared(a, b) == []
    numbers = {one.table: one.rows for one in compare(str(a), str(b))}
    assert set(numbers) == set(COMPARED)
    assert numbers["entry_counts"] == (3, 3)


def test_a_changed_value_is_shown_on_both_sides(tmp_path):
    """A row with another value is lacking on both sides; the lines name its columns."""
    a = write(tmp_path / "a", "entry_counts", count(1), count(2))
    b = write(tmp_path / "b", "entry_counts", count(1), count(2, count=7))
    first, *rows = compared(a, b)
    assert first == "entry_counts        differs: 1 row only in the first, 1 row only in the second"
    assert [row[:21] for row in rows] == ["  only in the first: ", "  only in the second:"]
    assert [row.endswith(f"entry_id=2, entry='e2', count={n}") for row, n in zip(rows, (1, 7), strict=True)] == [
        True
    ] * 2


def test_repeated_rows_are_counted(tmp_path):
    """Two equal rows are not equal to one, nor to three."""
    a = write(tmp_path / "a", "entry_counts", count(1), count(1))
    for number, only in ((1, (1, 0)), (3, (0, 1))):
        b = write(tmp_path / str(number), "entry_counts", *[count(1)] * number)
        (one,) = compare(str(a), str(b), ["entry_counts"])
        assert one.only == only
        assert one.examples


def test_null_empty_and_nearly_equal_values_differ(tmp_path):
    """Null, the empty string, the empty list, and floats that differ in their last bit are different values."""
    values = [
        {"extra": None},
        {"extra": []},
        {"page_url": ""},
        {"entry_ids": []},
        {"entry_ids": [1, 2]},
        {"entry_ids": [2, 1]},
        {"lang_score": 0.5},
        {"lang_score": 0.50000006},
        {"lang_score": 0.0},
        {"lang_score": -0.0},
    ]
    roots = [write(tmp_path / str(n), "pairs", {"snapshot": "a", **value}) for n, value in enumerate(values)]
    same = [
        (a, b)
        for a, one in enumerate(roots)
        for b, other in enumerate(roots)
        if not compared(one, other, tables=["pairs"])
    ]
    assert same == [(n, n) for n in range(len(values))]


def test_entries_of_a_map_have_no_order(tmp_path):
    """The same map, written in another order, is the same value; another value is not."""
    maps = ([("b", "2"), ("a", "1")], [("a", "1"), ("b", "2")], [("a", "1"), ("b", "3")])
    a, b, c = (write(tmp_path / str(n), "pairs", {"snapshot": "a", "extra": one}) for n, one in enumerate(maps))
    assert compared(a, b) == []
    assert len(compared(a, c)) == 3


def test_columns_that_differ_by_nature_are_left_out_and_named(tmp_path):
    """`batch_id` is new for each run. Given no exception, it is compared."""
    a, b = (write(tmp_path / name, "sources", {"snapshot": "s", "batch_id": name}) for name in ("a", "b"))
    assert compared(a, b) == []
    (one,) = compare(str(a), str(b), ["sources"])
    assert str(one) == "sources             equal, 1 row; without batch_id"
    assert len(compared(a, b, without={})) == 3
    assert all(set(columns) <= set(TABLES[name].names) for name, columns in BY_NATURE.items())


def test_examples_are_few_and_many_rows_are_compared_in_batches(tmp_path):
    """All rows that are lacking are counted; the first ones by value are shown."""
    a = write(tmp_path / "a", "entry_counts", *map(count, range(40_000)))
    b = write(tmp_path / "b", "entry_counts", *map(count, range(39_000)))
    (one,) = compare(str(a), str(b), ["entry_counts"])
    assert (one.rows, one.only, len(one.examples)) == ((40_000, 39_000), (1_000, 0), EXAMPLES)
    assert "entry_id=39000," in one.examples[0]


def test_unknown_and_damaged_tables_are_errors(tmp_path):
    """A name that is no table, and a table whose file is gone, end with a sentence."""
    a = write(tmp_path / "a", "entry_counts", count(1))
    with pytest.raises(WarehouseError, match="there is no table pears; the tables are planned, "):
        compared(a, a, tables=["pears"])
    for file in (a / "entry_counts").rglob("*.parquet"):
        file.unlink()
    with pytest.raises(WarehouseError, match="table entry_counts cannot be read: "):
        compared(a, a)


def test_the_command_prints_a_line_per_table_and_ends_with_1(tmp_path, capsys):
    """Equal: 0. Different: 1, with the rows. An unknown table: an error on stderr."""
    a = write(tmp_path / "a", "entry_counts", count(1))
    b = write(tmp_path / "b", "entry_counts", count(2))
    assert main([str(a), str(a)]) == 0
    assert capsys.readouterr().out == "entry_counts        equal, 1 row\n"
    assert main([str(a), str(b)]) == 1
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert main([str(a), str(b), "pears"]) == 1
    assert "there is no table pears" in capsys.readouterr().err
