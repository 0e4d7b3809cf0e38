"""matplotlib's SVG made fit for the page: its colours, its ids, its placeholders."""

from __future__ import annotations

import re

from metaclip_spark.report.plots.svg import INK, inline

DRAWN = f"""<?xml version="1.0" encoding="utf-8"?>
<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"
     width="10pt" height="5pt" viewBox="0 0 10 5">
 <metadata>who and when</metadata>
 <style>* {{ stroke: red }}</style>
 <g id="axes_1"><defs><path id="m1" d="M 0 0 \nL 1 1"/></defs>
  <use xlink:href="#m1" style="stroke: {INK["pool"]}; stroke-width: 2"/>
  <path clip-path="url(#c1)" style="fill: {INK["curated"]}" d="M 0 0"/>
  <text style="font: 12.5px 'DejaVu Sans', sans-serif; text-anchor: end">@0@</text></g>
 <clipPath id="c1"/>
</svg>"""


def picture(text: str = "cat") -> str:
    """The drawing above with `text` in place of its placeholder."""
    return inline(DRAWN, label="A plot", prefix="top-", texts={"@0@": text})


def test_colours_become_variables_of_the_page():
    """Light, dark and print share one picture: no colour of its own is left in it."""
    assert 'style="stroke:var(--pool);stroke-width:2"' in picture()
    assert 'style="fill:var(--curated)"' in picture()
    assert not re.search("#[0-9a-f]{6}", picture())


def test_ids_are_prefixed_where_they_are_referred_to_and_dropped_elsewhere():
    """Four pictures share the ids of one page."""
    assert 'href="#top-m1"' in picture()
    assert 'id="top-m1"' in picture()
    assert "url(#top-c1)" in picture()
    assert 'id="top-c1"' in picture()
    assert "axes_1" not in picture()


def test_fonts_and_sizes_are_left_to_the_page():
    """The size is an attribute, so that a phone may have larger letters."""
    assert '<text font-size="12.5" style="text-anchor:end">cat</text>' in picture()
    assert picture().startswith('<svg viewBox="0 0 10 5" class="plot" role="img"')


def test_styles_and_metadata_of_the_drawing_are_dropped():
    """A style inside an inline picture would reach the whole page."""
    assert "red" not in picture()
    assert "who and when" not in picture()


def test_texts_are_escaped_and_stand_once():
    """A text that looks like a placeholder or like markup is a text."""
    assert "&lt;script&gt;" in picture("<script>")
    assert ">@0@<" in picture("@0@")
