"""Tabular pools: one content gives the same pairs in every format, and unusual rows are rejects with reasons."""

from __future__ import annotations

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

ROWS = [
    ("http://e.org/1.jpg", "a cat"),
    ("http://e.org/2.jpg", " two, with spaces "),
    ("http://e.org/3.jpg", "it's &amp; it stays"),
    ("http://e.org/4.jpg", "\u732b \U0001f600 e\u0301"),
    ("key-without-a-scheme", "any url will do"),
    ("http://e.org/1.jpg", "a cat"),
    ("http://e.org/1.jpg", "another text"),
    ("http://e.org/5.jpg", ""),
    ("", "no url"),
    ("data:image/gif;base64,xyz", "inlined"),
]
PAIRS = [
    ("http://e.org/1.jpg", "a cat"),
    ("http://e.org/2.jpg", "two, with spaces"),
    ("http://e.org/3.jpg", "it's &amp; it stays"),
    ("http://e.org/4.jpg", "\u732b \U0001f600 e\u0301"),
    ("key-without-a-scheme", "any url will do"),
    ("http://e.org/1.jpg", "another text"),
]
REJECTED = {"repeat": 1, "empty_text": 1, "no_url": 1, "data_url": 1}


def arrays(kind: pa.DataType, rows=ROWS) -> pa.Table:
    if pa.types.is_dictionary(kind):
        columns = [pa.array(list(column), kind.value_type).dictionary_encode() for column in zip(*rows, strict=True)]
    else:
        values = [[v.encode() if "binary" in str(kind) else v for v in c] for c in zip(*rows, strict=True)]
        columns = [pa.array(column, kind) for column in values]
    return pa.table(columns, ["url", "text"])


def table(path, columns: dict, **options):
    pq.write_table(pa.table(columns), path, **options)
    return path


def lines(path, rows, head: bytes = b"url\ttext"):
    content = b"\n".join([*([head] if head else []), *rows]) + b"\n"
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def write(path, kind: pa.DataType = pa.string(), rows=ROWS):  # noqa: B008 - an immutable type
    """Write the rows in the format of the file's suffix."""
    if path.suffix == ".parquet":
        pq.write_table(arrays(kind, rows), path, row_group_size=3)
    elif ".tsv" in path.name:
        lines(path, [f"{url}\t{text}".encode() for url, text in rows])
    elif ".csv" in path.name:
        lines(path, [f"{quoted(url)},{quoted(text)}".encode() for url, text in rows], b"url,text")
    else:
        lines(path, [json.dumps({"url": url, "text": text, "more": 1}).encode() for url, text in rows], b"")
    return path


