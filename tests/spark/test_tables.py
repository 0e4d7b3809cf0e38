"""Delta tables have the declared schemas and comments, writes happen once, and the log has no urls or texts."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from pyspark.errors import AnalysisException
from pyspark.sql import functions as F
from pyspark.sql.types import StructField, StructType
from pyspark.testing import assertDataFrameEqual, assertSchemaEqual

from metaclip_spark.errors import LeaseError, WarehouseError
from metaclip_spark.schemas import TABLES
from metaclip_spark.spark.embedded import is_embedded
from metaclip_spark.spark.engine import Engine
from metaclip_spark.warehouse.current import name_current_run
from metaclip_spark.warehouse.delta_rs import DeltaLogs, can_name
from metaclip_spark.warehouse.statements import SparkLogs
from metaclip_spark.warehouse.tables import Warehouse

pytestmark = pytest.mark.spark

_PAIRS = {
    "metadata_id": "string",
    "snapshot": "string",
    "pair_id": "string",
    "image_id": "string",
    "url": "string",
    "text": "string",
    "text_source": "string",
    "page_url": "string",
    "lang": "string",
    "lang_score": "float",
    "entry_ids": "array<int>",
    "source_path": "string",
    "extra": "map<string,string>",
}
CONTRACT = {
    "sources": {
        "snapshot": "string",
        "source_path": "string",
        "format": "string",
        "status": "string",
        "reason": "string",
        "records_read": "bigint",
        "texts_read": "bigint",
        "texts_matched": "bigint",
        "pairs_written": "bigint",
        "rejected": "map<string,bigint>",
        "bytes_read": "bigint",
        "etag": "string",
    },
    "rejects": {
        "snapshot": "string",
        "source_path": "string",
        "record": "string",
        "reason": "string",
        "detail": "string",
    },
    "pairs": _PAIRS,
    "entry_counts": {
        "metadata_id": "string",
        "lang": "string",
        "snapshot": "string",
        "entry_id": "int",
        "entry": "string",
        "count": "bigint",
    },
    "entry_probabilities": {
        "run_id": "string",
        "metadata_id": "string",
        "lang": "string",
        "entry_id": "int",
        "entry": "string",
        "count": "bigint",
        "threshold": "bigint",
        "probability": "double",
    },
    "curated_pairs": {"run_id": "string", **_PAIRS, "sampling_probability": "double", "draw": "double"},
    "runs": {
        "run_id": "string",
        "attempt_id": "string",
        "event": "string",
        "at": "timestamp",
        "stage": "string",
        "config": "string",
        "versions": "map<string,bigint>",
        "metadata_ids": "array<string>",
        "rows": "bigint",
    },
}
"""The columns that users can rely on. Tables may have more columns."""

SENTINEL = "sentinel-in-no-log"


@pytest.fixture(scope="module")
def full(spark, tmp_path_factory) -> Warehouse:
    """Return a warehouse with every table, empty. Tests only read it."""
    warehouse = Warehouse(spark, str(tmp_path_factory.mktemp("full")))
    for name in TABLES:
        warehouse.ensure(name)
    return warehouse


def counts(spark, *rows: tuple[str, int, int]):
    """Return rows of `entry_counts`: (snapshot, entry_id, count)."""
    full = [("m", "und", snapshot, entry_id, f"e{entry_id}", n) for snapshot, entry_id, n in rows]
    return spark.createDataFrame(full, TABLES["entry_counts"].ddl)


def logged(warehouse: Warehouse, name: str) -> DeltaTable:
    """Return a table as its log describes it, whatever engine wrote it."""
    table = DeltaLogs(warehouse.root).open(name)
    assert table is not None, f"there is no table {name}"
    return table


def schema_in_log(warehouse: Warehouse, name: str) -> StructType:
    """Return the schema of a table's log, with its comments, in Spark's types."""
    return StructType.fromJson(json.loads(logged(warehouse, name).schema().to_json()))


def entries_of(warehouse: Warehouse) -> list[tuple[str, int, int]]:
    rows = warehouse.read("entry_counts").select("snapshot", "entry_id", "count").collect()
    return sorted(map(tuple, rows))


@pytest.mark.parametrize("name", CONTRACT)
def test_table_has_the_columns_that_users_rely_on_and_a_comment_on_each(full, name):
    """Names and types equal the contract. The table and every column have a comment."""
    for schema in (full.read(name).schema, schema_in_log(full, name)):
        types = {field.name: field.dataType.simpleString() for field in schema if field.name in CONTRACT[name]}
        assert types == CONTRACT[name]
    assert [field.name for field in schema_in_log(full, name) if not field.metadata.get("comment")] == []
    metadata = logged(full, name).metadata()
    assert metadata.description == TABLES[name].comment
    assert list(metadata.partition_columns) == list(TABLES[name].partitioned_by)


@pytest.mark.parametrize("name", TABLES)
def test_stored_schema_is_the_declared_one_with_its_comments(full, name):
    """Delta stores what `schemas` declares, column by column, internal tables included."""
    declared = full.spark.createDataFrame([], TABLES[name].ddl).schema
    stored = schema_in_log(full, name)
    assertSchemaEqual(StructType([StructField(field.name, field.dataType) for field in stored]), declared)
    assertSchemaEqual(full.read(name).schema, declared)
    comments = {field.name: field.metadata.get("comment") for field in stored}
    assert comments == {column.name: column.comment for column in TABLES[name].columns}


def test_declared_constraints_and_properties_are_stored(full):
    """Every declared CHECK and property can be read back from Delta."""
    for name, table in TABLES.items():
        found = full.properties(name)
        constraints = {key: value for key, value in found.items() if key.startswith("delta.constraints.")}
        assert constraints == {f"delta.constraints.{check}": condition for check, condition in table.checks}
        assert found.items() >= dict(table.properties).items()


@pytest.mark.parametrize(
    ("table", "bad"),
    [
        ("entry_counts", {"count": 0}),
        ("entry_probabilities", {"probability": 1.5}),
        ("entry_probabilities", {"probability": 0.0}),
        ("curated_pairs", {"sampling_probability": 0.5, "draw": 0.5}),
        ("curated_pairs", {"sampling_probability": 1.5, "draw": 0.5}),
    ],
)
def test_row_that_violates_a_constraint_is_refused(full, table, bad):
    """A count of 0, a probability outside of (0, 1], and a draw that is not below its probability are refused."""
    row = {"sampling_probability": 0.9, "draw": 0.1, "probability": 0.5, "count": 1, **bad}
    frame = full.spark.createDataFrame([tuple(row.get(n) for n in TABLES[table].names)], TABLES[table].ddl)
    with pytest.raises(Exception, match="DELTA_VIOLATE_CONSTRAINT|CHECK constraint|violate"):
        full.append(table, frame)
    assert full.read(table).isEmpty()


def test_table_whose_creation_was_interrupted_is_completed(spark, warehouse):
    """A table without its CHECK, because the run was killed between two statements, gets it at the next `ensure`."""
    warehouse.ensure("entry_counts")
    check = TABLES["entry_counts"].checks[0][0]
    logged(warehouse, "entry_counts").alter.drop_constraint(check)
    assert f"delta.constraints.{check}" not in warehouse.properties("entry_counts")
    Warehouse(spark, warehouse.root).ensure("entry_counts")
    assert f"delta.constraints.{check}" in warehouse.properties("entry_counts")


def test_append_with_a_transaction_writes_once_and_reports_it(spark, warehouse):
    """The second write of a transaction adds nothing and is not new. Another transaction is new."""
    rows = counts(spark, ("a", 1, 5), ("a", 2, 6))
    first = warehouse.append("entry_counts", rows, txn="t1")
    assert (first.was_new, first.rows) == (True, 2)
    again = Warehouse(spark, warehouse.root).append("entry_counts", rows, txn="t1")
    assert (again.was_new, again.rows, again.version) == (False, 0, first.version)
    assert entries_of(warehouse) == [("a", 1, 5), ("a", 2, 6)]
    other = warehouse.append("entry_counts", counts(spark, ("a", 3, 7)), txn="t2")
    assert (other.was_new, other.rows, other.version) == (True, 1, first.version + 1)
    assert entries_of(warehouse) == [("a", 1, 5), ("a", 2, 6), ("a", 3, 7)]
    # The same transaction name is new for another table.
    runs = spark.createDataFrame([], TABLES["run_statistics"].ddl)
    assert warehouse.append("run_statistics", runs, txn="t1").was_new


def test_replace_touches_one_partition_only_and_can_be_repeated(spark, warehouse):
    """Only the rows of one snapshot are replaced. A quote in a name is escaped in the condition."""
    warehouse.append("entry_counts", counts(spark, ("a", 1, 5), ("b", 1, 6), ("it's", 1, 7)))
    for _ in range(2):
        commit = warehouse.replace("entry_counts", counts(spark, ("a", 2, 8)), metadata_id="m", snapshot="a")
        assert (commit.was_new, commit.rows) == (True, 1)
    assert entries_of(warehouse) == [("a", 2, 8), ("b", 1, 6), ("it's", 1, 7)]
    warehouse.replace("entry_counts", counts(spark, ("it's", 3, 9)), metadata_id="m", snapshot="it's")
    assert entries_of(warehouse) == [("a", 2, 8), ("b", 1, 6), ("it's", 3, 9)]
    emptied = warehouse.replace("entry_counts", counts(spark), metadata_id="m", snapshot="b")
    assert (emptied.was_new, emptied.rows) == (True, 0)
    assert entries_of(warehouse) == [("a", 2, 8), ("it's", 3, 9)]


HOSTILE_NAMES = (
    "a' OR '1' = '1",
    "a\\' OR 1 = 1 --",
    "\\",
    "a'; DROP TABLE entry_counts; --",
    "a') OR (true",
    "`) /* */",
    "${spark.app.name}",
    "${env:METACLIP_CANARY}",
    ":a ? {a} %s $a",
    "\\u0027 OR true",
)
"""Names of snapshots that mean something in SQL, or in Spark's substitution of variables."""


