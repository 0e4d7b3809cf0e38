"""Rows of other libraries give the verbs' results of a pyarrow Table; what holds no rows is refused with a sentence."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

import metaclip_spark as mc
from metaclip_spark.errors import InputError

ENTRIES = ["photo", "otter", "an otter"]
PAIRS = pa.table(
    {
        "url": [f"https://example.org/{n}.jpg" for n in range(300)],
        "text": ["a photo", "an otter", "xyzzy", None] * 75,
        "tags": [["x", None], None, [], ["y"]] * 75,
    }
)


class Stream:
    """An object that has the Arrow PyCapsule interface alone, and can be read once."""

    def __init__(self, table: pa.Table) -> None:
        self._tables = [table]

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._tables.pop().__arrow_c_stream__(requested_schema)


def library(name: str) -> Any:
    """Import a library that may be missing; its own warnings are not errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(name, reason=f"{name} is not installed: pip install {name}")


def files_of(table: pa.Table, folder: Path) -> Path:
    """Write a table as Parquet files of a folder whose types differ."""
    pq.write_table(table.slice(0, 100), folder / "a.parquet")
    wide = table.schema.set(0, pa.field("url", pa.large_string()))
    pq.write_table(table.slice(100).cast(wide), folder / "b.parquet")
    return folder


def views(table: pa.Table) -> pa.Table:
    """Return a table with views of strings and lists, as Polars and DataFusion give them."""
    kinds = [pa.string_view(), pa.string_view(), pa.list_view(pa.string_view())]
    columns = [column.cast(kind) for column, kind in zip(table.columns[:2], kinds[:2], strict=True)]
    return pa.table([*columns, pa.array(table["tags"].to_pylist(), kinds[2])], table.column_names)


def of_duckdb(table: pa.Table, folder: Path) -> Any:
    """Return a DuckDB relation over a file of the table."""
    duckdb = library("duckdb")
    pq.write_table(table, folder / "one.parquet")
    return duckdb.sql(f"SELECT * FROM '{folder}/one.parquet'")


