"""The upgrade step: bring the tables of an earlier release to the format of this one.

The step is a list of smaller ones. Each looks at the tables for what is left to do, and does it in commits that may be
repeated, so an interrupted upgrade goes on where it stopped. The format is stored last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from metaclip_spark.core.wording import counted
from metaclip_spark.errors import WarehouseError
from metaclip_spark.schemas import CURRENT_RUN, EXTRACTED, FORMAT, OUTCOMES, TABLES, TAKEN
from metaclip_spark.spark.arrow_udf import column_function, computed_once, settled
from metaclip_spark.spark.broadcast import Broadcast
from metaclip_spark.terminal.progress import Reporter
from metaclip_spark.warehouse.current import name_current_run
from metaclip_spark.warehouse.events import DONE
from metaclip_spark.warehouse.format import FIRST, set_format, stored_format
from metaclip_spark.warehouse.runs import RunLog
from metaclip_spark.warehouse.sql import declared_properties
from metaclip_spark.warehouse.tables import Warehouse, filter_equal

_BETWEEN = "\x00"
"""Separates the parts of a key. No name and no path has it."""


@dataclass(frozen=True)
class Task:
    """A commit or a few that an upgrade makes.

    Attributes:
        what: a sentence without its end, for the user.
        work: makes the commits; it may be repeated.
    """

    what: str
    work: Callable[[], None]


@dataclass(frozen=True)
class Step:
    """A part of an upgrade.

    Attributes:
        to: the format that needs it.
        tasks: returns what is left to do; nothing where all is done.
    """

    to: int
    tasks: Callable[[Warehouse, RunLog], list[Task]]


def upgrade_step(warehouse: Warehouse, reporter: Reporter, dry_run: bool) -> list[str]:
    """Bring a warehouse to the format of this release; return what was done, or would be done, as sentences.

    Args:
        dry_run: look, and change nothing.

    Raises:
        WarehouseError: the warehouse has no runs, or a takedown was interrupted.
    """
    found = stored_format(warehouse)
    if found is None:
        raise WarehouseError(f"{warehouse.root or warehouse.catalog} holds no run; expected tables made by run.")
    if found < FORMAT and warehouse.rows(TAKEN.name, ["takedown_id"]).num_rows:
        raise WarehouseError(
            "a takedown was interrupted. Run the same takedown again with the release that began it, then upgrade."
        )
    done = []
    for step in STEPS:
        if step.to <= found:
            continue
        for task in step.tasks(warehouse, RunLog(warehouse)):
            done.append(task.what)
            if not dry_run:
                reporter.say(f"upgrade: {task.what} ...")
                task.work()
    if found < FORMAT:
        done.append(f"store format {FORMAT} (it was {found})")
        if not dry_run:
            set_format(warehouse, FORMAT)
    return done


def _tables(warehouse: Warehouse) -> list[str]:
    return [name for name in TABLES if warehouse.exists(name)]


def _lacks(warehouse: Warehouse, name: str) -> list[str]:
    """Return the columns that a table of an earlier release lacks."""
    there = warehouse.columns(name)
    return [column for column in TABLES[name].names if column not in there]


def _add_columns(warehouse: Warehouse, log: RunLog) -> list[Task]:
    """Add the columns that tables lack. Their values are null until a later step fills them."""
    missing = {name: columns for name in _tables(warehouse) if (columns := _lacks(warehouse, name))}
    return [
        Task(f"add {', '.join(columns)} to {name}", partial(warehouse.add_columns, name, columns))
        for name, columns in missing.items()
    ]


def _set_properties(warehouse: Warehouse, log: RunLog) -> list[Task]:
    """Set the properties that this release creates tables with."""
    tasks = []
    for name in _tables(warehouse):
        there = warehouse.properties(name) or {}
        wanted = {key: value for key, value in declared_properties(TABLES[name]).items() if there.get(key) != value}
        wanted = {key: value for key, value in wanted.items() if not key.startswith("metaclip.")}
        if wanted:

            def work(name: str = name, wanted: Mapping[str, str] = wanted) -> None:
                for key, value in wanted.items():
                    warehouse.set_property(name, key, value)

            tasks.append(Task(f"set {', '.join(wanted)} of {name}", work))
    return tasks


def _fill_batches(warehouse: Warehouse, log: RunLog) -> list[Task]:
    """Fill `pairs.batch_id`, one commit per list and snapshot, in the order of the rows."""
    tasks = []
    for metadata_id, snapshot in _without_batch(warehouse, "pairs", "metadata_id", "snapshot"):

        def work(metadata_id: str = metadata_id, snapshot: str = snapshot) -> None:
            pool = {"metadata_id": metadata_id, "snapshot": snapshot}
            rows = _with_batches(warehouse, log, filter_equal(warehouse.read("pairs"), **pool), [pool])
            warehouse.replace("pairs", rows, metadata_id=metadata_id, snapshot=snapshot)

        tasks.append(Task(f"fill batch_id of pairs: snapshot {snapshot}, list {metadata_id[:16]}", work))
    return tasks


def _fill_subsets(warehouse: Warehouse, log: RunLog) -> list[Task]:
    """Fill `curated_pairs.batch_id`, one commit per run."""
    tasks = []
    for (run_id,) in _without_batch(warehouse, "curated_pairs", "run_id"):

        def work(run_id: str = run_id) -> None:
            rows = filter_equal(warehouse.read("curated_pairs"), run_id=run_id)
            names = rows.select("metadata_id", "snapshot").distinct().collect()
            pools = [row.asDict() for row in names]
            warehouse.replace("curated_pairs", _with_batches(warehouse, log, rows, pools), run_id=run_id)

        tasks.append(Task(f"fill batch_id of curated_pairs: run {run_id}", work))
    return tasks


def _empty_keys(warehouse: Warehouse, log: RunLog) -> list[Task]:
    """Empty `pair_keys`: deduplication reads the keys of `pairs`."""
    if warehouse.is_empty("pair_keys"):
        return []

    def work() -> None:
        warehouse.delete("pair_keys")
        warehouse.remove_files("pair_keys")

    return [Task("empty pair_keys, which nothing reads any more", work)]


def _name_current(warehouse: Warehouse, log: RunLog) -> list[Task]:
    """Name the run that was drawn last in `current_run`."""
    if warehouse.exists(CURRENT_RUN.name) or not log.draws():
        return []
    return [Task("name the run that was drawn last in current_run", partial(name_current_run, warehouse, log))]


def _create_outcomes(warehouse: Warehouse, log: RunLog) -> list[Task]:
    """Create `outcomes`. The next command that writes fills it, if something is staged."""
    if not warehouse.exists(EXTRACTED.name) or warehouse.exists(OUTCOMES.name):
        return []
    return [Task("create outcomes", partial(warehouse.ensure, OUTCOMES.name))]


STEPS = (
    Step(FORMAT, _add_columns),
    Step(FORMAT, _set_properties),
    Step(3, _create_outcomes),
    Step(2, _fill_batches),
    Step(2, _fill_subsets),
    Step(2, _empty_keys),
    Step(2, _name_current),
)
"""The steps from the first format to this release's, in order. A new column needs a new format, and no step of its own
unless it is to be filled."""


def _without_batch(warehouse: Warehouse, name: str, *columns: str) -> list[tuple[str, ...]]:
    """Return the partitions of a table that have rows without a batch, in order."""
    if not warehouse.exists(name):
        return []
    rows = warehouse.read(name)
    if "batch_id" in rows.columns:  # a dry run has not added it
        rows = rows.where(F.col("batch_id").isNull())
    return sorted(tuple(row) for row in rows.select(*columns).distinct().collect())


def _with_batches(
    warehouse: Warehouse, log: RunLog, rows: DataFrame, pools: list[Mapping[str, str]] | list[dict[str, str]]
) -> DataFrame:
    """Return pairs with the column `batch_id`: the deduplication that closed their source, or their matching.

    A source that was read again (--retry) counts with its last deduplication. A source that is read and not closed has
    the deduplication that was interrupted.
    """
    by_source: dict[str, str] = {}
    others: dict[str, str] = {}
    for pool in pools:
        prefix = _BETWEEN.join((pool["metadata_id"], pool["snapshot"], ""))
        sources, rest = _batches_of_sources(warehouse, log, pool["metadata_id"], pool["snapshot"])
        by_source |= {prefix + path: batch for path, batch in sources.items()}
        if rest is not None:
            others[prefix] = rest
    keys = pa.array(list(by_source), pa.string()), pa.array(list(by_source.values()), pa.string())
    rest_of = pa.array(list(others), pa.string()), pa.array(list(others.values()), pa.string())
    known = Broadcast.of(warehouse.spark, (*keys, *rest_of))

    def batches(pools: pa.Array, paths: pa.Array) -> pa.Array:
        sources, of_sources, rest, of_rest = known.value
        pools, paths = pools.cast(pa.string()), paths.cast(pa.string())
        found = of_sources.take(pc.index_in(pc.binary_join_element_wise(pools, paths, ""), sources))
        return pc.coalesce(found, of_rest.take(pc.index_in(pools, rest)))

    function = computed_once(column_function(batches, "string", pa.string(), pa.string()))
    of_pool = F.concat(F.col("metadata_id"), F.lit(_BETWEEN), F.col("snapshot"), F.lit(_BETWEEN))
    known_before = F.col("batch_id") if "batch_id" in rows.columns else F.lit(None).cast("string")
    return settled(rows.withColumn("batch_id", F.coalesce(known_before, function(of_pool, F.col("source_path")))))


def _batches_of_sources(
    warehouse: Warehouse, log: RunLog, metadata_id: str, snapshot: str
) -> tuple[dict[str, str], str | None]:
    """Return source_path -> batch, and the batch of pairs whose source is not there."""
    pool = {"metadata_id": metadata_id, "snapshot": snapshot}
    sources = warehouse.rows("sources", ["source_path", "batch_id"], **pool)
    batches = dict(zip(sources["source_path"].to_pylist(), sources["batch_id"].to_pylist(), strict=True))
    of_pool = [
        event
        for event in log.stage_events
        if event.stage in ("dedup", "match") and event.snapshot == snapshot and metadata_id in event.metadata_ids
    ]
    dedups, matches = ([event for event in of_pool if event.stage == stage] for stage in ("dedup", "match"))
    if dedups and dedups[-1].event != DONE and warehouse.exists("extracted"):
        staged = filter_equal(warehouse.read("extracted"), **pool, kind="source").select("source_path").distinct()
        for row in staged.collect():
            batches.setdefault(row["source_path"], dedups[-1].fingerprint)
    done = [event for event in dedups if event.event == DONE]
    last = (done or matches or dedups)[-1:]
    return batches, last[0].fingerprint if last else None


def upgraded(found: int | None, done: list[str], dry_run: bool) -> str:
    """Return the last sentence of an upgrade."""
    if not done:
        return f"nothing to do: the warehouse has format {found}."
    verb = "would be made" if dry_run else "made"
    return f"{counted(len(done), 'change')} {verb}; format {found or FIRST} -> {FORMAT}."