@pytest.mark.parametrize("logs", ["delta-rs", pytest.param("Spark", marks=pytest.mark.slow)])
def test_a_value_is_never_a_part_of_a_statement(spark, warehouse, monkeypatch, request, logs):
    """Each row is replaced and deleted by its name alone, and no variable of the environment is in the log."""
    if logs == "Spark":
        if is_embedded(spark):
            pytest.skip("the embedded engine writes by delta-rs only")
        warehouse._logs = warehouse._statements
    monkeypatch.setenv("METACLIP_CANARY", "canary0environment")
    if not is_embedded(spark):  # as in a session of the user's, which is used as it is
        spark.conf.set("spark.sql.variable.substitute", "true")
        request.addfinalizer(lambda: spark.conf.set("spark.sql.variable.substitute", "false"))
    warehouse.append("entry_counts", counts(spark, *((name, 1, 5) for name in HOSTILE_NAMES)))
    left = {(name, 1, 5) for name in HOSTILE_NAMES}
    for name in HOSTILE_NAMES[::2]:
        warehouse.replace("entry_counts", counts(spark, (name, 2, 6)), metadata_id="m", snapshot=name)
        left = left - {(name, 1, 5)} | {(name, 2, 6)}
    assert set(entries_of(warehouse)) == left
    for name in HOSTILE_NAMES:
        warehouse.delete("entry_counts", snapshot=name)
        left = {one for one in left if one[0] != name}
        assert set(entries_of(warehouse)) == left, name
    log = Path(warehouse.root, "entry_counts", "_delta_log")
    assert not [file for file in log.rglob("*") if file.is_file() and b"canary0" in file.read_bytes()]