KINDS: dict[str, Callable[[pa.Table, Path], Any]] = {
    "pandas": lambda table, _: table.to_pandas(),
    "pandas of Arrow columns": lambda table, _: table.to_pandas(types_mapper=pd.ArrowDtype),
    "pandas with an index of strings": lambda table, _: table.to_pandas().set_index(pd.Index([*map(str, range(300))])),
    "record batch": lambda table, _: table.combine_chunks().to_batches()[0],
    "reader": lambda table, _: table.to_reader(7),
    "list of batches": lambda table, _: table.to_batches(7),
    "generator of batches": lambda table, _: (batch for batch in table.to_batches(7)),
    "views": lambda table, _: views(table),
    "stream": lambda table, _: Stream(table),
    "pyarrow dataset": lambda table, folder: ds.dataset(table),
    "scanner": lambda table, folder: ds.dataset(table).scanner(),
    "folder": lambda table, folder: files_of(table, folder),
    "glob": lambda table, folder: f"{files_of(table, folder)}/*.parquet",
    "polars": lambda table, _: library("polars").from_arrow(table),
    "polars, lazy": lambda table, _: library("polars").from_arrow(table).lazy(),
    "duckdb": of_duckdb,
    "datasets": lambda table, _: library("datasets").Dataset(table),
    "datasets, selected": lambda table, _: (
        library("datasets").Dataset(pa.concat_tables([table, table])).select(range(300))
    ),
    "datasets, iterable": lambda table, _: library("datasets").Dataset(table).to_iterable_dataset(),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_verb_takes_rows_of_other_libraries(kind, tmp_path):
    """Every verb gives what it gives for a Table; counts come back through the same library."""
    numbers = iter(range(100))

    def made(table: pa.Table) -> Any:
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        return KINDS[kind](table, folder) if table is PAIRS or kind in EVERY_TABLE else table

    curated = mc.local.curate(PAIRS, ENTRIES, threshold=20)
    assert 20 <= curated.num_rows < 150
    found = mc.curate(made(PAIRS), ENTRIES, threshold=20)
    assert isinstance(found, pa.Table)
    assert found.to_pydict() == curated.to_pydict()
    matched = mc.local.match(PAIRS, ENTRIES)
    assert mc.local.match(made(PAIRS), ENTRIES).to_pydict() == matched.to_pydict()
    counts = mc.local.count_entries(matched, ENTRIES)
    assert mc.local.count_entries(made(matched), ENTRIES).to_pydict() == counts.to_pydict()
    assert mc.sweep(made(matched), made(counts), [20]) == mc.sweep(matched, counts, [20])
    kept = mc.balance(made(matched), made(counts), threshold=20)
    assert kept.to_pydict() == mc.balance(matched, counts, threshold=20).to_pydict()
    explained = mc.explain(made(PAIRS), ENTRIES, made(counts), threshold=20)
    assert explained.to_pydict() == mc.explain(PAIRS, ENTRIES, counts, threshold=20).to_pydict()
    assert mc.choose_threshold(made(counts), ENTRIES, 0.9) == mc.choose_threshold(counts, ENTRIES, 0.9)


EVERY_TABLE = {"pandas", "reader", "stream", "polars", "polars, lazy", "duckdb", "datasets", "generator of batches"}
"""Kinds that any table can be turned into, not PAIRS alone."""


def test_missing_values_of_pandas_are_nulls():
    """None, NaN and pandas' NA are no text; the word nan is one."""
    frame = pd.DataFrame({"text": ["a photo", None, np.nan, pd.NA, "nan"]}, index=[9, 9, 9, 9, 9])
    matched = mc.local.match(frame, ["photo", "nan"])
    assert matched.column_names == ["text", "entry_ids"]
    assert matched["entry_ids"].to_pylist() == [[0], None, None, None, [1]]
    frame = pd.DataFrame({"text": [np.nan, np.nan]})
    with pytest.raises(InputError, match="column 'text' holds double; expected strings"):
        mc.local.match(frame, ENTRIES)


def test_a_column_of_nulls_alone_gives_nulls():
    """Arrow's null type is what a column without a value has."""
    table = pa.table({"url": pa.nulls(2), "text": pa.nulls(2)})
    assert mc.local.match(table, ENTRIES)["entry_ids"].to_pylist() == [None, None]
    assert mc.local.curate(table, ENTRIES, threshold=20).num_rows == 0
    no_ids = pa.table({"id": [1], "entry_ids": pa.nulls(1)})
    assert mc.local.count_entries(no_ids).num_rows == 0


def test_views_come_back_in_types_that_arrow_can_filter():
    """Views are replaced wherever they are nested; other types stay."""
    nested = pa.array(
        [{"a": "x", "b": [b"y"]}], pa.struct([("a", pa.string_view()), ("b", pa.list_(pa.binary_view()))])
    )
    table = pa.table({"id": pa.array([1], pa.int8()), "text": pa.array(["an otter"], pa.string_view()), "s": nested})
    curated = mc.local.curate(table, ENTRIES, threshold=20, key="id")
    assert curated.schema.types[:3] == [
        pa.int8(),
        pa.large_string(),
        pa.struct([("a", pa.large_string()), ("b", pa.list_(pa.large_binary()))]),
    ]
    assert curated.num_rows == 1


@pytest.mark.parametrize(
    "kind",
    [
        *(pa.list_(pa.int64()), pa.large_list(pa.uint32()), pa.list_view(pa.int32())),
        *(pa.list_(pa.int32(), 1), pa.large_list(pa.null())),
    ],
    ids=str,
)
def test_entry_ids_may_be_any_list_of_integers(kind):
    """Other libraries widen integers and lists on the way."""
    ids = [[]] * 3 if pa.types.is_null(kind.value_type) else [[1]] * 3
    counts = mc.local.count_entries(pa.table({"entry_ids": pa.array(ids, kind)}))
    assert counts.to_pylist() == ([{"entry_id": 1, "count": 3}] if ids[0] else [])


def test_bytes_are_texts_if_they_are_utf8():
    """Parquet files without the annotation of strings have bytes."""
    texts = [b"an otter", "a phöto".encode(), None]
    assert mc.local.match(pa.table({"text": texts}), ENTRIES)["entry_ids"].to_pylist() == [[1, 2], [], None]
    with pytest.raises(InputError, match="match: column 'text' holds bytes that are not UTF-8; expected strings"):
        mc.local.match(pa.table({"text": [b"\xff"]}), ENTRIES)


def test_a_folder_of_hive_partitions_gives_the_column_of_their_names(tmp_path):
    """Files that differ in their columns and in the width of a type become one table; nothing is left out."""
    for lang, extra in (("de", {}), ("en", {"size": [7]})):
        (tmp_path / f"lang={lang}").mkdir()
        rows = pa.table({"url": [lang], "text": ["an otter"], **extra})
        pq.write_table(rows, tmp_path / f"lang={lang}" / "0.parquet")
    rows = mc.local.match(tmp_path, ENTRIES).select(["url", "size", "lang", "entry_ids"]).to_pylist()
    assert rows == [
        {"url": "de", "size": None, "lang": "de", "entry_ids": [1, 2]},
        {"url": "en", "size": 7, "lang": "en", "entry_ids": [1, 2]},
    ]


def test_a_column_of_a_file_comes_before_a_folder_of_its_name(tmp_path):
    """A folder's value is a string, and only folders below the given path give one."""
    folder = tmp_path / "year=2020" / "text=folder" / "shard=01"
    folder.mkdir(parents=True)
    pq.write_table(pa.table({"url": ["u", "v"], "text": ["an otter", "xyzzy"]}), folder / "0.parquet")

    def read(path: Path | str) -> dict[str, list[Any]]:
        return mc.local.match(path, ENTRIES).drop_columns("entry_ids").to_pydict()

    own = {"url": ["u", "v"], "text": ["an otter", "xyzzy"]}
    assert read(tmp_path) == own | {"year": ["2020", "2020"], "shard": ["01", "01"]}
    assert read(tmp_path / "year=2020") == own | {"shard": ["01", "01"]}
    assert read(f"{tmp_path}/year=2020/*/shard=*/*.parquet") == own | {"shard": ["01", "01"]}
    assert read(folder) == read(folder / "0.parquet") == own


def test_a_file_outside_of_a_named_folder_has_null_there(tmp_path):
    """Each file's rows get the values of its own folders, decoded as Spark writes them."""
    for place in ("a.parquet", "lang=pt%2DBR/b.parquet", "lang=__HIVE_DEFAULT_PARTITION__/c.parquet"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        pq.write_table(pa.table({"url": [place[-9]] * 2, "text": ["an otter"] * 2}), tmp_path / place)
    found = mc.local.match(tmp_path, ENTRIES).sort_by("url")
    assert found["lang"].to_pylist() == [None, None, "pt-BR", "pt-BR", None, None]


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (
            lambda: PAIRS.to_reader(),
            "match: the RecordBatchReader was read already; read it into a Table once (reader.read_all()) and give "
            "that.",
        ),
        (
            lambda: ds.Scanner.from_batches(PAIRS.to_reader()),
            "match: the Scanner was read already; read it into a Table once (scanner.to_table()) and give that.",
        ),
        (
            lambda: iter(PAIRS.to_batches()),
            "match: got no record batch, so there are no columns; expected at least one, even if empty. An iterator "
            "that was read already has none.",
        ),
    ],
    ids=["reader", "scanner of batches", "iterator"],
)
def test_what_can_be_read_once_is_refused_the_second_time(made, message):
    """A second verb gets an error instead of an empty table."""
    rows = made()
    assert mc.local.match(rows, ENTRIES).num_rows == 300
    with pytest.raises(InputError) as raised:
        mc.local.match(rows, ENTRIES)
    assert str(raised.value) == message


