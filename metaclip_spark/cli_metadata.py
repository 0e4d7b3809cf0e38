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
    click.option("--text-column", metavar="NAME", default="text", show_default=True,
                 help="Its column, by name or (without a header line) by position."),
)  # fmt: skip
_DEBUG = click.option("--debug", is_flag=True, help="Show stack traces.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print as JSON.")


@click.group()
def metadata() -> None:
    """Make, inspect and compare entry lists."""


def _many(flag: str, text: str) -> Any:
    return click.option(flag, multiple=True, metavar="FILE...", help=text)


@metadata.command("build")
@click.option("--wordnet", metavar="DIR", help="WordNet's dictionary folder, e.g. /usr/share/wordnet.")
@click.option(
    "--wordnet-names",
    type=click.Choice(["lemmas", "synsets", "upstream"]),
    default="lemmas",
    show_default=True,
    help="Every lemma; each synset's name; or that in lower case, cut at its first dot.",
)
@click.option("--numbers", type=int, default=100, show_default=True, help="The first so many whole numbers, from 0.")
@_many("--unigrams", "Word counts, word<TAB>count: files, or a folder of them.")
@click.option("--min-count", type=int, default=100, show_default=True, help="Leave out rarer words.")
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
@_many("--pageviews", "Hourly dumps of page views, domain title count bytes.")
@click.option("--domain", default="en", show_default=True, help="Which of their domains.")
@click.option("--min-views", type=int, default=70, show_default=True, help="Leave out titles with fewer views.")
@click.option(
    "--min-hourly-views",
    type=int,
    default=1,
    show_default=True,
    help="Pass over lines with fewer views (the paper's own code: 50).",
)
@_many("--titles", "Instead of page views: title<TAB>number, ranked by number.")
@click.option("--best-titles", metavar="N", type=int, help="Take at most so many titles, best first.")
@click.option("--budget", type=int, default=500_000, show_default=True, help="How many entries the list may have.")
@click.option("--drop-never-matching", is_flag=True, help="Leave out entries that no text can match.")
@click.option("--output", metavar="FILE", required=True, help="The list to write: FILE.json.gz.")
@_JSON
@_DEBUG
def build(output: str, as_json: bool, debug: bool, **flags: Any) -> int:  # fmt: skip
    """Make an entry list from WordNet, words, bigrams and titles; the same inputs give the same bytes.

    The defaults are the paper's. A file FILE.source.json beside an input (name, version, licence, notice) goes
    into the list's sidecar.
    """
    from metaclip_spark.metadata.build import provenance_path, sidecar_path
    from metaclip_spark.metadata.recipe import Recipe, build_from

    recipe = Recipe(**{name: tuple(value) if isinstance(value, (list, tuple)) else value
                       for name, value in flags.items()})  # fmt: skip
    built = build_from(recipe, Path(output), say=lambda line: print(line, file=sys.stderr))
    if as_json:
        print(json.dumps({
            "output": output, "metadata_id": built.metadata.metadata_id, "entries": len(built.metadata.entries),
            "sources": [asdict(taken) for taken in built.taken],
        }, indent=2))  # fmt: skip
        return 0
    _print_taken(built.taken)
    beside = f"{sidecar_path(Path(output)).name}, {provenance_path(Path(output)).name}"
    print(f"{len(built.metadata.entries):,} entries, metadata_id {built.metadata.metadata_id}")
    print(f"in {output} (beside it {beside})")
    return 0


