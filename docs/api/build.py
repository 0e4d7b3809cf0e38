"""Render the pages of this folder from the docstrings: `python docs/api/build.py`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import griffe
from griffe2md import render_object_docs

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

NOTE = "<!-- Rendered from the docstrings by `python docs/api/build.py`; change them, not this page. -->\n\n"
VERBS = ["curate", "match", "count_entries", "sweep", "balance", "explain"]
LINKS = "\nThe verbs, with examples: [verbs.md](verbs.md). For pyarrow Tables alone: [local.md](local.md).\n"
LOCAL_LINKS = "\nThe arguments, results and errors of each verb: [verbs.md](verbs.md).\n"

# Each page has a title and parts: a module with its members in order, or a paragraph. The module "" is the package.
# A part with `True` begins with the module's docstring.
PAGES: dict[str, tuple[str, list[tuple[str, bool, list[str]] | str]]] = {
    "README.md": (
        "metaclip_spark",
        [
            ("", True, []),
            LINKS,
            ("verbs.arguments", False, ["choose_threshold", "Entries", "Counts", "Frame"]),
            ("verbs.rows", False, ["Rows"]),
            ("metadata.load", False, ["load_metadata", "Metadata"]),
        ],
    ),
    "verbs.md": ("The verbs", [("verbs.facade", True, VERBS)]),
    "local.md": ("metaclip_spark.local", [("local", True, []), LOCAL_LINKS]),
}

CONFIG = {
    "docstring_section_style": "list",
    "filters": ["!^_"],
    "heading_level": 2,
    "inherited_members": False,
    "members": ["from_entries"],  # the only public member of a class, of `Metadata`
    "show_root_heading": True,
    "summary": False,
}
LOADED: dict[str, Any] = {"docstring_parser": "google", "docstring_options": {"returns_multiple_items": False}}

# Markdown links to other objects: they lead nowhere in a repository. The text of a link holds no bracket, so that a
# half-open interval such as [0, 1) is never taken for the start of one.
_LINK = re.compile(r"\[([^][\n]+)\]\(#[^)\n]*\)")


def render() -> dict[str, str]:
    """Return each page's name and text."""
    package = griffe.load("metaclip_spark", search_paths=[str(ROOT)], **LOADED)
    # Users write mc.curate, whichever module defines it.
    exported = re.compile(rf"metaclip_spark\.[a-z_.]+\.(?=(?:{'|'.join(map(str, package.exports))})\b)")
    return {
        name: NOTE + f"# {title}\n" + exported.sub("metaclip_spark.", _page(package, parts))
        for name, (title, parts) in PAGES.items()
    }


def _page(package: Any, parts: list[tuple[str, bool, list[str]] | str]) -> str:
    page = ""
    for part in parts:
        if isinstance(part, str):
            page += part
            continue
        path, with_docstring, members = part
        module = package[path] if path else package
        if with_docstring:
            page += f"\n{module.docstring.value}\n"
        for member in members:
            page += "\n" + _LINK.sub(r"\1", render_object_docs(module[member], CONFIG)).strip() + "\n"
    return page


if __name__ == "__main__":
    for name, text in render().items():
        (HERE / name).write_text(text, encoding="utf-8")
