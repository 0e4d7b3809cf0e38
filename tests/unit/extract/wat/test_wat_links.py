"""The compiled reader of image links agrees with plain Python, and reads and writes only inside its arrays."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from metaclip_spark.candidates.ledger import PASSED_OVER, Ledger
from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.core.references import decode_references
from metaclip_spark.core.text import clean_text, without_surrogates
from metaclip_spark.core.urls.resolve import absolute_url
from metaclip_spark.extract.wat.batch import FIELDS, Batch
from metaclip_spark.extract.wat.pages import PageReader

PAGE = "http://ex.org/a/b/page.html"


def payload_of(links: list[dict], base: str | None = None, ascii_only: bool = False) -> bytes:
    """Build a record as extractors write it."""
    html = {"Head": {"Base": base}, "Links": [{"path": "IMG@/src", **link} for link in links]}
    header = {"WARC-Type": "response", "WARC-Target-URI": PAGE}
    envelope = {
        "WARC-Header-Metadata": header,
        "Payload-Metadata": {"HTTP-Response-Metadata": {"HTML-Metadata": html}},
    }
    text = json.dumps({"Envelope": envelope}, ensure_ascii=False, separators=(",", ":"))
    if ascii_only or text != without_surrogates(text):  # a lone surrogate can only be written as an escape
        text = json.dumps({"Envelope": envelope}, separators=(",", ":"))
    return text.encode()


def expected(links: list[dict], base: str, options: ExtractOptions, encoded: bool = True) -> tuple[list, dict]:
    """Return the rows and the counts of rejects, by `clean_text` and `absolute_url`, one text after the other."""
    rows, rejected, position = [], {}, -1
    for link in links:
        for field in ("alt", "title"):
            if link.get(field) is None or field not in options.text_fields:
                continue
            position += 1
            url = without_surrogates(link.get("url") or "")
            url, reason = absolute_url(decode_references(url) if encoded else url, base)
            text = clean_text(without_surrogates(link[field]), is_html=encoded)
            reason = "empty_text" if not text else "text_cap" if len(text) > options.text_cap else reason
            if reason:
                rejected[reason] = rejected.get(reason, 0) + 1
            else:
                rows.append((url, text, field, position))
    return rows, rejected


def read(payloads: list[bytes], options: ExtractOptions, encoded: bool = True) -> tuple[list, dict]:
    """Return the rows and the counts of rejects, by the reader."""
    reader, ledger = PageReader(options), Ledger()
    reader.encoded = encoded
    batch, batches = Batch(options, ledger), []
    for payload in payloads:
        found = reader.read(payload)
        if not isinstance(found, str):
            batches += batch.add(*found)
    rows = []
    for got in [*batches, batch.flush()]:
        columns = (got.url, got.text, got.text_source, got.position)
        rows += zip(*(column.to_pylist() for column in columns), strict=True)
    return rows, {reason: number for reason, number in ledger.rejected.items() if reason not in PASSED_OVER}


BASES = [
    "",
    "http://ex.org",
    "https://ex.org/",
    "http://ex.org/a/b/c?d=/e#f",
    "http://ex.org/a;b/c",
    "http://ex.org//a/./b",
    "ftp://ex.org/",
    "HTTP://ex.org/x",
    "http://é.org/",
    "http:///x",
    "/rel/",
    "//other.org/x/",
    "http://ex.org:80/a/",
]
PIECES = [
    "http://",
    "https://",
    "HTTPS://",
    "//",
    "/",
    "./",
    "../",
    "..",
    ".",
    "data:",
    "Data:,",
    "a",
    "ex.org",
    "b.jpg",
    "?",
    "?x=/../y",
    "#f",
    ";p",
    ":",
    " ",
    "\t",
    "\n",
    "\0",
    "\x7f",
    "\u00a0",
    "é",
    "\U0001f600",
    "\ud800",
    "\udc00",
    "\\",
    '"',
    "%20",
    "&amp;",
    "&#038;",
    "&#47;",
    "&#x2f;",
    "&copy=",
    "&copy",
    "&#",
    "a b/",
    "[::1",
]
WORDS = [
    "a",
    "b c",
    " ",
    "\t",
    "\n",
    "\r",
    "\0",
    "&",
    "&amp;",
    "&nbsp;",
    "&#65;",
    "&#38;",
    "&eacute",
    "&copy=1",
    "&#x80;",
    "&lt",
    ";",
    "#",
    "é",
    "\u00a0",
    "\u3000",
    "\x85",
    "\x7f",
    "\ud83d",
    "\ude00",
    "\U0001f600",
    '"',
    "\\",
    "/",
    "}",
    "]",
    "\b",
    "\f",
    "\x1c",
    "\u200b",
    "\u1680",
    "\u180e",
    "\u2003",
    "\u205f",
    "\u2060",
    "\u306e",
    "\u7f6e",
]
URLS = st.lists(st.sampled_from(PIECES), max_size=6).map("".join) | st.none()
TEXTS = st.lists(st.sampled_from(WORDS), max_size=5).map("".join) | st.text(max_size=5) | st.none()
STRINGS = {"url": URLS, "alt": TEXTS, "title": TEXTS, "x": st.just(1.5)}
LINKS = st.lists(st.fixed_dictionaries({}, optional=STRINGS), max_size=4)


@settings(max_examples=1000)
@given(
    LINKS,
    st.sampled_from(BASES),
    st.booleans(),
    st.sampled_from([("alt", "title"), ("alt",), ("title",)]),
    st.booleans(),
    st.sampled_from([3, 1000]),
)
@example([{"url": "../../../x", "alt": "a", "title": "b"}], "http://ex.org/a/b/c", False, ("alt", "title"), True, 99)
@example([{"url": "x", "alt": "", "title": "b"}], "http://ex.org/a/b/c", False, ("alt", "title"), True, 99)
def test_links_give_the_rows_of_plain_python(links, base, ascii_only, fields, encoded, text_cap):
    """Both agree for any url and text, escaped or not, under any base, decoded by the extractor or not."""
    options = ExtractOptions(text_fields=fields, text_cap=text_cap)
    payload = payload_of(links, base or None, ascii_only)
    from_full = PageReader(options).in_full(payload)
    page_base = PAGE if isinstance(from_full, str) else from_full[0].base
    want = expected(json.loads(json.dumps(links)), page_base, options, encoded)  # a surrogate pair is one character
    assert read([payload], options, encoded) == want


def test_a_page_of_many_links_and_bytes_becomes_several_batches():
    """Links, long texts and long urls that no batch holds are split over batches, and every row is kept."""
    options = ExtractOptions(text_cap=1_000_000)
    many = [{"url": f"{number}.jpg", "alt": f"a{number}", "title": "t"} for number in range(19_000)]
    long = [{"url": "x" * 700_000, "alt": "é" * 900_000, "title": "t" * 10}] * 9
    last = [{"url": "/z.jpg", "alt": "last"}]
    base = f"http://ex.org/{'y' * 4000}/"
    got, rejected = read([payload_of(links, base) for links in (many, long, last)], options)
    rows = [row[:3] for links in (many, long, last) for row in expected(links, base, options)[0]]
    assert [row[:3] for row in got] == rows
    assert [row[3] for row in got] == list(range(len(rows)))
    assert rejected == {}


def test_fields_are_those_of_the_columns():
    """`add_rows` numbers the fields of a link as `FIELDS` does."""
    links = [{"url": "http://ex.org/a", "alt": "a", "title": "t"}]
    assert [row[2] for row in read([payload_of(links)], ExtractOptions())[0]] == list(FIELDS[:2])


BOUNDS = """
import json, random, sys
import numpy as np
from metaclip_spark.extract.wat.links import CUT, SPANS, cut_page
from metaclip_spark.extract.wat.json_check import PADDING
from metaclip_spark.extract.wat.rows import add_pages
from metaclip_spark.extract.wat.scan import FOUND, MAX_DEPTH, PAGE, PAGE_COLUMNS, scan_records

