"""The pairs of an epoch, for one worker: as dicts, as tables of a row group each, and as batches of one size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from metaclip_spark.errors import ConfigError
from metaclip_spark.training.concept import Concepts
from metaclip_spark.training.pairs import Draw, dicts_of
from metaclip_spark.training.source import Paths, Source, open_source, sampling_unit
from metaclip_spark.training.split import Worker, parts
from metaclip_spark.training.stream import Stream, sized

ENTRY_IDS = "entry_ids"


@dataclass(frozen=True)
class Batch:
    """Pairs of one row group.

    Attributes:
        shard: the shard's position among this worker's shards, from 0; pass it as `first_shard` to resume an epoch.
        file: the shard's path.
        pairs: one row per pair, shuffled; the columns of the file, with pair_id, text and sampling_probability.
    """

    shard: int
    file: str
    pairs: pa.Table


def epoch(
    path: Paths,
    epoch: int,
    seed: int = 0,
    worker: Worker = (0, 1),
    *,
    first_shard: int = 0,
    skip: int = 0,
    columns: Sequence[str] | None = None,
    balance: bool | None = None,
    unit: str | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield one epoch's pairs as dicts; the arguments are those of `batches`.

    Each dict has its shard's position as `shard`. To resume a training that was interrupted, pass the number of pairs
    that this worker had as `skip`, or the last position as `first_shard`: the order is the same every time.
    """
    named: dict[str, Any] = {"columns": columns, "balance": balance, "unit": unit}
    for batch in batches(path, epoch, seed, worker, first_shard=first_shard, skip=skip, **named):
        for pair in dicts_of(batch.pairs):
            pair["shard"] = batch.shard
            yield pair


def batches(
    path: Paths,
    epoch: int,
    seed: int = 0,
    worker: Worker = (0, 1),
    *,
    first_shard: int = 0,
    skip: int = 0,
    columns: Sequence[str] | None = None,
    balance: bool | None = None,
    unit: str | None = None,
) -> Iterator[Batch]:
    """Yield one epoch's pairs as Arrow tables: shards in the epoch's order, each pair with probability p.

    One row group (some 16,000 rows) is in memory at a time. The rows of each row group are shuffled again.

    Args:
        path: an export, the folder that img2dataset wrote from an export, or several of them (a first export and its
            top-ups); paths, or uris that fsspec knows.
        epoch: 0, 1, ...: each epoch has a different draw and order.
        seed: the seed of the draws, any number; it need not be the run's seed.
        worker: (i, n): the number of this worker, and the number of workers. Worker i reads the rows from i/n to
            (i + 1)/n of the epoch's shards in their order, so that all workers read equally many rows. With several
            processes per machine, n is the number of all processes.
        first_shard: the number of this worker's shards to skip.
        skip: the number of this worker's pairs to skip, after those of `first_shard`.
        columns: names of the columns of a pair; None for all. Fewer columns are faster.
        balance: True samples the pairs by their probabilities, False yields every pair. The default depends on the
            export's manifest: True for a pool, False for a curated subset.
        unit: `pair` or `image`, the unit that the run sampled by; the default is the unit in the manifest, else pair.

    Raises:
        ConfigError: a worker has no row, or neither `balance` nor a manifest says whether to sample.
        InputError: the files are not those of an export.
    """
    source = open_source(path)
    draw = Draw(epoch, seed, sampling_unit(path, balance, unit), None if columns is None else tuple(columns))
    stream = Stream(parts(source, epoch, seed, worker), draw)
    for shard, pairs in stream.tables(skip, first_shard):
        yield Batch(shard, stream.parts[shard].file, pairs)


def sized_batches(
    path: Paths,
    epoch: int,
    size: int,
    seed: int = 0,
    worker: Worker = (0, 1),
    *,
    concepts: Concepts | None = None,
    first_batch: int = 0,
    columns: Sequence[str] | None = None,
    balance: bool | None = None,
    unit: str | None = None,
) -> Iterator[pa.Table]:
    """Yield one epoch's pairs in batches of one size, as Arrow tables; the last may have fewer pairs.

    Args:
        size: the number of pairs in a batch.
        concepts: how each batch is chosen from more candidates; None takes every pair of the epoch.
        first_batch: the number of this worker's batches to skip; resumes an epoch.
        path, epoch, seed, worker, columns, balance, unit: as in `batches`.

    Raises:
        ConfigError, InputError: as in `batches`.
    """
    if size < 1:
        raise ConfigError(f"a batch has at least one pair, got size={size}.")
    source = open_source(path)
    draw = Draw(epoch, seed, sampling_unit(path, balance, unit), read_columns(columns, concepts))
    stream = Stream(parts(source, epoch, seed, worker), draw)
    skip = first_batch * span(size, concepts)
    yield from cut((table for _, table in stream.tables(skip)), size, concepts, columns)


def span(size: int, concepts: Concepts | None) -> int:
    """Return the number of an epoch's pairs for each batch."""
    return size * (concepts.candidates if concepts else 1)


def read_columns(columns: Sequence[str] | None, concepts: Concepts | None) -> tuple[str, ...] | None:
    """Return the columns of the pairs that batches are made from; None for all."""
    if columns is None:
        return None
    return tuple(dict.fromkeys([*columns, *([ENTRY_IDS] if concepts else [])]))


def cut(
    tables: Iterator[pa.Table], size: int, concepts: Concepts | None, columns: Sequence[str] | None
) -> Iterator[pa.Table]:
    """Yield the pairs of tables in batches; see `sized_batches`."""
    for candidates in sized(tables, span(size, concepts)):
        batch = candidates
        if concepts is not None:
            if len(candidates) < size:
                return
            entry_ids = candidates.column(ENTRY_IDS).combine_chunks()
            batch = candidates.take(pa.array(concepts.chosen(entry_ids, size)))
        yield batch if columns is None else batch.select(list(columns))


def sizes(
    path: Paths,
    epoch: int,
    seed: int = 0,
    workers: int = 1,
    *,
    balance: bool | None = None,
    unit: str | None = None,
) -> list[int]:
    """Return the number of pairs that each of n workers gets in an epoch, exactly.

    Only the columns are read that decide which pairs are in the epoch.

    Args:
        workers: the number of all workers.
        path, epoch, seed, balance, unit: as in `batches`.

    Raises:
        ConfigError, InputError: as in `batches`.
    """
    draw = Draw(epoch, seed, sampling_unit(path, balance, unit))
    return stream_sizes(open_source(path), draw, [(number, workers) for number in range(workers)])


def stream_sizes(source: Source, draw: Draw, workers: Sequence[Worker]) -> list[int]:
    """Return the number of pairs of each worker."""
    streams = [Stream(parts(source, draw.epoch, draw.seed, worker), draw) for worker in workers]
    with ThreadPoolExecutor() as pool:  # reading and hashing run without the interpreter's lock
        return list(pool.map(Stream.size, streams))


def shards(path: Paths, epoch: int, seed: int = 0, worker: Worker = (0, 1)) -> list[str]:
    """Return the files that a worker reads in an epoch, in order. A file at the border of two workers goes to both.

    Raises:
        ConfigError: there are fewer rows than workers, so that a worker would have nothing to read.
    """
    return [part.file for part in parts(open_source(path), epoch, seed, worker)]
