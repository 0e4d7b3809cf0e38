"""Take rows down, everywhere.

Delta has no commit over several tables. So what goes is first written down (`taken`), and every step after that is a
function of it that is made once or may be made again; only when all are done is it emptied. A takedown that was cut
short is finished by the next one, and until then nothing else may write.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from metaclip_spark.errors import WarehouseError
from metaclip_spark.schemas import TABLES, TAKEDOWNS, TAKEN
from metaclip_spark.spark.broadcast import Broadcast
from metaclip_spark.stages.count import count
from metaclip_spark.stages.statistics import sums_of_pairs, sums_of_subset
from metaclip_spark.stages.takedown import (
    corrected_counts,
    counted,
    keys_of,
    staged,
    sums_of_taken,
    taken,
    taken_in_words,
    without,
)
from metaclip_spark.steps.run_probabilities import drawn_with
from metaclip_spark.warehouse.events import DONE, StageEvent
from metaclip_spark.warehouse.runs import Run
from metaclip_spark.warehouse.tables import Warehouse, filter_equal

PAIR_TABLES = tuple(name for name, table in TABLES.items() if {"url", "pair_id"} <= set(table.names))
"""Tables in which pairs stand with their urls."""
KEY_TABLES = tuple(name for name, table in TABLES.items() if "pair_key" in table.names)
"""Tables in which they stand by their ids alone."""
REJECT_TABLES = tuple(name for name, table in TABLES.items() if {"record", "detail"} <= set(table.names))
"""Tables with rejects, which show urls in words."""
_OF_A_REJECT = ("metadata_id", "snapshot", "source_path", "record", "reason", "detail")


def refuse_unfinished(warehouse: Warehouse) -> None:
    """Refuse to write where a takedown was cut short: rows, counts and sums differ until it is done.

    Raises:
        WarehouseError: there is one.
    """
    if warehouse.exists(TAKEDOWNS.name) and not warehouse.read(TAKEN.name).isEmpty():
        raise WarehouseError(
            f"a takedown on {warehouse.root or warehouse.catalog} was cut short; run the same takedown again to "
            "finish it, then this."
        )


def find_taken(warehouse: Warehouse, takedowns: Broadcast, takedown_id: str, events: Sequence[StageEvent]) -> DataFrame:
    """Return the pairs that go, of every table that shows urls, as rows of `taken`."""
    found = []
    for name in PAIR_TABLES:
        if warehouse.exists(name):
            rows = taken(warehouse.read(name), takedowns)
            arrived = None
            if name == "pairs":
                rows, arrived = _with_arrival(warehouse, rows, events), F.col("arrived")
            found.append(staged(rows, name, takedown_id, arrived))
    none = warehouse.spark.createDataFrame([], TAKEN.ddl)
    for rows in found:
        none = none.unionByName(rows)
    return none


def _with_arrival(warehouse: Warehouse, pairs: DataFrame, events: Sequence[StageEvent]) -> DataFrame:
    """Add the version of `pairs` that first held each pair: that of the deduplication or matching that brought it."""
    done = [event for event in events if event.event == DONE and "pairs" in event.versions]
    batches = [(e.fingerprint, e.versions["pairs"]) for e in done if e.stage == "dedup"]
    matched = {(e.metadata_ids[0], e.snapshot): e.versions["pairs"] for e in done if e.stage == "match"}
    by_batch = warehouse.spark.createDataFrame(batches, "batch_id string, of_source bigint")
    of_match = [(*key, version) for key, version in matched.items()]
    by_match = warehouse.spark.createDataFrame(of_match, "metadata_id string, snapshot string, of_match bigint")
    source = ["metadata_id", "snapshot", "source_path"]
    sources = warehouse.read("sources").join(by_batch, on="batch_id")
    sources = sources.groupBy(*source).agg(F.max("of_source").alias("of_source"))
    arrived = F.coalesce("of_source", "of_match", F.lit(0))
    joined = pairs.join(sources, on=source, how="left").join(by_match, on=source[:2], how="left")
    return joined.withColumn("arrived", arrived)


def rejects_of(warehouse: Warehouse, name: str, takedowns: Broadcast) -> DataFrame:
    """Return the rejects of a table that show what was taken down."""
    return taken_in_words(warehouse.read(name), takedowns, ("record", "detail")).select(*_OF_A_REJECT).distinct()


def count_rows(warehouse: Warehouse, gone: DataFrame, takedowns: Broadcast) -> dict[str, int]:
    """Return table -> rows that would go; changes nothing."""
    rows = {}
    for name in (*PAIR_TABLES, *KEY_TABLES):
        if warehouse.exists(name):
            on = _key(name)
            rows[name] = warehouse.read(name).join(keys_of(gone, on), on=on, how="left_semi").count()
    for name in REJECT_TABLES:
        rows[name] = rows.get(name, 0) + rejects_of(warehouse, name, takedowns).count()
    return rows


def remove_pairs(warehouse: Warehouse, gone: DataFrame) -> dict[str, int]:
    """Remove the pairs from every table; return table -> rows removed."""
    return {
        name: warehouse.merge(name, keys_of(gone, _key(name)), _key(name))
        for name in (*PAIR_TABLES, *KEY_TABLES)
        if warehouse.exists(name)
    }


def remove_rejects(warehouse: Warehouse, takedowns: Broadcast) -> dict[str, int]:
    """Remove the rejects that show what was taken down; return table -> rows removed."""
    rows = {}
    for name in REJECT_TABLES:
        found = rejects_of(warehouse, name, takedowns)
        rows[name] = 0 if found.isEmpty() else warehouse.merge(name, found, _OF_A_REJECT)
    return rows


def _key(name: str) -> list[str]:
    """Return the columns that a table's pairs are known by; an id alone may be a pool's own, and not the only one."""
    columns = ("metadata_id", "pair_key") if name in KEY_TABLES else ("metadata_id", "snapshot", "pair_id")
    return [column for column in columns if column in TABLES[name].names]


def recount(warehouse: Warehouse, metadata_id: str, snapshot: str) -> int:
    """Count a snapshot's pool again; return how many entries have another count now."""
    of = {"metadata_id": metadata_id, "snapshot": snapshot}
    before = filter_equal(warehouse.read("entry_counts"), **of)
    if before.isEmpty():
        return 0
    rows = corrected_counts(before, count(filter_equal(warehouse.read("pairs"), **of)))
    on = ("metadata_id", "snapshot", "lang", "entry_id")
    then = "WHEN MATCHED AND s.now = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET t.count = s.now"
    return warehouse.merge("entry_counts", rows, on, then)