bits, found, scanned = random.Random(7), 0, 0
record, stack, values = np.ones((1, 5), np.int64), np.empty(MAX_DEPTH, np.int64), np.empty(FOUND, np.int64)
kinds, pages, number = np.empty(1, np.int8), np.empty((1, PAGE_COLUMNS), np.int64), np.zeros(1, np.int64)
folder = np.empty(100, np.uint8)
payload = json.loads(sys.stdin.readline()).encode()
spans = np.empty((64, SPANS), np.int64)
bases = [np.frombuffer(base, np.uint8) for base in (b"http://ex.org/", b"https://ex.org/a/b?c", b"http://e", b"")]
words = np.frombuffer(b"zzzzz", np.uint8).reshape(1, 5)
for _ in range(int(sys.argv[1])):
    raw = bytearray(payload)
    for _ in range(bits.randrange(4)):
        at = bits.randrange(len(raw))
        new = bits.choice([b'"', b"\\\\", b"}", b"{", b",", b":", b"\\\\u", b"\\xff", b"null", b""])
        raw[at : at + bits.randrange(3)] = new
    raw = bytes(raw[: bits.randrange(len(raw) + 1)] if bits.random() < 0.5 else raw)
    data = np.frombuffer(raw, np.uint8)
    outside = np.empty(len(raw) + len(CUT), np.uint8)
    links, start, stop, size, _ = cut_page(data, 0, len(data), spans, 60, outside, words)
    if links >= 0 and stop:
        assert outside[:size].tobytes() == raw[:start] + CUT + raw[stop:]
    if links > 0:
        found += 1
        room = len(raw)
        urls, texts = np.empty(6 * (room + 100), np.uint8), np.empty(room, np.uint8)
        ends, about = np.zeros((2, 3 * links + 1), np.int32), np.empty((3, 3 * links), np.int32)
        base, end = bases[found % 4], np.array([len(bases[found % 4])])
        record[0, 2:4], pages[0, 4:6] = (0, len(raw)), (0, links)
        add_pages(
            data, record, pages, number, spans, links, 0, 7, found % 2 == 0, 99, base, end, folder, 0, urls, texts,
            ends, about,
        )
    plain = raw.replace(b"\\ud83d\\ude00", b"")  # the scan leaves surrogate pairs to a parser
    padded = np.frombuffer(plain + b"\\r" + bits.randbytes(PADDING), np.uint8)
    record[0, 2:4] = 0, len(plain)
    assert scan_records(padded, record, 0, spans, 60, words, stack, values, kinds, pages) == 1
    if kinds[0] == PAGE and pages[0, 5]:
        scanned += 1
        json.loads(plain)
        assert links < 0 or pages[0, 5] == links
        links = int(pages[0, 5])
        room = len(raw)
        urls, texts = np.empty(6 * (room + 100), np.uint8), np.empty(room, np.uint8)
        ends, about = np.zeros((2, 3 * links + 1), np.int32), np.empty((3, 3 * links), np.int32)
        base, end = bases[found % 4], np.array([len(bases[found % 4])])
        add_pages(
            padded, record, pages, number, spans, 60, 0, 7, found % 2 == 0, 99, base, end, folder, 0, urls, texts, ends,
            about,
        )
print(found, scanned)
"""


@pytest.mark.slow  # compiles everything a second time
def test_no_byte_outside_is_read_or_written_whatever_the_bytes(tmp_path):
    """numba checks every index, on bytes that no parser has validated."""
    links = [
        {"url": "a\n.jpg", "alt": 'say "x" } \\ é', "n": 1},
        {"url": "data:,x", "alt": "\U0001f600", "title": None},
    ]
    payload = payload_of(links * 2, "/b/", ascii_only=True).decode().replace("u00e9", "u20ac")
    env = {**os.environ, "NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", BOUNDS, "20000"],
        input=json.dumps(payload),
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found, scanned = map(int, done.stdout.split())
    assert min(found, scanned) > 2000
