"""WAT files, written by hand: the image texts that are found, their urls, and the rejects."""

from __future__ import annotations

import gzip
import json
from hashlib import sha224

import pytest

from metaclip_spark.core.urls.resolve import absolute_url

PAGE = "http://ex.org/a/page.html"


def envelope(header: object, payload: object) -> dict:
    return {"Envelope": {"WARC-Header-Metadata": header, "Payload-Metadata": payload}}


def not_found(link: dict) -> dict:
    response = {"WARC-Type": "response", "WARC-Target-URI": PAGE}
    http = {"Response-Message": {"Status": "404"}, "HTML-Metadata": {"Links": [link]}}
    return envelope(response, {"HTTP-Response-Metadata": http})


def compact(record: bytes) -> bytes:
    """Write a record's JSON as extractors do: no white space between tokens, UTF-8 unescaped."""
    start, stop = record.find(b"{"), record.rfind(b"}") + 1
    try:
        value = json.loads(record[start:stop])
    except ValueError:
        return record
    raw = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="surrogatepass")
    if b"\xed" in raw:  # half a surrogate pair, which UTF-8 cannot hold
        raw = json.dumps(value, separators=(",", ":")).encode()
    length = (b"Content-Length: %d\r\n" % size for size in (stop - start, len(raw)))
    return (record[:start] + raw + record[stop:]).replace(*length)


