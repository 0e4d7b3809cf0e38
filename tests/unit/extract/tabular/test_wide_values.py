"""Long values: they are left out and counted, and the memory of a worker stays bounded whatever a file holds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from metaclip_spark.errors import DamagedSourceError
from metaclip_spark.extract.tabular import parquet
from metaclip_spark.extract.tabular.pages import longest_in_dictionary, page_bytes
from metaclip_spark.extract.tabular.sizes import BATCH_BYTES, ROW_BYTES, row_bytes, shortened, slices_by_bytes

LIMIT_MB = 2500
"""Address space of the subprocess. Python with Arrow and numba has 1 GB before it reads anything."""

_CHILD = """
import json, resource, sys
from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.extract.task import Stamp, Tools, extract_split
from metaclip_spark.sources.files import find_sources, splits_of
limit = int(sys.argv[2]) << 20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
options = {name: tuple(value) if isinstance(value, list) else value for name, value in json.loads(sys.argv[3]).items()}
(split,) = splits_of(find_sources([sys.argv[1]]), 1 << 60)
largest = 0
for batch in extract_split(split, ExtractOptions(**options), Tools(), Stamp("s", "l", "b")):
    largest = max(largest, batch.nbytes)
outcome = batch.to_pylist()[0]
shown = ("status", "reason", "pairs_written", "rejected")
print(json.dumps({name: outcome[name] for name in shown} | {"largest": largest}))
"""


def read_under_limit(path: Path, **options) -> dict:
    run = subprocess.run(
        [sys.executable, "-c", _CHILD, str(path), str(LIMIT_MB), json.dumps(options)], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr[-2000:]
    outcome = json.loads(run.stdout.splitlines()[-1])
    outcome["rejected"] = dict(outcome["rejected"])
    return outcome


def repeated(value: str, rows: int, others: int = 0) -> pa.Array:
    """Return a dictionary of `others` short values and one long value, which nearly all rows have."""
    values = [f"v{at}" for at in range(others)] + [value]
    indices = [None, *range(others), *([others] * (rows - others - 1))]
    return pa.DictionaryArray.from_arrays(pa.array(indices, pa.int32()), pa.array(values))


ROWS = 60_000
URLS = pa.array([f"u{at}" for at in range(ROWS)])
LONG = "x" * (1 << 20)


def write(path: Path, **columns) -> Path:
    options = {"row_group_size": ROWS, "compression": "zstd", **columns.pop("options", {})}
    pq.write_table(pa.table({"url": URLS, "text": URLS, **columns}), path, **options)
    return path


@pytest.mark.parametrize("others", [0, 1000])
def test_one_long_text_in_60000_rows(tmp_path, others):
    """A dictionary page of 1 MB stands for 60 GB of texts; each is left out and counted."""
    outcome = read_under_limit(write(tmp_path / "a.parquet", text=repeated(LONG, ROWS, others)))
    assert (outcome["status"], outcome["pairs_written"]) == ("done", others)
    assert outcome["rejected"] == {"no_text": 1, "text_cap": ROWS - others - 1}


def test_one_long_url_in_60000_rows(tmp_path):
    """A url of a megabyte is none."""
    outcome = read_under_limit(write(tmp_path / "a.parquet", url=repeated("http://e.org/" + LONG, ROWS)))
    assert (outcome["status"], outcome["rejected"]) == ("done", {"no_url": 1, "bad_url": ROWS - 1})


@pytest.mark.parametrize("kind", ["string", "list"])
def test_long_kept_values_are_handed_on_in_small_batches(tmp_path, kind):
    """Kept values of 1 MB, once in the file's dictionary, leave in batches of some megabytes."""
    rows = 300
    column = repeated(LONG, rows)
    if kind == "list":
        column = pa.ListArray.from_arrays(pa.array(range(rows + 1), pa.int32()), column)
    table = pa.table({"url": URLS.slice(0, rows), "text": URLS.slice(0, rows), "k": column})
    pq.write_table(table, tmp_path / "a.parquet")
    outcome = read_under_limit(tmp_path / "a.parquet", keep_columns=["k"])
    assert (outcome["status"], outcome["pairs_written"]) == ("done", rows)
    assert outcome["largest"] < 2 * BATCH_BYTES


