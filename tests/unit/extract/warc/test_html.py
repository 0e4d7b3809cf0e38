"""Pages: their images, with texts and urls."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaclip_spark.candidates.options import DEFAULT_TEXT_FIELDS, TEXT_FIELDS
from metaclip_spark.extract.warc import html_pieces
from metaclip_spark.extract.warc.html import HtmlImage, HtmlPage, largest_of, og_image
from metaclip_spark.extract.warc.html_pieces import pieces_of, up_to_last_image, without_long_tags


def images_of(page: str | bytes, fields=DEFAULT_TEXT_FIELDS) -> list[HtmlImage]:
    return list(HtmlPage(page if isinstance(page, bytes) else page.encode(), fields).images())


def texts_of(page: str | bytes, fields=DEFAULT_TEXT_FIELDS) -> list[tuple[str, str]]:
    return [text for image in images_of(page, fields) for text in image.texts(fields)]


def test_texts_of_attributes_come_in_the_order_of_the_fields():
    """The order in the tag does not matter; an empty attribute is an empty text."""
    page = '<img title=t src=a.jpg data-image-title=d alt="x"><img alt><img alt=""><IMG ALT=y><image alt=z><img src=b>'
    assert texts_of(page) == [
        ("alt", "x"),
        ("title", "t"),
        ("data-image-title", "d"),
        ("alt", ""),
        ("alt", ""),
        ("alt", "y"),
        ("alt", "z"),
    ]


def test_entities_are_decoded_once():
    """The parser decodes once; an entity in the decoded text is text."""
    assert texts_of("<img alt='Tom &amp; Jerry &amp;amp; &eacute;&#233;&#xe9; &nosuch;' src=x>") == [
        ("alt", "Tom & Jerry &amp; ééé &nosuch;")
    ]


@pytest.mark.parametrize(
    ("page", "alts"),
    [
        ("<!-- <img alt=no> --><img alt=yes>", ["yes"]),
        ("<script>'<img alt=no>'</script><img alt=yes>", ["yes"]),
        ("<style><img alt=no></style><textarea><img alt=no></textarea><img alt=yes>", ["yes"]),
        ("<div title='<img alt=no>'></div><img alt=yes>", ["yes"]),
        ("<noscript><img alt=yes></noscript>", ["yes"]),
        ("<head><noscript><img alt=yes></noscript><title>t</title>", ["yes"]),
        ("<template><img alt=b><p><template><img alt=c></template></template><img alt=a>", ["a", "b", "c"]),
        ("<svg><img alt=yes></svg>", ["yes"]),
        ("<table><img alt=yes><tr><td><img alt=too>", ["yes", "too"]),
        ("<p><img alt='a > b <i>' src=x><p>", ["a > b <i>"]),
        ("<img alt=5\" title='x>y' src=a>", ['5"']),
        ("<img alt=cut src='a.jpg", []),
        ("<a href=x<img alt=no>", []),
        ("no tag at all", []),
        ("", []),
    ],
)
def test_which_markup_is_an_image(page, alts):
    """The images are those that a browser without scripting shows, and those inside a template."""
    assert [text for field, text in texts_of(page) if field == "alt"] == alts


def test_figcaption_and_aria_label_are_read_if_wanted():
    """A caption is the text of the innermost figure's caption, with white space collapsed."""
    page = """<figure><figure><div><img src=a aria-label="label"></div><figcaption>the
        <b>inner</b>   one</figcaption></figure><img src=b><figcaption>outer</figcaption></figure><img src=c alt=x>
        <figure><img src=d></figure>"""
    assert texts_of(page) == [("alt", "x")]
    assert texts_of(page, TEXT_FIELDS) == [
        ("aria-label", "label"),
        ("figcaption", "the inner one"),
        ("figcaption", "outer"),
        ("alt", "x"),
    ]


def test_urls_of_an_image():
    """`src`, urls for scripts, and the largest url of each set are kept apart; a template of urls is no url."""
    (image,) = images_of(
        "<picture><source srcset='p1.webp 1x, p2.webp 2x'><source data-srcset='q.webp'>"
        "<img alt=x src=a.gif data-src=b.jpg data-original='{\"u\":1}' data-lazy-src=c.jpg srcset='s 5w, l 9w'>"
    )
    assert image.src == "a.gif"
    assert image.lazy_sources() == ["b.jpg", "c.jpg"]
    assert image.largest_sources() == ["l", "p2.webp", "q.webp"]


