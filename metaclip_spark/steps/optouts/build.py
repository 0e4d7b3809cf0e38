"""The steps of `optouts build`: read the archives that are left, then keep the latest robots.txt of each host."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metaclip_spark.config.settings import Settings
from metaclip_spark.core.hashing.digest import batch_digest, digest_of
from metaclip_spark.core.wording import counted
from metaclip_spark.errors import ConfigError
from metaclip_spark.schemas import ROBOTS, ROBOTS_RECORDS
from metaclip_spark.sources.files import Source
from metaclip_spark.spark.parallelism import cores_of
from metaclip_spark.stages.optouts import numbers_of, read_archives, robots_of_hosts
from metaclip_spark.steps.optouts.stored import PROPERTY, build_of
from metaclip_spark.steps.reading.pace import sources_per_commit
from metaclip_spark.terminal.progress import Reporter
from metaclip_spark.warehouse.tables import Warehouse

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

READING = 1
"""The number of the rules by which a robots.txt is read. A change of what is kept of one needs another."""


@dataclass(frozen=True)
class Build:
    """A build of the table `robots`.

    Attributes:
        sources: the archives, in the order of their paths.
        agents: the crawlers whose rules are kept.
    """

    sources: Sequence[Source]
    agents: Sequence[str]

    @property
    def id(self) -> str:
        """Hash of the archives, the crawlers and the way of reading."""
        return digest_of([READING, [(each.source_path, each.etag) for each in self.sources], list(self.agents)])


def finished_build(warehouse: Warehouse, build: Build, replace: bool) -> dict[str, Any] | None:
    """Return the numbers of a build that is done; None if it has to be done.

    Args:
        replace: do it again if archives were partial or failed, or instead of another build.

    Raises:
        ConfigError: the table has another build, and may not be replaced.
    """
    done = build_of(warehouse.properties(ROBOTS.name))
    if done is None or done["build_id"] == build.id:
        return None if done is not None and done["archives_incomplete"] and replace else done
    if not replace:
        what = f"{counted(done['archives'], 'archive')}, crawlers {','.join(done['agents_given'])}"
        raise ConfigError(
            f"{warehouse.where(ROBOTS.name)} has another build ({done['build_id']}: {what}). Nothing was read. Give "
            "another --warehouse, or --replace."
        )
    return None


def build_robots(warehouse: Warehouse, settings: Settings, reporter: Reporter, build: Build) -> dict[str, Any]:
    """Do a build from where an earlier attempt stopped; return its numbers."""
    _read(warehouse, settings, reporter, build)
    with reporter.stage("hosts", warehouse.spark) as stage:
        records = warehouse.read(ROBOTS_RECORDS.name).where(f"build_id = '{build.id}'")
        warehouse.replace(ROBOTS.name, robots_of_hosts(records), build_id=build.id)
        numbers = _numbers(warehouse, build)
        stage.note = counted(numbers["hosts"], "host")
    warehouse.set_property(ROBOTS.name, PROPERTY, json.dumps(numbers))
    finish(warehouse, build)
    return numbers


def is_finished(warehouse: Warehouse, build: Build) -> bool:
    """Return whether nothing is left of other builds, and of the staging."""
    return warehouse.values(ROBOTS.name, "build_id") == [build.id] and warehouse.is_empty(ROBOTS_RECORDS.name)


def finish(warehouse: Warehouse, build: Build) -> None:
    """Delete other builds, and empty the staging; after an interruption the next command does it."""
    for name, kept in ((ROBOTS.name, build.id), (ROBOTS_RECORDS.name, "")):
        others = [found for found in warehouse.values(name, "build_id") if found != kept]
        if others:
            warehouse.delete(name, build_id=others)
    warehouse.remove_files(ROBOTS_RECORDS.name)


def _read(warehouse: Warehouse, settings: Settings, reporter: Reporter, build: Build) -> None:
    """Read the archives that are not in staging, one commit per batch of them."""
    read = _archives_read(warehouse, build)
    todo = [source for source in build.sources if source.source_path not in read]
    if not todo:
        return
    spark = warehouse.spark
    size = sources_per_commit(settings.files_per_commit, cores_of(spark))
    planned = sum(source.bytes for source in todo) if all(source.bytes for source in todo) else 0
    with reporter.stage("archives", spark, len(todo), "archive", "record", planned) as stage:
        for first in range(0, len(todo), size):
            batch = todo[first : first + size]
            names = [(source.source_path, 0, source.etag) for source in batch]
            txn = batch_digest(ROBOTS.name, "", build.id, names, "")
            with stage.describe(f"archives {first + 1:,} to {first + len(batch):,} of {len(todo):,}"):
                rows = read_archives(spark, batch, build.agents, build.id, stage.tally)
                _append(warehouse, build, batch, rows, txn)
            stage.commit(len(batch), sum(source.bytes for source in batch), 0)
        stage.note = counted(len(todo), "archive")


def _append(warehouse: Warehouse, build: Build, batch: Sequence[Source], rows: DataFrame, txn: str) -> None:
    """Append the rows of archives, once.

    Delta drops a transaction that was committed before, even if its rows were deleted since: an earlier build may have
    had the same archives. It is made again then, under the next name.
    """
    for number in itertools.count():
        commit = warehouse.append(ROBOTS_RECORDS.name, rows, txn=f"{txn}:{number}")
        if commit.was_new or {source.source_path for source in batch} <= _archives_read(warehouse, build):
            return


def _archives_read(warehouse: Warehouse, build: Build) -> set[str]:
    """Return the archives of a build that are in staging."""
    there = warehouse.rows(ROBOTS_RECORDS.name, ["source_path"], build_id=build.id, kind="source")
    return set(there["source_path"].to_pylist())


def _numbers(warehouse: Warehouse, build: Build) -> dict[str, Any]:
    """Return the numbers of a build, as they are printed and stored."""
    outcomes = warehouse.rows(
        ROBOTS_RECORDS.name,
        ["source_path", "outcome", "reason", "records_read", "bytes_read", "counts"],
        build_id=build.id,
        kind="source",
    )
    counts: Counter[str] = Counter()
    for row in outcomes["counts"].to_pylist():
        counts.update(dict(row or ()))
    by: dict[str, dict[str, int]] = {"status": {}, "rules": {}, "agents": {}, "shut_out": {}}
    rows = numbers_of(warehouse.read(ROBOTS.name), build.id).collect()  # a row per status and crawler
    for row in sorted(rows, key=lambda row: (row["kind"], row["name"])):
        by[row["kind"]][row["name"]] = row["number"]
    incomplete = sorted(
        (row["source_path"], row["outcome"], row["reason"])
        for row in outcomes.select(["source_path", "outcome", "reason"]).to_pylist()
        if row["outcome"] != "done"
    )
    return {
        "build_id": build.id,
        "agents_given": list(build.agents),
        "archives": outcomes.num_rows,
        "incomplete": [list(each) for each in incomplete[:10]],
        "archives_incomplete": len(incomplete),
        "records_read": sum(outcomes["records_read"].to_pylist()),
        "bytes_read": sum(outcomes["bytes_read"].to_pylist()),
        "counts": dict(sorted(counts.items())),
        "hosts": sum(by["status"].values()),
        "hosts_with_rules": sum(by["rules"].values()),
        "status": by["status"],
        "agents": by["agents"],
        "shut_out": by["shut_out"],
    }
