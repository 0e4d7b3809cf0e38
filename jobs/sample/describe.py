"""Measure a WAT against an entry list: the figures of README.md about `pool.wat.gz`."""

from __future__ import annotations

import gzip
import hashlib
import html
import io
import itertools
import json
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urljoin

SPACED = {char: f" {char} " for char in ",.;:?!`"} | dict.fromkeys("\t\n\r", " ")
CLEANED = str.maketrans("\t\n\r", "   ", "\0")
MANY = 10**9
COUNTS = [(1, 1), (1, 5), (20, MANY)]
SIZES = [(0, 0), (1, 1), (2, 2), (3, 5), (6, 10), (11, 50), (51, MANY)]


class Page(NamedTuple):
    """A response: its HTML metadata ({} if it has none), and its images."""

    uri: str
    headers: dict
    html: dict
    images: list[dict]

    def texts(self) -> list[tuple[str, str]]:
        """Return the (url, text) of each alt and title that is not empty, cleaned as in the pipeline."""
        base = urljoin(self.uri, self.html.get("Head", {}).get("Base", ""))
        found = []
        for image in self.images:
            for raw in (image[name] for name in ("alt", "title") if name in image):
                if text := html.unescape(raw).translate(CLEANED).strip():
                    found.append((_absolute(image["url"], base), text))
        return found


def _absolute(url: str, base: str) -> str:
    return urljoin(base, url) if url and not url.startswith("data:") else ""


def bodies(wat: bytes) -> Iterator[bytes]:
    """Yield the body of each record."""
    # gzip.decompress() would copy the remaining bytes after every member.
    raw, position = gzip.GzipFile(fileobj=io.BytesIO(wat)).read(), 0
    while position < len(raw):
        start = raw.index(b"\r\n\r\n", position) + 4
        length = raw[position:start].split(b"\r\nContent-Length: ")[1].split(b"\r\n")[0]
        position = start + int(length) + 4
        yield raw[start : position - 4]


def envelopes(records: list[bytes]) -> list[dict]:
    """Return the envelopes that are complete."""
    found = []
    for body in records:
        try:
            found.append(json.loads(body)["Envelope"])
        except (ValueError, LookupError, TypeError):
            continue
    return [envelope for envelope in found if "WARC-Header-Metadata" in (envelope or {})]


def read_pages(whole: list[dict]) -> list[Page]:
    """Return the page of each response."""
    pages = []
    for envelope in whole:
        if envelope["WARC-Header-Metadata"]["WARC-Type"] == "response":
            response = envelope["Payload-Metadata"]["HTTP-Response-Metadata"]
            markup = response.get("HTML-Metadata") or {}
            images = [link for link in markup.get("Links") or [] if link["path"] == "IMG@/src"]
            uri = envelope["WARC-Header-Metadata"]["WARC-Target-URI"]
            pages.append(Page(uri, response["Headers"], markup, images))
    return pages


class Matcher:
    """A matcher of entries between spaces in a text, as in the pipeline; a text matches an entry at most once."""

    def __init__(self, entries: list[str]) -> None:
        self._entries = set(entries)
        self._most_words = max(entry.count(" ") for entry in entries) + 1
        self._prefixes = {e.rsplit(" ", n)[0] for e in entries for n in range(e.count(" ") + 1)}

    def match(self, text: str) -> set[str]:
        """Return the entries in `text`."""
        words = "".join(SPACED.get(char, char) for char in text).split(" ")
        found = set()
        for start in range(len(words)):
            for stop in range(start + 1, min(len(words), start + self._most_words) + 1):
                phrase = " ".join(words[start:stop])
                if phrase not in self._prefixes:
                    break
                if phrase in self._entries:
                    found.add(phrase)
        return found


def expected_size(matches: list[set[str]], counts: Counter[str], threshold: int) -> float:
    """Return the expected size of the curated subset, in pairs."""
    size = 0.0
    for entries in matches:
        dropped = 1.0
        for entry in sorted(entries):
            dropped *= 1 - threshold / max(counts[entry], threshold)
        size += 1 - dropped
    return size


