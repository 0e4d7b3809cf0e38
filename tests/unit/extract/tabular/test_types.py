"""Columns of every type: keys, kept columns and columns without a value have one text form in all formats."""

from __future__ import annotations

import csv
import datetime
import json
import struct
import uuid
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

NUMBERS = [7, 0, 123_456_789]
UUIDS = [uuid.UUID(int=n << 96 | 0xAB) for n in (1, 2, 3)]
RAW = [value.bytes for value in UUIDS]


def pool(path, **columns):
    """Write three pairs with further columns."""
    urls, texts = ["u0", "u1", "u2"], ["a", "b", "c"]
    pq.write_table(pa.table({"url": urls, "text": texts, **columns}), path)
    return path


KEYS = {
    **{
        str(kind): (pa.array(NUMBERS, kind), list(map(str, NUMBERS)))
        for kind in (pa.int32(), pa.int64(), pa.uint32(), pa.uint64(), pa.decimal128(12, 0))
    },
    "int8": (pa.array([7, 0, -5], pa.int8()), ["7", "0", "-5"]),
    "largest uint64": (pa.array([2**64 - 1, 0, 1], pa.uint64()), [str(2**64 - 1), "0", "1"]),
    "decimal": (pa.array([Decimal("1.50")] * 3, pa.decimal128(9, 2)), ["1.50"] * 3),
    "uuid": (pa.ExtensionArray.from_storage(pa.uuid(), pa.array(RAW, pa.binary(16))), list(map(str, UUIDS))),
    "16 bytes": (pa.array(RAW, pa.binary(16)), [raw.hex() for raw in RAW]),
    "20 bytes": (pa.array([raw + b"\0\1\2\3" for raw in RAW], pa.binary(20)), [raw.hex() + "00010203" for raw in RAW]),
    "binary": (pa.array([b"\xff", b"", b"ab"]), ["ff", "", "6162"]),
    "large_binary": (pa.array(RAW, pa.large_binary()), [raw.hex() for raw in RAW]),
    "string": (pa.array(["x", "y", "z"]), ["x", "y", "z"]),
    "large_string": (pa.array(["x", "y", "z"], pa.large_string()), ["x", "y", "z"]),
    "string_view": (pa.array(["x", "y", "z"], pa.string_view()), ["x", "y", "z"]),
    "dictionary of strings": (pa.array(["x", "y", "x"]).dictionary_encode(), ["x", "y", "x"]),
    "dictionary of integers": (pa.array([7, 8, 7]).dictionary_encode(), ["7", "8", "7"]),
    "dictionary of bytes": (pa.array([b"\xff", b"a", b"\xff"]).dictionary_encode(), ["ff", "61", "ff"]),
}


@pytest.mark.parametrize(("column", "expected"), KEYS.values(), ids=KEYS)
def test_keys_of_every_type_are_accepted(tmp_path, extract, column, expected):
    """A key is a number's digits, a UUID's text, or the hex of bytes."""
    found = extract(pool(tmp_path / "a.parquet", id=column), id_column="id", dedup=False)
    assert found.ending == ("done", None)
    assert [pair["pair_id"] for pair in found.pairs] == expected


def test_an_integer_key_is_the_same_in_every_format(tmp_path, extract):
    """Parquet, CSV, TSV and JSON lines give the same ids."""
    paths = [pool(tmp_path / "a.parquet", id=pa.array(NUMBERS))]
    rows = [{"url": f"u{at}", "text": text, "id": NUMBERS[at]} for at, text in enumerate("abc")]
    paths.append(tmp_path / "a.jsonl")
    paths[-1].write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name, sep in (("a.csv", ","), ("a.tsv", "\t")):
        paths.append(tmp_path / name)
        lines = [["url", "text", "id"], *([str(value) for value in row.values()] for row in rows)]
        paths[-1].write_text("".join(sep.join(line) + "\n" for line in lines))
    for path in paths:
        found = extract(path, id_column="id", dedup=False)
        assert [pair["pair_id"] for pair in found.pairs] == ["7", "0", "123456789"], path


