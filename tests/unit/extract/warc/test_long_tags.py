"""Tags of many kilobytes: an image keeps its texts and urls, whatever else its tag holds."""

from __future__ import annotations

import pytest
from warc_builder import page, write

from metaclip_spark.extract.warc.html_pieces import without_long_tags

SRCSET = ", ".join(f"https://cdn.example.org/i/{n}.jpg {n}w" for n in range(1, 2001))
ATTRIBUTES = " ".join(f"data-a{n}=value{n}" for n in range(5000))
WORDS = " ".join(f"word{n}" for n in range(3000))


@pytest.mark.parametrize(
    ("tag", "url"),
    [
        (f"<img srcset='{SRCSET}' alt='a red kite'>", "https://cdn.example.org/i/2000.jpg"),
        (f"<img data-srcset='{SRCSET}' alt='a red kite'>", "https://cdn.example.org/i/2000.jpg"),
        (f"<img alt='a red kite' src=a.jpg srcset='{SRCSET}'>", "http://ex.org/a/a.jpg"),
        (f"<picture><source srcset='{SRCSET}'><img alt='a red kite'></picture>", "https://cdn.example.org/i/2000.jpg"),
        (f"<img src='data:image/png;base64,{'A' * 100_000}' data-src=a.jpg alt='a red kite'>", "http://ex.org/a/a.jpg"),
        (f"<img {ATTRIBUTES} src=a.jpg alt='a red kite'>", "http://ex.org/a/a.jpg"),
        (f"<img src=a.jpg {ATTRIBUTES} alt='a red kite' alt='another'>", "http://ex.org/a/a.jpg"),
        (f'<IMG src=a.jpg {ATTRIBUTES} ALT="a red kite"/>', "http://ex.org/a/a.jpg"),
        (f"<img src=a.jpg alt='a red kite' title='{' ' * 20_000}'>", "http://ex.org/a/a.jpg"),
        (f"<img src=a.jpg data-x='{WORDS}' alt='a red kite'>", "http://ex.org/a/a.jpg"),
        (f"<img src=a.jpg onclick='a > b; {WORDS}' alt='a red kite'>", "http://ex.org/a/a.jpg"),
        (f"<base {ATTRIBUTES} href=http://base.org/><img src=a.jpg alt='a red kite'>", "http://base.org/a.jpg"),
    ],
)
def test_an_image_of_a_long_tag_is_read(tmp_path, extract, tag, url):
    """The tags before and after it are, too."""
    around = "<img src=http://x.org/{0}.jpg alt='image {0}'>"
    found = extract(write(tmp_path / "a.warc.gz", [page(around.format(1) + tag + around.format(2))]))
    first, *rest = found.rows
    assert first == ("http://x.org/1.jpg", "image 1")
    assert rest == [(url, "a red kite"), ("http://x.org/2.jpg", "image 2")]


@pytest.mark.parametrize("size", [15_000, 20_000, 1_000_000])
def test_a_long_text_is_counted(tmp_path, extract, size):
    """A text beyond the maximum is left out, not cut."""
    text = ("word " * size)[:size].rstrip()
    found = extract(write(tmp_path / "a.warc.gz", [page(f"<img src=a.jpg alt='{text}'><img src=b.jpg alt=b>")]))
    kept = [("http://ex.org/a/b.jpg", "b")]
    if size < 16_384:
        kept.insert(0, ("http://ex.org/a/a.jpg", text))
    assert found.rows == kept
    assert found.rejected == ({} if size < 16_384 else {"text_cap": 1})
    assert found.outcome["texts_read"] == 2


def test_a_url_beyond_a_megabyte_is_counted(tmp_path, extract):
    """No browser requests it."""
    found = extract(write(tmp_path / "a.warc.gz", [page(f"<img src='{'a' * 1_200_000}' alt=a><img src=b.jpg alt=b>")]))
    assert (found.rows, found.rejected) == ([("http://ex.org/a/b.jpg", "b")], {"bad_url": 1})


def test_text_after_a_stray_bracket_is_still_left_out():
    """A book in a tag would take minutes to parse."""
    words = b" ".join(b"w%d" % n for n in range(20_000))
    assert without_long_tags(b"<p>a</p><b " + words + b"> <img alt=x src=y>") == b"<p>a</p> <img alt=x src=y>"


def test_links_beyond_the_maximum_of_a_page_are_counted(tmp_path, extract):
    """The first links are read, of each page anew; images without a text do not count."""
    links = "".join(f"<img src=n.gif><img src={n}.jpg alt='image {n}' title='title {n}'>" for n in range(7))
    found = extract(write(tmp_path / "a.warc.gz", [page(links), page(links, uri="http://b.org/")]), link_cap=3)
    assert found.rows == [
        (f"{base}{n}.jpg", f"{kind} {n}")
        for base in ("http://ex.org/a/", "http://b.org/")
        for n in range(3)
        for kind in ("image", "title")
    ]
    assert found.rejected == {"link_cap": 8}
    assert found.outcome["texts_read"] == 12
