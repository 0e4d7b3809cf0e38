"""Damaged tabular files: the rows before the damage stay, and the source has a reason."""

from __future__ import annotations

import gzip
import zlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

ROWS = 50_000


def rows(count: int = ROWS) -> list[tuple[str, str]]:
    return [(f"http://e.org/{n}.jpg", f"text {n * 7919 % 100_003}") for n in range(count)]


@pytest.fixture(scope="module")
def parquet(tmp_path_factory):
    """Return the bytes of a Parquet file with five row groups."""
    path = tmp_path_factory.mktemp("parquet") / "a.parquet"
    urls, texts = zip(*rows(), strict=True)
    pq.write_table(pa.table({"url": urls, "text": texts}), path, row_group_size=10_000)
    return path.read_bytes()


def write(path, content: bytes):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("kept", [0, 1, 7, 100, 0.3, 0.9, 0.9999])
def test_a_cut_parquet_file_has_failed(tmp_path, extract, parquet, kept):
    """A Parquet file without its footer cannot be read; it is failed, with a reason and without rows."""
    content = parquet[: int(kept * len(parquet)) if isinstance(kept, float) else kept]
    found = extract(write(tmp_path / "a.parquet", content))
    assert (found.outcome["status"], found.rows) == ("failed", [])
    assert "Parquet" in found.outcome["reason"]


@pytest.mark.parametrize("footer", [b"\xff\xff\xff\x7fPAR1", b"\0\0\0\0PAR1", b"\x10\0\0\0PAR1", b"\x10\0\0\0NOPE"])
def test_a_broken_footer_has_failed(tmp_path, extract, parquet, footer):
    """A footer with a wrong length or magic is reported, whatever precedes it."""
    found = extract(write(tmp_path / "a.parquet", parquet[:-8] + footer))
    assert (found.outcome["status"], found.rows) == ("failed", [])
    assert found.outcome["reason"]


def test_a_footer_of_random_bytes_has_failed(tmp_path, extract, parquet):
    """A footer that cannot be parsed fails the source."""
    found = extract(write(tmp_path / "a.parquet", parquet[:-200] + b"\x99" * 192 + parquet[-8:]))
    assert (found.outcome["status"], found.rows) == ("failed", [])


def test_a_broken_row_group_keeps_the_groups_before_it(tmp_path, extract, parquet):
    """With damage in the fourth of five row groups, three groups are kept and the file is partial."""
    group = pq.ParquetFile(pa.BufferReader(parquet)).metadata.row_group(3)
    start = group.column(0).dictionary_page_offset or group.column(0).data_page_offset
    broken = bytearray(parquet)
    broken[start : start + 400] = b"\xff" * 400
    found = extract(write(tmp_path / "a.parquet", bytes(broken)))
    assert found.outcome["status"] == "partial"
    assert found.rows == rows(30_000)
    assert found.outcome["reason"]


