"""Opt-outs of a page: the words in meta tags and headers that count as one."""

from __future__ import annotations

from itertools import islice

import pytest
from warc_builder import record, write

from metaclip_spark.candidates.options import DEFAULT_OPT_OUTS, OPT_OUTS
from metaclip_spark.extract.optouts import opt_out_of, opt_out_words
from metaclip_spark.extract.records.dialect import WARC, WAT
from metaclip_spark.extract.records.reader import warc_records


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("robots", "noai", "noai"),
        (" Robots ", "INDEX, NoAI", "noai"),
        ("robots", "noimageai noai", "noai"),
        ("robots", "follow,noimageai", "noimageai"),
        ("robots", "noindex", "noindex"),
        ("robots", "none", "noindex"),
        ("robots", "noimageindex;nofollow", "noimageindex"),
        ("robots", ["index", "noai"], "noai"),
        ("robots", "index, follow, max-image-preview:large", None),
        ("robots", "noaim, xnoai", None),
        ("robots", "tdm", None),
        ("robots", "", None),
        ("robots", None, None),
        ("robots", 5, None),
        (None, "noai", None),
        ("googlebot", "noai", None),
        ("description", "noai", None),
        ("x-robots-tag", "noai", None),
        ("tdm-reservation", "1", "tdm"),
        ("TDM-Reservation", " 1 ", "tdm"),
        ("tdm-reservation", "0", None),
        ("tdm-reservation", "10", None),
        ("tdm-policy", "1", None),
        ("robots", "index, NoML", "noml"),
        ("robots", "noml-not", None),
        ("robots", "content-usage", None),
        ("Content-Usage", "train-ai=n", "content-usage"),
        ("content-usage", "train-ai=y, search=n", None),
        ("content-usage", ["train-ai=y", "train-ai=n"], "content-usage"),
        ("Content-Signal", "search=yes, ai-train=no", "content-signal"),
        ("content-signal", "ai-train=yes", None),
    ],
)
def test_meta_tags(name, content, expected):
    """Of a page's meta tags, robots, and those named as a header that opts out, can opt out."""
    assert opt_out_of([("viewport", "width=1"), (name, content)], [], OPT_OUTS) == expected


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("X-Robots-Tag", "noai, noimageai", "noai"),
        ("x-robots-tag", "somebot: NOIMAGEAI", "noimageai"),
        ("X-Robots-Tag", ["all", "otherbot: noindex, nofollow"], "noindex"),
        ("X-ROBOTS-TAG", "none", "noindex"),
        ("X-Robots-Tag", "unavailable_after: 25 Jun 2010 15:00:00 PST", None),
        ("robots", "noai", None),
        ("tdm-reservation", "1", "tdm"),
        ("Tdm-Reservation", ["0", "1"], "tdm"),
        ("tdm-reservation", 1, None),
        (None, None, None),
        ("X-Robots-Tag", "noml", "noml"),
        ("X-Robots-Tag", "bot: noml", "noml"),
        ("Content-Usage", "train-ai=n", "content-usage"),
        ("CONTENT-USAGE", ["search=y", "train-ai=n"], "content-usage"),
        ("Content-Usage", ["train-ai=n", "train-ai=y"], None),
        ("Content-Usage", ["train-ai=n", "Broken=="], None),
        ("Content-Usage", ["train-ai=(n", "n)"], None),
        ("Content-Usage", 5, None),
        ("Content-Signal", "ai-train=no, search=yes", "content-signal"),
        ("content-signal", ["search=yes", "ai-train=no"], "content-signal"),
        ("Content-Signal", "ai-train=yes", None),
    ],
)
def test_headers(name, value, expected):
    """Headers opt out: X-Robots-Tag (also for a named crawler), tdm-reservation, Content-Usage, Content-Signal."""
    assert opt_out_of([], [("Content-Type", "text/html"), (name, value)], OPT_OUTS) == expected


