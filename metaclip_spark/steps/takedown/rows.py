"""Remove rows of a takedown from every table, and correct counts and sums.

Delta has no commit over several tables. So the pairs to remove are first staged in the table `taken`. Every later write
depends on `taken` alone, and either happens once or may be repeated. `taken` is emptied when all writes are done. The
next takedown finishes an interrupted one, and until then no other command may write.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow.compute as pc
from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from metaclip_spark.core.hashing.key_prefix import Ranges, ranges_of
from metaclip_spark.errors import WarehouseError
from metaclip_spark.schemas import TABLES, TAKEDOWNS, TAKEN
from metaclip_spark.spark.broadcast import Broadcast
from metaclip_spark.stages.count import count
from metaclip_spark.stages.statistics import sums_of_pairs, sums_of_subset
from metaclip_spark.stages.takedown import (
    corrected_counts,
    counted,
    keys_of,
    listed_in,
    staged,
    sums_of_taken,
    taken,
    taken_in_text,
    without,
)
from metaclip_spark.steps.context import stored_pairs
from metaclip_spark.steps.run_probabilities import drawn_with
from metaclip_spark.takedown.copies import remove_file
from metaclip_spark.takedown.hashes import COUNTED, Hashes, Takedowns, from_arrow, sorted_hashes
from metaclip_spark.warehouse.runs import Run, RunLog
from metaclip_spark.warehouse.sql import within
from metaclip_spark.warehouse.tables import Warehouse, filter_equal

PAIR_TABLES = tuple(name for name, table in TABLES.items() if {"url", "pair_id"} <= set(table.names))
"""Tables that store pairs with their urls."""
KEY_TABLES = tuple(name for name, table in TABLES.items() if "pair_key" in table.names)
"""Tables that store pairs by their ids only."""
REJECT_TABLES = tuple(name for name, table in TABLES.items() if {"record", "detail"} <= set(table.names))
"""Tables that store rejects, whose text may contain urls."""
NEAR_DIGITS = 5
"""Leading hexadecimal digits of the removed ids that conditions on files name: they say little about a pair, and divide
the ids of a snapshot into more parts than it has files."""
MOST_NEAR = 500
"""Maximum number of different leading digits. So many pairs lie in nearly all files of most snapshots."""
_CHANGED = tuple(dict.fromkeys((*PAIR_TABLES, *KEY_TABLES, *REJECT_TABLES, TAKEN.name)))
"""Tables that a takedown changes."""
_OF_A_REJECT = ("metadata_id", "snapshot", "source_path", "record", "reason", "detail")


def refuse_unfinished(warehouse: Warehouse, log: RunLog) -> None:
    """Refuse to write after an interrupted takedown or drop: rows, counts and sums disagree until it is finished.

    Raises:
        WarehouseError: a takedown, or the drop of a snapshot, was interrupted.
    """
    refuse_open_drop(warehouse, log)
    refuse_open_takedown(warehouse)


def refuse_open_drop(warehouse: Warehouse, log: RunLog) -> None:
    """Refuse to write after an interrupted drop of a snapshot.

    Raises:
        WarehouseError: a drop was interrupted.
    """
    names = [str(event.snapshot) for event in log.open_drops()]
    if names:
        raise WarehouseError(
            f"the drop of snapshot {names[0]} of {warehouse.root or warehouse.catalog} was interrupted; run "
            f"`snapshots drop {names[0]}` (or the same `snapshots replace`) again to finish it, then this command."
        )


def refuse_open_takedown(warehouse: Warehouse) -> None:
    """Refuse to write after an interrupted takedown.

    Raises:
        WarehouseError: a takedown was interrupted.
    """
    if warehouse.exists(TAKEDOWNS.name) and not warehouse.read(TAKEN.name).isEmpty():
        raise WarehouseError(
            f"a takedown on {warehouse.root or warehouse.catalog} was interrupted; run the same takedown again to "
            "finish it, then this command."
        )


def refuse_takedown_since(warehouse: Warehouse, log: RunLog, run_ids: Sequence[str], made: Sequence[str] = ()) -> None:
    """Refuse what a command made of pairs while a takedown removed some of them: it can have pairs that are removed.

    A command that only reads takes no lease, and so does not keep takedowns out.

    Args:
        log: the log when the command began to read.
        run_ids: the runs whose pool or subset it has read.
        made: the files that it has written so far, which are removed.

    Raises:
        WarehouseError: a takedown has removed pairs of one of the runs since, or has begun to.
    """
    now = RunLog(warehouse)
    try:
        refuse_unfinished(warehouse, now)
        for run_id in run_ids:
            if now.was_taken_from(run_id, since=log.stage_events[-1]):
                raise WarehouseError(
                    f"a takedown removed pairs of run {run_id} while this command read them, so what it made is not "
                    "kept; run the command again."
                )
    except WarehouseError:
        for file in made:
            remove_file(file)
        raise


def find_taken(warehouse: Warehouse, takedowns: Broadcast[Takedowns], takedown_id: str) -> DataFrame:
    """Return the pairs to remove, of every table with urls, as rows of `taken`."""
    removed = warehouse.spark.createDataFrame([], TAKEN.ddl)
    for name in PAIR_TABLES:
        if warehouse.exists(name):
            rows = taken(warehouse.read(name), takedowns)
            removed = removed.unionByName(staged(rows, name, takedown_id))
    return removed


def listed_values(warehouse: Warehouse, removed: DataFrame, takedowns: Broadcast[Takedowns]) -> dict[str, Hashes]:
    """Return kind -> the listed hashes of urls and pair ids that pairs to remove have, before they are removed."""
    ranges = ranges_of_ids(removed)
    found = {kind: [sorted_hashes([])] for kind in COUNTED}
    for name in PAIR_TABLES:
        if warehouse.exists(name):
            on = _key(name)
            rows = _near(warehouse, name, ranges).join(keys_of(removed, on), on=on, how="left_semi")
            listed = listed_in(rows, takedowns).toArrow()
            for kind in COUNTED:
                found[kind].append(from_arrow(listed.filter(pc.equal(listed["kind"], kind))["hash"]))
    return {kind: sorted_hashes(hashes) for kind, hashes in found.items()}


def rejects_of(warehouse: Warehouse, name: str, takedowns: Broadcast[Takedowns]) -> DataFrame:
    """Return the rejects of a table whose text contains what was taken down."""
    return taken_in_text(warehouse.read(name), takedowns, ("record", "detail")).select(*_OF_A_REJECT).distinct()


def ranges_of_ids(removed: DataFrame) -> Ranges:
    """Return ranges of pair_id that have all removed pairs; none where they would not leave out files.

    Rows of `pairs` lie in the order of their ids, so the statistics of files answer for ranges of ids. There are no
    ranges for many pairs, and for ids of the input that are no hexadecimal digits.
    """
    leading = removed.select(F.substring("pair_id", 1, NEAR_DIGITS).alias("leading")).distinct().limit(MOST_NEAR + 1)
    digits = [row["leading"] for row in leading.collect()]
    is_hex = all(value is not None and re.fullmatch(f"[0-9a-f]{{{NEAR_DIGITS}}}", value) for value in digits)
    return ranges_of(digits) if is_hex and len(digits) <= MOST_NEAR else ()


def _near(warehouse: Warehouse, name: str, ranges: Ranges) -> DataFrame:
    """Return the rows of a table whose id is in one of some ranges; all rows where there are none, or it has no ids."""
    rows = warehouse.read(name)
    return rows.where(within("pair_id", ranges)) if ranges and "pair_id" in TABLES[name].names else rows


def count_rows(warehouse: Warehouse, removed: DataFrame, takedowns: Broadcast[Takedowns]) -> dict[str, int]:
    """Return table -> number of rows to remove; write nothing."""
    rows, ranges = {}, ranges_of_ids(removed)
    for name in (*PAIR_TABLES, *KEY_TABLES):
        if warehouse.exists(name):
            on = _key(name)
            rows[name] = _near(warehouse, name, ranges).join(keys_of(removed, on), on=on, how="left_semi").count()
    for name in REJECT_TABLES:
        rows[name] = rows.get(name, 0) + rejects_of(warehouse, name, takedowns).count()
    return rows


def remove_pairs(warehouse: Warehouse, removed: DataFrame) -> dict[str, int]:
    """Remove the pairs from every table; return table -> number of rows removed.

    Of tables in the order of `pair_id`, only files whose ids are near those of removed pairs are read. `sightings` has
    no statistics on its keys, 16 bytes per row: all of its files are read, and those with a removed key rewritten.
    """
    ranges = ranges_of_ids(removed)
    rows = {}
    for name in (*PAIR_TABLES, *KEY_TABLES):
        if warehouse.exists(name):
            near = {"pair_id": ranges} if "pair_id" in _key(name) else {}
            rows[name] = warehouse.merge(name, keys_of(removed, _key(name)), _key(name), ranges=near)
    return rows


def remove_rejects(warehouse: Warehouse, takedowns: Broadcast[Takedowns]) -> dict[str, int]:
    """Remove the rejects whose text contains what was taken down; return table -> number of rows removed."""
    rows = {}
    for name in REJECT_TABLES:
        rejects = rejects_of(warehouse, name, takedowns)
        rows[name] = 0 if rejects.isEmpty() else warehouse.merge(name, rejects, _OF_A_REJECT)
    return rows


def _key(name: str) -> list[str]:
    """Return the columns that identify a pair in a table. A pool can bring its own ids, so an id may be ambiguous."""
    columns = ("metadata_id", "pair_key") if name in KEY_TABLES else ("metadata_id", "snapshot", "pair_id")
    return [column for column in columns if column in TABLES[name].names]


def recount(warehouse: Warehouse, log: RunLog, metadata_id: str, snapshot: str) -> int:
    """Count the pool of a snapshot that was counted last again; return the number of entries whose count changed."""
    before = filter_equal(warehouse.read("entry_counts"), metadata_id=metadata_id, snapshot=snapshot)
    last = log.last("count", snapshot=snapshot, metadata_id=metadata_id)
    state = None if last is None else log.pool_state(metadata_id, snapshot, last.fingerprint)
    if state is None or before.isEmpty():
        return 0
    rows = corrected_counts(before, count(stored_pairs(warehouse, metadata_id, {snapshot: state})))
    on = ("metadata_id", "snapshot", "lang", "entry_id")
    return warehouse.merge("entry_counts", rows, on, update={"count": "s.now"}, delete="s.now = 0")


def correct_run(warehouse: Warehouse, removed: DataFrame, ranges: Ranges, run: Run, takedown_id: str) -> bool:
    """Subtract the removed pairs from the statistics of a run, once; return whether the run loses pairs.

    The t, the probabilities and the draws of the run stay. Pairs that came after the draw are not in the statistics. If
    the run balanced a part of its snapshots (survivors of a download), only the statistics of the subset can be
    corrected. The expected size and sd are corrected only where the tables still give each pair's part in them
    (`Run.knows_its_odds`).

    Args:
        ranges: `ranges_of_ids` of the removed pairs.
    """
    key = _key("curated_pairs")
    subset = filter_equal(_near(warehouse, "curated_pairs", ranges), run_id=run.run_id)
    lost = subset.join(keys_of(removed, key), on=key, how="left_semi")
    mine = filter_equal(removed.where("origin = 'pairs'"), metadata_id=run.metadata_ids[0], snapshot=run.snapshots)
    # A source that was read again may have a later batch. But a pair of the subset was in the pool at the draw.
    kept = lost.select(*key).distinct().withColumn("kept", F.lit(True))
    mine = mine.join(kept, on=key, how="left").where(F.col("batch_id").isin(run.batches) | F.col("kept"))
    if mine.isEmpty() and lost.isEmpty():
        return False
    if run.knows_its_odds and not run.is_thinned:
        sums = _sums_of_pool(warehouse, mine, run)
    else:
        sums = sums_of_subset(lost)
        sums = sums.unionByName(sums_of_pairs(mine)) if not run.is_thinned else sums
    before = filter_equal(warehouse.read("run_statistics"), run_id=run.run_id)
    warehouse.replace("run_statistics", without(before, sums), txn=f"{takedown_id}:{run.run_id}", run_id=run.run_id)
    return True


def _sums_of_pool(warehouse: Warehouse, mine: DataFrame, run: Run) -> DataFrame:
    by_entry = Broadcast.of(warehouse.spark, drawn_with(warehouse, run.run_id))
    pool = stored_pairs(warehouse, run.metadata_ids[0], run.pools)
    return sums_of_taken(counted(mine, by_entry), pool, by_entry, run.seed, run.unit, run.run_id)


def purge_files(warehouse: Warehouse, retain_hours: float) -> None:
    """Remove the files that still hold removed rows, of every table that a takedown changes."""
    for name in _CHANGED:
        if warehouse.exists(name):
            warehouse.purge(name)
            warehouse.vacuum(name, retain_hours)


def check_purge(warehouse: Warehouse) -> None:
    """Check that `purge_files` can do its work, before the first write of a takedown.

    Raises:
        WarehouseError: the engine cannot remove rows from the files of a table.
    """
    for name in _CHANGED:
        if warehouse.exists(name):
            warehouse.check_purge(name)


@dataclass
class TakenOfPool:
    """The pairs that a takedown removes from the pool of a snapshot, by number.

    Attributes:
        pairs: batch -> number of pairs; of staging, by the batch of extraction, which a deduplication names.
        seen: number of sightings, and of pairs of staging.
    """

    metadata_id: str
    snapshot: str
    pairs: dict[str, int] = field(default_factory=dict)
    seen: int = 0


def taken_of_pools(warehouse: Warehouse, removed: DataFrame) -> list[TakenOfPool]:
    """Count the staged pairs of each pool, before they are removed; return the pools by list and snapshot."""
    pools: dict[tuple[str, str], TakenOfPool] = {}

    def pool_of(row: Row) -> TakenOfPool:
        key = row["metadata_id"], row["snapshot"]
        return pools.setdefault(key, TakenOfPool(*key))

    by_pool = ["metadata_id", "snapshot"]
    of_pools = removed.where("origin IN ('pairs', 'extracted')")
    for row in of_pools.groupBy(*by_pool, "origin", "batch_id").agg(F.count("*").alias("n")).collect():
        pool = pool_of(row)
        pool.pairs[row["batch_id"]] = pool.pairs.get(row["batch_id"], 0) + row["n"]
        pool.seen += row["n"] if row["origin"] == "extracted" else 0
    if warehouse.exists("sightings"):
        on = _key("sightings")
        seen = warehouse.read("sightings").join(keys_of(removed, on), on=on, how="left_semi")
        for row in seen.groupBy(*by_pool).agg(F.count("*").alias("n")).collect():
            pool_of(row).seen += row["n"]
    return [pools[key] for key in sorted(pools)]
