"""One run at a time on a warehouse: a lease that expires, kept in a Delta table.

Taking the lease is an append whose transaction version is the lease's next generation: Delta lets exactly one
writer have it, on every store. Keeping it alive is a table property: a commit without a Spark job, so that a busy
cluster cannot delay it. A lease whose holder died ends by itself; on the holder's own machine it is taken over at
once, because there one can see that the process is gone.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from metaclip_spark.errors import LeaseError, WarehouseError
from metaclip_spark.schemas import LEASE
from metaclip_spark.warehouse.tables import Warehouse

TABLE = LEASE.name
PROPERTY = "metaclip.lease"
_CONFLICTS = ("Concurrent", "CONCURRENT", "MetadataChanged", "ProtocolChanged")
MARGIN = 0.1
"""Share of the lease's length that others wait beyond its end, for clocks that differ."""


class Lease:
    """Held from `acquire` to `release`; renewed by a thread in between.

    Args:
        seconds: how long the lease lasts without being renewed.
    """

    def __init__(self, warehouse: Warehouse, seconds: float = 300.0) -> None:
        self._warehouse = warehouse
        self._spark: SparkSession = warehouse.spark
        self._table = warehouse.identifier(TABLE)
        self._seconds = seconds
        self._mine: dict = {}
        self._until = 0.0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def acquire(self) -> None:
        """Take the lease, or refuse.

        Raises:
            LeaseError: another run holds it; the sentence says which, and until when.
            WarehouseError: the warehouse cannot be written.
        """
        try:
            self._warehouse.ensure(TABLE)
            held = json.loads((self._warehouse.properties(TABLE) or {}).get(PROPERTY, "null"))
            while not self._take(held):
                # Someone took the next generation and has not announced it (yet, or ever: a killed run).
                held = self._taken(held["generation"] + 1 if held else 1)
        except LeaseError:
            raise
        except (PySparkException, Py4JJavaError) as error:
            raise _explained(error, self._where()) from error
        self._thread = threading.Thread(target=self._keep_alive, name="lease", daemon=True)
        self._thread.start()

    def _take(self, held: dict | None) -> bool:
        """Try to take the generation after `held`; False where it is taken already."""
        self._refuse_if_held(held)
        mine = {
            "generation": held["generation"] + 1 if held else 1,
            "holder": uuid.uuid4().hex,
            "who": json.dumps(_this_process()),
            "expires": time.time() + self._seconds,
        }
        row = self._spark.createDataFrame([tuple(mine[name] for name in LEASE.names)], LEASE.ddl)
        if not self._warehouse.append(TABLE, row, txn="holder", txn_version=mine["generation"]).was_new:
            return False
        if time.time() >= mine["expires"]:
            return False  # a store so slow that the lease ended while it was taken: the next generation is free
        mine["expires"] = time.time() + self._seconds
        self._announce(mine)
        self._mine, self._until = mine, mine["expires"]
        return True

    def _taken(self, generation: int) -> dict:
        rows = self._warehouse.read(TABLE).where(f"generation = {generation}").collect()
        return rows[0].asDict()

    def check(self) -> None:
        """Raise unless this process still holds the lease; called before every write."""
        if self._mine and time.time() >= self._until:
            raise LeaseError(
                f"the lease on {self._where()} ended {time.time() - self._until:.0f} s ago without being renewed "
                "(a suspended machine, or a store that does not answer); another run may have started. "
                "Run the same command again to go on."
            )

    def release(self) -> None:
        """Give the lease back, so that the next run need not wait."""
        if not self._mine:
            return
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        if time.time() < self._until:
            self._announce({**self._mine, "expires": 0.0})
        self._mine = {}

    def _keep_alive(self) -> None:
        while not self._stop.wait(self._seconds / 5):
            until = time.time() + self._seconds
            if time.time() >= self._until:
                return  # too late: someone else may hold it by now
            try:
                self._announce({**self._mine, "expires": until})
                self._until = until
            except Exception:
                continue

    def _announce(self, mine: dict) -> None:
        said = _sql(json.dumps(mine))
        self._spark.sql(f"ALTER TABLE {self._table} SET TBLPROPERTIES ('{PROPERTY}' = '{said}')")

    def _refuse_if_held(self, held: dict | None) -> None:
        if held is None or not held["expires"]:
            return
        left = held["expires"] + self._seconds * MARGIN - time.time()
        who = json.loads(held["who"])
        if left > 0 and not _is_gone(who):
            raise LeaseError(
                f"another run holds {self._where()}: process {who.get('pid')} on {who.get('host')}, for "
                f"{left:.0f} s more unless it renews. Wait for it, or use another --warehouse."
            )

    def _where(self) -> str:
        return f"warehouse {self._warehouse.root or self._warehouse.catalog}"


def _explained(error: PySparkException | Py4JJavaError, where: str) -> LeaseError | WarehouseError:
    # pyspark has no name for Delta's conflicts: they arrive as they are in Java.
    said = str(error) if isinstance(error, PySparkException) else str(error.java_exception.toString())
    if any(word in said for word in _CONFLICTS):
        return LeaseError(f"another run took {where} at the same moment; try again later.")
    return WarehouseError(
        f"{where} cannot be written: {said.splitlines()[0]} Give another --warehouse, or the right to write there."
    )


def _sql(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _this_process() -> dict[str, str | int]:
    return {
        "host": socket.gethostname(),
        "boot": _boot(),
        "pid": os.getpid(),
        "started": _started(os.getpid()),
    }


def _is_gone(who: dict) -> bool:
    """Return whether the holder ran on this machine, since its last start, and its process has ended."""
    if not _boot() or (who.get("host"), who.get("boot")) != (socket.gethostname(), _boot()):
        return False
    return _started(int(who["pid"])) != who["started"]


def _boot() -> str:
    """Return this start of this machine's kernel and process namespace, or "" where that cannot be told."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip() + os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _started(pid: int) -> str:
    """Return when a process started, in the kernel's clock ticks, or "" where there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]


@contextmanager
def leased(warehouse: Warehouse, seconds: float) -> Iterator[Lease]:
    """Hold the warehouse while the body runs; every write checks that it is still held."""
    lease = Lease(warehouse, seconds)
    lease.acquire()
    warehouse.guard = lease.check
    try:
        yield lease
    finally:
        lease.release()
