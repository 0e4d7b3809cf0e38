"""What the checks of a warehouse share: its tables at fixed versions, its log, the entry lists, and their results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame

from metaclip_spark.config.settings import Settings
from metaclip_spark.core.hashing.key_prefix import KeyPrefix, prefixes, prefixes_for
from metaclip_spark.core.wording import counted
from metaclip_spark.errors import MetaclipError
from metaclip_spark.metadata import Metadata
from metaclip_spark.schemas import TABLES
from metaclip_spark.spark.embedded import is_embedded, rows_in_memory
from metaclip_spark.stages.verify.found import Difference, Found, tallied
from metaclip_spark.steps.context import NO_LIST, Context
from metaclip_spark.steps.dedup import PAIRS_PER_PREFIX
from metaclip_spark.terminal.progress import Reporter
from metaclip_spark.warehouse.events import DONE, StageEvent
from metaclip_spark.warehouse.pools import DROP, PoolState, batches_of
from metaclip_spark.warehouse.runs import Run, RunLog
from metaclip_spark.warehouse.tables import Warehouse, filter_equal

_NARROW = 4
"""Rows of keys that fit where one wide row does."""
LoadList = Callable[[Mapping[str, Any]], Metadata]
"""Loads the entry list of a configuration."""


@dataclass
class Check:
    """A check, and its result.

    Attributes:
        what: what is compared, in words.
        checked: noun -> number of what was looked at.
        found: the differences.
        not_checked: sentences about what could not be compared, and why.
        problem: the error that ended the check; None if it came to its end.
    """

    name: str
    what: str
    checked: Counter[tuple[str, str]] = field(default_factory=Counter)
    found: Found = field(default_factory=Found)
    not_checked: list[str] = field(default_factory=list)
    problem: str | None = None
    seconds: float = 0.0

    def count(self, number: int, noun: str, plural: str | None = None) -> None:
        """Add to the number of what was looked at."""
        self.checked[noun, plural or noun + "s"] += number

    def add(self, field_: str, id_: object, expected: object, got: object) -> None:
        """Add one difference."""
        self.found.add(field_, id_, expected, got)

    def take(self, rows: DataFrame, noun: str = "row", plural: str | None = None) -> None:
        """Carry out a stage of `stages.verify`, and add its result."""
        found = Found.of(rows.toArrow())
        if found.checked:
            self.count(found.checked, noun, plural)
        found.checked = 0
        self.found.merge(found)

    def take_differences(self, frames: Sequence[DataFrame]) -> None:
        """Find the differences of stages of `stages.verify.sets` in one job, and add them."""
        if frames:
            self.take(tallied(frames))

    def skip(self, sentence: str) -> None:
        """Say, once, what is not checked."""
        if sentence not in self.not_checked:
            self.not_checked.append(sentence)

    @property
    def number(self) -> int:
        """The number of all that was looked at."""
        return self.checked.total()

    @property
    def amount(self) -> str:
        """What was looked at, in words."""
        return ", ".join(counted(number, *nouns) for nouns, number in self.checked.items() if number) or "nothing"

    @property
    def status(self) -> str:
        """The result: failed, differs, ok, nothing to check, or not checked."""
        if self.problem is not None:
            return "failed"
        if self.found.differences:
            return "differs"
        if self.number:
            return "ok"
        return "not checked" if self.not_checked else "nothing to check"

    @property
    def first(self) -> list[Difference]:
        """The first differences."""
        return self.found.first


@dataclass
class Inspection:
    """A warehouse that is verified, at the versions that its tables had at the start.

    Attributes:
        sample: share of the pairs whose ids and matches are computed again.
        run_ids: the runs whose subsets are checked; empty: all that are stored.
        versions: table -> version; a table that is absent is missing.
        load_list: loads the entry list that a configuration names.
    """

    warehouse: Warehouse
    settings: Settings
    reporter: Reporter
    log: RunLog
    sample: float
    run_ids: tuple[str, ...]
    versions: Mapping[str, int]
    load_list: LoadList

    def exists(self, name: str) -> bool:
        """Return whether a table exists."""
        return name in self.versions

    def read(self, name: str, **where: str | Sequence[str]) -> DataFrame:
        """Return the rows of a table whose columns are equal to a value, or to one of several."""
        if name not in self._read:  # Spark's Delta reads the log again for each DataFrame of a version
            self._read[name] = self.warehouse.read(name, self.versions.get(name))
        return filter_equal(self._read[name], **where)

    @cached_property
    def _read(self) -> dict[str, DataFrame]:
        return {}

    def rows(self, name: str, columns: Sequence[str], /, **where: str | Sequence[str]) -> pa.Table:
        """Return rows of a small table."""
        return self.warehouse.rows(name, columns, self.versions.get(name), **where)

    def count(self, name: str, **partition: str) -> int:
        """Return the number of rows of a partition of a table, from the log where it tells it."""
        if name not in self.versions:
            return 0
        if self.warehouse.version(name) == self.versions[name]:
            return self.warehouse.count(name, **partition)
        return self.read(name, **partition).count()

    def has(self, check: Check, name: str, *columns: str) -> bool:
        """Return whether a table exists and has some columns; say so where it lacks one."""
        if not self.exists(name):
            return False
        lacks = [column for column in columns or TABLES[name].names if column not in self._columns(name)]
        if lacks:
            check.skip(f"{name}: the table lacks {', '.join(lacks)}, as in an earlier format; run `upgrade`")
        return not lacks

    def _columns(self, name: str) -> list[str]:
        if name not in self._known_columns:
            self._known_columns[name] = self.warehouse.columns(name)
        return self._known_columns[name]

    @cached_property
    def _known_columns(self) -> dict[str, list[str]]:
        return {}

    def prefixes(self, rows: int) -> Iterator[KeyPrefix]:
        """Yield the parts of all keys, in which so many keys are compared one after the other."""
        spark = self.warehouse.spark
        most = min(PAIRS_PER_PREFIX, _NARROW * rows_in_memory()) if is_embedded(spark) else PAIRS_PER_PREFIX
        return prefixes(prefixes_for(rows, most))

    @cached_property
    def pools(self) -> dict[tuple[str, str], PoolState]:
        """(metadata_id, snapshot) -> the pool as it is."""
        return {key: states[-1] for key, states in self.log.states().items()}

    def pairs(self, metadata_id: str, pools: Mapping[str, PoolState | None]) -> DataFrame:
        """Return the pairs of some pools of a list."""
        return self.read("pairs", metadata_id=metadata_id, snapshot=sorted(pools), batch_id=batches_of(pools))

    @cached_property
    def stored_runs(self) -> dict[str, Run]:
        """Id -> run, of the runs that have a subset."""
        return {run.run_id: run for run in self.log.runs() if run.has_subset}

    @property
    def runs(self) -> list[Run]:
        """The runs whose subset is to be checked."""
        return [run for run in self.stored_runs.values() if not self.run_ids or run.run_id in self.run_ids]

    def draw_of(self, run: Run) -> StageEvent:
        """Return the event of the balance that drew a subset."""
        return self._draws[run.run_id]

    @cached_property
    def _draws(self) -> dict[str, StageEvent]:
        return self.log.draws()

    def was_taken_from(self, run: Run) -> bool:
        """Return whether a takedown removed pairs of the pool or the subset of a run after its draw."""
        return self.log.was_taken_from(run.run_id, since=self.draw_of(run))

    def configs(self, snapshot: str) -> list[Mapping[str, Any]]:
        """Return the configurations of the commands that read sources of a snapshot, or deduplicated it."""
        started = [event.detail for event in self.log.events if event.event == "started"]
        return [
            config
            for config in started
            if snapshot in (config.get("crawl") or ()) or config.get("snapshot", "default") == snapshot
        ]

    def deleted_rows(self, snapshot: str) -> bool:
        """Return whether pairs of a snapshot may have been deleted to be read again (--retry with --no-dedup)."""
        return any(config.get("no_dedup") and config.get("retry") for config in self.configs(snapshot))

    @cached_property
    def origins(self) -> dict[tuple[str, str], str]:
        """(metadata_id, snapshot) -> the list whose pairs `match` read, of the pools that `match` made."""
        found: dict[tuple[str, str], str] = {}
        for event in self.log.stage_events:
            if event.stage == DROP:
                found = {key: origin for key, origin in found.items() if key[1] != event.snapshot}
            if event.stage == "match" and event.event == DONE and event.snapshot is not None:
                found[event.metadata_ids[0], event.snapshot] = str(event.detail["origin"])
        return found

    @cached_property
    def own_ids(self) -> set[tuple[str, str]]:
        """The pools whose ids come from the input (--id-column): they have no sightings."""
        own = set()
        for metadata_id, snapshot in self.pools:
            named = any(config.get("id_column") for config in self.configs(snapshot))
            origin = self.origins.get((metadata_id, snapshot), metadata_id)
            if named and not self.read("sightings", metadata_id=origin, snapshot=snapshot).limit(1).count():
                own.add((metadata_id, snapshot))
        return own

    def context_of(self, metadata_id: str, check: Check) -> Context | None:
        """Return a context with an entry list; None, and a sentence, where the list is not found."""
        if metadata_id not in self._contexts:
            self._contexts[metadata_id] = self._find_list(metadata_id)
        found = self._contexts[metadata_id]
        if isinstance(found, str):
            check.skip(f"list {metadata_id[:16]}: {found}; give it as --metadata")
            return None
        return found

    @cached_property
    def _contexts(self) -> dict[str, Context | str]:
        return {}

    def _find_list(self, metadata_id: str) -> Context | str:
        """Return the context of a list, or why the list cannot be used."""
        if metadata_id == NO_LIST:
            return "the texts are not matched"
        started = [event for event in reversed(self.log.events) if event.event == "started"]
        configs = [event.detail for event in started if metadata_id in event.metadata_ids]
        unsure = next((config.get("unsure") for config in configs if config.get("unsure")), None)
        named = [(config.get("metadata"), bool(config.get("worldwide"))) for config in configs]
        problems = []
        for name, worldwide in dict.fromkeys([(self.settings.metadata, self.settings.worldwide), *named]):
            if name is None and not worldwide:
                continue
            try:
                metadata = self.load_list({"metadata": name, "worldwide": worldwide})
            except (MetaclipError, OSError) as error:
                problems.append(str(error).rstrip("."))
                continue
            if metadata.metadata_id == metadata_id:
                settings = Settings(metadata=name, worldwide=worldwide, unsure=unsure if worldwide else None)
                return Context(self.warehouse, settings, metadata, self.reporter, self.log)
            problems.append(f"{name or 'the lists that ship'} is another list now ({metadata.metadata_id[:16]})")
        return "; ".join(problems) or "no command of the log names it"