KINDS = {
    "string": pa.string(),
    "large_string": pa.large_string(),
    "binary": pa.binary(),
    "large_binary": pa.large_binary(),
    "dictionary": pa.dictionary(pa.int32(), pa.string()),
    "dictionary of large_string": pa.dictionary(pa.int32(), pa.large_string()),
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_parquet_columns_of_every_string_type_give_the_same_pairs(tmp_path, extract, kind):
    """The type of a column does not change its texts."""
    found = extract(write(tmp_path / "a.parquet", kind))
    assert (found.rows, found.rejected, found.ending) == (PAIRS, REJECTED, ("done", None))
    assert [pair["position"] for pair in found.pairs] == [0, 1, 2, 3, 4, 6]


@pytest.mark.parametrize("name", ["a.tsv", "a.tsv.gz", "a.csv", "a.csv.gz", "a.jsonl", "a.jsonl.gz"])
def test_every_text_format_gives_the_same_pairs(tmp_path, extract, name):
    """The same rows as TSV, CSV or JSON lines, plain or gzip, are the same pairs with the same ids."""
    found = extract(write(tmp_path / name), entries=["cat", "two , with", "\u732b \U0001f600", "text", "any"])
    as_parquet = extract(
        write(tmp_path / "a.parquet"), entries=["cat", "two , with", "\u732b \U0001f600", "text", "any"]
    )
    columns = ("pair_id", "image_id", "url", "text", "text_source", "lang", "entry_ids", "position")
    assert [[pair[c] for c in columns] for pair in found.pairs] == [
        [pair[c] for c in columns] for pair in as_parquet.pairs
    ]
    assert found.rejected == as_parquet.rejected
    assert found.ending == ("done", None)
    for number in ("records_read", "texts_read", "texts_matched"):
        assert found.outcome[number] == as_parquet.outcome[number]
    assert [pair["entry_ids"] for pair in found.pairs] == [[0], [2], [4], [3]]


def test_a_row_is_what_the_table_says(tmp_path, extract):
    """A pair from a tabular pool fills these columns and no others."""
    (pair,) = extract(write(tmp_path / "a.tsv", rows=ROWS[:1]), entries=["cat"]).pairs
    filled = {name: value for name, value in pair.items() if value is not None}
    for name in ("pair_id", "image_id", "snapshot", "metadata_id", "batch_id", "source_path"):
        assert filled.pop(name)
    assert filled == {
        "kind": "pair",
        "url": "http://e.org/1.jpg",
        "text": "a cat",
        "text_source": "text",
        "lang": "und",
        "entry_ids": [0],
        "position": 0,
        "split": 0,
        "splits": 1,
    }


def test_csv_values_may_hold_quotes_commas_and_line_ends(tmp_path, extract):
    """A quoted value is one value; its line end becomes a space like any other."""
    rows = [
        ("http://e.org/a,b", 'say "cat", loudly'),
        ("http://e.org/2", "two\nlines\r\nhere"),
        ("u3", "plain"),
    ]
    found = extract(write(tmp_path / "a.csv", rows=rows))
    assert found.rows == [
        ("http://e.org/a,b", 'say "cat", loudly'),
        ("http://e.org/2", "two lines  here"),
        ("u3", "plain"),
    ]
    assert found.ending == ("done", None)


def test_a_quote_in_a_tsv_is_a_character(tmp_path, extract):
    """TSV has no quoting: a lone quotation mark does not swallow the rows after it."""
    rows = [
        ("u1", 'a 12" pipe'),
        ("u2", '"open'),
        ("u3", "plain"),
        ("u4", '"both"'),
        ("u5", "back\\slash\\n"),
    ]
    assert extract(write(tmp_path / "a.tsv", rows=rows)).rows == rows


@pytest.mark.parametrize("name", ["a.tsv", "a.csv"])
def test_line_ends_of_windows_and_byte_order_marks(tmp_path, extract, name):
    """A file from a spreadsheet may have CRLF after each row, and a byte order mark before the header."""
    sep = b"\t" if name == "a.tsv" else b","
    content = b"\xef\xbb\xbfurl" + sep + b"text\r\nu1" + sep + b"a cat\r\nu2" + sep + b"a dog\r\n"
    (tmp_path / name).write_bytes(content)
    assert extract(tmp_path / name).rows == [("u1", "a cat"), ("u2", "a dog")]


@pytest.mark.parametrize("name", ["a.tsv", "a.csv.gz", "a.jsonl"])
def test_a_last_line_without_its_end_is_a_row(tmp_path, extract, name):
    """A file need not end in a line feed."""
    path = write(tmp_path / name, rows=ROWS[:2])
    raw = gzip.decompress(path.read_bytes()) if name.endswith(".gz") else path.read_bytes()
    path.write_bytes(gzip.compress(raw.rstrip(b"\n")) if name.endswith(".gz") else raw.rstrip(b"\n"))
    assert extract(path).rows == PAIRS[:2]


def test_a_tsv_without_a_header_line_is_read_by_positions(tmp_path, extract):
    """Columns named 0, 1, ... are the first, second, ...; the first line is a row."""
    path = lines(tmp_path / "a.tsv.gz", [b"a cat\tu1\ten", b"a dog\tu2\tde"], b"")
    found = extract(path, text_column="0", url_column="1", lang_column="2", keep_columns=("2", "0"))
    assert found.rows == [("u1", "a cat"), ("u2", "a dog")]
    assert [pair["lang"] for pair in found.pairs] == ["en", "de"]
    assert [dict(pair["extra"]) for pair in found.pairs] == [
        {"2": "en", "0": "a cat"},
        {"2": "de", "0": "a dog"},
    ]
    assert {pair["text_source"] for pair in found.pairs} == {"0"}


def test_a_position_out_of_range_fails_the_source(tmp_path, extract):
    """The error reports that the fifth column of two is out of range."""
    found = extract(lines(tmp_path / "a.tsv", [b"a cat\tu1"], b""), text_column="0", url_column="4")
    assert found.outcome["status"] == "failed"
    assert "column position is out of range" in found.outcome["reason"]


@pytest.mark.parametrize("name", ["a.parquet", "a.tsv", "a.csv.gz", "a.jsonl"])
@pytest.mark.parametrize("which", ["url_column", "text_column"])
def test_a_missing_column_fails_the_source_with_what_there_is(tmp_path, extract, name, which):
    """The error names the column, lists the columns of the file, and names the flags to use."""
    found = extract(write(tmp_path / name), **{which: "caption"})
    assert (found.outcome["status"], found.rows, found.rejected) == ("failed", [], {})
    message = found.outcome["reason"]
    assert message.startswith("column 'caption' is missing; got [")
    assert "'url'" in message
    assert "--url-column" in message


def test_a_kept_column_that_is_missing_fails_the_source(tmp_path, extract):
    """A column to keep is never dropped in silence."""
    found = extract(write(tmp_path / "a.parquet"), keep_columns=("width",))
    assert found.ending[1].startswith("column 'width' is missing; got ['url', 'text']")


def test_a_column_of_numbers_is_no_text(tmp_path, extract):
    """The error names the type of a Parquet column that does not hold strings."""
    path = table(tmp_path / "a.parquet", {"url": ["u"], "text": [5]})
    found = extract(path)
    assert found.outcome["status"] == "failed"
    assert found.outcome["reason"].startswith("column 'text' has type int64; expected strings")


def test_nulls_are_rejects_with_reasons(tmp_path, extract):
    """A row with a null text, a null url, or both is counted once, under the first reason."""
    path = table(tmp_path / "a.parquet", {"url": ["u1", None, "u3", None, "  "], "text": ["a", "b", None, None, "c"]})
    found = extract(path)
    assert found.rows == [("u1", "a")]
    assert found.rejected == {"no_url": 2, "no_text": 2}
    assert found.outcome["texts_read"] == 3
    assert {(row["record"], row["reason"]) for row in found.rejects} == {
        ("row 1", "no_url"),
        ("row 4", "no_url"),
        ("row 2", "no_text"),
        ("row 3", "no_text"),
    }


def test_nulls_and_absent_keys_of_json_lines(tmp_path, extract):
    """A null key and a missing key are the same."""
    rows = [b'{"url": "u1", "text": null}', b'{"text": "a"}', b'{"url": "u3"}', b'{"url": "u4", "text": "a"}']
    found = extract(lines(tmp_path / "a.jsonl", rows, b""))
    assert (found.rows, found.rejected) == ([("u4", "a")], {"no_text": 2, "no_url": 1})


@pytest.mark.parametrize("text", ["", "   ", "\t", "\u3000\u00a0", "\0", " \0\n"])
def test_texts_that_are_empty_after_cleaning_are_rejects(tmp_path, extract, text):
    """A text that is empty, or empty after cleaning, is `empty_text`."""
    found = extract(table(tmp_path / "a.parquet", {"url": ["u1", "u2"], "text": [text, "a"]}))
    assert (found.rows, found.rejected) == ([("u2", "a")], {"empty_text": 1})


@pytest.mark.parametrize("url", ["data:,x", "DATA:image/png;base64,x", "Data:", " data:,x"])
def test_inlined_images_are_rejects(tmp_path, extract, url):
    """The scheme data: is case-insensitive."""
    found = extract(table(tmp_path / "a.parquet", {"url": [url, "database.jpg"], "text": ["x", "y"]}))
    assert (found.rows, found.rejected) == ([("database.jpg", "y")], {"data_url": 1})


def invalid_strings(values: list[bytes]) -> pa.Array:
    """Return a string array whose bytes are not UTF-8, as Parquet files of other writers may hold."""
    plain = pa.array(values, pa.binary())
    return pa.Array.from_buffers(pa.string(), len(plain), plain.buffers())


@pytest.mark.parametrize("kind", ["binary", "string"])
@pytest.mark.parametrize("column", ["url", "text"])
def test_parquet_rows_that_are_not_utf8_are_rejects(tmp_path, extract, kind, column):
    """One bad row is one reject; it ends neither the file nor the job."""
    bad = [b"good 1", b"caf\xe9", b"good 2", b"\xed\xa0\x80"]
    good = [b"u1", b"u2", b"u3", b"u4"]
    columns = {"url": pa.array(good), "text": pa.array(good)}
    columns[column] = pa.array(bad) if kind == "binary" else invalid_strings(bad)
    found = extract(table(tmp_path / "a.parquet", columns), entries=["u1", "u2", "u3", "u4", "good"])
    assert found.ending == ("done", None)
    assert [pair[column] for pair in found.pairs] == ["good 1", "good 2"]
    assert found.rejected == {"broken_row": 2}
    assert (found.outcome["records_read"], found.outcome["texts_read"]) == (4, 2)
    assert [pair["position"] for pair in found.pairs] == [0, 2]


@pytest.mark.parametrize("name", ["a.tsv", "a.tsv.gz", "a.csv"])
def test_text_rows_that_are_not_utf8_are_rejects(tmp_path, extract, name):
    """One bad row of a text file is one reject."""
    sep = b"," if ".csv" in name else b"\t"
    rows = [
        b"u1" + sep + b"good",
        b"u2" + sep + b"caf\xe9",
        b"u\xff" + sep + b"bad url",
        b"u4" + sep + b"good",
    ]
    found = extract(lines(tmp_path / name, rows, b"url" + sep + b"text"))
    assert (found.rows, found.rejected) == ([("u1", "good"), ("u4", "good")], {"broken_row": 2})
    assert found.ending == ("done", None)


def test_json_lines_that_are_broken_are_rejects(tmp_path, extract):
    """A line that is truncated, not JSON, not an object or not UTF-8 is a reject; empty lines are skipped."""
    rows = [
        b'{"url": "u1", "text": "good"}',
        b"{",
        b"[1]",
        b'"text"',
        b"",
        b"  ",
        b'{"url": "u\xff", "text": "x"}',
        b"[" * 100_000,
        b'{"url": "u2", "text": "good"}',
        b'{"url": "u3", "te',
    ]
    found = extract(lines(tmp_path / "a.jsonl.gz", rows, b""))
    assert found.rows == [("u1", "good"), ("u2", "good")]
    assert found.rejected == {"broken_json": 6}
    assert (found.outcome["records_read"], found.outcome["texts_read"]) == (8, 2)
    assert {row["record"] for row in found.rejects} == {f"line {n}" for n in (2, 3, 4, 7, 8, 10)}
    assert any("expected an object, got a list" in row["detail"] for row in found.rejects)


def test_lone_surrogates_of_json_lines_become_the_replacement_character(tmp_path, extract):
    """The cleaning is that of texts in a WAT."""
    rows = [b'{"url": "u\\ud800", "text": "half \\udfff \\ud83d\\ude00", "k": "\\udc00"}']
    found = extract(lines(tmp_path / "a.jsonl", rows, b""), keep_columns=("k",))
    assert found.rows == [("u\ufffd", "half \ufffd \U0001f600")]
    assert found.pairs[0]["extra"] == [("k", "\ufffd")]


@pytest.mark.parametrize("name", ["a.tsv", "a.csv", "a.csv.gz"])
def test_rows_with_another_number_of_columns_are_rejects(tmp_path, extract, name):
    """A row with too few or too many columns is rejected with its text, and the next row is read."""
    sep = b"," if ".csv" in name else b"\t"
    rows = [sep.join(row) for row in ([b"u1", b"a"], [b"u2"], [b"u3", b"b", b"c"], [b"u4", b"d"])]
    found = extract(lines(tmp_path / name, rows, b"url" + sep + b"text"))
    assert found.rows == [("u1", "a"), ("u4", "d")]
    assert found.rejected == {"broken_row": 2}
    assert (found.outcome["records_read"], found.outcome["texts_read"]) == (4, 2)
    details = [row["detail"] for row in found.rejects]
    assert details == [
        "1 columns, expected 2: u2",
        f"3 columns, expected 2: {(b'u3' + sep + b'b' + sep + b'c').decode()}",
    ]


def test_large_text_files_are_read_block_by_block(tmp_path, extract):
    """In 12 MB of CSV, values across block borders are whole, and broken rows are counted once."""
    rows = [(f"http://e.org/{n}", f"text {n}\n" + f"{n % 7} x" * 100) for n in range(30_000)]
    body = [f"{quoted(url)},{quoted(text)}".encode() for url, text in rows]
    for place in (10_000, 20_000):
        body.insert(place, b"only one column")
    found = extract(lines(tmp_path / "a.csv", body, b"url,text"))
    assert found.rows == [(url, text.replace("\n", " ")) for url, text in rows]
    assert [pair["position"] for pair in found.pairs] == list(range(30_000))
    assert found.rejected == {"broken_row": 2}
    assert found.outcome["records_read"] == 30_002


def test_kept_columns_become_strings(tmp_path, extract):
    """Numbers, booleans, nulls and lists are in `extra` under their names, row by row."""
    path = table(
        tmp_path / "a.parquet",
        {
            "url": ["u1", "u2", "u3"],
            "text": ["a", "b", "c"],
            "n": [1, None, 3],
            "f": [0.5, 1.0, None],
            "flag": [True, False, None],
            "tags": [["x", "y \u732b"], [], None],
            "name": ["\u732b", "", None],
            "code": pa.array(["k1", "k2", "k1"]).dictionary_encode(),
            "raw": [b"ok", b"\xff", None],
        },
    )
    names = ("n", "f", "flag", "tags", "name", "code", "raw", "url")
    extras = [pair["extra"] for pair in extract(path, keep_columns=names).pairs]
    assert [[name for name, _ in extra] for extra in extras] == [list(names)] * 3
    first, second, third = map(dict, extras)
    assert json.loads(first.pop("tags")) == ["x", "y \u732b"]
    assert json.loads(second.pop("tags")) == []
    assert first == {
        "n": "1",
        "f": "0.5",
        "flag": "true",
        "name": "\u732b",
        "code": "k1",
        "raw": "6f6b",
        "url": "u1",
    }
    assert second == {
        "n": None,
        "f": "1.0",
        "flag": "false",
        "name": "",
        "code": "k2",
        "raw": "ff",
        "url": "u2",
    }
    assert third == {
        "n": "3",
        "f": None,
        "flag": None,
        "tags": None,
        "name": None,
        "code": "k1",
        "raw": None,
        "url": "u3",
    }


def test_kept_columns_of_json_lines_are_the_same_as_of_parquet(tmp_path, extract):
    """The format of a pool does not change its kept columns."""
    rows = [
        {"url": "u1", "text": "a", "n": 1, "tags": ["x", "\u732b"], "flag": True},
        {"url": "u2", "text": "b", "n": None, "tags": None, "flag": False},
    ]
    names = ("n", "tags", "flag")
    of_json = extract(lines(tmp_path / "a.jsonl", [json.dumps(row).encode() for row in rows], b""), keep_columns=names)
    of_parquet = extract(
        table(tmp_path / "a.parquet", {name: [row[name] for row in rows] for name in rows[0]}),
        keep_columns=names,
    )
    assert [pair["extra"] for pair in of_json.pairs] == [pair["extra"] for pair in of_parquet.pairs]


def test_kept_columns_follow_their_rows(tmp_path, extract):
    """The kept values of a dropped row are dropped with it, and no value moves to another pair."""
    columns = {"url": ["u0", None, "u2", "u0", "u4"], "text": ["a", "b", "", "a", "e"], "k": list("01234")}
    found = extract(table(tmp_path / "a.parquet", columns), keep_columns=("k",), entries=["a", "e"])
    assert [(pair["url"], pair["extra"]) for pair in found.pairs] == [
        ("u0", [("k", "0")]),
        ("u4", [("k", "4")]),
    ]


def test_without_kept_columns_extra_is_null(tmp_path, extract):
    """`extra` is null, not an empty map."""
    assert {pair["extra"] for pair in extract(write(tmp_path / "a.tsv")).pairs} == {None}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_languages_come_from_their_column(tmp_path, extract, kind):
    """A null language is `und`; texts in other than the wanted languages are dropped and counted."""
    langs = ["en", "de", None, "fr", "en"]
    values = [None if v is None else (v.encode() if "binary" in str(kind) else v) for v in langs]
    column = pa.array(langs).dictionary_encode() if pa.types.is_dictionary(kind) else pa.array(values, kind)
    urls = [f"u{n}" for n in range(5)]
    path = table(tmp_path / "a.parquet", {"url": urls, "text": ["x"] * 5, "language": column})
    found = extract(path, lang_column="language")
    assert [pair["lang"] for pair in found.pairs] == ["en", "de", "und", "fr", "en"]
    found = extract(path, lang_column="language", languages=("en", "fr"))
    assert [(pair["url"], pair["lang"]) for pair in found.pairs] == [("u0", "en"), ("u3", "fr"), ("u4", "en")]
    assert found.rejected == {"language": 2}


def test_an_empty_language_is_unknown(tmp_path, extract):
    """A text file has no nulls: an empty field is und."""
    path = lines(tmp_path / "a.tsv", [b"u1\ta\t", b"u2\tb\ten"], b"url\ttext\tlang")
    assert [pair["lang"] for pair in extract(path, lang_column="lang").pairs] == ["und", "en"]


def test_the_pools_own_key_becomes_the_pair_id(tmp_path, extract):
    """With an id column the input's key is used unchanged, repeats included; a row without a key is a reject."""
    columns = {
        "url": ["u1", "u2", "u1", None],
        "text": ["a", "b", "a", "c"],
        "uid": ["k-1", None, "k-1", "k-4"],
    }
    found = extract(table(tmp_path / "a.parquet", columns), id_column="uid", dedup=False)
    assert [(pair["pair_id"], pair["url"]) for pair in found.pairs] == [("k-1", "u1"), ("k-1", "u1")]
    assert found.rejected == {"broken_row": 1, "no_url": 1}
    assert [row["detail"] for row in found.rejects if row["reason"] == "broken_row"] == ["column 'uid' is null"]


def test_repeats_inside_a_source_are_dropped(tmp_path, extract):
    """The first of equal (url, text) stays, across batches too; texts are compared after cleaning."""
    urls = [f"u{n % 1000}" for n in range(30_000)]
    texts = ["a" if n % 2 else " a\n" for n in range(30_000)]
    found = extract(table(tmp_path / "a.parquet", {"url": urls, "text": texts}))
    assert found.rows == [(f"u{n}", "a") for n in range(1000)]
    assert [pair["position"] for pair in found.pairs] == list(range(1000))
    assert found.rejected == {"repeat": 29_000}


def test_row_groups_read_as_splits_are_the_file(tmp_path, extract, extract_in_splits):
    """Splits together give the rows of one split, with their positions, each once, for every split size."""
    rows = [(f"http://e.org/{n}", f"text {n} " + "x" * (n % 50)) for n in range(5000)]
    path = tmp_path / "a.parquet"
    pq.write_table(arrays(pa.string(), rows), path, row_group_size=700)
    whole = extract(path)
    expected = [(pair["position"], pair["url"], pair["text"]) for pair in whole.pairs]
    assert [position for position, _, _ in expected] == list(range(5000))
    size = path.stat().st_size
    for split_bytes in (size, size // 2, size // 3 + 1, size // 8, size // 40):
        parts = extract_in_splits(path, split_bytes)
        assert len(parts) == -(-size // split_bytes)
        got = [(pair["position"], pair["url"], pair["text"]) for part in parts for pair in part.pairs]
        assert got == expected
        assert {part.ending for part in parts} == {("done", None)}
        assert sum(part.outcome["bytes_read"] for part in parts) == size
        assert sum(part.outcome["records_read"] for part in parts) == 5000


def test_row_groups_with_dictionaries_belong_to_one_split_each(tmp_path, extract_in_splits):
    """A row group starts at its dictionary page."""
    values = [f"text {n % 5}" for n in range(4000)]
    path = tmp_path / "a.parquet"
    urls = [f"u{n}" for n in range(4000)]
    pq.write_table(pa.table({"text": values, "url": urls}), path, row_group_size=500, use_dictionary=["text"])
    for split_bytes in range(300, path.stat().st_size, 977):
        parts = extract_in_splits(path, split_bytes)
        assert [pair["url"] for part in parts for pair in part.pairs] == urls


def test_a_parquet_file_without_rows(tmp_path, extract):
    """A file without rows is not damaged."""
    found = extract(
        table(tmp_path / "a.parquet", {"url": pa.array([], pa.string()), "text": pa.array([], pa.string())})
    )
    assert (found.ending, found.rows, found.outcome["records_read"]) == (("done", None), [], 0)
