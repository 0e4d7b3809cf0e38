"""WARC files, written by hand: the image texts that are found, their urls, and the rejects."""

from __future__ import annotations

import gzip

import pytest
from warc_builder import HTML, PAGE, golden_records, http, page, record, write

from metaclip_spark.candidates.options import OPT_OUTS, TEXT_FIELDS

GOLDEN_ROWS = [
    ("http://ex.org/a/s.jpg", "not found", "alt"),
    ("http://ex.org/a/s.jpg", "no reason", "alt"),
    ("http://ex.org/a/n.jpg", "no type", "alt"),
    ("http://ex.org/a/c.jpg", "chunked", "alt"),
    ("http://ex.org/a/z.jpg", "packed", "alt"),
    ("http://ex.org/a/z.jpg", "header says gzip", "alt"),
    ("http://ex.org/a/l.jpg", "old lines", "alt"),
    ("http://wget.org/w.jpg", "wget", "alt"),
    ("http://img.org/u.jpg", "no page", "alt"),
    ("http://ex.org/a/é.jpg", "größer ž", "alt"),
    ("http://ex.org/a/j.jpg", "日本", "alt"),
    ("http://ex.org/a/x.jpg", "bad \ufffd byte", "alt"),
    ("http://img.org/1.jpg", "absolute", "alt"),
    ("http://ex.org/a/2.jpg", "relative", "alt"),
    ("http://ex.org/3.jpg?x=1#f", "parent", "alt"),
    ("http://ex.org/4.jpg", "root", "alt"),
    ("http://cdn.org/5.jpg", "protocol", "alt"),
    ("http://ex.org/a/my pic.jpg", "spaces", "alt"),
    ("http://img.org/8.jpg", "outer whitespace", "alt"),
    ("http://ex.org/?a=1&b=2", "entity", "alt"),
    ("https://base.org/dir/b.jpg", "absolute base", "alt"),
    ("http://ex.org/up/b.jpg", "relative base", "alt"),
    ("http://ex.org/a/b.jpg", "malformed base", "alt"),
    ("http://ex.org/a/real1.jpg", "inlined placeholder", "alt"),
    ("http://ex.org/a/real2.jpg", "no src", "alt"),
    ("http://ex.org/a/real3.jpg", "empty src", "alt"),
    ("http://ex.org/a/blank.gif", "both", "alt"),
    ("http://ex.org/a/real4.jpg", "both", "alt"),
    ("http://ex.org/a/same.jpg", "the same", "alt"),
    ("http://ex.org/a/5.jpg", "src wins", "alt"),
    ("http://ex.org/a/6l.jpg", "set", "alt"),
    ("http://ex.org/a/7.jpg", "lazy set", "alt"),
    ("http://ex.org/a/8l.webp", "picture", "alt"),
    ("http://ex.org/a/9.jpg", "no url there", "alt"),
    ("http://ex.org/a/10.jpg", "noscript", "alt"),
    ("http://ex.org/a/i.jpg", "an alt", "alt"),
    ("http://ex.org/a/i.jpg", "a title", "title"),
    ("http://ex.org/a/i.jpg", "a third", "data-image-title"),
    ("http://ex.org/a/t3.jpg", "Tom &amp; Jerry", "alt"),
    ("http://ex.org/a/t4.jpg", "two lines and \ufffd more", "alt"),
    ("http://ex.org/a/t5.jpg", "edges", "alt"),
]

GOLDEN_REJECTED = {
    "not_response": 6,
    "not_page": 2,
    "broken_record": 4,
    "empty_text": 3,
    "no_url": 2,
    "data_url": 3,
    "not_http": 3,
    "bad_url": 1,
    "repeat": 3,
}


@pytest.fixture(params=["a.warc.gz", "a.warc"])
def golden(tmp_path, request):
    """The golden WARC, with one gzip member per record, and plain."""
    return write(tmp_path / request.param, golden_records())


def test_golden_rows(extract, golden):
    """Every text of the file becomes one row, in the order of the file, and there are no other rows."""
    found = extract(golden)
    assert [(pair["url"], pair["text"], pair["text_source"]) for pair in found.pairs] == GOLDEN_ROWS
    assert {pair["page_url"] for pair in found.pairs} == {PAGE, "http://wget.org/", None}
    assert [pair["text"] for pair in found.pairs if pair["page_url"] is None] == ["no page"]


def test_golden_counts(extract, golden):
    """Each record and each text is counted."""
    found = extract(golden)
    assert found.ending == ("done", None)
    assert found.outcome["records_read"] == len(golden_records())
    assert found.rejected == GOLDEN_REJECTED
    reasons = {row["detail"] for row in found.rejects if row["reason"] == "broken_record"}
    assert reasons == {
        "no status line: expected 'HTTP/1.1 200 OK', got b''",
        "no status line: expected 'HTTP/1.1 200 OK', got b'<html><img src=a.jpg alt=lost>'",
        "the HTTP header has no end",
        "the body cannot be decoded: it ends before its first block",
    }
    assert {row["record"] for row in found.rejects} == {PAGE, ""}


def test_sizes_are_in_extra(extract, golden):
    """width and height are kept as the page has them; extra is null if the tag has neither."""
    extras = {pair["text"]: pair["extra"] for pair in extract(golden).pairs}
    assert extras.pop("two lines and \ufffd more") == [("width", "80"), ("height", "60")]
    assert set(extras.values()) == {None}


