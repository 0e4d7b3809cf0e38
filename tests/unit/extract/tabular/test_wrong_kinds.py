"""Files whose names say another kind: what can be read is read, and all others fail with what they are."""

from __future__ import annotations

import bz2
import gzip
import lzma

import pyarrow as pa
import pyarrow.feather
import pyarrow.orc
import pyarrow.parquet as pq
import pytest
from archives import written, zipped

TABLE = pa.table({"url": ["u1"], "text": ["a cat"]})
TSV = b"url\ttext\nu1\ta cat\n"
BODIES = {"tsv": TSV, "csv": TSV.replace(b"\t", b","), "jsonl": b'{"url": "u1", "text": "a cat"}\n'}
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n"


def save(path, raw: bytes):
    path.write_bytes(raw)
    return path


@pytest.mark.parametrize("kind", BODIES)
def test_gzip_is_read_whatever_the_name(tmp_path, extract, kind):
    """Servers and people rename files; the first bytes tell whether they are gzip."""
    assert extract(save(tmp_path / f"a.{kind}", gzip.compress(BODIES[kind]))).rows == [("u1", "a cat")]
    assert extract(save(tmp_path / f"b.{kind}.gz", BODIES[kind])).rows == [("u1", "a cat")]


@pytest.mark.parametrize("kind", BODIES)
def test_gzip_of_several_members_is_one_file(tmp_path, extract, kind):
    """`cat a.gz b.gz` is gzip; what follows the last member is damage."""
    first, second = BODIES[kind][:9], BODIES[kind][9:]
    whole = gzip.compress(first) + gzip.compress(second)
    assert extract(save(tmp_path / f"a.{kind}.gz", whole)).rows == [("u1", "a cat")]
    found = extract(save(tmp_path / f"b.{kind}.gz", whole + b"garbage"))
    assert (found.rows, found.outcome["status"]) == ([("u1", "a cat")], "partial")


FILES = {
    "parquet": (written(lambda out: pq.write_table(TABLE, out)), "a Parquet file"),
    "orc": (written(lambda out: pyarrow.orc.write_table(TABLE, out)), "an ORC file"),
    "feather": (written(lambda out: pyarrow.feather.write_feather(TABLE, out)), "an Arrow IPC (Feather) file"),
    "avro": (b"Obj\x01\x04\x14avro.codec" + bytes(20), "an Avro file"),
    "bzip2": (bz2.compress(TSV), "bzip2 data"),
    "xz": (lzma.compress(TSV), "xz data"),
    "zstd": (pa.compress(TSV, codec="zstd", asbytes=True), "zstd data"),
    "zip": (zipped(TSV), "a zip archive"),
    "twice": (gzip.compress(gzip.compress(TSV)), "gzip data inside gzip data"),
    "html": (b"<!doctype html><html><body>404</body></html>\n", "an HTML page"),
    "xml": (b"<?xml version='1.0'?><Error><Code>SlowDown</Code></Error>", "XML"),
    "lfs": (LFS, "a Git LFS pointer"),
    "lfs in gzip": (gzip.compress(LFS), "a Git LFS pointer"),
    "utf-16": ("url\ttext\nu1\ta cat\n".encode("utf-16"), "UTF-16"),
    "utf-16, no mark": ("url\ttext\nu1\ta cat\n".encode("utf-16-le"), "UTF-16"),
    "utf-32": ("url\ttext\nu1\ta cat\n".encode("utf-32"), "UTF-32"),
    "nul": (bytes(5000), "NUL bytes"),
    "empty": (b"", "the file is empty"),
    "empty gzip": (gzip.compress(b""), "the file is empty"),
    "warc": (b"WARC/1.0\r\nWARC-Type: warcinfo\r\n\r\n", "a WARC file"),
}


@pytest.mark.parametrize("name", ["a.tsv", "a.csv", "a.jsonl", "a.jsonl.gz", "a.parquet"])
@pytest.mark.parametrize("case", FILES)
def test_other_kinds_fail_with_what_they_are(tmp_path, extract, name, case):
    """No file of another kind ends `done` without pairs."""
    content, what = FILES[case]
    if name == "a.parquet" and case in ("twice", "lfs in gzip", "empty gzip"):
        what = "gzip data"
    found = extract(save(tmp_path / name, content))
    if name == "a.parquet" and case == "parquet":
        assert found.rows == [("u1", "a cat")]
        return
    assert (found.outcome["status"], found.rows, found.rejected) == ("failed", [], {})
    assert what in found.outcome["reason"]
    assert "expected" in found.outcome["reason"]


@pytest.mark.parametrize("name", ["a.wat.gz", "a.warc.gz", "a.warc"])
@pytest.mark.parametrize("case", ["lfs", "html", "parquet", "zstd", "xml"])
def test_records_of_another_kind_fail_with_what_they_are(tmp_path, extract, name, case):
    """Readers of WAT and WARC use the same signs."""
    content, what = FILES[case]
    found = extract(save(tmp_path / name, content))
    assert (found.outcome["status"], found.rows) == ("failed", [])
    assert what in found.outcome["reason"]


@pytest.mark.parametrize(
    "content",
    [
        b'[{"url": "u1", "text": "a cat"}, {"url": "u2", "text": "a dog"}]',
        b'[\n  {"url": "u1", "text": "a cat"},\n  {"url": "u2", "text": "a dog"}\n]\n',
        b'{\n  "url": "u1",\n  "text": "a cat"\n}\n{\n  "url": "u2",\n  "text": "a dog"\n}\n',
        b'{"data": [\n{"url": "u1", "text": "a cat"},\n{"url": "u2", "text": "b"},\n{"url": "u3", "text": "x"}\n]}\n',
        b'{"data": [{"url": "u1", "text": "a cat"}]}',
        b"{'url': 'u1', 'text': 'a cat'}\n{'url': 'u2', 'text': 'a dog'}\n",
        b'["u1", "a cat"]\n["u2", "a dog"]\n',
        b"url\ttext\nu1\ta cat\n",
        b'"a"\n"b"\n',
    ],
    ids=["array", "array in lines", "pretty", "data in lines", "data", "quotes", "lists", "tsv", "strings"],
)
def test_json_that_is_no_json_lines_fails(tmp_path, extract, content):
    """A JSON document is not read as lines, and the reason says what to do."""
    found = extract(save(tmp_path / "a.jsonl", content))
    assert (found.outcome["status"], found.rows) == ("failed", [])
    assert found.outcome["reason"]
