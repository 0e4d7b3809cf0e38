"""The lease in the log of a local table: which runs are refused before Spark starts, and which are left to Spark."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from metaclip_spark.errors import HeldError, LeaseError
from metaclip_spark.warehouse import holder
from metaclip_spark.warehouse.holder import PROPERTY, has_ended, logged_lease, refuse_before_spark, this_process


def lease(who: dict[str, Any] | None = None, seconds: float = 300.0, generation: int = 1) -> dict[str, Any]:
    """Return a lease that ends in some seconds; 0: it was released."""
    who = {**this_process(), "pid": 1, "started": "of another machine", "host": "elsewhere"} if who is None else who
    expires = time.time() + seconds if seconds else 0.0
    return {"generation": generation, "holder": "h", "who": json.dumps(who), "expires": expires}


def announced(held: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Return the actions of a commit that sets the property."""
    configuration = {"delta.minReaderVersion": "1", **({PROPERTY: json.dumps(held)} if held is not None else {})}
    return [{"commitInfo": {"operation": "SET TBLPROPERTIES"}}, {"metaData": {"configuration": configuration}}]


def taken() -> list[dict[str, Any]]:
    """Return the actions of a commit that appends the row of a lease."""
    return [{"commitInfo": {}}, {"txn": {"appId": "holder", "version": 2}}, {"add": {"path": "x.parquet"}}]


def other() -> list[dict[str, Any]]:
    """Return the actions of a commit that says nothing about the lease."""
    return [{"commitInfo": {"operation": "OPTIMIZE"}}]


@pytest.fixture
def write(tmp_path):
    """Return a function that writes the log of the table `lease`; it returns the warehouse's folder."""

    def make(*commits: list[dict[str, Any]], first: int = 0) -> Path:
        log = tmp_path / "lease" / "_delta_log"
        log.mkdir(parents=True, exist_ok=True)
        for version, actions in enumerate(commits, first):
            text = "".join(json.dumps(action) + "\n" for action in actions)
            (log / f"{version:020}.json").write_text(text, encoding="utf-8")
            (log / f".{version:020}.json.crc").write_bytes(b"crc\0")
            (log / f"{version:020}.crc").write_text("{}")
        return tmp_path

    return make


def test_a_held_lease_is_refused_with_the_sentence_of_the_lease(write):
    """The newest commit counts."""
    folder = write(announced(None), taken(), announced(lease(seconds=1)), announced(lease(seconds=100)))
    with pytest.raises(LeaseError) as refused:
        refuse_before_spark(str(folder), 300.0)
    start, _, end = str(refused.value).partition(" for ")
    assert start == f"another run holds warehouse {folder}: process 1 on elsewhere,"
    seconds, _, end = end.partition(" ")
    assert 125 <= int(seconds) <= 130  # a tenth of the wanted lease is the margin
    assert end == "s more unless it renews. Wait for it (--wait SECONDS), or use another --warehouse."


@pytest.mark.parametrize("uri", ["file://{}", "file://localhost{}"])
def test_a_uri_of_a_local_folder_is_asked_too(write, uri):
    """The sentence has the uri, as the lease's own has."""
    root = uri.format(write(announced(lease())))
    with pytest.raises(LeaseError, match=f"another run holds warehouse {root}: process 1"):
        refuse_before_spark(root, 300.0)


def test_a_long_log_is_read_from_its_end(write):
    """Renewals are commits. Older commits may be gone, behind a checkpoint."""
    folder = write(*[announced(lease())] * 30, first=990)
    (folder / "lease" / "_delta_log" / f"{1000:020}.checkpoint.parquet").write_bytes(b"PAR1")
    (folder / "lease" / "_delta_log" / "_last_checkpoint").write_text('{"version":1000}')
    with pytest.raises(LeaseError):
        refuse_before_spark(str(folder), 300.0)