def test_sizes_are_those_of_the_tag():
    """width and height are kept unchanged; the sizes are None if the tag has neither."""
    page = "<img alt=a width=5 height='7px'><img alt=b height=3><img alt=c width>"
    found = [image.sizes() for image in images_of(page)]
    assert found == [[("width", "5"), ("height", "7px")], [("height", "3")], None]


@pytest.mark.parametrize(
    ("srcset", "url"),
    [
        ("a.jpg", "a.jpg"),
        ("a.jpg 1x, b.jpg 2x, c.jpg 1.5x", "b.jpg"),
        ("a.jpg 100w, b.jpg 9x", "a.jpg"),
        ("a.jpg 100w,b.jpg 300w,c.jpg 200w", "b.jpg"),
        ("a.jpg, b.jpg", "a.jpg"),
        ("a,b.jpg 2x, c.jpg 1x", "a,b.jpg"),
        (" , ,a.jpg, ", "a.jpg"),
        ("data:image/gif;base64,R0lG 900w, a.jpg 10w", "a.jpg"),
        ("a.jpg 600w 400h, b.jpg 500w", "a.jpg"),
        ("a.jpg nonsense", "a.jpg"),
        ("a.jpg nanw, b.jpg -3w, c.jpg infw", "a.jpg"),
        ("", ""),
        (" , ", ""),
        ("data:image/gif;base64,R0lG", ""),
    ],
)
def test_the_largest_of_a_set(srcset, url):
    """A width beats a density, the first of equals wins, and inlined images do not count."""
    assert largest_of(srcset) == url


def test_base_and_metas():
    """The base is the first with a href; metas are found anywhere, and in upper or lower case."""
    head = b"<base target=x><base href='/b/'><base href='/c/'><META Name=Robots content=NOAI>"
    body = b"<body><meta name=x><meta name='tdm-reservation' content=1><img alt=x>"
    page = HtmlPage(head + body, DEFAULT_TEXT_FIELDS)
    assert page.base == "/b/"
    assert page.metas == [{"name": "Robots", "content": "NOAI"}, {"name": "tdm-reservation", "content": "1"}]


def test_the_og_image_of_a_page():
    """The first nonempty og:image and og:title are used; both are needed."""
    titles = b"<meta property='og:title' content=''><meta name='og:title' content='T'>"
    image = b"<meta property='og:image' content='i'>"
    assert og_image(HtmlPage(titles + image, TEXT_FIELDS).metas) == ("i", "T")
    assert og_image(HtmlPage(titles, TEXT_FIELDS).metas) is None


@pytest.mark.parametrize(
    ("page", "kept"),
    [
        (b"<p><img alt=a><p>tail", b"<p><img alt=a>"),
        (b"<img alt=a><IMG ALT='x > y' src=b>tail", b"<img alt=a><IMG ALT='x > y' src=b>"),
        (b"<img src=a><image title/>tail", b"<img src=a><image title/>"),
        (b"<img src=5\" title='x>y' src=a>tail", b"<img src=5\" title='x>y' src=a>"),
        (b"<img alt= >tail", b"<img alt= >"),
        (b"<img alt>tail<IMG src=pixel><img src='alt=x'>", b"<img alt>"),
        (b"<IMG alt>tail<img src=pixel>", b"<IMG alt>"),
        (b'<img alt="never closed>tail', b'<img alt="never closed>tail'),
        (b"<img alt=a", b"<img alt=a"),
        (b"<p><img src=a><img src=b>", b""),
        (b"<p>none", b""),
        (b"", b""),
    ],
)
def test_a_page_is_read_up_to_its_last_image(page, kept):
    """A tag ends where the tokenizer of the HTML Standard ends it; images without texts do not count."""
    assert up_to_last_image(page, DEFAULT_TEXT_FIELDS) == kept


def test_only_the_last_of_many_images_without_texts_are_cut_off():
    """The search from the end is bounded."""
    page = b"<img alt=a>" + b"<img src=b>" * 1000
    assert up_to_last_image(page, DEFAULT_TEXT_FIELDS) == page[: -20 * len(b"<img src=b>")]


PARTS = st.sampled_from(
    [
        "<img alt=a src=b>",
        "<img src=e>",
        '<img b="',
        "<img alt='x>y' src=c>",
        '<IMG title="it\'s" src=d>',
        "<p>",
        "</p>",
        "<div title='",
        "'",
        '"',
        "<!--",
        "-->",
        "<script>",
        "</script>",
        "<template>",
        "</template>",
        "text",
        " ",
        ">",
        "<",
        "=",
        "/",
        "<a b=",
        "<table>",
        "<td>",
        "<noscript>",
        "</noscript>",
        "<base href=/x>",
        "<figure>",
        "é",
    ]
)


