"""The command line: flags in, exit status out.

Errors go to stderr, tables and numbers to stdout.
"""

from __future__ import annotations

import contextlib
import io
import sys
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from metaclip_spark.cli.ahead import compile_ahead
from metaclip_spark.cli.counts import HEAD_AS_JSON, OUTPUT, counts
from metaclip_spark.cli.failures import cause_of, failure_of, forget, last_settings, quiet_servers
from metaclip_spark.cli.help import HeadedGroup
from metaclip_spark.cli.interrupts import REASON, STATUS
from metaclip_spark.cli.library_output import libraries_hide_secrets
from metaclip_spark.cli.metadata import metadata
from metaclip_spark.cli.options import settings_from, settings_options, spread_variadic
from metaclip_spark.config.setting import Group
from metaclip_spark.core.secrets import masked
from metaclip_spark.core.wording import one_line, visible_lines
from metaclip_spark.errors import MetaclipError, WorkerError
from metaclip_spark.version import full_version

if TYPE_CHECKING:
    from metaclip_spark.terminal.progress import Reporter

READ_SOURCES = (Group.INPUT, Group.CRAWL, Group.TABULAR, Group.LANGUAGE, Group.FILTERS, Group.READING)
"""The settings of commands that read sources."""


_REPORTERS: list[Reporter] = []
"""The reporter of the command that runs."""


def _reporter(quiet: bool = False) -> Reporter:
    """Return the reporter of a command, as its settings say; they are made first."""
    from metaclip_spark.terminal.progress import Reporter

    settings = last_settings()
    log_format = "text" if settings is None else settings.log_format
    _REPORTERS[:] = [Reporter(quiet, log_format, None if settings is None else settings.metrics)]
    return _REPORTERS[0]


def _print_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        click.echo(f"metaclip-spark, version {full_version()}")
        context.exit()


@click.group(cls=HeadedGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version, with the commit that it was built from, and exit.",
)
def cli() -> None:
    """Curate image-text pairs as MetaCLIP does: match texts against metadata, count, balance."""


of_a_run = settings_options(
    *READ_SOURCES,
    Group.LIST,
    Group.WORLDWIDE,
    Group.WAREHOUSE,
    Group.SAMPLING,
    Group.EARLIER_RUNS,
    Group.SCHEDULING,
    Group.ENGINE,
    Group.SPARK,
    without=["pinned"],
)
"""The settings of `run`, and of `snapshots replace`, which runs."""


@cli.command()
@of_a_run
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def run(config: str | None, debug: bool, as_json: bool, **flags: Any) -> int:
    """Run all steps and write the report.

    The same command continues an interrupted run from its last commit.
    """
    settings = settings_from(flags, config)
    compile_ahead(settings)

    from metaclip_spark.commands import curation

    return curation.run(settings, _reporter(), as_json)


@cli.command()
@settings_options(
    *READ_SOURCES,
    Group.LIST,
    Group.WORLDWIDE,
    Group.WAREHOUSE,
    Group.SCHEDULING,
    Group.ENGINE,
    Group.SPARK,
    without=["pinned", "language_thresholds", "language_weights"],
)
def extract(config: str | None, debug: bool, **flags: Any) -> int:
    """Read sources into the staging table `extracted`.

    With --metadata, their texts are matched as well.
    """
    settings = settings_from(flags, config)
    compile_ahead(settings)

    from metaclip_spark.commands import curation

    return curation.extract(settings, _reporter())


@cli.command()
@settings_options(
    "snapshot",
    "metadata",
    "worldwide",
    "no_dedup",
    "id_column",
    Group.WAREHOUSE,
    Group.SCHEDULING,
    Group.ENGINE,
    Group.SPARK,
    without=["pinned"],
)
def dedup(config: str | None, debug: bool, **flags: Any) -> int:
    """Add extracted pairs to the table `pairs`, each pair once.

    Two pairs are the same if their url and their text are. Sources whose pairs were added are done: they are not read
    again.
    """
    from metaclip_spark.commands import curation

    return curation.dedup(settings_from(flags, config), _reporter())


