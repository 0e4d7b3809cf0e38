"""Convert matplotlib's SVG to SVG that is inline in a page: its colours, its fonts, its ids.

The figures are drawn in placeholder colours (`INK`). This module replaces these colours by CSS variables, so that
one picture works on light, dark and printed pages. The fonts are those of the page. Texts from the data do not pass
through matplotlib, because its fonts lack most scripts and it reads `$` as mathematics. Instead, a figure draws a
placeholder, and this module replaces it by the text, which the XML writer escapes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree import ElementTree

INK = {
    "fg": "#010203",
    "muted": "#010204",
    "line": "#010205",
    "pool": "#010206",
    "curated": "#010207",
    "t": "#010208",
}
_CSS_COLOUR = {colour: f"var(--{name})" for name, colour in INK.items()}
_KEPT_ATTRIBUTES = ("viewBox",)
_REFERENCE = re.compile(r"url\(#([^)]*)\)")


def inline(svg: str, *, label: str, prefix: str, texts: Mapping[str, str]) -> str:
    """Convert a figure to an `<svg>` element for HTML.

    Args:
        svg: The SVG of matplotlib.
        label: The accessible name of the picture.
        prefix: Prefix of each id, different for each picture, because all ids of a page must be unique.
        texts: Placeholder -> text to show instead.
    """
    root = ElementTree.fromstring(svg)
    _drop(root, ("metadata", "style"))
    for element in root.iter():
        element.tag = _local(element.tag)
        _ids(element, prefix)
        if "style" in element.attrib:
            _restyle(element)
        if element.tag == "text" and element.text is not None and element.text in texts:
            element.text = texts[element.text]
    root.attrib = {k: v for k, v in root.attrib.items() if k in _KEPT_ATTRIBUTES}
    root.attrib |= {"class": "plot", "role": "img", "aria-label": label}
    _strip_space(root)
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=True)


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _drop(root: ElementTree.Element, tags: tuple[str, ...]) -> None:
    for parent in root.iter():
        for child in [c for c in parent if _local(c.tag) in tags]:
            parent.remove(child)


def _ids(element: ElementTree.Element, prefix: str) -> None:
    """Keep the ids that are referenced (clip paths, markers), and add the prefix to them."""
    attributes = {_local(k): v for k, v in element.attrib.items()}
    if element.tag == "g":
        attributes.pop("id", None)
    if "id" in attributes:
        attributes["id"] = prefix + attributes["id"]
    if attributes.get("href", "").startswith("#"):
        attributes["href"] = f"#{prefix}{attributes['href'][1:]}"
    for key, value in attributes.items():
        attributes[key] = _REFERENCE.sub(rf"url(#{prefix}\1)", value)
    element.attrib = attributes


def _restyle(element: ElementTree.Element) -> None:
    """Convert colours to CSS variables, and a text's size to an attribute, which the page can override."""
    pairs = (p.split(":", 1) for p in element.attrib.pop("style").split(";") if ":" in p)
    style = {k.strip(): v.strip() for k, v in pairs}
    if "font" in style:
        element.set("font-size", style.pop("font").split("px")[0].split()[-1])
    kept = {k: _CSS_COLOUR.get(v, v) for k, v in style.items() if not k.startswith("font")}
    if kept:
        element.set("style", ";".join(f"{k}:{v}" for k, v in kept.items()))


def _strip_space(root: ElementTree.Element) -> None:
    for element in root.iter():
        if element.text and not element.text.strip():
            element.text = None
        element.tail = None
        if "d" in element.attrib:
            element.set("d", " ".join(element.attrib["d"].split()))