def golden_records(wat) -> list[bytes]:
    """Build records of all kinds that occur; few of them have texts."""
    img = wat.img
    response = {"WARC-Type": "response", "WARC-Target-URI": PAGE}
    lost = [img("http://img.org/lost.jpg", alt="lost")]
    html = {"HTTP-Response-Metadata": {"HTML-Metadata": {"Links": lost}}}
    return [
        wat.record(b"Software-Info: test\r\n", kind="warcinfo", content_type="application/warc-fields"),
        wat.page(PAGE, lost, kind="request"),
        wat.page(PAGE, lost, kind="metadata"),
        wat.page(PAGE, lost, kind=None),
        wat.page(PAGE, lost, kind="revisit"),
        wat.record(envelope(response, html), content_type="text/plain"),
        # every level missing, null, or of another type
        wat.record({}),
        wat.record([1, 2]),
        wat.record(b"null"),
        wat.record({"Envelope": None}),
        wat.record({"Envelope": []}),
        wat.record(envelope(None, html)),
        wat.record(envelope(response, None)),
        wat.record(envelope(response, {})),
        wat.record(envelope(response, {"HTTP-Response-Metadata": None})),
        wat.record(envelope(response, {"HTTP-Response-Metadata": {"HTML-Metadata": None}})),
        wat.record(envelope(response, {"HTTP-Response-Metadata": {"HTML-Metadata": {"Head": None}}})),
        wat.page(PAGE, None),
        wat.page(PAGE, {"path": "IMG@/src", "url": "x.jpg", "alt": "links are no list"}),
        # broken JSON
        wat.record(b'{"Envelope": '),
        wat.record(b""),
        wat.record(b'{"Envelope": "\xff"}'),
        wat.record(b"[" * 100_000),
        # links that are no image links
        wat.page(
            PAGE,
            [
                None,
                "IMG@/src",
                7,
                {},
                {"path": None, "url": "x.jpg", "alt": "null path"},
                {"path": "STYLE/#text", "href": "x.css", "alt": "style"},
                {"path": "A@/href", "url": "x.jpg", "alt": "anchor"},
                {"path": "IMG@/longdesc", "url": "x.jpg", "alt": "other attribute"},
                {"path": ["IMG@/src"], "url": "x.jpg", "alt": "list"},
                {"path": "IMG@/src", "href": "x.jpg", "alt": "href and no url"},
            ],
        ),
        # urls
        wat.page(
            PAGE,
            [
                img("http://img.org/1.jpg", alt="absolute"),
                img("HTTPS://IMG.org/1.jpg", alt="other case"),
                img("2.jpg", alt="relative"),
                img("../3.jpg?x=1#f", alt="parent"),
                img("/4.jpg", alt="root"),
                img("//cdn.org/5.jpg", alt="protocol"),
                img("?id=6", alt="query"),
                img("my pic 7.jpg", alt="spaces"),
                img(" \thttp://img.org/8.jpg \n", alt="outer whitespace"),
                img("http://img.org/a\t9.jpg", alt="inner tab"),
                img("http://img.org/?a=1&amp;b=%20&copy=2", alt="decoded"),
                img("http://img.org/../10.jpg", alt="not normalised"),
                img("http://[bad/11.jpg", alt="no host can be so"),
                img("http:12.jpg", alt="scheme without host"),
                img("data:image/gif;base64", alt="inlined", title="twice"),
                img(" DATA:image/png", alt="inlined"),
                img("mailto:a@b.org", alt="mail"),
                img("ftp://ex.org/a.jpg", alt="ftp"),
                img("javascript:void(0)", alt="script"),
                img("//[::1/a.jpg", alt="bad IPv6"),
                img("http://", alt="no host"),
                img("https://", title="no host"),
                img("", alt="empty url"),
                img(" \t ", alt="blank url"),
                img(None, alt="null url"),
                img(5, alt="number as url"),
                {"path": "IMG@/src", "alt": "no url"},
            ],
        ),
        # texts
        wat.page(
            PAGE,
            [
                img("t1.jpg", alt="both", title="of them"),
                img("t2.jpg", title="the title", alt="the alt"),
                img("t3.jpg", alt="same", title="same"),
                img("t4.jpg", alt="same again", title=" same\nagain "),
                img("t5.jpg", alt="", title="only a title"),
                img("t6.jpg", alt=" &nbsp;\t", title=""),
                img("t7.jpg"),
                img("t8.jpg", alt=8, title=None),
                img("t9.jpg", alt=["a"], title={"b": 1}),
                img("t10.jpg", alt="Tom &amp; Jerry &amp;#39;quoted&amp;#39; &#x41;&hearts;"),
                img("t11.jpg", alt="two\r\nlines\tand\x00 more"),
                img("t12.jpg", alt="half \ud83d, \u732b, \U0001f600"),
                img("t1.jpg", alt="both"),
            ],
        ),
        # where relative urls start
        wat.page(PAGE, [img("b.jpg", alt="absolute base")], base="https://base.org/dir/index.html"),
        wat.page(PAGE, [img("b.jpg", alt="relative base")], base="../up/"),
        wat.page(PAGE, [img("b.jpg", alt="base with another host")], base="//host.org/x/"),
        wat.page(PAGE, [img("b.jpg", alt="empty base")], base=""),
        wat.page(PAGE, [img("b.jpg", alt="malformed base")], base="http://[bad/"),
        wat.page(PAGE, [img("b.jpg", alt="numeric base")], base=3),
        wat.page(PAGE, [img("http://img.org/b.jpg", alt="base does not matter")], base="http://base.org/"),
        # repeated headers are lists
        wat.page([PAGE, "http://second.org/"], [img("l.jpg", alt="lists")], base=["/l/", "/m/"], kind=["response"]),
        # a page that was not found has images too; a record after more empty lines than there should be
        wat.record(not_found(img("404.jpg", alt="not found"))),
        b"\r\n\r\n" + wat.page(PAGE, [img("late.jpg", alt="after empty lines")]) + b"\r\n",
        # no page
        wat.page(None, [img("http://img.org/n.jpg", alt="no page"), img("n.jpg", alt="nowhere")]),
        wat.page([], [img("http://img.org/n2.jpg", alt="empty list of pages")]),
    ]