@cli.command()
@settings_options(
    Group.LIST,
    "worldwide",
    "unsure",
    Group.WAREHOUSE,
    Group.SCHEDULING,
    Group.ENGINE,
    Group.SPARK,
    without=["pinned"],
)
def match(config: str | None, debug: bool, **flags: Any) -> int:
    """Match the stored pairs with another entry list.

    The sources are not read. Texts that matched nothing under the earlier list are stored only if --keep-unmatched,
    or no list, was used.
    """
    from metaclip_spark.commands import curation

    return curation.match(settings_from(flags, config), _reporter())


@cli.command()
@settings_options("metadata", "worldwide", "snapshots", Group.WAREHOUSE, Group.SCHEDULING, Group.ENGINE, Group.SPARK)
def count(config: str | None, debug: bool, **flags: Any) -> int:
    """Count the pairs of each snapshot that match each entry."""
    from metaclip_spark.commands import curation

    return curation.count(settings_from(flags, config), _reporter())


@cli.command()
@settings_options(
    "metadata",
    "worldwide",
    "language_thresholds",
    "language_weights",
    Group.WAREHOUSE,
    Group.SAMPLING,
    Group.EARLIER_RUNS,
    Group.PART_OF_POOL,
    Group.SCHEDULING,
    Group.ENGINE,
    Group.SPARK,
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def balance(config: str | None, debug: bool, as_json: bool, **flags: Any) -> int:
    """Choose the threshold t and draw the curated subset.

    The subset is drawn from the whole pool, or from a part of it, such as the pairs that survived the download. Where
    no sampling probability rises, the subset of an earlier run is read instead of the pool that it was drawn from. The
    result is the same, and only new snapshots are read whole.
    """
    from metaclip_spark.commands import curation

    return curation.balance(settings_from(flags, config), _reporter(), as_json)


@cli.command()
@settings_options(*READ_SOURCES, Group.LIST, Group.WORLDWIDE, Group.WAREHOUSE, Group.ENGINE, Group.SPARK)
@click.option("--price-core-hour", type=float, default=0.0, metavar="P", help="Price of one core for an hour.")
@click.option("--price-gb-month", type=float, default=0.0, metavar="P", help="Price of storing a GB for a month.")
@click.option("--price-million-gets", type=float, default=0.0, metavar="P", help="Price of a million GET requests.")
@click.option("--price-million-puts", type=float, default=0.0, metavar="P", help="Price of a million PUT requests.")
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
def plan(
    config: str | None,
    debug: bool,
    as_json: bool,
    price_core_hour: float,
    price_gb_month: float,
    price_million_gets: float,
    price_million_puts: float,
    **flags: Any,
) -> int:
    """Show what `run` would read, and estimate its cost.

    Prints the number of sources, their bytes, how many are done already, and the estimated time; and for each stage
    its core time, bytes and requests, from measured rates (docs/SCALING.md). With a price also the money, in the
    currency of the prices. Nothing is extracted or written.
    """
    from metaclip_spark.commands import plan
    from metaclip_spark.costs.model import Prices

    prices = Prices(price_core_hour, price_gb_month, price_million_gets, price_million_puts)
    return plan.plan(settings_from(flags, config), _reporter(quiet=as_json), as_json, prices)


@cli.command()
@settings_options(
    "metadata",
    "worldwide",
    "language_thresholds",
    "language_weights",
    Group.WAREHOUSE,
    Group.SAMPLING,
    "freeze_counts",
    "counts",
    Group.ENGINE,
    Group.SPARK,
)
@click.option(
    "--thresholds",
    metavar="T,T,...",
    help="Use these values of t; in a worldwide curation, these tail fractions of every language.  [default: 1, 2, 5, "
    "10, ... up to the highest count]",
)
@click.option(
    "--survival",
    metavar="FILE|RATE",
    help="Also print the images expected on disk: with this rate of download (0.7 or 70%), or with the rates by domain "
    "and age of an earlier download, the folder that img2dataset wrote. --target-size then counts images on disk.",
)
@click.option("--plot", metavar="FILE", help="Draw a plot, too: .svg, .png or .pdf; needs the extra [report].")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def sweep(
    config: str | None,
    debug: bool,
    thresholds: str | None,
    survival: str | None,
    plot: str | None,
    as_json: bool,
    **flags: Any,
) -> int:
    """Print the expected size of the curated subset for many t.

    The sizes are computed from the counted pool; nothing is drawn or written. The table includes the t that `balance`
    would choose with the same flags, and marks it.
    """
    from metaclip_spark.commands import sweep

    settings = settings_from(flags, config)
    return sweep.sweep(settings, _reporter(quiet=as_json), thresholds, plot, as_json, survival)


@cli.command()
@settings_options("metadata", Group.WAREHOUSE, Group.ENGINE, Group.SPARK)
@click.option("--pair-id", metavar="ID", help="Explain the pair with this id.")
@click.option("--url", metavar="URL", help="Explain all pairs of the image at this url; with --text, one pair of it.")
@click.option("--text", metavar="TEXT", help="Explain this text, whether it is in the pool or not.")
@click.option("--run-id", metavar="ID", help="Explain the draw of this run.  [default: the run balanced last]")
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
    """Explain why a pair is in the curated subset, or not.

    Prints the entries that its text matches, their counts and probabilities, the draw, and the verdict.
    """
    from metaclip_spark.commands import explain

    question = explain.Question(pair_id, url, text)
    return explain.explain(settings_from(flags, config), _reporter(quiet=as_json), question, run_id, as_json)


@cli.command()
@settings_options("metadata", Group.WAREHOUSE, "outcome", Group.ENGINE, Group.SPARK)
@click.option("--run-id", metavar="ID", help="Report this run.  [default: the run balanced last]")
@click.option("--compare", metavar="RUN RUN", nargs=2, default=None, help="Report two runs side by side.")
@click.option(
    "--class-names",
    metavar="FILE",
    help="Count these class names before and after balancing: one per line, or a JSON array.",
)
@click.option(
    "--thin",
    metavar="N",
    type=click.IntRange(1),
    help="Mark classes with fewer than N pairs in the subset as thin.  [default: 100]",
)
@click.option(
    "--output",
    metavar="FILE",
    help="Write the page to this path or URI.  [default: WAREHOUSE/reports/<run id>.html]",
)
@click.option(
    "--eu-summary",
    metavar="DIR",
    help="Instead of the page: write the public summary of training content that the EU AI Act asks for, Article "
    "53(1)(d), to this folder or URI, as Markdown and JSON, with the largest domains as CSV.",
)
@click.option(
    "--eu-small",
    is_flag=True,
    help="With --eu-summary: list the domains that small firms have to list, the top 5% and at most 1,000.  [default: "
    "the top 10%]",
)
def report(
    config: str | None,
    debug: bool,
    run_id: str | None,
    compare: tuple[str, str] | None,
    class_names: str | None,
    thin: int | None,
    output: str | None,
    eu_summary: str | None,
    eu_small: bool,
    **flags: Any,
) -> int:
    """Write the HTML data card of a run, and print its path.

    A JSON sidecar next to the page has the same numbers. The pool and the subset of the run are read once, for
    languages, domains and random pairs. No table is changed.
    """
    from metaclip_spark.commands import report

    settings, reporter = settings_from(flags, config), _reporter()
    if eu_summary is not None or eu_small:
        of_page = {"--compare": compare, "--class-names": class_names, "--thin": thin, "--output": output}
        return report.summary(settings, reporter, run_id, eu_summary, eu_small, of_page)
    return report.report(settings, reporter, run_id, output, class_names, thin, compare)


@cli.command()
@settings_options(Group.WAREHOUSE, Group.ENGINE, Group.SPARK)
@click.option(
    "--stage",
    type=click.Choice(("pairs", "curated")),
    default="curated",
    show_default=True,
    help="Export the curated subset of the run, or the whole matched pool that it was drawn from.",
)
@click.option(
    "--run-id",
    metavar="ID",
    help="Export the subset or the pool of this run, with its probabilities.  [default: the run balanced last]",
)
@click.option("--since", metavar="RUN", help="Export only pairs that are not in the curated subset of this run.")
@click.option(
    "--format",
    "export_format",
    type=click.Choice(("parquet", "webdataset-index", "datacomp")),
    default="parquet",
    show_default=True,
    help="Write one row per image, for img2dataset; one row per pair, for trainers; or the sorted uids, for DataComp.",
)
@click.option(
    "--output",
    metavar="DIR",
    help="Write to this new folder or URI.  [default: WAREHOUSE/exports/<run id>-<stage>]",
)
@click.option("--shards", metavar="N", type=click.IntRange(1, 1_000_000), help="Write N files of even size.")
@click.option(
    "--rows-per-shard",
    metavar="N",
    type=click.IntRange(1),
    help="Write about N images per file.  [default: 1000000]",
)
@click.option(
    "--failed-of",
    "failed_of",
    metavar="FOLDER",
    multiple=True,
    help="Export only images that img2dataset did not get, for another try: the folder that it wrote (repeatable: what "
    "none of the folders has).",
)
@click.option(
    "--retry-status",
    metavar="A,B",
    help="With --failed-of: export images that ended so, out of failed_to_download, failed_to_resize, not_tried, "
    "opted_out, and http_NNN.  [default: all but opted_out]",
)
@click.option(
    "--describe",
    metavar="NAME=VALUE",
    multiple=True,
    help="Say this in _croissant.json (repeatable): license, url, creator, name, description, citeAs, datePublished, "
    "keywords, publisher or version.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the manifest of the export as JSON.")
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
    failed_of: tuple[str, ...],
    retry_status: str | None,
    describe: tuple[str, ...],
    as_json: bool,
    **flags: Any,
) -> int:
    """Export pairs as shuffled Parquet shards.

    An export for img2dataset has one row per image, with its texts, pair ids and probabilities as lists.
    docs/EXPORT.md describes the columns, the commands that lead to the downloaded images, and the loader.
    """
    from metaclip_spark.commands import export

    request = export.ExportRequest(
        stage, run_id, since, export_format, output, shards, rows_per_shard, failed_of, retry_status, describe
    )
    return export.export(settings_from(flags, config), _reporter(quiet=as_json), request, as_json)


