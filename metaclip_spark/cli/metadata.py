"""`metaclip-spark metadata ...`: flags in, tables and numbers out."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

VARIADIC = ("--unigrams", "--bigrams", "--pmi-unigrams", "--pageviews", "--titles")
"""Flags that take every word up to the next flag."""

_TEXTS = (
    click.option("--texts", metavar="FILE", help="A sample of texts: .txt, .parquet, .tsv, .csv or .jsonl."),
    click.option(
        "--text-column",
        metavar="NAME",
        default="text",
        show_default=True,
        help="Its column, by name or (without a header line) by position.",
    ),
)
_DEBUG = click.option("--debug", is_flag=True, help="Show stack traces.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print as JSON.")


@click.group()
def metadata() -> None:
    """Make, inspect and compare entry lists."""


def _many(flag: str, text: str) -> Any:
    return click.option(flag, multiple=True, metavar="FILE...", help=text)


@metadata.command("build", short_help="Make an entry list from its sources.")
@click.option("--wordnet", metavar="DIR", help="WordNet's dictionary folder, e.g. /usr/share/wordnet.")
@click.option(
    "--wordnet-names",
    type=click.Choice(["lemmas", "synsets", "upstream"]),
    default="lemmas",
    show_default=True,
    help="Every lemma; each synset's name; or that in lower case, cut at its first dot.",
)
@click.option("--numbers", metavar="N", type=int, default=100, show_default=True, help="So many whole numbers, from 0.")
@_many("--unigrams", "Word counts, word<TAB>count: files, or a folder of them.")
@click.option("--min-count", metavar="N", type=int, default=100, show_default=True, help="Leave out rarer words.")
@click.option("--best-unigrams", metavar="N", type=int, help="Take at most so many words, best first.")
@click.option(
    "--word-case",
    type=click.Choice(["source", "both"]),
    default="source",
    show_default=True,
    help="both: each word also with a capital, where the counts are without case.",
)
@_many("--bigrams", "Bigram counts, first second<TAB>count; needs their words' counts.")
@_many("--pmi-unigrams", "Those counts, where they are others than --unigrams.")
@click.option(
    "--min-pmi",
    metavar="BITS",
    type=float,
    help="Leave out bigrams of a lower PMI.  [default: 30; none with --best-bigrams]",
)
@click.option("--best-bigrams", metavar="N", type=int, help="Take at most so many bigrams, best first.")
@_many("--pageviews", "Hourly dumps of page views, domain title count bytes; hours and days add up.")
@click.option("--domain", metavar="NAME", default="en", show_default=True, help="Which of their domains.")
@click.option("--min-views", metavar="N", type=int, default=70, show_default=True, help="Leave out titles with fewer.")
@click.option(
    "--min-hourly-views",
    metavar="N",
    type=int,
    default=1,
    show_default=True,
    help="Pass over lines with fewer views (the paper's own code: 50).",
)
@_many("--titles", "Instead of page views: title<TAB>number, ranked by number.")
@click.option("--best-titles", metavar="N", type=int, help="Take at most so many titles, best first.")
@click.option("--budget", metavar="N", type=int, default=500_000, show_default=True, help="At most so many entries.")
@click.option("--drop-never-matching", is_flag=True, help="Leave out entries that no text can match.")
@click.option("--output", metavar="FILE", required=True, help="The list to write: FILE.json.gz.")
@_JSON
@_DEBUG
def build(output: str, as_json: bool, debug: bool, **flags: Any) -> int:
    """Make an entry list from numbers, WordNet, words, bigrams and titles, in this order, until the budget is full.

    The defaults are the paper's; the same inputs give the same bytes. A file FILE.source.json beside an input (name,
    version, licence, notice) goes into the list's sidecar.

    \b
    metaclip-spark metadata build --wordnet /usr/share/wordnet \\
      --unigrams counts/words.tsv --bigrams counts/bigrams.tsv \\
      --pageviews pageviews-202401*.gz --output mine.json.gz
    """
    from metaclip_spark.cli.metadata_tables import print_taken
    from metaclip_spark.metadata.build import provenance_path, sidecar_path
    from metaclip_spark.metadata.recipe import Recipe, build_from

    recipe = Recipe(
        **{name: tuple(value) if isinstance(value, (list, tuple)) else value for name, value in flags.items()}
    )
    built = build_from(recipe, Path(output), say=lambda line: print(line, file=sys.stderr))
    if as_json:
        print(
            json.dumps(
                {
                    "output": output,
                    "metadata_id": built.metadata.metadata_id,
                    "entries": len(built.metadata.entries),
                    "sources": [asdict(taken) for taken in built.taken],
                },
                indent=2,
            )
        )
        return 0
    print_taken(built.taken)
    beside = f"{sidecar_path(Path(output)).name}, {provenance_path(Path(output)).name}"
    print(f"{len(built.metadata.entries):,} entries, metadata_id {built.metadata.metadata_id}")
    print(f"in {output} (beside it {beside})")
    return 0


@metadata.command("inspect", short_help="Say what is in a list and what it is worth.")
@click.argument("path", metavar="LIST")
@_TEXTS[0]
@_TEXTS[1]
@_JSON
@_DEBUG
def inspect(path: str, texts: str | None, text_column: str, as_json: bool, debug: bool) -> int:
    """Say what is in an entry list, what is wrong with it, and (given texts) how much of them it matches.

    The exit status is 1 where the list would be refused.
    """
    from metaclip_spark.cli.metadata_tables import print_coverage, print_inspection
    from metaclip_spark.commands.metadata_coverage import measure_coverage, read_texts
    from metaclip_spark.commands.metadata_inspect import inspect as look
    from metaclip_spark.metadata.load import Metadata

    sample = read_texts(Path(texts), text_column) if texts else None
    found = look(Path(path))
    coverage = measure_coverage(Metadata.from_entries(found.entries), sample) if sample and found.entries else None
    if as_json:
        shown = asdict(found)
        shown["entries"] = len(found.entries)
        print(json.dumps({**shown, "coverage": coverage and _coverage_json(coverage)}, indent=2, ensure_ascii=False))
    else:
        print_inspection(found)
        if coverage:
            print_coverage({path: coverage})
    for error in found.errors:
        print(
            f"metaclip-spark: {path}: {error.number:,} {_noun(error)}; the list is refused where it is used.",
            file=sys.stderr,
        )
    return 1 if found.errors else 0


def _noun(finding: Any) -> str:
    return f"{'entry' if finding.number == 1 else 'entries'}: {finding.name}"


def _coverage_json(coverage: Any) -> dict:
    return {
        "texts": coverage.texts,
        "matched_share": coverage.matched_share,
        "matches_per_matched_text": coverage.matches_per_text,
        "unmatched_entries": coverage.unmatched_entries,
        "curve": coverage.curve,
        "top": coverage.top,
    }


@metadata.command("diff", short_help="Compare two lists.")
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@_TEXTS[0]
@_TEXTS[1]
@click.option("--examples", metavar="N", type=int, default=5, show_default=True, help="Entries to name of each kind.")
@_JSON
@_DEBUG
def diff(
    first: str, second: str, texts: str | None, text_column: str, examples: int, as_json: bool, debug: bool
) -> int:
    """Compare two entry lists: entries only in one, moved ids, and (given texts) what changes in coverage.

    The exit status is 0, whether they differ or not.
    """
    from metaclip_spark.cli.metadata_tables import print_change, print_difference
    from metaclip_spark.commands.metadata_coverage import read_texts
    from metaclip_spark.commands.metadata_diff import compare, compare_coverage
    from metaclip_spark.metadata.load import load_metadata

    sample = read_texts(Path(texts), text_column) if texts else None
    one, two = load_metadata(first), load_metadata(second)
    found = compare(one, two)
    change = compare_coverage(one, two, sample) if sample else None
    if as_json:
        print(json.dumps(_difference_json(found, change), indent=2, ensure_ascii=False))
    else:
        print_difference(first, second, found, examples)
        if change:
            print_change(change)
    return 0


def _difference_json(found: Any, change: Any) -> dict:
    shown = asdict(found)
    if change:
        shown["coverage"] = {
            "first": _coverage_json(change.first),
            "second": _coverage_json(change.second),
            "gained": change.gained,
            "lost": change.lost,
            "more": change.more,
            "fewer": change.fewer,
        }
    return shown
