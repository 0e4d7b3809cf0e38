"""The tags of a page give what its tree gives, or the tree is asked."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaclip_spark.candidates.options import DEFAULT_TEXT_FIELDS
from metaclip_spark.errors import BrokenResponseError
from metaclip_spark.extract.records.dialect import WARC
from metaclip_spark.extract.records.reader import warc_records
from metaclip_spark.extract.warc.charset import utf8_of
from metaclip_spark.extract.warc.content import KINDS, content_of
from metaclip_spark.extract.warc.html import LAZY_SOURCES, SETS, SIZES, HtmlPage
from metaclip_spark.extract.warc.html_tags import TagReader

READ_TAGS = TagReader.read
OTHERS = ("src", *LAZY_SOURCES, *SETS, *SIZES)
MISSING = object()


def tags_of(page: str) -> str | None:
    tags = TagReader(DEFAULT_TEXT_FIELDS, OTHERS).read(page.encode())
    return None if tags is None else tags.decode()


def described(page: bytes) -> list[Any]:
    found = HtmlPage(page, DEFAULT_TEXT_FIELDS)
    base = found.base
    images = [
        (
            [image.attributes.get(name, MISSING) for name in (*DEFAULT_TEXT_FIELDS, *OTHERS)],
            image.largest_sources(),
            image.lazy_sources(),
            image.sizes(),
        )
        for image in found.images()
    ]
    return [base, found.base, found.metas, *images]


def by_tree(page: bytes) -> list[Any]:
    """Describe a page by the tree of the whole page."""
    TagReader.read = lambda self, html: None  # type: ignore[method-assign]
    try:
        return described(page)
    finally:
        TagReader.read = READ_TAGS  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("page", "tags"),
    [
        ("<p><img alt=a src=b></p>", "<img alt=a src=b>"),
        ("<img src=b><IMG Alt src=c><image title=d/><img alt='x", "<IMG Alt src=c><image title=d/>"),
        ("<base href=/a><meta name=robots content=noai><meta name=x>", "<base href=/a><meta name=robots content=noai>"),
        ("<meta name='&#114;obots'><META NAME=Robots><p>", "<meta name='&#114;obots'><META NAME=Robots>"),
        ("<meta content=robots>", ""),
        ("<meta name=Content-Usage content=ai=n><meta name=content>", "<meta name=Content-Usage content=ai=n>"),
        ("<!-- <img alt=a> --><!-><img alt=b>-->", "<img alt=b>"),
        ("<!--> <img alt=a> --!><!----!><img alt=b>", "<img alt=a><img alt=b>"),
        ("<!doctype '><img alt=a>'><?php <img alt=b>?></ <img alt=c>", "<img alt=a>"),
        ("< img alt=a><<img alt=b>", "<img alt=b>"),
        ("<div title='<img alt=a>' x=\"<img alt=b>\" y=<img alt=c><img alt=d>", "<img alt=d>"),
        ("</div title='<img alt=a>'><img alt=b>", "<img alt=b>"),
        ("<img src=5\" title='x>y' alt = \"z>\">", "<img src=5\" title='x>y' alt = \"z>\">"),
        ("<script>'<img alt=a>'</scripty></SCRIPT x><img alt=b>", "<img alt=b>"),
        ("<script><!-- <img alt=a> --></script><img alt=b>", "<img alt=b>"),
        ("<script><!-- <script> </script> --></script><img alt=b>", None),
        ("<title><img alt=a></title><textarea><img alt=a></textarea/><style><img alt=a></style>", ""),
        ("<iframe><img alt=a></iframe><noframes><img alt=a></noframes><xmp><img alt=a></xmp>", ""),
        ("<noscript><img alt=a></noscript>", "<img alt=a>"),
        ("<script><img alt=a>", ""),
        ("<template></template>", None),
        ("<plaintext><img alt=a>", None),
        ("<picture> <source src=a><!-- --><img alt=b></picture>", "<picture><source src=a><img alt=b></picture>"),
        ("<picture><source srcset=a><b><img alt=b></b></picture>", None),
        ("<video><source src=a></video>", ""),
        ("<select><option>a<option>b</select><img alt=c>", "<img alt=c>"),
        ("<select><img alt=a></select>", None),
        ("<table><tr><td><img alt=a></td></tr></table><img alt=b>", "<img alt=a><img alt=b>"),
        ("<table><td><table><th><img alt=a></table><img alt=b></table><p>", "<img alt=a><img alt=b>"),
        ("<table><caption><img alt=a></td></caption><form><div></div><tr><td>", "<img alt=a>"),
        ("<table><tr><td></td><img alt=a></table>", None),
        ("<table><tr><td></th><img alt=a></tr></table>", "<img alt=a>"),
        ("<table><tr><td></tbody><img alt=a></table>", None),
        ("<table><tr><td></tr><img src=a><meta name=x></table>", ""),
        ("<tr><td><img alt=a></td><img alt=b>", "<img alt=a><img alt=b>"),
        ("<svg><title>a</title><style>b</style><path/></svg><style><img alt=a></style><img alt=b>", "<img alt=b>"),
        ("<svg><img alt=a><svg/></svg><title><b></title>", "<img alt=a>"),
        ("<svg><title><b>a</b></title></svg>", None),
        ("<svg><title/><img alt=a></svg>", None),
        ("<svg><![CDATA[<img alt=a>]]></svg>", None),
        ("<svg><foreignObject></svg>", None),
        ("<svg><image alt=a></svg>", None),
        ("<svg><table>", None),
        ("<img id=x alt=a/ Width='5'src = b alt class=c title= >", "<img alt=a/ Width='5' src = b alt title= >"),
        ("<svg/><table><td><![CDATA[<img alt=a>]]><img alt=b>", "<img alt=b>"),
        ("<math>", None),
        ("", ""),
    ],
)  # fmt: skip
def test_which_tags_are_read(page, tags):
    """The tags that are read, or None; either way the page's tree has the same images."""
    assert tags_of(page) == tags
    assert described(page.encode()) == by_tree(page.encode())


