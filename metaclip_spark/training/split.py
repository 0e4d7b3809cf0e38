"""Split an epoch's rows over workers and ranks."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from metaclip_spark.core.draw import hashes
from metaclip_spark.errors import ConfigError
from metaclip_spark.training.source import Source

Worker = tuple[int, int]
"""(i, n): the number of a worker, and the number of workers."""


@dataclass(frozen=True)
class Part:
    """The rows of a file from `start` to before `stop`."""

    file: str
    start: int
    stop: int


def parts(source: Source, epoch: int, seed: int, worker: Worker) -> list[Part]:
    """Return what a worker reads in an epoch, in order: worker i of n has the rows from i/n to (i + 1)/n of all.

    The files are in the epoch's order, which a keyed hash decides. All workers together read each row once, whatever
    their number, and have equally many rows, give or take one. A file at a border is read by both of its workers.

    Raises:
        ConfigError: the worker is no (i, n) with 0 <= i < n, or there are fewer rows than workers.
    """
    number, of = checked(worker)
    # The order depends on a folder's position and the file's name, so that a copy of the export has the same order.
    order = np.argsort(hashes(pa.array(source.names), seed, f"shards-{epoch}"), kind="stable")
    total = sum(source.rows)
    if of > total:
        raise ConfigError(f"{of} workers cannot share {total} rows; take fewer workers.")
    return list(_between(source, order.tolist(), total * number // of, total * (number + 1) // of))


def _between(source: Source, order: list[int], first: int, end: int) -> Iterator[Part]:
    """Yield the parts of the files in an order that are between two rows of all rows."""
    before = 0
    for at in order:
        rows = source.rows[at]
        start, stop = max(first - before, 0), min(end - before, rows)
        if start < stop:
            yield Part(source.files[at], start, stop)
        before += rows


def checked(worker: Worker, what: str = "worker") -> Worker:
    """Return (i, n).

    Raises:
        ConfigError: it is no (i, n) with 0 <= i < n.
    """
    number, of = worker
    if not 0 <= number < of:
        raise ConfigError(f"{what} must be (i, n) with 0 <= i < n, got {worker}.")
    return worker


def this_rank(given: Worker | None = None) -> Worker:
    """Return (rank, number of ranks): as given, else torch.distributed's, else RANK and WORLD_SIZE, else (0, 1).

    Raises:
        ConfigError: the numbers are no rank.
    """
    if given is not None:
        return checked(given, "ranks")
    distributed: Any = sys.modules.get("torch.distributed")
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    rank, of = os.environ.get("RANK"), os.environ.get("WORLD_SIZE")
    if rank is None or of is None:
        return 0, 1
    if not (rank.isdecimal() and of.isdecimal() and int(rank) < int(of)):
        raise ConfigError(f"RANK={rank} and WORLD_SIZE={of} are no rank; expected 0 <= RANK < WORLD_SIZE.")
    return int(rank), int(of)


def this_worker() -> Worker:
    """Return (i, n) of this worker process of torch's DataLoader; (0, 1) elsewhere."""
    data: Any = sys.modules.get("torch.utils.data")
    info = data.get_worker_info() if data is not None else None
    return (0, 1) if info is None else (info.id, info.num_workers)


def stream_of(rank: Worker, worker: Worker) -> Worker:
    """Return (i, n) of a worker of a rank among all workers of all ranks.

    >>> stream_of((1, 2), (0, 4))
    (4, 8)
    """
    return rank[0] * worker[1] + worker[0], rank[1] * worker[1]
