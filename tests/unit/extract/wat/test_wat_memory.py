"""A task's memory does not grow with its file: measured in a new process."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

MIB_ABOVE_IMPORTS = 300
MIB_OF_ADDRESSES = 1200  # above those of the imports, for a record of up to 256 MB, the largest that is read

READ = """
import json, resource, sys
from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.sources.files import find_sources, splits_of
from metaclip_spark.extract.task import Stamp, Tools, extract_split

def peak():  # MiB; the system counts in KiB, macOS in bytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)

before, addresses = peak(), int(sys.argv[2]) << 20
if addresses:
    taken = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + addresses, taken + addresses))
(split,) = splits_of(find_sources([sys.argv[1]]))
for batch in extract_split(split, ExtractOptions(), Tools(), Stamp("s", "m", "b")):
    last = batch
ended = last.to_pylist()[0]
names = ("status", "records_read", "texts_read", "pairs_written")
counts = {"rejected": dict(ended["rejected"]), "before": before, "peak": peak()}
print(json.dumps({**{name: ended[name] for name in names}, **counts}))
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


def read(path: Path, addresses: int = 0) -> dict:
    """Extract a file in a new process; return its outcome, and its memory in MiB.

    Args:
        addresses: MiB of addresses that the process may take after its imports; 0 is no limit.
    """
    command = [sys.executable, "-c", READ, str(path), str(addresses)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_record_of_50_mb_is_read(tmp_path):
    """The record's JSON is in memory once, and only a part is decoded: the image links are at its end."""
    path = tmp_path / "large.wat.gz"
    path.write_bytes(gzip.compress(record([{"url": "a.jpg", "alt": "a cat"}], filler=50_000_000), 1))
    ended = read(path)
    assert (ended["status"], ended["records_read"], ended["pairs_written"]) == ("done", 1, 1)
    assert ended["peak"] - ended["before"] < MIB_ABOVE_IMPORTS


LINK = b'{"path":"IMG@/src","url":"https://example.org/images/%d.jpg","alt":"a photo of cat number %d"}'
BEFORE = (
    b'{"Envelope":{"WARC-Header-Metadata":{"WARC-Type":"response","WARC-Target-URI":"http://ex.org/"},'
    b'"Payload-Metadata":{"HTTP-Response-Metadata":{"HTML-Metadata":{"Head":{%b},"Links":['
)
AFTER = b"]}}}}}"


def write_page(path: Path, links: bytes, head: bytes = b"") -> Path:
    """Write a WAT of one page with these links, and a small page after it."""
    members = []
    for payload in (BEFORE % head + links + AFTER, BEFORE % b"" + LINK % (9_999_999, 0) + AFTER):
        fields = b"WARC/1.0\r\nWARC-Type: metadata\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        members.append(gzip.compress(fields % len(payload) + payload + b"\r\n\r\n", 1))
    path.write_bytes(b"".join(members))
    return path


def many_links() -> bytes:
    return b",".join(LINK % (number, number) for number in range(2_000_000))


def long_text() -> bytes:
    return b'{"path":"IMG@/src","url":"a.jpg","alt":"%b"}' % (b"word " * 40_000_000)


def long_escaped_text() -> bytes:
    return b'{"path":"IMG@/src","url":"a.jpg","alt":"%b"}' % (b"\\u00e9&amp;" * 3_000_000)


def long_data_url() -> bytes:
    return b'{"path":"IMG@/src","url":"data:image/png;base64,%b","alt":"a"}' % (b"A" * 30_000_000)


def long_url() -> bytes:
    return b'{"path":"IMG@/src","url":"https://ex.org/%b","alt":"a","title":"b"}' % (b"A" * 30_000_000)


def empty_lists() -> bytes:
    return b"[" + b"[]," * 30_000_000 + b"[]]," + LINK % (1, 1)


def links_of_long_urls() -> bytes:
    link = b'{"path":"IMG@/src","url":"/%b%d.jpg","alt":"a%d","title":"b%d"}'
    return b",".join(link % (b"x" * 100_000, number, number, number) for number in range(1000))


HOSTILE = [
    (many_links, b"", {"link_cap": 1_980_000}, 20_001),
    (long_text, b"", {"broken_json": 1}, 1),
    (long_escaped_text, b"", {"text_cap": 1}, 1),
    (long_data_url, b"", {"data_url": 1}, 1),
    (long_url, b"", {"bad_url": 2}, 1),
    (empty_lists, b"", {"broken_json": 1}, 1),
    (links_of_long_urls, b"", {}, 2001),
    (links_of_long_urls, b'"Base":"http://ex.org/%b/"' % (b"y" * 60_000), {}, 2001),
]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the addresses of a process")
@pytest.mark.parametrize(("links", "head", "rejected", "pairs"), HOSTILE, ids=[row[0].__name__ for row in HOSTILE])
def test_a_hostile_page_is_read_in_bounded_memory(tmp_path, links, head, rejected, pairs):
    """Whatever a page holds, the worker lives, the page after it is read, and what is left out is counted."""
    ended = read(write_page(tmp_path / "a.wat.gz", links(), head), MIB_OF_ADDRESSES)
    assert ended["rejected"] == rejected
    assert (ended["status"], ended["records_read"], ended["pairs_written"]) == ("done", 2, pairs)


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