def tail(counts: Counter[str], threshold: int) -> float:
    """Return the share of all counts that belongs to entries with count < `threshold`."""
    return sum(n for n in counts.values() if n < threshold) / max(sum(counts.values()), 1)


def threshold_for_tail(counts: Counter[str], fraction: float) -> int:
    """Return the t that `--tail-fraction` chooses."""
    ordered = sorted(counts.values())
    wanted = fraction * sum(ordered)
    reached = zip(itertools.accumulate(ordered), ordered, strict=True)
    return min(reached, key=lambda at: abs(at[0] - wanted), default=(0, 1))[1]


def describe(wat: bytes, entries: list[str]) -> str:
    """Return the figures of a WAT that make.py made, as Markdown tables."""
    records = list(bodies(wat))
    whole = envelopes(records[1:])
    pages = read_pages(whole)
    tables = {
        "the file": _file(wat, records, whole, pages),
        "image texts on a page": _sizes(pages),
        "its long tail": _long_tail(pages, entries),
        "what else is in it": _page_features(pages) + _image_features(pages) + _text_features(pages),
    }
    return "\n\n".join(_table(title, rows) for title, rows in tables.items())


def _table(title: str, rows: list[tuple[str, str]]) -> str:
    return "\n".join([f"| {title} | |", "|---|---|", *(f"| {name} | {figure} |" for name, figure in rows)])


def _file(wat: bytes, records: list[bytes], whole: list[dict], pages: list[Page]) -> list[tuple[str, str]]:
    types = Counter(envelope["WARC-Header-Metadata"]["WARC-Type"] for envelope in whole)
    texts = [text for page in pages for text in page.texts()]
    return [
        ("sha256", f"`{hashlib.sha256(wat).hexdigest()}`"),
        ("bytes", f"{len(wat):,}"),
        ("records, one gzip member each", f"{len(records):,}"),
        ("response records (pages)", f"{types['response']:,}"),
        ("records of requests; of metadata", f"{types['request']}; {types['metadata']}"),
        ("broken records", f"{len(records) - 1 - len(whole)}"),
        ("image links", f"{sum(len(page.images) for page in pages):,}"),
        ("image texts (alts and titles that are not empty)", f"{len(texts):,}"),
    ]


def _sizes(pages: list[Page]) -> list[tuple[str, str]]:
    sizes = [len(page.texts()) for page in pages]
    rows = []
    for low, high in SIZES:
        here = [size for size in sizes if low <= size <= high]
        name = f"{low} and more" if high == MANY else f"{low} to {high}" if high > low else str(low)
        of_pages, of_texts = _percent(len(here), len(sizes)), _percent(sum(here), sum(sizes))
        rows.append((name, f"{len(here):,} pages ({of_pages}), {of_texts} of texts"))
    return [*rows, ("most", f"{max(sizes, default=0)} image texts")]


def _long_tail(pages: list[Page], entries: list[str]) -> list[tuple[str, str]]:
    pairs = {pair: None for page in pages for pair in page.texts() if pair[0]}
    matcher = Matcher(entries)
    matches = [found for _, text in pairs if (found := matcher.match(text))]
    counts = Counter(entry for found in matches for entry in sorted(found))
    total, share = sum(counts.values()), _percent(len(matches), len(pairs))
    each = total / max(len(matches), 1)
    head = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:20]
    once, few, many = (sum(low <= n <= high for n in counts.values()) for low, high in COUNTS)
    expected = [f"{expected_size(matches, counts, t):,.0f} at t = {t}" for t in (5, 20, 100)]
    below = [f"{100 * tail(counts, t):.1f}% at t = {t}" for t in (2, 5, 20, 100)]
    return [
        ("different (url, text) pairs", f"{len(pairs):,}"),
        ("pairs that match", f"{len(matches):,} ({share}), with {each:.1f} entries each"),
        ("20 commonest entries", ", ".join(f"`{entry}` {n:,}" for entry, n in head)),
        ("share of all counts in these 20", _percent(sum(n for _, n in head), total)),
        ("entries that match", f"{len(counts):,} of {len(entries):,}"),
        ("of these: once; at most 5 times; at least 20 times", f"{once:,}; {few:,}; {many:,}"),
        ("share of all counts in entries with count < t", ", ".join(below)),
        ("t that `--tail-fraction 0.06` chooses", str(threshold_for_tail(counts, 0.06))),
        ("expected curated subset", ", ".join(expected)),
    ]


