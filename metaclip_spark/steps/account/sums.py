"""Read the account of the input: sums over the outcomes of sources, as they were when a pool was balanced."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from metaclip_spark.candidates.options import OPT_OUTS
from metaclip_spark.config.settings import Settings
from metaclip_spark.report.account import Account, WithoutPairs, by_reason, split_reasons
from metaclip_spark.steps.context import Context, in_pool
from metaclip_spark.warehouse.events import DONE
from metaclip_spark.warehouse.tables import filter_equal

INCOMPLETE_SHOWN = 100
"""Maximum number of incomplete sources on the card."""

_BEFORE_LANGUAGE = ("text_cap", "no_url", "data_url", "not_http", "bad_url", *OPT_OUTS)
"""Reasons to leave a text out before the language that the input names is looked at."""

_SUMS = ("records_read", "texts_read", "texts_matched", "pairs_written")


@dataclass(frozen=True)
class ReadAccount:
    """The account of the input of a pool.

    Attributes:
        values: the fields of `Account` by name.
        incomplete: (source_path, status, reason) of the first sources that are not done, by path.
        rematched: number of pairs that `match` stored, of snapshots that it matched again.
        earlier: whether the list has pairs of several snapshots.
    """

    values: Mapping[str, Any]
    incomplete: list[tuple[str, str, str]]
    rematched: int
    earlier: bool


def read_account(ctx: Context, pools: Mapping[str, str | None]) -> ReadAccount:
    """Read the account of the pools of some snapshots.

    Args:
        pools: snapshot -> fingerprint of its pool. Sources that came after that pool are left out. None: the pool now.
    """
    sources = sources_of(ctx, pools)
    by_status = sources.groupBy("status").agg(F.count("*").alias("n"), *[F.sum(c).alias(c) for c in _SUMS]).collect()
    reasons = sources.select(F.explode("rejected")).groupBy("key").agg(F.sum("value").alias("n")).collect()
    incomplete = sources.where("status <> 'done'").orderBy("source_path").limit(INCOMPLETE_SHOWN).collect()
    rejected, passed_over = split_reasons({row["key"]: row["n"] for row in reasons})
    sums = {name: sum(row[name] for row in by_status) for name in _SUMS}
    values = {
        "sources": {"done": 0, "partial": 0, "failed": 0} | {row["status"]: row["n"] for row in by_status},
        "records_read": sums["records_read"],
        "texts_read": sums["texts_read"],
        "texts_matched": sums["texts_matched"],
        "pairs_sent": sums["pairs_written"] if by_status else None,
        "rejected": rejected,
        "passed_over": passed_over,
        "without_pairs": without_pairs(sources),
    }
    return ReadAccount(
        values,
        [(row["source_path"], row["status"], row["reason"] or "") for row in incomplete],
        _rematched(ctx, pools),
        len(ctx.pool_snapshots()) > 1,
    )


def sources_of(ctx: Context, pools: Mapping[str, str | None]) -> DataFrame:
    """Return the outcomes of the sources of some snapshots; see `read_account`."""
    found = filter_equal(ctx.warehouse.read("sources"), metadata_id=ctx.metadata_id, snapshot=list(pools))
    for snapshot, fingerprint in pools.items():
        batches = _batches_until(ctx, snapshot, fingerprint)
        if batches is not None:
            found = found.where((F.col("snapshot") != snapshot) | F.col("batch_id").isin(batches))
    return found


def language_notes(settings: Settings, values: Mapping[str, Any]) -> list[str]:
    """Return the note that English was chosen by default, if most texts are in other languages; else nothing.

    Args:
        values: the fields of `Account` by name.
    """
    left_out, kept = values["rejected"].get("language", 0), values["pairs_sent"] or 0
    looked_at = "whose language was looked at"
    if not settings.keep_unmatched and 0 < Account(**values).dropped_before_matching <= left_out:
        # The language that the input names is looked at before filters and matching. So those that are left out are
        # compared with all texts that went on, matched or not; texts for which the input names none are among these.
        early = sum(values["rejected"].get(reason, 0) for reason in _BEFORE_LANGUAGE)
        kept, looked_at = values["texts_read"] - early - left_out, "with a url"
    if settings.languages is not None or left_out <= kept:
        return []
    return [
        f"Most of the input is not English: of {left_out + kept:,} texts {looked_at}, {left_out:,} are left out for "
        "their language. English is the default: --languages all keeps every language, --languages en,de keeps these "
        "(with a new --warehouse). The tables do not count which languages were left out."
    ]


def _batches_until(ctx: Context, snapshot: str, fingerprint: str | None) -> list[str] | None:
    """Return the deduplications up to the one that made a pool; None if that is the last one."""
    if is_last_pool(ctx, snapshot, fingerprint):
        return None
    done = [
        event.fingerprint
        for event in ctx.log.stage_events
        if event.stage == "dedup" and event.event == DONE and event.snapshot == snapshot
        if ctx.metadata_id in event.metadata_ids
    ]
    return done[: done.index(fingerprint) + 1] if fingerprint in done else None


def is_last_pool(ctx: Context, snapshot: str, fingerprint: str | None) -> bool:
    """Return whether nothing was added to the pool of a snapshot since it had this fingerprint; None: it is now.

    The versions that the command may be pinned to make no difference: the tables are read as they are now.
    """
    last = ctx.log.last("dedup", snapshot=snapshot, metadata_id=ctx.metadata_id)
    return fingerprint is None or last is None or (last.event, last.fingerprint) == (DONE, fingerprint)


def _rematched(ctx: Context, pools: Mapping[str, str | None]) -> int:
    """Return the number of pairs of the snapshots whose pairs `match` stored: they have no sources of this list."""
    matched = [name for name in pools if only_matched(ctx, name)]
    if not matched:
        return 0
    return filter_equal(ctx.warehouse.read("pairs"), metadata_id=ctx.metadata_id, snapshot=matched).count()


def only_matched(ctx: Context, snapshot: str) -> bool:
    """Return whether the pool of a snapshot is what `match` stored for this list, without sources of its own."""
    return ctx.last("dedup", snapshot) is None and ctx.last("match", snapshot) is not None


def pairs_seen(ctx: Context, snapshots: Iterable[str]) -> int:
    """Return the number of unique pairs of each snapshot, summed, whether they are in the pool of another or not.

    Reads no column: the number of rows is in the files' footers.
    """
    return sum(in_pool(ctx, "sightings", snapshot).count() for snapshot in snapshots)


def without_pairs(sources: DataFrame) -> list[WithoutPairs]:
    """Group the sources that are done, have records, and gave no pair.

    Args:
        sources: outcomes, with the columns of the table `sources`.
    """
    found = sources.where(is_without_pairs()).select("source_path", most_common(), "records_read", "texts_read")
    by_source = found.select("source_path", "most.key", "most.value", "records_read", "texts_read")
    return by_reason(tuple(row) for row in by_source.toLocalIterator())


def is_without_pairs() -> Column:
    """Return the condition of `without_pairs`, on an outcome."""
    return F.expr("status = 'done' AND records_read > 0 AND pairs_written = 0")


def most_common() -> Column:
    """Return the struct (key, value) of the most common reason of an outcome; ("", 0) if it counts none."""
    entries = F.transform(
        F.map_entries("rejected"), lambda e: F.struct(e["value"].alias("value"), e["key"].alias("key"))
    )
    highest = F.array_max(entries)
    return F.struct(
        F.coalesce(highest["key"], F.lit("")).alias("key"), F.coalesce(highest["value"], F.lit(0)).alias("value")
    ).alias("most")
