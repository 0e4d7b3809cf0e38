"""A task's memory does not grow with its file: measured in a new process."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

MIB_ABOVE_IMPORTS = 300

READ = """
import json, resource, sys
from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.sources.files import find_sources, splits_of
from metaclip_spark.extract.task import Stamp, Tools, extract_split

def peak():  # MiB; the system counts in KiB, macOS in bytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)

before = peak()
(split,) = splits_of(find_sources([sys.argv[1]]))
for batch in extract_split(split, ExtractOptions(), Tools(), Stamp("s", "m", "b")):
    last = batch
ended = last.to_pylist()[0]
names = ("status", "records_read", "texts_read", "pairs_written")
print(json.dumps({**{name: ended[name] for name in names}, "before": before, "peak": peak()}))
"""


def record(links: list[dict], filler: int = 0) -> bytes:
    """Build one WAT record: a page with these links, and `filler` bytes of other links."""
    others = [{"path": "A@/href", "url": f"/{'x' * 90}"}] * (filler // 120)
    html = {"Head": {"Title": "t"}, "Links": [*others, *({"path": "IMG@/src", **link} for link in links)]}
    payload = json.dumps(
        {
            "Envelope": {
                "WARC-Header-Metadata": {"WARC-Type": "response", "WARC-Target-URI": "http://ex.org/p/"},
                "Payload-Metadata": {"HTTP-Response-Metadata": {"HTML-Metadata": html}},
            }
        },
        separators=(",", ":"),
    ).encode()
    head = f"WARC/1.0\r\nWARC-Type: metadata\r\nContent-Type: application/json\r\nContent-Length: {len(payload)}"
    return head.encode() + b"\r\n\r\n" + payload + b"\r\n\r\n"


def read(path: Path) -> dict:
    """Extract a file in a new process; return its outcome, and its memory in MiB."""
    done = subprocess.run([sys.executable, "-c", READ, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_record_of_50_mb_is_read(tmp_path):
    """The record's JSON is in memory once, and only a part is decoded: the image links are at its end."""
    path = tmp_path / "large.wat.gz"
    path.write_bytes(gzip.compress(record([{"url": "a.jpg", "alt": "a cat"}], filler=50_000_000), 1))
    ended = read(path)
    assert (ended["status"], ended["records_read"], ended["pairs_written"]) == ("done", 1, 1)
    assert ended["peak"] - ended["before"] < MIB_ABOVE_IMPORTS


@pytest.mark.slow
@pytest.mark.parametrize("pages", [1_000, 10_000], ids=["100 MB", "1 GB"])
def test_a_large_file_needs_no_more_memory_than_a_small_one(tmp_path, pages):
    """1 GB of inflated records (100 KB and ten images per page) has the same bound as 100 MB."""
    path = tmp_path / "many.wat.gz"
    with open(path, "wb") as file:
        for page in range(pages):
            links = [{"url": f"{page}/{n}.jpg", "alt": f"a photo of cat {n}"} for n in range(10)]
            file.write(gzip.compress(record(links, filler=100_000), 1))
    ended = read(path)
    assert (ended["status"], ended["records_read"], ended["pairs_written"]) == ("done", pages, 10 * pages)
    assert ended["peak"] - ended["before"] < MIB_ABOVE_IMPORTS / 2