def test_a_broken_row_group_is_its_own_splits_outcome(tmp_path, extract_in_splits, parquet):
    """Read in splits, all other row groups are complete."""
    group = pq.ParquetFile(pa.BufferReader(parquet)).metadata.row_group(1)
    start = group.column(0).dictionary_page_offset or group.column(0).data_page_offset
    broken = bytearray(parquet)
    broken[start : start + 400] = b"\xff" * 400
    parts = extract_in_splits(write(tmp_path / "a.parquet", bytes(broken)), len(parquet) // 10)
    assert sorted(part.outcome["status"] for part in parts).count("failed") == 1
    kept = [row for part in parts for row in part.rows]
    assert kept == rows()[:10_000] + rows()[20_000:]


@pytest.mark.parametrize("name", ["a.tsv", "a.csv"])
def test_an_empty_text_file_has_failed(tmp_path, extract, name):
    """A file without a header line has no columns."""
    found = extract(write(tmp_path / name, b""))
    assert (found.outcome["status"], found.rows) == ("failed", [])
    assert found.outcome["reason"]


def text_file(name: str) -> bytes:
    if name.startswith("a.jsonl"):
        body = "".join(f'{{"url": "{url}", "text": "{text}"}}\n' for url, text in rows())
    else:
        sep = "\t" if name.startswith("a.tsv") else ","
        body = f"url{sep}text\n" + "".join(f"{url}{sep}{text}\n" for url, text in rows())
    return body.encode()


@pytest.mark.parametrize("name", ["a.tsv.gz", "a.csv.gz", "a.jsonl.gz"])
@pytest.mark.parametrize("share", [0.2, 0.6, 0.99])
def test_a_cut_packed_file_keeps_the_rows_before_the_cut(tmp_path, extract, name, share):
    """The rows kept are the file's first rows, and most of the rows before the cut are among them."""
    whole = gzip.compress(text_file(name), 6)
    found = extract(write(tmp_path / name, whole[: int(len(whole) * share)]))
    assert found.outcome["status"] == "partial"
    assert "end-of-stream marker" in found.outcome["reason"]
    assert found.rows == rows()[: len(found.rows)]
    assert len(found.rows) > ROWS * share * 0.8
    assert found.rejected == {}


@pytest.mark.parametrize("name", ["a.tsv.gz", "a.csv.gz", "a.jsonl.gz"])
def test_a_packed_file_with_broken_data_keeps_the_rows_before(tmp_path, extract, name):
    """Bytes that cannot be inflated end the file with a reason; a row that they interrupt is dropped."""
    body = text_file(name)
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    packed = packer.compress(body[: len(body) // 2]) + packer.flush(zlib.Z_FULL_FLUSH)
    found = extract(write(tmp_path / name, packed + b"\xff" * 1000))
    assert found.outcome["status"] == "partial"
    assert "Error -3" in found.outcome["reason"]
    assert found.rows == rows()[: len(found.rows)]
    # Python's gzip reads ahead by 8 KiB (128 KiB since 3.12), and an error takes that much along.
    assert 0 <= body[: len(body) // 2].count(b"\n") - len(found.rows) < 5000
    assert found.rejected == {}


@pytest.mark.parametrize("ending", ['"u3","two\nlines', '"u3","two\n', '"u3","say ""x""\n and', '"u3"', '"u3","z"'])
def test_a_csv_cut_inside_a_value_loses_that_row_alone(tmp_path, extract, ending):
    """Half a value is dropped, even if that half ends in a line end inside quotes."""
    body = '"url","text"\n"u1","a\nb"\n"u2","say ""hi"""\n'
    packed = gzip.compress((body + ending).encode())
    found = extract(write(tmp_path / "a.csv.gz", packed[:-4]))
    assert found.rows == [("u1", "a b"), ("u2", 'say "hi"')]
    assert (found.outcome["status"], found.rejected) == ("partial", {})


def test_a_stray_quote_in_a_csv_value_ends_nothing(tmp_path, extract):
    """A quotation mark inside a value does not hide the rest of the file."""
    body = 'url,text\nu0,a 12" pipe\n' + "".join(f"u{n},text {n}\n" for n in range(1, 300_000))
    found = extract(write(tmp_path / "a.csv.gz", gzip.compress(body.encode(), 1)))
    assert found.ending == ("done", None)
    assert found.rows[0] == ("u0", 'a 12" pipe')
    assert found.rows[1:] == [(f"u{n}", f"text {n}") for n in range(1, 300_000)]


def test_a_file_cut_in_its_first_line_has_failed(tmp_path, extract):
    """A source without a complete header is failed."""
    packed = gzip.compress(b"url\ttext\nu1\ta\n")
    found = extract(write(tmp_path / "a.tsv.gz", packed[:14]))
    assert (found.outcome["status"], found.rows) == ("failed", [])
    assert "end-of-stream marker" in found.outcome["reason"]
