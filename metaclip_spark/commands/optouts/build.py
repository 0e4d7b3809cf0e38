"""The command `optouts build`: read archives of robots.txt into a table of rules by host."""

from __future__ import annotations

import json
from typing import Any

from metaclip_spark.commands.opening import held, open_warehouse
from metaclip_spark.config.numbers import of_amount
from metaclip_spark.config.settings import Settings
from metaclip_spark.core.wording import agrees, counted
from metaclip_spark.errors import ConfigError
from metaclip_spark.robots.text import AGENTS, CUT, NOT_UTF8, RULES_LEFT_OUT
from metaclip_spark.schemas import ROBOTS
from metaclip_spark.sources.crawl import ROBOTS as ROBOTS_ARCHIVES
from metaclip_spark.sources.crawl import crawl_sources
from metaclip_spark.sources.files import Source, find_sources
from metaclip_spark.steps.optouts.build import Build, build_robots, finish, finished_build, is_finished
from metaclip_spark.terminal.console import console
from metaclip_spark.terminal.progress import Reporter
from metaclip_spark.terminal.tables import print_rows

INCOMPLETE = 3
"""The exit status where more archives are partial or failed than allowed."""

_ABOUT = {
    "read": "robots.txt read",
    "absent": "4xx: everything is allowed",
    "redirect": "the rules of where it leads",
    "unreachable": "5xx: nothing is allowed (RFC 9309)",
}
_COUNTS = {
    CUT: "files over 500 KiB, or truncated in the archive",
    NOT_UTF8: "files that are not UTF-8",
    RULES_LEFT_OUT: "over 10,000 rules, or 2,048 characters",
    "not_response": "records that are no response",
    "not_robots": "responses that are no robots.txt",
    "broken_record": "broken records",
}


def build(settings: Settings, reporter: Reporter, agents: str | None, replace: bool, as_json: bool) -> int:
    """Build the table `robots`; return 0, or 3 if more archives are partial or failed than allowed.

    Args:
        agents: crawlers with commas between them; None: `AGENTS`.
        replace: replace another build.

    Raises:
        ConfigError: there is no input, a crawler's name is none, or the table has another build.
    """
    wanted = Build(_sources(settings, reporter), _agents(agents))
    warehouse = open_warehouse(settings, reporter, create=True, takes_lease=True)
    done = finished_build(warehouse, wanted, replace)
    if done is None:
        with held(warehouse, settings, reporter):
            done = finished_build(warehouse, wanted, replace) or build_robots(warehouse, settings, reporter, wanted)
    else:
        reporter.say(f"build {done['build_id']} is done; nothing was read.")
        if not is_finished(warehouse, wanted):
            with held(warehouse, settings, reporter):
                finish(warehouse, wanted)
    if as_json:
        print(json.dumps({"table": warehouse.where(ROBOTS.name), **done}, ensure_ascii=False))
    else:
        _print(done, warehouse.where(ROBOTS.name))
    for path, outcome, reason in done["incomplete"]:
        reporter.warn(f"{path} is {outcome}: {reason}")
    if not done["hosts"]:
        reporter.warn(
            "no robots.txt was found: --robots will refuse nothing. Common Crawl's archives are robotstxt/*.warc.gz."
        )
    incomplete = done["archives_incomplete"]
    if incomplete > of_amount(settings.allow_incomplete, done["archives"]):
        reporter.warn(
            f"{counted(incomplete, 'archive')} {agrees(incomplete, 'is', 'are')} partial or failed, more than "
            f"--allow-incomplete {settings.allow_incomplete}. What was read is in the table; --replace reads all again."
        )
        return INCOMPLETE
    return 0


def _sources(settings: Settings, reporter: Reporter) -> list[Source]:
    if settings.crawl:
        names = ", ".join(settings.crawl)
        reporter.say(f"Reading the list of {names}'s archives of robots.txt from {settings.crawl_root} ...")
        return crawl_sources(settings.crawl, ROBOTS_ARCHIVES, settings.max_files, settings.seed, settings.crawl_root)
    if not settings.input:
        raise ConfigError("input is missing; expected --crawl NAME, or --input with archives of robots.txt (WARC).")
    found = find_sources(settings.input, reporter.say)
    other = next((source for source in found if source.format != "warc"), None)
    if other is not None:
        raise ConfigError(f"input {other.source_path} is {other.format}; expected archives of robots.txt (.warc.gz).")
    return found


def _agents(given: str | None) -> list[str]:
    names = [name.strip() for name in (",".join(AGENTS) if given is None else given).split(",") if name.strip()]
    wrong = next((name for name in names if name != "*" and not _is_token(name)), None)
    if wrong is not None or not names:
        raise ConfigError(
            f"agents: got {given!r}, expected product tokens of crawlers with commas between them, such as GPTBot,*."
        )
    first: dict[str, str] = {}
    for name in names:
        first.setdefault(name.lower(), name)
    return list(first.values())


def _is_token(name: str) -> bool:
    return name.isascii() and all(char.isalnum() or char in "-_." for char in name)


def _print(done: dict[str, Any], where: str) -> None:
    rows = [
        ["archives", f"{done['archives']:,}", f"{done['records_read']:,} records, {done['bytes_read'] / 1e6:,.1f} MB"],
        ["hosts", f"{done['hosts']:,}", f"{done['hosts_with_rules']:,} with rules for the named crawlers"],
        *([name, f"{number:,}", _ABOUT[name]] for name, number in done["status"].items()),
        *([name, f"{number:,}", _COUNTS.get(name, "")] for name, number in done["counts"].items()),
    ]
    print_rows(["", "number", ""], rows)
    order = {name: at for at, name in enumerate(done["agents_given"])}
    names = sorted(done["agents"], key=lambda name: order.get(name, len(order)))
    if names:
        lines = [[name, f"{done['agents'][name]:,}", f"{done['shut_out'].get(name, 0):,}"] for name in names]
        print_rows(["crawler", "hosts with rules for it", "that shut it out"], lines)
    console().print(f"robots  {where}, build {done['build_id']}", markup=False, soft_wrap=True)
