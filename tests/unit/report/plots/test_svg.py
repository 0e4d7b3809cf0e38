"""matplotlib's SVG is converted for the page: its colours, its ids, its placeholders."""

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
    """Convert the drawing above, with `text` for its placeholder."""
    return inline(DRAWN, label="A plot", prefix="top-", texts={"@0@": text})


def test_colours_become_variables_of_the_page():
    """One picture works on light, dark and printed pages, because it has no fixed colours."""
    assert 'style="stroke:var(--pool);stroke-width:2"' in picture()
    assert 'style="fill:var(--curated)"' in picture()
    assert not re.search("#[0-9a-f]{6}", picture())


def test_referenced_ids_are_prefixed_and_others_are_dropped():
    """The ids of four pictures are unique in one page."""
    assert 'href="#top-m1"' in picture()
    assert 'id="top-m1"' in picture()
    assert "url(#top-c1)" in picture()
    assert 'id="top-c1"' in picture()
    assert "axes_1" not in picture()


def test_the_page_sets_fonts_and_sizes():
    """The size is an attribute, so that a phone can use larger letters."""
    assert '<text font-size="12.5" style="text-anchor:end">cat</text>' in picture()
    assert picture().startswith('<svg viewBox="0 0 10 5" class="plot" role="img"')


def test_styles_and_metadata_of_the_drawing_are_dropped():
    """A style in an inline picture would apply to the whole page."""
    assert "red" not in picture()
    assert "who and when" not in picture()


def test_texts_are_escaped_and_replaced_once():
    """A text that looks like a placeholder or like markup is shown as a text."""
    assert "&lt;script&gt;" in picture("<script>")
    assert ">@0@<" in picture("@0@")
