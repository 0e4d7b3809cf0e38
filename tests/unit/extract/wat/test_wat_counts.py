"""Every record of a WAT is counted once: as a page with a text, as passed over, or as broken; caps are counted too."""

from __future__ import annotations

import json

import pytest

from metaclip_spark.candidates.ledger import PASSED_OVER

PAGE = "http://ex.org/a/page.html"


def compact(wat, value: object) -> bytes:
    """Build a record as extractors write it."""
    return wat.record(json.dumps(value, separators=(",", ":")).encode())


def page_of(links: object, header: dict | None = None, **html) -> dict:
    """Build the JSON of a page; `header` replaces the metadata of the WARC header."""
    header = header or {"WARC-Header-Metadata": {"WARC-Type": "response", "WARC-Target-URI": PAGE}}
    http = {"HTML-Metadata": {"Links": links, "Head": html}}
    return {"Envelope": {**header, "Payload-Metadata": {"HTTP-Response-Metadata": http}}}


def image(number: int = 0, **texts: object) -> dict:
    return {"path": "IMG@/src", "url": f"{number}.jpg", **texts}


def check(found, pages: int, **passed_over: int) -> None:
    """Check that so many pages have a text, and that the records add up."""
    rejected = found.rejected
    assert {reason: rejected[reason] for reason in PASSED_OVER if reason in rejected} == passed_over
    broken = rejected.get("broken_json", 0)
    assert found.outcome["records_read"] == pages + sum(passed_over.values()) + broken


WAYS = pytest.mark.parametrize("fields", [("alt", "title"), ("alt", "title", "og:title")], ids=["in parts", "in full"])


@WAYS
def test_a_file_in_which_everything_is_passed_over(tmp_path, extract, wat, fields):
    """It ends `done` with numbers that say why it has no text."""
    header = {"WARC-Header-Metadata": {"WARC-Type": "response", "WARC-Target-URI": PAGE}}
    records = [
        wat.record(b"software: x\r\n", "warcinfo", "application/warc-fields"),
        *(compact(wat, page_of([], {"WARC-Header-Metadata": {"WARC-Type": kind}})) for kind in ("request", "metadata")),
        compact(wat, page_of([image(alt="a")], {"WARC-Header-Metadata": {"WARC-Type": "revisit"}})),
        compact(wat, {"Envelope": header}),
        compact(wat, {"Envelope": {**header, "Payload-Metadata": {"HTTP-Response-Metadata": {"Headers": {}}}}}),
        compact(wat, {"Envelope": {**header, "Payload-Metadata": {"HTTP-Response-Metadata": {"HTML-Metadata": None}}}}),
        compact(wat, page_of([])),
        compact(wat, page_of(None)),
        compact(wat, page_of([{"path": "A@/href", "url": "x", "title": "no image"}])),
        compact(wat, page_of([image(), image(alt=None)])),
        compact(wat, page_of([image(alt=" ", title="&nbsp;"), image(alt="")])),
    ]
    found = extract(wat.write(tmp_path / "a.wat.gz", records), text_fields=fields)
    check(found, 0, not_response=4, not_page=3, no_image_text=5)
    assert (found.ending, found.outcome["texts_read"]) == (("done", None), 0)


@WAYS
def test_a_mixed_file(tmp_path, extract, wat, fields):
    """Pages with texts, opt-outs, urls that are rejected, empty texts and broken records."""
    metas = [{"name": "robots", "content": "noai"}]
    records = [
        compact(wat, page_of([image(alt="one"), image(1, alt="")])),
        compact(wat, page_of([image(2, alt="opted out")], Metas=metas)),
        compact(wat, page_of([image(2, alt=" ")], Metas=metas)),
        compact(wat, page_of([{"path": "IMG@/src", "url": "data:x", "alt": "inlined"}])),
        compact(wat, page_of([image(3, alt="x" * 50)])),
        wat.record(b'{"Envelope":'),
        compact(wat, page_of([image(alt="only the title counts", title="")])),
    ]
    path = wat.write(tmp_path / "a.wat.gz", records)
    found = extract(path, text_fields=fields, text_cap=40)
    check(found, 5, no_image_text=1)
    assert found.rejected["text_cap"] == found.rejected["noai"] == found.rejected["data_url"] == 1
    titles = extract(path, text_fields=("title",))
    check(titles, 0, no_image_text=6)


@WAYS
@pytest.mark.parametrize("cap", [1, 299, 300, 301, 20_000])
def test_links_beyond_the_cap_are_counted(tmp_path, extract, wat, fields, cap):
    """The first links of a page are read; a page counts as one page, whatever its number of links."""
    links = [image(number, alt=f"text {number}") for number in range(300)]
    other = [{"path": "A@/href", "url": "x"}, image()]
    records = [compact(wat, page_of([*other, *links])), compact(wat, page_of([image(999, alt="next page")]))]
    found = extract(wat.write(tmp_path / "a.wat.gz", records), text_fields=fields, link_cap=cap)
    assert [text for _, text in found.rows] == [*(f"text {number}" for number in range(min(cap, 300))), "next page"]
    assert found.rejected.get("link_cap", 0) == max(0, 300 - cap)
    check(found, 2)


def test_og_title_counts_for_the_cap(tmp_path, extract, wat):
    """It is the last link of a page."""
    metas = [{"property": "og:image", "content": "/o.jpg"}, {"property": "og:title", "content": "the page"}]
    path = wat.write(tmp_path / "a.wat.gz", [compact(wat, page_of([image(alt="one")], Metas=metas))])
    fields = ("alt", "og:title")
    assert extract(path, text_fields=fields, link_cap=1).rejected == {"link_cap": 1}
    assert [text for _, text in extract(path, text_fields=fields, link_cap=2).rows] == ["one", "the page"]


