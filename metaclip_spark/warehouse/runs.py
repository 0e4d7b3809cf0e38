"""The log of runs: the table `runs`, read once, and the runs that its events describe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from metaclip_spark.config.settings import OF_COMMAND, THINNING
from metaclip_spark.core.weights.pairs import PairWeights
from metaclip_spark.errors import ConfigError, WarehouseError
from metaclip_spark.warehouse.events import DONE, PRUNED, STARTED, USED, Attempt, Event, StageEvent, event_of
from metaclip_spark.warehouse.pools import (
    DROP,
    OF_POOL,
    PoolState,
    States,
    after_drop,
    batches_of,
    pools_of_draw,
    state_of,
    states_of_pools,
)
from metaclip_spark.warehouse.tables import Warehouse

OF_A_RUN = ("entry_probabilities", "run_statistics", "curated_pairs", "survivors")
"""Tables whose rows belong to one run, partitioned by run_id. The pool and its counts belong to no run."""

TAKEN_DOWN = "takedown"
"""The stage whose events give the size of a subset after a takedown."""
TAKEN_FROM_POOL = "takedown of pool"
"""The stage whose events count the pairs that a takedown removed from the pool of a snapshot."""


@dataclass
class Run:
    """A run, as its events describe it.

    Attributes:
        outcome: finished, failed (the last attempt), unfinished, or pruned.
        began, ended: times of the first and the last event, in UTC.
        config: the resolved settings of the attempt that drew the subset, else of the last attempt.
        threshold, kept, snapshots, versions (of tables): of the last balance; None and empty where the run was never
            balanced. `kept` counts the pairs that takedowns left.
        pools: snapshot -> the pool that the last balance drew from; None where the warehouse has that pool no more.
        earlier: the run whose subset was read instead of its pool.
        bytes: table -> bytes of the files that store rows of the run.
        stages: (stage, snapshot, at, rows) of the stages that are done, oldest first.
        attempts: (attempt_id, at, event, error) of the last event of each attempt, oldest first.
        used: what each stage of each attempt took (stage, snapshot, seconds, core_seconds, ...), oldest first.
    """

    run_id: str
    outcome: str
    began: datetime
    ended: datetime
    config: dict[str, Any]
    metadata_ids: tuple[str, ...]
    threshold: int | None = None
    kept: int | None = None
    snapshots: list[str] = field(default_factory=list)
    drawn_at: datetime | None = None
    versions: dict[str, int] = field(default_factory=dict)
    pools: dict[str, PoolState | None] = field(default_factory=dict)
    earlier: str | None = None
    bytes: dict[str, int] = field(default_factory=dict)
    stages: list[tuple[str, str | None, datetime, int | None]] = field(default_factory=list)
    attempts: list[tuple[str, datetime, str, str]] = field(default_factory=list)
    used: list[dict[str, Any]] = field(default_factory=list)

    @property
    def has_subset(self) -> bool:
        """Whether the run was balanced, and not pruned since."""
        return self.threshold is not None and self.outcome != PRUNED

    @property
    def batches(self) -> list[str]:
        """The batches of `pairs` that the run's pool has in the warehouse."""
        return batches_of(self.pools)

    @property
    def gone(self) -> list[str]:
        """The snapshots whose part of the run's pool was dropped since the draw, in order."""
        return sorted(snapshot for snapshot, state in self.pools.items() if state is None)

    @property
    def seed(self) -> int:
        """The seed of the draw."""
        return int(self.config.get("seed", 0))

    @property
    def unit(self) -> str:
        """The unit of the draw: `pair` or `image`."""
        return str(self.config.get("unit", "pair"))

    @property
    def is_thinned(self) -> bool:
        """Whether the run balanced only a part of the pairs of its snapshots."""
        return any(self.config.get(name) for name in THINNING)

    @property
    def weights(self) -> PairWeights | None:
        """The weights of the pairs in the draw; None where every pair weighs 1."""
        given = (self.config.get(name) for name in ("weight", "weight_missing", "language_weights"))
        return PairWeights.given(*given)

    @property
    def has_other_counts(self) -> bool:
        """Whether the counts are not those of the run's pool. An entry that these lack is a tail entry."""
        return bool(self.config.get("freeze_counts") or self.config.get("counts"))

    @property
    def knows_its_odds(self) -> bool:
        """Whether a takedown finds each pair's part in the expected size.

        It does not where the counts are not those of the pool, where the pairs have weights, or where the draw built
        on an earlier subset: that subset may have been drawn again since.
        """
        return self.earlier is None and not self.has_other_counts and self.weights is None and not self.gone

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(self.bytes.values())


