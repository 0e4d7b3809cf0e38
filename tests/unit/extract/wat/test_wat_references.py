"""Character references in WATs: one page as each extractor writes it gives the pairs that its WARC gives."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

import pyarrow as pa
import pytest

from metaclip_spark.candidates.ledger import Ledger
from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.extract.records.dialect import WAT
from metaclip_spark.extract.records.reader import warc_records
from metaclip_spark.extract.task import READERS
from metaclip_spark.sources.files import find_sources, splits_of

PAGE = "http://ex.org/a/page.html"
IA = "software: webarchive-commons.1.3.0-20241220051957\r\nextractedDate: Mon, 01 Jan 2024 00:00:00 GMT\r\n"
CC_2019_22 = "Software-Info: ia-web-commons.1.1.9-SNAPSHOT-20190515084427\r\n"
CC_2024_22 = "Software-Info: ia-web-commons.1.1.10-SNAPSHOT-20240513074037\r\n"
ENCODED = [
    ("/a.jpg?w=1&amp;h=2", "Fish &amp; chips"),
    ("b.jpg?w=1&#038;h=2", "it&#39;s a cat"),
    ("https://img.org/c.jpg?a=1&amp;amp;b=2", "&amp;lt;b&amp;gt; is bold"),
    ("https://img.org/d.jpg?a=1&copy=2&timestamp=3", "bed&notebook, &copy 2020"),
    ("&#x2F;e.jpg", " &nbsp;caf&eacute;&#32;"),
    ("&#104;ttp://img.org/f.jpg", "&#150; &quot;f&quot;"),
    ("  /g.jpg?&lt;&#9;", "R&D &; &#; & more"),
]
"""(url, alt) as a page has them."""
PAIRS = [
    ("http://ex.org/a.jpg?w=1&h=2", "Fish & chips"),
    ("http://ex.org/a/b.jpg?w=1&h=2", "it's a cat"),
    ("https://img.org/c.jpg?a=1&amp;b=2", "&lt;b&gt; is bold"),
    ("https://img.org/d.jpg?a=1&copy=2&timestamp=3", "bed&notebook, \u00a9 2020"),
    ("http://ex.org/e.jpg", "caf\u00e9"),
    ("http://img.org/f.jpg", '\u2013 "f"'),
    ("http://ex.org/g.jpg?<", "R&D &; &#; & more"),
]
DECODED = [
    ("/a.jpg?w=1&h=2", "Fish & chips"),
    ("b.jpg?w=1&h=2", "it's a cat"),
    *PAIRS[2:4],
    ("/e.jpg", " \u00a0caf\u00e9 "),
    PAIRS[5],
    ("  /g.jpg?<\t", PAIRS[6][1]),
]
"""The same as Common Crawl's extractor writes them."""


def wat_of(tmp_path, wat, links, info: str | None, name: str = "a.wat.gz", base: str | None = None):
    """Write a WAT of one page, after a warcinfo record if `info` is given."""
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    images = [wat.img(url, alt=alt) for url, alt in links]
    head = [] if info is None else [wat.record(info.encode(), "warcinfo", "application/warc-fields")]
    return wat.write(path, [*head, wat.page(PAGE, images, base=base)])


@pytest.mark.parametrize(
    ("links", "info", "name"),
    [
        (ENCODED, IA, "a.wat.gz"),
        (ENCODED, CC_2019_22, "a.wat.gz"),
        (ENCODED, None, "CC-MAIN-2019-22/a.wat.gz"),
        (ENCODED, None, "a.wat.gz"),
        (DECODED, CC_2024_22, "a.wat.gz"),
        (DECODED, None, "CC-MAIN-2024-22/a.wat.gz"),
        (DECODED, "isPartOf: CC-MAIN-2024-22\r\n", "a.wat.gz"),
    ],
)
@pytest.mark.parametrize("fields", [("alt",), ("alt", "og:title")], ids=["in parts", "in full"])
def test_a_page_has_the_same_pairs_from_each_extractor(tmp_path, extract, wat, links, info, name, fields):
    """References are decoded once, by the rules of attributes, and only where the extractor did not decode them."""
    assert extract(wat_of(tmp_path, wat, links, info, name), text_fields=fields).rows == PAIRS