GOLDEN_ROWS = [
    ("http://img.org/1.jpg", "absolute", "alt"),
    ("HTTPS://IMG.org/1.jpg", "other case", "alt"),
    ("http://ex.org/a/2.jpg", "relative", "alt"),
    ("http://ex.org/3.jpg?x=1#f", "parent", "alt"),
    ("http://ex.org/4.jpg", "root", "alt"),
    ("http://cdn.org/5.jpg", "protocol", "alt"),
    ("http://ex.org/a/page.html?id=6", "query", "alt"),
    ("http://ex.org/a/my pic 7.jpg", "spaces", "alt"),
    ("http://img.org/8.jpg", "outer whitespace", "alt"),
    ("http://img.org/a\t9.jpg", "inner tab", "alt"),
    ("http://img.org/?a=1&b=%20&copy=2", "decoded", "alt"),
    ("http://img.org/../10.jpg", "not normalised", "alt"),
    ("http://ex.org/a/12.jpg", "scheme without host", "alt"),
    ("http://ex.org/a/t1.jpg", "both", "alt"),
    ("http://ex.org/a/t1.jpg", "of them", "title"),
    ("http://ex.org/a/t2.jpg", "the alt", "alt"),
    ("http://ex.org/a/t2.jpg", "the title", "title"),
    ("http://ex.org/a/t3.jpg", "same", "alt"),
    ("http://ex.org/a/t4.jpg", "same again", "alt"),
    ("http://ex.org/a/t5.jpg", "only a title", "title"),
    ("http://ex.org/a/t10.jpg", "Tom & Jerry &#39;quoted&#39; A\u2665", "alt"),
    ("http://ex.org/a/t11.jpg", "two  lines and more", "alt"),
    ("http://ex.org/a/t12.jpg", "half \ufffd, \u732b, \U0001f600", "alt"),
    ("https://base.org/dir/b.jpg", "absolute base", "alt"),
    ("http://ex.org/up/b.jpg", "relative base", "alt"),
    ("http://host.org/x/b.jpg", "base with another host", "alt"),
    ("http://ex.org/a/b.jpg", "empty base", "alt"),
    ("http://ex.org/a/b.jpg", "malformed base", "alt"),
    ("http://ex.org/a/b.jpg", "numeric base", "alt"),
    ("http://img.org/b.jpg", "base does not matter", "alt"),
    ("http://ex.org/l/l.jpg", "lists", "alt"),
    ("http://ex.org/a/404.jpg", "not found", "alt"),
    ("http://ex.org/a/late.jpg", "after empty lines", "alt"),
    ("http://img.org/n.jpg", "no page", "alt"),
    ("http://img.org/n2.jpg", "empty list of pages", "alt"),
]

GOLDEN_REJECTED = {
    "broken_json": 4,
    "no_url": 6,
    "data_url": 3,
    "not_http": 4,
    "bad_url": 4,
    "empty_text": 3,
    "repeat": 3,
}
GOLDEN_PASSED_OVER = {"not_response": 12, "not_page": 4, "no_image_text": 3}
GOLDEN_PAGES = 15  # with a text


@pytest.fixture(params=["loose", "compact"])
def golden(request, tmp_path, wat):
    """The golden WAT, with its JSON as Python writes it, and as extractors write it, which is read in another way."""
    records = golden_records(wat)
    if request.param == "compact":
        records = [compact(record) for record in records]
    return wat.write(tmp_path / "golden.wat.gz", records)


def test_golden_rows(extract, golden):
    """Every text of the file becomes one row, in the order of the file, and there are no other rows."""
    found = extract(golden)
    assert [(pair["url"], pair["text"], pair["text_source"]) for pair in found.pairs] == GOLDEN_ROWS
    pages = {pair["page_url"] for pair in found.pairs}
    assert pages == {PAGE, None}
    assert [pair["text"] for pair in found.pairs if pair["page_url"] is None] == [
        "no page",
        "empty list of pages",
    ]


def test_golden_counts(extract, golden, wat):
    """Every record and text of the golden WAT is counted."""
    found = extract(golden)
    assert found.rejected == GOLDEN_REJECTED | GOLDEN_PASSED_OVER
    assert found.ending == ("done", None)
    assert found.outcome["records_read"] == len(golden_records(wat))
    records = GOLDEN_PAGES + sum(GOLDEN_PASSED_OVER.values()) + GOLDEN_REJECTED["broken_json"]
    assert found.outcome["records_read"] == records
    no_texts = GOLDEN_REJECTED["broken_json"] + GOLDEN_REJECTED["empty_text"]
    assert found.outcome["texts_read"] == len(GOLDEN_ROWS) + sum(GOLDEN_REJECTED.values()) - no_texts
    assert found.outcome["texts_matched"] == 0
    assert found.outcome["bytes_read"] == golden.stat().st_size
    assert found.outcome["format"] == "wat"


def test_golden_rejects_show_their_url_or_text(extract, golden):
    """A reject names its page or record, and shows the url or text that has the problem."""
    shown = {(row["record"], row["reason"], row["detail"]) for row in extract(golden, sample_cap=99).rejects}
    assert (PAGE, "data_url", "data:image/gif;base64") in shown
    assert (PAGE, "not_http", "ftp://ex.org/a.jpg") in shown
    assert (PAGE, "bad_url", "//[::1/a.jpg") in shown
    assert (PAGE, "empty_text", " &nbsp;\t") in shown
    assert (PAGE, "repeat", "same again") in shown
    broken = [row for row in shown if row[1] == "broken_json"]
    assert sorted(record for record, _, _ in broken) == ["record 20", "record 21", "record 22", "record 23"]
    assert any('{"Envelope": ' in detail for _, _, detail in broken)


