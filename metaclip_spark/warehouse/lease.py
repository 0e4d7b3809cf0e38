"""The lease of a warehouse: it lets one run write at a time, expires, and is stored in a Delta table.

A run takes the lease by an append whose transaction version is the next generation of the lease: Delta gives it to
exactly one writer, on every store. The holder renews the lease in a table property. A renewal is a commit without a
Spark job, so a busy cluster cannot delay it. A lease whose holder died expires. On the holder's own machine the next
run takes the lease over at once, because it can see that the process has ended.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from deltalake.exceptions import CommitFailedError, DeltaError
from pyspark.errors import PySparkException

from metaclip_spark.errors import LeaseError, WarehouseError
from metaclip_spark.schemas import LEASE
from metaclip_spark.warehouse.holder import PROPERTY, refuse_if_held, this_process
from metaclip_spark.warehouse.statements import is_conflict
from metaclip_spark.warehouse.tables import Warehouse

TABLE = LEASE.name


class Lease:
    """A lease, held from `acquire` to `release`. A thread renews it in between.

    Args:
        seconds: duration of the lease without renewal.
    """

    def __init__(self, warehouse: Warehouse, seconds: float = 300.0) -> None:
        self._warehouse = warehouse
        self._seconds = seconds
        self._mine: dict[str, Any] = {}
        self._until = 0.0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def acquire(self) -> None:
        """Take the lease.

        Raises:
            LeaseError: another run holds the lease; the error names its process, and the time until the lease ends.
            WarehouseError: the warehouse cannot be written.
        """
        try:
            self._warehouse.ensure(TABLE)
            held = json.loads((self._warehouse.properties(TABLE) or {}).get(PROPERTY, "null"))
            while not self._take(held):
                # Another run took the next generation and has not announced it yet. A killed run never announces it.
                held = self._stored(held["generation"] + 1 if held else 1)
        except LeaseError:
            raise
        except (DeltaError, OSError, PySparkException) as error:
            raise _explained(error, self._where()) from error
        except Exception as error:
            if type(error).__name__ != "Py4JJavaError":  # pyspark-client has no py4j
                raise
            raise _explained(error, self._where()) from error
        self._thread = threading.Thread(target=self._keep_alive, name="lease", daemon=True)
        self._thread.start()

    def _take(self, held: dict[str, Any] | None) -> bool:
        """Try to take the generation after `held`; return False where another run has taken it."""
        refuse_if_held(held, self._seconds, self._where(), time.time())
        mine: dict[str, Any] = {
            "generation": held["generation"] + 1 if held else 1,
            "holder": uuid.uuid4().hex,
            "who": json.dumps(this_process()),
            "expires": time.time() + self._seconds,
        }
        row = pa.Table.from_pylist([{name: mine[name] for name in LEASE.names}], LEASE.arrow)
        if not self._warehouse.append(TABLE, row, txn="holder", txn_version=mine["generation"]).was_new:
            return False
        if time.time() >= mine["expires"]:
            return False  # the store was so slow that the lease ended meanwhile: the next generation is free
        mine["expires"] = time.time() + self._seconds
        self._announce(mine)
        self._mine, self._until = mine, mine["expires"]
        return True

    def _stored(self, generation: int) -> dict[str, Any]:
        rows: list[dict[str, Any]] = self._warehouse.rows(TABLE).to_pylist()
        return next(row for row in rows if row["generation"] == generation)

    def check(self) -> None:
        """Check that this process still holds the lease, before a write.

        Raises:
            LeaseError: the lease has ended, or another run has taken it.
        """
        if not self._mine:
            return
        if time.time() >= self._until:
            raise LeaseError(
                f"the lease on {self._where()} ended {time.time() - self._until:.0f} s ago without being renewed "
                "(a suspended machine, or a store that does not answer); another run may have started. "
                "Run the same command again to go on."
            )
        if self._warehouse.reads_logs:  # elsewhere, asking would cost a Spark job or a request before each write
            held = json.loads((self._warehouse.properties(TABLE) or {}).get(PROPERTY, "null"))
            if held is not None and held["generation"] > self._mine["generation"]:
                raise LeaseError(f"another run has taken the lease on {self._where()}. Run the same command again.")

    @property
    def generation(self) -> int:
        """The number of the lease that is held."""
        return int(self._mine["generation"])

    def release(self) -> None:
        """End the lease, so that the next run does not have to wait."""
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
                return  # too late: another run may hold the lease
            try:
                self._announce({**self._mine, "expires": until})
                self._until = until
            except Exception:
                continue

    def _announce(self, mine: dict[str, Any]) -> None:
        self._warehouse.set_property(TABLE, PROPERTY, json.dumps(mine))

    def _where(self) -> str:
        return f"warehouse {self._warehouse.root or self._warehouse.catalog}"


def _explained(error: Exception, where: str) -> LeaseError | WarehouseError:
    if isinstance(error, CommitFailedError) or is_conflict(error):
        return LeaseError(f"another run took {where} at the same moment; try again later.")
    java: Any = getattr(error, "java_exception", None)
    message = str(error) if java is None else str(java.toString())
    return WarehouseError(
        f"{where} cannot be written: {message.splitlines()[0]} Give another --warehouse, or the right to write there."
    )


@contextmanager
def leased(warehouse: Warehouse, seconds: float) -> Iterator[Lease]:
    """Hold the lease while the body runs. Every write of the warehouse checks that the lease is still held."""
    lease = Lease(warehouse, seconds)
    lease.acquire()
    warehouse.guard = lease.check
    warehouse.set_fence(lease.generation)
    warehouse.clear_staging()
    try:
        yield lease
    except KeyboardInterrupt:
        warehouse.engine.stop_jobs()  # busy workers would delay the release
        raise
    finally:
        lease.release()
