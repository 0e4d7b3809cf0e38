"""Check the rows of pairs: keys are there once, ids are those of url and text, and entry ids those of the text."""

from __future__ import annotations

from pyspark.sql import DataFrame

from metaclip_spark.stages.dedup import of_prefix
from metaclip_spark.stages.verify.rows import ids, matches, sampled
from metaclip_spark.stages.verify.sets import repeated
from metaclip_spark.steps.context import NO_LIST
from metaclip_spark.steps.verify.inspection import Check, Inspection

KEYS: dict[str, tuple[str, ...]] = {
    "pairs": ("metadata_id", "pair_id"),
    "sightings": ("metadata_id", "snapshot", "pair_key"),
    "curated_pairs": ("run_id", "pair_id"),
    "sources": ("metadata_id", "snapshot", "source_path"),
    "planned": ("metadata_id", "snapshot", "source_path", "split"),
    "entry_counts": ("metadata_id", "snapshot", "entry_id"),
    "entry_probabilities": ("run_id", "entry_id"),
    "run_statistics": ("run_id", "name", "key"),
}
"""Table -> the columns that together name one row."""
_DIVIDED = ("pair_id", "pair_key")
"""Keys whose prefixes are compared one after the other."""
_Table = tuple[str, tuple[str, ...], DataFrame, int]
"""Name of a table, its key, its rows, and their number."""


def unique(look: Inspection, check: Check) -> None:
    """Look for keys that several rows have: in small tables at once, in others one key prefix after another."""
    small: list[_Table] = []
    large: list[_Table] = []
    for table, keys in KEYS.items():
        if not look.has(check, table, *keys):
            continue
        of_runs = [run.run_id for run in look.runs] if keys[0] == "run_id" and look.run_ids else []
        rows = look.read(table, run_id=of_runs) if of_runs else look.read(table)
        number = sum(look.count(table, run_id=run_id) for run_id in of_runs) if of_runs else look.count(table)
        check.count(number, "row")
        (large if keys[-1] in _DIVIDED else small).append((table, keys, rows, number))
    images = [run.run_id for run in look.runs if run.unit == "image"]
    if images and look.has(check, "curated_pairs", "run_id", "image_id"):
        number = sum(look.count("curated_pairs", run_id=run_id) for run_id in images)
        check.count(number, "image")
        large.append(("curated_pairs", ("run_id", "image_id"), look.read("curated_pairs", run_id=images), number))
    frames = [repeated(rows, table, keys) for table, keys, rows, _ in small]
    for prefix in look.prefixes(sum(number for *_, number in large)):
        frames += [repeated(of_prefix(rows, prefix, keys[-1]), table, keys) for table, keys, rows, _ in large]
        check.take_differences(frames)
        frames = []


def ids_of_pairs(look: Inspection, check: Check) -> None:
    """Compute the ids of pairs and images again, of the pool and of the subsets."""
    columns = ("pair_id", "image_id", "url", "text")
    if look.sample < 1:
        check.skip(f"ids of other pairs than a sample of {look.sample:.4g} of all, by their id (--sample)")
    own = sorted({snapshot for _, snapshot in look.own_ids})
    if own:
        check.skip(f"pair_id in {', '.join(own)}: the ids are those of the input (--id-column)")
    for table in ("pairs", "curated_pairs"):
        if not look.has(check, table, *columns):
            continue
        rows = _of_runs(look, table)
        hashed = rows.where(~rows["snapshot"].isin(own)) if own else rows
        check.take(ids(sampled(hashed, look.sample), table), "pair")
        if own:
            check.take(ids(sampled(rows.where(rows["snapshot"].isin(own)), look.sample), table, True), "pair")


def _of_runs(look: Inspection, table: str) -> DataFrame:
    if table == "curated_pairs" and look.run_ids:
        return look.read(table, run_id=[run.run_id for run in look.runs])
    return look.read(table)


def matches_of_pairs(look: Inspection, check: Check) -> None:
    """Match the texts of the pool and of the subsets again, list by list."""
    if look.sample < 1:
        check.skip(f"matches of other pairs than a sample of {look.sample:.4g} of all, by their id (--sample)")
    lists = sorted({metadata_id for metadata_id, _ in look.pools} - {NO_LIST})
    columns = ("metadata_id", "pair_id", "text", "entry_ids", "lang")
    for metadata_id in lists:
        tables = [table for table in ("pairs", "curated_pairs") if look.has(check, table, *columns)]
        ctx = look.context_of(metadata_id, check)
        if ctx is None:
            continue
        for table in tables:
            rows = _of_runs(look, table)
            of_list = sampled(rows.where(rows["metadata_id"] == metadata_id), look.sample)
            check.take(matches(of_list, table, ctx.matcher, ctx.lists), "pair")
