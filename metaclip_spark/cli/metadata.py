"""The commands `metaclip-spark metadata ...`, except `count-words`, which needs Spark."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from metaclip_spark.cli.help import HeadedGroup, HeadedOption
from metaclip_spark.core.secrets import masked
from metaclip_spark.core.wording import one_line

if TYPE_CHECKING:
    from metaclip_spark.commands.metadata_coverage import Coverage
    from metaclip_spark.commands.metadata_diff import CoverageChange, Difference
    from metaclip_spark.commands.metadata_inspect import Finding

F = TypeVar("F", bound=Callable[..., Any])

VARIADIC = ("--unigrams", "--bigrams", "--pmi-unigrams", "--pageviews", "--titles")
"""Flags that take every word up to the next flag."""

WORDNET, WORDS, BIGRAMS, TITLES, LANGUAGES = "WordNet", "Words", "Bigrams", "Titles", "Several languages"
"""Headings of the options of `build`."""

_DEBUG = click.option("--debug", is_flag=True, help="Show stack traces.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print as JSON.")


def _headed(heading: str, flag: str, **kwargs: Any) -> Callable[[F], F]:
    return click.option(flag, cls=HeadedOption, heading=heading, **kwargs)


def _files(heading: str, flag: str, text: str) -> Callable[[F], F]:
    return _headed(heading, flag, multiple=True, metavar="FILE...", help=text)


def _texts(function: F) -> F:
    function = click.option(
        "--text-column",
        metavar="NAME",
        default="text",
        show_default=True,
        help="Read texts from this column, by name or, in a file without a header line, by position.",
    )(function)
    return click.option(
        "--texts", metavar="FILE", help="Measure coverage on these texts: .txt, .parquet, .tsv, .csv or .jsonl."
    )(function)


@click.group(cls=HeadedGroup)
def metadata() -> None:
    """Build, inspect and compare entry lists."""


@metadata.command("build", short_help="Build an entry list from its sources.")
@click.option(
    "--output",
    metavar="FILE",
    required=True,
    help="Write the list to this file, FILE.json.gz; with --languages, the lists to this folder.",
)
@click.option(
    "--numbers", metavar="N", type=int, default=100, show_default=True, help="Add the first N whole numbers, from 0."
)
@click.option("--budget", metavar="N", type=int, default=500_000, show_default=True, help="Maximum number of entries.")
@click.option("--drop-never-matching", is_flag=True, help="Drop entries that no text can match.")
@_headed(WORDNET, "--wordnet", metavar="DIR", help="Read WordNet's dictionary folder, e.g. /usr/share/wordnet.")
@_headed(
    WORDNET,
    "--wordnet-names",
    type=click.Choice(["lemmas", "synsets", "upstream"]),
    default="lemmas",
    show_default=True,
    help="Add every lemma, the name of each synset, or that name in lower case up to its first dot (upstream).",
)
@_files(WORDS, "--unigrams", "Read word counts, word<TAB>count, from files or a folder of files.")
@_headed(
    WORDS, "--min-count", metavar="N", type=int, default=100, show_default=True, help="Drop words with a lower count."
)
@_headed(WORDS, "--best-unigrams", metavar="N", type=int, help="Maximum number of words, in the order of their counts.")
@_headed(
    WORDS,
    "--word-case",
    type=click.Choice(["source", "both"]),
    default="source",
    show_default=True,
    help="Add words as in the counts, or each word also with a capital (both, for counts in lower case).",
)
@_files(BIGRAMS, "--bigrams", "Read bigram counts, first second<TAB>count; the counts of their words are needed, too.")
@_files(BIGRAMS, "--pmi-unigrams", "Use these word counts for the PMI of bigrams, instead of --unigrams.")
@_headed(
    BIGRAMS,
    "--min-pmi",
    metavar="BITS",
    type=float,
    help="Drop bigrams with a lower PMI.  [default: 30, or none with --best-bigrams]",
)
@_headed(BIGRAMS, "--best-bigrams", metavar="N", type=int, help="Maximum number of bigrams, in the order of their PMI.")
@_headed(
    BIGRAMS,
    "--bigram-score",
    type=click.Choice(["pmi", "metaclip2"]),
    help="Rank bigrams by PMI or by MetaCLIP 2's score.  [default: pmi, or metaclip2 with --languages]",
)
@_headed(
    BIGRAMS,
    "--min-score",
    metavar="SCORE",
    type=float,
    default=30,
    show_default=True,
    help="Drop bigrams whose score is not higher (metaclip2).",
)
@_headed(
    BIGRAMS,
    "--log-base",
    metavar="BASE",
    type=float,
    default=2,
    show_default=True,
    help="Base of the logarithm in the score (metaclip2).",
)
@_files(TITLES, "--pageviews", "Read hourly dumps of page views, domain title count bytes, and add them up.")
@_headed(
    TITLES, "--domain", metavar="NAME", default="en", show_default=True, help="Read the page views of this domain."
)
@_headed(
    TITLES, "--min-views", metavar="N", type=int, default=70, show_default=True, help="Drop titles with fewer views."
)
@_headed(
    TITLES,
    "--min-hourly-views",
    metavar="N",
    type=int,
    default=1,
    show_default=True,
    help="Skip lines with fewer views (the paper's own code: 50).",
)
@_files(TITLES, "--titles", "Read titles with a number, title<TAB>number, instead of page views.")
@_headed(TITLES, "--best-titles", metavar="N", type=int, help="Maximum number of titles, in the order of their views.")
@_headed(
    LANGUAGES,
    "--languages",
    metavar="A,B",
    help="Build these lists of other languages than English by MetaCLIP 2's recipe, or all that have inputs.",
)
@_headed(LANGUAGES, "--sources", metavar="DIR", help="Read the inputs of each language from its folder in DIR.")
@_headed(
    LANGUAGES,
    "--unigram-share",
    metavar="SHARE",
    type=float,
    default=0.1,
    show_default=True,
    help="Maximum number of words, as a share of the distinct words.",
)
@_headed(
    LANGUAGES,
    "--title-share",
    metavar="SHARE",
    type=float,
    default=0.76,
    show_default=True,
    help="Maximum number of titles, as a share of the distinct titles.",
)
@_headed(LANGUAGES, "--no-provenance", is_flag=True, help="Do not write the source of each entry beside a list.")
@_JSON
@_DEBUG
def build(output: str, as_json: bool, debug: bool, **flags: Any) -> int:
    """Build an entry list from its sources, or the lists of several languages.

    The sources are numbers, WordNet, words, bigrams and titles, in this order, until the budget is full. The defaults
    are those of the paper. The same inputs give the same bytes. A file FILE.source.json next to an input (name,
    version, licence, notice) is copied into the sidecar of the list.

    With --languages, each list has the quotas of MetaCLIP 2, and no budget: the best 251,465 words, 100,646 bigrams and
    61,235 titles, unless --best-... says otherwise (docs/WORLDWIDE.md).

    \b
    metaclip-spark metadata build --wordnet /usr/share/wordnet \\
      --unigrams counts/words.tsv --bigrams counts/bigrams.tsv \\
      --pageviews pageviews-202401*.gz --output mine.json.gz
    metaclip-spark metadata build --languages de,th --sources counts --output lists
    """
    from metaclip_spark.cli.metadata_languages import build_languages, refuse_flags_of_the_other_mode

    refuse_flags_of_the_other_mode(several=flags["languages"] is not None)
    flags["bigram_score"] = flags["bigram_score"] or ("pmi" if flags["languages"] is None else "metaclip2")
    if flags["languages"] is not None:
        return build_languages(output, as_json, flags)
    return _build_one(output, as_json, flags)


def _build_one(output: str, as_json: bool, flags: dict[str, Any]) -> int:
    from metaclip_spark.cli.metadata_tables import print_sources
    from metaclip_spark.metadata.build import provenance_path, sidecar_path
    from metaclip_spark.metadata.recipe import Recipe, build_from

    recipe = Recipe(**{name: value for name, value in flags.items() if name in Recipe.__dataclass_fields__})
    built = build_from(recipe, Path(output), say=lambda line: print(one_line(masked(line)), file=sys.stderr))
    if as_json:
        print(
            json.dumps(
                {
                    "output": output,
                    "metadata_id": built.metadata.metadata_id,
                    "entries": len(built.metadata.entries),
                    "sources": [counts.as_json() for counts in built.source_counts],
                },
                indent=2,
            )
        )
        return 0
    print_sources(built.source_counts)
    others = f"{sidecar_path(Path(output)).name}, {provenance_path(Path(output)).name}"
    print(f"{len(built.metadata.entries):,} entries, metadata_id {built.metadata.metadata_id}")
    print(f"in {one_line(masked(output))} (next to it: {others})")
    return 0


@metadata.command("inspect", short_help="Inspect the entries of a list, and its coverage of texts.")
@click.argument("path", metavar="LIST")
@_texts
@_JSON
@_DEBUG
def inspect(path: str, texts: str | None, text_column: str, as_json: bool, debug: bool) -> int:
    """Inspect an entry list: its entries, its errors and, with --texts, its coverage.

    LIST is a file, or the name of a list that ships: en or wordnet. The exit status is 1 if other commands would refuse
    the list.
    """
    from metaclip_spark.cli.metadata_tables import print_coverage, print_inspection
    from metaclip_spark.commands.metadata_coverage import measure_coverage, read_texts
    from metaclip_spark.commands.metadata_inspect import inspect as inspect_list
    from metaclip_spark.metadata.load import Metadata

    sample = read_texts(Path(texts), text_column) if texts else None
    inspection = inspect_list(path)
    coverage = (
        measure_coverage(Metadata.from_entries(inspection.entries), sample) if sample and inspection.entries else None
    )
    if as_json:
        values = asdict(inspection) | {"entries": len(inspection.entries)}
        print(json.dumps({**values, "coverage": coverage and _coverage_json(coverage)}, indent=2, ensure_ascii=False))
    else:
        print_inspection(inspection)
        if coverage:
            print_coverage({path: coverage})
    for error in inspection.errors:
        line = f"{masked(path)}: {error.number:,} {_noun(error)}; other commands refuse this list."
        print(f"metaclip-spark: {one_line(line)}", file=sys.stderr)
    return 1 if inspection.errors else 0


def _noun(finding: Finding) -> str:
    return f"{'entry' if finding.number == 1 else 'entries'}: {finding.name}"


def _coverage_json(coverage: Coverage) -> dict[str, Any]:
    return {
        "texts": coverage.texts,
        "matched_share": coverage.matched_share,
        "matches_per_matched_text": coverage.matches_per_text,
        "unmatched_entries": coverage.unmatched_entries,
        "curve": coverage.curve,
        "top": coverage.top,
    }


@metadata.command("diff", short_help="Compare two lists, and their coverage of texts.")
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@_texts
@click.option(
    "--examples", metavar="N", type=int, default=5, show_default=True, help="Print up to N entries of each kind."
)
@_JSON
@_DEBUG
def diff(
    first: str, second: str, texts: str | None, text_column: str, examples: int, as_json: bool, debug: bool
) -> int:
    """Compare two entry lists: entries of one list only, changed ids and, with --texts, coverage.

    A and B are files, or names of lists that ship. The exit status is 0, whether the lists differ or not.
    """
    from metaclip_spark.cli.metadata_tables import print_change, print_difference
    from metaclip_spark.commands.metadata_coverage import read_texts
    from metaclip_spark.commands.metadata_diff import compare, compare_coverage
    from metaclip_spark.metadata.load import load_metadata

    sample = read_texts(Path(texts), text_column) if texts else None
    one, two = load_metadata(first), load_metadata(second)
    difference = compare(one, two)
    change = compare_coverage(one, two, sample) if sample else None
    if as_json:
        print(json.dumps(_difference_json(difference, change), indent=2, ensure_ascii=False))
    else:
        print_difference(first, second, difference, examples)
        if change:
            print_change(change)
    return 0


def _difference_json(difference: Difference, change: CoverageChange | None) -> dict[str, Any]:
    values = asdict(difference)
    if change:
        values["coverage"] = {
            "first": _coverage_json(change.first),
            "second": _coverage_json(change.second),
            "gained": change.gained,
            "lost": change.lost,
            "more": change.more,
            "fewer": change.fewer,
        }
    return values


@metadata.command("languages", short_help="Show the lists of a folder: entries and licence by source.")
@click.argument("folder", metavar="[FOLDER]", default="worldwide")
@click.option("--markdown", is_flag=True, help="Print a table in Markdown.")
@_JSON
@_DEBUG
def languages(folder: str, markdown: bool, as_json: bool, debug: bool) -> int:
    """Show the lists of several languages: entries, sources and licences of each, and the id of the whole.

    FOLDER has <language>.json[.gz] and, if its codes are not the shipped ones, languages.yaml. The default is the
    folder that ships. Lists are opened only where a sidecar does not say their id.
    """
    from metaclip_spark.cli.metadata_languages import show_languages

    return show_languages(folder, markdown, as_json)
