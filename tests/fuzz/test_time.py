"""Twice the length takes at most 2.5 times the time: hostile content of every kind, in CPU time."""

from __future__ import annotations

import contextlib
import gzip
import json
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from extraction import WatBuilder
from hostile import KINDS, PATHS, model_cache, wat_records
from made_fasttext import Made, write_model
from warc_builder import page

from metaclip_spark.errors import MetaclipError

pytestmark = pytest.mark.slow

RATIO = 2.5
SLACK = 0.1
"""Seconds that a reading may take in addition: the work that does not grow, and the noise of a clock."""
SECONDS = 0.3
"""A content is doubled until half of it takes this long, or it is as large as `LARGEST`."""
LARGEST = 48 << 20


def _wat(n: int, opening: str) -> bytes:
    links = [{"path": "IMG@/src", "url": f"{opening}{at}", "alt": f"{opening} {at}"} for at in range(n)]
    return gzip.compress(WatBuilder().page("http://ex.org/", links), 1)


def _of_page(body: bytes) -> bytes:
    return gzip.compress(page(body), 1)


ROW = b'"http://ex.org/i.jpg"'
CASES: dict[str, tuple[str, str, Callable[[int], bytes]]] = {
    "links": ("wat", "a.wat.gz", lambda n: _wat(n, "x")),
    "links with references": ("wat", "a.wat.gz", lambda n: _wat(n, "&amp;../")),
    "members of a WAT": ("wat", "a.wat.gz", lambda n: gzip.compress(wat_records()[1], 1) * n),
    "broken members": ("wat", "a.wat.gz", lambda n: (gzip.compress(wat_records()[1], 1)[:-9] + b"x") * n),
    "brackets of JSON": ("wat", "a.wat.gz", lambda n: gzip.compress(WatBuilder.record(b"[" * 100 * n), 1)),
    "images": ("warc", "a.warc.gz", lambda n: _of_page(b"<img src=a alt='a b'>" * n)),
    "comments": ("warc", "a.warc.gz", lambda n: _of_page(b"<!--" * 10 * n)),
    "attributes": ("warc", "a.warc.gz", lambda n: _of_page(b"<img " + b"a='b' " * 10 * n + b"alt=x>")),
    "references": ("warc", "a.warc.gz", lambda n: _of_page(b"<img src=x alt='" + b"&amp" * 10 * n + b"'>")),
    "tags": ("warc", "a.warc.gz", lambda n: _of_page(b"<b><p>" * n)),
    "header lines": ("warc", "a.warc", lambda n: b"WARC/1.0\r\n" + b"a: b\r\n" * 10 * n),
    "quotes": ("csv", "a.csv", lambda n: b"url,text\n" + b'"' * 100 * n),
    "quotes of an open field": ("csv", "a.csv", lambda n: b"url,text\n" + b'"' + b'""a' * 30 * n + b'"\n'),
    "quoted delimiters": ("csv", "a.csv", lambda n: b"url,text\n" + b'"a,b",' * 20 * n),
    "quoted delimiters of a Mac": ("csv", "a.csv", lambda n: b"url,text\r" + b'"a,b",c\r' * 20 * n),
    "escaped quotes": ("csv", "a.csv", lambda n: b"url,text\n" + b'"' + b'\\"' * 50 * n),
    "quoted line ends": ("csv", "a.csv", lambda n: b"url,text\n" + ROW + b',"' + b'a\n""b' * 10 * n + b'"\n'),
    "stray quotes": ("csv", "a.csv", lambda n: b"url,text\n" + b'a,b"c\nd,"e"f\n' * 10 * n),
    "delimiters": ("tsv", "a.tsv", lambda n: b"url\ttext\n" + b"\t" * 100 * n + b"\n"),
    "columns": ("tsv", "a.tsv", lambda n: b"\t".join(b"c%d" % at for at in range(10 * n)) + b"\turl\ttext\n"),
    "returns": ("tsv", "a.tsv", lambda n: b"url\ttext\n" + b"\r" * 100 * n),
    "keys": (
        "jsonl",
        "a.jsonl",
        lambda n: json.dumps(
            {"url": "u", "text": "t", "x": {"url": 1}} | dict.fromkeys(map(str, range(n)), 0)
        ).encode(),
    ),
    "levels": ("jsonl", "a.jsonl", lambda n: b'{"url":"u","text":"t"}\n' + b"[" * 100 * n),
    "escapes": ("jsonl", "a.jsonl", lambda n: b'{"url":"u","text":"' + b"\\ud800" * 20 * n + b'"}'),
    "paths": ("paths", "list.txt", lambda n: PATHS * n),
    "a long path": ("paths", "list.txt", lambda n: b"x/" * 100 * n),
    "entries": ("entries", "a.txt", lambda n: b"\n".join(b"new york %d" % at for at in range(n))),
    "an entry of many tokens": ("entries", "a.txt", lambda n: b"a " * n + b"a"),
    "an entry of marks": ("entries", "a.txt", lambda n: b"a . " * n + b"a"),
    "equal entries": ("entries", "a.json", lambda n: json.dumps(["a"] * 10 * n).encode()),
    "members of a list": ("entries", "a.txt.gz", lambda n: gzip.compress(b"a", 0) * n),
    "a config of values": ("config", "a.yaml", lambda n: b"input: [" + b"a, " * n + b"]"),
    "a config of levels": ("config", "a.yaml", lambda n: b"[" * n),
    "a long scalar": ("config", "a.yaml", lambda n: b"seed: " + b"9" * 20 * n),
    "domains": ("takedown", "a.txt", lambda n: b"\n".join(b"b\xc3\xbc%d.example" % at for at in range(n))),
    "a long domain": ("takedown", "a.txt", lambda n: b"x" * 100 * n),
    "a domain of labels": ("takedown", "a.txt", lambda n: b"x." * 100 * n),
    "urls": ("takedown", "a.txt", lambda n: b"\n".join(b"http://ex.org/%d?a=1&amp;b" % at for at in range(n))),
    "a long url": ("takedown", "a.txt", lambda n: b"http://ex.org/" + b"%41&amp;\xc3\xbc" * 20 * n),
    "hosts": ("takedown", "a.txt", lambda n: b"0.0.0.0 " + b"a.example " * 10 * n),
}