def test_headers_of_one_name_are_one_statement_and_a_meta_tag_is_another():
    """Two lines of a header are one dictionary, whose last key counts. Of two statements the restrictive one counts."""
    lines = [("content-usage", "train-ai=n"), ("Content-Usage", "train-ai=y")]
    assert opt_out_of([], lines, OPT_OUTS) is None
    assert opt_out_of([], lines[::-1], OPT_OUTS) == "content-usage"
    assert opt_out_of(lines[:1], lines[1:], OPT_OUTS) == "content-usage"
    assert opt_out_of(lines, [], OPT_OUTS) == "content-usage"


@pytest.mark.parametrize("opt_out", OPT_OUTS)
def test_a_page_that_opts_out_has_a_word_of_the_search(opt_out):
    """Pages without one of the words are not read for opt-outs."""
    declared = {
        "tdm": ("TDM-Reservation", "1"),
        "content-usage": ("Content-Usage", "train-ai=n"),
        "content-signal": ("Content-Signal", "ai-train=no"),
    }.get(opt_out, ("X-Robots-Tag", opt_out))
    assert opt_out_of([], [declared], (opt_out,)) == opt_out
    page = f"{declared[0]}: {declared[1]}".lower()
    assert any(word in page for word in opt_out_words((opt_out,)))
    assert max(map(len, opt_out_words(OPT_OUTS))) <= 32  # the width of the array of words


def test_only_what_is_wanted_counts():
    """A declared opt-out that is not honoured does not hide one that is."""
    metas = [("robots", "noai, noindex")]
    assert opt_out_of(metas, [], ("noindex",)) == "noindex"
    assert opt_out_of(metas, [], ("tdm",)) is None
    assert opt_out_of(metas, [], ()) is None
    assert opt_out_of([("robots", "noindex")], [], DEFAULT_OPT_OUTS) is None


def test_the_first_in_the_order_of_the_options_is_named():
    """Neither the page's order nor the setting's order decides which of several opt-outs is the reason."""
    metas, headers = [("robots", "noimageindex, noindex")], [("tdm-reservation", "1"), ("x-robots-tag", "noimageai")]
    assert opt_out_of(metas, headers, tuple(reversed(OPT_OUTS))) == "noimageai"
    assert opt_out_of(metas, headers[:1], OPT_OUTS) == "tdm"
    assert opt_out_of(metas, [], ("noimageindex", "noindex")) == "noindex"


HEADERS = {
    "content-usage": ("Content-Usage", "search=y, train-ai=n"),
    "content-signal": ("content-signal", "search=yes,ai-train=no"),
    "noml": ("X-Robots-Tag", "noml"),
}
"""Opt-out -> a header that declares it."""


@pytest.mark.parametrize("opt_out", HEADERS)
@pytest.mark.parametrize(("name", "dialect"), [("pages.wat.gz", WAT), ("pages.warc.gz", WARC)])
def test_real_pages_with_one_header_more_opt_out(shared_data, tmp_path, extract, opt_out, name, dialect):
    """All texts of all pages are rejected, and none without the header: both readers look at real headers."""
    field, value = HEADERS[opt_out]
    written: dict[str, list[bytes]] = {"plain": [], "opted": []}
    with open(shared_data / "crawl" / name, "rb") as file:
        for found in islice(warc_records(file, dialect), 150):
            block, kind = bytes(found.payload), found.get(b"warc-type").decode()
            opted = block.replace(b'"Headers":{', f'"Headers":{{"{field}":"{value}",'.encode(), 1)
            if dialect is WARC:
                opted = block.replace(b"\r\n", f"\r\n{field}: {value}\r\n".encode(), 1)
            about = {"uri": found.get(b"warc-target-uri").decode(), "content_type": found.get(b"content-type").decode()}
            written["plain"].append(record(block, kind, **about))
            written["opted"].append(record(opted if kind in ("response", "metadata") else block, kind, **about))
    suffix = name.removeprefix("pages")
    plain, opted = (extract(write(tmp_path / f"{key}{suffix}", made)) for key, made in written.items())
    assert not set(plain.rejected) & set(OPT_OUTS)
    assert plain.outcome["texts_read"] > 100
    assert (opted.pairs, opted.outcome["texts_read"]) == ([], plain.outcome["texts_read"])
    assert opted.rejected[opt_out] == plain.outcome["texts_read"]
