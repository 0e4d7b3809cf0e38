"""Statistics of a run: one pass over few columns of the pool computes every number of the report.

Names in `run_statistics`: `pairs` and `curated` (sizes), `matches` and `curated_matches` (key: number of matched
entries), `curated_count` (key: entry id), and `expected_high/low`, `variance_high/low` (sums of p and p(1 - p)
in fixed point, see `sampling.fixed_point`). A sum of 2**62 or more has a second row, NAME_top
(`sampling.limbs`). With --unit image also `images`: the images with a matched text.
For pairs that an earlier run sampled, p is the conditional probability that the pair is kept, given that the earlier
run kept it. `capped` counts the pairs whose new probability exceeds the earlier one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from metaclip_spark.core.counts import EntrySums
from metaclip_spark.core.sampling import batch_probability, drawn_again, fixed_point, limbs
from metaclip_spark.core.weights.pairs import PairWeights
from metaclip_spark.schemas import RUN_STATISTICS
from metaclip_spark.spark.broadcast import Broadcast
from metaclip_spark.stages.columns import draw, need_columns
from metaclip_spark.stages.weights import weight_columns, weights_in

_DDL = "name string, key bigint, value bigint"
_KEYED = "array<struct<name:string,key:bigint>>"
_CURATED_COUNT = "curated_count"
MAX_MATCHES = 1000
"""The highest key of `matches`, which also counts the texts with more matches."""


def statistics(
    pairs: DataFrame,
    probabilities: Broadcast[npt.NDArray[np.float64]],
    seed: int,
    run_id: str,
    key: str = "pair_id",
    within: str | None = None,
    weights: PairWeights | None = None,
) -> DataFrame:
    """Compute sums over the pool, before and after balancing.

    Reads: pairs (the draw's key and entry_ids; `within`). Writes: nothing. Rows: n:1 per name and key.
    Shuffle: a few numbers per task, and four bytes per entry and task (see `count`).

    Args:
        within, weights: see `balance`.
    """
    need_columns(pairs, "statistics", [key, "entry_ids"], "Run extract with --metadata, or match, first.")

    def partial_sums(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        sums = _Sums(probabilities.value, drawn_before=within is not None)
        for batch in batches:
            before = batch.column("within").to_numpy(zero_copy_only=False) if within is not None else None
            sums.add(batch.column("entry_ids"), batch.column("u").to_numpy(), before, weights_in(batch, weights))
        yield sums.to_arrow()

    earlier = [] if within is None else [F.col(within).alias("within")]
    drawn = pairs.select("entry_ids", draw(key, seed).alias("u"), *earlier, *weight_columns(weights))
    partial = drawn.mapInArrow(partial_sums, f"{_DDL}, sums binary")
    summed = partial.repartition("name", "key").mapInArrow(_totals, _DDL)
    return summed.withColumn("run_id", F.lit(run_id)).select(*RUN_STATISTICS.names)


def image_statistics(
    pairs: DataFrame,
    chosen: DataFrame,
    probabilities: Broadcast[npt.NDArray[np.float64]],
    seed: int,
    run_id: str,
    weights: PairWeights | None = None,
) -> DataFrame:
    """Compute the sums if one text per image is sampled: sizes of the pool, and the sums after sampling `chosen`.

    Reads: pairs (entry_ids, pair_id, image_id). Writes: nothing. Rows: n:1 per name and key.
    Shuffle: that of `chosen`, and that of `statistics` twice.
    """
    in_pool = F.col("name").isin("pairs", "matches")
    before = statistics(pairs, probabilities, seed, run_id).where(in_pool)
    after = statistics(chosen, probabilities, seed, run_id, "image_id", weights=weights).where("name <> 'matches'")
    return before.union(after.replace("pairs", "images", ["name"]))


def grown_statistics(
    kept: DataFrame,
    new: DataFrame,
    earlier: DataFrame,
    probabilities: Broadcast[npt.NDArray[np.float64]],
    seed: int,
    run_id: str,
    weights: PairWeights | None = None,
) -> DataFrame:
    """Compute the sums over a grown pool from an earlier run's subset and the new pairs, without the rest of the pool.

    Sums of the pool are the earlier ones plus those of the new pairs. Expected sizes are conditional on the earlier
    subset.

    Reads: kept (the earlier subset, with `within`), new (pairs), earlier (run_statistics of the earlier run).
    Writes: nothing. Rows: n:1 per name and key. Shuffle: that of `statistics`.
    """
    in_pool = F.col("name").isin("pairs", "matches")
    columns = ["pair_id", "entry_ids", "within", *([] if weights is None else ["extra", "list_lang"])]
    added = new.withColumn("within", F.lit(None).cast("double"))
    both = kept.select(*columns).union(added.select(*columns))
    drawn = statistics(both, probabilities, seed, run_id, within="within", weights=weights)
    pool = earlier.where(in_pool).select("name", "key", "value").union(sums_of_pairs(new))
    sizes = pool.groupBy("name", "key").agg(F.sum("value").alias("value")).withColumn("run_id", F.lit(run_id))
    return sizes.select(*RUN_STATISTICS.names).union(drawn.where(~in_pool & (F.col("name") != "capped")))


def sums_of_pairs(pairs: DataFrame) -> DataFrame:
    """Compute the sums over pairs that do not depend on the draw: `pairs` and `matches`.

    Reads: entry_ids. Rows: name, key, value; n:1 per name and key. Shuffle: one row per number of matches and task.
    """
    return _occurrences(pairs, _keyed("pairs", F.lit(0)), _keyed("matches", _matches()))


def sums_of_subset(subset: DataFrame) -> DataFrame:
    """Compute the sums that depend on the subset alone: `curated`, `curated_matches` and `curated_count`.

    Reads: entry_ids. Rows: name, key, value; n:1 per name and key. Shuffle: one row per entry and task.
    """
    entry_ids = F.coalesce("entry_ids", F.array().cast("array<int>"))
    of_entries = F.transform(entry_ids, lambda entry_id: _named(_CURATED_COUNT, entry_id))
    return _occurrences(subset, _keyed("curated", F.lit(0)), _keyed("curated_matches", _matches()), of_entries)


def _matches() -> Column:
    return F.least(F.coalesce(F.size("entry_ids"), F.lit(0)), F.lit(MAX_MATCHES))


def _keyed(name: str, key: Column) -> Column:
    return F.array(_named(name, key))


def _named(name: str, key: Column) -> Column:
    return F.struct(F.lit(name).alias("name"), key.cast("bigint").alias("key"))


def _occurrences(rows: DataFrame, *keyed: Column) -> DataFrame:
    """Count the occurrences of each (name, key) in arrays of such structs."""
    alike = [part.cast(_KEYED) for part in keyed]  # one engine wants equal types, down to what may be null
    return rows.select(F.inline(F.concat(*alike))).groupBy("name", "key").agg(F.count("*").alias("value"))


def _totals(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Sum the partial sums of all tasks, for the names and keys of one partition."""
    of_entries = EntrySums()
    totals: Counter[tuple[str, int]] = Counter()
    for batch in batches:
        packed = batch.column("sums").is_valid()
        blocks = batch.filter(packed)
        of_entries.add_blocks(blocks.column("key"), blocks.column("sums"))
        for row in batch.filter(pc.invert(packed)).to_pylist():
            totals[row["name"], row["key"]] += row["value"]
    counted = of_entries.to_arrow()
    parts = [(part, key, value) for (name, key), total in totals.items() for part, value in limbs(name, total).items()]
    names = [name for name, _, _ in parts] + [_CURATED_COUNT] * len(counted)
    keys = [key for _, key, _ in parts] + counted.column("entry_id").to_pylist()
    values = [value for _, _, value in parts] + counted.column("count").to_pylist()
    yield _rows(names, keys, values)


def _rows(names: list[str], keys: list[int], values: list[int], **more: pa.Array) -> pa.RecordBatch:
    columns = {"name": pa.array(names, pa.string()), "key": pa.array(keys, pa.int64())}
    return pa.record_batch({**columns, "value": pa.array(values, pa.int64()), **more})


class _Sums:
    """The partial sums of one task."""

    def __init__(self, by_entry: npt.NDArray[np.float64], drawn_before: bool = False) -> None:
        self._by_entry = by_entry
        self._drawn_before = drawn_before
        self._capped = 0
        self._curated_count = EntrySums(len(by_entry))
        self._matches = np.zeros((2, MAX_MATCHES + 1), dtype=np.int64)
        self._expected = [0, 0]
        self._variance = [0, 0]

    def add(
        self,
        entry_ids: pa.ListArray,
        u: npt.NDArray[np.float64],
        within: npt.NDArray[np.float64] | None = None,
        weights: npt.NDArray[np.float64] | None = None,
    ) -> None:
        """Add a batch: entry ids, draws, earlier probabilities (NaN: the pair was not sampled before), and weights."""
        p = batch_probability(entry_ids, self._by_entry)
        p = p if weights is None else p * weights
        kept = u < p
        if within is not None:
            self._capped += int((p > within).sum())  # false for NaN
            kept &= ~(u >= within)
            p = drawn_again(p, within)
        lengths = np.minimum(entry_ids.value_lengths().fill_null(0).to_numpy(zero_copy_only=False), MAX_MATCHES)
        self._matches[0] += np.bincount(lengths, minlength=MAX_MATCHES + 1)
        self._matches[1] += np.bincount(lengths[kept], minlength=MAX_MATCHES + 1)
        self._curated_count.add(entry_ids, kept)
        for total, values in ((self._expected, p), (self._variance, p * (1.0 - p))):
            high, low = fixed_point(values)
            total[0] += high
            total[1] += low

    def to_arrow(self) -> pa.RecordBatch:
        """Return one row per name and key, and one row per block of entries, whose counts are packed in `sums`."""
        single = {
            "pairs": int(self._matches[0].sum()),
            "curated": int(self._matches[1].sum()),
            "expected_high": self._expected[0],
            "expected_low": self._expected[1],
            "variance_high": self._variance[0],
            "variance_low": self._variance[1],
        }
        if self._drawn_before:
            single["capped"] = self._capped
        rows = [(name, 0, value) for name, value in single.items()]
        for name, sums in (("matches", self._matches[0]), ("curated_matches", self._matches[1])):
            rows += [(name, key, int(sums[key])) for key in np.flatnonzero(sums).tolist()]
        blocks = self._curated_count.to_blocks()
        rows += [(_CURATED_COUNT, block, 0) for block in blocks.column("block").to_pylist()]
        names, keys, values = map(list, zip(*rows, strict=True))
        nothing = pa.nulls(len(rows) - len(blocks), pa.binary())
        return _rows(names, keys, values, sums=pa.concat_arrays([nothing, blocks.column("sums")]))
