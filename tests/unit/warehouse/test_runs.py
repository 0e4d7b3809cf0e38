"""The log of runs: what its events say of runs, without Spark."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest

from metaclip_spark.errors import ConfigError, WarehouseError
from metaclip_spark.warehouse import runs
from metaclip_spark.warehouse.events import DONE, PRUNED, STARTED, StageEvent, event_of
from metaclip_spark.warehouse.pools import states_of_pools
from metaclip_spark.warehouse.runs import TAKEN_DOWN, RunLog

START = datetime(2026, 1, 1, tzinfo=timezone.utc)


def log_of(*events: dict[str, Any]) -> RunLog:
    """Return a log with these events; each has the columns that it names, and one minute to the next."""
    rows = []
    for minute, event in enumerate(events):
        common = {"run_id": "a", "attempt_id": "1", "stage": None, "rows": None, "snapshot": None, "fingerprint": None}
        common |= {"at": START + timedelta(minutes=minute), "versions": {}, "metadata_ids": ["m"], "software": {}}
        row = {**common, **event}
        rows.append({**row, "config": json.dumps(row.get("config", {}))})
    table = SimpleNamespace(sort_by=lambda name: SimpleNamespace(to_pylist=lambda: rows))
    return RunLog(SimpleNamespace(root="/w", catalog=None, rows=lambda name: table))


def balance(event: str, run_id: str, **more: Any) -> dict[str, Any]:
    """Return an event of the stage balance."""
    config = {"threshold": 2, "snapshots": ["s"], "seed": 0, "unit": "pair", "pools": {"s": "f"}}
    return {"stage": "balance", "event": event, "run_id": run_id, "fingerprint": "f", "config": config, **more}


def test_the_last_draw_counts_and_pruned_and_interrupted_ones_do_not():
    """A run that is drawn again moves to the end; a start or a deletion after the draw takes it out."""
    log = log_of(*[balance(DONE, name) for name in "abc"], balance(DONE, "a"))
    assert (list(log.draws()), log.last_balanced_run(), list(log.drawn())) == (["b", "c", "a"], "a", ["b", "c", "a"])
    log = log_of(*[balance(DONE, name) for name in "abc"], balance(PRUNED, "c"), balance(STARTED, "b"))
    assert (list(log.draws()), log.last_balanced_run()) == (["a"], "a")
    with pytest.raises(ConfigError, match=r"^run c has no curated subset: it was pruned; run balance first\.$"):
        log.drawn_run("c")
    with pytest.raises(ConfigError, match=r"^run b has no .*: it was not balanced to its end; run balance first\.$"):
        log.drawn_run("b")
    with pytest.raises(ConfigError, match=r"^/w holds no run 'd'; see runs list\.$"):
        log.drawn_run("d")
    with pytest.raises(WarehouseError, match=r"^/w holds no curated subset yet; run balance first\.$"):
        log_of(balance(STARTED, "a")).last_balanced_run()


def test_a_draw_of_an_earlier_release_cannot_be_built_on():
    """It did not store the seed; its subset can be read all the same."""
    old = balance(DONE, "old", config={"threshold": 2, "snapshots": ["s"]})
    log = log_of(old, balance(DONE, "new"))
    assert (list(log.drawn()), list(log.draws())) == (["new"], ["old", "new"])
    assert log.drawn()["new"].pools == {"s": "f"}


def test_the_settings_of_a_run_are_those_of_the_attempt_that_drew_it():
    """Of a run made stage by stage, and even after it was pruned; without a draw, those of the last attempt."""
    starts = [{"event": "started", "attempt_id": attempt, "config": {"is": attempt}} for attempt in "123"]
    log = log_of(*starts[:2], balance(DONE, "a", attempt_id="2"), starts[2], balance(PRUNED, "a", attempt_id="4"))
    assert log.started("a", drawn=True).detail == {"is": "2"}
    assert log.started("a").detail == log.started().detail == {"is": "3"}
    assert log_of(*starts).started("a", drawn=True).detail == {"is": "3"}
    with pytest.raises(ConfigError, match=r"^/w holds no run 'b'; expected tables made by run\.$"):
        log.started("b")
    with pytest.raises(ConfigError, match=r"^/w holds no run; expected tables made by run\.$"):
        log_of().started()


def test_a_run_keeps_what_takedowns_left():
    """The size of the subset is that of the last takedown after the draw; the draw itself stays done."""
    taken = {"stage": TAKEN_DOWN, "event": DONE, "fingerprint": "t"}
    log = log_of({**taken, "rows": 9}, balance(DONE, "a", rows=8), {**taken, "rows": 7}, {**taken, "rows": 6})
    (run,) = log.runs()
    assert (run.kept, run.threshold, run.has_subset, run.drawn_at) == (6, 2, True, START + timedelta(minutes=1))
    assert (log.was_taken_from("a"), log.was_taken_from("b")) == (True, False)


def test_last_event_is_of_the_list_the_snapshot_and_the_pinned_versions():
    """What was done with later versions than the pinned ones is as if it had not been done."""
    events = [
        {"stage": "dedup", "event": DONE, "snapshot": "s", "fingerprint": str(version), "versions": {"pairs": version}}
        for version in (3, 5)
    ]
    log = log_of(*events)

    def last(**about: Any) -> str | None:
        event = log.last("dedup", **{"snapshot": "s", "metadata_id": "m", **about})
        return None if event is None else event.fingerprint

    assert (last(), last(pinned={"pairs": 4}), last(pinned={"pairs": 2})) == ("5", "3", None)
    assert (last(snapshot=None), last(metadata_id="other"), last(run_id="b")) == (None, None, None)


def test_events_that_are_added_are_seen_once_read_and_never_twice():
    """An event that was written before the log was read is in the table already."""
    row = {"run_id": "a", "attempt_id": "1", "at": START, "metadata_ids": ["m"], "config": "{}", "software": None}
    row |= {"stage": "dedup", "event": DONE, "rows": 1, "snapshot": "s", "fingerprint": "f", "versions": {}}
    event = event_of(row)
    assert isinstance(event, StageEvent)
    log = log_of()
    log._add(event)
    assert log.events == []
    log._add(event)
    assert log.stage_events == [event]


def test_an_event_is_later_than_all_earlier_ones_whatever_the_clock_says():
    """A driver whose clock is behind writes events after those of another driver: their order is that of the log."""
    ahead = datetime.now(timezone.utc) + timedelta(hours=3)
    log = log_of({"event": "started", "at": ahead})
    rows: list[dict[str, Any]] = []
    log._warehouse.append = lambda name, table: rows.extend(table.to_pylist())
    log._warehouse.engine = SimpleNamespace(version="1")
    attempt = log.attempt("a", {}, ["m"])
    attempt.record("started")
    attempt.record("finished")
    assert [row["at"] - ahead for row in rows] == [timedelta(microseconds=1), timedelta(microseconds=2)]
    assert [event.event for event in log.events] == ["started", "started", "finished"]


def test_states_of_pools_are_computed_once_for_the_same_events(monkeypatch):
    """Each snapshot of a command asks for them; a new event is seen, and so are other pinned versions."""
    calls = []

    def counting(events, pinned):
        calls.append(dict(pinned))
        return states_of_pools(events, pinned)

    monkeypatch.setattr(runs, "states_of_pools", counting)
    done = {"stage": "dedup", "event": DONE, "snapshot": "s", "fingerprint": "b1", "versions": [("pairs", 3)]}
    log = log_of(done, {**done, "snapshot": "t"})
    for name in "ststst":
        assert log.pool_state("m", name).batches == ("b1",)
    assert calls == [{}]
    assert log.pool_state("m", "s", pinned={"pairs": 2}) is None
    log.events.append(replace(log.events[0], fingerprint="b2"))
    assert log.pool_state("m", "s").batches == ("b1", "b2")
    assert calls == [{}, {"pairs": 2}, {}]