@pytest.mark.parametrize(
    ("column", "advice"),
    [
        (pa.array([1.0, 2.0, 3.0]), "write it as integers or strings"),
        (pa.array([1.0, 2.0, 3.0], pa.float32()), "write it as integers or strings"),
        (pa.array([True] * 3), "name another column"),
        (pa.array([["a"]] * 3), "name another column"),
    ],
    ids=["double", "float", "boolean", "list"],
)
def test_a_float_or_a_list_is_no_key(tmp_path, extract, column, advice):
    """The file has failed, with its column's type and what to do."""
    found = extract(pool(tmp_path / "a.parquet", id=column), id_column="id", dedup=False)
    assert found.outcome["status"] == "failed"
    assert "column 'id' has type" in found.ending[1]
    assert found.ending[1].endswith(f"For --id-column, {advice}.")


def test_a_null_key_is_a_broken_row_in_every_type(tmp_path, extract):
    """A row without a key is counted; a column without a key rejects all rows."""
    for column in (pa.array([1, None, 3]), pa.array([b"a", None, b"b"], pa.binary(1))):
        found = extract(pool(tmp_path / "a.parquet", id=column), id_column="id", dedup=False)
        assert (len(found.pairs), found.rejected) == (2, {"broken_row": 1})
    found = extract(pool(tmp_path / "a.parquet", id=pa.nulls(3)), id_column="id", dedup=False)
    assert (found.rows, found.rejected, found.ending) == ([], {"broken_row": 3}, ("done", None))


def test_a_column_without_any_value(tmp_path, extract):
    """Null-typed columns are rows of nulls: unknown languages, no texts, no urls, null kept values."""
    path = pool(tmp_path / "a.parquet", lang=pa.nulls(3), k=pa.nulls(3))
    found = extract(path, lang_column="lang", keep_columns=("k",))
    assert [(pair["lang"], pair["extra"]) for pair in found.pairs] == [("und", [("k", None)])] * 3
    for role, reason in (("text", "no_text"), ("url", "no_url")):
        columns = {"url": ["u0", "u1"], "text": ["a", "b"], role: pa.nulls(2)}
        pq.write_table(pa.table(columns), tmp_path / "b.parquet")
        found = extract(tmp_path / "b.parquet")
        assert (found.rows, found.rejected, found.ending) == ([], {reason: 2}, ("done", None))


def test_dictionaries_of_nulls(tmp_path, extract):
    """A dictionary column without any value is a column of nulls."""
    column = pa.DictionaryArray.from_arrays(pa.array([None] * 3, pa.int32()), pa.array([], pa.string()))
    found = extract(pool(tmp_path / "a.parquet", lang=column), lang_column="lang")
    assert [pair["lang"] for pair in found.pairs] == ["und"] * 3


def test_kept_values_of_every_type_are_texts(tmp_path, extract):
    """Bytes are hex at every depth, moments are ISO 8601, and nothing is Python's form."""
    columns = {
        "raw": pa.array([b"\x00\xff", None, b"ok"]),
        "fixed": pa.array(RAW, pa.binary(16)),
        "uuid": pa.ExtensionArray.from_storage(pa.uuid(), pa.array(RAW, pa.binary(16))),
        "inside": pa.array([{"h": b"\xff", "l": [b"a", None]}, None, {"h": None, "l": []}]),
        "moment": pa.array([datetime.datetime(2024, 1, 31, 8)] * 3, pa.timestamp("us", "UTC")),
        "day": pa.array([datetime.date(2024, 1, 31)] * 3),
        "price": pa.array([Decimal("2.50")] * 3, pa.decimal128(9, 2)),
        "score": pa.array([1.0, float("nan"), None]),
        "scores": pa.array([[1.0, float("nan")], None, []]),
        "none": pa.nulls(3),
    }
    path = pool(tmp_path / "a.parquet", **columns)
    first, second, third = (dict(pair["extra"]) for pair in extract(path, keep_columns=tuple(columns)).pairs)
    assert first == {
        "raw": "00ff",
        "fixed": RAW[0].hex(),
        "uuid": str(UUIDS[0]),
        "inside": '{"h": "ff", "l": ["61", null]}',
        "moment": "2024-01-31 08:00:00Z",
        "day": "2024-01-31",
        "price": "2.50",
        "score": "1.0",
        "scores": "[1.0, null]",
        "none": None,
    }
    assert (second["raw"], second["inside"], second["score"], second["scores"]) == (None, None, "NaN", None)
    assert (third["raw"], third["inside"], third["score"]) == ("6f6b", '{"h": null, "l": []}', None)