def seconds(kind: str, path: Path) -> float:
    """Return the CPU time of one reading, the least of three."""
    taken = []
    for _ in range(3):
        began = time.process_time()
        with contextlib.suppress(MetaclipError):
            KINDS[kind].read(path)
        taken.append(time.process_time() - began)
    return min(taken)


@pytest.mark.parametrize("name", CASES)
def test_twice_the_length_takes_at_most_two_and_a_half_times_the_time(tmp_path, name):
    """From a size that takes long enough to be measured."""
    kind, file, make = CASES[name]
    check(tmp_path / file, make, kind)


def test_twice_the_words_of_a_model_take_at_most_two_and_a_half_times_the_time(tmp_path):
    """Its words are read one by one."""

    def make(n: int) -> bytes:
        words = [struct.pack("<q", at * 0x9E3779B97F4A7C15 % (1 << 62)).hex() for at in range(n)]
        return write_model(tmp_path / "made.bin", Made(bucket=10, dim=1), words).read_bytes()

    with model_cache():
        check(tmp_path / "m.ftz", make, "model")


def check(path: Path, make: Callable[[int], bytes], kind: str) -> None:
    """Double a content until it takes long enough; its time must not grow too much twice in a row.

    Once it may: a part becomes too long and is looked at in another way, or damage is searched up to a limit.
    """
    n = 500
    path.write_bytes(make(n))
    seconds(kind, path)  # kernels are loaded
    once, too_much = seconds(kind, path), ""
    while True:
        n *= 2
        raw = make(n)
        path.write_bytes(raw)
        twice = seconds(kind, path)
        grew = once > SECONDS and twice > RATIO * once + SLACK
        assert not (grew and too_much), f"{n:,} take {twice:.2f} s, and half of it {once:.2f} s; before: {too_much}"
        too_much = f"{n:,} took {twice:.2f} s, and half of it {once:.2f} s" if grew else ""
        if not grew and (once > SECONDS or len(raw) > LARGEST or n > 1 << 20):
            return
        once = twice
