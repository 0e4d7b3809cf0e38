"""The three ways of reading a record give the same page, on real, generated and broken records.

Many records are scanned at once; what is left is read in parts; and what is not in the usual form is decoded in full.
"""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from metaclip_spark.candidates.options import OPT_OUTS, ExtractOptions
from metaclip_spark.core.jit import bytes_of
from metaclip_spark.core.references import decode_references
from metaclip_spark.core.text import without_surrogates
from metaclip_spark.core.urls.resolve import resolve
from metaclip_spark.errors import UnusualRecordError
from metaclip_spark.extract.records.dialect import WAT
from metaclip_spark.extract.records.members import MemberReader
from metaclip_spark.extract.records.reader import warc_records
from metaclip_spark.extract.wat.page import Links, Page
from metaclip_spark.extract.wat.pages import PageReader
from metaclip_spark.extract.wat.scan import PAGE as SCANNED_PAGE
from metaclip_spark.extract.wat.scanner import REASONS, Scanner

PAGE = "http://ex.org/a/page.html"
ALL = ExtractOptions(opt_outs=OPT_OUTS)


def record(links: object, head: object = None, **more) -> dict:
    """Build the JSON of a response, with its keys in the order of Internet Archive's extractor."""
    http = {"Headers": more.pop("headers", {"Server": "x"}), "HTML-Metadata": {"Head": head or {}, "Links": links}}
    header = {"WARC-Type": "response", "WARC-Target-URI": PAGE, **more}
    return {"Envelope": {"WARC-Header-Metadata": header, "Payload-Metadata": {"HTTP-Response-Metadata": http}}}


def packed(value: object, ascii_only: bool = False) -> bytes:
    """Write JSON as extractors do."""
    return json.dumps(value, ensure_ascii=ascii_only, separators=(",", ":")).encode()


def img(url: object, **texts: object) -> dict:
    return {"path": "IMG@/src", "url": url, **texts}


def strings_of(links: Links) -> list[tuple[str | None, ...]]:
    """Return (url, alt, title, og:title) of every link, decoded by `json` from the bytes of its spans."""
    return [
        tuple(
            None if start < 0 else without_surrogates(json.loads(b'"%b"' % links.raw[start:stop].tobytes()))
            for start, stop in row.reshape(-1, 2).tolist()
        )
        for row in links.spans[: links.number]
    ]


def outcome(way, payload: bytes) -> tuple[Page, list] | str:
    """Return the page and links that a way of reading gives for a record, or why it is passed over or not JSON."""
    try:
        found = way(payload)
    except (ValueError, RecursionError):
        return "not JSON"
    return found if isinstance(found, str) else (found[0], strings_of(found[1]))


def scanned(payloads: list[bytes], options: ExtractOptions = ALL) -> list[tuple[Page, list] | str | None]:
    """Return the outcome of each record by the scanner, None if it leaves the record."""
    head = b"WARC/1.0\r\nWARC-Type: metadata\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    records = [gzip.compress(head % len(payload) + payload + b"\r\n\r\n", 1) for payload in payloads]
    members, _ = MemberReader().read(b"".join([*records, b"\x1f\x8b\x08"]), 0)
    assert len(members) == len(payloads)
    scanner, reader, outcomes = Scanner(options), PageReader(options), []
    for first, kinds in scanner.runs(members):
        for number, kind in enumerate(kinds.tolist(), first):
            if kind == SCANNED_PAGE:
                found = scanner.pages(members, np.array([number]))
                links = found.links(0)
                outcomes.append((reader.page(found.urls[0], found.bases[0]), strings_of(links), links.beyond))
            else:
                outcomes.append(REASONS[kind] if kind >= 0 else None)
    return outcomes


def assert_scanned(payload: bytes, options: ExtractOptions = ALL) -> bool:
    """Check that scanning agrees with decoding in full if the record can be scanned; return whether it can."""
    (got,) = scanned([payload], options)
    if got is None:
        return False
    found = outcome(PageReader(options).in_full, payload)
    beyond = 0 if isinstance(found, str) else PageReader(options).in_full(payload)[1].beyond
    assert got == (found if isinstance(found, str) else (*found, beyond))
    return True


