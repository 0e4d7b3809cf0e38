"""Where a DataLoader stands: how many batches each of its workers has given, and whose turn it is.

A DataLoader takes one batch of each worker in turn, and passes over the workers that have ended.
"""

from __future__ import annotations

from collections.abc import Sequence

from metaclip_spark.errors import ConfigError


def turns(total: int, batches: Sequence[int] | None, workers: int) -> tuple[list[int], int]:
    """Return the number of batches that each worker has given after `total` batches, and the worker whose turn it is.

    Args:
        total: the number of batches that the loader has given.
        batches: the number of batches that each worker has in the epoch; None where no worker can have ended.
        workers: the number of workers.

    Raises:
        ConfigError: the workers have fewer batches.

    >>> turns(7, [2, 3, 9], 3)
    ([2, 2, 3], 1)
    """
    batches = [total] * workers if batches is None else batches
    if total > sum(batches):
        raise ConfigError(
            f"the state is after {total:,} batches, and the epoch has {sum(batches):,}: it is the state of another "
            "export, epoch, seed or batch size."
        )
    low, high = 0, total  # the number of full rounds: the largest whose batches are at most total
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if sum(min(n, middle) for n in batches) <= total else (low, middle - 1)
    given = [min(n, low) for n in batches]
    live = [worker for worker, n in enumerate(batches) if n > low]
    left = total - sum(given)
    for worker in live[:left]:
        given[worker] += 1
    return given, live[left] if left < len(live) else 0