def _page_features(pages: list[Page]) -> list[tuple[str, str]]:
    heads = [page.html.get("Head", {}) for page in pages]
    metas = [head["Metas"][0] for head in heads if "Metas" in head]
    links = [link for page in pages for link in page.html.get("Links") or []]
    paths = Counter(str(link["path"]) for link in links)
    counts = {
        "`HTML-Metadata` null or missing": sum(not page.html for page in pages),
        "`Links` null or missing": sum(page.html.get("Links", page.html and None) is None for page in pages),
        "`Links` empty": sum(page.html.get("Links") == [] for page in pages),
        "`<base href>`": sum("Base" in head for head in heads),
        "robots rules": sum("name" in meta for meta in metas),
        "`og:image` with `og:title`": sum("property" in meta for meta in metas),
        "a header that is a list (`Set-Cookie`)": sum("Set-Cookie" in page.headers for page in pages),
    }
    others = "; ".join(f"{paths[path]:,}" for path in ("A@/href", "STYLE/#text", "None"))
    shares = [(name, f"{_percent(count, len(pages))} of pages") for name, count in counts.items()]
    return [*shares, ("links to pages; links in CSS (`href`); links whose path is null", others)]


def _image_features(pages: list[Page]) -> list[tuple[str, str]]:
    images = [image for page in pages for image in page.images]
    titled = [image for image in images if image.get("title")]
    counts = {
        "alt missing": sum("alt" not in image for image in images),
        "alt empty": sum(image.get("alt") == "" for image in images),
        "title equal to the alt": sum(image["title"] == image.get("alt") for image in titled),
        "title that is another text, or alone": sum(image["title"] != image.get("alt") for image in titled),
    }
    kinds = sorted(Counter(_kind(image["url"]) for image in images).items(), key=lambda item: -item[1])
    urls = ", ".join(f"{kind} {_percent(count, len(images))}" for kind, count in kinds)
    shares = [(name, f"{_percent(count, len(images))} of images") for name, count in counts.items()]
    return [*shares, ("urls", urls)]


def _text_features(pages: list[Page]) -> list[tuple[str, str]]:
    alts = [image["alt"] for page in pages for image in page.images if image.get("alt")]
    pairs = [pair for page in pages for pair in page.texts() if pair[0]]
    counts = {
        "entities (`&#39;`, `&amp;`, `&quot;`, ...)": sum(html.unescape(alt) != alt for alt in alts),
        "`&` escaped twice": sum("&amp;amp;" in alt for alt in alts),
        "newlines or tabs": sum("\n" in alt or "\t" in alt for alt in alts),
    }
    shares = [(name, f"{_percent(count, len(alts))} of alts") for name, count in counts.items()]
    repeats = f"{_percent(len(pairs) - len(set(pairs)), len(pairs))} of texts"
    return [*shares, ("repeated (url, text) pairs, titles equal to the alt included", repeats)]


def _kind(url: str) -> str:
    if "://" in url:
        return "absolute"
    if url.startswith("//"):
        return "protocol-relative"
    if url.startswith("/"):
        return "root-relative"
    return "`data:`" if url.startswith("data:") else "relative" if url else "empty"


def _percent(part: int, whole: int) -> str:
    share = 100 * part / whole if whole else 0.0
    return f"{share:.1f}%" if share < 9.95 else f"{share:.0f}%"