def _print_rows(rows: list[list[str]]) -> None:
    """Print columns side by side, numbers to the right; lines are as long as they are."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    for row in rows:
        cells = [cell.rjust(width) if _is_number(cell) else cell.ljust(width)
                 for cell, width in zip(row, widths, strict=True)]  # fmt: skip
        print("  ".join(cells).rstrip())


def _is_number(cell: str) -> bool:
    return cell[:1].isdigit() and cell.replace(",", "").replace(".", "").replace("%", "").isdigit()


def _print_taken(taken: list) -> None:
    rows = [
        [one.name, f"{one.read:,}", f"{one.offered:,}", f"{one.taken:,}",
         "; ".join(f"{number:,} {reason}" for reason, number in sorted(one.cut.items(), key=lambda item: -item[1]))]
        for one in taken
    ]  # fmt: skip
    _print_rows([["source", "read", "offered", "taken", "cut"], *rows])


@metadata.command("inspect")
@click.argument("path", metavar="LIST")
@_TEXTS[0]
@_TEXTS[1]
@_JSON
@_DEBUG
def inspect(path: str, texts: str | None, text_column: str, as_json: bool, debug: bool) -> int:
    """Say what is in an entry list, what is wrong with it, and (given texts) how much of them it matches.

    The exit status is 1 where the list would be refused.
    """
    from metaclip_spark.metadata.coverage import measure_coverage, read_texts
    from metaclip_spark.metadata.inspecting import inspect as look
    from metaclip_spark.metadata.load import Metadata

    sample = read_texts(Path(texts), text_column) if texts else None
    found = look(Path(path))
    coverage = measure_coverage(Metadata.from_entries(found.entries), sample) if sample and found.entries else None
    if as_json:
        shown = asdict(found)
        shown["entries"] = len(found.entries)
        print(json.dumps({**shown, "coverage": coverage and _coverage_json(coverage)}, indent=2, ensure_ascii=False))
    else:
        _print_inspection(found)
        if coverage:
            _print_coverage({path: coverage})
    for error in found.errors:
        print(f"metaclip-spark: {path}: {error.number:,} {_noun(error)}; the list is refused where it is used.",
              file=sys.stderr)  # fmt: skip
    return 1 if found.errors else 0


def _noun(finding: Any) -> str:
    return f"{'entry' if finding.number == 1 else 'entries'}: {finding.name}"


def _print_inspection(found: Any) -> None:
    size = len(found.entries)
    shares = [f"{number:,} of {words}{' or more' if words == 4 else ''}" for words, number in enumerate(found.words, 1)]
    low, p10, p50, p90, p99, high = found.chars
    rows = [
        ["entries", f"{size:,}" + (f" of {found.listed:,} listed" if size != found.listed else "")],
        ["metadata_id", found.metadata_id or "none: the list is refused"],
        ["characters", f"{low} to {high}; 10%: {p10}, half: {p50}, 90%: {p90}, 99%: {p99}"],
        ["words", ", ".join(shares)],
        ["with a capital", f"{found.with_capital:,}"],
        ["in one case only", f"{found.one_case_only:,}"],
    ]
    if found.compile_seconds is not None:
        megabytes = found.compiled_bytes / 1e6
        rows.append(["to compile", f"{found.compile_seconds:.1f} s, {megabytes:,.0f} MB to each Python worker"])
    for name, value in rows:
        print(f"{name:<18}{value}")
    print()
    findings = [
        [f"{one.number:,}", ("refused: " if one.is_error else "") + one.name,
         ", ".join(f"{text} at {at}" for at, text in one.examples)]
        for one in found.findings
    ]  # fmt: skip
    _print_rows([["entries", "that", "examples (positions from 0)"], *findings])


def _print_coverage(coverages: dict[str, Any]) -> None:
    many = list(coverages.values())
    rows = [
        ["texts", *[f"{one.texts:,}" for one in many]],
        ["matched", *[f"{one.matched_share:.1%}" for one in many]],
        ["matches per matched text", *[f"{one.matches_per_text:.2f}" for one in many]],
        ["unmatched entries", *[f"{one.unmatched_entries:,}" for one in many]],
    ]
    for at, (share, _) in enumerate(many[0].curve):
        rows.append(
            [f"matches held by the commonest {share * 100:g}% of entries", *[f"{one.curve[at][1]:.1%}" for one in many]]
        )
    names = list(coverages) if len(coverages) > 1 else [""]
    print()
    _print_rows([["on these texts", *names], *rows])
    if len(many) == 1:
        print("commonest entries: " + ", ".join(f"{entry} {count:,}" for entry, count in many[0].top))


def _coverage_json(coverage: Any) -> dict:
    return {
        "texts": coverage.texts,
        "matched_share": coverage.matched_share,
        "matches_per_matched_text": coverage.matches_per_text,
        "unmatched_entries": coverage.unmatched_entries,
        "curve": coverage.curve,
        "top": coverage.top,
    }


@metadata.command("diff")
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@_TEXTS[0]
@_TEXTS[1]
@click.option("--examples", metavar="N", type=int, default=5, show_default=True, help="Entries to name of each kind.")
@_JSON
@_DEBUG
def diff(
    first: str, second: str, texts: str | None, text_column: str, examples: int, as_json: bool, debug: bool
) -> int:  # fmt: skip
    """Compare two entry lists: entries only in one, moved ids, and (given texts) what changes in coverage.

    The exit status is 0, whether they differ or not.
    """
    from metaclip_spark.metadata.comparing import compare, compare_coverage
    from metaclip_spark.metadata.coverage import read_texts
    from metaclip_spark.metadata.load import load_metadata

    sample = read_texts(Path(texts), text_column) if texts else None
    one, two = load_metadata(first), load_metadata(second)
    found = compare(one, two)
    change = compare_coverage(one, two, sample) if sample else None
    if as_json:
        print(json.dumps(_difference_json(found, change), indent=2, ensure_ascii=False))
    else:
        _print_difference(first, second, found, examples)
        if change:
            _print_coverage({first: change.first, second: change.second})
            print(f"texts that match only under {second}: {change.gained:,}; only under {first}: {change.lost:,}")
            print(f"texts with more matches under {second}: {change.more:,}; with fewer: {change.fewer:,}")
    return 0


def _print_difference(first: str, second: str, found: Any, examples: int) -> None:
    if found.is_empty:
        print(f"the lists are equal: {found.common:,} entries with the same ids")
        return
    moved = [f"{entry!r} {before} -> {after}" for entry, before, after in found.moved[:examples]]
    _print_rows([
        ["", "entries", "examples"],
        [f"only in {first}", f"{len(found.only_first):,}", ", ".join(map(repr, found.only_first[:examples]))],
        [f"only in {second}", f"{len(found.only_second):,}", ", ".join(map(repr, found.only_second[:examples]))],
        ["in both", f"{found.common:,}", ""],
        ["  with another id", f"{len(found.moved):,}", ", ".join(moved)],
    ])  # fmt: skip
    if found.moved or found.only_first:
        print("ids differ: counts and matches of one list cannot be used with the other")


def _difference_json(found: Any, change: Any) -> dict:
    shown = asdict(found)
    if change:
        shown["coverage"] = {
            "first": _coverage_json(change.first), "second": _coverage_json(change.second),
            "gained": change.gained, "lost": change.lost, "more": change.more, "fewer": change.fewer,
        }  # fmt: skip
    return shown
