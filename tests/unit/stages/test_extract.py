"""How many processes of the embedded engine read sources at the same time."""

from __future__ import annotations

import pytest

from metaclip_spark.sources.files import Source, Split
from metaclip_spark.stages.extract import PROCESS_BYTES, worth_of_processes

MIB = 1 << 20


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([100], 1),
        ([100] * 500, 1),
        ([3 * MIB, 3 * MIB], 2),
        ([900 * MIB, 1], 2),
        ([900 * MIB], 1),
        ([900 * MIB] * 3, 3),
        ([PROCESS_BYTES // 2] * 9, 5),
        ([0, 0, 0], 3),
        ([0, 100], 2),
    ],
)
def test_small_sources_share_a_process(sizes, expected):
    """Sources of unknown size have a process each; no more processes start than there are sources."""
    splits = [Split(Source(str(at), str(at), "wat", size, ""), 0, 1, 0, 1) for at, size in enumerate(sizes)]
    assert worth_of_processes(splits) == expected


def test_a_part_of_a_source_counts_by_its_own_bytes():
    """The parts of one file have its bytes together."""
    source = Source("a", "a", "tsv", 8 * MIB, "")
    parts = [Split(source, at, 8, at * MIB, (at + 1) * MIB) for at in range(8)]
    assert worth_of_processes(parts) == 2
