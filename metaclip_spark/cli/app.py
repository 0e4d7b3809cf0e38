"""The command line: flags in, exit status out.

Errors go to stderr, tables and numbers to stdout.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from typing import Any

import click

from metaclip_spark.cli.metadata import metadata
from metaclip_spark.cli.options import (
    BUILDING_ON,
    CHECKS,
    CHOOSING,
    INPUT,
    LIST,
    READING,
    RUN,
    SPARK,
    TABLES,
    settings_from,
    settings_options,
    spread_variadic,
)
from metaclip_spark.config import THINNING
from metaclip_spark.errors import MetaclipError
from metaclip_spark.version import __version__


def _reporter(quiet: bool = False):
    from metaclip_spark.terminal.progress import Reporter

    return Reporter(quiet)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="metaclip-spark")
def cli() -> None:
    """Curate image-text pairs as MetaCLIP does: match texts against metadata, count, balance."""


@cli.command()
@settings_options(*INPUT, *CHECKS, *LIST, *TABLES, *READING, *CHOOSING, *BUILDING_ON, *RUN, *SPARK)
@click.option("--json", "as_json", is_flag=True, help="Print the closing numbers as JSON.")
def run(config: str | None, debug: bool, as_json: bool, **flags: Any) -> int:
    """All stages and the report; goes on where an earlier attempt stopped."""
    from metaclip_spark.commands import curation

    return curation.run(settings_from(flags, config), _reporter(), as_json)


@cli.command()
@settings_options(*INPUT, *CHECKS, *LIST, *TABLES, *READING, *RUN, *SPARK)
def extract(config: str | None, debug: bool, **flags: Any) -> int:
    """Read sources (and match their texts, given --metadata) into the staging table `extracted`."""
    from metaclip_spark.commands import curation

    return curation.extract(settings_from(flags, config), _reporter())


@cli.command()
@settings_options("snapshot", "metadata", "no_dedup", "id_column", *TABLES, *RUN, *SPARK)
def dedup(config: str | None, debug: bool, **flags: Any) -> int:
    """Take what was extracted into `pairs`, each (url, text) once; close its sources."""
    from metaclip_spark.commands import curation

    return curation.dedup(settings_from(flags, config), _reporter())


@cli.command()
@settings_options(*LIST, *TABLES, *RUN, *SPARK)
def match(config: str | None, debug: bool, **flags: Any) -> int:
    """Match stored pairs again with another list, without reading the sources.

    Texts that matched nothing under the earlier list are there only if --keep-unmatched (or no list) was used.
    """
    from metaclip_spark.commands import curation

    return curation.match(settings_from(flags, config), _reporter())


@cli.command()
@settings_options("metadata", "snapshots", *TABLES, "pinned", *RUN, *SPARK)
def count(config: str | None, debug: bool, **flags: Any) -> int:
    """Count how many pairs of each snapshot match each entry."""
    from metaclip_spark.commands import curation

    return curation.count(settings_from(flags, config), _reporter())


@cli.command()
@settings_options("metadata", *CHOOSING, *BUILDING_ON, *THINNING, *TABLES, "pinned", *RUN, *SPARK)
@click.option("--json", "as_json", is_flag=True, help="Print the closing numbers as JSON.")
def balance(config: str | None, debug: bool, as_json: bool, **flags: Any) -> int:
    """Choose t and draw the curated subset from the pool, or from what is left of it after download.

    A new snapshot costs what it costs: where no probability rises, an earlier run's subset is read in the old pool's
    stead, with the same result.
    """
    from metaclip_spark.commands import curation

    return curation.balance(settings_from(flags, config), _reporter(), as_json)


@cli.command()
@settings_options(*INPUT, *CHECKS, *LIST, *TABLES, *READING, *SPARK)
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
def plan(config: str | None, debug: bool, as_json: bool, **flags: Any) -> int:
    """What run would read: sources, bytes, what is done already, estimated core-hours; starts nothing."""
    from metaclip_spark.commands import plan

    return plan.plan(settings_from(flags, config), _reporter(quiet=as_json), as_json)


@cli.command()
@settings_options("metadata", *CHOOSING, "freeze_counts", *TABLES, *SPARK)
@click.option(
    "--thresholds", metavar="T,T,...", help="The values of t.  [default: 1, 2, 5, 10, ... up to the highest count]"
)
@click.option("--plot", metavar="FILE", help="Draw it, too: a .svg, .png or .pdf (needs the extra [report]).")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def sweep(
    config: str | None, debug: bool, thresholds: str | None, plot: str | None, as_json: bool, **flags: Any
) -> int:
    """Expected sizes of the curated subset for many t, from the counted pool; draws and writes nothing.

    The t that balance would choose with the same flags is among them, and marked.
    """
    from metaclip_spark.commands import sweep

    return sweep.sweep(settings_from(flags, config), _reporter(quiet=as_json), thresholds, plot, as_json)


@cli.command()
@settings_options("metadata", *TABLES, *SPARK)
@click.option("--pair-id", metavar="ID", help="The pair, by its id.")
@click.option("--url", metavar="URL", help="The pairs of an image, by its url; with --text: that one pair.")
@click.option("--text", metavar="TEXT", help="Any text, in the pool or not.")
@click.option("--run-id", metavar="ID", help="The run to explain.  [default: the last one balanced]")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def explain(
    config: str | None,
    debug: bool,
    pair_id: str | None,
    url: str | None,
    text: str | None,
    run_id: str | None,
    as_json: bool,
    **flags: Any,
) -> int:
    """Why a pair is in, or not: its matches, their counts and probabilities, the draw, the verdict."""
    from metaclip_spark.commands import explain

    question = explain.Question(pair_id, url, text)
    return explain.explain(settings_from(flags, config), _reporter(quiet=as_json), question, run_id, as_json)


@cli.command()
@settings_options("metadata", *TABLES, "outcome", *SPARK)
@click.option("--run-id", metavar="ID", help="The run to report.  [default: the last one balanced]")
@click.option("--compare", metavar="RUN RUN", nargs=2, default=None, help="Two runs side by side, in the place of one.")
@click.option(
    "--class-names", metavar="FILE", help="Names, one a line or as a JSON array, counted before and after balancing."
)
@click.option(
    "--thin",
    metavar="N",
    type=click.IntRange(1),
    help="Classes with fewer pairs in the subset are called thin.  [default: 100]",
)
@click.option(
    "--output", metavar="FILE", help="Where the page goes, a path or a uri.  [default: WAREHOUSE/reports/<run id>.html]"
)
def report(
    config: str | None,
    debug: bool,
    run_id: str | None,
    compare: tuple[str, str] | None,
    class_names: str | None,
    thin: int | None,
    output: str | None,
    **flags: Any,
) -> int:
    """Write the HTML data card of a run, with a JSON of the same numbers beside it, and print its path.

    Reads the run's pool and subset once, for languages, domains and pairs drawn at random; changes no table.
    """
    from metaclip_spark.commands import report

    settings, reporter = settings_from(flags, config), _reporter()
    return report.report(settings, reporter, run_id, output, class_names, thin, compare)


@cli.command()
@settings_options(*TABLES, *SPARK)
@click.option(
    "--stage",
    type=click.Choice(("pairs", "curated")),
    default="curated",
    show_default=True,
    help="What a run drew, or (pairs) the whole matched pool that it drew from.",
)
@click.option("--run-id", metavar="ID", help="The run whose probabilities stand beside.  [default: the last balanced]")
@click.option("--since", metavar="RUN", help="Leave out the pairs of this run's curated subset: a top-up.")
@click.option(
    "--format",
    "export_format",
    type=click.Choice(("parquet", "webdataset-index")),
    default="parquet",
    show_default=True,
    help="A row an image, for img2dataset; or a row a pair, for trainers.",
)
@click.option("--output", metavar="DIR", help="A new folder or a uri.  [default: WAREHOUSE/exports/<run id>-<stage>]")
@click.option("--shards", metavar="N", type=click.IntRange(1, 1_000_000), help="So many files, of even size.")
@click.option(
    "--rows-per-shard",
    metavar="N",
    type=click.IntRange(1),
    help="Or as many as hold about N images each.  [default: 1000000]",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
def export(
    config: str | None,
    debug: bool,
    stage: str,
    run_id: str | None,
    since: str | None,
    export_format: str,
    output: str | None,
    shards: int | None,
    rows_per_shard: int | None,
    as_json: bool,
    **flags: Any,
) -> int:
    """Pairs as shuffled Parquet shards: for img2dataset, with an image's texts beside it, and for trainers.

    docs/EXPORT.md has the columns, the commands from here to the downloaded images, and the loader.
    """
    from metaclip_spark.commands import export

    asked = export.Asked(stage, run_id, since, export_format, output, shards, rows_per_shard)
    return export.export(settings_from(flags, config), _reporter(quiet=as_json), asked, as_json)


@cli.command()
@settings_options("input", "metadata", "seed", "master", "driver_memory", "spark")
@click.option(
    "--texts",
    "number",
    metavar="N",
    type=click.IntRange(1),
    default=200_000,
    show_default=True,
    help="Different texts that are made of the input's.",
)
@click.option("--rounds", metavar="N", type=click.IntRange(1), default=3, show_default=True, help="Medians of so many.")
@click.option(
    "--naive-texts",
    metavar="N",
    type=click.IntRange(0),
    default=40,
    show_default=True,
    help="Texts that the naive scan gets; 0 leaves it out.",
)
@click.option("--no-spark", is_flag=True, help="One core alone.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def benchmark(
    config: str | None,
    debug: bool,
    number: int,
    rounds: int,
    naive_texts: int,
    no_spark: bool,
    as_json: bool,
    **flags: Any,
) -> int:
    """Time the matching engines side by side, on one core and in Spark.

    Without --input and --metadata, of a clone: the sample and the list that ship with it.
    """
    from metaclip_spark.commands.benchmark import benchmark as timed

    settings, reporter = settings_from(flags, config), _reporter(quiet=as_json)
    return timed(settings, reporter, number, rounds, naive_texts, not no_spark, as_json)


@cli.group("runs")
def runs_group() -> None:
    """What each run was and takes on disk; letting go of old subsets."""


@runs_group.command("list")
@settings_options(*TABLES, *SPARK)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def runs_list(config: str | None, debug: bool, as_json: bool, **flags: Any) -> int:
    """Every run, oldest first: when, its outcome, t, the pairs it kept, and its bytes on disk."""
    from metaclip_spark.commands import runs

    return runs.list_runs(settings_from(flags, config), _reporter(quiet=as_json), as_json)


@runs_group.command("show")
@settings_options(*TABLES, *SPARK)
@click.argument("run_id", metavar="RUN")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def runs_show(config: str | None, debug: bool, run_id: str, as_json: bool, **flags: Any) -> int:
    """One run: its settings, stages, attempts with their errors, and bytes by table."""
    from metaclip_spark.commands import runs

    return runs.show_run(settings_from(flags, config), _reporter(quiet=as_json), run_id, as_json)


@runs_group.command("prune")
@settings_options(*TABLES, *SPARK)
@click.argument("run_ids", metavar="[RUN]...", nargs=-1)
@click.option(
    "--keep-last",
    metavar="N",
    type=click.IntRange(1),
    help="Instead of naming runs: all that are older than the last N subsets drawn.",
)
@click.option("--dry-run", is_flag=True, help="Say what would go, and change nothing.")
@click.option(
    "--retain-hours",
    metavar="H",
    type=click.FloatRange(0),
    help="Vacuum as well: remove files that no version of the last H hours needs (0: at once).",
)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def runs_prune(
    config: str | None,
    debug: bool,
    run_ids: tuple[str, ...],
    keep_last: int | None,
    dry_run: bool,
    retain_hours: float | None,
    as_json: bool,
    **flags: Any,
) -> int:
    """Let go of the subsets of the runs named: their rows of curated_pairs and of what goes with it.

    The pool, its counts, reports and the log of events stay; the same settings draw the same subset again.
    """
    from metaclip_spark.commands import runs

    reporter = _reporter(quiet=as_json)
    return runs.prune_runs(settings_from(flags, config), reporter, run_ids, keep_last, dry_run, retain_hours, as_json)


@cli.command()
@settings_options(*TABLES, *SPARK)
@click.option("--urls", metavar="FILE", help="Urls of images or pages, one a line (.gz too).")
@click.option("--domains", metavar="FILE", help="Domains of images, one a line; what is under one goes as well.")
@click.option("--page-domains", metavar="FILE", help="Domains of pages, one a line; what is under one goes as well.")
@click.option(
    "--retain-hours",
    metavar="H",
    type=click.FloatRange(0),
    help="Vacuum as well: remove files that no version of the last H hours needs (0: at once). Without it, "
    "old files hold the rows until the tables are vacuumed.",
)
@click.option("--dry-run", is_flag=True, help="Say what would go, and change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def takedown(
    config: str | None,
    debug: bool,
    urls: str | None,
    domains: str | None,
    page_domains: str | None,
    retain_hours: float | None,
    dry_run: bool,
    as_json: bool,
    **flags: Any,
) -> int:
    """Remove the rows of urls and domains from every table, export and report, and keep them out.

    A pair goes whose image or page is listed: from the pool, the curated subsets of existing runs (nothing is drawn
    anew; t and probabilities stay), rejects, staging, exports under the warehouse; reports that showed it are removed.
    Counts and the sums of runs are corrected. Later crawls reject what is listed, as `takedown`: the warehouse keeps
    hashes of it, not the urls. Urls are compared as they stand, but for spaces and tabs (http and https are two).

    Killed anywhere, the same command finishes it; until then nothing else writes. A pair that several pages hold goes
    with the page that it is stored with. What was copied out of the warehouse is yours to remove.
    """
    from metaclip_spark.commands import takedown

    settings, reporter = settings_from(flags, config), _reporter(quiet=as_json)
    return takedown.takedown(settings, reporter, urls, domains, page_domains, retain_hours, dry_run, as_json)


cli.add_command(metadata)


@metadata.command("count-words", short_help="Count the words of Wikipedia's dumps.")
@settings_options(*SPARK)
@click.argument("dumps", metavar="DUMP...", nargs=-1, required=True)
@click.option("--output", metavar="FOLDER", required=True, help="A new folder: words.tsv, bigrams.tsv, counts.json.")
@click.option(
    "--min-count",
    metavar="N",
    type=click.IntRange(1),
    default=1,
    help="Leave out what occurs less often in all dumps together.  [default: 1]",
)
@click.option("--split-bytes", metavar="N", type=click.IntRange(1), help="Bytes of bz2 a task.  [default: 16 MiB]")
@click.option("--json", "as_json", is_flag=True, help="Print what was counted as JSON.")
def metadata_count_words(
    config: str | None,
    debug: bool,
    dumps: tuple[str, ...],
    output: str,
    min_count: int,
    split_bytes: int | None,
    as_json: bool,
    **flags: Any,
) -> int:
    """Count words and bigrams of Wikipedia's dumps (pages-articles, .xml.bz2 or .xml), for `metadata build`."""
    from metaclip_spark.commands import count_words
    from metaclip_spark.metadata.dumps import SPLIT_BYTES

    settings, reporter = settings_from(flags, config), _reporter(quiet=as_json)
    return count_words.count_words(settings, reporter, dumps, output, min_count, split_bytes or SPLIT_BYTES, as_json)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status (0 done, 1 failed, 2 wrong usage, 3 incomplete sources)."""
    words = spread_variadic(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    try:
        return cli.main(words, prog_name="metaclip-spark", standalone_mode=False) or 0
    except click.exceptions.Abort:
        return _fail("interrupted; the same command goes on from the last commit.", 130)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except MetaclipError as error:
        if debug:
            traceback.print_exc()
        return _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _fail("interrupted; the same command goes on from the last commit.", 130)
    except Exception as error:
        if debug:
            traceback.print_exc()
        return _fail(f"failed: {_shortened(error)} (--debug shows the whole of it).", 1)


def _shortened(error: Exception) -> str:
    """Return an error's most telling line: of a worker's traceback the last, else the first."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [""]
    telling = [line for line in lines if line.startswith(("ValueError:", "MemoryError", "RuntimeError:", "OSError:"))]
    return f"{type(error).__name__}: {(telling or lines)[0][:500]}"


def _fail(message: str, status: int) -> int:
    for line in message.splitlines():
        print(f"metaclip-spark: {line}", file=sys.stderr)
    return status
