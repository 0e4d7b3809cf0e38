"""The maintain step: merge small files, remove old ones, and shorten the logs of all tables of a warehouse.

No row changes. A step that pinned a version reads the same rows before and after.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from metaclip_spark.schemas import TABLES
from metaclip_spark.warehouse.conflicts import TRIES, is_conflict, retried
from metaclip_spark.warehouse.data_files import TARGET_BYTES, PartitionFiles
from metaclip_spark.warehouse.tables import Warehouse

RETAIN_HOURS = 168.0
"""Hours for which files are kept that an older version of a table needs: Delta's own default."""
KEY = "pair_id"
"""The column in whose order tables are stored that have statistics on it."""
_PASSES = 5
"""Maximum number of times that the files of a table are merged in turn."""


@dataclass(frozen=True)
class Upkeep:
    """How tables are maintained.

    Attributes:
        target: size in bytes up to which small files are merged.
        retain_hours: files that a version of the last hours needs are kept.
        log_days: days for which entries of the logs are kept, from now on; None: as the tables say.
        compacts, vacuums: whether files are merged, and old ones removed.
    """

    target: int = TARGET_BYTES
    retain_hours: float = RETAIN_HOURS
    log_days: int | None = None
    compacts: bool = True
    vacuums: bool = True


@dataclass(frozen=True)
class Maintained:
    """What was done, or would be done, to a table.

    Attributes:
        partitions, files, bytes: of the table as it was found.
        largest: files of the partition with the most files.
        merged: files that are too small and are merged.
        after: number of files after that; an estimate where nothing was done.
        old: number of files that no version needs any more.
        problem: why the table was not maintained; None if it was.
    """

    table: str
    partitions: int
    files: int
    bytes: int
    largest: int
    merged: int
    after: int
    old: int
    problem: str | None = None


def maintained(warehouse: Warehouse, upkeep: Upkeep, dry_run: bool = False) -> Iterator[Maintained]:
    """Maintain the tables of a warehouse one by one, and yield what was done to each; the caller holds the lease.

    A table that another writer changes meanwhile is left as it is, and said so: the next call maintains it.

    Args:
        dry_run: estimate, and change nothing.
    """
    for name in TABLES:
        if warehouse.exists(name):
            yield _maintained(warehouse, name, upkeep, dry_run)


def _maintained(warehouse: Warehouse, name: str, upkeep: Upkeep, dry_run: bool) -> Maintained:
    found = warehouse.files(name, upkeep.target)
    to_merge = [part for part in found if upkeep.compacts and part.can_shrink]
    merged, after = sum(part.small for part in to_merge), sum(p.after if p in to_merge else p.files for p in found)
    problem, old = None, 0
    if not dry_run and to_merge:
        problem, merged = _merge(warehouse, name, upkeep.target, found)
        after = sum(part.files for part in warehouse.files(name, upkeep.target))
    if upkeep.vacuums:
        old = warehouse.old_files(name, upkeep.retain_hours)
        if not dry_run:
            warehouse.vacuum(name, upkeep.retain_hours)
    if not dry_run:
        problem = problem or _without_conflict(warehouse, name, lambda: warehouse.clean_log(name, upkeep.log_days))[0]
    return Maintained(
        table=name,
        partitions=len(found),
        files=sum(part.files for part in found),
        bytes=sum(part.bytes for part in found),
        largest=max((part.files for part in found), default=0),
        merged=merged,
        after=after,
        old=old,
        problem=problem,
    )


def _merge(warehouse: Warehouse, name: str, target: int, found: list[PartitionFiles]) -> tuple[str | None, int]:
    """Merge the small files of a table; return why that failed, if it did, and how many files were merged.

    A merged file is smaller than its parts, most of all where these are tiny: then it may be merged again. Where many
    files of pairs become several, they are written in the order of `pair_id`: takedowns, `explain` and deduplication
    read the files that the statistics on it leave.
    """
    merged, has_key = 0, KEY in TABLES[name].stats_columns
    for _ in range(_PASSES):
        to_merge = [part for part in found if part.can_shrink]
        in_order = [part.partition for part in to_merge if has_key and part.shall_be_sorted]
        others = [part.partition for part in to_merge if part.partition not in in_order]
        number = 0
        # delta-rs merges by size in all partitions, so what is to be in order comes last.
        for partitions, key in ((others, None), (in_order, KEY)):
            if partitions:
                work = functools.partial(warehouse.compact, name, target, partitions, key)
                problem, done = _without_conflict(warehouse, name, work)
                if problem is not None:
                    return problem, merged + number
                number += done or 0
        merged += number
        if not number:
            break
        found = warehouse.files(name, target)
    return None, merged


def _without_conflict(warehouse: Warehouse, name: str, work: Callable[[], int | None]) -> tuple[str | None, int | None]:
    """Do something to a table, again where another writer came between.

    Returns:
        The conflict that did not end, or None; and what the work returned.
    """
    try:
        return None, retried(work, TRIES, name, warehouse.on_conflict)
    except Exception as error:
        if not is_conflict(error):
            raise
        return "another writer changes the table; run maintain again", None
