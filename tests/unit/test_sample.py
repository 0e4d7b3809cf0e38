"""The shipped sample is a WAT with the structure and the long tail of a real crawl."""

from __future__ import annotations

import gzip
import html
import importlib.util
import io
import json
import subprocess
import sys
import zlib
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import ahocorasick
import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "jobs" / "sample"
POOL = FOLDER / "pool.wat.gz"
SPACED = {char: f" {char} " for char in ",.;:?!`"} | dict.fromkeys("\t\n\r", " ")


@pytest.fixture(scope="module")
def raw() -> bytes:
    """Return the decompressed sample."""
    # gzip.decompress() would copy the remaining bytes after every member.
    return gzip.GzipFile(fileobj=io.BytesIO(POOL.read_bytes())).read()


@pytest.fixture(scope="module")
def records(raw) -> list[tuple[dict[str, str], bytes]]:
    """Return the records of the sample as headers and body, split only by Content-Length."""
    parsed, position = [], 0
    while position < len(raw):
        end = raw.index(b"\r\n\r\n", position)
        version, *lines = raw[position:end].decode().split("\r\n")
        assert version == "WARC/1.0"
        headers = dict(line.split(": ", 1) for line in lines)
        body_end = end + 4 + int(headers["Content-Length"])
        assert raw[body_end : body_end + 4] == b"\r\n\r\n"
        parsed.append((headers, raw[end + 4 : body_end]))
        position = body_end + 4
    return parsed


@pytest.fixture(scope="module")
def envelopes(records) -> list[dict]:
    """Return the envelopes of the records that are not broken."""
    parsed = []
    for _, body in records[1:]:
        try:
            value = json.loads(body)
        except ValueError:
            continue
        if isinstance(value, dict) and value.get("Envelope") and "WARC-Header-Metadata" in value["Envelope"]:
            parsed.append(value["Envelope"])
    return parsed


@pytest.fixture(scope="module")
def pages(envelopes) -> list[tuple[str, dict]]:
    """Return the address and HTML metadata of each response, or {} if the metadata is missing."""
    responses = [e for e in envelopes if e["WARC-Header-Metadata"]["WARC-Type"] == "response"]
    uris = [e["WARC-Header-Metadata"]["WARC-Target-URI"] for e in responses]
    metadata = [e["Payload-Metadata"]["HTTP-Response-Metadata"].get("HTML-Metadata") or {} for e in responses]
    return list(zip(uris, metadata, strict=True))


@pytest.fixture(scope="module")
def links(pages) -> list[tuple[str, dict]]:
    """Return each link with its page."""
    return [(uri, link) for uri, page in pages for link in page.get("Links") or []]


@pytest.fixture(scope="module")
def images(links) -> list[tuple[str, dict]]:
    """Return each image link with its page."""
    return [(uri, link) for uri, link in links if link["path"] == "IMG@/src"]


@pytest.fixture(scope="module")
def texts(images) -> list[str]:
    """Return all alt texts that are not empty, unescaped once and stripped."""
    unescaped = (html.unescape(link.get("alt", "")).strip() for _, link in images)
    return [text for text in unescaped if text]


@pytest.fixture(scope="module")
def entries() -> list[str]:
    """Return the entry list from which the sample was generated."""
    return json.loads(gzip.decompress((ROOT / "metadata" / "wordnet.json.gz").read_bytes()))


@pytest.fixture(scope="module")
def matches(texts, entries) -> dict[str, set[str]]:
    """Return the entries of each alt text, found by Aho-Corasick instead of the script's matcher."""
    automaton = ahocorasick.Automaton()
    for entry in entries:
        automaton.add_word(f" {entry} ", entry)
    automaton.make_automaton()
    padded = {text: "".join(SPACED.get(char, char) for char in f" {text} ") for text in texts}
    return {text: {entry for _, entry in automaton.iter(spaced)} for text, spaced in padded.items()}


@pytest.fixture(scope="module")
def entry_counts(texts, matches) -> tuple[Counter[str], int, int]:
    """Return the count of each entry, the number of texts, and the number of texts without an entry."""
    counts = Counter(entry for text in texts for entry in matches[text])
    return counts, len(texts), sum(not matches[text] for text in texts)