def assert_same(payload: bytes, options: ExtractOptions = ALL) -> bool:
    """Check that all ways agree as far as they can read the record; return whether it can be read in parts."""
    assert_scanned(payload, options)
    reader = PageReader(options)
    try:
        found = reader.in_parts(payload, bytes_of(payload))
    except UnusualRecordError:
        return False
    got = outcome(lambda _: found, payload)  # before the next record: the spans belong to the reader
    assert got == outcome(reader.in_full, payload)
    return True


def read_links(payload: bytes, options: ExtractOptions = ALL) -> list[tuple[str | None, ...]]:
    """Return the strings of a record's links."""
    return strings_of(PageReader(options).read(payload)[1])


def test_every_real_record(shared_data):
    """Each record of real WATs gives the same page all ways; nearly all can be scanned, and read in parts."""
    in_parts = by_scan = records = 0
    for name in ("pages.wat.gz", "whirlwind.warc.wat.gz"):
        with open(shared_data / "crawl" / name, "rb") as file:
            for found in warc_records(file, WAT):
                if found.get(b"content-type") == b"application/json":
                    records += 1
                    in_parts += assert_same(found.payload)
                    by_scan += assert_scanned(found.payload)
    assert records > 3000
    assert by_scan > 0.98 * records
    assert in_parts > 0.98 * records


USUAL = {
    "an image": record([img("a.jpg", alt="a")]),
    "between other links": record([{"path": "A@/href", "url": "x"}, img("a.jpg", alt="a"), {"path": "A@/href"}]),
    "last": record([{"path": "A@/href", "url": "x", "text": "}]"}, img("a.jpg", alt="a", title="x}]")]),
    "no images": record([{"path": "A@/href", "url": "x", "text": "}]"}]),
    "no texts": record([img("a.jpg"), {"path": "IMG@/src"}]),
    "braces and brackets in texts": record([img("{a}.jpg", alt='{"path":"'), img("b", alt='a},{"x":1}]')]),
    "a text that begins with a brace": record([img("a.jpg", alt="}]")]),
    "a quote before a brace": record([img("a.jpg", alt='say "}"')]),
    "an image ending in null": record([img("a.jpg", alt=None), img("b.jpg", alt="b")]),
    "quotes and backslashes": record([img('a"b\\.jpg', alt='say "x" } \\'), img("b.jpg", title="\\}")]),
    "the path as text": record([{"path": "A@/href", "text": 'IMG@/src"'}, img("a.jpg", alt="a")]),
    "another attribute of an image": record([{"path": "IMG@/longdesc", "url": "x"}, img("a.jpg", alt="a")]),
    "a base": record([img("a.jpg", alt="a")], {"Base": "/b/"}),
    "a request": record([img("a.jpg", alt="a")], **{"WARC-Type": "request"}),
    "no address": record([img("a.jpg", alt="a")], **{"WARC-Target-URI": None}),
    "no page": {"Envelope": {"WARC-Header-Metadata": {"WARC-Type": "response", "WARC-Target-URI": PAGE}}},
    "escapes among the links": record([{"path": "A@/href", "text": "\x01\x1f\u2028"}, img("a\x02", alt="\x7f\x03")]),
    "long strings": record([{"path": "A" * size, "url": "\u732b" * size} for size in range(130)] + [img("a", alt="b")]),
    "numbers and literals": record([{"path": "x", "n": -1, "m": 0, "o": 10**17, "p": True, "q": False, "r": None}]),
    "nested far": record([img("a", alt="b")], {"Metas": [[[[[[{}]], [], {}]]]]}),
    "the head after the links": {
        "Envelope": {
            "WARC-Header-Metadata": {"WARC-Type": "response", "WARC-Target-URI": PAGE},
            "Payload-Metadata": {
                "HTTP-Response-Metadata": {
                    "HTML-Metadata": {
                        "Links": [img("a.jpg", alt='x}],"Head":{')],
                        "Head": {"Base": "/b/", "Metas": [{"name": "robots", "content": "noarchive"}]},
                    }
                }
            },
        }
    },
}


