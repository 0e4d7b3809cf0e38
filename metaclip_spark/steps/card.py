"""The numbers of a run, read back from its tables: for the closing table, `--json` and the report."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import numpy as np
from pyspark.sql import functions as F

import metaclip_spark
from metaclip_spark.core.entry_lists import by_entry
from metaclip_spark.core.sampling import from_fixed_point, tail_fraction
from metaclip_spark.errors import WarehouseError
from metaclip_spark.metadata.load import never_matching
from metaclip_spark.report.card import Card
from metaclip_spark.report.card_json import closing_numbers
from metaclip_spark.report.composition.model import Composition
from metaclip_spark.schemas import TABLES
from metaclip_spark.steps.composition import read_composition
from metaclip_spark.steps.context import Context
from metaclip_spark.warehouse.events import DONE
from metaclip_spark.warehouse.runs import TAKEN_DOWN
from metaclip_spark.warehouse.tables import filter_equal

INCOMPLETE_SHOWN = 100
PUBLIC_TABLES = (
    "sources",
    "rejects",
    "pairs",
    "entry_counts",
    "entry_probabilities",
    "curated_pairs",
    "runs",
)
assert set(PUBLIC_TABLES) <= set(TABLES)


def make_card(ctx: Context) -> Card:
    """Read the numbers of the run's last balance.

    Raises:
        WarehouseError: the run was never balanced.
    """
    event = ctx.last("balance", run_id=ctx.attempt.run_id)
    if event is None or event.event != DONE:
        raise WarehouseError(f"run {ctx.attempt.run_id} has no curated subset yet; run balance first.")
    counts, curated_counts, sums, histograms = _statistics(ctx)
    snapshots = event.detail["snapshots"]
    threshold = int(event.detail["threshold"])
    return Card(
        run_id=ctx.attempt.run_id,
        created_at=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC"),
        metaclip_spark_version=metaclip_spark.version.__version__,
        snapshots=snapshots,
        metadata_id=ctx.metadata_id,
        metadata_path=ctx.settings.metadata or "",
        n_entries=len(ctx.metadata.entries),
        seed=ctx.settings.seed,
        threshold=threshold,
        tail_fraction_target=ctx.settings.chosen_tail_fraction,
        tail_fraction=tail_fraction(counts, threshold),
        entry_counts=counts,
        curated_entry_counts=curated_counts,
        entries=ctx.metadata.entries,
        unique_pairs=sums["pairs"],
        images=sums.get("images"),
        left_of=event.detail.get("left_of"),
        given=event.detail.get("earlier"),
        capped=sums.get("capped"),
        curated_size=sums["curated"],
        expected_size=from_fixed_point(sums["expected_high"], sums["expected_low"]),
        expected_sd=math.sqrt(from_fixed_point(sums["variance_high"], sums["variance_low"])),
        matches_per_text=histograms["matches"],
        curated_matches_per_text=histograms["curated_matches"],
        impossible=_impossible(ctx, counts),
        config=ctx.attempt.config,
        notes=_notes(ctx, event.detail),
        **_drawn_by(ctx),
        table_paths={name: ctx.warehouse.where(name) for name in PUBLIC_TABLES},
        **_sources(ctx, snapshots),
    )


def _notes(ctx: Context, detail: Mapping[str, Any]) -> list[str]:
    """Say what the run built on, where it was not the whole pool, and what a takedown could not correct there."""
    notes = []
    if detail.get("earlier"):
        notes = [
            f"Of the pool of run {detail['earlier']}, its subset was read: size and sd are expected given that one."
        ]
    taken = any(event.stage == TAKEN_DOWN and event.run_id == ctx.attempt.run_id for event in ctx.attempt.stage_events)
    if taken and (notes or detail.get("left_of") or ctx.settings.freeze_counts):
        notes.append("Pairs were taken down since: expected size and sd are those of the draw before.")
    return notes


def with_composition(ctx: Context, card: Card) -> Card:
    """Return the card with what its pool and subset are made of, which takes a pass over both."""
    if card.left_of is not None:
        said = f"No languages, domains and random pairs: what was left of {card.left_of} is not kept after the draw."
        return replace(card, notes=[*card.notes, said])
    found = read_composition(ctx, card.entry_counts, card.unique_pairs, card.curated_size)
    return replace(card, composition=found, notes=[*card.notes, *_differences(card, found)])


def _differences(card: Card, found: Composition) -> list[str]:
    """Say where the tables hold other numbers of pairs than the run's statistics."""
    sizes = (("pool", found.languages.pool, card.unique_pairs), ("subset", found.languages.curated, card.curated_size))
    return [
        f"The {name} holds {now:,} pairs in the tables, and held {then:,} when the run was balanced."
        for name, now, then in sizes
        if now != then
    ]


