"""MetaCLIP in one process, written only from the algorithm's description. The pipeline must equal it."""

from __future__ import annotations

import contextlib
import csv
import gzip
import hashlib
import itertools
import json
import os
from collections import Counter
from typing import NamedTuple
from urllib.parse import urljoin

import ahocorasick
import pyarrow.parquet as pq
import xxhash
from selectolax.lexbor import LexborHTMLParser


class Row(NamedTuple):
    """A text and its image from an input file. The first three fields decide which row keeps a pair."""

    source_path: str
    page_url: str
    text_source: str
    url: str
    text: str


class Curated(NamedTuple):
    """The results of the algorithm for a pool."""

    pairs: dict[str, Row]
    image_ids: dict[str, str]
    entry_ids: dict[str, list[int]]
    counts: dict[int, int]
    threshold: int
    entry_probabilities: dict[int, float]
    probabilities: dict[str, float]
    draws: dict[str, float]
    drawn: set[str]

    @property
    def kept(self) -> dict[str, tuple[float, float]]:
        """Return (sampling probability, draw) of each kept pair."""
        p, u = self.probabilities, self.draws
        return {pair: (p[pair], u[pair]) for pair in self.drawn if u[pair] < p[pair]}


def spaced(text):
    text = " " + text + " "
    for mark in ",.;:?!`":
        text = text.replace(mark, " " + mark + " ")
    return text.replace("\t", " ").replace("\n", " ").replace("\r", " ")


def make_matcher(entries, naive=False):
    """Return text -> ids of the entries whose spaced form is a substring of the spaced text, ascending."""
    needles = [" " + entry + " " for entry in entries]
    if naive:
        return lambda text: [i for i, needle in enumerate(needles) if needle in spaced(text)]
    automaton = ahocorasick.Automaton()
    for i, needle in enumerate(needles):
        automaton.add_word(needle, i)
    automaton.make_automaton()
    return lambda text: sorted({i for _, i in automaton.iter(spaced(text))})


def choose_threshold(all_counts, fraction):
    ascending = sorted(all_counts)
    total = sum(ascending)
    shares = [cumulated / total for cumulated in itertools.accumulate(ascending)]
    nearest = min(range(len(shares)), key=lambda i: abs(shares[i] - fraction))
    return max(1, ascending[nearest])


def keyed_hash(purpose, seed, key):
    keyed = xxhash.xxh64_intdigest(f"{purpose}:{seed}".encode(), seed=42)
    return xxhash.xxh64_intdigest(key.encode(), seed=keyed)


def curate(
    rows, entries, *, threshold=None, tail_fraction=0.06, seed=0, unit="pair", naive=False, weigh=None, given=None
):
    """Match, deduplicate, count, and draw.

    Args:
        weigh: returns the factor of a row's probability.
        given: id -> count, instead of the pool's counts; an entry without one keeps every pair.
    """
    match = make_matcher(entries, naive)
    first, ids = {}, {}
    for row in rows:
        raw = row.url.encode()
        key = hashlib.blake2b(len(raw).to_bytes(8, "little") + raw + row.text.encode(), digest_size=16)
        pair = key.hexdigest()
        if pair not in ids:
            ids[pair] = match(row.text)
        if ids[pair]:
            first[pair] = min(first.get(pair, row), row)
    ids = {pair: ids[pair] for pair in first}
    counts = Counter(i for matched in ids.values() for i in matched)
    used = counts if given is None else given
    t = threshold or choose_threshold([used.get(i, 0) for i in range(len(entries))], tail_fraction)
    by_entry = {i: t / max(used.get(i, 0), t) for i, count in counts.items() if count}
    images = {
        pair: hashlib.sha224(row.url.replace("\t", "").replace(" ", "").encode()).hexdigest()[:24]
        for pair, row in first.items()
    }
    p, u = {}, {}
    for pair, matched in ids.items():
        missed = 1.0
        for i in matched:
            missed *= 1.0 - by_entry[i]
        p[pair] = (1.0 - missed) * (weigh(first[pair]) if weigh else 1.0)
        u[pair] = (keyed_hash("draw", seed, pair if unit == "pair" else images[pair]) >> 11) * 2**-53
    drawn = set(first)
    if unit == "image":
        chosen = {}
        for pair in sorted(first, key=lambda pair: (keyed_hash("choose", seed, pair), pair)):
            chosen.setdefault(images[pair], pair)
        drawn = set(chosen.values())
    return Curated(first, images, ids, {i: counts[i] for i in by_entry}, t, by_entry, p, u, drawn)