@pytest.mark.parametrize("name", USUAL)
def test_usual_records_are_read_in_parts(name):
    """None of these records is decoded in full, and all ways agree."""
    assert assert_same(packed(USUAL[name]))


NOT_SCANNED = {"no address"}


@pytest.mark.parametrize("name", USUAL)
def test_usual_records_are_scanned(name):
    """Only null where a string or object is expected is left to a parser."""
    assert assert_scanned(packed(USUAL[name])) == (name not in NOT_SCANNED)


def test_many_records_are_scanned_at_once():
    """Each record has the outcome that it has alone; those that are left do not disturb the others."""
    names = [*USUAL, *UNUSUAL, *USUAL] * 20
    payloads = [packed(USUAL[name]) if name in USUAL else UNUSUAL[name] for name in names]
    alone = {payload: scanned([payload])[0] for payload in set(payloads)}
    for start in range(0, len(payloads), 500):
        part = payloads[start : start + 500]
        assert scanned(part) == [alone[payload] for payload in part]


def test_a_page_with_more_links_than_there_are_spans_is_scanned():
    """The scanner makes room, and counts the links beyond the maximum."""
    links = [img(f"{number}.jpg", alt=f"text {number}") for number in range(7000)]
    payload = packed(record(links))
    before = packed(record(links[:2500]))
    for most in (1, 4095, 4096, 20_000):
        options = ExtractOptions(link_cap=most)
        assert all(got is not None for got in scanned([before, before, payload, before], options))
        assert assert_scanned(payload, options)
        assert scanned([payload], options)[0][2] == max(0, 7000 - most)