@cli.command()
@settings_options("input", "metadata", "seed", "master", "driver_memory", "spark")
@click.option(
    "--texts",
    "number",
    metavar="N",
    type=click.IntRange(1),
    default=200_000,
    show_default=True,
    help="Make this many different texts from those of the input.",
)
@click.option(
    "--rounds", metavar="N", type=click.IntRange(1), default=3, show_default=True, help="Print medians of N rounds."
)
@click.option(
    "--naive-texts",
    metavar="N",
    type=click.IntRange(0),
    default=40,
    show_default=True,
    help="Time the naive scan on this many texts only; 0 skips it.",
)
@click.option("--no-spark", is_flag=True, help="Time one core only, without Spark.")
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
    """Time the matching engines on one core and in Spark.

    In a clone of the repository, --input and --metadata default to the sample and the entry list that it contains.
    """
    from metaclip_spark.commands.benchmark import benchmark as timed

    settings, reporter = settings_from(flags, config), _reporter(quiet=as_json)
    return timed(settings, reporter, number, rounds, naive_texts, not no_spark, as_json)


@cli.group("runs")
def runs_group() -> None:
    """List, show and delete runs."""


@runs_group.command("list")
@settings_options(Group.WAREHOUSE, Group.ENGINE, Group.SPARK)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def runs_list(config: str | None, debug: bool, as_json: bool, **flags: Any) -> int:
    """List all runs, oldest first.

    Prints the time, the outcome, t, the number of pairs in the subset, and the bytes on disk.
    """
    from metaclip_spark.commands import runs

    return runs.list_runs(settings_from(flags, config), _reporter(quiet=as_json), as_json)