def _impossible(ctx: Context, counts: np.ndarray) -> list[int]:
    """Return the ids of the entries with count 0 that no text can match."""
    unmatched = np.flatnonzero(counts == 0)
    return unmatched[never_matching([ctx.metadata.entries[at] for at in unmatched.tolist()])].tolist()


def _statistics(ctx: Context) -> tuple[np.ndarray, np.ndarray, dict[str, int], dict[str, dict[int, int]]]:
    """Return entry counts before and after (int64, by entry id), single sums, and histograms."""
    run_id = ctx.attempt.run_id
    n_entries = len(ctx.metadata.entries)
    before = (
        filter_equal(ctx.warehouse.read("entry_probabilities"), run_id=run_id).select("entry_id", "count").toArrow()
    )
    counts = by_entry(before["entry_id"].to_numpy(), before["count"].to_numpy(), 0, n_entries)
    stats = filter_equal(ctx.warehouse.read("run_statistics"), run_id=run_id).toArrow()
    names = np.array(stats["name"].to_pylist())
    keys, values = stats["key"].to_numpy(), stats["value"].to_numpy()
    curated = by_entry(keys[names == "curated_count"], values[names == "curated_count"], 0, n_entries)
    histograms = {
        name: dict(sorted(zip(keys[names == name].tolist(), values[names == name].tolist(), strict=True)))
        for name in ("matches", "curated_matches")
    }
    single = set(names.tolist()) - {*histograms, "curated_count"}
    return counts, curated, {name: int(values[names == name][0]) for name in single}, histograms


def _sources(ctx: Context, snapshots: list[str]) -> dict[str, object]:
    """Return what became of the snapshots' sources, as the card's fields."""
    sources = filter_equal(ctx.warehouse.read("sources"), metadata_id=ctx.metadata_id, snapshot=snapshots)
    sums = ("records_read", "texts_read", "texts_matched", "pairs_written")
    by_status = sources.groupBy("status").agg(F.count("*").alias("n"), *[F.sum(c).alias(c) for c in sums]).collect()
    reasons = sources.select(F.explode("rejected")).groupBy("key").agg(F.sum("value").alias("n")).collect()
    incomplete = sources.where("status <> 'done'").orderBy("source_path").limit(INCOMPLETE_SHOWN).collect()
    statuses = Counter({"done": 0, "partial": 0, "failed": 0})
    statuses.update({row["status"]: row["n"] for row in by_status})
    totals = {name: sum(row[name] for row in by_status) for name in sums}
    return {
        "sources": dict(statuses),
        **{name: totals[name] for name in sums[:3]},
        "pairs_sent": totals["pairs_written"] if by_status else None,
        "rejected": {row["key"]: row["n"] for row in sorted(reasons, key=lambda row: -row["n"])},
        "incomplete_sources": [(row["source_path"], row["status"], row["reason"] or "") for row in incomplete],
    }


def _drawn_by(ctx: Context) -> dict[str, object]:
    """Return the attempt that drew the subset, and its software, as the card's fields."""
    events = filter_equal(ctx.warehouse.read("runs"), run_id=ctx.attempt.run_id, stage="balance", event=DONE)
    row = events.orderBy("at", ascending=False).first()
    return {"attempt_id": row["attempt_id"], "versions": dict(row["software"])}


def as_json(card: Card, report: str | None) -> dict[str, object]:
    """Return the closing table's numbers as plain values."""
    return {**closing_numbers(card), "report": report}
