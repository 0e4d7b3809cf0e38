"""Events of the table `runs`, and the attempt that writes them."""

from __future__ import annotations

import json
import platform
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import Any

import pyarrow as pa

import metaclip_spark
from metaclip_spark.core.secrets import masked
from metaclip_spark.schemas import RUNS
from metaclip_spark.warehouse.tables import Warehouse

DONE = "stage done"
STARTED = "stage started"
PRUNED = "pruned"
"""Event of the stage balance: the subset of the run was deleted. Another balance would have to draw it again."""
USED = "used"
"""Key in the details of the last event of an attempt: what each of its stages took, as `Reporter.usage` returns it."""


@dataclass(frozen=True)
class Event:
    """A row of `runs`: an event of a whole attempt (`started`, `finished`, `failed`), or of a stage.

    Attributes:
        at: time of the event, in UTC.
        config: JSON; for an attempt, the resolved configuration or the error; for a stage, its details.
        software: name -> version.
    """

    event: str
    run_id: str
    attempt_id: str
    at: datetime
    metadata_ids: tuple[str, ...]
    config: str
    software: Mapping[str, str]

    @cached_property
    def detail(self) -> Mapping[str, Any]:
        """The parsed `config`."""
        detail: dict[str, Any] = masked(json.loads(self.config))  # releases before 0.1 stored some secrets
        return detail


@dataclass(frozen=True)
class StageEvent(Event):
    """An event of a stage.

    Attributes:
        snapshot: None for a stage that works on several snapshots.
        fingerprint: hash of what the result of the stage depends on.
        versions: table -> Delta version, as the stage read or left the table.
        rows: number of rows that the stage wrote; None where the stage wrote none.
    """

    stage: str
    snapshot: str | None
    fingerprint: str
    versions: Mapping[str, int]
    rows: int | None

    def is_within(self, pinned: Mapping[str, int]) -> bool:
        """Return whether the event names no table at a later version than `pinned`."""
        return all(self.versions.get(table, version) <= version for table, version in pinned.items())


class Attempt:
    """An attempt of a run, which writes one row of `runs` per event, and reads nothing.

    `RunLog.attempt` makes attempts.

    Args:
        written: called with each event after it is written.
        last: returns the time of the last event of the log; None where the log is empty.

    Attributes:
        run_id: hash of the resolved configuration, the entry list and the input.
        attempt_id: new for each attempt.
        config: the resolved configuration, without secrets.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        run_id: str,
        config: Mapping[str, object],
        metadata_ids: Sequence[str],
        written: Callable[[Event], None],
        last: Callable[[], datetime | None] = lambda: None,
    ) -> None:
        self.run_id = run_id
        self.config = config
        self.attempt_id = new_attempt_id()
        self._warehouse = warehouse
        self._metadata_ids = list(metadata_ids)
        self._written = written
        self._last = last

    def record(
        self,
        event: str,
        stage: str | None = None,
        *,
        snapshot: str | None = None,
        fingerprint: str | None = None,
        versions: Mapping[str, int] | None = None,
        rows: int | None = None,
        detail: Mapping[str, object] | None = None,
    ) -> None:
        """Append one event.

        Args:
            detail: the details of the event; None: the configuration of the attempt is stored.
        """
        detail = dict(detail) if detail is not None else dict(self.config)
        row = {
            "run_id": self.run_id,
            "attempt_id": self.attempt_id,
            "event": event,
            "at": self._now(),
            "stage": stage,
            "config": json.dumps(masked(detail), default=str),
            "versions": dict(versions or {}),
            "metadata_ids": self._metadata_ids,
            "rows": rows,
            "software": software_versions(self._warehouse),
            "snapshot": snapshot,
            "fingerprint": fingerprint,
        }
        maps = {name: sorted(row[name].items()) for name in ("versions", "software")}  # type: ignore[attr-defined]
        self._warehouse.append("runs", pa.Table.from_pylist([{**row, **maps}], RUNS.arrow))
        self._written(event_of(row))

    def _now(self) -> datetime:
        """Return the time, or the moment after the last event of the log if this machine's clock is behind it.

        So events in the order of their times are in the order of the log, whichever drivers wrote them.
        """
        now, last = datetime.now(timezone.utc), self._last()
        return now if last is None or last < now else last + timedelta(microseconds=1)


def new_attempt_id() -> str:
    """Return a random id of 16 hex digits."""
    return uuid.uuid4().hex[:16]


def event_of(row: Mapping[str, Any]) -> Event:
    """Convert a row of `runs` to an event."""
    attempt: dict[str, Any] = {
        "event": row["event"],
        "run_id": row["run_id"],
        "attempt_id": row["attempt_id"],
        "at": row["at"].astimezone(timezone.utc),
        "metadata_ids": tuple(row["metadata_ids"]),
        "config": row["config"],
        "software": dict(row["software"] or {}),
    }
    if row["stage"] is None:
        return Event(**attempt)
    return StageEvent(
        **attempt,
        stage=row["stage"],
        snapshot=row["snapshot"],
        fingerprint=row["fingerprint"],
        versions=dict(row["versions"]),
        rows=row["rows"],
    )


def software_versions(warehouse: Warehouse) -> dict[str, str]:
    """Return the versions of the software that a result may depend on."""
    import ahocorasick
    import pyarrow

    return {
        "metaclip-spark": metaclip_spark.version.__version__,
        "spark": warehouse.engine.version,
        "python": platform.python_version(),
        "pyarrow": pyarrow.__version__,
        "pyahocorasick": getattr(ahocorasick, "__version__", "unknown"),
    }
