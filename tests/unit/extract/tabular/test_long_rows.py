"""Rows of megabytes: each is one reject, the rows around it are read, and memory is bounded."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys

import pytest

from metaclip_spark.extract.tabular import rows

MIB = 1 << 20
LIMITED = """
import resource, sys
import numba, pandas  # kernels and Arrow import them at their first use
from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.extract.task import Stamp, Tools, extract_split
from metaclip_spark.sources.files import find_sources, splits_of
(split,) = splits_of(find_sources([sys.argv[1]]))
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (int(sys.argv[2]) << 20), resource.RLIM_INFINITY))
batches = extract_split(split, ExtractOptions(), Tools(), Stamp("s", "m", "b"))
rows = [row for batch in batches for row in batch.to_pylist()]
print([row["url"] for row in rows if row["kind"] == "pair"], rows[-1]["status"], dict(rows[-1]["rejected"]))
"""


def in_limited_memory(path, mebibytes: int) -> str:
    """Extract a file in a process that may take this much memory more than it has; return what it prints."""
    command = [sys.executable, "-c", LIMITED, str(path), str(mebibytes)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


def body(name: str, long: str) -> str:
    """Return a file of three rows, the second with a long text."""
    if name.startswith("a.jsonl"):
        return "".join(json.dumps({"url": f"u{n}", "text": t}) + "\n" for n, t in enumerate(("a", long, "b")))
    sep = "," if ".csv" in name else "\t"
    return f"url{sep}text\nu0{sep}a\nu1{sep}{long}\nu2{sep}b\n"


@pytest.mark.parametrize("name", ["a.tsv", "a.csv", "a.jsonl", "a.tsv.gz"])
@pytest.mark.parametrize("size", [8, 15, 18, 40])
def test_a_long_value_is_one_reject(tmp_path, extract, name, size):
    """A value of 8 MB is a text that is too long; a row beyond the limit is not parsed at all."""
    raw = body(name, "word " * (size * MIB // 5)).encode()
    path = tmp_path / name
    path.write_bytes(gzip.compress(raw, 1) if name.endswith(".gz") else raw)
    found = extract(path)
    assert found.rows == [("u0", "a"), ("u2", "b")]
    reason = "text_cap" if size < 16 else "broken_json" if "jsonl" in name else "broken_row"
    assert (found.rejected, found.ending) == ({reason: 1}, ("done", None))


@pytest.mark.parametrize("dialect", ["double", "backslash"])
@pytest.mark.parametrize("columns", ["url,text", "text,url"])
@pytest.mark.parametrize("size", [8, 17, 40])
def test_a_long_quoted_value_of_many_lines_is_one_reject(tmp_path, extract, dialect, columns, size):
    """Lines inside of it are no rows, though they have as many columns."""
    mark = '""' if dialect == "double" else '\\"'
    long = '"' + f"a line, with a {mark}word{mark}, and more\n" * (size * MIB // 36) + '"'
    swap = columns == "text,url"
    fields = [(f'"x {mark}a{mark}"', "u0"), (long, "u1"), (f'"x, {mark}b{mark}"', "u2")]
    content = columns + "\n" + "".join(",".join(row if swap else row[::-1]) + "\n" for row in fields)
    (tmp_path / "a.csv").write_text(content)
    found = extract(tmp_path / "a.csv", quoting=dialect)
    assert found.rows == [("u0", 'x "a"'), ("u2", 'x, "b"')]
    assert (sum(found.rejected.values()), found.ending) == (1, ("done", None))


def test_a_mark_that_nothing_closes_does_not_hide_the_file(tmp_path, monkeypatch, extract):
    """The row of the mark is a reject, and the megabytes after it are read."""
    monkeypatch.setattr(rows, "MAX_ROW_BYTES", MIB)
    rest = "".join(f"u{n},text {n}\n" for n in range(120_000))
    (tmp_path / "a.csv").write_text('url,text\na,"x, ""y"""\nb,"open\n' + rest)
    found = extract(tmp_path / "a.csv", dedup=False)
    assert len(found.rows) == 120_001
    assert (found.rejected, found.ending) == ({"broken_row": 1}, ("done", None))


def test_a_long_value_that_nothing_closes_is_damage(tmp_path, extract):
    """The rest of the file is inside of the value: the source is partial, and says where the value begins."""
    (tmp_path / "a.csv").write_text('url,text\na,"x, ""y"""\nb,"' + "no columns here\n" * (2 * MIB))
    found = extract(tmp_path / "a.csv")
    assert found.rows == [("a", 'x, "y"')]
    assert found.outcome["status"] == "partial"
    assert "the quoted field at byte 22 is not closed" in found.outcome["reason"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit is Linux's")
@pytest.mark.parametrize("name", ["a.tsv.gz", "a.csv.gz", "a.jsonl.gz"])
def test_memory_is_bounded_for_a_line_of_any_length(tmp_path, name):
    """A line of 200 MB takes no more memory than the longest that is read."""
    with gzip.open(tmp_path / name, "wb", 1) as file:
        before, after = body(name, "\0").split("\\u0000" if "jsonl" in name else "\0")
        file.write(before.encode())
        for _ in range(200):
            file.write(b"word " * (MIB // 5))
        file.write(after.encode())
    reason = "broken_json" if "jsonl" in name else "broken_row"
    assert in_limited_memory(tmp_path / name, 300) == f"['u0', 'u2'] done {{'{reason}': 1}}"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit is Linux's")
@pytest.mark.parametrize("name", ["a.tsv.gz", "a.csv.gz", "a.jsonl.gz"])
def test_memory_is_bounded_for_many_long_values(tmp_path, name):
    """250 rows of 1 MB are never in memory together."""
    long = "word " * (MIB // 5)
    head, row, tail = body(name, "\0").splitlines(keepends=True)[-3:] if "jsonl" in name else ("", "", "")
    with gzip.open(tmp_path / name, "wb", 1) as file:
        if "jsonl" in name:
            file.write(head.encode())
            row = row.replace("\\u0000", long)
        else:
            sep = "," if ".csv" in name else "\t"
            file.write(f"url{sep}text\nu0{sep}a\n".encode())
            row, tail = f"u1{sep}{long}\n", f"u2{sep}b\n"
        for _ in range(250):
            file.write(row.encode())
        file.write(tail.encode())
    assert in_limited_memory(tmp_path / name, 300) == "['u0', 'u2'] done {'text_cap': 250}"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit is Linux's")
def test_memory_is_bounded_for_json_of_many_small_values(tmp_path):
    """Parsed, a line of empty objects takes many times its length."""
    with gzip.open(tmp_path / "a.jsonl.gz", "wb", 1) as file:
        for n in range(3):
            file.write(b'{"url": "u%d", "text": "t", "more": [%s{}]}\n' % (n, b"{}," * (4 * MIB)))
    assert in_limited_memory(tmp_path / "a.jsonl.gz", 1200) == "['u0', 'u1', 'u2'] done {}"
