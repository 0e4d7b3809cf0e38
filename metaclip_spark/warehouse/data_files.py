"""The data files of a table by partition, and whether merging them makes fewer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

TARGET_BYTES = 128 << 20
"""Size of a data file that maintenance aims at."""
_SORTED_SHARE = 0.25
"""Share of a partition's bytes in small files from which on it is written anew in the order of its keys."""


@dataclass(frozen=True)
class PartitionFiles:
    """The current data files of one partition of a table.

    Attributes:
        partition: partition column -> value; empty for a table without partitions.
        files, bytes: of all files.
        small: number of files that are smaller than the target.
        merged: about how many files the small ones become when they are merged up to the target.
        rows: None where the log does not tell it.
        small_bytes: bytes of the small files.
    """

    partition: Mapping[str, str]
    files: int
    bytes: int
    small: int
    merged: int
    rows: int | None
    small_bytes: int = 0

    @property
    def after(self) -> int:
        """About how many files there are after the small ones are merged."""
        return self.files - self.small + self.merged

    @property
    def can_shrink(self) -> bool:
        """Whether merging small files makes fewer."""
        return self.merged < self.small

    @property
    def shall_be_sorted(self) -> bool:
        """Whether the partition shall be written anew in the order of its keys, where it has one.

        Engines merge files by size, whatever their keys: the merged files then span all keys, and statistics leave out
        none of them. For one merged file, or few bytes of a large partition, writing all of it anew does not pay.
        """
        return self.can_shrink and self.merged > 1 and self.small_bytes >= _SORTED_SHARE * self.bytes


def by_partition(files: Iterable[tuple[Mapping[str, str], int, int | None]], target: int) -> list[PartitionFiles]:
    """Group files by partition.

    Args:
        files: (partition, bytes, rows) of each file.
        target: size below which a file is small.
    """
    groups: dict[tuple[tuple[str, str], ...], list[tuple[int, int | None]]] = {}
    for partition, size, rows in files:
        groups.setdefault(tuple(sorted(partition.items(), key=str)), []).append((size, rows))
    found = []
    for key, sizes in sorted(groups.items(), key=str):
        small = [size for size, _ in sizes if size < target]
        numbers = [rows for _, rows in sizes if rows is not None]
        found.append(
            PartitionFiles(
                partition=dict(key),
                files=len(sizes),
                bytes=sum(size for size, _ in sizes),
                small=len(small),
                merged=_bins(small, target),
                rows=sum(numbers) if len(numbers) == len(sizes) else None,
                small_bytes=sum(small),
            )
        )
    return found


def _bins(sizes: Iterable[int], target: int) -> int:
    """Return how many files a partition's small files become: the smallest ones together, up to the target.

    >>> _bins([10, 20, 30], 100), _bins([70, 60], 100), _bins([], 100)
    (1, 2, 0)
    """
    bins, free = 0, 0
    for size in sorted(sizes):
        if size > free:
            bins, free = bins + 1, target
        free -= size
    return bins


BATCH_BYTES = 64 << 20
"""About how many bytes of rows go to a Python worker at a time."""
MOST_ROWS, LEAST_ROWS = 8192, 128
"""Rows of a batch, at most and at least."""
_EXPANSION = 4
"""Bytes of a row in memory for each byte of it in a file: texts are compressed to a half, and ids to less."""


def rows_per_batch(parts: Iterable[PartitionFiles]) -> int:
    """Return how many rows of a table a batch may have, from the bytes of a row in its files.

    Rows of `pairs` lie in the order of hashes. So long ones do not lie together, and a batch is as large as so many
    rows are on average.

    >>> rows_per_batch([PartitionFiles({}, 1, 115_000_000, 1, 1, 1_000_000)])
    8192
    >>> rows_per_batch([PartitionFiles({}, 1, 8_000_000_000, 0, 0, 1_000_000)])
    2097
    """
    wide = max((part.bytes / part.rows for part in parts if part.rows), default=0.0)
    return max(LEAST_ROWS, min(MOST_ROWS, int(BATCH_BYTES / max(_EXPANSION * wide, 1))))


FEW_TASKS = 64
"""With fewer tasks a write makes few files anyway, and maintenance merges them."""


def few_files(expected_bytes: float, tasks: int) -> int | None:
    """Return how many files to write rows into, or None where one file per task is right.

    Args:
        expected_bytes: about how many bytes the rows take.
        tasks: about how many tasks read what the rows come from.

    >>> few_files(4e6, 13_600), few_files(700e9, 463_000), few_files(4e6, 8), few_files(100e9, 1_000)
    (1, 5216, None, None)
    """
    files = max(1, math.ceil(expected_bytes / TARGET_BYTES))
    return files if tasks > FEW_TASKS and files * 4 <= tasks else None