@WAYS
def test_long_texts_are_left_out_and_counted(tmp_path, extract, wat, fields):
    """The length is that of the cleaned text in characters, not in bytes, and not with references."""
    texts = [
        "a" * 10,
        "a" * 11,
        "\u00e9" * 10,
        "\u00e9" * 11,
        "&eacute;" * 10,
        "&#233;" * 11,
        " " * 20 + "a" * 10,
        "&amp;" * 11,
    ]
    texts += ["\U0001f600" * 10, "\U0001f600" * 11, "a\nb" * 3]
    links = [image(number, alt=text) for number, text in enumerate(texts)]
    found = extract(wat.write(tmp_path / "a.wat.gz", [compact(wat, page_of(links))]), text_fields=fields, text_cap=10)
    assert [int(url.split("/")[-1][:-4]) for url, _ in found.rows] == [0, 2, 4, 6, 8, 10]
    assert found.rejected == {"text_cap": 5}
    assert found.outcome["texts_read"] == len(texts)
    check(found, 1)


def test_a_page_over_several_batches_counts_once(tmp_path, extract, wat):
    """Pages of many links, with texts at one end only, and without any text."""
    many = [image(number, alt="") for number in range(19_000)]
    pages = [[*many, image(1, alt="last")], [image(2, alt="first"), *many], many, many]
    records = [compact(wat, page_of(links, Base=f"http://ex.org/{'b' * 5000}/")) for links in pages]
    found = extract(wat.write(tmp_path / "a.wat.gz", records))
    assert [text for _, text in found.rows] == ["last", "first"]
    check(found, 2, no_image_text=2)


ARC = {"Target-URI": PAGE, "IP-Address": "192.0.2.1", "Date": "20080430204825", "Content-Type": "text/html"}


@WAYS
@pytest.mark.parametrize(
    ("header", "page"),
    [
        ({"ARC-Header-Metadata": ARC}, PAGE),
        ({"Format": "ARC", "WARC-Header-Metadata": None, "ARC-Header-Metadata": ARC}, PAGE),
        ({"WARC-Header-Metadata": {}, "ARC-Header-Metadata": ARC}, PAGE),
        ({"WARC-Header-Metadata": {"WARC-Type": None}, "ARC-Header-Metadata": ARC}, PAGE),
        ({"WARC-Header-Metadata": {"WARC-Type": "response"}, "ARC-Header-Metadata": ARC}, None),
        ({"ARC-Header-Metadata": {"Target-URI": [PAGE, "http://other.org/"]}}, PAGE),
        ({"ARC-Header-Metadata": {}}, None),
        ({"ARC-Header-Metadata": {"Target-URI": None}}, None),
        ({"ARC-Header-Metadata": {"Target-URI": 5}}, None),
    ],
)
def test_pages_of_arc_files_are_read(tmp_path, extract, wat, fields, header, page):
    """Their header has another name, and no type; a level that is missing or null changes nothing."""
    links = [image(1, alt="a red kite"), {"path": "IMG@/src", "url": "http://img.org/b.jpg", "alt": "a dog"}]
    records = [compact(wat, page_of(links, header)), wat.record(page_of(links[1:], header))]
    found = extract(wat.write(tmp_path / "a.arc.wat.gz", records), text_fields=fields, dedup=False)
    relative = [("http://ex.org/a/1.jpg", "a red kite")] if page else []
    assert found.rows == [*relative, ("http://img.org/b.jpg", "a dog"), ("http://img.org/b.jpg", "a dog")]
    assert {pair["page_url"] for pair in found.pairs} == {page}
    check(found, 2)


@WAYS
@pytest.mark.parametrize(
    "envelope",
    [
        {"ARC-Header-Metadata": ARC},
        {"ARC-Header-Metadata": ARC, "Payload-Metadata": {"HTTP-Response-Metadata": None}},
        {"ARC-Header-Metadata": None, "Payload-Metadata": {"HTTP-Response-Metadata": {"HTML-Metadata": {}}}},
        {"ARC-Header-Metadata": "x", "Payload-Metadata": {"HTTP-Response-Metadata": {"HTML-Metadata": {}}}},
        {"WARC-Header-Metadata": {"WARC-Type": "request"}, "ARC-Header-Metadata": ARC},
    ],
)
def test_other_records_of_arc_files_are_passed_over(tmp_path, extract, wat, fields, envelope):
    """The file's own description, DNS records, and records whose header is missing."""
    check(
        extract(wat.write(tmp_path / "a.wat.gz", [compact(wat, {"Envelope": envelope})]), text_fields=fields),
        0,
        not_response=1,
    )


def test_mixtures_of_arc_and_warc_records_are_read(tmp_path, extract, wat):
    """A file that was joined from both."""
    records = [
        compact(wat, page_of([image(1, alt="of an ARC")], {"ARC-Header-Metadata": ARC})),
        compact(wat, page_of([image(2, alt="of a WARC")])),
        compact(wat, page_of(None, {"ARC-Header-Metadata": ARC})),
    ]
    found = extract(wat.write(tmp_path / "a.wat.gz", records))
    assert [text for _, text in found.rows] == ["of an ARC", "of a WARC"]
    check(found, 2, no_image_text=1)
