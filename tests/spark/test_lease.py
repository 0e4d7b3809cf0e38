"""The lease allows one run at a time: it is refused, taken over, renewed, lost and released."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time

import pytest

from metaclip_spark.errors import LeaseError
from metaclip_spark.schemas import LEASE
from metaclip_spark.warehouse import lease as lease_module
from metaclip_spark.warehouse.holder import MARGIN, PROPERTY, this_process
from metaclip_spark.warehouse.lease import TABLE, Lease
from metaclip_spark.warehouse.tables import Warehouse

pytestmark = pytest.mark.spark

HERE = this_process


@pytest.fixture
def take(warehouse):
    """Return a function that makes leases, each through its own Warehouse. Their threads stop after the test."""
    leases: list[Lease] = []

    def make(seconds: float = 300.0) -> Lease:
        leases.append(Lease(Warehouse(warehouse.spark, warehouse.root), seconds))
        return leases[-1]

    yield make
    for lease in leases:
        lease._stop.set()
        if lease._thread is not None:
            lease._thread.join()


class Clock:
    """A clock for the lease. It moves only if a test moves it."""

    def __init__(self) -> None:
        self.now = time.time()

    def time(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    """Replace the clock of the lease; return the new clock."""
    clock = Clock()
    monkeypatch.setattr(lease_module, "time", clock)
    return clock


def dead_process() -> dict:
    """Return the identity of a process of this machine that has ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return {**HERE(), "pid": ended.pid, "started": "1"}


def held_by(warehouse: Warehouse, who: dict, expires: float, generation: int = 1, announce: bool = True) -> None:
    """Write the lease of another process: the row, and the property, unless the process died before it announced."""
    warehouse.ensure(TABLE)
    lease = {"generation": generation, "holder": "other", "who": json.dumps(who), "expires": expires}
    row = warehouse.spark.createDataFrame([tuple(lease[name] for name in LEASE.names)], LEASE.ddl)
    assert warehouse.append(TABLE, row, txn="holder", txn_version=generation).was_new
    if announce:
        warehouse.set_property(TABLE, PROPERTY, json.dumps(lease))


def stored(warehouse: Warehouse) -> dict:
    """Return the stored lease."""
    return json.loads(warehouse.properties(TABLE)[PROPERTY])


def elsewhere() -> dict:
    """Return the identity of a process of another machine. Nothing here shows whether it runs."""
    return {"host": "another-machine", "boot": "another-boot", "pid": 4711, "started": "1"}


def test_second_holder_is_refused_with_who_holds_it_and_for_how_long(warehouse, take):
    """The error names the warehouse, the process, the machine and the remaining seconds. The lease does not change."""
    first = take()
    first.acquire()
    before = stored(warehouse)
    with pytest.raises(LeaseError) as refused:
        take().acquire()
    assert str(refused.value).startswith(
        f"another run holds warehouse {warehouse.root}: process {os.getpid()} on {HERE()['host']}, for "
    )
    assert str(refused.value).endswith(
        " s more unless it renews. Wait for it (--wait SECONDS), or use another --warehouse."
    )
    assert stored(warehouse) == before
    first.check()


def test_a_released_lease_can_be_taken_at_once(warehouse, take):
    """The next run does not wait. Each lease has the next generation."""
    for generation in (1, 2, 3):
        lease = take()
        lease.acquire()
        assert stored(warehouse)["generation"] == generation
        lease.release()
        assert stored(warehouse)["expires"] == 0.0
    lease.release()  # a second release does nothing
    assert stored(warehouse)["generation"] == 3


def test_lease_of_a_process_of_this_machine_that_has_ended_is_taken_over_at_once(warehouse, take):
    """After a killed run, the next run does not wait for the end of the lease."""
    held_by(warehouse, dead_process(), time.time() + 3600)
    lease = take()
    lease.acquire()
    assert stored(warehouse)["generation"] == 2
    lease.check()


def test_lease_of_a_reused_process_number_is_taken_over_too(warehouse, take):
    """A process is identified by number and start, so another program with the same number is not the holder."""
    held_by(warehouse, {**HERE(), "started": "12345"}, time.time() + 3600)
    take().acquire()
    assert stored(warehouse)["generation"] == 2


def test_lease_from_another_machine_is_waited_for_until_it_ends_and_a_margin(warehouse, take, clock):
    """A process elsewhere cannot be checked, so others wait for the end of its lease, plus a margin for clocks."""
    seconds, expires = 10.0, clock.now + 100
    held_by(warehouse, elsewhere(), expires)
    for now in (clock.now, expires - 1, expires, expires + seconds * MARGIN - 0.01):
        clock.now = now
        with pytest.raises(LeaseError, match="process 4711 on another-machine"):
            take(seconds).acquire()
    clock.now = expires + seconds * MARGIN + 0.01
    take(seconds).acquire()
    assert stored(warehouse)["generation"] == 2
    assert stored(warehouse)["expires"] == clock.now + seconds


