"""The split of an epoch's rows over workers and ranks."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaclip_spark.errors import ConfigError
from metaclip_spark.training.source import Source
from metaclip_spark.training.split import parts, stream_of, this_rank, this_worker


@given(rows=st.lists(st.integers(0, 30), min_size=1, max_size=6), workers=st.integers(1, 12), epoch=st.integers(0, 3))
def test_workers_have_each_row_once_and_equally_many(rows, workers, epoch):
    """One after the other, the workers read the files as one worker does."""
    names = tuple(f"0/{n}.parquet" for n in range(len(rows)))
    source = Source(names, names, tuple(rows))
    if sum(rows) < workers:
        with pytest.raises(ConfigError, match=f"{workers} workers cannot share {sum(rows)} rows; take fewer workers"):
            parts(source, epoch, 0, (0, workers))
        return
    read = [
        [(part.file, row) for part in parts(source, epoch, 0, (at, workers)) for row in range(part.start, part.stop)]
        for at in range(workers)
    ]
    whole = [(part.file, row) for part in parts(source, epoch, 0, (0, 1)) for row in range(part.start, part.stop)]
    assert [row for of_worker in read for row in of_worker] == whole
    assert len(set(whole)) == len(whole) == sum(rows)
    assert max(map(len, read)) - min(map(len, read)) <= 1


def test_the_rank_is_the_given_one_or_that_of_torch_or_of_the_environment(monkeypatch):
    """In this order; without any there is one rank."""
    monkeypatch.delitem(sys.modules, "torch.distributed", raising=False)
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert this_rank() == (0, 1)
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert this_rank() == (0, 1)
    monkeypatch.setenv("RANK", "3")
    assert this_rank() == (3, 4)
    assert this_rank((1, 2)) == (1, 2)
    with pytest.raises(ConfigError, match=r"ranks must be \(i, n\) with 0 <= i < n, got \(2, 2\)"):
        this_rank((2, 2))
    monkeypatch.setenv("RANK", "4")
    with pytest.raises(ConfigError, match="RANK=4 and WORLD_SIZE=4 are no rank; expected 0 <= RANK < WORLD_SIZE"):
        this_rank()


def test_the_worker_is_that_of_the_loader(monkeypatch):
    """Outside of a DataLoader's process there is one worker; torch is not imported to ask."""
    monkeypatch.delitem(sys.modules, "torch.utils.data", raising=False)
    assert this_worker() == (0, 1)
    data = SimpleNamespace(get_worker_info=lambda: SimpleNamespace(id=2, num_workers=3))
    monkeypatch.setitem(sys.modules, "torch.utils.data", data)
    assert this_worker() == (2, 3)
    assert sorted(stream_of((r, 2), (w, 3)) for r in range(2) for w in range(3)) == [(n, 6) for n in range(6)]
