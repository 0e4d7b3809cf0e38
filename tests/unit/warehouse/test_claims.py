"""The lease of a warehouse in S3: a conditional create lets exactly one driver have a generation."""

from __future__ import annotations

import json
import os
import threading
import time

import pytest

from metaclip_spark.errors import HeldError, WarehouseError
from metaclip_spark.warehouse import claims as claims_module
from metaclip_spark.warehouse.claims import FOLDER, Claims, _options
from metaclip_spark.warehouse.holder import PROPERTY
from metaclip_spark.warehouse.lease import Lease

ROOT = "s3a://pool/warehouse"


def lease(generation: int, holder: str, expires: float = 0.0) -> dict:
    """Return a lease."""
    return {"generation": generation, "holder": holder, "who": "{}", "expires": expires}


def test_of_two_drivers_one_gets_a_generation(bucket):
    """The second create is refused, whatever the order of the requests, and the object is that of the first."""
    one, other = Claims(ROOT), Claims(ROOT)
    assert one.last() is None
    assert one.create(lease(1, "one"))
    assert not other.create(lease(1, "other"))
    assert other.last()["holder"] == "one"


def test_of_many_drivers_at_once_one_gets_a_generation(bucket):
    """All wait for each other before the request."""
    drivers = [Claims(ROOT) for _ in range(8)]
    start, won = threading.Barrier(len(drivers)), []

    def race(number: int) -> None:
        start.wait()
        if drivers[number].create(lease(1, str(number))):
            won.append(str(number))

    threads = [threading.Thread(target=race, args=(number,)) for number in range(len(drivers))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1, won
    assert drivers[0].last()["holder"] == won[0]


def test_a_request_that_was_sent_twice_is_a_success(bucket):
    """If the answer to a create is lost, the client sends it again: the object that it finds is its own."""
    one = Claims(ROOT)
    assert one.create(lease(1, "one"))
    assert one.create(lease(1, "one"))


def test_the_holder_renews_and_releases_its_own_object(bucket):
    """The object of a late holder is not that of its successor."""
    one, other = Claims(ROOT), Claims(ROOT)
    one.create(lease(1, "one", 10.0))
    one.replace(lease(1, "one", 20.0))
    assert other.last()["expires"] == 20.0
    assert other.create(lease(2, "other", 30.0))
    one.replace(lease(1, "one", 99.0))
    assert one.last() == lease(2, "other", 30.0)


def test_a_late_create_of_a_removed_generation_is_no_success(bucket, monkeypatch):
    """A driver that was suspended between reading and creating finds that there is a later generation."""
    monkeypatch.setattr(claims_module, "_KEPT", 2)
    one = Claims(ROOT)
    assert all(one.create(lease(number, "one")) for number in range(1, 6))
    keys = [entry["Key"] for entry in bucket.list_objects_v2(Bucket="pool")["Contents"]]
    assert keys == [f"warehouse/{FOLDER}/{number:020d}.json" for number in (4, 5)]
    assert not Claims(ROOT).create(lease(3, "late"))
    assert one.last()["generation"] == 5


def test_a_store_that_ignores_the_condition_is_noticed(bucket, monkeypatch):
    """The lease is overwritten with itself, so the question costs nothing but a request."""
    one = Claims(ROOT)
    one.create(lease(1, "one"))
    assert one.refuses(lease(1, "one"))
    put = one.files.pipe_file
    monkeypatch.setattr(one.files, "pipe_file", lambda path, data, mode: put(path, data, mode="overwrite"))
    assert not one.refuses(lease(1, "one"))
    assert one.last() == lease(1, "one")


def test_a_store_that_does_not_answer_is_no_refusal(bucket):
    """A missing bucket is an error, not a lease that another driver has."""
    with pytest.raises(OSError, match="bucket"):
        Claims("s3a://no-such-bucket-here/w").create(lease(1, "one"))


def test_hadoops_settings_are_s3fs_options():
    """What Spark was told about the store holds for the lease as well."""
    options = _options(
        {
            "access.key": "id",
            "secret.key": "s",
            "endpoint": "minio:9000",
            "connection.ssl.enabled": "false",
            "endpoint.region": "eu-west-1",
            "path.style.access": "true",
        }
    )
    assert (options["key"], options["secret"]) == ("id", "s")
    assert options["client_kwargs"] == {"endpoint_url": "http://minio:9000", "region_name": "eu-west-1"}
    assert options["config_kwargs"]["s3"] == {"addressing_style": "path"}
    assert _options({})["client_kwargs"] == {}


class NoTables:
    """A warehouse in S3 whose tables no test needs."""

    root, catalog, reads_logs = ROOT, None, False

    def properties(self, name: str) -> dict[str, str]:
        """Return what an earlier release left in the table of the lease."""
        return self.left

    left: dict[str, str] = {}


@pytest.fixture
def take():
    """Return a function that makes drivers, each with its own connection. They end after the test."""
    leases: list[Lease] = []

    def make(seconds: float = 300.0, claims: Claims | None = None) -> Lease:
        leases.append(Lease(NoTables(), seconds, claims or Claims(ROOT)))
        return leases[-1]

    yield make
    for one in leases:
        one._stop.set()


def test_two_drivers_never_hold_the_lease_at_once(bucket, take):
    """Of drivers that start together one holds it, and each other one is told which process that is."""
    drivers = [take() for _ in range(5)]
    start, ended = threading.Barrier(len(drivers)), []

    def race(driver: Lease) -> None:
        start.wait()
        try:
            driver.acquire()
            ended.append(driver)
        except Exception as error:
            ended.append(error)

    threads = [threading.Thread(target=race, args=(driver,)) for driver in drivers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    holders = [end for end in ended if isinstance(end, Lease)]
    assert len(holders) == 1, ended
    assert all(
        isinstance(end, HeldError) and f"process {os.getpid()} on" in str(end) for end in ended if end not in holders
    )
    holders[0].check()
    assert holders[0].is_exclusive
    holders[0].release()
    take().acquire()


def test_a_lease_in_s3_expires_and_is_renewed_like_one_in_a_table(bucket, take):
    """A driver elsewhere that died is waited for until its lease ends. The generations count on."""
    there = {"host": "another-machine", "boot": "b", "pid": 1, "started": "1"}
    Claims(ROOT).create({"generation": 1, "holder": "x", "who": json.dumps(there), "expires": time.time() + 3600})
    with pytest.raises(HeldError, match="process 1 on another-machine"):
        take(5.0).acquire()
    Claims(ROOT).replace({"generation": 1, "holder": "x", "who": json.dumps(there), "expires": time.time() - 1})
    driver = take(5.0)
    driver.acquire()
    assert driver.generation == 2


def test_the_lease_of_an_earlier_release_counts(bucket, take, monkeypatch):
    """It is in the property of the table; the first object has the next generation."""
    left = {"generation": 7, "holder": "x", "who": "{}", "expires": time.time() + 3600}
    monkeypatch.setattr(NoTables, "left", {PROPERTY: json.dumps(left)})
    with pytest.raises(HeldError):
        take().acquire()
    monkeypatch.setattr(NoTables, "left", {PROPERTY: json.dumps({**left, "expires": 0.0})})
    driver = take()
    driver.acquire()
    assert driver.generation == 8


def test_a_store_that_does_not_answer_ends_the_command_with_a_sentence(bucket, take):
    """It is not taken for a lease that another run holds."""
    with pytest.raises(WarehouseError, match="cannot be written"):
        take(claims=Claims("s3a://no-such-bucket-here/w")).acquire()
