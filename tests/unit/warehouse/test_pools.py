"""The pools of a warehouse, as the events of the log describe them. Without Spark."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

from metaclip_spark.warehouse.events import DONE, STARTED, StageEvent
from metaclip_spark.warehouse.pools import DROP, after_drop, batches_of, pools_of_draw, states_of_pools

START = datetime(2026, 1, 1, tzinfo=timezone.utc)


def log_of(*rows: tuple[Any, ...]) -> list[StageEvent]:
    """Return events of (stage, event, snapshot, fingerprint, version of pairs, details)."""
    events = []
    for minute, (stage, event, snapshot, fingerprint, version, detail) in enumerate(rows):
        common = {"run_id": "r", "attempt_id": "a", "at": START + timedelta(minutes=minute), "software": {}}
        versions = {} if version is None else {"pairs": version}
        about = {"stage": stage, "event": event, "snapshot": snapshot, "fingerprint": fingerprint, "rows": None}
        events.append(StageEvent(**common, **about, versions=versions, metadata_ids=("m",), config=json.dumps(detail)))
    return events


def test_a_pool_is_the_batches_that_are_complete():
    """A deduplication that is not done adds nothing; a repeated event adds nothing; a later pin is not seen."""
    events = log_of(
        ("dedup", STARTED, "s", "b1", None, {}),
        ("dedup", DONE, "s", "b1", 3, {}),
        ("dedup", DONE, "s", "b1", 4, {}),
        ("dedup", DONE, "s", "b2", 7, {}),
        ("dedup", STARTED, "s", "b3", None, {}),
        ("dedup", DONE, "other", "c1", 9, {}),
    )
    states = states_of_pools(events)
    assert states["m", "s"] == [("b1", ("b1",), 3), ("b2", ("b1", "b2"), 7)]
    assert batches_of({name: of_pool[-1] for (_, name), of_pool in states.items()}) == ["b1", "b2", "c1"]
    assert states_of_pools(events, {"pairs": 5}) == {("m", "s"): [("b1", ("b1",), 3)]}


def test_match_adds_a_batch_and_that_of_an_earlier_release_replaced_all():
    """Earlier releases did not log which batches they read. Their interrupted match leaves no pool."""
    now = [("match", DONE, "s", "m1", 1, {"batches": ["b1"]}), ("match", DONE, "s", "m2", 2, {"batches": ["b2"]})]
    assert states_of_pools(log_of(*now))["m", "s"][-1].batches == ("m1", "m2")
    before = [("match", DONE, "s", "m1", 1, {}), ("match", DONE, "s", "m2", 2, {})]
    assert states_of_pools(log_of(*before))["m", "s"] == [("m2", ("m2",), 2)]
    assert states_of_pools(log_of(*before, ("match", STARTED, "s", "m3", None, {}))) == {}
    assert states_of_pools(log_of(*before, now[1]))["m", "s"][-1].batches == ("m2",)


def test_a_snapshot_that_is_dropped_has_no_pool_from_the_start_of_the_drop():
    """What is read again counts from then on; a pin before the drop does not bring the pool back."""
    events = log_of(
        ("dedup", DONE, "s", "b1", 3, {}),
        ("balance", DONE, None, "f", 3, {"snapshots": ["s", "t"], "counted": {"s": "b1", "t": "t1"}}),
        ("dedup", DONE, "t", "t1", 4, {}),
        (DROP, STARTED, "s", "d", None, {}),
        ("dedup", DONE, "t", "moved", 5, {"batches": []}),
        (DROP, DONE, "s", "d", None, {}),
        ("dedup", DONE, "s", "b2", 6, {}),
    )
    assert states_of_pools(events[:4]).keys() == {("m", "t")}
    assert states_of_pools(events[:4], {"pairs": 3}) == {}
    states = states_of_pools(events)
    assert [state.fingerprint for state in states["m", "s"]] == ["b2"]
    assert [event.fingerprint for event in after_drop(events, "s")] == ["b2"]
    pools = pools_of_draw(events, states, events[1])
    assert pools == {"s": None, "t": ("t1", ("t1",), 4)}


def test_a_draw_that_did_not_log_its_pools_has_those_of_its_version():
    """An earlier release logged the version of pairs alone."""
    events = log_of(
        ("dedup", DONE, "s", "b1", 3, {}),
        ("dedup", DONE, "s", "b2", 8, {}),
        ("balance", DONE, None, "f", 5, {"snapshots": ["s"]}),
    )
    assert pools_of_draw(events, states_of_pools(events), events[2]) == {"s": ("b1", ("b1",), 3)}