def test_replace_refuses_rows_of_another_partition(spark, warehouse):
    """Rows that do not meet the condition are not written."""
    with pytest.raises(Exception, match="DELTA_REPLACE_WHERE_MISMATCH|replaceWhere|does not conform|are replaced"):
        warehouse.replace("entry_counts", counts(spark, ("b", 1, 1)), metadata_id="m", snapshot="a")
    assert entries_of(warehouse) == []


def test_table_can_be_read_as_of_a_version(spark, warehouse):
    """A pinned version has the rows of its time. A missing table reads as empty, with its schema."""
    assertDataFrameEqual(warehouse.read("entry_counts"), counts(spark))
    assert warehouse.version("entry_counts") is None
    then = warehouse.append("entry_counts", counts(spark, ("a", 1, 5)))
    warehouse.replace("entry_counts", counts(spark, ("a", 2, 6)), metadata_id="m", snapshot="a")
    assert warehouse.version("entry_counts") > then.version
    assertDataFrameEqual(warehouse.read("entry_counts", then.version), counts(spark, ("a", 1, 5)))


def test_rows_of_the_log_of_runs_cannot_be_deleted(full):
    """`runs` is append-only for Delta, not only by convention."""
    with pytest.raises(Exception, match="DELTA_CANNOT_MODIFY_APPEND_ONLY|append"):
        full.delete("runs", run_id="x")