def correct_run(warehouse: Warehouse, gone: DataFrame, run: Run, takedown_id: str) -> bool:
    """Take what goes out of the sums of a run, once; return whether it loses anything.

    Its t, its probabilities and its draws stay. Pairs that came after the run was drawn are not among its sums. Where
    the pool was a part of the snapshots (survivors of a download), only the sums of the subset can be corrected; where
    the odds are not known, sizes to expect stay those of the draw.
    """
    key = _key("curated_pairs")
    subset = filter_equal(warehouse.read("curated_pairs"), run_id=run.run_id)
    lost = subset.join(keys_of(gone, key), on=key, how="left_semi")
    mine = filter_equal(gone.where("origin = 'pairs'"), metadata_id=run.metadata_ids[0], snapshot=run.snapshots)
    # A source that was read again since has arrived anew; what is in the subset was in the pool all the same.
    kept = lost.select(*key).distinct().withColumn("kept", F.lit(True))
    mine = mine.join(kept, on=key, how="left").where((F.col("arrived") <= run.versions["pairs"]) | F.col("kept"))
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
    version = warehouse.readable_version("pairs", run.versions["pairs"])
    pool = filter_equal(warehouse.read("pairs", version), metadata_id=run.metadata_ids[0], snapshot=run.snapshots)
    return sums_of_taken(counted(mine, by_entry), pool, by_entry, run.seed, run.unit, run.run_id)


def purge_files(warehouse: Warehouse, retain_hours: float) -> None:
    """Remove the files that hold what was removed, of every table that ever held it."""
    for name in dict.fromkeys((*PAIR_TABLES, *KEY_TABLES, *REJECT_TABLES, TAKEN.name)):
        if warehouse.exists(name):
            warehouse.purge(name)
            warehouse.vacuum(name, retain_hours)


def snapshots_of(gone: DataFrame) -> Iterable[tuple[str, str]]:
    """Return (metadata_id, snapshot) of the pools that lose pairs."""
    rows = gone.where("origin = 'pairs'").select("metadata_id", "snapshot").distinct().collect()
    return sorted((row["metadata_id"], row["snapshot"]) for row in rows)