@dataclass(frozen=True)
class Drawn:
    """A run whose subset is stored, with the values that another balance needs to build on it.

    Attributes:
        pools: snapshot -> fingerprint of the pool that was drawn from; None where the run drew from survivors.
        fingerprint: hash of what the subset depends on.
        thresholds: language -> t of its list; empty where one list is used for all texts.
        weights: what the log has about the weights of the pairs; None where every pair weighs 1.
    """

    run_id: str
    metadata_ids: tuple[str, ...]
    threshold: int
    seed: int
    unit: str
    pools: Mapping[str, str] | None
    fingerprint: str
    thresholds: Mapping[str, int] = field(default_factory=dict)
    weights: dict[str, Any] | None = None


class RunLog:
    """The events of the table `runs`, of all runs, oldest first.

    The table is read at the first access, and only once. So a log that guides writes must be made while the
    lease is held: until then another run may add events.
    """

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._where = warehouse.root or warehouse.catalog
        self._states: dict[tuple[tuple[str, int], ...], tuple[int, States]] = {}
        """Pinned versions -> the number of events, and the states after them."""

    @cached_property
    def events(self) -> list[Event]:
        """All events; the table is small."""
        return [event_of(row) for row in self._warehouse.rows("runs").sort_by("at").to_pylist()]

    @property
    def stage_events(self) -> list[StageEvent]:
        """The events of stages."""
        return [event for event in self.events if isinstance(event, StageEvent)]

    def attempt(self, run_id: str, config: Mapping[str, object], metadata_ids: Sequence[str]) -> Attempt:
        """Return a new attempt of a run, whose events also appear in this log."""
        return Attempt(self._warehouse, run_id, config, metadata_ids, self._add, self._last_at)

    def _last_at(self) -> datetime | None:
        return self.events[-1].at if self.events else None

    def _add(self, event: Event) -> None:
        if "events" in self.__dict__:  # a log that was not read yet finds the event in the table
            self.events.append(event)

    def last(
        self,
        stage: str,
        *,
        snapshot: str | None,
        metadata_id: str,
        run_id: str | None = None,
        pinned: Mapping[str, int] = {},
    ) -> StageEvent | None:
        """Return the last event of a stage for an entry list, or None.

        Events of a snapshot before it was dropped count no more.

        Args:
            snapshot: the snapshot of the event; None: events without a snapshot.
            run_id: the run of the event; None: any run.
            pinned: table -> version; events that name a later version are ignored.
        """
        events = self.stage_events if snapshot is None else after_drop(self.stage_events, snapshot)
        for event in reversed(events):
            is_it = event.stage == stage and metadata_id in event.metadata_ids and event.snapshot == snapshot
            if is_it and run_id in (None, event.run_id) and event.is_within(pinned):
                return event
        return None

    def states(self, pinned: Mapping[str, int] = {}) -> States:
        """Return the states of all pools that are in the warehouse.

        Args:
            pinned: table -> version; events that name a later version are ignored, except for a drop.
        """
        key, number = tuple(sorted(pinned.items())), len(self.events)
        known = self._states.get(key)
        if known is None or known[0] != number:
            known = self._states[key] = number, states_of_pools(self.stage_events, pinned)
        return known[1]

    def pool_state(
        self, metadata_id: str, snapshot: str, fingerprint: str | None = None, pinned: Mapping[str, int] = {}
    ) -> PoolState | None:
        """Return a state of a pool; None where the warehouse has none, or has it no more.

        Args:
            fingerprint: of the state; None: the last one.
            pinned: see `states`.
        """
        states = self.states(pinned).get((metadata_id, snapshot), ())
        if fingerprint is not None:
            return state_of(states, fingerprint)
        return states[-1] if states else None

    def is_open(self, metadata_id: str, snapshot: str) -> bool:
        """Return whether a batch of a pool was begun and is not complete."""
        last = [self.last(stage, snapshot=snapshot, metadata_id=metadata_id) for stage in OF_POOL]
        return any(event is not None and event.event != DONE for event in last)

    def open_drops(self) -> list[StageEvent]:
        """Return the starts of the drops of snapshots that were interrupted."""
        last: dict[str | None, StageEvent] = {}
        for event in self.stage_events:
            if event.stage == DROP:
                last[event.snapshot] = event
        return [event for event in last.values() if event.event == STARTED]

    def last_drop(self, snapshot: str) -> StageEvent | None:
        """Return the last event of the drop of a snapshot; None where it was never dropped."""
        drops = [event for event in self.stage_events if event.stage == DROP and event.snapshot == snapshot]
        return drops[-1] if drops else None

    def pool_snapshots(self, metadata_id: str, pinned: Mapping[str, int] = {}) -> list[str]:
        """Return the snapshots that have pairs of a list, complete or not, in order."""
        names: set[str] = set()
        for event in self.stage_events:
            if event.snapshot is None:
                continue
            if event.stage == DROP:
                names.discard(event.snapshot)
            if event.stage in OF_POOL and metadata_id in event.metadata_ids and event.is_within(pinned):
                names.add(event.snapshot)
        return sorted(names)

    def draws(self) -> dict[str, StageEvent]:
        """Return run_id -> the balance that drew its subset, of the runs whose subset is stored; the last draw last.

        A run is missing where its last balance was interrupted, or where its subset was pruned since.
        """
        draws: dict[str, StageEvent] = {}
        for event in self.stage_events:
            if event.stage == "balance":
                draws.pop(event.run_id, None)
                if event.event == DONE:
                    draws[event.run_id] = event
        return draws

    def last_balanced_run(self) -> str:
        """Return the run_id of the last draw.

        Raises:
            WarehouseError: no run has a subset.
        """
        draws = self.draws()
        if not draws:
            raise WarehouseError(f"{self._where} holds no curated subset yet; run balance first.")
        return next(reversed(draws))

    def drawn(self) -> dict[str, Drawn]:
        """Return run_id -> run, of the runs that another balance can build on; the last draw last."""
        return {
            run_id: Drawn(
                run_id,
                event.metadata_ids,
                int(event.detail["threshold"]),
                int(event.detail["seed"]),
                event.detail["unit"],
                event.detail["pools"],
                event.fingerprint,
                event.detail.get("thresholds") or {},
                event.detail.get("weights"),
            )
            for run_id, event in self.draws().items()
            if "seed" in event.detail  # earlier releases did not store it
        }

    def started(self, run_id: str | None = None, drawn: bool = False) -> Event:
        """Return the start of the last attempt, with its configuration.

        Args:
            run_id: of this run; None: of any run.
            drawn: the attempt that drew the subset last, where there is one. A run that several commands made has
                several attempts, and only the attempt of its balance has all settings of the draw.

        Raises:
            ConfigError: the log has no such attempt.
        """
        starts = [event for event in self.events if event.event == "started" and run_id in (None, event.run_id)]
        if drawn:
            balances = [e for e in self.stage_events if (e.stage, e.event, e.run_id) == ("balance", DONE, run_id)]
            starts = [event for event in starts if not balances or event.attempt_id == balances[-1].attempt_id]
        if not starts:
            named = "no run" if run_id is None else f"no run {run_id!r}"
            raise ConfigError(f"{self._where} holds {named}; expected tables made by run.")
        return starts[-1]

    def was_taken_from(self, run_id: str, since: StageEvent | None = None) -> bool:
        """Return whether a takedown removed pairs of the pool or the subset of a run.

        Args:
            since: only takedowns after this event count.
        """
        events = self.stage_events
        later = events if since is None else events[events.index(since) + 1 :]
        return any(event.stage == TAKEN_DOWN and event.run_id == run_id for event in later)

    def stored_by(self, metadata_id: str, snapshot: str) -> str | None:
        """Return the run that stored the pairs of a pool last; of staged pairs, the last run with their list."""
        for stage in ("dedup", "match"):
            event = self.last(stage, snapshot=snapshot, metadata_id=metadata_id)
            if event is not None:
                return event.run_id
        of_list = [event.run_id for event in self.events if metadata_id in event.metadata_ids]
        return of_list[-1] if of_list else None

    def runs(self) -> list[Run]:
        """Return all runs, oldest first, without `bytes`."""
        by_run: dict[str, list[Event]] = {}
        for event in self.events:
            by_run.setdefault(event.run_id, []).append(event)
        return self._with_pools([_run_of(run_id, events) for run_id, events in by_run.items()])

    def _with_pools(self, runs: list[Run]) -> list[Run]:
        events, states, draws = self.stage_events, self.states(), self.draws()
        for run in runs:
            if run.run_id in draws:
                run.pools = pools_of_draw(events, states, draws[run.run_id])
        return runs

    def drawn_run(self, run_id: str) -> Run:
        """Return a run that has a curated subset.

        Raises:
            ConfigError: there is no such run, or the run has no subset.
        """
        events = [event for event in self.events if event.run_id == run_id]
        if not events:
            raise ConfigError(f"{self._where} holds no run {run_id!r}; see runs list.")
        if run_id not in self.draws():
            last = [event.event for event in _balances(events)][-1:]
            why = "it was pruned" if last == [PRUNED] else "it was not balanced to its end"
            raise ConfigError(f"run {run_id} has no curated subset: {why}; run balance first.")
        return self._with_pools([_run_of(run_id, events)])[0]


