"""Check that sources agree with pairs and rejects: every text that was read is a pair, a repeat or a reject."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from metaclip_spark.candidates.ledger import PASSED_OVER
from metaclip_spark.stages.columns import pair_id_of
from metaclip_spark.stages.dedup import of_prefix
from metaclip_spark.stages.verify.found import as_differences
from metaclip_spark.stages.verify.rows import sums_of_sources
from metaclip_spark.stages.verify.sets import lacking
from metaclip_spark.steps.verify.inspection import Check, Inspection
from metaclip_spark.warehouse.events import DONE

_SOURCE = ("metadata_id", "snapshot", "source_path")


def sources_and_pairs(look: Inspection, check: Check) -> None:
    """Compare the numbers of sources with their pairs and rejects, and the sightings with the pairs."""
    frames = []
    if look.has(check, "sources", "texts_read", "pairs_written", "rejected", "list_texts", "list_matched"):
        check.take(sums_of_sources(look.read("sources")), "source")
        frames = [*_pairs_of_sources(look, check), *_rejects_of_sources(look, check), *_planned(look, check)]
    compared = _sightings(look, check)
    number = look.count("sightings") + look.count("pairs")
    for prefix in look.prefixes(number):
        frames += [
            lacking(of_prefix(each.wanted, prefix), of_prefix(each.there, prefix), *each.words) for each in compared
        ]
        check.take_differences(frames)
        frames = []


def _dedup_batches(look: Inspection) -> list[str]:
    """Return the batches whose pairs came from sources: not those that were matched again, or moved."""
    done = [event for event in look.log.stage_events if event.stage == "dedup" and event.event == DONE]
    return [event.fingerprint for event in done if "moved_from" not in event.detail]


def _pairs_of_sources(look: Inspection, check: Check) -> Iterator[DataFrame]:
    """Check that every source of pairs is recorded, and that it has no more pairs than it gave."""
    if not look.has(check, "pairs", *_SOURCE, "batch_id"):
        return
    rows = look.read("pairs", batch_id=_dedup_batches(look))
    found = rows.groupBy(*_SOURCE).agg(F.count("*").alias("pairs"))
    known = look.read("sources").groupBy(*_SOURCE).agg(F.max("pairs_written").alias("written"))
    joined = found.join(known, on=list(_SOURCE), how="left")
    check.count(look.count("pairs"), "pair")
    wrong = joined.where("written IS NULL OR pairs > written")
    at_most = F.concat(F.lit("at most "), F.col("written").cast("string"), F.lit(" pairs"))
    expected = F.when(F.col("written").isNull(), F.lit("a row in sources")).otherwise(at_most)
    got = F.concat(F.col("pairs").cast("string"), F.lit(" pairs"))
    yield as_differences(wrong, "pairs.source_path", F.col("source_path"), expected, got)


def _rejects_of_sources(look: Inspection, check: Check) -> Iterator[DataFrame]:
    """Check that rejects belong to a source that counts as many for their reason."""
    if not look.has(check, "rejects", *_SOURCE, "reason"):
        return
    check.count(look.count("rejects"), "reject")
    found = look.read("rejects").groupBy(*_SOURCE, "reason").agg(F.count("*").alias("rejects"))
    counted = look.read("sources").select(*_SOURCE, F.explode("rejected").alias("reason", "number"))
    counted = counted.groupBy(*_SOURCE, "reason").agg(F.max("number").alias("number"))
    joined = found.join(counted, on=[*_SOURCE, "reason"], how="left")
    passed_over = F.col("reason").isin(sorted(PASSED_OVER))
    wrong = joined.where(F.col("number").isNull() | (F.col("rejects") > F.col("number")) | passed_over)
    number = F.when(passed_over, F.lit(0)).otherwise(F.coalesce(F.col("number"), F.lit(0))).cast("string")
    expected = F.concat(F.lit("at most "), number, F.lit(" rows for the reason "), F.col("reason"))
    got = F.concat(F.col("rejects").cast("string"), F.lit(" rows"))
    yield as_differences(wrong, "rejects", F.col("source_path"), expected, got)


def _planned(look: Inspection, check: Check) -> Iterator[DataFrame]:
    """Check that every source that was planned has an outcome, or waits in staging, which another check names."""
    if not look.has(check, "planned", *_SOURCE):
        return
    check.count(look.count("planned"), "split")
    done = look.read("sources").select(*_SOURCE)
    if look.exists("extracted"):
        done = done.unionByName(look.read("extracted", kind="source").select(*_SOURCE))
    name = F.concat_ws(" ", "source_path", F.lit("of snapshot"), "snapshot", F.lit("for list"), "metadata_id")
    words = "a row: the source was planned", "no row"
    yield lacking(
        look.read("planned").select(name.alias("source")), done.select(name.alias("source")), "sources", *words
    )


class _Keys(NamedTuple):
    """Keys that another table must have, and how a key that it lacks is named.

    Attributes:
        wanted, there: the column pair_id, and snapshot where it is a part of the key.
        words: the field, what was expected, what was got.
    """

    wanted: DataFrame
    there: DataFrame
    words: tuple[str, str, str]


def _sightings(look: Inspection, check: Check) -> list[_Keys]:
    """Return what to compare of `sightings` and pairs, list by list.

    Every pair that occurs in a snapshot is in the pool, under this snapshot or another one. Every pair that a
    deduplication added was seen. Pairs of `match` have no sightings of their own: they are pairs of the list that it
    read.
    """
    if not (look.has(check, "sightings") and look.has(check, "pairs", "pair_id", "batch_id")):
        return []
    found: list[_Keys] = []
    own = {snapshot for _, snapshot in look.own_ids}
    for metadata_id in sorted({metadata_id for metadata_id, _ in look.pools}):
        snapshots = sorted(snapshot for of, snapshot in look.pools if of == metadata_id)
        if own & set(snapshots):
            check.skip(f"sightings of {', '.join(sorted(own & set(snapshots)))}: the ids are those of the input")
            snapshots = [snapshot for snapshot in snapshots if snapshot not in own]
        matched = [snapshot for snapshot in snapshots if (metadata_id, snapshot) in look.origins]
        of_sources = [snapshot for snapshot in snapshots if snapshot not in matched]
        if of_sources:
            found += _of_sources(look, check, metadata_id, of_sources)
        found += [_of_origin(look, check, metadata_id, snapshot) for snapshot in matched]
    return found


def _of_sources(look: Inspection, check: Check, metadata_id: str, snapshots: list[str]) -> list[_Keys]:
    lost = [snapshot for snapshot in snapshots if look.deleted_rows(snapshot)]
    if lost:
        check.skip(f"that sightings of {', '.join(lost)} have pairs: sources were read again with --no-dedup")
    check.count(sum(look.count("sightings", metadata_id=metadata_id, snapshot=name) for name in snapshots), "sighting")
    pairs = look.read("pairs", metadata_id=metadata_id).select("pair_id")
    seen = look.read("sightings", metadata_id=metadata_id, snapshot=snapshots)
    with_pairs = _keys(seen.where(~F.col("snapshot").isin(lost)) if lost else seen)
    added = look.read("pairs", metadata_id=metadata_id, snapshot=snapshots).select("pair_id", "snapshot")
    return [
        _Keys(with_pairs.select("pair_id"), pairs, ("pairs", "a row: the pair was seen in a source", "no row")),
        _Keys(added, _keys(seen), ("sightings", "a row: the pair is in the pool", "no row")),
    ]


def _of_origin(look: Inspection, check: Check, metadata_id: str, snapshot: str) -> _Keys:
    origin = look.origins[metadata_id, snapshot]
    rows = look.read("pairs", metadata_id=metadata_id, snapshot=snapshot).select("pair_id")
    there = look.read("pairs", metadata_id=origin).select("pair_id")
    return _Keys(rows, there, ("pairs", f"a pair of list {origin[:16]}, which `match` read", "no such pair"))


def _keys(sightings: DataFrame) -> DataFrame:
    return sightings.select(pair_id_of().alias("pair_id"), "snapshot")
