"""Check counts and probabilities: entry_counts against a recount, and each run's counts, t and probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from metaclip_spark.config.settings import Settings
from metaclip_spark.core.entry_lists import by_entry
from metaclip_spark.core.sampling import TAIL_FRACTION, entry_probability, threshold_for_tail_fraction
from metaclip_spark.core.worldwide.sections import Sections
from metaclip_spark.core.worldwide.thresholds import LanguageThresholds, choose
from metaclip_spark.counts.given import digest_of_counts
from metaclip_spark.stages.count import count
from metaclip_spark.steps.context import NO_LIST, Context
from metaclip_spark.steps.verify.inspection import Check, Inspection
from metaclip_spark.warehouse.events import DONE
from metaclip_spark.warehouse.pools import PoolState
from metaclip_spark.warehouse.runs import Run

Counts = npt.NDArray[np.int64]


def counts_of_pools(look: Inspection, check: Check) -> None:
    """Count every pool that was counted again, and compare with `entry_counts`."""
    if not (look.has(check, "pairs", "metadata_id", "snapshot", "batch_id", "entry_ids")):
        return
    there = set()
    if look.exists("entry_counts"):
        found = look.read("entry_counts").select("metadata_id", "snapshot").distinct().collect()
        there = {(row["metadata_id"], row["snapshot"]) for row in found}
    for metadata_id, snapshot in sorted(there - look.pools.keys()):
        check.add("entry_counts", f"{snapshot} {metadata_id[:16]}", "no counts: the pool is not there", "counts")
    for (metadata_id, snapshot), state in sorted(look.pools.items()):
        if metadata_id == NO_LIST:
            continue
        last = look.log.last("count", snapshot=snapshot, metadata_id=metadata_id)
        if last is None or last.event != DONE:
            check.skip(f"snapshot {snapshot}, list {metadata_id[:16]}: it is not counted yet")
            continue
        counted = look.log.pool_state(metadata_id, snapshot, last.fingerprint)
        if counted is None:
            check.add("runs", snapshot, "counts of a pool in the log", f"counts of {last.fingerprint}")
            continue
        if counted != state:
            check.skip(f"snapshot {snapshot}: the pairs that came after its last count; run `count`")
        _compare(look, check, metadata_id, snapshot, counted)


def _compare(look: Inspection, check: Check, metadata_id: str, snapshot: str, state: PoolState) -> None:
    pairs = look.pairs(metadata_id, {snapshot: state})
    stored = look.rows(
        "entry_counts", ["entry_id", "entry", "lang", "count"], metadata_id=metadata_id, snapshot=snapshot
    )
    check.count(pairs.count(), "pair")
    now = _by_entry(count(pairs).toArrow())
    before = _by_entry(stored)
    _compare_arrays(check, "entry_counts.count", snapshot, now, before)
    check.count(len(np.union1d(np.flatnonzero(now), np.flatnonzero(before))), "entry", "entries")
    ctx = look.context_of(metadata_id, check)
    if ctx is not None:
        _compare_entries(check, "entry_counts", snapshot, ctx, stored)


def _by_entry(rows: pa.Table) -> Counts:
    """Return counts by entry id; of an entry that is there twice, which `unique` finds, the first count."""
    ids, first = np.unique(rows["entry_id"].to_numpy(), return_index=True)
    return by_entry(ids, rows["count"].to_numpy()[first], 0)


def _compare_arrays(
    check: Check, field: str, of: str, wanted: Counts, got: Counts, *, may_be_higher: bool = False
) -> None:
    size = max(len(wanted), len(got))
    wanted, got = (np.pad(one, (0, size - len(one))) for one in (wanted, got))
    at_least = "at least " if may_be_higher else ""
    for at in np.flatnonzero(wanted > got if may_be_higher else wanted != got).tolist():
        check.add(field, f"entry {at} of {of}", f"{at_least}{wanted[at]}", int(got[at]))


def _compare_entries(check: Check, table: str, of: str, ctx: Context, rows: pa.Table) -> None:
    """Compare the entries and languages of counted entries with those of the list."""
    rows = rows.sort_by("entry_id")
    ids = rows["entry_id"].to_numpy()
    known = ids < len(ctx.metadata.entries)
    for at in ids[~known].tolist():
        check.add(f"{table}.entry_id", f"entry {at} of {of}", f"one of {len(ctx.metadata.entries)} entries", at)
    rows, ids = rows.filter(pa.array(known)), ids[known]
    names = {"entry": ctx.metadata.entries_of(ids), "lang": pa.array(ctx.metadata.sections.names_of(ids), pa.string())}
    for name, wanted in names.items():
        stored = rows[name].combine_chunks()
        wrong = pc.fill_null(pc.not_equal(wanted, stored), True).to_numpy(zero_copy_only=False)
        for row in np.flatnonzero(wrong).tolist():
            check.add(f"{table}.{name}", f"entry {ids[row]} of {of}", wanted[row].as_py(), stored[row].as_py())


def probabilities_of_runs(look: Inspection, check: Check) -> None:
    """Compute the counts, the t and the probabilities of every run with a subset again."""
    if not look.has(check, "entry_probabilities"):
        return
    recounted = _Recounts(look)
    for run in look.runs:
        rows = look.rows(
            "entry_probabilities",
            ["entry_id", "entry", "lang", "count", "threshold", "probability"],
            run_id=run.run_id,
        )
        check.count(rows.num_rows, "entry", "entries")
        check.count(1, "run")
        _compare_probabilities(check, run, rows)
        _compare_thresholds(look, check, run, rows)
        _compare_counts(look, check, run, rows, recounted)
        ctx = look.context_of(run.metadata_ids[0], check)
        if ctx is not None:
            _compare_entries(check, "entry_probabilities", f"run {run.run_id}", ctx, rows)


def _compare_probabilities(check: Check, run: Run, rows: pa.Table) -> None:
    counts, t, stored = (rows[name].to_numpy() for name in ("count", "threshold", "probability"))
    wanted = entry_probability(counts, np.maximum(t, 1))
    for at in np.flatnonzero(wanted != stored).tolist():
        name = f"entry {rows['entry_id'][at]} of run {run.run_id}"
        check.add("entry_probabilities.probability", name, float(wanted[at]), float(stored[at]))


def _compare_thresholds(look: Inspection, check: Check, run: Run, rows: pa.Table) -> None:
    """Compare t with the log, and the log's t with what the settings choose from the counts."""
    detail = look.draw_of(run).detail
    of_lists: Mapping[str, int] = detail.get("thresholds") or {}
    for at, lang, t in zip(*(rows[name].to_pylist() for name in ("entry_id", "lang", "threshold")), strict=True):
        wanted = of_lists.get(lang) if of_lists else int(detail["threshold"])
        if t != wanted:
            check.add("entry_probabilities.threshold", f"entry {at} of run {run.run_id}", wanted, t)
    wanted_t = _chosen(look, check, run, rows)
    logged = dict(of_lists) or {"und": int(detail["threshold"])}
    for name, t in (wanted_t or {}).items():
        if logged.get(name) != t:
            check.add("runs.threshold", f"{name} of run {run.run_id}", t, logged.get(name))