@pytest.mark.parametrize("rows", [2000, pytest.param(8000, marks=pytest.mark.slow)])
def test_pages_of_300_mb(tmp_path, rows):
    """Texts of 300 KB in pages of 1,000, up to 2.4 GB in a row group: all are left out, and the file is done."""
    texts = pa.chunked_array([pa.array(["q" * 300_000] * 1000, pa.large_string())] * (rows // 1000))
    table = pa.table({"url": URLS.slice(0, rows), "text": texts})
    pq.write_table(table, tmp_path / "a.parquet", use_dictionary=False, compression="zstd")
    outcome = read_under_limit(tmp_path / "a.parquet")
    assert (outcome["status"], outcome["rejected"]) == ("done", {"text_cap": rows})


@pytest.mark.slow
@pytest.mark.parametrize("dictionary", [True, False])
def test_a_text_of_600_mb_fails_its_file(tmp_path, dictionary):
    """The reason comes before the page is in memory."""
    texts = pa.array(["a", "z" * (600 << 20)], pa.large_string())
    table = pa.table({"url": ["u0", "u1"], "text": texts})
    pq.write_table(table, tmp_path / "a.parquet", use_dictionary=dictionary, compression="zstd")
    outcome = read_under_limit(tmp_path / "a.parquet")
    assert outcome["status"] == "failed"
    assert outcome["reason"].startswith("a page of column 'text' in row group 0 has 629,14")


@pytest.mark.parametrize("dictionary", [True, False])
def test_a_page_that_no_worker_can_hold_is_the_files_reason(tmp_path, extract, monkeypatch, dictionary):
    """The row groups before it are kept."""
    monkeypatch.setattr(parquet, "PAGE_BYTES", 1 << 20)
    texts = ["a", "b", "z" * (2 << 20), "c"]
    table = pa.table({"url": URLS.slice(0, 4), "text": texts})
    pq.write_table(table, tmp_path / "a.parquet", use_dictionary=dictionary, row_group_size=2)
    found = extract(tmp_path / "a.parquet")
    assert (found.outcome["status"], found.rows) == ("partial", [("u0", "a"), ("u1", "b")])
    assert found.ending[1].startswith("a page of column 'text' in row group 1 has 2,097,1")
    assert "expected at most 1,048,576. Write the file with smaller pages" in found.ending[1]


def test_a_lack_of_memory_is_the_files_reason(tmp_path, extract, monkeypatch):
    """A row group that Arrow cannot allocate ends its file, not the run."""

    def no_memory(*_):
        raise pa.ArrowMemoryError("malloc of size 99 failed")

    monkeypatch.setattr(parquet, "slices_by_bytes", no_memory)
    pq.write_table(pa.table({"url": ["u0"], "text": ["a"]}), tmp_path / "a.parquet")
    status, reason = extract(tmp_path / "a.parquet").ending
    assert status == "failed"
    assert reason.startswith("row group 0 needs more memory than a worker has: ")
    assert "(malloc of size 99 failed)" in reason


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a.jsonl"])
def test_a_text_over_the_cap_is_left_out_in_every_format(tmp_path, extract, name):
    """The cap counts characters after cleaning; a longer text is counted among the texts read."""
    texts = ["\u732b" * 10, "\u732b" * 11, "a" * 10 + "  ", "a" * 100_000]
    rows = [{"url": f"u{at}", "text": text} for at, text in enumerate(texts)]
    path = tmp_path / name
    if name == "a.parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif name == "a.jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        path.write_text("url,text\n" + "".join(f"{row['url']},{row['text']}\n" for row in rows))
    found = extract(path, text_cap=10)
    assert [url for url, _ in found.rows] == ["u0", "u2"]
    assert found.rejected == {"text_cap": 2}
    assert {row["detail"] for row in found.rejects} == {"11 characters", "100,000 bytes"}


def test_inlined_images_of_any_length_are_data_urls(tmp_path, extract):
    """A data: url of a megabyte is counted as what it is, not as a bad url."""
    urls = ["data:image/png;base64," + "A" * 1_000_000, "http://e.org/" + "b" * 70_000, "http://e.org/c"]
    pq.write_table(pa.table({"url": urls, "text": ["a", "b", "c"]}), tmp_path / "a.parquet")
    found = extract(tmp_path / "a.parquet")
    assert (found.rows, found.rejected) == ([("http://e.org/c", "c")], {"data_url": 1, "bad_url": 1})


COLUMNS = {
    "strings": (pa.array(["ab", None, ""]), [2, 0, 0]),
    "views": (pa.array([b"abc", None], pa.binary_view()), [3, 0]),
    "dictionary": (pa.array(["abc", None, "abc"]).dictionary_encode(), [3, 0, 3]),
    "integers": (pa.array([1, None]), [8, 8]),
    "lists": (pa.array([["ab", "c"], None, [], ["d"]]), [3, 0, 0, 1]),
    "structs": (pa.array([{"a": "xy", "b": 1}, {"a": None, "b": 2}]), [10, 8]),
    "maps": (pa.array([[("k", "vw")], None, [("a", "b"), ("c", "d")]], pa.map_(pa.string(), pa.string())), [3, 0, 4]),
    "lists of a dictionary": (
        pa.ListArray.from_arrays([0, 1, 3], pa.array(["abc", "d", "abc"]).dictionary_encode()),
        [3, 4],
    ),
    "nulls": (pa.nulls(2), [0, 0]),
}


@pytest.mark.parametrize(("column", "expected"), COLUMNS.values(), ids=COLUMNS)
def test_the_bytes_of_a_row(column, expected):
    """A value counts each time it is used, and a slice counts its own rows."""
    assert row_bytes(column).tolist() == expected
    assert row_bytes(column.slice(1)).tolist() == expected[1:]


def test_slices_hold_as_many_rows_as_fit():
    """Every row is in one slice, in order; a row that is larger than a batch is alone."""
    sizes = [10, BATCH_BYTES, 10, 20, BATCH_BYTES - 15, 5]
    columns = {"k": pa.array(["x" * size for size in sizes])}
    parts = list(slices_by_bytes(columns, {}))
    assert [(start, len(part["k"])) for start, part in parts] == [(0, 1), (1, 1), (2, 2), (4, 2)]
    assert [start for start, _ in slices_by_bytes(columns, {"k": 100})] == [0]


def test_a_row_that_is_too_large_names_its_column():
    """Such a row would need as much memory several times over."""
    value = pa.array(["x" * (1 << 20)])
    column = pa.ListArray.from_arrays([0, ROW_BYTES // (1 << 20) + 1], pa.concat_arrays([value] * 257))
    with pytest.raises(DamagedSourceError, match="column 'k' has a value of 269,484,032 bytes; expected rows of at"):
        list(slices_by_bytes({"url": pa.array(["u"]), "k": column}, {}))


@pytest.mark.parametrize("kind", [pa.string(), pa.large_binary(), pa.string_view()], ids=str)
@pytest.mark.parametrize("as_dictionary", [False, True])
def test_the_start_of_a_long_value_is_valid(kind, as_dictionary):
    """A character that the cut would divide is left out; short values and nulls stay."""
    values = ["ab", "\u732b" * 100, None, "\u732b" * 3]
    raw = values if kind != pa.large_binary() else [None if v is None else v.encode() for v in values]
    column = pa.array(raw, kind)
    if as_dictionary and kind != pa.string_view():
        column = column.dictionary_encode()
    cut, sizes = shortened(column, 10)
    assert sizes.tolist() == [2, 300, 0, 9]
    assert cut.cast(pa.string()).to_pylist() == ["ab", "\u732b" * 33, None, "\u732b" * 3]


@pytest.mark.parametrize("compression", ["none", "snappy", "zstd", "gzip", "brotli"])
def test_page_headers_tell_sizes(tmp_path, compression):
    """The sizes of a column's pages add up to the footer's, and the longest string of its dictionary is found."""
    values = [f"value {at}" * (at % 7 + 1) for at in range(30_000)] + ["y" * 5000]
    pq.write_table(pa.table({"k": values}), tmp_path / "a.parquet", compression=compression)
    chunk = pq.read_metadata(tmp_path / "a.parquet").row_group(0).column(0)
    with (tmp_path / "a.parquet").open("rb") as raw:
        sizes = list(page_bytes(raw, chunk))
        assert len(sizes) > 2
        assert 0 < chunk.total_uncompressed_size - sum(sizes) < 100 * len(sizes)
        in_dictionary = longest_in_dictionary(raw, chunk, 1 << 20)
    assert 70 < in_dictionary <= 5000