@runs_group.command("show")
@settings_options(Group.WAREHOUSE, Group.ENGINE, Group.SPARK)
@click.argument("run_id", metavar="RUN")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def runs_show(config: str | None, debug: bool, run_id: str, as_json: bool, **flags: Any) -> int:
    """Show one run: its settings, stages, attempts, errors and bytes by table."""
    from metaclip_spark.commands import runs

    return runs.show_run(settings_from(flags, config), _reporter(quiet=as_json), run_id, as_json)


@runs_group.command("prune")
@settings_options(Group.WAREHOUSE, Group.ENGINE, Group.SPARK)
@click.argument("run_ids", metavar="[RUN]...", nargs=-1)
@click.option(
    "--keep-last",
    metavar="N",
    type=click.IntRange(1),
    help="Instead of naming runs: keep the last N subsets, and delete all older ones.",
)
@click.option("--dry-run", is_flag=True, help="Print what would be deleted, and change nothing.")
@click.option(
    "--retain-hours",
    metavar="H",
    type=click.FloatRange(0),
    help="Vacuum, too: delete files that no version of the last H hours needs (0: at once).",
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
    """Delete the curated subsets of runs.

    Their rows in the other tables of a run are deleted as well. The pool, its counts, the reports and the log of runs
    stay. The same settings draw the same subset again.
    """
    from metaclip_spark.commands import runs

    reporter = _reporter(quiet=as_json)
    return runs.prune_runs(settings_from(flags, config), reporter, run_ids, keep_last, dry_run, retain_hours, as_json)


@cli.command()
@settings_options(Group.WAREHOUSE, Group.ENGINE, Group.SPARK)
@click.option("--urls", metavar="FILE", help="Delete these urls of images or pages: one per line (.gz too).")
@click.option(
    "--domains", metavar="FILE", help="Delete all images under these domains: one per line, subdomains included."
)
@click.option(
    "--page-domains", metavar="FILE", help="Delete all pages under these domains: one per line, subdomains included."
)
@click.option(
    "--url-hashes",
    metavar="FILE",
    help="Delete urls of images or pages by their hashes: hex digits of SHA-256 or MD5, one per line (.gz too).",
)
@click.option("--pair-ids", metavar="FILE", help="Delete the pairs with these ids: one per line (.gz too).")
@click.option(
    "--retain-hours",
    metavar="H",
    type=click.FloatRange(0),
    help="Vacuum, too: delete files that no version of the last H hours needs (0: at once); otherwise old files keep "
    "the rows until the tables are vacuumed.",
)
@click.option("--dry-run", is_flag=True, help="Print what would be deleted, and change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def takedown(
    config: str | None,
    debug: bool,
    urls: str | None,
    domains: str | None,
    page_domains: str | None,
    url_hashes: str | None,
    pair_ids: str | None,
    retain_hours: float | None,
    dry_run: bool,
    as_json: bool,
    **flags: Any,
) -> int:
    """Delete urls, domains and pairs from the warehouse, and keep them out.

    A pair is deleted if its image, its page or its id is listed: from the pool, from the curated subsets of existing
    runs, from rejects, from staging, and from exports under the warehouse. Reports that showed it, or whose numbers
    changed, are deleted. Counts and the sums of runs are corrected; no subset is drawn again, and t and probabilities
    stay.

    Later crawls reject what is listed, with the reason `takedown`. The warehouse stores hashes of the urls, not the
    urls. Two urls are equal if their characters are equal, apart from spaces and tabs: http and https are two urls. A
    pair that was found on several pages is stored with one of them, and is deleted with that page only.

    A hash of a url is compared with that of the url as found, without spaces and tabs, as a browser requests it (as in
    exports), and of these with `&amp;` for `&`. How many listed hashes and ids match no pair is printed; they are kept
    out all the same.

    If the command is interrupted, run it again; until it has finished, no other command writes. Copies outside the
    warehouse are yours to delete.
    """
    from metaclip_spark.commands import takedown
    from metaclip_spark.takedown.lists import ListFiles

    settings, reporter = settings_from(flags, config), _reporter(quiet=as_json)
    files = ListFiles(urls, domains, page_domains, url_hashes, pair_ids)
    return takedown.takedown(settings, reporter, files, retain_hours, dry_run, as_json)


@cli.group("optouts")
def optouts_group() -> None:
    """Read what robots.txt files said at the date of a crawl."""


@optouts_group.command("build")
@settings_options(
    *("input", "crawl", "max_files", "crawl_root", "seed", "files_per_commit", "allow_incomplete"),
    Group.WAREHOUSE,
    Group.ENGINE,
    Group.SPARK,
)
@click.option(
    "--agents",
    metavar="A,B",
    help="Keep the rules of these crawlers, by the product token of their robots.txt; * is any crawler without rules "
    "of its own.  [default: GPTBot, CCBot, ClaudeBot, Google-Extended and others (docs/OPTOUTS.md), *]",
)
@click.option(
    "--replace", is_flag=True, help="Replace a build of other archives or crawlers, or with archives that failed."
)
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON.")
def optouts_build(
    config: str | None, debug: bool, agents: str | None, replace: bool, as_json: bool, **flags: Any
) -> int:
    """Read archives of robots.txt into the table `robots`: the rules of each host at the date of the crawl.

    `run --robots DIR` then rejects what the rules refuse. --crawl reads Common Crawl's own archives, --input any WARC
    of responses to /robots.txt. The same command continues an interrupted build, and does nothing when it is done.
    """
    from metaclip_spark.commands.optouts import build

    return build.build(settings_from(flags, config), _reporter(quiet=as_json), agents, replace, as_json)


@cli.group("snapshots")
def snapshots_group() -> None:
    """List snapshots, drop one, or read one again with other settings."""


@snapshots_group.command("list")
@settings_options(Group.WAREHOUSE, Group.ENGINE, Group.SPARK)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def snapshots_list(config: str | None, debug: bool, as_json: bool, **flags: Any) -> int:
    """List all snapshots, one line for each entry list.

    Prints the sources by status, the number of pairs that the snapshot has, how many it saw, and whether it is counted.
    """
    from metaclip_spark.commands import snapshots

    return snapshots.list_snapshots(settings_from(flags, config), _reporter(quiet=as_json), as_json)


@snapshots_group.command("drop")
@settings_options(Group.WAREHOUSE, Group.ENGINE, Group.SPARK)
@click.argument("name", metavar="NAME")
@click.option("--dry-run", is_flag=True, help="Print what would be deleted and moved, and change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def snapshots_drop(config: str | None, debug: bool, name: str, dry_run: bool, as_json: bool, **flags: Any) -> int:
    """Remove a snapshot from the pool, of all entry lists.

    Its pairs, counts, sources and rejects are deleted. Pairs that other snapshots saw, too, stay: they belong to the
    first of these then, with the page and the source that they were stored with. Counts are corrected. Subsets that
    were drawn from the snapshot stay; `runs list`, reports and exports say that it was dropped.

    If the command is interrupted, run it again; until it has finished, no other command writes.
    """
    from metaclip_spark.commands import snapshots

    reporter = _reporter(quiet=as_json)
    return snapshots.drop_snapshot(settings_from(flags, config), reporter, name, dry_run, as_json)


@snapshots_group.command("replace")
@of_a_run
@click.argument("name", metavar="NAME")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def snapshots_replace(config: str | None, debug: bool, name: str, as_json: bool, **flags: Any) -> int:
    """Drop a snapshot, and read it again, as `run` does with these flags.

    The input and the flags are checked before anything is dropped. The same command continues an interrupted one.
    """
    from metaclip_spark.commands import snapshots

    return snapshots.replace_snapshot(settings_from(flags, config), _reporter(), name, as_json)


@cli.command()
@settings_options(Group.WAREHOUSE, Group.ENGINE, Group.SPARK)
@click.option("--dry-run", is_flag=True, help="Print what would be changed, and change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def upgrade(config: str | None, debug: bool, dry_run: bool, as_json: bool, **flags: Any) -> int:
    """Bring the tables of an earlier release to the format of this one.

    Columns are added, and filled from what the tables and the log of runs have. An interrupted upgrade goes on where it
    stopped. Do not write the warehouse with an earlier release afterwards: its rows would lack those values.
    """
    from metaclip_spark.commands import upgrade

    return upgrade.upgrade(settings_from(flags, config), _reporter(quiet=as_json), dry_run, as_json)


@cli.command()
@settings_options(Group.WAREHOUSE, Group.ENGINE, Group.SPARK)
@click.option(
    "--target-size",
    "target",
    metavar="SIZE",
    default="128m",
    show_default=True,
    help="Merge small files of a partition up to this size.",
)
@click.option(
    "--retain-hours",
    metavar="H",
    type=click.FloatRange(0),
    default=168,
    show_default=True,
    help="Keep files that a version of the last H hours needs (0: remove all others at once, while nobody reads).",
)
@click.option(
    "--log-days",
    metavar="N",
    type=click.IntRange(1),
    help="Keep entries of the tables' logs for N days, from now on.  [default: as the tables say, which is 30]",
)
@click.option("--no-compact", is_flag=True, help="Do not merge files.")
@click.option("--no-vacuum", is_flag=True, help="Do not remove files.")
@click.option("--dry-run", is_flag=True, help="Print what would be done, and change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def maintain(
    config: str | None,
    debug: bool,
    target: str,
    retain_hours: float,
    log_days: int | None,
    no_compact: bool,
    no_vacuum: bool,
    dry_run: bool,
    as_json: bool,
    **flags: Any,
) -> int:
    """Merge small files, remove old ones, and shorten the logs of all tables.

    No row changes. Run it between runs, for example once a month: it takes the lease. A file that no table needs any
    more is removed, also one that a failed attempt left. Runs do not mind that other tools (OPTIMIZE, VACUUM) did the
    same.
    """
    from metaclip_spark.commands import maintain as command
    from metaclip_spark.core.machine import size_in_bytes
    from metaclip_spark.steps.maintain import Upkeep

    upkeep = Upkeep(size_in_bytes(target, "--target-size"), retain_hours, log_days, not no_compact, not no_vacuum)
    return command.maintain(settings_from(flags, config), _reporter(quiet=as_json), upkeep, dry_run, as_json)


@cli.command()
@settings_options("metadata", "worldwide", Group.WAREHOUSE, Group.ENGINE, Group.SPARK)
@click.option(
    "--sample",
    metavar="S|S%",
    help="Compute ids and matches again for this share of the pairs only, chosen by their ids.  [default: all pairs]",
)
@click.option(
    "--checks",
    metavar="A,B",
    help="Make only these checks: unique, ids, matches, counts, probabilities, draws, subsets, sources, runs, "
    "takedowns, staging.  [default: all]",
)
@click.option(
    "--run-id",
    "run_ids",
    metavar="ID",
    multiple=True,
    help="Check the subset of this run only (repeatable).  [default: all subsets]",
)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def verify(
    config: str | None,
    debug: bool,
    sample: str | None,
    checks: str | None,
    run_ids: tuple[str, ...],
    as_json: bool,
    **flags: Any,
) -> int:
    """Check that a warehouse is right, and change nothing.

    Keys are there once. Ids, matches, counts, probabilities and draws are computed again from urls, texts and the entry
    list. Sources, the log of runs and the tables agree. What was taken down is nowhere, and no staging is left.

    Prints what was checked, how much of it, and the first differences. The exit status is 1 if something differs. What
    cannot be checked is said, with the reason. --metadata names an entry list that moved since the run.
    """
    from metaclip_spark.commands.verify import command

    names = [name.strip() for name in (checks or "").split(",") if name.strip()]
    settings, reporter = settings_from(flags, config), _reporter(quiet=as_json)
    return command.verify(settings, reporter, sample, names, run_ids, as_json, cause_of)


cli.add_command(metadata)
cli.add_command(counts)


@counts.command("export", short_help="Write the entry counts of a pool as a card.")
@settings_options("metadata", "worldwide", "snapshots", Group.WAREHOUSE, Group.ENGINE, Group.SPARK)
@OUTPUT
@HEAD_AS_JSON
def counts_export(config: str | None, debug: bool, output: str, as_json: bool, **flags: Any) -> int:
    """Write the entry counts of the counted pool as a card.

    The card has the id of the list, the entries with a count and their counts, the number of matched pairs, and the
    names of the snapshots. It has no url and no text of a pair. `balance --counts` balances another pool with it.
    """
    from metaclip_spark.commands.counts.export import export

    return export(settings_from(flags, config), _reporter(quiet=as_json), output, as_json)


@metadata.command("count-words", short_help="Count the words and bigrams of Wikipedia's dumps.")
@settings_options(Group.SPARK)
@click.argument("dumps", metavar="DUMP...", nargs=-1, required=True)
@click.option(
    "--output", metavar="FOLDER", required=True, help="Write words.tsv, bigrams.tsv and counts.json to this new folder."
)
@click.option(
    "--min-count",
    metavar="N",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Drop words and bigrams that occur less often in all dumps together.",
)
@click.option(
    "--language",
    metavar="CODE",
    help="Tokenize as MetaCLIP 2 does for the Wikipedia CODE, such as de, th or zh_yue.  [default: as for English]",
)
@click.option("--split-bytes", metavar="N", type=click.IntRange(1), help="Bytes of bz2 per task.  [default: 16 MiB]")
@click.option("--json", "as_json", is_flag=True, help="Print the content of counts.json as JSON.")
def metadata_count_words(
    config: str | None,
    debug: bool,
    dumps: tuple[str, ...],
    output: str,
    min_count: int,
    language: str | None,
    split_bytes: int | None,
    as_json: bool,
    **flags: Any,
) -> int:
    """Count the words and bigrams of Wikipedia's dumps, for `metadata build`.

    A DUMP is a pages-articles file, .xml.bz2 or .xml. Languages without spaces (bo dz ja km lo my ryu th zh) need
    icu4py and Python 3.11.
    """
    from metaclip_spark.commands import count_words
    from metaclip_spark.metadata.dumps import SPLIT_BYTES

    settings, reporter = settings_from(flags, config), _reporter(quiet=as_json)
    return count_words.count_words(
        settings, reporter, dumps, output, min_count, split_bytes or SPLIT_BYTES, as_json, language
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status (0 done, 1 failed, 2 wrong usage, 3 incomplete, 130 interrupted)."""
    words = spread_variadic(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    forget()
    _REPORTERS.clear()
    try:
        with contextlib.nullcontext() if debug else quiet_servers(), libraries_hide_secrets():
            return cli.main(words, prog_name="metaclip-spark", standalone_mode=False) or 0
    except (click.exceptions.Abort, KeyboardInterrupt):
        return _fail(REASON, STATUS)
    except click.ClickException as error:
        said = io.StringIO()
        error.show(said)
        print(visible_lines(masked(said.getvalue())), end="", file=sys.stderr)
        return error.exit_code
    except MetaclipError as error:
        if debug:
            _print_trace()
        # An error that another one caused says where; the failure of the machine says why.
        failure = failure_of(error) if error.exit_code == 1 and error.__cause__ is not None else None
        return _fail(*(failure or (str(error), error.exit_code)))
    except Exception as error:
        if debug:
            _print_trace()
        from metaclip_spark.spark.probe import worker_problem

        problem = worker_problem(error)
        if problem is not None:
            return _fail(problem, WorkerError.exit_code)
        failure = failure_of(error)
        return _fail(*(failure or (f"failed: {cause_of(error)} (--debug shows the stack trace).", 1)))
    finally:
        for reporter in _REPORTERS:
            reporter.events.close()


def _print_trace() -> None:
    print(visible_lines(masked(traceback.format_exc())), end="", file=sys.stderr)


def _fail(message: str, status: int) -> int:
    for reporter in _REPORTERS:
        reporter.events.emit("ended", status=status, message=message)
    settings = last_settings()
    if _REPORTERS and settings is not None and settings.log_format == "json":
        return status
    for line in masked(message).split("\n"):
        print(f"metaclip-spark: {one_line(line)}", file=sys.stderr)
    return status