SNIPPETS = [
    *("<img alt=a src=b>", "<IMG title='x>y' data-src=c>", '<img alt="', "<img src=e>", "<image alt=i>"),
    *("<img alt=&amp;", "<im\0g alt=a>", "<img\valt=a>", "<img\ralt\r=\ra\r>"),
    *("<base href=/x>", "<meta name=robots content=noai>", "<META content=1 name='tdm-reservation'>", "<meta name=x>"),
    *("<!--", "-->", "--!>", "<!-->", "<!--->", "<!-", "<!", "<?", "</", "</>", "<![CDATA[", "]]>", "<!doctype html>"),
    *("<script>", "</script>", "</script ", "<style>", "</style>", "<title>", "</title>", "<textarea>", "</textarea>"),
    *("<iframe>", "</iframe>", "<xmp>", "</xmp>", "<noframes>", "</noframes>", "<noembed>", "</noembed>"),
    *("<noscript>", "</noscript>", "<head>", "</head>", "<body>", "</body>", "</html>", "<html>", "<frameset>"),
    *("<template>", "</template>", "<plaintext>", "<select>", "</select>", "<option>"),
    *("<optgroup>", "<hr>", "<input>"),
    *("<svg>", "</svg>", "<svg/>", "<svg a=b/>", "<title/>", "<desc>", "</desc>"),
    *("<foreignObject>", "</foreignObject>", "<path/>", "<math>", "</math>", "<mi>", "<font color=a>"),
    *("<picture>", "</picture>", "<source srcset='a 1x, b 2x'>", "<source data-srcset=c>", "<video>", "</video>"),
    *("<table>", "</table>", "<tr>", "</tr>", "<td>", "</td>", "<th>", "</th>", "<tbody>", "</tbody>", "<thead>"),
    *("</thead>", "<tfoot>", "</tfoot>", "<caption>", "</caption>", "<colgroup>", "<col>", "</colgroup>", "</col>"),
    *("<div>", "</div>", "<p>", "</p>", "<a href=x>", "</a>", "<b>", "</b>", "<form>", "</form>", "<button>", "<br>"),
    *("<li>", "<object>", "</object>", "<nobr>", "<h1>", "</h1>", "<div title='", "'", '"', "<a b="),
    *("text", " ", "\n", "\r", "\f", "\v", "\0", "é", "&", "<a/b", "=", "/", ">", "<"),
]  # fmt: skip


