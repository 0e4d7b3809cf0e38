"""Check the rows of a table one by one: ids, matches, probabilities, draws, takedowns, and the numbers of sources.

Every function reads one table once. Rows: n:1. Shuffle: a few rows per task.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from metaclip_spark.candidates.ledger import is_of_text
from metaclip_spark.core.draw import draws, image_keys, pair_keys
from metaclip_spark.core.entry_lists import list_layout, running_products
from metaclip_spark.core.weights.pairs import PairWeights
from metaclip_spark.core.worldwide.list_choice import ListChoice
from metaclip_spark.matchers import Matcher
from metaclip_spark.matchers.base import matched_ids
from metaclip_spark.matchers.worldwide.by_section import SectionMatcher, matched_by_list
from metaclip_spark.spark.broadcast import Broadcast
from metaclip_spark.stages.columns import draw
from metaclip_spark.stages.verify.found import Found, checked
from metaclip_spark.stages.weights import weight_columns, weights_in
from metaclip_spark.takedown.hashes import Takedowns

SAMPLE = "verify"
"""The purpose of the hash that chooses a sample: it is independent of the draw."""
_STATUSES = ("done", "partial", "failed")


def sampled(rows: DataFrame, rate: float) -> DataFrame:
    """Return the pairs whose id hashes below a rate: the same ones in every table and at every time.

    Args:
        rate: share of the pairs, in (0, 1].
    """
    return rows if rate >= 1 else rows.where(draw("pair_id", 0, SAMPLE) < F.lit(rate))


def ids(rows: DataFrame, table: str, own_ids: bool = False) -> DataFrame:
    """Compute pair_id and image_id from url and text again.

    Reads: pair_id, image_id, url, text.

    Args:
        own_ids: the pool brought its own ids (--id-column): only image_id is computed.
    """

    def look(batch: pa.RecordBatch, found: Found) -> None:
        keys, images, urls, texts = (batch.column(at) for at in range(4))
        if not own_ids:
            found.compare(f"{table}.pair_id", keys, pair_keys(urls, texts), keys)
        found.compare(f"{table}.image_id", keys, image_keys(urls), images)
        for name, column in (("url", urls), ("text", texts)):
            nulls = column.is_null().to_numpy(zero_copy_only=False)
            found.add_rows(f"{table}.{name}", keys, nulls, lambda _: "a value", lambda _: None)

    return checked(rows.select("pair_id", "image_id", "url", "text"), look)


def matches(rows: DataFrame, table: str, matcher: Broadcast[Matcher], lists: ListChoice | None = None) -> DataFrame:
    """Match each text again.

    Reads: pair_id, text, entry_ids; with a list per language also lang and list_lang.

    Args:
        lists: the list of each language; None where one list is used for all texts.
    """

    def look(batch: pa.RecordBatch, found: Found) -> None:
        keys, texts, stored = (batch.column(at) for at in range(3))
        if lists is None:
            wanted = matched_ids(matcher.value, texts)
        else:
            of_text = lists.choose(batch.column(3))
            found.compare(f"{table}.list_lang", keys, of_text, batch.column(4))
            wanted = matched_by_list(cast("SectionMatcher", matcher.value), texts, of_text)
        wrong = _lists_differ(wanted, stored)
        found.add_rows(
            f"{table}.entry_ids", keys, wrong, lambda row: wanted[row].as_py(), lambda row: stored[row].as_py()
        )

    columns = ["pair_id", "text", "entry_ids", *([] if lists is None else ["lang", "list_lang"])]
    return checked(rows.select(*columns), look)


def _lists_differ(wanted: pa.ListArray, stored: pa.ListArray) -> npt.NDArray[np.bool_]:
    """Return bool[n]: whether a list of ids is another one than wanted; a null differs from an empty list."""
    wrong: npt.NDArray[np.bool_] = pc.not_equal(wanted.is_null(), stored.is_null()).to_numpy(zero_copy_only=False)
    (ends, ids_), (stored_ends, stored_ids) = list_layout(wanted), list_layout(stored)
    lengths = np.diff(ends)
    wrong = wrong | (lengths != np.diff(stored_ends))
    # Of the lists of equal length, all ids are compared at once.
    same = ~wrong
    owners = np.repeat(np.arange(len(wrong)), lengths)
    mine = ids_[same[owners]] if len(owners) else ids_
    theirs = stored_ids[np.repeat(same, np.diff(stored_ends))]
    differ = mine != theirs
    wrong[owners[same[owners]][differ]] = True
    return wrong


def draws_of(
    rows: DataFrame,
    probabilities: Broadcast[npt.NDArray[np.float64]],
    seed: int,
    key: str,
    within: str | None = None,
    weights: PairWeights | None = None,
) -> DataFrame:
    """Compute the sampling probability and the draw of the pairs of a subset again, and whether the draw keeps them.

    Reads: pair_id, the key, entry_ids, sampling_probability, draw; `within`.

    Args:
        probabilities: float64 by entry id; NaN for an entry that was not counted.
        key: the column that keys the draw.
        within: the column with the probability in the run that the pairs are survivors of; null where it is unknown.
        weights: the factors of the pairs' probabilities; None: every pair weighs 1.
    """

    def look(batch: pa.RecordBatch, found: Found) -> None:
        pairs, keys, entry_ids, stored, drawn = (batch.column(at) for at in range(5))
        p = running_products(*list_layout(entry_ids), probabilities.value)
        weight = weights_in(batch, weights)
        p = p if weight is None else p * weight
        if within is not None:
            p = np.fmin(p, batch.column(5).to_numpy(zero_copy_only=False))
        stored, drawn = (column.to_numpy(zero_copy_only=False).astype(np.float64) for column in (stored, drawn))
        u = draws(pc.fill_null(keys, ""), seed)
        for name, wanted, got in (("sampling_probability", p, stored), ("draw", u, drawn)):
            wrong = ~(wanted == got)
            found.add_rows(f"curated_pairs.{name}", pairs, wrong, wanted.__getitem__, got.__getitem__)
        refused = (p == stored) & (u == drawn) & ~(u < p)
        found.add_rows(
            "curated_pairs", pairs, refused, lambda row: f"a draw below {p[row]}", lambda row: f"the draw {u[row]}"
        )

    names = ["pair_id", key, "entry_ids", "sampling_probability", "draw", *([] if within is None else [within])]
    columns = [F.col(name).alias(f"c{at}") for at, name in enumerate(names)]
    return checked(rows.select(*columns, *weight_columns(weights)), look)


def taken_down(rows: DataFrame, table: str, takedowns: Broadcast[Takedowns], owner: str) -> DataFrame:
    """Look for pairs whose image, page or id was taken down.

    Reads: pair_id, url, page_url, and the column that says whose the row is.
    """

    def look(batch: pa.RecordBatch, found: Found) -> None:
        keys, urls, pages, owners = (batch.column(at) for at in range(4))
        covered = takedowns.value.covers(urls, pages, keys)
        found.add_rows(table, keys, covered, lambda _: "no row", lambda row: f"a row of {owner} {owners[row].as_py()}")

    return checked(rows.select("pair_id", "url", "page_url", owner), look)


def taken_down_rejects(rows: DataFrame, table: str, takedowns: Broadcast[Takedowns]) -> DataFrame:
    """Look for rejects whose text contains a url that was taken down. Reads: source_path, reason, record, detail."""

    def look(batch: pa.RecordBatch, found: Found) -> None:
        paths, reasons, records, details = (batch.column(at) for at in range(4))
        covered = takedowns.value.covers_any_url_in(records) | takedowns.value.covers_any_url_in(details)
        found.add_rows(
            table, paths, covered, lambda _: "no row", lambda row: f"a reject for the reason {reasons[row].as_py()}"
        )

    return checked(rows.select("source_path", "reason", "record", "detail"), look)


def sums_of_sources(sources: DataFrame) -> DataFrame:
    """Check that the numbers of each source add up: every text that was read is a pair or a reject.

    Reads: source_path, status, texts_read, texts_matched, pairs_written, rejected, list_matched.
    """
    names = ("source_path", "status", "texts_read", "texts_matched", "pairs_written", "rejected", "list_matched")

    def look(batch: pa.RecordBatch, found: Found) -> None:
        for row in batch.to_pylist():
            path, status, read, matched, written, rejected, of_lists = row.values()
            rejected = dict(rejected or ())
            texts_rejected = sum(n for why, n in rejected.items() if is_of_text(why))
            if status not in _STATUSES:
                found.add("sources.status", path, "done, partial or failed", status)
            if read != written + texts_rejected:
                wanted = f"{written + texts_rejected} = {written} pairs + {texts_rejected} rejected texts"
                found.add("sources.texts_read", path, wanted, read)
            if matched > read:
                found.add("sources.texts_matched", path, f"at most the {read} texts read", matched)
            total = None if of_lists is None else sum(dict(of_lists).values())
            if total not in (None, matched):
                found.add("sources.list_matched", path, f"{matched} in all lists together", total)

    return checked(sources.select(*names), look)
