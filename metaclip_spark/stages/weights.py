"""Weights: the columns that a pair's weight is computed from, and what these columns hold."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from metaclip_spark.core.sampling import fixed_point
from metaclip_spark.core.weights.pairs import PairWeights

WEIGHT_COLUMNS = ("weight_text", "weight_list")
"""Names of the columns that `PairWeights.of` takes, where rows go to Python as a whole."""

_DDL = "snapshot string, kind int, pairs bigint, high bigint, low bigint, example string"
_EXACT = "decimal(38,0)"


def weight_columns(weights: PairWeights | None) -> list[Column]:
    """Return the columns that `PairWeights.of` takes, named `WEIGHT_COLUMNS`; none without weights.

    Reads: extra; with weights of lists also list_lang.
    """
    if weights is None:
        return []
    none = F.lit(None).cast("string")
    text = none if weights.column is None else F.col("extra").getItem(weights.column)
    columns = text, F.col("list_lang") if weights.languages else none
    return [column.alias(name) for column, name in zip(columns, WEIGHT_COLUMNS, strict=True)]


def weights_in(batch: pa.RecordBatch, weights: PairWeights | None) -> npt.NDArray[np.float64] | None:
    """Return the weight of each row of a batch that has `weight_columns`, float64; None without weights."""
    return None if weights is None else weights.of(*(batch.column(name) for name in WEIGHT_COLUMNS))


def weight_sums(pairs: DataFrame, weights: PairWeights) -> DataFrame:
    """Count the matched pairs by what their value is, and sum their weights exactly.

    Reads: pairs (snapshot, pair_id, entry_ids; `weight_columns`). Writes: nothing.
    Rows: n:1 per snapshot and kind of value. Shuffle: one row per snapshot, kind and task.

    Returns:
        snapshot; kind: 0 for a weight, otherwise a kind of `core.weights.values`; pairs; high and low: the sum of the
        weights in the form of `sampling.fixed_point`, decimals; example: the smallest pair_id, a space, and its value.
    """

    def partial_sums(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        sums: dict[tuple[str, int], list[int]] = {}
        examples: dict[tuple[str, int], str] = {}
        for batch in batches:
            values, kinds = weights.read(*(batch.column(name) for name in WEIGHT_COLUMNS))
            snapshots = batch.column("snapshot").dictionary_encode()
            codes = snapshots.indices.to_numpy() * 4 + kinds
            for code in np.unique(codes).tolist():
                mask = codes == code
                key = str(snapshots.dictionary[code // 4]), code % 4
                total = sums.setdefault(key, [0, 0, 0])
                for at, value in enumerate((int(mask.sum()), *fixed_point(values[mask]))):
                    total[at] += value
                if key[1]:
                    rows = batch.filter(pa.array(mask))
                    first = pc.min(rows.column("pair_id"))
                    value = rows.column(WEIGHT_COLUMNS[0])[pc.index(rows.column("pair_id"), first).as_py()]
                    example = f"{first} {'' if value.as_py() is None else value}"
                    examples[key] = min(example, examples.get(key, example))
        rows_of = [
            dict(zip(_SUMS.names, (*key, *total, examples.get(key)), strict=True)) for key, total in sums.items()
        ]
        yield pa.RecordBatch.from_pylist(rows_of, _SUMS)

    matched = pairs.where(F.size("entry_ids") > 0).select("snapshot", "pair_id", *weight_columns(weights))
    partial = matched.mapInArrow(partial_sums, _DDL)
    summed = [F.sum(F.col(name).cast(_EXACT)).alias(name) for name in ("pairs", "high", "low")]
    return partial.groupBy("snapshot", "kind").agg(*summed, F.min("example").alias("example"))


_SUMS = pa.schema(
    [
        ("snapshot", pa.string()),
        ("kind", pa.int32()),
        ("pairs", pa.int64()),
        ("high", pa.int64()),
        ("low", pa.int64()),
        ("example", pa.string()),
    ]
)