def test_lease_from_before_a_restart_of_this_machine_is_waited_for(warehouse, take):
    """After a restart, or in another container of the same name, process numbers cannot be compared."""
    held_by(warehouse, {**dead_process(), "boot": "another-boot"}, time.time() + 3600)
    with pytest.raises(LeaseError, match="another run holds"):
        take().acquire()


@pytest.mark.slow
def test_renewal_extends_the_lease_while_it_is_held(warehouse, take):
    """A run that is longer than its lease keeps it. Others see the later end, and are refused."""
    lease = take(20.0)
    lease.acquire()
    first = stored(warehouse)["expires"]
    deadline = time.time() + 60
    while time.time() < first + 1 and time.time() < deadline:
        time.sleep(0.2)
    assert stored(warehouse)["expires"] > first
    lease.check()
    with pytest.raises(LeaseError, match="another run holds"):
        take(5.0).acquire()
    lease.release()


def test_check_refuses_once_the_lease_has_ended_without_renewal(warehouse, take, clock, monkeypatch):
    """A run that was suspended past the end of its lease stops before its next write, and does not renew the lease."""
    lease = take(5.0)
    lease.acquire()
    before = stored(warehouse)
    clock.now += 4.9
    lease.check()
    clock.now += 2.1
    with pytest.raises(LeaseError) as lost:
        lease.check()
    assert str(lost.value) == (
        f"the lease on warehouse {warehouse.root} ended 2 s ago without being renewed (a suspended machine, or a "
        "store that does not answer); another run may have started. Run the same command again to go on."
    )
    lease._thread.join(timeout=30)  # the renewing thread stops, too
    assert not lease._thread.is_alive()
    lease.release()  # must not overwrite the lease of the next holder
    assert stored(warehouse) == before


def test_release_after_losing_the_lease_leaves_the_next_holder_alone(warehouse, take):
    """A late holder does not release the lease of its successor."""
    late = take()
    late.acquire()
    late._stop.set()
    late._thread.join()
    late._until = time.time() - 1
    held_by(warehouse, elsewhere(), time.time() + 3600, generation=2)
    late.release()
    assert stored(warehouse)["holder"] == "other"
    assert stored(warehouse)["expires"] > time.time()


def test_writes_of_a_holder_that_lost_its_lease_are_stopped(spark, warehouse):
    """Inside `leased` every write checks the lease, so a late holder cannot write at the same time as its successor."""
    from metaclip_spark.warehouse.lease import leased

    rows = spark.createDataFrame([], "run_id string, name string, key bigint, value bigint")
    with leased(warehouse, 300.0) as lease:
        warehouse.append("run_statistics", rows)
        lease._stop.set()
        lease._thread.join()
        lease._until = time.time() - 1
        with pytest.raises(LeaseError, match="ended .* without being renewed"):
            warehouse.append("run_statistics", rows)


def test_crash_between_taking_and_announcing_does_not_block_for_ever(warehouse, take, clock):
    """A generation that was taken and never announced is valid until its own end."""
    held_by(warehouse, elsewhere(), clock.now + 100, announce=False)
    with pytest.raises(LeaseError, match="process 4711 on another-machine"):
        take(10.0).acquire()
    clock.now += 101.1
    take(10.0).acquire()
    assert stored(warehouse)["generation"] == 2


def test_several_generations_that_were_never_announced_are_skipped(warehouse, take):
    """If processes of this machine died between taking and announcing, the lease is free at once."""
    for generation in (1, 2):
        held_by(warehouse, dead_process(), time.time() + 3600, generation, announce=False)
    take().acquire()
    assert stored(warehouse)["generation"] == 3


@pytest.mark.parametrize("earlier", ["none", "released"])
def test_of_two_racing_runs_exactly_one_wins(warehouse, take, earlier):
    """Of two runs that start at the same moment, one gets the lease, and the other an error of one sentence."""
    if earlier == "released":
        first = take()
        first.acquire()
        first.release()
    contenders = [take(), take()]
    start = threading.Barrier(len(contenders))
    outcomes: list[object] = []

    def race(lease: Lease) -> None:
        start.wait()
        try:
            lease.acquire()
            outcomes.append(lease)
        except Exception as error:
            outcomes.append(error)

    threads = [threading.Thread(target=race, args=(lease,)) for lease in contenders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [outcome for outcome in outcomes if isinstance(outcome, Lease)]
    losers = [outcome for outcome in outcomes if not isinstance(outcome, Lease)]
    assert len(winners) == 1, outcomes
    assert isinstance(losers[0], LeaseError), losers
    assert str(losers[0]).startswith("another run ")
    assert "\n" not in str(losers[0])
    winners[0].check()
    assert stored(warehouse)["holder"] == winners[0]._mine["holder"]