def test_positions_are_distinct_and_ascending(extract, golden):
    """Positions count all texts of the file, rejects too, so that ties are always broken the same way."""
    positions = [pair["position"] for pair in extract(golden).pairs]
    assert positions == sorted(set(positions))
    # One text without a url, 13 with good urls, 15 without, and then the page of texts.
    assert (positions[0], positions[12], positions[13]) == (1, 14, 29)


def test_image_id_ignores_tabs_in_the_url(extract, golden):
    """The url is stored unchanged; the image id is that of the url without tabs and spaces."""
    (pair,) = [pair for pair in extract(golden).pairs if pair["text"] == "inner tab"]
    assert pair["image_id"] == sha224(b"http://img.org/a9.jpg").hexdigest()[:24]


def test_matching_drops_and_counts_what_matches_nothing(extract, golden):
    """With metadata, texts without an entry are counted as no_match, and the others have their entry ids."""
    found = extract(golden, entries=["both", "base", "nothing", "no page"])
    assert [(pair["text"], pair["entry_ids"]) for pair in found.pairs] == [
        ("both", [0]),
        ("absolute base", [1]),
        ("relative base", [1]),
        ("base with another host", [1]),
        ("empty base", [1]),
        ("malformed base", [1]),
        ("numeric base", [1]),
        ("base does not matter", [1]),
        ("no page", [3]),
    ]
    assert found.outcome["texts_matched"] == 10
    assert found.rejected["repeat"] == 1
    assert found.rejected["no_match"] == len(GOLDEN_ROWS) + 3 - 10


def test_unmatched_texts_are_kept_on_demand(extract, golden):
    """With keep_unmatched these texts are kept with an empty list of entries, and are not counted as matched."""
    found = extract(golden, entries=["both"], keep_unmatched=True)
    assert [pair["entry_ids"] for pair in found.pairs] == [[0] if row[1] == "both" else [] for row in GOLDEN_ROWS]
    assert found.outcome["texts_matched"] == 2
    assert "no_match" not in found.rejected


def test_without_metadata_entry_ids_are_null(extract, golden):
    """Null means not matched yet; an empty list means that no entry matched."""
    assert {pair["entry_ids"] is None for pair in extract(golden).pairs} == {True}


def test_repeats_are_kept_without_dedup(extract, golden):
    """Without deduplication a pair is one row for each time that it occurs."""
    found = extract(golden, dedup=False)
    assert len(found.pairs) == len(GOLDEN_ROWS) + 3
    assert "repeat" not in found.rejected


@pytest.mark.parametrize(
    "links",
    [
        [{"url": "http://img.org/\ud800.jpg", "alt": "in the url"}],
        [{"url": "\udfff.jpg", "alt": "in a relative url"}],
        [{"url": "ftp://img.org/\ud800.jpg", "alt": "in a url that is rejected"}],
        [{"url": "data:\ud800", "alt": "in a data url"}, {"url": "x.jpg", "alt": "fine"}],
        [{"url": "x.jpg", "alt": "in a text \ud800"}],
        [{"url": "", "alt": "\udfff\ud800"}],
    ],
)
def test_lone_surrogates_in_links_are_replaced(tmp_path, extract, wat, links):
    r"""JSON can have \ud800, which UTF-8 cannot encode: it becomes U+FFFD anywhere, and nothing fails."""
    links = [{"path": "IMG@/src", **link} for link in links]
    path = wat.write(tmp_path / "a.wat.gz", [wat.page(PAGE, links), wat.page(PAGE, [wat.img("ok.jpg", alt="ok")])])
    found = extract(path, entries=["in", "ok"])
    assert found.ending == ("done", None)
    assert found.rows[-1] == ("http://ex.org/a/ok.jpg", "ok")
    assert not any(0xD800 <= ord(char) <= 0xDFFF for row in found.rows for text in row for char in text)