def known_runs(warehouse: Warehouse) -> list[Run]:
    """Return all runs, oldest first, with the bytes that each stores."""
    runs = RunLog(warehouse).runs()
    sizes = {name: warehouse.bytes_by(name, "run_id") for name in OF_A_RUN}
    for run in runs:
        run.bytes = {name: size.get(run.run_id, 0) for name, size in sizes.items()}
    return runs


def _run_of(run_id: str, events: list[Event]) -> Run:
    """Assemble a run from its events, oldest first."""
    of_attempts = [event for event in events if not isinstance(event, StageEvent)]
    of_stages = [event for event in events if isinstance(event, StageEvent)]
    balances = _balances(events)
    last = balances[-1] if balances else None
    drawn = next((event for event in reversed(balances) if event.event == DONE), None)
    if last is not None and last.event == STARTED:
        drawn = None  # the subset was being drawn again, and the attempt was interrupted between its tables
    run = Run(run_id, _outcome(of_attempts, last), events[0].at, events[-1].at, {}, events[-1].metadata_ids)
    if drawn is not None:
        run.threshold, run.snapshots = int(drawn.detail["threshold"]), list(drawn.detail["snapshots"])
        run.kept, run.drawn_at, run.metadata_ids = drawn.rows, drawn.at, drawn.metadata_ids
        run.versions = dict(drawn.versions)
        run.earlier = drawn.detail.get("earlier")
        for event in of_stages[of_stages.index(drawn) :]:
            if event.stage == TAKEN_DOWN:
                run.kept = event.rows
    starts = [event for event in of_attempts if event.event == "started"]
    of_drawn = [event for event in starts if drawn is not None and event.attempt_id == drawn.attempt_id]
    for start in (of_drawn or starts)[-1:]:
        run.config = {name: value for name, value in start.detail.items() if name not in OF_COMMAND}
    run.stages = [(e.stage, e.snapshot, e.at, e.rows) for e in of_stages if e.event == DONE]
    ends = {event.attempt_id: event for event in of_attempts}
    run.attempts = [
        (attempt, e.at, e.event, e.detail.get("error", "") if e.event == "failed" else "")
        for attempt, e in ends.items()
    ]
    run.used = [{"attempt_id": attempt, **used} for attempt, e in ends.items() for used in e.detail.get(USED) or ()]
    return run


def _balances(events: Sequence[Event]) -> list[StageEvent]:
    return [event for event in events if isinstance(event, StageEvent) and event.stage == "balance"]


def _outcome(of_attempts: list[Event], balance: StageEvent | None) -> str:
    if balance is not None and balance.event == PRUNED:
        return PRUNED
    last = of_attempts[-1].event if of_attempts else "started"
    return "unfinished" if last == "started" else last
