"""The smallest t that keeps a pair."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from metaclip_spark.verbs.explanation import smallest_keeping_threshold


@given(
    counts=st.lists(st.integers(1, 60), min_size=1, max_size=4),
    draw=st.floats(0, 1, exclude_max=True),
)
def test_the_smallest_t_is_found(counts, draw):
    """The result equals a scan over all t up to the highest count."""

    def is_kept(t: int) -> bool:
        missed = 1.0
        for count in counts:
            missed *= 1.0 - t / max(count, t)
        return draw < 1.0 - missed

    assert smallest_keeping_threshold(counts, draw) == min(t for t in range(1, max(counts) + 1) if is_kept(t))


def test_no_t_keeps_a_text_without_matches_and_every_t_keeps_an_entry_that_was_never_counted():
    """An entry with count 0 is a tail entry at every t."""
    assert smallest_keeping_threshold([], 0.1) is None
    assert smallest_keeping_threshold([0, 1000], 0.9) == 1