@pytest.mark.parametrize(
    "commits",
    [
        [],
        [announced(None)],
        [announced(lease(seconds=0))],
        [announced(lease(seconds=-31))],
        [announced(lease(seconds=-31)), taken()],
        [announced(lease()), taken()],
        [announced(lease()), *[other()] * 25],
        [[{"metaData": {}}]],
        [[{"metaData": {"configuration": {PROPERTY: "no json"}}}]],
        [[{"metaData": {"configuration": {PROPERTY: "{}"}}}]],
        [[{"metaData": {"configuration": {PROPERTY: '{"expires": "soon", "who": "{}"}'}}}]],
        [[["odd"]]],
    ],
    ids=[
        "none",
        "never held",
        "released",
        "ended",
        "ended and taken",
        "held and taken",
        "far back",
        "odd",
        "no json",
        "empty",
        "words",
        "a list",
    ],
)
def test_no_doubt_is_a_refusal(write, commits):
    """What was released or has ended is free, and what the log does not decide is left to Spark."""
    refuse_before_spark(str(write(*commits)), 300.0)


def test_what_is_no_local_folder_is_left_to_spark(tmp_path):
    """There is no warehouse yet, or it is in an object store."""
    for root in (
        str(tmp_path / "none"),
        "s3://bucket/wh",
        "s3a://b/wh",
        "file://host/wh",
        "abfss://a@b/wh",
        "s3://[x",
        "",
    ):
        refuse_before_spark(root, 300.0)


def test_an_unreadable_log_is_left_to_spark(write):
    """A commit that is being written may be half there."""
    folder = write(announced(lease()))
    (folder / "lease" / "_delta_log" / f"{1:020}.json").write_text('{"commitInfo"')
    refuse_before_spark(str(folder), 300.0)
    (folder / "lease" / "_delta_log" / f"{2:020}.json").write_bytes(b"\xff\xfe")
    refuse_before_spark(str(folder), 300.0)


def test_the_lease_of_a_process_that_has_ended_is_free(write):
    """And so is that of another process with its number; that of a running process is not."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    refuse_before_spark(str(write(announced(lease({**this_process(), "pid": ended.pid, "started": "1"})))), 300.0)
    refuse_before_spark(str(write(announced(lease({**this_process(), "started": "1"})))), 300.0)
    folder = write(announced(lease(dict(this_process()))))
    with pytest.raises(LeaseError, match=f"on {socket.gethostname()}"):
        refuse_before_spark(str(folder), 300.0)
    assert not has_ended(this_process())
    held = logged_lease(str(folder))
    assert held is not None
    assert json.loads(held["who"]) == this_process()


class Turns:
    """A lease that is free from the n-th question on, and the clock that a waiting command sees."""

    def __init__(self, monkeypatch, free_at: int) -> None:
        self.now, self.asked, self.said = 0.0, 0, []
        self._free_at = free_at
        monkeypatch.setattr(holder, "time", self)

    def monotonic(self) -> float:
        """Return the time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let the time pass."""
        self.now += seconds

    def take(self) -> None:
        """Take the lease, if it is free."""
        self.asked += 1
        if self.asked < self._free_at:
            raise HeldError("another run holds it: process 1 on there. Wait for it.")


def test_a_command_waits_until_the_lease_is_free(monkeypatch):
    """It says at once who holds the lease, and again twice a minute."""
    lease = Turns(monkeypatch, free_at=40)
    holder.waited_for(lease.take, 600, lease.said.append)
    assert lease.asked == 40
    assert 60 < lease.now < 100
    assert [line.partition(":")[0] for line in lease.said] == [
        f"waiting for the lease, for {left} s more (--wait 600)" for left in (600, 570, 540)
    ]
    assert "another run holds it: process 1 on there." in lease.said[0]


def test_a_command_that_waited_in_vain_says_who_holds_the_lease(monkeypatch):
    """The last question is asked when the time is over, not before."""
    lease = Turns(monkeypatch, free_at=10**6)
    with pytest.raises(HeldError, match=r"^waited 9 s \(--wait\), and another run holds it: process 1 on there"):
        holder.waited_for(lease.take, 9, lease.said.append)
    assert 9 <= lease.now < 9.1


def test_without_wait_a_command_asks_once(monkeypatch):
    """The sentence has no word about waiting in vain."""
    lease = Turns(monkeypatch, free_at=2)
    with pytest.raises(HeldError, match="^another run holds it"):
        holder.waited_for(lease.take, 0, lease.said.append)
    assert (lease.asked, lease.said) == (1, [])
