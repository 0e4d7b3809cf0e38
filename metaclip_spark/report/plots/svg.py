"""Make matplotlib's SVG fit to stand inside a page: its colours, its fonts, its ids.

The figures are drawn in stand-in colours (`INK`), which become CSS variables here, so that one
picture serves light, dark and print. Fonts become the page's own. Texts that come from the data
never pass through matplotlib (its fonts lack most scripts, and `$` would be mathematics): a figure
draws a placeholder, and the text is put in its place here, escaped by the XML writer.
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
    """An `<svg>` element for use inside HTML.

    Args:
        svg: What matplotlib wrote.
        label: The accessible name of the picture.
        prefix: Put before each id; differs per picture, as ids are shared by the whole page.
        texts: Placeholder -> text to show instead.
    """
    root = ElementTree.fromstring(svg)
    _drop(root, ("metadata", "style"))
    for element in root.iter():
        element.tag = _local(element.tag)
        _ids(element, prefix)
        if "style" in element.attrib:
            _restyle(element)
        if element.tag == "text" and element.text in texts:
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
    """Keep the ids that are referred to (clip paths, markers), unique in the page."""
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
    """Colours to CSS variables; a text's size to an attribute, which the page may override."""
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