@pytest.mark.parametrize("kind", ["Categorical", "Enum"])
def test_categories_of_polars_are_texts_and_keys(kind):
    """A dictionary of views gives what its values give."""
    polars = library("polars")
    frame = polars.DataFrame({"id": [str(n) for n in range(60)], "text": ["a photo", "an otter"] * 30})
    made = [polars.Enum(sorted(set(frame[name]))) if kind == "Enum" else polars.Categorical for name in ("id", "text")]
    categories = frame.with_columns(frame["id"].cast(made[0]), frame["text"].cast(made[1]))
    wanted = mc.local.curate(frame, ENTRIES, threshold=10, key="id")
    found = mc.local.curate(categories, ENTRIES, threshold=10, key="id")
    assert found.to_pydict() == wanted.to_pydict()
    assert 0 < found.num_rows < 60
    assert mc.local.curate(categories.head(0), ENTRIES, threshold=10, key="id").num_rows == 0


@pytest.mark.parametrize("dtype", [None, object])
def test_an_empty_frame_of_pandas_gives_an_empty_table(dtype):
    """Columns without values have the dtype float64 or object in pandas."""
    frame = pd.DataFrame({"url": [], "text": []}, dtype=dtype)
    curated = mc.curate(frame, ENTRIES, threshold=1)
    assert (curated.num_rows, curated.column_names[:2]) == (0, ["url", "text"])
    by_key = mc.curate(frame, ENTRIES, threshold=1, key="url")
    assert by_key.num_rows == 0