@pytest.mark.parametrize("first", ["replace", pytest.param("append", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["run_statistics", pytest.param("entry_counts", marks=pytest.mark.slow)])
def test_the_first_write_into_a_table_of_a_catalog_may_replace_a_partition(spark, tmp_path, first, name):
    """The partition columns are not the last ones, which Spark's own catalog expects of a table that it replaces."""
    if is_embedded(spark):
        pytest.skip("the embedded engine has no catalogs")
    schema = f"first_{uuid.uuid4().hex[:8]}"
    spark.sql(f"CREATE SCHEMA {schema} LOCATION '{tmp_path}/tables'")
    try:
        warehouse = Warehouse(spark, catalog=f"spark_catalog.{schema}")
        place = {key: "a" for key in TABLES[name].partitioned_by}

        def of(number: int, **instead: str):
            row = {**place, "name": "n", "key": number, "value": 1, "lang": "en", "entry_id": number, "count": 1}
            full = tuple({**row, **instead}.get(column) for column in TABLES[name].names)
            return spark.createDataFrame([full], TABLES[name].ddl)

        other = {TABLES[name].partitioned_by[-1]: "b"}
        if first == "append":
            assert warehouse.append(name, of(1), txn="t").rows == 1
        for number in (2, 3):
            commit = warehouse.replace(name, of(number), txn=f"r{number}", **place)
            assert (commit.was_new, commit.rows) == (True, 1)
        assert not warehouse.replace(name, of(4), txn="r3", **place).was_new
        assert warehouse.append(name, of(5, **other), txn="u").rows == 1
        with pytest.raises(Exception, match="(?i)replacewhere|constraint|DELTA_REPLACE_WHERE_MISMATCH"):
            warehouse.replace(name, of(6, **other), **place)
        key = "key" if name == "run_statistics" else "entry_id"
        assert sorted(row[key] for row in warehouse.read(name).collect()) == [3, 5]
        assert warehouse.columns(name) == TABLES[name].names
        (part,) = [part for part in warehouse.files(name) if part.partition == place]
        assert part.rows == 1
    finally:
        spark.sql(f"DROP SCHEMA {schema} CASCADE")


def test_logs_answer_through_spark_as_through_delta_rs(spark, warehouse):
    """Numbers of rows, and values of columns, come from the log for stores that delta-rs does not read, too.

    No data file is there. Where a file has several values, the log has no answer, and the file is read.
    """
    if is_embedded(spark):
        pytest.skip("the embedded engine reads all logs through delta-rs")
    for snapshot, batches in (("a", "xy"), ("a", "z"), ("b", "x")):
        rows = [(snapshot, "m", batch) for batch in batches]
        frame = spark.createDataFrame(rows, "snapshot string, metadata_id string, batch_id string").coalesce(1)
        columns = [c for c in TABLES["outcomes"].columns if c.name not in frame.columns]
        nulls = {column.name: F.lit(None).cast(column.type) for column in columns}
        warehouse.append("outcomes", frame.withColumns(nulls))
    for path in Path(warehouse.root, "outcomes").rglob("*.parquet"):
        path.unlink()
    through_spark = SparkLogs(Engine.of(spark), warehouse.root, None)
    for logs in (through_spark, DeltaLogs(warehouse.root)):
        assert [logs.count("outcomes", snapshot=name) for name in "abc"] == [3, 1, 0]
        assert logs.count("outcomes") == 4
        assert logs.values("outcomes", "batch_id", snapshot="b") == ["x"]
        assert logs.values("outcomes", "batch_id", snapshot="c") == []
        assert logs.values("outcomes", "batch_id", snapshot="a") is None
        assert logs.values("outcomes", "source_path", snapshot="a") is None


def test_deleted_staged_rows_are_removed_with_their_files(spark, warehouse):
    """After deletion and `remove_files`, the table has no data file and reads as empty."""
    table = TABLES["extracted"]
    row = {"metadata_id": "m", "snapshot": "s", "kind": "pair", "batch_id": "b", "text": "t"}
    frame = spark.createDataFrame([tuple(row.get(name) for name in table.names)], table.ddl)
    warehouse.append("extracted", frame)
    files = [path for path in Path(warehouse.root, "extracted").rglob("*.parquet") if "_delta_log" not in path.parts]
    assert files
    warehouse.remove_files("extracted")
    assert warehouse.read("extracted").count() == 1
    warehouse.delete("extracted", metadata_id="m", snapshot="s")
    warehouse.remove_files("extracted")
    remaining = [
        path for path in Path(warehouse.root, "extracted").rglob("*.parquet") if "_delta_log" not in path.parts
    ]
    assert remaining == []
    assert Warehouse(spark, warehouse.root).read("extracted").isEmpty()
    assert warehouse.append("extracted", frame).rows == 1


@pytest.mark.slow
def test_merged_rows_are_removed_from_the_files_and_the_log_too(spark, warehouse):
    """A row is in its old file until vacuum. With deletion vectors (Spark) it is only marked until purge and vacuum."""
    table = TABLES["pairs"]
    rows = [{"metadata_id": "m", "snapshot": "s", "pair_id": name, "url": f"u://{name}"} for name in ("here", "gone")]
    frame = spark.createDataFrame([tuple(row.get(name) for name in table.names) for row in rows], table.ddl)
    warehouse.append("pairs", frame.coalesce(1))
    if not is_embedded(spark):
        where = warehouse.identifier("pairs")
        spark.sql(f"ALTER TABLE {where} SET TBLPROPERTIES ('delta.enableDeletionVectors' = 'true')")

    def suffixes_with(word: str) -> set[str]:
        files = [path for path in Path(warehouse.root, "pairs").rglob("*") if path.is_file()]
        contents = {path: path.read_bytes() for path in files}
        parquet = [path for path in files if path.suffix == ".parquet"]
        contents |= {path: str(pq.ParquetFile(path).read().to_pylist()).encode() for path in parquet}
        return {path.suffix for path in files if word.encode() in contents[path]}

    on = ["metadata_id", "snapshot", "pair_id"]
    keys = frame.where("pair_id = 'gone'").select(*on)
    assert warehouse.merge("pairs", keys, on) == 1
    assert warehouse.merge("pairs", keys, on) == 0
    assert warehouse.merge("sightings", keys, on) == 0  # the table does not exist yet
    assert [row["url"] for row in warehouse.read("pairs").collect()] == ["u://here"]
    assert suffixes_with("u://gone") == {".parquet"}
    warehouse.purge("pairs")
    warehouse.vacuum("pairs", 0)
    assert (suffixes_with("u://gone"), suffixes_with("u://here")) == (set(), {".parquet"})
    assert [row["url"] for row in warehouse.read("pairs").collect()] == ["u://here"]


def test_replace_with_a_transaction_is_made_once(spark, warehouse):
    """A repeated replace is skipped, because its rows would be computed from its own result."""
    for number, was_new in ((5, True), (7, False)):
        commit = warehouse.replace("entry_counts", counts(spark, ("a", 1, number)), txn="t", snapshot="a")
        assert commit.was_new == was_new
    assert entries_of(warehouse) == [("a", 1, 5)]


def test_every_write_asks_the_guard_first(spark, tmp_path):
    """If the guard refuses (a lost lease), nothing is created, appended, replaced, merged or deleted."""
    path = str(tmp_path / "guarded")
    allowed = Warehouse(spark, path)
    allowed.append("entry_counts", counts(spark, ("a", 1, 5)))

    def refuse() -> None:
        raise LeaseError("lost")

    refused = Warehouse(spark, path, guard=refuse)
    writes = [
        lambda: refused.ensure("pairs"),
        lambda: refused.append("entry_counts", counts(spark, ("a", 2, 5))),
        lambda: refused.replace("entry_counts", counts(spark, ("a", 2, 5)), snapshot="a"),
        lambda: refused.delete("entry_counts", snapshot="a"),
        lambda: refused.delete("entry_counts", entry_id="1"),
        lambda: refused.delete("entry_counts"),
        lambda: refused.merge("entry_counts", counts(spark, ("a", 1, 5)), ["snapshot", "entry_id"]),
    ]
    for write in writes:
        with pytest.raises(LeaseError, match="^lost$"):
            write()
    assert entries_of(allowed) == [("a", 1, 5)]
    assert not refused.exists("pairs")


def test_log_holds_no_urls_and_no_texts(spark, warehouse):
    """`_delta_log` has no minimum and maximum of urls, texts, records and reasons."""
    skipped = {"snapshot", "metadata_id", "run_id"}  # partition columns are in every path
    for name in ("extracted", "sources", "rejects", "pairs", "entry_counts", "curated_pairs"):
        table = TABLES[name]
        values = []
        for column in table.columns:
            value = None
            if column.name in skipped:
                value = "p"
            elif column.type == "string":
                value = f"{column.name}-{SENTINEL}"
            elif column.type == "map<string,string>":
                value = {SENTINEL: SENTINEL}
            elif column.type == "bigint":
                value = 1
            elif column.type == "double":
                value = {"draw": 0.25, "sampling_probability": 0.5}[column.name]
            values.append(value)
        warehouse.append(name, spark.createDataFrame([tuple(values)], table.ddl))
        in_log = [
            value
            for path in Path(warehouse.root, name, "_delta_log").glob("*.json")
            for value in path.read_text().split('"')
            if SENTINEL in value
        ]
        columns = {value.partition(f"-{SENTINEL}")[0].strip("\\") for value in in_log}
        assert columns <= set(table.stats_columns), f"{name}: {columns}"
        assert not columns & {"url", "text", "page_url", "record", "detail", "source_path", "entry"}


def test_the_log_has_statistics_of_the_declared_columns(spark, warehouse):
    """Files of `pairs` can be skipped by pair_id, because its minimum and maximum are in the log."""
    table = TABLES["pairs"]
    row = {"metadata_id": "m", "snapshot": "s", "pair_id": "0123", "url": "u"}
    warehouse.append("pairs", spark.createDataFrame([tuple(row.get(n) for n in table.names)], table.ddl))
    added = [
        json.loads(line)["add"]
        for path in Path(warehouse.root, "pairs", "_delta_log").glob("*.json")
        for line in path.read_text().splitlines()
        if '"add"' in line
    ]
    assert json.loads(added[0]["stats"])["minValues"] == {"pair_id": "0123"}


def test_a_table_with_an_unreadable_log_is_not_a_missing_table(spark, warehouse):
    """A damaged table is an error, and does not read as empty."""
    warehouse.append("entry_counts", counts(spark, ("a", 1, 5)))
    for path in Path(warehouse.root, "entry_counts", "_delta_log").glob("*"):
        if path.is_file() and (path.suffix == ".json" or path.name.endswith(".crc")):
            path.write_text("not json\n")
    for hidden in Path(warehouse.root, "entry_counts", "_delta_log").glob(".*.crc"):
        hidden.unlink(missing_ok=True)
    if not is_embedded(spark):
        spark._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()
    with pytest.raises(Exception, match="(?i)json|malformed|parse|token|delta"):
        Warehouse(spark, warehouse.root).read("entry_counts").select(F.sum("count")).collect()


@pytest.mark.parametrize("catalog", ["spark_catalog.nowhere", "nowhere.pool"])
def test_missing_schema_is_reported_with_what_to_do(spark, catalog):
    """No schema is created: the deployment decides who may create schemas, and where they are."""
    if is_embedded(spark):
        with pytest.raises(WarehouseError, match=f"writes to local folders .*, got {catalog}. .* use --engine spark"):
            Warehouse(spark, catalog=catalog)
        return
    sentence = rf"schema {catalog} does not exist, .* Make it first: CREATE SCHEMA {catalog}"
    with pytest.raises(WarehouseError, match=sentence):
        Warehouse(spark, catalog=catalog).ensure("entry_counts")


def test_a_catalog_has_a_view_of_the_current_subset(spark, tmp_path):
    """The view `curated_current` follows `current_run`; a folder has the table alone."""
    if is_embedded(spark):
        pytest.skip("the embedded engine has no catalogs")
    spark.sql(f"CREATE SCHEMA IF NOT EXISTS viewed LOCATION '{tmp_path}/viewed'")
    try:
        warehouse = Warehouse(spark, catalog="spark_catalog.viewed")
        warehouse.ensure("curated_pairs")
        values = "SELECT id, 1.0D, 0.5D FROM VALUES ('r1'), ('r2') AS t(id)"
        where = "spark_catalog.viewed.curated_pairs (run_id, sampling_probability, draw)"
        spark.sql(f"INSERT INTO {where} {values}")
        for run_id in ("r1", "r2"):
            log = SimpleNamespace(draws=lambda named=run_id: {named: None})
            name_current_run(warehouse, log)
            found = spark.sql("SELECT run_id FROM spark_catalog.viewed.curated_current").collect()
            assert [row["run_id"] for row in found] == [run_id]
        name_current_run(warehouse, SimpleNamespace(draws=dict))
        assert spark.sql("SELECT * FROM spark_catalog.viewed.curated_current").isEmpty()
    finally:
        spark.sql("DROP SCHEMA IF EXISTS viewed CASCADE")


def test_a_catalog_has_the_tables_by_name(spark, tmp_path):
    """With a catalog, the same calls work on `catalog.schema.table`."""
    if is_embedded(spark):
        pytest.skip("the embedded engine has no catalogs")
    spark.sql(f"CREATE SCHEMA named LOCATION '{tmp_path / 'named'}'")
    try:
        named = Warehouse(spark, catalog="spark_catalog.named")
        assert not named.exists("entry_counts")
        assertDataFrameEqual(named.read("entry_counts"), counts(spark))
        first = named.append("entry_counts", counts(spark, ("a", 1, 5)), txn="t")
        assert (first.was_new, first.rows) == (True, 1)
        assert not named.append("entry_counts", counts(spark, ("a", 1, 5)), txn="t").was_new
        named.replace("entry_counts", counts(spark, ("a", 2, 6)), metadata_id="m", snapshot="a")
        assert spark.table("spark_catalog.named.entry_counts").select("entry_id").collect() == [(2,)]
        named.delete("entry_counts", snapshot="a")
        assert named.read("entry_counts").isEmpty()
    finally:
        spark.sql("DROP SCHEMA named CASCADE")


def test_warehouse_needs_exactly_one_place(spark):
    """If both or neither of path and catalog are given, the error names their values."""
    with pytest.raises(WarehouseError, match="expected a warehouse or a catalog, got warehouse=None and catalog=None"):
        Warehouse(spark)
    with pytest.raises(WarehouseError, match="got warehouse='a' and catalog='b.c'"):
        Warehouse(spark, "a", "b.c")


def test_missing_column_in_a_write_is_an_error_and_not_a_null(spark, warehouse):
    """A write selects the table's columns by name, so a column that a stage forgot is an error."""
    rows = counts(spark, ("a", 1, 5)).drop("count")
    for write in (
        lambda: warehouse.append("entry_counts", rows),
        lambda: warehouse.replace("entry_counts", rows, metadata_id="m", snapshot="a"),
    ):
        with pytest.raises((AnalysisException, WarehouseError), match="count"):
            write()
    assert entries_of(warehouse) == []


OTHER_NAMES = ("ba`ck", """it's 5 of $x "ü" {a} * `q` &+=;,!~@()<>""", "a#b?c", "${spark.app.name}")


@pytest.mark.parametrize(
    "name",
    [
        "``",
        """it's 50%20 of $x "ü" [1] {a} * `q`""",
        *(pytest.param(name, marks=pytest.mark.slow) for name in OTHER_NAMES),
    ],
)
def test_a_warehouse_may_have_any_name(spark, tmp_path, name):
    """Quotes, spaces, backticks, percent, dollars, globs and other scripts: every statement finds the table."""
    if is_embedded(spark) and not can_name(name):
        with pytest.raises(WarehouseError, match="without % .* in their names, got .* use --engine spark"):
            Warehouse(spark, str(tmp_path / name / "warehouse"))
        assert list(tmp_path.iterdir()) == []
        return
    warehouse = Warehouse(spark, str(tmp_path / name / "warehouse"))
    rows = spark.createDataFrame([("a", "n", 1, 2)], TABLES["run_statistics"].ddl)
    first = warehouse.append("run_statistics", rows, txn="x")
    second = warehouse.replace("run_statistics", rows, run_id="a")
    assert first.version < second.version
    assert warehouse.read("run_statistics", second.version).count() == 1
    assert warehouse.merge("run_statistics", rows, ["run_id"]) == 1
    warehouse.append("run_statistics", rows, txn="y")
    warehouse.delete("run_statistics", run_id="a")
    warehouse.remove_files("run_statistics")
    assert [path.name for path in (tmp_path / name / "warehouse" / "run_statistics").iterdir()] == ["_delta_log"]
    assert warehouse.read("run_statistics").isEmpty()
