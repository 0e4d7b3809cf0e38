"""The lease of a warehouse: it lets one run write at a time, and expires.

The lease has a generation, which exactly one writer gets. Where a store refuses to overwrite a commit, the lease is in
a Delta table: a run takes it by an append whose transaction version is the next generation. The holder renews it in a
table property, which is a commit without a Spark job, so a busy cluster cannot delay it. On S3, where Delta's commits
of two drivers can overwrite each other, the lease is an object that is created conditionally (`warehouse/claims.py`).

A lease whose holder died expires. On the holder's own machine the next run takes the lease over at once, because it can
see that the process has ended.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from deltalake.exceptions import DeltaError
from pyspark.errors import PySparkException

from metaclip_spark.errors import HeldError, LeaseError, WarehouseError
from metaclip_spark.schemas import LEASE
from metaclip_spark.warehouse.claims import Claims, is_on_s3
from metaclip_spark.warehouse.conflicts import is_conflict
from metaclip_spark.warehouse.holder import PROPERTY, refuse_if_held, this_process, waited_for
from metaclip_spark.warehouse.tables import Warehouse

TABLE = LEASE.name


class Lease:
    """A lease, held from `acquire` to `release`. A thread renews it in between.

    Args:
        seconds: duration of the lease without renewal.
        claims: the objects of a warehouse on S3; None: the lease is in the Delta table.
    """

    def __init__(self, warehouse: Warehouse, seconds: float = 300.0, claims: Claims | None = None) -> None:
        self._warehouse = warehouse
        self._seconds = seconds
        self._claims = claims
        self._mine: dict[str, Any] = {}
        self._until = 0.0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def acquire(self) -> None:
        """Take the lease.

        Raises:
            HeldError: another run holds the lease; the error names its process, and the time until the lease ends.
            WarehouseError: the warehouse cannot be written.
        """
        try:
            if self._claims is None:
                self._warehouse.ensure(TABLE)
            held = self.last()
            while not self._take(held):
                # Another run took the next generation and has not announced it yet. A killed run never announces it.
                held = self.last() if self._claims else self._stored(held["generation"] + 1 if held else 1)
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
        if not self._create(mine):
            return False
        if time.time() >= mine["expires"]:
            return False  # the store was so slow that the lease ended meanwhile: the next generation is free
        mine["expires"] = time.time() + self._seconds
        self._announce(mine)
        self._mine, self._until = mine, mine["expires"]
        return True

    def _create(self, mine: dict[str, Any]) -> bool:
        """Store a lease of the next generation; return False where another run was first."""
        if self._claims is not None:
            return self._claims.create(mine)
        row = pa.Table.from_pylist([{name: mine[name] for name in LEASE.names}], LEASE.arrow)
        return self._warehouse.append(TABLE, row, txn="holder", txn_version=mine["generation"]).was_new

    def last(self) -> dict[str, Any] | None:
        """Return the lease of the latest generation that was announced; None where there is none."""
        claimed = self._claims.last() if self._claims is not None else None
        if claimed is not None:
            return claimed
        # On S3, an earlier release may have left, or may hold, a lease in the table.
        lease: dict[str, Any] | None = json.loads((self._warehouse.properties(TABLE) or {}).get(PROPERTY, "null"))
        return lease

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
    def is_exclusive(self) -> bool:
        """Whether the store keeps other runs from taking the lease that is held."""
        return self._claims is None or self._claims.refuses(self._mine)

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
        if self._claims is not None:
            self._claims.replace(mine)
            return
        self._warehouse.set_property(TABLE, PROPERTY, json.dumps(mine))

    def _where(self) -> str:
        return f"warehouse {self._warehouse.root or self._warehouse.catalog}"


def _explained(error: Exception, where: str) -> LeaseError | WarehouseError:
    if is_conflict(error):
        return HeldError(f"another run took {where} at the same moment; try again later (--wait SECONDS).")
    java: Any = getattr(error, "java_exception", None)
    message = str(error) if java is None else str(java.toString())
    return WarehouseError(
        f"{where} cannot be written: {message.splitlines()[0]} Give another --warehouse, or the right to write there."
    )


def _nothing(line: str) -> None:
    """Say nothing."""


def claims_of(warehouse: Warehouse, warn: Callable[[str], None]) -> Claims | None:
    """Return the objects that hold the lease of a warehouse on S3; None where Delta's own commits are enough.

    Args:
        warn: called with a line where the store cannot be asked, so that Delta has to hold the lease.
    """
    place = warehouse.lease_folder()
    if place is None or not is_on_s3(place):
        return None
    try:
        claims = Claims(place, warehouse.engine.hadoop_settings("fs.s3a."))
        claims.last()
        return claims
    except (WarehouseError, OSError, ValueError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        warn(
            f"two runs can take the lease of {place} at once: this machine cannot ask S3 for it ({reason}), and Delta "
            "does not keep drivers apart there. Start one run at a time, or give this machine s3fs and credentials."
        )
        return None


def refuse_while_held(warehouse: Warehouse, seconds: float, warn: Callable[[str], None] = _nothing) -> int:
    """Check that no run holds the lease, without taking it; return the generation of the last lease, 0 without one.

    Args:
        seconds: duration of a lease without renewal.
        warn: see `leased`.

    Raises:
        HeldError: another run holds the lease.
    """
    held = Lease(warehouse, seconds, claims_of(warehouse, warn)).last()
    refuse_if_held(held, seconds, f"warehouse {warehouse.root or warehouse.catalog}", time.time())
    return int(held["generation"]) if held is not None else 0


@contextmanager
def leased(
    warehouse: Warehouse,
    seconds: float,
    wait: float = 0.0,
    say: Callable[[str], None] = _nothing,
    warn: Callable[[str], None] = _nothing,
) -> Iterator[Lease]:
    """Hold the lease while the body runs. Every write of the warehouse checks that the lease is still held.

    Args:
        seconds: duration of the lease without renewal.
        wait: seconds to wait for another run that holds the lease.
        say: called with lines while the command waits.
        warn: called with a line where the store does not keep two runs apart.

    Raises:
        HeldError: another run holds the lease after `wait` seconds.
    """
    lease = Lease(warehouse, seconds, claims_of(warehouse, warn))
    waited_for(lease.acquire, wait, say)
    if not lease.is_exclusive:
        warn(
            f"{warehouse.root or warehouse.catalog} is in a store that ignores If-None-Match, so two runs can take its "
            "lease at once. Start one run at a time."
        )
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