def raises_in_the_middle() -> Iterator[pa.RecordBatch]:
    yield PAIRS.to_batches()[0]
    raise OSError("the disk is gone")


def test_an_error_of_the_source_is_the_callers():
    """What a generator raises is not hidden."""
    with pytest.raises(OSError, match="the disk is gone"):
        mc.local.match(raises_in_the_middle(), ENTRIES)


def written(folder: Path, name: str, content: object) -> Path:
    path = folder / name
    if isinstance(content, pa.Table):
        pq.write_table(content, path)
    else:
        path.write_text(str(content), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        (lambda _: PAIRS["text"], TypeError, "got pyarrow.lib.ChunkedArray. It is a column, not a table."),
        (lambda _: PAIRS.to_pandas()["text"], TypeError, "got pandas.core.series.Series."),
        (lambda _: pd.DataFrame, TypeError, "got builtins.type."),
        (lambda _: ["a photo"], TypeError, "got builtins.list. It yields builtins.str; expected record batches."),
        (lambda _: [], InputError, "match: got no record batch, so there are no columns"),
        (
            lambda _: [pa.record_batch({"text": ["x"]}), pa.record_batch({"text": [1]})],
            InputError,
            "match: the record batches differ in their columns",
        ),
        (
            lambda _: pd.DataFrame({"text": ["a photo"] * 2, "mixed": [1, "a"]}),
            InputError,
            "match: the pandas DataFrame cannot be converted to Arrow",
        ),
        (
            lambda _: pd.DataFrame([["a photo", 1, 2]], columns=["text", "n", "n"]),
            InputError,
            "match: 2 columns of the pandas DataFrame are named 'n'; expected one. Rename or drop the others.",
        ),
        (
            lambda _: pa.table([["a"], ["b"]], ["text", "text"]),
            InputError,
            "match: 2 columns are named 'text'; expected one. Rename or drop the others.",
        ),
        (lambda folder: folder / "none", InputError, "none does not exist; expected a file, a folder or a glob."),
        (
            lambda folder: written(folder, "pairs.csv", "url,text\nu,a photo\n"),
            InputError,
            "pairs.csv is csv; expected Parquet. Read it with pandas, Polars or DuckDB",
        ),
        (
            lambda folder: (
                [written(folder, f"{n}.parquet", pa.table({"text": v})) for n, v in enumerate(["a", [1]])] and folder
            ),
            InputError,
            "cannot be read as one table",
        ),
    ],
)
def test_what_holds_no_rows_is_refused(rows, error, message, tmp_path):
    """The error says what it got and what it takes."""
    with pytest.raises(error) as raised:
        mc.match(rows(tmp_path), ENTRIES)
    assert message in str(raised.value)


