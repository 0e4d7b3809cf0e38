"""The data card of a run: its numbers, read from the tables, for the summary, `--json` and the report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import numpy as np
import numpy.typing as npt

import metaclip_spark
from metaclip_spark.core.entry_lists import by_entry
from metaclip_spark.core.sampling import from_fixed_point, joined, tail_fraction
from metaclip_spark.core.secrets import masked
from metaclip_spark.core.weights.pairs import sentence_of, shown
from metaclip_spark.core.wording import agrees, counted
from metaclip_spark.core.worldwide.thresholds import LanguageThresholds
from metaclip_spark.counts.wording import origin_sentence
from metaclip_spark.errors import WarehouseError
from metaclip_spark.metadata.matchability import never_ids
from metaclip_spark.report.card import Card
from metaclip_spark.report.card_json import closing_numbers
from metaclip_spark.report.composition.model import Composition
from metaclip_spark.report.languages import LanguageRow, language_rows, with_pairs
from metaclip_spark.schemas import TABLES
from metaclip_spark.steps.account.sums import (
    ReadAccount,
    is_last_pool,
    language_notes,
    pairs_seen,
    personal_data_notes,
    read_account,
)
from metaclip_spark.steps.account.taken_down import TakenDown, read_taken
from metaclip_spark.steps.composition import read_composition
from metaclip_spark.steps.context import RunContext
from metaclip_spark.steps.match import limited_snapshots, limits_of
from metaclip_spark.warehouse.events import DONE, USED, StageEvent

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


def make_card(ctx: RunContext) -> Card:
    """Read the numbers of the run's last balance from the tables, without a pass over the pairs.

    Raises:
        WarehouseError: the run was never balanced.
    """
    event = ctx.last("balance", run_id=ctx.run_id)
    if event is None or event.event != DONE:
        raise WarehouseError(f"run {ctx.run_id} has no curated subset yet; run balance first.")
    counts, curated_counts, sums, histograms = _statistics(ctx)
    snapshots = event.detail["snapshots"]
    pools = event.detail.get("counted") or event.detail.get("pools") or dict.fromkeys(snapshots)
    account = read_account(ctx, pools)
    threshold = int(event.detail["threshold"])
    by_language = _by_language(ctx, event)
    left_of = event.detail.get("left_of")
    # The numbers of survivors are those of the draw, and so are those of the pool before them.
    taken = read_taken(ctx, pools, event if left_of is not None else None)
    return Card(
        run_id=ctx.run_id,
        attempt_id=event.attempt_id,
        created_at=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC"),
        metaclip_spark_version=metaclip_spark.version.__version__,
        snapshots=snapshots,
        metadata_id=ctx.metadata_id,
        metadata_path=masked(ctx.settings.metadata or ("worldwide" if ctx.settings.worldwide else "")),
        n_entries=len(ctx.metadata.entries),
        seed=ctx.settings.seed,
        threshold=threshold,
        tail_fraction_target=event.detail.get("tail_fraction") or ctx.settings.chosen_tail_fraction,
        tail_fraction=tail_fraction(counts, threshold if by_language is None else by_language.by_entry),
        entry_counts=counts,
        curated_entry_counts=curated_counts,
        entries=ctx.metadata.entries,
        unique_pairs=sums["pairs"],
        images=sums.get("images"),
        left_of=left_of,
        given=event.detail.get("earlier"),
        capped=sums.get("capped"),
        curated_size=sums["curated"],
        expected_size=from_fixed_point(sums["expected_high"], sums["expected_low"]),
        expected_sd=math.sqrt(from_fixed_point(sums["variance_high"], sums["variance_low"])),
        matches_per_text=histograms["matches"],
        curated_matches_per_text=histograms["curated_matches"],
        impossible=_impossible(ctx, counts),
        config=ctx.config,
        used=_used(ctx),
        languages=_language_rows(by_language, event, counts, curated_counts, account),
        sections=None if by_language is None else by_language.sections,
        entry_thresholds=None if by_language is None else by_language.by_entry,
        versions=event.software,
        notes=[
            *_notes(ctx, event),
            *personal_data_notes(account.values),
            *language_notes(ctx.settings, account.values),
        ],
        table_paths={name: masked(ctx.warehouse.where(name)) for name in PUBLIC_TABLES},
        incomplete_sources=account.incomplete,
        pairs_seen=_pairs_seen(ctx, account, pools, taken),
        pairs_rematched=account.rematched,
        has_earlier=account.earlier,
        taken_down=taken.pairs,
        drawn=event.rows if _keeps_odds_of_draw(ctx, event) else None,
        weights=None if event.detail.get("weights") is None else shown(event.detail["weights"]),
        given_counts=event.detail.get("counts"),
        pool_pairs=event.detail.get("pool_pairs"),
        pairs_before=event.detail.get("pairs_before"),
        **account.values,
    )


def _by_language(ctx: RunContext, event: StageEvent) -> LanguageThresholds | None:
    """Return the t of each language; None where one list is used for all texts."""
    thresholds = event.detail.get("thresholds")
    if not thresholds:
        return None
    sections = ctx.metadata.sections
    values = np.array([thresholds[name] for name in sections.names], np.int64)
    return LanguageThresholds(sections, values, event.detail.get("tail_fraction"))


def _language_rows(
    chosen: LanguageThresholds | None,
    event: StageEvent,
    counts: npt.NDArray[np.int64],
    curated_counts: npt.NDArray[np.int64],
    account: ReadAccount,
) -> list[LanguageRow]:
    if chosen is None:
        return []
    return language_rows(
        chosen.sections,
        chosen.by_name,
        counts,
        curated_counts,
        event.detail.get("given", ()),
        event.detail.get("remarks", {}),
        account.list_texts,
        account.list_matched,
    )


def _notes(ctx: RunContext, event: StageEvent) -> list[str]:
    """Return notes on a draw that did not read the whole pool, and on what a takedown could not correct."""
    gone = ctx.log.drawn_run(ctx.run_id).gone
    notes = [_without_pool(gone)] if gone else []
    notes += [limits_of(*limit) for limit in limited_snapshots(ctx, event.detail["snapshots"]).items()]
    if event.detail.get("counts"):
        notes.append(origin_sentence(event.detail["counts"]))
    if event.detail.get("weights"):
        notes.append(sentence_of(event.detail["weights"]))
    if event.detail.get("earlier"):
        notes += [
            f"Balance read the subset of run {event.detail['earlier']} instead of its pool: the expected size and sd "
            "are conditional on that subset."
        ]
    if _keeps_odds_of_draw(ctx, event):
        notes.append(
            "Pairs were taken down since: the expected size and sd are those before the takedown, when the subset had "
            f"{counted(event.rows or 0, 'pair')}."
        )
    return notes


def _keeps_odds_of_draw(ctx: RunContext, event: StageEvent) -> bool:
    """Return whether pairs were taken down since a draw whose expected size and sd a takedown cannot correct."""
    detail = event.detail
    built_on = detail.get("earlier") or detail.get("left_of") or ctx.settings.has_other_counts
    depends = bool(built_on or ctx.settings.pair_weights)
    return depends and ctx.log.was_taken_from(ctx.run_id, since=event)


def _pairs_seen(ctx: RunContext, account: ReadAccount, pools: Mapping[str, str | None], taken: TakenDown) -> int | None:
    """Return `Card.pairs_seen`, which tells pairs of earlier snapshots from repeats, where it can be known."""
    unchanged = all(is_last_pool(ctx, name, fingerprint) for name, fingerprint in pools.items())
    if not account.earlier or account.rematched or not unchanged or ctx.settings.id_column is not None:
        return None
    return pairs_seen(ctx, pools) + taken.seen


def with_composition(ctx: RunContext, card: Card) -> Card:
    """Return the card with the composition of its pool and subset, which takes a pass over both."""
    if card.left_of is not None:
        note = f"No languages, domains and random pairs: the survivors of {card.left_of} are not kept after the draw."
        return replace(card, notes=[*card.notes, note])
    if ctx.log.drawn_run(ctx.run_id).gone:
        return card  # a note says so
    named = [] if card.classes is None else [row.entry_id for row in card.classes.found]
    sizes = card.unique_pairs, card.curated_size
    composition = read_composition(ctx, card.entry_counts, card.curated_entry_counts, *sizes, named)
    return replace(
        card,
        composition=composition,
        languages=with_pairs(card.languages, composition.lists),
        notes=[*card.notes, *_differences(card, composition)],
    )


def _without_pool(gone: Sequence[str]) -> str:
    names = " and ".join(gone)
    return (
        f"{names} {agrees(len(gone), 'was', 'were')} dropped or replaced since this run was balanced: the numbers of "
        "the draw are as they were, the account of the input lacks those sources, and the pool cannot be read for "
        "languages, domains and random pairs."
    )


def _differences(card: Card, composition: Composition) -> list[str]:
    """Return notes on tables whose number of pairs differs from the statistics of the run."""
    languages = composition.languages
    sizes = (("pool", languages.pool, card.unique_pairs), ("subset", languages.curated, card.curated_size))
    return [
        f"The {name} holds {counted(now, 'pair')} in the tables, and held {then:,} when the run was balanced."
        for name, now, then in sizes
        if now != then
    ]


def _impossible(ctx: RunContext, counts: npt.NDArray[np.int64]) -> list[int]:
    """Return the ids of the entries with count 0 that no text can match."""
    of_lists = [first + never_ids(entries) for _, first, entries in ctx.metadata.lists_to_check()]
    ids = np.concatenate([np.zeros(0, np.int64), *of_lists])
    impossible: list[int] = ids[counts[ids] == 0].tolist()
    return impossible


def _statistics(
    ctx: RunContext,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], dict[str, int], dict[str, dict[int, int]]]:
    """Return the entry counts of the pool and of the subset (int64, by entry id), the single sums, the histograms."""
    run_id = ctx.run_id
    n_entries = len(ctx.metadata.entries)
    before = ctx.warehouse.rows("entry_probabilities", ["entry_id", "count"], run_id=run_id)
    counts = by_entry(before["entry_id"].to_numpy(), before["count"].to_numpy(), 0, n_entries)
    stats = ctx.warehouse.rows("run_statistics", ["name", "key", "value"], run_id=run_id)
    names = np.array(stats["name"].to_pylist())
    keys, values = stats["key"].to_numpy(), stats["value"].to_numpy()
    curated = by_entry(keys[names == "curated_count"], values[names == "curated_count"], 0, n_entries)
    histograms = {
        name: dict(sorted(zip(keys[names == name].tolist(), values[names == name].tolist(), strict=True)))
        for name in ("matches", "curated_matches")
    }
    single = set(names.tolist()) - {*histograms, "curated_count"}
    return counts, curated, joined({name: int(values[names == name][0]) for name in single}), histograms


def as_json(card: Card, report: str | None) -> dict[str, object]:
    """Return the numbers of the summary, for JSON."""
    return {**closing_numbers(card), "notes": list(card.notes), "report": report}


def _used(ctx: RunContext) -> list[dict[str, Any]]:
    """Return what the stages of the run took, those of this attempt last."""
    ended = [event for event in ctx.log.events if event.run_id == ctx.run_id and not isinstance(event, StageEvent)]
    stored = [dict(one) for event in ended for one in event.detail.get(USED) or ()]
    # The page itself is left out: it is the same however often it is written.
    return [one for one in (*stored, *ctx.reporter.usage()) if one["stage"] != "report"]
