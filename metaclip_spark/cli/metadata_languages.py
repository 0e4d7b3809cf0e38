"""The part of `metadata build` that builds the lists of several languages, and `metadata languages`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from metaclip_spark.core.secrets import masked
from metaclip_spark.core.wording import one_line
from metaclip_spark.errors import MetadataError

OF_ONE_LIST = {
    "wordnet": "wordnet*.txt",
    "wordnet_names": "wordnet*.txt",
    "unigrams": "words.tsv",
    "min_count": "--unigram-share",
    "bigrams": "bigrams.tsv",
    "pmi_unigrams": "words.tsv",
    "domain": "--languages",
    "min_views": "--title-share",
    "titles": "titles*.tsv",
    "budget": "the quotas",
}
"""Flags of `metadata build` for one list, and what takes their place with --languages."""
OF_SEVERAL = ("sources", "unigram_share", "title_share", "no_provenance")


def refuse_flags_of_the_other_mode(several: bool) -> None:
    """Raise MetadataError if a flag was given that means nothing with, or without, --languages."""
    context = click.get_current_context()
    given = {name for name in context.params if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    for name in OF_ONE_LIST if several else OF_SEVERAL:
        if name in given:
            flag = f"--{name.replace('_', '-')}"
            if several:
                raise MetadataError(
                    f"{flag} is of one list; with --languages use {OF_ONE_LIST[name]} (docs/WORLDWIDE.md)."
                )
            raise MetadataError(f"{flag} is of several lists; give --languages, too.")
    if several and "sources" not in given:
        raise MetadataError("--languages needs --sources, a folder with one folder of inputs per language.")


def build_languages(output: str, as_json: bool, flags: dict[str, Any]) -> int:
    """Build the lists of several languages by MetaCLIP 2's recipe; return 0."""
    from metaclip_spark.commands.metadata_languages import build_lists
    from metaclip_spark.metadata.worldwide.recipe import LanguageRecipe

    chosen = {
        name: flags[name] for name in LanguageRecipe.__dataclass_fields__ if name in flags and flags[name] is not None
    }
    recipe = LanguageRecipe(**chosen, provenance=not flags["no_provenance"])
    wanted = [name.strip() for name in flags["languages"].split(",") if name.strip()]
    built = build_lists(
        wanted,
        Path(flags["sources"]),
        Path(output),
        recipe,
        flags["pageviews"],
        flags["min_hourly_views"],
        say=lambda line: print(one_line(masked(line)), file=sys.stderr),
    )
    if as_json:
        lists = [
            {
                "list": one.name,
                "metadata_id": one.metadata.metadata_id,
                "entries": len(one.metadata.entries),
                "sources": [counts.as_json() for counts in one.source_counts],
                "without_inputs": list(one.without_inputs),
            }
            for one in built
        ]
        print(json.dumps({"output": output, "lists": lists}, indent=2, ensure_ascii=False))
        return 0
    from metaclip_spark.terminal.tables import print_rows

    rows = [
        [one.name, f"{len(one.metadata.entries):,}", ", ".join(f"{c.name} {c.taken:,}" for c in one.source_counts)]
        for one in built
    ]
    print_rows(["list", "entries", "taken from"], rows)
    print(f"{len(built):,} lists in {one_line(masked(output))}")
    return 0


def show_languages(folder: str, as_markdown: bool, as_json: bool) -> int:
    """Print the lists of a folder; return 0."""
    from metaclip_spark.metadata.worldwide import WorldwideLists
    from metaclip_spark.metadata.worldwide.summary import markdown, summarize

    lists = WorldwideLists.open(folder)
    summaries = summarize(lists)
    missing = {code: item.list_name for code, item in lists.languages.codes.items() if lists.list_of(code) is None}
    if as_json:
        values = {"folder": folder, "worldwide_id": lists.worldwide_id, "lists": [asdict(one) for one in summaries]}
        print(json.dumps({**values, "without_list": missing}, indent=2, ensure_ascii=False))
        return 0
    if as_markdown:
        print(markdown(summaries), end="")
        return 0
    from metaclip_spark.terminal.tables import print_rows

    rows = [
        [
            one.name,
            "unknown" if one.entries is None else f"{one.entries:,}",
            ", ".join(f"{source.name} {source.taken:,} ({source.licence})" for source in one.sources),
        ]
        for one in summaries
    ]
    print_rows(["list", "entries", "taken from"], rows)
    print(f"{len(summaries):,} lists, worldwide_id {lists.worldwide_id}")
    print(f"codes without a list ({len(missing):,}): {' '.join(missing) or 'none'}")
    return 0
