"""One run at a time on a warehouse: the lease is refused, taken over, renewed, lost and released."""

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
from metaclip_spark.warehouse.lease import MARGIN, PROPERTY, TABLE, Lease
from metaclip_spark.warehouse.tables import Warehouse

pytestmark = pytest.mark.spark

HERE = lease_module._this_process


@pytest.fixture
def take(warehouse):
    """Make leases on the warehouse, each through a Warehouse of its own; all are released in the end."""
    made: list[Lease] = []

    def make(seconds: float = 300.0) -> Lease:
        made.append(Lease(Warehouse(warehouse.spark, warehouse.root), seconds))
        return made[-1]

    yield make
    for lease in made:
        lease._stop.set()
        if lease._thread is not None:
            lease._thread.join()


class Clock:
    """The time as the lease sees it: stands still, and moves when a test says so."""

    def __init__(self) -> None:
        self.now = time.time()

    def time(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    """A clock in the place of the lease's."""
    made = Clock()
    monkeypatch.setattr(lease_module, "time", made)
    return made


def dead_process() -> dict:
    """Return what a process of this machine says of itself, of one that has ended since."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return {**HERE(), "pid": ended.pid, "started": "1"}


def held_by(warehouse: Warehouse, who: dict, expires: float, generation: int = 1, announce: bool = True) -> None:
    """Write the lease as another process would have: the row, and (unless it died between) the property."""
    warehouse.ensure(TABLE)
    mine = {"generation": generation, "holder": "other", "who": json.dumps(who), "expires": expires}
    row = warehouse.spark.createDataFrame([tuple(mine[name] for name in LEASE.names)], LEASE.ddl)
    assert warehouse.append(TABLE, row, txn="holder", txn_version=generation).was_new
    if announce:
        said = json.dumps(mine).replace("\\", "\\\\").replace("'", "\\'")
        warehouse.spark.sql(f"ALTER TABLE {warehouse.identifier(TABLE)} SET TBLPROPERTIES ('{PROPERTY}' = '{said}')")


def stored(warehouse: Warehouse) -> dict:
    """Return the lease as others see it."""
    return json.loads(warehouse.properties(TABLE)[PROPERTY])


def elsewhere() -> dict:
    """Return a process of another machine: nobody here can see whether it lives."""
    return {"host": "another-machine", "boot": "another-boot", "pid": 4711, "started": "1"}


def test_second_holder_is_refused_with_who_holds_it_and_for_how_long(warehouse, take):
    """The sentence names the warehouse, the process, the machine and the seconds left; nothing is changed."""
    first = take()
    first.acquire()
    before = stored(warehouse)
    with pytest.raises(LeaseError) as refused:
        take().acquire()
    assert str(refused.value).startswith(
        f"another run holds warehouse {warehouse.root}: process {os.getpid()} on {HERE()['host']}, for "
    )
    assert str(refused.value).endswith(" s more unless it renews. Wait for it, or use another --warehouse.")
    assert stored(warehouse) == before
    first.check()


def test_release_lets_the_next_one_in_at_once(warehouse, take):
    """A released lease needs no waiting; generations count up."""
    for generation in (1, 2, 3):
        lease = take()
        lease.acquire()
        assert stored(warehouse)["generation"] == generation
        lease.release()
        assert stored(warehouse)["expires"] == 0.0
    lease.release()  # a second release does nothing
    assert stored(warehouse)["generation"] == 3


def test_lease_of_a_process_that_is_gone_from_this_machine_is_taken_over_at_once(warehouse, take):
    """A killed run does not make the next one wait for its lease to end."""
    held_by(warehouse, dead_process(), time.time() + 3600)
    lease = take()
    lease.acquire()
    assert stored(warehouse)["generation"] == 2
    lease.check()


def test_lease_of_a_reused_process_number_is_taken_over_too(warehouse, take):
    """A process is its number and its start: another program under the holder's number is not the holder."""
    held_by(warehouse, {**HERE(), "started": "12345"}, time.time() + 3600)
    take().acquire()
    assert stored(warehouse)["generation"] == 2


def test_lease_from_another_machine_is_waited_for_until_it_ends_and_a_margin(warehouse, take, clock):
    """Nobody can see a process elsewhere: only the end of its lease (plus a margin for clocks) lets others in."""
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
    """After a restart, or from another container of the same name, process numbers prove nothing."""
    held_by(warehouse, {**dead_process(), "boot": "another-boot"}, time.time() + 3600)
    with pytest.raises(LeaseError, match="another run holds"):
        take().acquire()


@pytest.mark.slow
def test_renewal_extends_the_lease_while_it_is_held(warehouse, take):
    """A run longer than its lease keeps it; others see the later end and stay refused."""
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
    """A run that was suspended past its lease stops before its next write, and does not announce itself again."""
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
    lease._thread.join(timeout=30)  # the renewing thread sees that it is too late, too
    assert not lease._thread.is_alive()
    lease.release()  # must not overwrite what the next holder said
    assert stored(warehouse) == before


def test_release_after_losing_the_lease_leaves_the_next_holder_alone(warehouse, take):
    """Whoever comes back late does not give away another one's lease."""
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
    """Inside `leased` every write checks the lease, so a late holder cannot write beside its successor."""
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
    """A generation that was taken and never announced holds until its own end, and no longer."""
    held_by(warehouse, elsewhere(), clock.now + 100, announce=False)
    with pytest.raises(LeaseError, match="process 4711 on another-machine"):
        take(10.0).acquire()
    clock.now += 101.1
    take(10.0).acquire()
    assert stored(warehouse)["generation"] == 2


def test_several_generations_that_died_unannounced_are_passed_over(warehouse, take):
    """Processes of this machine that died between taking and announcing leave the lease free at once."""
    for generation in (1, 2):
        held_by(warehouse, dead_process(), time.time() + 3600, generation, announce=False)
    take().acquire()
    assert stored(warehouse)["generation"] == 3


@pytest.mark.parametrize("earlier", ["none", "released"])
def test_of_two_racing_runs_exactly_one_wins(warehouse, take, earlier):
    """Started in the same moment, one gets the lease, and the other a refusal in a sentence."""
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