UNUSUAL = {
    "an opt-out in metas": packed(record([img("a", alt="a")], {"Metas": [{"name": "Robots", "content": "NoAI"}]})),
    "an opt-out in headers": packed(record([img("a", alt="a")], headers={"x-robots-tag": ["all", "noimageai"]})),
    "a Content-Usage": packed(record([img("a", alt="a")], headers={"Content-Usage": "train-ai=n"})),
    "a Content-Signal": packed(record([img("a", alt="a")], headers={"content-signal": "ai-train=no"})),
    "noml": packed(record([img("a", alt="a")], headers={"X-Robots-Tag": "noml"})),
    "an opt-out with escapes": packed(record([img("a", alt="a")], {"Metas": [{"name": "robots"}]})).replace(
        b"robots", b"tdm-\\u0052eservation"
    ),
    "white space": json.dumps(record([img("a.jpg", alt="a")])).encode(),
    "white space in an image": packed(record([img("a.jpg", alt="a")])).replace(b'"path":', b'"path": '),
    "path not first": packed(record([img("a.jpg", alt="a"), {"url": "b.jpg", "path": "IMG@/src", "alt": "b"}])),
    "first link without a path": packed(record([{"url": "b.jpg", "path": "A@/href"}, img("a.jpg", alt="a")])),
    "a path with escapes": packed(record([img("a.jpg", alt="a")])).replace(b"IMG", b"I\\u004dG"),
    "a path with an escaped slash": packed(record([img("a.jpg", alt="a")])).replace(b"@/s", b"@\\/s"),
    "a path after many escapes": packed(record([img("a\n" * 300)])).replace(b"@/s", b"@\\/s"),
    "a number as text": packed(record([img("a.jpg", alt=5)])),
    "a list as url": packed(record([img(["a.jpg"], alt="a")])),
    "an object in an image": packed(record([img("a.jpg", alt={"b": "c"}, title="t")])),
    "an image in an image": packed(record([img("a.jpg", alt="a", more=[img("b.jpg", alt="b")])])),
    "a second path": packed(record([img("a.jpg", alt="a")])).replace(b',"alt"', b',"path":"A@/href","alt"'),
    "half a pair": packed(record([img("a.jpg", alt="\ud800")]), ascii_only=True),
    "half a pair elsewhere": packed(record([{"path": "A@/href", "text": "\ud800"}, img("a", alt="b")]), True),
    "links elsewhere": packed({"Links": [img("a.jpg", alt="a")], **record(None)}),
    "an array after the links": packed(record([img("a.jpg", alt="a")])).replace(b'"a"}]', b'"a"}],"x":null,"y":[{}]'),
    "a page's address in a list": packed(record([img("a.jpg", alt="a")], **{"WARC-Target-URI": [PAGE]})),
    "a head that is a list": packed(record([img("a.jpg", alt="a")], [1])),
    "a number too large": packed(record([img("a.jpg", alt="a"), {"path": "x", "n": 10**30}])),
    "not a number": packed(record([img("a.jpg", alt="a"), {"path": "x", "n": float("nan")}])),
    "a byte order mark": b"\xef\xbb\xbf" + packed(record([img("a.jpg", alt="a")])),
    "cut in an image": packed(record([img("a.jpg", alt="a")])).partition(b'"a.jpg')[0],
    "cut": packed(record([img("a.jpg", alt="a")]))[:-1],
    "cut in a link that is no image": packed(record([img("a.jpg", alt="a"), {"path": "x"}])).replace(b'"x"}', b'"x}'),
    "not UTF-8 in a link that is no image": packed(record([img("a"), {"path": "x"}])).replace(b'"x"', b'"\xff"'),
    "a line end in a text": packed(record([img("a.jpg", alt="a")])).replace(b'"a"', b'"a\n"'),
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_unusual_records_are_decoded_in_full(name):
    """A record that is broken, or not written as extractors write it, goes to the full decoder."""
    reader = PageReader(ALL)
    with pytest.raises(UnusualRecordError):
        reader.in_parts(UNUSUAL[name], bytes_of(UNUSUAL[name]))
    assert outcome(reader.read, UNUSUAL[name]) == outcome(reader.in_full, UNUSUAL[name])
    assert_scanned(UNUSUAL[name])


def test_of_two_lists_of_links_the_last_counts():
    """The last value of a repeated key counts, as for any key of JSON."""
    payload = packed(record([img("a.jpg", alt="a")])).replace(b'"Links":', b'"Links":[],"Links":')
    assert assert_same(payload)
    assert read_links(payload) == [("a.jpg", "a", None, None)]


def test_both_ways_find_nested_images():
    """No extractor nests image links inside other links; if they are nested, both ways find them."""
    payload = packed(record([{"path": "A@/href", "inside": [img("a.jpg", alt="a")]}, img("b.jpg", alt="b")]))
    assert assert_same(payload)
    assert read_links(payload) == [("a.jpg", "a", None, None), ("b.jpg", "b", None, None)]


def test_og_title_goes_with_og_image():
    """If og:title is wanted, og:image and og:title are one more link; one without the other is no link."""
    metas = [
        {"property": "og:title", "content": "first"},
        {"property": "og:title", "content": "second"},
        {"name": "og:image", "content": "/og.jpg"},
    ]
    options = ExtractOptions(text_fields=("alt", "og:title"))
    image, og = ("a.jpg", "a", None, None), ("/og.jpg", None, None, "first")
    assert read_links(packed(record([img("a.jpg", alt="a")], {"Metas": metas})), options) == [image, og]
    assert read_links(packed(record(None, {"Metas": metas})), options) == [og]
    assert PageReader(options).read(packed(record([], {"Metas": metas[:2]}))) == "no_image_text"
    assert PageReader(ExtractOptions()).read(packed(record([], {"Metas": metas}))) == "no_image_text"


def test_names_of_metas_are_read_in_every_record():
    """A name without an opt-out does not hide a name with one, on the same page or a later page."""
    reader = PageReader(ALL)
    plain = packed(record([img("a.jpg", alt="a")], {"Metas": [{"name": "viewport", "content": "noai"}]}))
    metas = [{"name": "viewport"}, {"name": "Robots", "content": "noai"}]
    opted = packed(record([img("a.jpg", alt="a")], {"Metas": metas}))
    assert [reader.read(payload)[0].opt_out for payload in (plain, opted, plain, opted)] == [None, "noai", None, "noai"]


PIECES = st.sampled_from(
    [
        "http://",
        "https://",
        "HTTP://",
        "ex.org",
        "EX",
        "a",
        "/",
        "//",
        "..",
        ".",
        ":80",
        "?",
        "#",
        ";",
        "%20",
        "@",
        "[",
        "]",
    ]
    + ["&amp;", " ", "\t", "\u00e9", "~", "-", "_", ":"]
)
URLS = st.lists(PIECES, max_size=7).map("".join)


@settings(max_examples=3000)
@given(st.one_of(URLS, st.just(PAGE)), st.one_of(URLS, URLS.map("http://ex.org/".__add__)))
@example(PAGE, "http://ex.org")
@example("https://ex.org/", "http://ex.org/../b//")
@example("http://[ex.org/", "http://ex.org/b/")
@example("", "http://ex.org/b/")
def test_a_base_is_resolved_as_urljoin_does(url, base):
    """The usual bases take a short way to the same url."""
    assert PageReader(ALL).page(url, base).base == (resolve(url, decode_references(base).strip()) or url)


KEYS = st.sampled_from(["path", "url", "alt", "title", "text", "Links", "Head", "og:title", ""])
WORDS = st.sampled_from(
    ["IMG@/src", "A@/href", "x", "", '"', "\\", "}", '"}', "}]", '}],"Head":{', '{"path":"', 'IMG@/src"', '"Links":[']
)
TEXTS = st.one_of(WORDS, st.text(max_size=4), st.lists(WORDS, max_size=3).map("".join))
VALUES = st.recursive(
    st.one_of(TEXTS, st.none(), st.integers(-9, 9)),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=4,
)
LINKS = st.one_of(
    st.builds(lambda url, alt: img(url, alt=alt), TEXTS, TEXTS),
    st.builds(lambda url: {"path": "A@/href", "url": url}, TEXTS),
    st.builds(lambda path, more: {"path": path, **more}, TEXTS, st.dictionaries(KEYS, VALUES, max_size=3)),
    st.dictionaries(KEYS, VALUES, max_size=3),
    VALUES,
)
HEADS = st.dictionaries(st.sampled_from(["Base", "Metas", "Links", "Scripts"]), VALUES, max_size=3)


@settings(max_examples=200)
@given(st.lists(LINKS, max_size=4), HEADS, st.booleans(), st.booleans())
@example([img("a", alt="b")], {}, False, True)
@example([img("}", alt="b")], {}, False, False)
@example([img("a")], {}, False, False)
def test_generated_records(links, head, ascii_only, head_last):
    """Any JSON as links and head gives the same page both ways."""
    value = record(links, head)
    if head_last:
        html = value["Envelope"]["Payload-Metadata"]["HTTP-Response-Metadata"]["HTML-Metadata"]
        html["Head"] = html.pop("Head")
    assert_same(packed(value, ascii_only))


BYTES = st.sampled_from([*(bytes([char]) for char in b'"}]{[,:\\ \n\x00\xffx'), b'"}', b"}]", b"\\u0049", b'"path":'])
EDITS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 3), st.one_of(BYTES, st.binary(max_size=2))), max_size=4)


@settings(max_examples=600)
@given(st.sampled_from(sorted(USUAL)), EDITS)
def test_damaged_records(name, edits):
    """If bytes are replaced, removed or inserted anywhere, both ways agree on the page, or that it is not JSON."""
    payload = packed(USUAL[name])
    for place, removed, added in edits:
        at = int(place * len(payload))
        payload = payload[:at] + added + payload[at + removed :]
    assert_same(payload)
