"""Hostile WARCs are read within a bound of memory: in a new process, under a limit of its address space."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from warc_builder import HTML, http, record

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the address space reliably")

MIB = 900
"""The room above what is in use before the file is opened."""

READ = """
import json, resource, sys
import numpy, pyarrow, selectolax.lexbor, brotli, zstandard
from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.sources.files import find_sources, splits_of
from metaclip_spark.extract.task import Stamp, Tools, extract_split

def read(path):
    (split,) = splits_of(find_sources([path]))
    pairs = 0
    for batch in extract_split(split, ExtractOptions(), Tools(), Stamp("s", "m", "b")):
        pairs += batch.num_rows
        last = batch
    row = last.to_pylist()[0]
    return {name: row[name] for name in ("status", "reason", "records_read", "texts_read", "pairs_written", "rejected")}

read(sys.argv[1])  # compiled code is loaded, and the pools of memory exist
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
limit = used + (int(sys.argv[3]) << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
print(json.dumps(read(sys.argv[2])))
"""


def read(tmp_path: Path, content: Iterator[bytes]) -> dict:
    """Extract a file in a new process under the limit; return its outcome."""
    small, path = tmp_path / "small.warc.gz", tmp_path / "a.warc.gz"
    small.write_bytes(gzip.compress(page("<img src=a.jpg alt='a red kite'>")))
    with open(path, "wb") as file:
        file.writelines(content)
    command = [sys.executable, "-c", READ, str(small), str(path), str(MIB)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stderr[-2000:]
    row = json.loads(done.stdout)
    row["rejected"] = dict(row["rejected"])
    return row


def page(body: str | bytes, *fields: str) -> bytes:
    return record(http(body, *fields))


def in_members(*records: bytes) -> Iterator[bytes]:
    good = page("<img src=last.jpg alt='the last image'>")
    return (gzip.compress(one, 1) for one in (*records, good))


def zeros(head: bytes, count: int) -> bytes:
    """Compress a head and `count` MiB of zeros, without the zeros in memory."""
    import zlib

    coder = zlib.compressobj(1, zlib.DEFLATED, 31)
    part = bytes(1 << 20)
    return b"".join([coder.compress(head), *(coder.compress(part) for _ in range(count)), coder.flush()])


def of_links(number: int, form: str) -> str:
    return "".join(form.format(n) for n in range(number))


HEAD = b"WARC/1.0\r\nWARC-Type: response\r\nContent-Type: application/http\r\nContent-Length: "
CASES: dict[str, tuple[Callable[[], Iterator[bytes]], dict[str, int]]] = {
    "two million links": (
        lambda: in_members(page(of_links(1_200_000, "<img src={0}.jpg alt=b>"))),
        {"link_cap": 1_180_000},
    ),
    "a giant text": (lambda: in_members(page(f"<img src=a alt='{'b ' * 15_000_000}'>")), {"text_cap": 1}),
    "a giant url": (lambda: in_members(page(f"<img src='{'a' * 30_000_000}' alt=b>")), {"bad_url": 1}),
    "a giant base": (
        lambda: in_members(page(f"<base href='http://ex.org/{'a' * 900_000}/'>" + "<img src=a alt=b>" * 2000)),
        {"repeat": 1999},
    ),
    "ten million attributes": (lambda: in_members(page(f"<img src=a {'b ' * 10_000_000} alt=c>")), {}),
    "deep nesting": (lambda: in_members(page("<div>" * 1_000_000 + "<img src=a alt=b>")), {}),
    "brackets": (lambda: in_members(page("<" * 32_000_000 + "<img src=a alt=b>")), {}),
    "a body that inflates to 1 GB": (
        lambda: in_members(page(zeros(b"<html>", 1100), HTML, "Content-Encoding: gzip")),
        {"broken_record": 1},
    ),
    "a member that inflates to 1 GB": (
        lambda: iter([zeros(b"", 1100), *in_members()]),
        {"broken_record": 1},
    ),
    "a record of 1 GB": (
        lambda: iter([zeros(HEAD + b"%d\r\n\r\n" % (1100 << 20), 1100), *in_members()]),
        {"broken_record": 1},
    ),
    "millions of header lines": (
        lambda: in_members(record(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 5_000_000)),
        {"broken_record": 1},
    ),
    "millions of header lines of a record": (
        lambda: in_members(b"WARC/1.0\r\n" + b"a: b\r\n" * 5_000_000),
        {"broken_record": 1},
    ),
    "many records": (
        lambda: iter([gzip.compress(page("<p>")) * 20_000, *in_members()]),
        {"no_image_text": 20_000},
    ),
}


FAST = ("two million links", "a giant text", "ten million attributes", "a member that inflates to 1 GB")


@pytest.mark.parametrize(
    "name", [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in CASES]
)
def test_a_hostile_file_is_read_within_the_limit(tmp_path, name):
    """What is too much is counted, and the next record is read."""
    make, rejected = CASES[name]
    row = read(tmp_path, make())
    assert {reason: row["rejected"].get(reason) for reason in rejected} == rejected, row
    assert row["pairs_written"] >= 1, row
    assert row["status"] == ("partial" if "member" in name or "of a record" in name else "done"), row
