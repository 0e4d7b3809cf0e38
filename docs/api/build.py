"""Render the pages of this folder from the docstrings: `python docs/api/build.py`."""

from __future__ import annotations

import re
from pathlib import Path

import griffe
from griffe2md import render_object_docs

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

NOTE = "<!-- Rendered from the docstrings by `python docs/api/build.py`; change them, not this page. -->\n\n"
# Page -> its title, and (module, members) in order; the module's own words stand above its members.
PAGES = {
    "README.md": (
        "metaclip_spark",
        [
            ("", []),
            ("verbs.arguments", ["choose_threshold", "Entries", "Counts"]),
            ("metadata.load", ["load_metadata", "Metadata"]),
        ],
    ),
    "spark.md": ("metaclip_spark, on Spark DataFrames", [("verbs.spark", None)]),
    "local.md": ("metaclip_spark.local, on pyarrow Tables", [("verbs.local", None)]),
}
VERBS = ["curate", "match", "count_entries", "sweep", "balance", "explain"]
LINKS = "\nThe verbs: [on Spark DataFrames](spark.md), [on pyarrow Tables](local.md).\n"

CONFIG = {
    "docstring_section_style": "list",
    "filters": ["!^_"],
    "heading_level": 2,
    "inherited_members": False,
    "members": ["from_entries"],  # of a class: Metadata's own lines stand above
    "show_root_heading": True,
    "summary": False,
}
LOADED = {"docstring_parser": "google", "docstring_options": {"returns_multiple_items": False}}


def render() -> dict[str, str]:
    """Return each page's name and text."""
    package = griffe.load("metaclip_spark", search_paths=[str(ROOT)], **LOADED)
    return {name: NOTE + f"# {title}\n" + _page(package, parts) for name, (title, parts) in PAGES.items()}


def _page(package: griffe.Module, parts: list[tuple[str, list[str] | None]]) -> str:
    page = ""
    for path, members in parts:
        module = package[path] if path else package
        if not path or members is None:
            page += f"\n{module.docstring.value}\n"
        if not path:
            page += LINKS
        for member in VERBS if members is None else members:
            page += "\n" + _member(module[member]).strip() + "\n"
    return page


def _member(member: griffe.Object) -> str:
    text = render_object_docs(member, CONFIG)
    # Users write mc.curate, wherever it is defined; links to other packages lead nowhere in a repository.
    text = re.sub(r"metaclip_spark\.(verbs\.(spark|arguments)|metadata\.load)\.", "metaclip_spark.", text)
    text = text.replace("metaclip_spark.verbs.local", "metaclip_spark.local")
    return re.sub(r"\[([^]]+)\]\(#[^)]*\)", r"\1", text)


if __name__ == "__main__":
    for name, text in render().items():
        (HERE / name).write_text(text, encoding="utf-8")