def clean(text, is_html=False):
    text = decoded(text) if is_html else text
    text = text.replace("\t", " ").replace("\n", " ").replace("\r", " ").replace("\0", "").strip()
    return "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)


def decoded(value):
    """Return an attribute's value as an HTML parser decodes it; the parser would change CR and NUL."""
    quoted = value.replace('"', "&quot;").replace("\r", "&#13;").replace("\0", "")
    return LexborHTMLParser(f'<img alt="{quoted}">').css_first("img").attributes["alt"] or ""


def inside(value, *keys):
    """Return the value at a path of keys, or {} if a level is missing, null or not an object."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value or {}


def json_lines(path):
    with gzip.open(path) as lines:
        for line in lines:
            with contextlib.suppress(ValueError):  # broken JSON is skipped, like any other line
                yield json.loads(line) if line.startswith(b"{") else {}


def read_wat(path):
    """Yield the texts of a WAT that has the JSON of each record on one line."""
    for record in json_lines(path):
        warc = inside(record, "Envelope", "WARC-Header-Metadata")
        if inside(warc, "WARC-Type") != "response":
            continue
        html_metadata = inside(record, "Envelope", "Payload-Metadata", "HTTP-Response-Metadata", "HTML-Metadata")
        page = warc["WARC-Target-URI"]
        base = urljoin(page, decoded(inside(html_metadata, "Head", "Base") or ""))
        for link in inside(html_metadata, "Links"):
            url = decoded(link.get("url") or "").strip() if link.get("path") == "IMG@/src" else ""
            if url and not url.lower().startswith(("http://", "https://")):
                url = urljoin(base, url)
            if url.lower().startswith(("http://", "https://")):
                for field in ("alt", "title"):
                    yield page, field, url, clean(link.get(field) or "", is_html=True)


def read_tabular(path, url_column, text_column):
    """Yield the rows of a Parquet, TSV, CSV or JSON lines file; columns 0, 1, ... mean that it has no header."""
    name = str(path)
    if name.endswith(".parquet"):
        rows = pq.read_table(path, columns=[url_column, text_column]).to_pylist()
    else:
        with (gzip.open if name.endswith(".gz") else open)(path, "rt", encoding="utf-8", newline="") as file:
            if ".jsonl" in name:
                rows = [json.loads(line) for line in file]
            else:
                tabs = {"delimiter": "\t", "quoting": csv.QUOTE_NONE} if ".tsv" in name else {}
                cells = list(csv.reader(file, **tabs))
                header = None if text_column.isdigit() else cells.pop(0)
                rows = [dict(zip(header or map(str, range(len(row))), row, strict=True)) for row in cells]
    for row in rows:
        url, text = row.get(url_column), row.get(text_column)
        if url and url.strip() and not url.lower().startswith("data:"):
            yield "", text_column, url, clean(text or "")


def read_pool(paths, url_column="url", text_column="text"):
    """Return the texts of input files that are not empty."""
    rows = []
    for path in map(os.path.abspath, paths):
        found = read_wat(path) if path.endswith(".wat.gz") else read_tabular(path, url_column, text_column)
        rows += [Row(path, page, field, url, text) for page, field, url, text in found if text]
    return rows
