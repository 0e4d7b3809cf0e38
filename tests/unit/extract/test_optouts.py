"""Opt-outs of a page: the words in meta tags and headers that count as one."""

from __future__ import annotations

import pytest

from metaclip_spark.candidates.options import DEFAULT_OPT_OUTS, OPT_OUTS
from metaclip_spark.extract.optouts import opt_out_of


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
    ],
)
def test_meta_tags(name, content, expected):
    """Of a page's meta tags, robots and tdm-reservation can opt out."""
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
    ],
)
def test_headers(name, value, expected):
    """Of a response's headers, X-Robots-Tag (repeated, or for a named crawler) and tdm-reservation can opt out."""
    assert opt_out_of([], [("Content-Type", "text/html"), (name, value)], OPT_OUTS) == expected


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