def test_one_gzip_member_around_the_whole_file(tmp_path, extract):
    """A file that was compressed as a whole gives the same rows."""
    path = tmp_path / "a.warc.gz"
    path.write_bytes(gzip.compress(b"".join(golden_records())))
    found = extract(path)
    assert [(pair["url"], pair["text"], pair["text_source"]) for pair in found.pairs] == GOLDEN_ROWS
    assert found.ending == ("done", None)


@pytest.mark.parametrize("name", ["a.warc", "a.warc.gz"])
@pytest.mark.parametrize("rest", [b"p>", b">\n", b"\r\n", b"\n>", b"\n\n"])
def test_lengths_that_are_two_bytes_short(tmp_path, extract, name, rest):
    """One crawl of 2018 has an extra empty line after the header, and lengths that do not count it."""
    records = []
    for n in range(3):
        block = http(f"\r\n<img src={n}.jpg alt='text {n}'>").replace(b"charset=utf-8", b"charset=utf-8\r\nX: y") + rest
        records.append(record(block, length=str(len(block) - 2)))
    found = extract(write(tmp_path / name, records))
    assert found.rows == [(f"http://ex.org/a/{n}.jpg", f"text {n}") for n in range(3)]
    assert found.ending == ("done", None)


def test_texts_behind_the_switch(tmp_path, extract):
    """aria-label, figcaption and og:title are read only if these fields are wanted."""
    body = (
        "<meta property=og:title content='The page &amp; its title'><meta property=og:image content=/og.jpg>"
        "<figure><img src=f.jpg alt=x aria-label=label><figcaption>The <b>caption</b></figcaption></figure>"
    )
    path = write(tmp_path / "a.warc.gz", [page(body), page(body.replace("/og.jpg", "data:x"), uri="http://ex.org/2")])
    assert [pair["text"] for pair in extract(path).pairs] == ["x", "x"]
    found = extract(path, text_fields=TEXT_FIELDS)
    assert [(pair["url"], pair["text"], pair["text_source"]) for pair in found.pairs[:4]] == [
        ("http://ex.org/a/f.jpg", "x", "alt"),
        ("http://ex.org/a/f.jpg", "label", "aria-label"),
        ("http://ex.org/a/f.jpg", "The caption", "figcaption"),
        ("http://ex.org/og.jpg", "The page & its title", "og:title"),
    ]
    assert found.rejected == {"data_url": 1}
    assert [pair["text"] for pair in extract(path, text_fields=("og:title",)).pairs] == ["The page & its title"]


@pytest.mark.parametrize(
    ("head", "field", "reason"),
    [
        ("<meta name=robots content='index, NoAI'>", "X: y", "noai"),
        ("<META NAME=ROBOTS CONTENT=noimageai>", "X: y", "noimageai"),
        ("<meta name=tdm-reservation content=1>", "X: y", "tdm"),
        ("", "X-Robots-Tag: noai", "noai"),
        ("", "TDM-Reservation: 1", "tdm"),
        ("<meta name=robots content=noml>", "X: y", "noml"),
        ("<meta name='Content-Usage' content='train-ai=n'>", "X: y", "content-usage"),
        ("<meta name=content-signal content=ai-train=no>", "X: y", "content-signal"),
        ("", "Content-Usage: train-ai=n", "content-usage"),
        ("", "content-usage: search=y\r\nContent-Usage: train-ai=n", "content-usage"),
        ("", "Content-Signal: search=yes, ai-train=no", "content-signal"),
        ("", "Content-Usage: train-ai=y", None),
        ("<meta name=robots content=noindex>", "X: y", None),
    ],
)
def test_a_page_that_opts_out_gives_nothing(tmp_path, extract, head, field, reason):
    """Its texts are read and rejected with the reason; a directive that is not honoured changes nothing."""
    path = write(tmp_path / "a.warc.gz", [page(f"{head}<img src=a.jpg alt=x title=y><img alt=''>", HTML, field)])
    found = extract(path)
    assert found.rejected == ({"empty_text": 1} | ({reason: 2} if reason else {}))
    assert found.outcome["texts_read"] == 2
    assert {row["detail"] for row in found.rejects if row["reason"] == reason} == ({"x", "y"} if reason else set())
    assert len(extract(path, opt_outs=()).pairs) == 2


def test_opt_outs_behind_the_switch(tmp_path, extract):
    """noindex is honoured if the option asks for it."""
    path = write(tmp_path / "a.warc.gz", [page("<meta name=robots content=none><img src=a.jpg alt=x>")])
    assert extract(path, opt_outs=OPT_OUTS).rejected == {"noindex": 1}


def test_a_page_of_more_texts_than_a_batch(tmp_path, extract):
    """Batches end inside a page; all of its texts become rows, in order."""
    body = "".join(f"<img src={n}.jpg alt='text {n}'>" for n in range(20_000))
    found = extract(write(tmp_path / "a.warc.gz", [page(body)]))
    assert [pair["text"] for pair in found.pairs] == [f"text {n}" for n in range(20_000)]
    assert [pair["position"] for pair in found.pairs] == list(range(20_000))
