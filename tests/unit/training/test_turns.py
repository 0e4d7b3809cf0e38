"""The turns of a DataLoader's workers, against a loader that is played batch by batch."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaclip_spark.errors import ConfigError
from metaclip_spark.training.turns import turns


def order(batches: list[int], first: int = 0) -> list[int]:
    """Return the worker of each batch: each in turn, from `first` on, without those that have ended."""
    left, found, worker = list(batches), [], first
    while any(left):
        if left[worker]:
            left[worker] -= 1
            found.append(worker)
        worker = (worker + 1) % len(left)
    return found


@given(batches=st.lists(st.integers(0, 8), min_size=1, max_size=5))
def test_a_loader_goes_on_as_it_would_have(batches):
    """After any number of batches, workers that go on with the streams in turn give the rest of the order."""
    whole = order(batches)
    for total in range(len(whole) + 1):
        given_of, turn = turns(total, batches, len(batches))
        assert given_of == [whole[:total].count(worker) for worker in range(len(batches))]
        streams = [(turn + worker) % len(batches) for worker in range(len(batches))]
        rest = order([batches[stream] - given_of[stream] for stream in streams])
        assert [streams[worker] for worker in rest] == whole[total:]


def test_workers_that_cannot_have_ended_need_no_numbers():
    """One worker, for example."""
    assert turns(17, None, 1) == ([17], 0)


def test_a_state_of_something_else_is_refused():
    """It has more batches than there are."""
    with pytest.raises(ConfigError, match="the state is after 9 batches, and the epoch has 8: it is the state of anot"):
        turns(9, [4, 4], 2)
