"""Read the account of the input: sums over the outcomes of sources, as they were when a pool was balanced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from metaclip_spark.candidates.ledger import MASKED, PII_KINDS, PII_PREFIX, ROBOTS_PREFIX
from metaclip_spark.candidates.options import OPT_OUTS
from metaclip_spark.config.settings import Settings
from metaclip_spark.report.account import Account, by_reason, largest, split_reasons
from metaclip_spark.steps.context import Context, pairs_of, rows_in_pool
from metaclip_spark.warehouse.events import DONE
from metaclip_spark.warehouse.pools import DROP

INCOMPLETE_SHOWN = 100
"""Maximum number of incomplete sources on the card."""

_BEFORE_LANGUAGE = ("text_cap", "no_url", "data_url", "not_http", "bad_url", *OPT_OUTS)
"""Reasons to leave a text out before the language that the input names is looked at."""

_SUMS = ("records_read", "texts_read", "texts_matched", "pairs_written")
_BY_LIST = ("list_texts", "list_matched")


@dataclass(frozen=True)
class ReadAccount:
    """The account of the input of a pool.

    Attributes:
        values: the fields of `Account` by name.
        incomplete: (source_path, status, reason) of the first sources that are not done, by path.
        rematched: number of pairs that `match` stored, of snapshots that it matched again.
        earlier: whether the list has pairs of several snapshots, or had them.
        list_texts, list_matched: language of a list -> texts that were matched against it, and those with a match.
    """

    values: Mapping[str, Any]
    incomplete: list[tuple[str, str, str]]
    rematched: int
    earlier: bool
    list_texts: Mapping[str, int] = field(default_factory=dict)
    list_matched: Mapping[str, int] = field(default_factory=dict)


def read_account(ctx: Context, pools: Mapping[str, str | None]) -> ReadAccount:
    """Read the account of the pools of some snapshots.

    Args:
        pools: snapshot -> fingerprint of its pool. Sources that came after that pool are left out. None: the pool now.
    """
    statuses: Counter[str] = Counter({"done": 0, "partial": 0, "failed": 0})
    reasons: Counter[str] = Counter()
    sums: Counter[str] = Counter()
    by_list: dict[str, Counter[str]] = {name: Counter() for name in _BY_LIST}
    incomplete: list[tuple[str, str, str]] = []
    without: list[tuple[str, str, int, int, int]] = []
    for sources in _sources_of(ctx, pools):
        statuses.update(sources["status"].to_pylist())
        sums.update({name: pc.sum(sources[name]).as_py() or 0 for name in _SUMS})
        reasons.update(_summed(sources["rejected"]))
        for name, of_list in by_list.items():
            of_list.update(_summed(sources[name]))
        open_ones = sources.filter(pc.not_equal(sources["status"], "done")).select(["source_path", "status", "reason"])
        incomplete = _first([*incomplete, *zip(*(column.to_pylist() for column in open_ones.columns), strict=True)])
        without += _without_pairs(sources)
    rejected, passed_over, hidden = split_reasons(reasons)
    values = {
        "sources": dict(statuses),
        "records_read": sums["records_read"],
        "texts_read": sums["texts_read"],
        "texts_matched": sums["texts_matched"],
        "pairs_sent": sums["pairs_written"] if any(statuses.values()) else None,
        "rejected": rejected,
        "passed_over": passed_over,
        "masked": hidden,
        "without_pairs": by_reason(without),
    }
    return ReadAccount(
        values,
        [(path, status, reason or "") for path, status, reason in incomplete],
        _rematched(ctx, pools),
        len(ctx.pool_snapshots()) > 1 or any(event.stage == DROP for event in ctx.log.stage_events),
        **by_list,
    )


def _sources_of(ctx: Context, pools: Mapping[str, str | None]) -> Iterator[pa.Table]:
    """Yield the outcomes of the sources of each snapshot; see `read_account`. A crawl has up to 90,000."""
    columns = ["source_path", "status", "reason", "rejected", "batch_id", *_BY_LIST, *_SUMS]
    for snapshot, fingerprint in pools.items():
        sources = rows_in_pool(ctx, "sources", snapshot, columns)
        batches = _batches_until(ctx, snapshot, fingerprint)
        if batches is not None:
            sources = sources.filter(pc.is_in(sources["batch_id"], pa.array(batches, pa.string())))
        yield sources


def _summed(rejected: pa.ChunkedArray) -> dict[str, int]:
    """Return the sums of maps by key."""
    sums: Counter[str] = Counter()
    for chunk in rejected.chunks:
        start, stop = (chunk.offsets[at].as_py() for at in (0, -1))  # keys and items are of all maps, not of a slice
        entries = {"key": chunk.keys[start:stop], "value": chunk.items[start:stop]}
        for row in pa.table(entries).group_by("key").aggregate([("value", "sum")]).to_pylist():
            sums[row["key"]] += row["value_sum"]
    return sums


def _first(incomplete: Iterable[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    return sorted(incomplete, key=lambda each: each[0])[:INCOMPLETE_SHOWN]


def personal_data_notes(values: Mapping[str, Any]) -> list[str]:
    """Return the notes on the texts whose personal data was masked, and on those that were dropped for it.

    Args:
        values: the fields of `Account` by name.
    """
    dropped = {why.removeprefix(PII_PREFIX): n for why, n in values["rejected"].items() if why.startswith(PII_PREFIX)}
    done = {
        "Personal data was masked in texts, before they were matched": values["masked"],
        "Texts with personal data were dropped": dropped,
    }
    return [
        f"{what} (--pii): {', '.join(f'{n:,} with {PII_KINDS[kind]}' for kind, n in largest(counts))}."
        for what, counts in done.items()
        if counts
    ]


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
        rejected = values["rejected"].items()
        early = sum(n for why, n in rejected if why in _BEFORE_LANGUAGE or why.startswith(ROBOTS_PREFIX))
        kept, looked_at = values["texts_read"] - early - left_out, "with a url"
    if settings.languages is not None or left_out <= kept:
        return []
    return [
        f"Most of the input is not English: of {left_out + kept:,} texts {looked_at}, {left_out:,} are left out for "
        "their language. English is the default: --languages all keeps every language, --languages en,de keeps these "
        "(with `snapshots replace`). The tables do not count which languages were left out."
    ]


def _batches_until(ctx: Context, snapshot: str, fingerprint: str | None) -> list[str] | None:
    """Return the deduplications up to the one that made a pool; None if that is the last one."""
    if is_last_pool(ctx, snapshot, fingerprint):
        return None
    state = ctx.log.pool_state(ctx.metadata_id, snapshot, fingerprint)
    return None if state is None else list(state.batches)


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
    total = 0
    for name in matched:
        state = ctx.log.pool_state(ctx.metadata_id, name, pools[name])
        last = ctx.log.pool_state(ctx.metadata_id, name)
        if state == last and not ctx.log.is_open(ctx.metadata_id, name):
            total += ctx.warehouse.count("pairs", metadata_id=ctx.metadata_id, snapshot=name)  # without reading a row
        elif state is not None:
            total += pairs_of(ctx, {name: state}).count()
    return total


def only_matched(ctx: Context, snapshot: str) -> bool:
    """Return whether the pool of a snapshot is what `match` stored for this list, without sources of its own."""
    return ctx.last("dedup", snapshot) is None and ctx.last("match", snapshot) is not None


def pairs_seen(ctx: Context, snapshots: Iterable[str]) -> int:
    """Return the number of unique pairs of each snapshot, summed, whether they are in the pool of another or not.

    Reads no row: the number is in the log, or in the files' footers.
    """
    return sum(ctx.warehouse.count("sightings", metadata_id=ctx.metadata_id, snapshot=name) for name in snapshots)


def _without_pairs(sources: pa.Table) -> Iterator[tuple[str, str, int, int, int]]:
    """Yield (source_path, reason, number, records, texts) of the sources that are done, have records, and gave no pair.

    Args:
        sources: outcomes, with the columns of the table `sources`.
    """
    for row in sources.filter(is_without_pairs(sources)).to_pylist():
        yield row["source_path"], *most_common(row["rejected"]), row["records_read"], row["texts_read"]


def is_without_pairs(sources: pa.Table) -> pa.ChunkedArray:
    """Return, for each outcome, whether its source is done, has records, and gave no pair."""
    read = pc.and_(pc.equal(sources["status"], "done"), pc.greater(sources["records_read"], 0))
    return pc.and_(read, pc.equal(sources["pairs_written"], 0))


def most_common(rejected: Iterable[tuple[str, int]] | None) -> tuple[str, int]:
    """Return the most common reason of an outcome and its number; ("", 0) if it counts none."""
    counts = ((number, reason) for reason, number in rejected or () if reason not in MASKED)
    number, reason = max(counts, default=(0, ""))
    return reason, number