@given(st.lists(st.sampled_from(SNIPPETS), max_size=40))
def test_tags_of_any_page_give_what_its_tree_gives(parts):
    """Whatever markup follows whatever markup."""
    page = "".join(parts).encode()
    assert described(page) == by_tree(page)


@pytest.mark.parametrize("pages", [3000, pytest.param(200_000, marks=pytest.mark.slow)])
def test_tags_of_many_random_pages_give_what_their_trees_give(pages):
    """Random pages; more than half of them are told apart without their trees."""
    chosen = random.Random(pages)
    told = 0
    for _ in range(pages):
        page = "".join(chosen.choices(SNIPPETS, k=chosen.randrange(2, 25))).encode() + b"<img alt=last>"
        told += TagReader(DEFAULT_TEXT_FIELDS, OTHERS).read(page) is not None
        assert described(page) == by_tree(page), page
    assert told > pages // 4


def real_pages(crawl) -> Iterator[bytes]:
    """Yield the pages of all real WARCs, in UTF-8."""
    for path in sorted(crawl.glob("*.warc*")):
        if ".wat" in path.name or ".wet" in path.name or ".paths" in path.name:
            continue
        with open(path, "rb") as file:
            for record in warc_records(file, WARC):
                kind = record.get(b"warc-type").lower()
                if kind not in KINDS:
                    continue
                try:
                    content = content_of(record, kind)
                    if not isinstance(content, str):
                        yield utf8_of(content.body, content.content_type)
                except BrokenResponseError:
                    continue


def mutated(page: bytes, chosen: random.Random) -> bytes:
    """Return a page with bytes changed, parts removed and doubled, and markup inserted."""
    if chosen.random() < 0.7:  # a part of a page, so that most changes are near an image
        at = chosen.randrange(max(1, len(page)))
        page = page[at : at + chosen.randrange(500, 20_000)]
    for _ in range(chosen.randrange(1, 8)):
        at = chosen.randrange(len(page) + 1)
        end = min(len(page), at + chosen.randrange(1, 200))
        part = chosen.choice(SNIPPETS).encode()
        way = chosen.randrange(6)
        if way == 0:
            page = page[:at] + bytes([chosen.randrange(256)]) + page[at + 1 :]
        elif way == 1:
            page = page[:at] + page[end:]
        elif way == 2:
            page = page[:end] + page[at:]
        elif way == 3:
            at = page.find(chosen.choice((b">", b"<", b'"', b"'", b"=", b"--")), at)
            page = page[: max(at, 0)] + page[at + 1 :]
        else:
            page = page[:at] + part + page[at:]
    return page


def test_tags_of_real_pages_give_what_their_trees_give(shared_data):
    """Every real page; 37 of 1,095 need their trees."""
    pages = told = 0
    for page in real_pages(shared_data / "crawl"):
        assert described(page) == by_tree(page)
        pages += 1
        told += TagReader(DEFAULT_TEXT_FIELDS, OTHERS).read(page) is not None
    assert (pages, told) == (1095, 1058)


@pytest.mark.parametrize("number", [1000, pytest.param(20_000, marks=pytest.mark.slow)])
def test_tags_of_changed_real_pages_give_what_their_trees_give(shared_data, number):
    """Real pages with broken markup."""
    pages = list(real_pages(shared_data / "crawl"))
    chosen = random.Random(number)
    for _ in range(number):
        page = mutated(chosen.choice(pages), chosen)
        assert described(page) == by_tree(page), page