@pytest.fixture(scope="module")
def description() -> str:
    """Return the output of the README's command."""
    command = [sys.executable, "-B", str(FOLDER / "make.py"), "--describe"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_each_record_is_a_gzip_member_of_a_small_file(records):
    """Each gzip member contains one record, as in the files of a crawl."""
    rest, members = memoryview(POOL.read_bytes()), 0
    while rest:
        inflater = zlib.decompressobj(31)
        # Slices are enough, because a member is short, and the file is long.
        member = inflater.decompress(rest[:100_000])
        assert inflater.eof
        assert (member[:10], member[-4:]) == (b"WARC/1.0\r\n", b"\r\n\r\n")
        rest = rest[len(rest[:100_000]) - len(inflater.unused_data) :]
        members += 1
    assert members == len(records)
    assert POOL.stat().st_size < 10_000_000


def test_records_are_those_of_a_wat(records, envelopes):
    """The first record is warcinfo; the others are JSON metadata about records of four types."""
    assert [headers["WARC-Type"] for headers, _ in records] == ["warcinfo"] + ["metadata"] * (len(records) - 1)
    assert {headers["Content-Type"] for headers, _ in records[1:]} == {"application/json"}
    assert len({headers["WARC-Record-ID"] for headers, _ in records}) == len(records)
    types = Counter(e["WARC-Header-Metadata"]["WARC-Type"] for e in envelopes)
    assert set(types) == {"warcinfo", "request", "response", "metadata"}
    assert types["request"] == types["metadata"] > 200
    assert types["response"] == 20_000


def test_some_records_are_broken(records, envelopes):
    """The broken records are truncated JSON, no JSON, an empty body, and JSON that is not an envelope."""
    bodies = {body for headers, body in records if "/broken/" in headers.get("WARC-Target-URI", "")}
    assert len(bodies) == len(records) - len(envelopes) - 1 == 6
    assert bodies > {b"", b"[]", b'{"Envelope":null}'}


def test_only_example_domains_are_named(pages, links):
    """The sample names no real site."""
    urls = [uri for uri, _ in pages] + [link.get("url", link.get("href", "")) for _, link in links]
    hosts = {urlsplit(url).hostname for url in urls} - {None}
    assert len(hosts) > 1_000
    assert {host.split(".", 1)[1] for host in hosts} == {"example.org", "example.com", "example.net"}


def test_pages_have_the_gaps_and_metadata_of_real_pages(pages, envelopes):
    """Pages have null and missing levels, a base, robots rules, and repeated headers as a list."""
    html_metadata = [page for _, page in pages]
    assert sum(page == {} for page in html_metadata) > 40
    assert sum("Links" in page and page["Links"] is None for page in html_metadata) > 20
    assert sum(page != {} and "Links" not in page for page in html_metadata) > 20
    bases = Counter(page["Head"]["Base"] for page in html_metadata if "Base" in page.get("Head", {}))
    assert bases["/static/"] > 50
    assert sum(base.startswith("https://") for base in bases) > 50
    metas = [meta for page in html_metadata for meta in page.get("Head", {}).get("Metas", [])]
    robots = {meta["content"] for meta in metas if meta.get("name") == "robots"}
    assert robots >= {"noindex", "noimageindex", "noai, noimageai", "index, follow"}
    assert {meta["property"] for meta in metas if "property" in meta} == {"og:image", "og:title"}
    headers = [e["Payload-Metadata"].get("HTTP-Response-Metadata", {}).get("Headers", {}) for e in envelopes]
    assert sum(isinstance(header.get("Set-Cookie"), list) for header in headers) > 100


def test_pages_have_links_of_other_kinds(links):
    """The other kinds are anchors, CSS links with `href`, and links whose path is null."""
    paths = Counter(link["path"] for _, link in links)
    assert set(paths) == {"IMG@/src", "A@/href", "STYLE/#text", None}
    assert min(paths.values()) > 20
    assert all("href" in link and "url" not in link for _, link in links if link["path"] == "STYLE/#text")


def test_images_have_every_kind_of_text(images):
    """An alt may be missing, empty, or have entities or line breaks; a title may be alone, or equal the alt or not."""
    image = [link for _, link in images]
    features = {
        "no alt": [x for x in image if "alt" not in x],
        "empty alt": [x for x in image if x.get("alt") == ""],
        "title alone": [x for x in image if "title" in x and not x.get("alt")],
        "title equal": [x for x in image if x.get("alt") and x.get("title") == x["alt"]],
        "another title": [x for x in image if x.get("alt") and x.get("title", x["alt"]) != x["alt"]],
        "&#39;": [x for x in image if "&#39;" in x.get("alt", "")],
        "&amp;": [x for x in image if "&amp;" in x.get("alt", "")],
        "&quot;": [x for x in image if "&quot;" in x.get("alt", "")],
        "escaped twice": [x for x in image if "&amp;amp;" in x.get("alt", "")],
        "newline": [x for x in image if "\n" in x.get("alt", "")],
        "tab": [x for x in image if "\t" in x.get("alt", "")],
        "outer space": [x for x in image if x.get("alt", "") != x.get("alt", "").strip()],
    }
    few = {name: len(links) for name, links in features.items() if len(links) < 10}
    assert few == {}


def test_image_urls_are_of_every_kind(images):
    """The kinds are absolute, protocol-relative, root-relative, relative, data: and empty."""
    urls = [link["url"] for _, link in images]
    kinds = Counter(
        "absolute"
        if "://" in url
        else "protocol-relative"
        if url.startswith("//")
        else "root-relative"
        if url.startswith("/")
        else "data"
        if url.startswith("data:")
        else "relative"
        if url
        else "empty"
        for url in urls
    )
    assert len(kinds) == 6
    assert min(kinds.values()) > 200
    assert kinds["absolute"] > len(urls) / 2


def test_texts_and_pairs_repeat(images, texts):
    """Texts repeat under other urls, and pairs repeat within a page and on several pages."""
    on_page = Counter((uri, link["url"], link["alt"]) for uri, link in images if link.get("alt"))
    pages_of_pair = Counter((url, alt) for _, url, alt in on_page if "://" in url)
    assert len(texts) - len(set(texts)) > 5_000
    assert sum(count > 1 for count in on_page.values()) > 100
    assert sum(count > 1 for count in pages_of_pair.values()) > 500


def test_entry_counts_are_long_tailed(entry_counts):
    """A few entries have most of the counts, most entries have few, and most of the list has none."""
    counts, number_of_texts, _ = entry_counts
    ordered = sorted(counts.values(), reverse=True)
    assert 43_000 < number_of_texts < 53_000
    assert sum(ordered[:20]) > 0.3 * sum(ordered)
    assert sum(ordered[:100]) > 0.5 * sum(ordered)
    assert 10_000 < len(ordered) < 20_000
    assert sum(count <= 5 for count in ordered) > 0.8 * len(ordered)
    assert sum(count == 1 for count in ordered) > 5_000
    assert sum(count >= 20 for count in ordered) > 300


def test_function_words_lead_the_head(entry_counts):
    """The most frequent entries are prepositions, `a`, small numbers and words for pictures."""
    counts, _, _ = entry_counts
    head = [entry for entry, _ in counts.most_common(20)]
    assert head[:2] == ["in", "a"]
    assert {"image", "photo", "by", "at", "on", "1", "2", "A"} < set(head[:12])
    assert {"as", "no", "be", "3"} < set(head)


def test_page_sizes_are_long_tailed(pages):
    """Many pages have no text, a third has one or two, a few have hundreds: about 50,000 texts in all."""
    sizes = [
        sum(
            bool(html.unescape(link.get(name, "")).strip())
            for link in page.get("Links") or []
            for name in ("alt", "title")
            if link["path"] == "IMG@/src"
        )
        for _, page in pages
    ]
    assert 48_000 < sum(sizes) < 52_000
    for size, low, high in ((0, 0.35, 0.5), (1, 0.15, 0.25), (2, 0.08, 0.15)):
        assert low < sizes.count(size) / len(sizes) < high
    largest = sorted(sizes, reverse=True)
    assert largest[0] > 200
    assert sum(largest[: len(sizes) // 20]) > 0.3 * sum(sizes)


def test_about_two_thirds_of_the_texts_match(entry_counts):
    """A third has no entry: file names, other scripts, capitals. The others have three to five entries on average."""
    counts, number_of_texts, unmatched = entry_counts
    assert 0.3 < unmatched / number_of_texts < 0.45
    assert 3 < sum(counts.values()) / (number_of_texts - unmatched) < 5


def test_texts_may_be_short_long_or_in_other_scripts(texts):
    """Texts include file names, paragraphs, and scripts without spaces."""
    assert sum(len(text) <= 5 for text in texts) > 500
    assert sum(len(text) > 300 for text in texts) > 300
    assert sum(text.endswith((".jpg", ".JPG", ".png")) for text in texts) > 500
    for first, last in (("а", "я"), ("一", "鿿"), ("ぁ", "ヿ"), ("ا", "ي"), ("ก", "๛")):
        assert sum(any(first <= char <= last for char in text) for text in texts) > 50


def test_readme_has_the_figures_of_the_script(description):
    """Each table of the README equals the output of the command in the README."""
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    tables = description.strip().split("\n\n")
    assert len(tables) == 4
    assert [table for table in tables if table not in readme] == []


def test_matches_of_the_script_equal_those_of_aho_corasick(matches, entries):
    """The matcher of the script uses the standard library alone."""
    spec = importlib.util.spec_from_file_location("sample_describe", FOLDER / "describe.py")
    describe = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(describe)
    matcher = describe.Matcher(entries)
    assert [text for text, expected in matches.items() if matcher.match(text) != expected] == []


def test_counts_of_the_script_are_those_of_the_file(description, records, images):
    """Records, image links and pages are counted in a second way."""
    for name, count in (
        ("records, one gzip member each", len(records)),
        ("response records (pages)", 20_000),
        ("broken records", 6),
        ("image links", len(images)),
    ):
        assert f"| {name} | {count:,} |" in description
