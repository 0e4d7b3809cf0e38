"""The table of robots rules that extraction applies: its id, and its file for the workers."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake.exceptions import DeltaError

from metaclip_spark.core.wording import counted
from metaclip_spark.errors import ConfigError
from metaclip_spark.robots.index import Written, write_index
from metaclip_spark.schemas import ROBOTS
from metaclip_spark.warehouse.delta_rs import DeltaLogs

PROPERTY = "metaclip.robots"
"""The property of the table `robots` that has the id and the numbers of its build, as JSON."""
_COLUMNS = ("origin", "target", "rules")


@dataclass(frozen=True)
class StoredRobots:
    """A table of robots rules.

    Attributes:
        place: the folder or uri of the table.
        id: the id of its build.
    """

    place: str
    id: str

    def write(self, path: Path) -> None:
        """Write the file of rules for the workers.

        Raises:
            ConfigError: the table has another build by now.
        """
        write_index(path, self.id, self._batches())

    def _batches(self) -> Iterator[pa.RecordBatch]:
        root, name = os.path.split(self.place)
        rows = DeltaLogs(root).batches(name, _COLUMNS, build_id=self.id)
        any_row = False
        for batch in rows:
            any_row = any_row or bool(len(batch))
            yield batch
        if not any_row:
            raise ConfigError(f"robots {self.place} has no rows of build {self.id}; it was built again meanwhile.")


def in_words(written: Written) -> str:
    """Say what a file of rules consists of."""
    lost = f", {counted(written.lost, 'redirect')} to files that the archives lack (allowed)" if written.lost else ""
    return f"{counted(written.hosts, 'host')} with rules, {written.texts:,} different{lost}"


def build_of(properties: dict[str, str] | None) -> dict[str, Any] | None:
    """Return the id and the numbers of a finished build; None where the table has none."""
    text = (properties or {}).get(PROPERTY)
    found: dict[str, Any] | None = None if text is None else json.loads(text)
    return found


def stored_robots(place: str) -> StoredRobots:
    """Find the table of robots rules in a folder, or at a path that ends in its name.

    Raises:
        ConfigError: there is none, or its build was interrupted.
    """
    where = place.rstrip("/") if "://" in place else os.path.abspath(place)
    roots = [where, os.path.dirname(where)] if os.path.basename(where) == ROBOTS.name else [where]
    try:
        found = [(root, DeltaLogs(root).properties(ROBOTS.name)) for root in roots]
    except (DeltaError, OSError) as error:
        raise ConfigError(f"robots {place} cannot be read: {error}. Check --robots.") from error
    root, properties = next((each for each in found if each[1] is not None), (where, None))
    if properties is None:
        raise ConfigError(f"robots {place} has no table robots; expected the folder of an `optouts build`.")
    build = build_of(properties)
    if build is None:
        raise ConfigError(f"robots {place} has no finished build; run the same `optouts build` again.")
    return StoredRobots(f"{root}/{ROBOTS.name}", build["build_id"])
