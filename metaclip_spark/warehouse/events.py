"""The log of what was done: events of attempts in the table `runs`, and the questions asked of it."""

from __future__ import annotations

import json
import platform
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property
from typing import Any

import metaclip_spark
from metaclip_spark.schemas import RUNS
from metaclip_spark.warehouse.tables import Warehouse

DONE = "stage done"
STARTED = "stage started"
PRUNED = "pruned"
"""Said of the stage balance: the run's subset was let go of, and would have to be drawn again."""


@dataclass(frozen=True)
class StageEvent:
    """What was said of a stage."""

    stage: str
    event: str
    run_id: str
    snapshot: str | None
    metadata_ids: tuple[str, ...]
    fingerprint: str
    versions: Mapping[str, int]
    detail: Mapping[str, Any]

    def is_within(self, pinned: Mapping[str, int]) -> bool:
        """Return whether it says nothing of tables later than these versions."""
        return all(self.versions.get(table, version) <= version for table, version in pinned.items())


class Attempt:
    """One attempt of a run: writes its events, and answers what was done before.

    The events of stages are read once, for only the holder of the lease adds to them.

    Attributes:
        run_id: hash of the resolved configuration, the list and the input.
        metadata_ids: the entry lists used.
    """

    def __init__(
        self, warehouse: Warehouse, run_id: str, config: Mapping[str, object], metadata_ids: list[str]
    ) -> None:
        self.run_id = run_id
        self.config = config
        self.attempt_id = uuid.uuid4().hex[:16]
        self._warehouse = warehouse
        self._metadata_ids = metadata_ids

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
        """Append one event; `detail` (of a stage) or the configuration (of the attempt) goes into `config`."""
        detail = dict(detail) if detail is not None else dict(self.config)
        row = {
            "run_id": self.run_id,
            "attempt_id": self.attempt_id,
            "event": event,
            "at": datetime.now(timezone.utc),
            "stage": stage,
            "config": json.dumps(detail, default=str),
            "versions": dict(versions or {}),
            "metadata_ids": list(self._metadata_ids),
            "rows": rows,
            "software": software_versions(self._warehouse),
            "snapshot": snapshot,
            "fingerprint": fingerprint,
        }
        values = [tuple(row[name] for name in RUNS.names)]
        self._warehouse.append("runs", self._warehouse.spark.createDataFrame(values, RUNS.ddl))
        if stage is not None:
            self.stage_events.append(_stage_event(row))

    @cached_property
    def stage_events(self) -> list[StageEvent]:
        """The events of stages, of all runs on the warehouse, oldest first."""
        rows = self._warehouse.read("runs").where("stage IS NOT NULL").orderBy("at").collect()
        return [_stage_event(row.asDict()) for row in rows]

    def last(
        self,
        stage: str,
        *,
        snapshot: str | None,
        metadata_id: str,
        run_id: str | None = None,
        pinned: Mapping[str, int] = {},
    ) -> StageEvent | None:
        """Return the last event of a stage, for a snapshot and list or for a run; None where there is none.

        Args:
            pinned: table -> version; what was done to these tables later is left out.
        """
        for event in reversed(self.stage_events):
            about = event.stage == stage and metadata_id in event.metadata_ids and event.snapshot == snapshot
            if about and run_id in (None, event.run_id) and event.is_within(pinned):
                return event
        return None


def _stage_event(row: Mapping[str, Any]) -> StageEvent:
    return StageEvent(
        row["stage"],
        row["event"],
        row["run_id"],
        row["snapshot"],
        tuple(row["metadata_ids"]),
        row["fingerprint"],
        dict(row["versions"]),
        json.loads(row["config"]),
    )


def software_versions(warehouse: Warehouse) -> dict[str, str]:
    """Return the versions that a result may depend on."""
    import ahocorasick
    import pyarrow

    return {
        "metaclip-spark": metaclip_spark.version.__version__,
        "spark": warehouse.spark.version,
        "python": platform.python_version(),
        "pyarrow": pyarrow.__version__,
        "pyahocorasick": getattr(ahocorasick, "__version__", "unknown"),
    }