def test_the_warc_of_the_page_has_the_same_pairs(tmp_path, extract):
    """An HTML parser decodes them for a WARC, so a pair has one id in both."""
    images = "".join(f'<img src="{url}" alt="{alt}">' for url, alt in ENCODED)
    body = f"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<html><body>{images}</body></html>"
    head = (
        f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: {PAGE}\r\nWARC-Date: 2024-01-01T00:00:00Z\r\n"
        "WARC-Record-ID: <urn:uuid:00000000-0000-4000-8000-000000000001>\r\n"
        f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    path = tmp_path / "a.warc"
    path.write_bytes(f"{head}{body}\r\n\r\n".encode())
    assert extract(path).rows == PAIRS


@pytest.mark.parametrize(
    ("info", "base", "expected"),
    [
        (IA, "https://img.org/x&amp;y/?&#47;", "https://img.org/x&y/z.jpg"),
        (IA, "&#47;x&amp;amp;/", "http://ex.org/x&amp;/z.jpg"),
        (CC_2024_22, "https://img.org/x&amp;y/", "https://img.org/x&amp;y/z.jpg"),
    ],
)
def test_a_base_is_decoded_like_a_url(tmp_path, extract, wat, info, base, expected):
    """Before relative urls are joined to it."""
    assert extract(wat_of(tmp_path, wat, [("z.jpg", "a cat")], info, base=base)).rows == [(expected, "a cat")]


@pytest.mark.parametrize(
    ("info", "url"), [(IA, "http://ex.org/o.jpg?a=1&b=2"), (CC_2024_22, "http://ex.org/o.jpg?a=1&amp;b=2")]
)
def test_og_image_and_og_title_are_decoded_like_other_attributes(tmp_path, extract, wat, info, url):
    """They come from the contents of meta tags."""
    metas = [
        {"property": "og:image", "content": "/o.jpg?a=1&amp;b=2"},
        {"property": "og:title", "content": "A &amp; B"},
    ]
    http = {"HTML-Metadata": {"Head": {"Metas": metas}}}
    header = {"WARC-Type": "response", "WARC-Target-URI": PAGE}
    envelope = {"WARC-Header-Metadata": header, "Payload-Metadata": {"HTTP-Response-Metadata": http}}
    records = [wat.record(info.encode(), "warcinfo", "application/warc-fields"), wat.record({"Envelope": envelope})]
    found = extract(wat.write(tmp_path / "a.wat.gz", records), text_fields=("og:title",))
    assert found.rows == [(url, "A & B" if info is IA else "A &amp; B")]


def test_each_warcinfo_record_counts_for_the_records_after_it(tmp_path, extract, wat):
    """Files of both extractors that were joined to one are read like the two files."""
    one = wat_of(tmp_path, wat, ENCODED, IA, "1.wat.gz").read_bytes()
    other = wat_of(tmp_path, wat, DECODED, CC_2024_22, "2.wat.gz").read_bytes()
    for name, whole in (("ab", one + other), ("ba", other + one)):
        path = tmp_path / f"{name}.wat.gz"
        path.write_bytes(whole)
        assert extract(path, dedup=False).rows == PAIRS * 2


def test_the_reject_of_a_url_shows_it_as_the_file_has_it(tmp_path, extract, wat):
    """A reject can be found in the file."""
    found = extract(wat_of(tmp_path, wat, [("ftp&colon;//ex.org/a", "one"), ("http://a&#32;b/", "two")], IA))
    assert {(row["reason"], row["detail"]) for row in found.rejects} == {
        ("not_http", "ftp&colon;//ex.org/a"),
        ("bad_url", "http://a&#32;b/"),
    }


def rows_of(path, kind: str) -> Iterator[tuple[str, str, str, str]]:
    """Yield (page, field, text, url) of the pairs of a real file, with the fields that both formats have."""
    (split,) = splits_of(find_sources([str(path)]), split_bytes=1 << 40)
    for batch in READERS[kind](split, ExtractOptions(text_fields=("alt", "title")), Ledger()):
        columns: list[pa.Array] = [batch.page_url, batch.text_source, batch.text, batch.url]
        yield from zip(*(column.to_pylist() for column in columns), strict=True)


def test_real_pages_have_the_same_urls_from_wat_and_warc(shared_data):
    """Of the texts that both have, all 12,066 have the same url; of all urls of the WAT, the WARC has 99.7%.

    The rest are 68 texts of two kinds, both faults of the extractor: images inside scripts and templates, which no
    browser shows, and pages whose encoding it did not recognise.
    """
    wat = list(rows_of(shared_data / "crawl" / "pages.wat.gz", "wat"))
    warc = list(rows_of(shared_data / "crawl" / "pages.warc.gz", "warc"))
    urls: dict[tuple[str, str, str], set[str]] = {}
    for *text, url in warc:
        urls.setdefault(tuple(text), set()).add(url)
    both = [(tuple(text), url) for *text, url in wat if tuple(text) in urls]
    same = sum(url in urls[text] for text, url in both)
    left, right = (Counter((page, url) for page, _, _, url in rows) for rows in (wat, warc))
    shared = (left & right).total() / left.total()
    print(f"{same} of {len(both)} texts of both have the same url; {shared:.4%} of the urls are in both")
    assert len(both) > 0.994 * len(wat) > 12_000
    assert same >= 0.9995 * len(both)
    assert shared >= 0.995


def test_no_url_of_common_crawl_s_current_extractor_is_decoded_again(shared_data, tmp_path, wat, extract):
    """Real urls, decoded and written as that extractor does, are the urls of the pairs."""
    with open(shared_data / "crawl" / "pages.wat.gz", "rb") as file:
        records = [json.loads(bytes(record.payload)) for record in warc_records(file, WAT) if record.holds_json]
    links = []
    for record in records:
        http = record["Envelope"]["Payload-Metadata"].get("HTTP-Response-Metadata", {})
        found = http.get("HTML-Metadata", {}).get("Links", ())
        links += [
            link["url"] for link in found if link.get("path") == "IMG@/src" and link["url"].startswith("https://")
        ]
    urls = [url.strip() for url in dict.fromkeys(links)]
    assert sum("&" in url for url in urls) > 500
    path = wat_of(tmp_path, wat, [(url, f"text {number}") for number, url in enumerate(urls)], CC_2024_22)
    found = extract(path)
    assert [url for url, _ in found.rows] == [url for url in urls if url in {row[0] for row in found.rows}]
    assert len(found.rows) + found.rejected.get("bad_url", 0) == len(urls)
    assert found.rejected.get("bad_url", 0) < 20
