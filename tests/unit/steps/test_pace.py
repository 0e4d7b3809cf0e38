"""The pace of extraction and its gate: when it waits, how far it slows down, and when it stops."""

from __future__ import annotations

import pytest

from metaclip_spark.config.settings import Settings
from metaclip_spark.errors import IncompleteError
from metaclip_spark.steps.reading.gate import Gate
from metaclip_spark.steps.reading.pace import PAUSES, Pace, sources_per_commit

BUSY = "http://a/b could not be fetched: got status 503 8 times; run again with --retry partial,failed"
AWAY = "http://a/b could not be fetched: got a read timeout 8 times; run again with --retry partial,failed"
TORN = "EOFError: Compressed file ended before the end-of-stream marker was reached"


def test_a_commit_has_many_rounds_of_the_cores():
    """All cores wait for the last source of a commit."""
    assert [sources_per_commit(None, cores) for cores in (None, 1, 62, 400)] == [500, 500, 1984, 12_800]
    assert sources_per_commit(3, 400) == 3


def test_a_few_failures_are_no_reason_to_wait():
    """Damage never is, and a failed transfer now and then is not either."""
    pace = Pace(8)
    assert pace.after([TORN] * 100) == (0.0, "")
    assert pace.after([BUSY] * 4 + [None] * 96) == (0.0, "")
    assert pace.after([BUSY] * 19 + [None] * 81) == (0.0, "")
    assert (pace.fetches, pace.limit(500)) == (8, 500)


def test_failures_of_small_commits_are_summed():
    """With one source per commit, the last 20 are looked at."""
    pace = Pace(8)
    waits = [pace.after([AWAY]) for _ in range(5)]
    assert waits == [(0.0, "")] * 4 + [(PAUSES[0], "5 of the last 5 sources are cut off by the network")]


def test_extraction_waits_longer_each_time_and_then_reads_a_few():
    """Each wait halves the sources that are fetched at a time; a success ends the waits, and doubles them again."""
    pace = Pace(8)
    assert pace.after([BUSY] * 30 + [None] * 70)[0] == PAUSES[0]
    assert (pace.fetches, pace.limit(500), pace.limit(2)) == (4, 5, 2)
    assert pace.after([BUSY, None, None, None])[0] == PAUSES[1]
    assert pace.fetches == 2
    assert pace.after([None] * 5) == (0.0, "")
    assert (pace.limit(500), pace.fetches) == (500, 2)
    assert pace.after([None] * 500) == (0.0, "")
    assert pace.fetches == 4
    pace.after([None] * 500)
    pace.after([None] * 500)
    assert pace.fetches == 8
    assert pace.after([BUSY] * 500)[0] == PAUSES[0]


def test_after_the_last_wait_extraction_goes_on():
    """The failures then count as any others."""
    pace = Pace(None)
    assert [pace.after([BUSY] * 10)[0] for _ in range(8)] == [*PAUSES, 0.0, 0.0]
    assert pace.is_hopeless
    assert pace.limit(500) == 500


def gate(total: int, read: int, reasons: list[str], **settings: str) -> Gate:
    """Return a gate after the sources of a commit."""
    made = Gate(Settings(**settings), total)
    made.add({f"s{n}": reasons[n] if n < len(reasons) else None for n in range(read)})
    return made


@pytest.mark.parametrize(
    ("total", "read", "failed", "settings", "stops"),
    [
        (11, 11, 11, {}, False),  # few sources: the end of the run says so
        (90_000, 500, 50, {}, False),
        (90_000, 500, 51, {}, True),
        (90_000, 90_000, 9_000, {}, False),
        (90_000, 90_000, 9_001, {}, True),
        (90_000, 500, 51, {"allow_incomplete": "1%"}, True),
        (90_000, 500, 51, {"allow_incomplete": "60"}, False),
        (90_000, 500, 6, {"max_failed": "5"}, True),
        (90_000, 10, 5, {"max_failed": "5%"}, False),  # as if a hundred were read
        (90_000, 10, 6, {"max_failed": "5%"}, True),
        (10, 10, 1, {"max_failed": "5%"}, True),
        (10, 10, 1, {"max_failed": "0", "allow_incomplete": "10%"}, False),
    ],
)
def test_the_gate_compares_with_the_budget(total, read, failed, settings, stops):
    """A number is a number; a share is one of the sources that are read, of at least a hundred until all are."""
    made = gate(total, read, [TORN] * failed, **settings)
    if not stops:
        made.check(transient=True)
        return
    with pytest.raises(IncompleteError, match=f"{failed:,} of {read:,} source.* partial or failed"):
        made.check(transient=True)


def test_failures_that_may_pass_do_not_stop_the_run_while_they_may():
    """The pace waits for them; at the end they count."""
    made = gate(90_000, 500, [BUSY] * 300)
    made.check(transient=False)
    with pytest.raises(
        IncompleteError, match="300 throttled by their server, e.g. s0: http://a/b could not be fetched"
    ):
        made.check(transient=True)
