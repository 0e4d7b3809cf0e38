"""Broadcast values in a worker: unpacked once per worker and content, and released by the driver alone."""

from __future__ import annotations

import pytest
from pyspark import cloudpickle

from metaclip_spark.spark import broadcast
from metaclip_spark.spark.broadcast import Broadcast

LOADED: list[str] = []


def load(name: str):
    """Return a loader that notes each call, as a worker's would read a file."""
    return lambda: LOADED.append(name) or name


@pytest.fixture(autouse=True)
def fresh_worker(monkeypatch):
    """A worker that has unpacked nothing yet."""
    monkeypatch.setattr(broadcast, "_UNPACKED", {})
    LOADED.clear()


def test_a_second_task_of_a_worker_does_not_unpack_equal_content_again():
    """Each task unpickles the object; the value with its key is there already."""
    sent = cloudpickle.dumps(Broadcast(load("list"), key="content"))
    assert [cloudpickle.loads(sent).value for _ in range(3)] == ["list"] * 3
    assert broadcast._UNPACKED == {"content": "list"}


def test_a_value_without_a_key_is_not_kept():
    """Nothing says whether two of them are equal."""
    sent = Broadcast(load("probabilities"))
    assert (sent.value, sent.value) == ("probabilities",) * 2
    assert LOADED == ["probabilities"] * 2
    assert broadcast._UNPACKED == {}


def test_a_worker_keeps_no_more_values_than_extraction_has():
    """The oldest goes first."""
    for name in ("robots", "filters", "list", "takedowns", "another list"):
        assert Broadcast(load(name), key=name).value == name
    assert list(broadcast._UNPACKED) == ["filters", "list", "takedowns", "another list"]


def test_a_task_cannot_release_what_the_driver_sent():
    """`release` stays on the driver; in a task it does nothing."""
    released = []
    sent = Broadcast(load("list"), release=lambda: released.append("list"))
    cloudpickle.loads(cloudpickle.dumps(sent)).release()
    assert released == []
    sent.release()
    assert released == ["list"]