@pytest.mark.parametrize(
    ("uri", "base"),
    [("http://ex.org/\ud800/", None), (PAGE, "/\udfff/"), ("http://ex.org/", "/\ud800/")],
)
def test_lone_surrogates_in_pages_are_replaced(tmp_path, extract, wat, uri, base):
    """Surrogates in a page's url or base also reach the url of every relative image."""
    links = [
        wat.img("a.jpg", alt="relative"),
        wat.img("a.jpg", alt=""),
        wat.img("http://img.org/b.jpg", alt="b"),
    ]
    records = [wat.page(uri, links, base=base), wat.page(PAGE, [wat.img("ok.jpg", alt="ok")])]
    found = extract(wat.write(tmp_path / "a.wat.gz", records))
    assert found.ending == ("done", None)
    assert [text for _, text in found.rows] == ["relative", "b", "ok"]
    assert "\ufffd" in found.rows[0][0]


def test_many_texts_become_several_batches(tmp_path, extract, wat):
    """Repeats are found across batches, and positions continue."""
    links = [wat.img(f"{number}.jpg", alt=f"text {number}") for number in range(5_000)]
    path = wat.write(tmp_path / "a.wat.gz", [wat.page(PAGE, links) for _ in range(5)])
    found = extract(path)
    assert [pair["position"] for pair in found.pairs] == list(range(5_000))
    assert found.rejected == {"repeat": 20_000}
    assert found.outcome["texts_read"] == 25_000


def test_rejects_are_capped_as_rows_and_counted_exactly(tmp_path, extract, wat):
    """For a page of 1,000 images without text, three rejects are stored and all are counted."""
    links = [wat.img(f"{number}.jpg", alt="") for number in range(1000)]
    path = wat.of_links(tmp_path / "a.wat.gz", *links)
    found = extract(path, sample_cap=3)
    assert found.rejected == {"empty_text": 1000, "no_image_text": 1}
    assert len(found.rejects) == 3
    assert extract(path, sample_cap=0).rejects == []


def test_one_gzip_member_for_the_whole_file_gives_the_same_rows(tmp_path, extract, golden):
    """A WAT that was decompressed and compressed again has the same rows."""
    again = tmp_path / "again.wat.gz"
    again.write_bytes(gzip.compress(gzip.decompress(golden.read_bytes())))
    assert extract(again).rows == extract(golden).rows


def test_unix_line_ends_and_extra_empty_lines_are_accepted(tmp_path, extract, wat):
    """Header lines may end in LF, and the number of empty lines between records does not matter."""
    page = wat.page(PAGE, [wat.img("a.jpg", alt="one")])
    head, _, payload = page.partition(b"\r\n\r\n")
    unix = head.replace(b"\r\n", b"\n") + b"\n\n" + payload.rstrip() + b"\n"
    page = wat.page(PAGE, [wat.img("a.jpg", alt="two")])
    found = extract(wat.write(tmp_path / "a.wat.gz", [b"\r\n\r\n\r\n" + unix, b"\n" + page]))
    assert (found.ending, [text for _, text in found.rows]) == (("done", None), ["one", "two"])


def test_header_names_are_read_in_any_case(tmp_path, extract, wat):
    """content-length and CONTENT-TYPE are read like Content-Length and Content-Type."""
    page = wat.page(PAGE, [wat.img("a.jpg", alt="one")])
    page = page.replace(b"Content-Length", b"content-length").replace(b"Content-Type", b"CONTENT-TYPE")
    assert [text for _, text in extract(wat.write(tmp_path / "a.wat.gz", [page])).rows] == ["one"]


@pytest.mark.parametrize(
    ("url", "base", "expected"),
    [
        ("a.jpg", "http://ex.org", ("http://ex.org/a.jpg", "")),
        ("a.jpg", "https://ex.org/x/y/", ("https://ex.org/x/y/a.jpg", "")),
        ("//cdn.org/a.jpg", "https://ex.org/", ("https://cdn.org/a.jpg", "")),
        ("a.jpg", "", ("", "not_http")),
        ("a.jpg", "ftp://ex.org/", ("", "not_http")),
        ("http:/a.jpg", "http://ex.org/x/", ("http://ex.org/a.jpg", "")),
        ("https:///a.jpg", "", ("https:///a.jpg", "")),
        ("//[::1]/a.jpg", "http://ex.org/", ("http://[::1]/a.jpg", "")),
        ("//[::1/a.jpg", "http://ex.org/", ("", "bad_url")),
        ("a.jpg", "http://[::1/", ("", "bad_url")),
        ("data:,x", "http://ex.org/", ("", "data_url")),
        ("database.jpg", "http://ex.org/", ("http://ex.org/database.jpg", "")),
        ("\u732b.jpg", "http://ex.org/", ("http://ex.org/\u732b.jpg", "")),
        (None, "http://ex.org/", ("", "no_url")),
    ],
)
def test_absolute_urls(url, base, expected):
    """An image's url is absolute and http, or it has a reason for its rejection."""
    assert absolute_url(url, base) == expected


