"""From which t on a pair would be kept."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from metaclip_spark.verbs.explanation import kept_from


@given(
    counts=st.lists(st.integers(1, 60), min_size=1, max_size=4),
    draw=st.floats(0, 1, exclude_max=True),
)
def test_the_smallest_t_is_found(counts, draw):
    """Of all t up to the highest count, tried one after the other."""

    def is_kept(t: int) -> bool:
        missed = 1.0
        for count in counts:
            missed *= 1.0 - t / max(count, t)
        return draw < 1.0 - missed

    assert kept_from(counts, draw) == min(t for t in range(1, max(counts) + 1) if is_kept(t))


def test_a_text_without_matches_is_kept_by_no_t_and_an_entry_that_was_never_counted_keeps_at_once():
    """Count 0 is a tail entry at every t."""
    assert kept_from([], 0.1) is None
    assert kept_from([0, 1000], 0.9) == 1