def test_a_kept_value_is_the_same_in_every_format(tmp_path, extract):
    """Numbers, booleans and lists that JSON can hold have the same text in Parquet, JSON lines and CSV."""
    row = {"url": "u0", "text": "a", "n": 3, "f": 1.0, "small": 1e-7, "flag": True, "tags": ["x", "\u732b"]}
    row |= {"inside": {"k": [1, None], "l": [2.5, 1.0], "m": False}}
    kept = tuple(row)[2:]
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "a.parquet")
    (tmp_path / "a.jsonl").write_text(json.dumps(row) + "\n")
    with (tmp_path / "a.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(row)
        writer.writerow(
            [json.dumps(v, ensure_ascii=False) if v is True or type(v) in (list, dict) else v for v in row.values()]
        )
    extras = [
        extract(tmp_path / f"a.{kind}", keep_columns=kept).pairs[0]["extra"] for kind in ("parquet", "jsonl", "csv")
    ]
    assert extras[0] == extras[1] == extras[2]


def test_a_column_may_be_key_text_and_kept_value_at_once(tmp_path, extract):
    """Bytes in the column of texts are UTF-8, whatever else the column is for."""
    pq.write_table(pa.table({"url": ["u0"], "text": [b"a cat"]}), tmp_path / "a.parquet")
    found = extract(tmp_path / "a.parquet", id_column="text", keep_columns=("text",), dedup=False)
    assert [(pair["pair_id"], pair["text"], pair["extra"]) for pair in found.pairs] == [
        ("a cat", "a cat", [("text", "a cat")])
    ]


def test_a_parquet_file_without_columns_or_row_groups(tmp_path, extract):
    """No column is an error with a reason; no row group is no row."""
    pq.write_table(pa.table({}), tmp_path / "a.parquet")
    assert extract(tmp_path / "a.parquet").ending[1].startswith("column 'url' is missing; got []")
    with pq.ParquetWriter(tmp_path / "b.parquet", pa.schema({"URL": pa.string(), "TEXT": pa.string()})):
        pass
    found = extract(tmp_path / "b.parquet")
    assert (found.ending, found.outcome["records_read"]) == (("done", None), 0)


def test_duplicate_columns_are_one_sentence(tmp_path, extract):
    """The reason names the column and says what to do."""
    table = pa.table([["u0"], ["a"], ["u1"]], names=["url", "text", "url"])
    pq.write_table(table, tmp_path / "a.parquet")
    found = extract(tmp_path / "a.parquet")
    assert found.ending == (
        "failed",
        "column 'url' is there 2 times; expected once. Write the file again with another name for one of them.",
    )


def test_a_footer_with_more_rows_than_there_are_is_damage(tmp_path, extract):
    """A row group of 3 rows whose footer says 2**31 - 1 does not end as done."""
    path = pool(tmp_path / "a.parquet")
    content = path.read_bytes()
    (length,) = struct.unpack("<I", content[-8:-4])
    footer = content[-8 - length : -8]
    # num_rows, i64 3, is the varint 6: once for the file, once for the group, once for each column.
    assert footer.count(b"\x06") >= 2
    statuses = set()
    for at in [at for at, byte in enumerate(footer) if byte == 6]:
        changed = footer[:at] + b"\xfe\xff\xff\xff\x0f" + footer[at + 1 :]
        path.write_bytes(content[: -8 - length] + changed + struct.pack("<I", len(changed)) + b"PAR1")
        found = extract(path)
        statuses.add(found.outcome["status"])
        assert (found.outcome["status"] != "done") or found.rows == [("u0", "a"), ("u1", "b"), ("u2", "c")]
    assert statuses & {"failed", "partial"}


def test_an_encrypted_file_has_failed(tmp_path, extract):
    """A file whose footer is encrypted ends in PARE; the reason says that it cannot be read."""
    path = pool(tmp_path / "a.parquet")
    content = path.read_bytes()
    path.write_bytes(b"PARE" + content[4:-4] + b"PARE")
    found = extract(path)
    assert (found.outcome["status"], found.rows) == ("failed", [])
    assert found.ending[1]


@pytest.mark.parametrize("url", ["http://a b/c.jpg", "http://[::1", "https://e.org:99999/x", "http://<host>/x.jpg"])
def test_urls_whose_host_cannot_be_are_rejects(tmp_path, extract, url):
    """Such a url cannot be fetched by anybody."""
    pq.write_table(pa.table({"url": [url, "http://e.org/a b.jpg"], "text": ["a", "b"]}), tmp_path / "a.parquet")
    found = extract(tmp_path / "a.parquet")
    assert (found.rows, found.rejected) == ([("http://e.org/a b.jpg", "b")], {"bad_url": 1})