@given(st.lists(PARTS, max_size=40))
def test_bytes_after_the_last_image_do_not_change_the_images(parts):
    """For any page, the part that is parsed has the same images as the whole page."""
    page = "".join(parts).encode()
    cut = [(image.texts(DEFAULT_TEXT_FIELDS), image.src) for image in images_of(page)]
    whole = images_of(page, (*DEFAULT_TEXT_FIELDS, "og:title"))
    assert cut == [(image.texts(DEFAULT_TEXT_FIELDS), image.src) for image in whole]


def test_a_large_page_is_cut_outside_of_scripts_and_keeps_its_images():
    """The pieces joined are the page; each image is found once, in order."""
    one = "<div><p>text <b>bold</b><script>if (a < b) '<div><img alt=no>'</script><img alt=%d src=x></div>"
    page = "".join(one % n for n in range(5000)).encode()
    pieces = list(pieces_of(page))
    assert b"".join(pieces) == page
    assert len(pieces) > 5
    assert all(piece.count(b"<script") == piece.count(b"</script") for piece in pieces)
    assert [text for _, text in texts_of(page)] == [str(n) for n in range(5000)]


def test_a_small_page_is_one_piece():
    """The page is neither copied nor cut."""
    page = b"<p>" * 4096
    (piece,) = pieces_of(page)
    assert piece is page


def test_text_after_a_stray_bracket_is_not_read_as_attributes():
    """A book in one tag is dropped; a long attribute or script is kept."""
    words = b" ".join(b"w%d" % n for n in range(20_000))
    assert without_long_tags(b"<p>a</p><b " + words + b"> <img alt=x src=y>") == b"<p>a</p> <img alt=x src=y>"
    for page in (
        b"<script>" + words + b"</script><img alt=x>",
        b"<p>" + words + b"<img alt=x>",
        b"<img alt=x src='data:" + b"A" * 50_000 + b"'>",
    ):
        assert without_long_tags(page) is page


N = 30_000
HOSTILE = {
    "depth": b"<div>" * N,
    "depth of figures": b"<figure>" * N,
    "formatting": b"<b><p>" * N,
    "misnested": b"<a><div></a>" * N,
    "end tags": b"<div>" * N + b"</p>" * N,
    "lists": b"<ul><li>" * N,
    "templates": b"<template>" * N,
    "svg": b"<svg>" * N,
    "tables": b"<table><tr><td>" * N,
    "copies": b"<select><button><selectedcontent></selectedcontent></button>" + b"<option selected><b>x" * N,
    "attributes": b"<p " + b" ".join(b"a%d=1" % n for n in range(N)) + b">",
    "comments": b"<!--" * N,
    "brackets": b"<" * N,
    "quotes": b"<a b='" * N,
    "commas": b"<img alt=x srcset='" + b"," * 10 * N + b"'>",
    "sets": b"<img alt=x srcset='" + b"a 1x," * N + b"'>",
    "equals": b"<img " + b"= " * N,
    "images": b'<img x="' * N,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pages_take_only_a_moment(name):
    """Deep, broken and repeated markup takes a plain parser minutes, or overflows its stack."""
    began = time.process_time()
    fields = (*DEFAULT_TEXT_FIELDS, "figcaption")
    for image in images_of(HOSTILE[name] + b"<img alt=last src=x>", fields):
        image.texts(fields)
        image.largest_sources()
    assert time.process_time() - began < 5


@pytest.mark.slow
@pytest.mark.parametrize("name", ["depth", "lists", "end tags"])
def test_a_hundred_thousand_levels(name):
    """A page of a megabyte is read in seconds."""
    began = time.process_time()
    images_of(HOSTILE[name] * 4 + b"<img alt=last src=x>")
    assert time.process_time() - began < 20


def test_pieces_give_the_images_of_one_tree(shared_data, monkeypatch):
    """Real pages give the same images if they are cut into pieces of 512 tags."""
    from metaclip_spark.extract.records.dialect import WARC
    from metaclip_spark.extract.records.reader import warc_records
    from metaclip_spark.extract.warc.responses import response_of

    with open(shared_data / "crawl" / "ccmain2020-34_sample.warc.gz", "rb") as file:
        pages = [
            response_of(record.payload).body()
            for record in warc_records(file, WARC)
            if record.get(b"warc-type") == b"response"
        ]
    whole = [texts_of(page) for page in pages]
    monkeypatch.setattr(html_pieces, "_PIECE_TAGS", 512)
    assert max(len(list(pieces_of(page))) for page in pages) > 2
    assert [texts_of(page) for page in pages] == whole