def _chosen(look: Inspection, check: Check, run: Run, rows: pa.Table) -> dict[str, int] | None:
    """Return language -> t as the settings of a run choose it from its counts; None where that is not known."""
    config = _settings_of(run.config)
    if config.target_size is not None:
        check.skip(f"run {run.run_id}: that t is the smallest one for --target-size {config.target_size}")
        return None
    is_one = not look.draw_of(run).detail.get("thresholds")
    if is_one and config.threshold is not None:
        return {"und": config.threshold}
    ctx = look.context_of(run.metadata_ids[0], check)
    if ctx is None:
        return None
    size = len(ctx.metadata.entries)
    ids = rows["entry_id"].to_numpy()
    if int(ids.max(initial=-1)) >= size:
        return None  # another difference says so
    counts = by_entry(ids, rows["count"].to_numpy(), 0, size)
    if is_one:
        return {"und": threshold_for_tail_fraction(counts, config.chosen_tail_fraction or TAIL_FRACTION)}
    sections: Sections = ctx.metadata.sections
    chosen: LanguageThresholds = choose(
        counts, sections, config.threshold, config.tail_fraction, config.language_thresholds or {}
    )
    return chosen.by_name


def _settings_of(config: Mapping[str, Any]) -> Settings:
    """Return the settings that choose t."""
    names = ("threshold", "tail_fraction", "target_size", "language_thresholds")
    given = {name: config[name] for name in names if config.get(name) is not None}
    return Settings(**given)


def _compare_counts(look: Inspection, check: Check, run: Run, rows: pa.Table, recounted: _Recounts) -> None:
    """Compare the counts of a run with those of its pool."""
    stored = _by_entry(rows)
    frozen = run.config.get("freeze_counts")
    name = f"run {run.run_id}"
    if frozen:
        if frozen not in look.stored_runs:
            check.skip(f"{name}: its counts, which are those of run {frozen}, whose rows are deleted")
            return
        other = _by_entry(look.rows("entry_probabilities", ["entry_id", "count"], run_id=str(frozen)))
        _compare_arrays(check, "entry_probabilities.count", name, other, stored)
        return
    given = look.draw_of(run).detail.get("counts")
    if given is not None:
        digest = digest_of_counts(_by_entry(rows))
        if digest != given["digest"]:
            check.add("entry_probabilities.count", name, f"the counts given, {given['digest'][:16]}", digest[:16])
        return
    if run.is_thinned:
        check.skip(f"{name}: its counts, which are those of survivors; their rows are not kept")
        return
    if run.gone:
        check.skip(f"{name}: its counts; snapshot {', '.join(run.gone)} was dropped since")
        return
    if any(look.deleted_rows(snapshot) for snapshot in run.snapshots):
        check.skip(f"{name}: its counts; sources were read again with --no-dedup")
        return
    if look.exists("pairs") and "batch_id" not in look.warehouse.columns("pairs"):
        return  # `counts` says so
    was_taken_from = look.was_taken_from(run)
    if was_taken_from:
        check.skip(f"{name}: that its counts are not too high; a takedown removed pairs since")
    _compare_arrays(check, "entry_probabilities.count", name, recounted.of(run), stored, may_be_higher=was_taken_from)


class _Recounts:
    """The counts of pools, by counting their pairs; those of the last pool are kept, since runs often share it."""

    def __init__(self, look: Inspection) -> None:
        self._look = look
        self._last: tuple[object, Counts] | None = None

    def of(self, run: Run) -> Counts:
        """Return the counts of the pool of a run."""
        key = (run.metadata_ids, sorted(run.pools.items()))
        if self._last is None or self._last[0] != key:
            pairs = self._look.pairs(run.metadata_ids[0], run.pools)
            self._last = key, _by_entry(count(pairs).toArrow())
        return self._last[1]
