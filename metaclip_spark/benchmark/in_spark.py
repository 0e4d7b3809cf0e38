"""Time matching as a Spark pass, next to a pass that matches nothing."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import ahocorasick
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from metaclip_spark.core.text import spaced, spaced_entry
from metaclip_spark.metadata import Metadata
from metaclip_spark.spark.arrow_udf import column_function
from metaclip_spark.spark.broadcast import Broadcast
from metaclip_spark.stages.match import match_entries_function

FLOOR = "as many ids, nothing matched (the floor)"
OURS = "phrases"
_FILES = 8


class Pass(NamedTuple):
    """The time of a pass over the texts: the median of the rounds, in seconds."""

    name: str
    seconds: float


def passes(
    spark: SparkSession, metadata: Metadata, texts: Sequence[str], ids: int, rounds: int, peers: bool = True
) -> list[Pass]:
    """Time passes from Parquet to a sink that stores nothing. The passes alternate, and the first round is not counted.

    Args:
        ids: number of ids that the floor returns, evenly spread over the texts: as many as matching finds.
        rounds: number of timings per pass.
        peers: time pyahocorasick, too, in a plain UDF and in mapInArrow.
    """
    with tempfile.TemporaryDirectory(prefix="metaclip-benchmark-") as folder:
        step = -(-len(texts) // _FILES)
        for part in range(_FILES):
            table = pa.table({"text": pa.array(texts[part * step : (part + 1) * step], pa.string())})
            pq.write_table(table, Path(folder, f"{part}.parquet"))
        pool = spark.read.parquet(folder)
        matchings = {FLOOR: _floor(pool, ids / len(texts))}
        if peers:
            matchings.update(_peers(spark, pool, metadata))
        function = match_entries_function(spark, metadata, "phrases")
        matchings[OURS] = pool.select(function("text").alias("entry_ids"))
        seconds: dict[str, list[float]] = {name: [] for name in matchings}
        for round_number in range(rounds + 1):
            for name, matched in matchings.items():
                start = time.perf_counter()
                matched.write.format("noop").mode("overwrite").save()
                if round_number:
                    seconds[name].append(time.perf_counter() - start)
    return [Pass(name, statistics.median(times)) for name, times in seconds.items()]


def _floor(pool: DataFrame, ids_per_text: float) -> DataFrame:
    def zeros(texts: pa.Array) -> pa.Array:
        offsets = (np.arange(len(texts) + 1) * ids_per_text).astype(np.int32)
        return pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.zeros(offsets[-1], np.int32)))

    return pool.select(column_function(zeros, "array<int>", pa.string())("text").alias("entry_ids"))


def _peers(spark: SparkSession, pool: DataFrame, metadata: Metadata) -> dict[str, DataFrame]:
    automaton = ahocorasick.Automaton(ahocorasick.STORE_INTS)
    for number, entry in enumerate(metadata.entries):
        automaton.add_word(spaced_entry(entry), number)
    automaton.make_automaton()
    broadcast = Broadcast.of(spark, automaton, key=f"{metadata.metadata_id}:benchmark")

    def ids_of(text: str) -> list[int]:
        return sorted({number for _, number in broadcast.value.iter(spaced(text))})

    def batches_of(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        find = broadcast.value.iter
        for batch in batches:
            rows = [sorted({number for _, number in find(spaced(text))}) for text in batch.column(0).to_pylist()]
            yield pa.record_batch({"entry_ids": pa.array(rows, pa.list_(pa.int32()))})

    plain: Callable[..., Column] = F.udf(ids_of, "array<int>", useArrow=False)
    return {
        "pyahocorasick in a plain UDF": pool.select(plain("text").alias("entry_ids")),
        "pyahocorasick in mapInArrow": pool.mapInArrow(batches_of, "entry_ids array<int>"),
    }
