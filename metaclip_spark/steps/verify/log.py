"""Check that the log of runs, the batches and the contents of the tables agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pyspark.sql import functions as F

from metaclip_spark.core.wording import counted
from metaclip_spark.schemas import CURRENT_RUN, TABLES
from metaclip_spark.steps.verify.inspection import Check, Inspection
from metaclip_spark.warehouse.current import SUBSET
from metaclip_spark.warehouse.events import DONE, STARTED, StageEvent
from metaclip_spark.warehouse.pools import DROP, OF_POOL
from metaclip_spark.warehouse.runs import OF_A_RUN, TAKEN_DOWN, TAKEN_FROM_POOL


def log_and_tables(look: Inspection, check: Check) -> None:
    """Compare the events of the log with the rows of the tables."""
    check.count(len(look.log.events), "event")
    _open(look, check)
    _versions(look, check)
    _batches(look, check)
    _pools(look, check)
    _subsets(look, check)
    _current(look, check)


def _open(look: Inspection, check: Check) -> None:
    """Look for stages that were begun and are not done: the same command finishes them."""
    for event in look.log.open_drops():
        check.add("runs", f"drop of snapshot {event.snapshot}", "an end", "its start; run the same command again")
    last: dict[tuple[str, str, str], StageEvent] = {}
    for event in look.log.stage_events:
        if event.stage == DROP:
            last = {key: each for key, each in last.items() if key[2] != event.snapshot}
        if event.stage in OF_POOL and event.snapshot is not None:
            last[event.stage, event.metadata_ids[0], event.snapshot] = event
        if event.stage == "balance":
            last["balance", event.run_id, ""] = event
    for (stage, _, snapshot), event in last.items():
        if event.event == STARTED:
            of = f"{stage} of snapshot {snapshot}" if snapshot else f"{stage} of run {event.run_id}"
            check.add("runs", of, "an end", "its start; run the same command again")


def _versions(look: Inspection, check: Check) -> None:
    """Look for events that name a later version of a table than it has: an earlier one was restored."""
    latest: Counter[str] = Counter()
    for event in look.log.stage_events:
        for name, version in event.versions.items():
            latest[name] = max(latest[name], version)
    for name, version in sorted(latest.items()):
        if name in TABLES and version > look.versions.get(name, -1):
            got = f"version {look.versions[name]}" if name in look.versions else "no table"
            check.add("runs.versions", name, f"version {version} or later", got)


def _batches(look: Inspection, check: Check) -> None:
    """Compare the batches of `pairs` with those of the log, and their numbers of rows."""
    if not look.has(check, "pairs", "metadata_id", "snapshot", "batch_id"):
        return
    rows = look.read("pairs").groupBy("metadata_id", "snapshot", "batch_id").agg(F.count("*").alias("n")).collect()
    stored = {(row["metadata_id"], row["snapshot"], row["batch_id"]): row["n"] for row in rows}
    known = {(*key, batch) for key, state in look.pools.items() for batch in state.batches}
    begun = {event.fingerprint for event in look.log.stage_events if event.stage in OF_POOL}
    check.count(len(known), "batch", "batches")
    for metadata_id, snapshot, batch in sorted(stored.keys() - known, key=str):
        if batch not in begun:  # what is begun and not done was named before
            number = stored[metadata_id, snapshot, batch]
            check.add("pairs.batch_id", f"{batch} of snapshot {snapshot}", "a batch of the log", counted(number, "row"))
    at_most = _lacks_takedowns(look)
    if at_most:
        check.skip(
            "that batches have all of their rows: a takedown of an earlier release did not count what it removed"
        )
    for key, wanted in _rows_of_batches(look, check, known).items():
        if stored.get(key, 0) > wanted or (stored.get(key, 0) < wanted and not at_most):
            name = f"batch {key[2]} of snapshot {key[1]}"
            check.add("pairs", name, f"{counted(wanted, 'row')}, as the log says", counted(stored.get(key, 0), "row"))
        check.count(stored.get(key, 0), "pair")


def _lacks_takedowns(look: Inspection) -> bool:
    """Return whether the log does not tell how many pairs of each batch takedowns removed."""
    events = look.log.stage_events
    by_version = any(not isinstance(b, str) for e in events if e.stage == TAKEN_FROM_POOL for b, _ in e.detail["pairs"])
    return by_version or any(event.stage == TAKEN_DOWN and "pools" not in event.detail for event in events)


def _rows_of_batches(
    look: Inspection, check: Check, known: Iterable[tuple[str, str, str]]
) -> dict[tuple[str, str, str], int]:
    """Return the number of rows that each batch has by the log: what it added, without what takedowns removed."""
    added = {
        (event.metadata_ids[0], event.snapshot, event.fingerprint): event
        for event in look.log.stage_events
        if event.stage in OF_POOL and event.event == DONE and event.snapshot is not None
    }
    taken: Counter[tuple[str, str | None, str]] = Counter()
    known_takedowns: set[tuple[str, str, str | None]] = set()
    for event in look.log.stage_events:
        key = (event.fingerprint, event.metadata_ids[0] if event.metadata_ids else "", event.snapshot)
        if event.stage != TAKEN_FROM_POOL or key in known_takedowns:
            continue  # an interrupted takedown logs its numbers again, after some pairs are gone
        known_takedowns.add(key)
        for batch, number in event.detail["pairs"]:
            taken[key[1], event.snapshot, str(batch)] += number
    found = {}
    for key in sorted(known):
        event = added[key]
        if look.deleted_rows(key[1]):
            check.skip(f"rows of the batches of {key[1]}: sources were read again with --no-dedup")
        elif event.rows is None or "batches" not in event.detail:
            check.skip(f"rows of batch {key[2]} of {key[1]}: an earlier release logged them in another way")
        else:
            found[key] = event.rows - taken[key]
    return found


def _pools(look: Inspection, check: Check) -> None:
    """Look for rows of pools that the log does not know."""
    begun = {(event.metadata_ids[0], event.snapshot) for event in look.log.stage_events if event.stage in OF_POOL}
    for name in ("sightings", "sources"):
        if not look.has(check, name, "metadata_id", "snapshot"):
            continue
        found = look.read(name).select("metadata_id", "snapshot").distinct().collect()
        for metadata_id, snapshot in sorted((row["metadata_id"], row["snapshot"]) for row in found):
            if (metadata_id, snapshot) not in look.pools.keys() | begun:
                check.add(name, f"snapshot {snapshot}, list {metadata_id[:16]}", "a pool of the log", "rows")
    if look.has(check, "sources", "batch_id"):
        known = {batch for state in look.pools.values() for batch in state.batches}
        done = {e.fingerprint for e in look.log.stage_events if e.stage == "dedup"}
        rows = look.read("sources").groupBy("batch_id").agg(F.count("*").alias("n")).collect()
        for row in sorted(rows, key=str):
            if row["batch_id"] not in known | done:
                check.add(
                    "sources.batch_id", row["batch_id"], "a deduplication of the log", counted(row["n"], "source")
                )


def _subsets(look: Inspection, check: Check) -> None:
    """Compare the sizes of subsets with the log and with the sums of the run, and look for subsets without a run."""
    all_runs = {run.run_id: run for run in look.log.runs()}
    for name in OF_A_RUN[:-1]:
        if not look.has(check, name, "run_id"):
            continue
        found = look.read(name).groupBy("run_id").agg(F.count("*").alias("n")).collect()
        sizes = {row["run_id"]: row["n"] for row in found}
        for run_id, number in sorted(sizes.items()):
            run = all_runs.get(run_id)
            if run is None or not run.has_subset:
                got = counted(number, "row")
                if run is not None:
                    got += f" of a run that is {run.outcome}; run the same command again"
                check.add(name, f"run {run_id}", "a run with a subset in the log", got)
        for run in look.runs if name == "curated_pairs" else ():
            check.count(1, "subset")
            if sizes.get(run.run_id, 0) != run.kept:
                check.add(name, f"run {run.run_id}", f"{run.kept} pairs, as the log says", sizes.get(run.run_id, 0))
    if look.has(check, "run_statistics", "run_id", "name", "value"):
        for run in look.runs:
            rows = look.rows("run_statistics", ["value"], run_id=run.run_id, name="curated")["value"].to_pylist()
            if rows[:1] != [run.kept]:
                check.add("run_statistics", f"curated of run {run.run_id}", run.kept, rows[0] if rows else None)


def _current(look: Inspection, check: Check) -> None:
    """Check that `current_run` names the run that was drawn last."""
    if not look.exists(CURRENT_RUN.name):
        return
    wanted = next(reversed(look.log.draws()), None)
    named = look.rows(CURRENT_RUN.name, ["run_id"], subset=SUBSET)["run_id"].to_pylist()
    if named != ([] if wanted is None else [wanted]):
        check.add(CURRENT_RUN.name, SUBSET, wanted, ", ".join(named) or None)
