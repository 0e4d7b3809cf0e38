"""Read the rows that explain a pair: the pair, its counts, the snapshots that hold it, and the draw of its image."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from metaclip_spark.core.draw import smallest_of
from metaclip_spark.core.hashing.ids import image_id
from metaclip_spark.stages.weights import weight_columns
from metaclip_spark.steps.context import Context, RunContext, pairs_of
from metaclip_spark.steps.takedown.list import stored_takedowns
from metaclip_spark.warehouse.tables import filter_equal

MOST_PAIRS = 20
"""Maximum number of pairs of an image that are explained."""


def pairs_of_url(ctx: Context, url: str) -> list[dict[str, str]]:
    """Return url, text, pair_id, list_lang and weight of the pool's pairs of an image, at most MOST_PAIRS."""
    return _pairs(ctx, image_id=image_id(url), url=url)


def pairs_of_id(ctx: Context, pair_id: str) -> list[dict[str, str]]:
    """Return url, text, pair_id, list_lang and weight of the pool's pairs with an id, at most MOST_PAIRS."""
    return _pairs(ctx, pair_id=pair_id)


def _pairs(ctx: Context, **where: str) -> list[dict[str, str]]:
    rows = filter_equal(_pool(ctx), **where)
    text = weight_columns(ctx.settings.pair_weights)[:1]
    rows = rows.select("url", "text", "pair_id", "list_lang", *text).orderBy("pair_id").limit(MOST_PAIRS)
    return [row.asDict() for row in rows.collect()]


def _pool(ctx: Context) -> DataFrame:
    """Return the pairs of all complete batches of this list."""
    return pairs_of(ctx, {snapshot: ctx.pool_state(snapshot) for snapshot in ctx.pool_snapshots()})


def counts_of_entries(ctx: RunContext, entry_ids: Sequence[int]) -> dict[int, int]:
    """Return entry_id -> count of the entries that the run counted."""
    rows = ctx.warehouse.rows("entry_probabilities", ["entry_id", "count"], run_id=ctx.run_id)
    rows = rows.filter(pc.is_in(rows["entry_id"], pa.array(list(entry_ids), pa.int32())))
    return dict(zip(rows["entry_id"].to_pylist(), rows["count"].to_pylist(), strict=True))


def threshold_of(ctx: RunContext, lang: str | None = None) -> int:
    """Return the t of the run, or of the list of a language; 0 where the run counted no entry of it.

    Args:
        lang: the language of the list; None where one list is used for all texts.
    """
    of_list = {} if lang is None else {"lang": lang}
    rows = ctx.warehouse.rows("entry_probabilities", ["threshold"], run_id=ctx.run_id, **of_list)
    return rows["threshold"][0].as_py() if rows.num_rows else 0


def probability_in_subset(ctx: RunContext, pair_id: str) -> float | None:
    """Return the sampling probability of a pair of the run's subset; None where the pair is not in the subset."""
    rows = filter_equal(ctx.warehouse.read("curated_pairs"), run_id=ctx.run_id, pair_id=pair_id)
    row = rows.select("sampling_probability").first()
    return row["sampling_probability"] if row is not None else None


def drawn_pair_of_image(ctx: Context, image: str) -> str:
    """Return the pair_id that `--unit image` chooses for an image with a matched text."""
    texts = filter_equal(_pool(ctx), image_id=image)
    rows = texts.where(F.size("entry_ids") > 0).select("pair_id").collect()
    keys = pa.array([row["pair_id"] for row in rows], pa.string())
    drawn = keys.filter(pa.array(smallest_of(pa.array([image] * len(keys)), keys, ctx.settings.seed)))
    return str(drawn[0].as_py())


def is_taken_down(ctx: Context, url: str | None, pair_id: str | None) -> bool:
    """Return whether the takedown list has a url of an image, its domain, or a pair id."""
    stored = stored_takedowns(ctx.warehouse)
    urls, keys = pa.array([url], pa.string()), pa.array([pair_id], pa.string())
    return stored is not None and bool(stored.covers(urls, None, keys)[0])


def snapshots_of_pair(ctx: Context, pair_id: str | None) -> list[str]:
    """Return the snapshots that hold a pair, in order; none where the id is not a hash of the url and the text."""
    if pair_id is None or not re.fullmatch("[0-9a-f]{32}", pair_id):
        return []
    sightings = filter_equal(ctx.warehouse.read("sightings"), metadata_id=ctx.metadata_id)
    rows = sightings.where(F.col("pair_key") == F.unhex(F.lit(pair_id))).select("snapshot").collect()
    return sorted(row["snapshot"] for row in rows)