def page_with_metas(wat, metas: list, headers: dict, *links: dict) -> bytes:
    http = {"Headers": headers, "HTML-Metadata": {"Head": {"Metas": metas}, "Links": list(links)}}
    response = {"WARC-Type": "response", "WARC-Target-URI": PAGE}
    return wat.record(envelope(response, {"HTTP-Response-Metadata": http}))


@pytest.mark.parametrize("as_written", [lambda record: record, compact], ids=["loose", "compact"])
def test_texts_of_a_page_that_opts_out_are_rejected_with_the_reason(tmp_path, extract, wat, as_written):
    """All texts of the page are rejected with the opt-out, whatever their url; an empty text is rejected as empty."""
    links = [wat.img("a.jpg", alt="one", title="two"), wat.img("data:x", alt="three"), wat.img("b.jpg", alt=" ")]
    records = [
        page_with_metas(wat, [{"name": "ROBOTS", "content": "follow, NoAI"}], {}, *links),
        page_with_metas(wat, [], {"X-Robots-Tag": ["all", "bot: noimageai"]}, *links),
        page_with_metas(wat, [{"name": "tdm-reservation", "content": "1"}], {}, *links),
        page_with_metas(wat, [{"name": "robots", "content": "noindex"}], {}, *links),
        page_with_metas(wat, [], {"X-Robots-Tag": "NoML"}, *links),
        page_with_metas(wat, [], {"Content-Usage": ["search=y", "train-ai=n"]}, *links),
        page_with_metas(wat, [], {"Content-Signal": "search=yes,ai-train=no"}, *links),
    ]
    path = wat.write(tmp_path / "a.wat.gz", [as_written(record) for record in records])
    found = extract(path)
    assert found.rows == [("http://ex.org/a/a.jpg", "one"), ("http://ex.org/a/a.jpg", "two")]
    assert found.rejected == {
        **dict.fromkeys(("noai", "noimageai", "tdm", "noml", "content-usage", "content-signal"), 3),
        "data_url": 1,
        "empty_text": 7,
    }
    assert found.outcome["texts_read"] == 21
    examples = [(row["record"], row["detail"]) for row in found.rejects if row["reason"] == "noai"]
    assert examples == [(PAGE, "one"), (PAGE, "two"), (PAGE, "three")]
    assert extract(path, opt_outs=("noindex",)).rejected == {"noindex": 3, "repeat": 10, "data_url": 6, "empty_text": 7}
    assert extract(path, opt_outs=()).rejected == {"repeat": 12, "data_url": 7, "empty_text": 7}


def test_only_the_wanted_fields_are_texts(tmp_path, extract, wat):
    """A field that is not wanted is neither read nor counted."""
    path = wat.of_links(tmp_path / "a.wat.gz", wat.img("a.jpg", alt="one", title="two"), wat.img("b.jpg", alt=""))
    assert [text for _, text in extract(path, text_fields=("title",)).rows] == ["two"]
    assert extract(path, text_fields=("title", "figcaption")).rejected == {}
    assert extract(path, text_fields=("alt",)).rows == [("http://ex.org/a/a.jpg", "one")]


def test_og_title_is_a_text_of_og_image_if_wanted(tmp_path, extract, wat):
    """og:title comes after the texts of the page's images, with the same checks."""
    metas = [{"property": "og:image", "content": "/og.jpg"}, {"property": "og:title", "content": "A &amp; B "}]
    path = wat.write(tmp_path / "a.wat.gz", [page_with_metas(wat, metas, {}, wat.img("a.jpg", alt="one"))])
    found = extract(path, text_fields=("alt", "og:title"))
    assert [(pair["url"], pair["text"], pair["text_source"], pair["position"]) for pair in found.pairs] == [
        ("http://ex.org/a/a.jpg", "one", "alt", 0),
        ("http://ex.org/og.jpg", "A & B", "og:title", 1),
    ]
    assert [text for _, text in extract(path).rows] == ["one"]
