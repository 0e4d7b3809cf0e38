"""The same rows give the same pairs, whichever library and format wrote them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

NASTY = [
    "a plain dog",
    'a sign that says "open" at night',
    "first line of a caption\nsecond line about a red kite",
    "a tab\tinside a caption",
    'a 5" pipe',
    "ends in a backslash \\",
    'a "quoted" word, a comma',
    "it's; a semicolon | a bar",
    "une légende où l'été 日本語 🐕",
    "a return\rinside",
    "# no comment",
    "NULL",
    "the last dog",
]
"""Texts that writers of delimited files quote or escape, or that a reader may take for something else."""


def made_rows() -> pa.Table:
    """Return the nasty texts, each with its own url."""
    return pa.table({"url": [f"https://example.org/{n}.jpg?a=1,2" for n in range(len(NASTY))], "text": NASTY})


def write_csv_module(table: pa.Table, path: Path, **options) -> None:
    """Write a table with Python's csv module."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, **options)
        writer.writerow(table.column_names)
        writer.writerows(zip(*table.to_pydict().values(), strict=True))


def write_json_lines(table: pa.Table, path: Path) -> None:
    """Write one object per line."""
    path.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()), encoding="utf-8")


def write_polars(table: pa.Table, path: Path, separator: str | None = None) -> None:
    """Write a table with Polars: delimited, or JSON lines."""
    polars = pytest.importorskip("polars", reason="Polars is not installed")
    frame = polars.from_arrow(table)
    frame.write_ndjson(path) if separator is None else frame.write_csv(path, separator=separator)


def write_duckdb(table: pa.Table, path: Path, options: str) -> None:
    """Write a table with DuckDB's COPY."""
    duckdb = pytest.importorskip("duckdb", reason="DuckDB is not installed")
    connection = duckdb.connect()
    connection.register("pairs", table)
    connection.execute(f"COPY pairs TO '{path}' ({options})")


Write = Callable[[pa.Table, Path], None]
WRITERS: dict[str, tuple[str, Write]] = {
    "pandas CSV": ("p.csv", lambda t, p: t.to_pandas().to_csv(p, index=False)),
    "pandas TSV": ("p.tsv", lambda t, p: t.to_pandas().to_csv(p, index=False, sep="\t")),
    "pandas TSV, gzip": ("p.tsv.gz", lambda t, p: t.to_pandas().to_csv(p, index=False, sep="\t")),
    "pandas TSV, all quoted": (
        "p.tsv",
        lambda t, p: t.to_pandas().to_csv(p, index=False, sep="\t", quoting=csv.QUOTE_ALL),
    ),
    "pandas CSV, CRLF": ("p.csv", lambda t, p: t.to_pandas().to_csv(p, index=False, lineterminator="\r\n")),
    "pandas JSON lines": ("p.jsonl", lambda t, p: t.to_pandas().to_json(p, orient="records", lines=True)),
    "csv, minimal": ("p.csv", lambda t, p: write_csv_module(t, p)),
    "csv, tabs, minimal": ("p.tsv", lambda t, p: write_csv_module(t, p, delimiter="\t")),
    "csv, all quoted": ("p.csv", lambda t, p: write_csv_module(t, p, quoting=csv.QUOTE_ALL)),
    "json": ("p.jsonl", write_json_lines),
    "Arrow CSV": ("p.csv", lambda t, p: pa_csv.write_csv(t, p)),
    "Polars CSV": ("p.csv", lambda t, p: write_polars(t, p, ",")),
    "Polars TSV": ("p.tsv", lambda t, p: write_polars(t, p, "\t")),
    "Polars JSON lines": ("p.jsonl", lambda t, p: write_polars(t, p)),
    "DuckDB CSV": ("p.csv", lambda t, p: write_duckdb(t, p, "FORMAT csv, HEADER")),
    "DuckDB TSV": ("p.tsv", lambda t, p: write_duckdb(t, p, "FORMAT csv, HEADER, DELIMITER '\t'")),
    "DuckDB JSON lines": ("p.jsonl", lambda t, p: write_duckdb(t, p, "FORMAT json")),
    "DuckDB Parquet": ("p.parquet", lambda t, p: write_duckdb(t, p, "FORMAT parquet")),
    "Polars Parquet": (
        "p.parquet",
        lambda t, p: pytest.importorskip("polars", reason="Polars is not installed").from_arrow(t).write_parquet(p),
    ),
}


@pytest.fixture
def pairs_of(extract) -> Callable[[Path], Iterator[tuple[str, str]]]:
    """Return a function that extracts a file and accounts for all its rows."""

    def read(path: Path, rows: int):
        found = extract(path, dedup=False)
        assert found.ending == ("done", None)
        assert found.outcome["records_read"] == rows == len(found.pairs) + sum(found.rejected.values())
        return sorted(found.rows), found.rejected

    return read


@pytest.mark.parametrize("writer", WRITERS)
def test_every_writer_gives_the_same_pairs(pairs_of, tmp_path, writer):
    """Quotes, tabs, line ends, backslashes and words like NULL come back as they were written."""
    table = made_rows()
    pq.write_table(table, tmp_path / "made.parquet")
    expected = pairs_of(tmp_path / "made.parquet", len(NASTY))
    assert len(expected[0]) == len(NASTY)
    name, write = WRITERS[writer]
    write(table, tmp_path / name)
    assert pairs_of(tmp_path / name, len(NASTY)) == expected


@pytest.mark.parametrize("writer", WRITERS)
def test_every_writer_gives_the_pairs_of_the_laion_sample(pairs_of, shared_data, tmp_path, writer):
    """All 10,000 rows of real captions are pairs or counted rejects, the same as from Parquet."""
    path = shared_data / "captions" / "laion_sample.parquet"
    expected = pairs_of(path, 10_000)
    name, write = WRITERS[writer]
    write(pq.read_table(path), tmp_path / name)
    assert pairs_of(tmp_path / name, 10_000) == expected


def test_missing_values_of_pandas_are_no_texts(extract, tmp_path):
    """NaN in a column is written as an empty field or null: the row has no text in any format."""
    frame = pd.DataFrame({"url": ["https://example.org/1.jpg", "https://example.org/2.jpg"], "text": ["a dog", None]})
    for name, write in (("p.csv", frame.to_csv), ("p.tsv", lambda p, index: frame.to_csv(p, index=index, sep="\t"))):
        write(tmp_path / name, index=False)
        found = extract(tmp_path / name)
        assert found.rows == [("https://example.org/1.jpg", "a dog")]
        assert sum(found.rejected.values()) == 1