def test_splits_of_a_dataset_are_named():
    """A dictionary of splits is not one table."""
    datasets = library("datasets")
    splits = datasets.DatasetDict(train=datasets.Dataset(PAIRS), test=datasets.Dataset(PAIRS))
    with pytest.raises(TypeError, match=r"with the splits \['test', 'train'\]; give one, as in splits\['train'\]"):
        mc.curate(splits, ENTRIES)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["URL", "TEXT"], "match: column 'text' is missing; got ['URL', 'TEXT']. text_column names the texts; perhaps "
         "text_column='TEXT'."),
        (["image_url", "caption"], "text_column names the texts; perhaps text_column='caption'."),
        (["alt", "caption"], "perhaps text_column='alt' or text_column='caption'."),
        (["a", "b"], "got ['a', 'b']. text_column names the texts."),
    ],
)  # fmt: skip
def test_a_missing_column_names_the_argument_and_the_columns_that_may_be_meant(columns, message):
    """No column is guessed; the error says what to write."""
    table = pa.table([["u"], ["a photo"]], columns)
    with pytest.raises(InputError) as raised:
        mc.match(table, ENTRIES)
    assert str(raised.value).endswith(message)


def test_a_refused_column_is_not_suggested():
    """Only other columns may be meant."""
    with pytest.raises(InputError) as raised:
        mc.match(pd.DataFrame({"text": [1, 2]}), ENTRIES)
    assert str(raised.value) == "match: column 'text' holds int64; expected strings. text_column names the texts."
    with pytest.raises(InputError, match=r"names the texts; perhaps text_column='caption'\.$"):
        mc.match(pd.DataFrame({"text": [1], "caption": ["a photo"]}), ENTRIES)


def test_a_missing_url_names_the_argument():
    """The key of the draw may be named instead."""
    with pytest.raises(InputError) as raised:
        mc.curate(pd.DataFrame({"URL": ["u"], "text": ["a photo"]}), ENTRIES, threshold=1)
    assert str(raised.value) == (
        "curate: the draw needs a key for each row, and column 'url' is missing; got ['URL', 'text']. key names the "
        "column that identifies a row, or url_column names the image urls; perhaps url_column='URL'."
    )


def test_keys_of_any_type_are_texts():
    """Integers and decimals are digits, UUIDs have dashes, bytes are hex; a dictionary makes no difference."""
    numbers = list(range(60))
    uuids = [bytes([n]) * 16 for n in numbers]
    forms = [
        (pa.array(numbers), [str(n) for n in numbers]),
        (pa.array(numbers, pa.uint64()).dictionary_encode(), [str(n) for n in numbers]),
        (pa.array(numbers).cast(pa.decimal128(38, 0)), [str(n) for n in numbers]),
        (pa.array(uuids, pa.binary(16)), [raw.hex() for raw in uuids]),
        (pa.array(uuids, pa.binary()), [raw.hex() for raw in uuids]),
    ]
    for keys, texts in forms:
        table = pa.table({"n": numbers, "id": keys, "text": ["a photo"] * 60})
        wanted = table.set_column(1, "id", pa.array(texts))
        kept, expected = (mc.local.curate(each, ENTRIES, threshold=20, key="id") for each in (table, wanted))
        assert kept["n"].to_pylist() == expected["n"].to_pylist()
        assert 0 < kept.num_rows < 60
