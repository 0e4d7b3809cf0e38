"""An iterable dataset of torch over an export; workers and ranks share each epoch."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from metaclip_spark.core.extras import how_to_install
from metaclip_spark.errors import ConfigError
from metaclip_spark.training.concept import Concepts
from metaclip_spark.training.loader import cut, read_columns, span, stream_sizes
from metaclip_spark.training.pairs import Draw, dicts_of
from metaclip_spark.training.source import Paths, open_source, sampling_unit
from metaclip_spark.training.split import Worker, parts, stream_of, this_rank, this_worker
from metaclip_spark.training.stream import Stream, limited
from metaclip_spark.training.turns import turns

try:
    import torch
    from torch.utils.data import IterableDataset
except ImportError as error:
    raise ConfigError(f"PairDataset needs torch ({error}); install it: {how_to_install('torch')}") from error

EVEN = ("drop", "pad")
_LOG = logging.getLogger("metaclip_spark.training")


class Plan(NamedTuple):
    """The pairs of an epoch's streams, one for each worker of each rank.

    Attributes:
        sizes: the number of pairs of each stream.
        each: the number of pairs that each stream yields; None if each yields all.
        dropped: the number of pairs of the epoch that no stream yields.
        repeated: the number of pairs that are yielded once more.
    """

    sizes: list[int]
    each: int | None
    dropped: int
    repeated: int


class PairDataset(IterableDataset):  # type: ignore[misc]  # torch is not there when types are checked
    """The pairs of an export, sampled anew in each epoch, for torch's DataLoader.

        dataset = PairDataset("out/exports/RUN-pairs", seed=0, workers=2)
        loader = DataLoader(dataset, batch_size=256, num_workers=2, collate_fn=list)
        for epoch in range(30):
            dataset.set_epoch(epoch)
            for n, batch in enumerate(loader):
                ...
                state = dataset.state_after(loader, n + 1)    # store it with the model

    All workers of all ranks share an epoch: each of its pairs goes to one of them. A later run goes on with
    `dataset.load_state_dict(state)` at the next sample, in the order of the undisturbed run. With torchdata's
    `StatefulDataLoader`, the loader's own state has all of it.
    """

    def __init__(
        self,
        path: Paths,
        *,
        seed: int = 0,
        epoch: int = 0,
        batch_size: int | None = None,
        concepts: Concepts | None = None,
        columns: Sequence[str] | None = None,
        balance: bool | None = None,
        unit: str | None = None,
        ranks: Worker | None = None,
        workers: int | None = None,
        even: str | None = "drop",
    ) -> None:
        """Find the files of the export.

        Args:
            batch_size: the number of pairs in an item; items are then dicts of lists, and the loader needs
                `batch_size=None`. This is faster than a DataLoader that collects dicts. None: an item is a pair, a
                dict.
            concepts: how a batch is chosen from more candidates; needs `batch_size`.
            ranks: (rank, number of ranks); None takes torch.distributed's, if it is initialised, else RANK and
                WORLD_SIZE, else one rank.
            workers: the loader's `num_workers`. If it is given, an epoch's pairs are counted in `set_epoch`, once for
                each rank, and not in each worker.
            even: what gives all streams, and so all ranks, equally many pairs, if there are several ranks. `drop` cuts
                every stream to the size of the smallest one. `pad` lets shorter streams begin again until they have
                the size of the largest one. None does neither; then ranks have different numbers of batches, and a
                collective operation that waits for all ranks hangs at an epoch's end.
            path, seed, epoch, columns, balance, unit: as in `batches`.

        Raises:
            ConfigError: a value is not as expected, or `path` has no export.
        """
        if concepts is not None and batch_size is None:
            raise ConfigError("concepts need batch_size: the number of pairs that are chosen from the candidates.")
        if batch_size is not None and batch_size < 1:
            raise ConfigError(f"batch_size must be at least 1, or None for single pairs, got {batch_size}.")
        if even is not None and even not in EVEN:
            raise ConfigError(f"even must be one of {', '.join(EVEN)} or None, got {even!r}.")
        self._source = open_source(path)
        self._unit = sampling_unit(path, balance, unit)
        self._seed, self._batch_size, self._concepts, self._columns = seed, batch_size, concepts, columns
        self._rank, self._workers, self._even = this_rank(ranks), workers, even
        # Shared, so that workers that stay for several epochs see set_epoch.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()
        self._resumed: dict[str, Any] | None = None
        self._plans: dict[tuple[int, int], Plan] = {}
        self.set_epoch(epoch)

    @property
    def epoch(self) -> int:
        """The number of the epoch."""
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that is iterated next; another one than that of a loaded state begins at its start."""
        if epoch < 0:
            raise ConfigError(f"epochs are 0, 1, ..., got {epoch}.")
        self._epoch.fill_(epoch)
        if self._workers is not None and self._is_evened():
            plan = self.plan(max(self._workers, 1))
            said = "epoch %d: %d streams of %s pairs; even=%r leaves out %d of %d pairs, and repeats %d"
            _LOG.info(said, epoch, len(plan.sizes), plan.each, self._even, plan.dropped, sum(plan.sizes), plan.repeated)

    def plan(self, workers: int = 1) -> Plan:
        """Count the pairs of the epoch's streams, and say how many each yields.

        Args:
            workers: the number of each rank's workers.

        Raises:
            ConfigError: a stream has no pair, and `even` needs one.
        """
        key = (self.epoch, workers)
        if key not in self._plans:
            of = self._rank[1] * workers
            sizes = stream_sizes(self._source, self._draw(()), [(number, of) for number in range(of)])
            self._plans = {key: self._evened(sizes)}
        return self._plans[key]

    def _evened(self, sizes: list[int]) -> Plan:
        if not self._is_evened():
            return Plan(sizes, None, 0, 0)
        if min(sizes) == 0:
            raise ConfigError(
                f"{sizes.count(0)} of {len(sizes)} workers have no pair in epoch {self.epoch}, so not all can have "
                f"equally many (even={self._even!r}); take fewer workers or ranks."
            )
        each = min(sizes) if self._even == "drop" else max(sizes)
        return Plan(sizes, each, sum(max(n - each, 0) for n in sizes), sum(max(each - n, 0) for n in sizes))

    def _is_evened(self) -> bool:
        return self._even is not None and self._rank[1] > 1

    def _draw(self, columns: tuple[str, ...] | None) -> Draw:
        return Draw(self.epoch, self._seed, self._unit, columns)

    def __iter__(self) -> Iterator[Any]:
        """Iterate over the items of this process's worker, from where a loaded state is."""
        worker = this_worker()
        number, given = worker[0], 0
        state = self._resumed
        if state is not None and state["epoch"] == self.epoch:
            self._check(state, worker[1])
            number, given = self._turn(state, worker)
        return Items(self, stream_of(self._rank, (number, worker[1])), given)

    def _turn(self, state: Mapping[str, Any], worker: Worker) -> tuple[int, int]:
        """Return the worker whose stream this worker goes on with, and the number of items that were given of it."""
        workers, size = worker[1], state["batch_size"]
        batches = None
        if workers > 1:
            batches = [self._batches(items, size, state["drop_last"]) for items in self._items(workers)]
        given, turn = turns(state["batches"], batches, workers)
        number = (turn + worker[0]) % workers
        return number, given[number] * size

    def _items(self, workers: int) -> list[int]:
        """Return the number of items of each of this rank's workers."""
        streams = [stream_of(self._rank, (number, workers)) for number in range(workers)]
        if self._is_evened():
            sizes = [self.plan(workers).each or 0] * workers
        else:
            sizes = stream_sizes(self._source, self._draw(()), streams)
        if self._batch_size is None:
            return sizes
        step = span(self._batch_size, self._concepts)
        least = self._batch_size if self._concepts else 1
        return [n // step + (n % step >= least) for n in sizes]

    @staticmethod
    def _batches(items: int, size: int, drop_last: bool) -> int:
        return items // size if drop_last else -(-items // size)

    def items_of(self, stream: Worker, given: int) -> Iterator[Any]:
        """Yield the items of a stream after those that were given."""
        per_item = 1 if self._batch_size is None else span(self._batch_size, self._concepts)
        draw = self._draw(read_columns(self._columns, self._concepts))
        pairs = Stream(parts(self._source, self.epoch, self._seed, stream), draw)
        limit, size = None, 0
        if self._is_evened():
            plan = self.plan(stream[1] // self._rank[1])
            limit, size = plan.each, plan.sizes[stream[0]]
        tables = limited(pairs, limit, given * per_item, size)
        if self._batch_size is None:
            for table in tables:
                yield from dicts_of(table)
            return
        for table in cut(tables, self._batch_size, self._concepts, self._columns):
            yield table.to_pydict()

    def state_after(self, loader: Any, batches: int) -> dict[str, Any]:
        """Return the state of an epoch of which a DataLoader has given so many batches; it is the same for all ranks.

        Args:
            loader: the DataLoader of this dataset.
            batches: the number of batches that came out of it in this epoch, before an earlier interruption included.
        """
        size = loader.batch_size
        return {
            **self.state_dict(),
            "batches": batches,
            "batch_size": 1 if size is None else size,
            "drop_last": bool(size is not None and loader.drop_last),
            "workers": max(loader.num_workers, 1),
            "ranks": self._rank[1],
        }

    def state_dict(self) -> dict[str, Any]:
        """Return the epoch and the seed. What was given of the epoch is in `state_after`, or in a stateful loader."""
        return {"epoch": self.epoch, "seed": self._seed}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go to where a state is; load it before the loader is iterated.

        Raises:
            ConfigError: the state is of another seed.
        """
        if state["seed"] != self._seed:
            raise ConfigError(f"the state is of seed {state['seed']}, and the dataset has seed {self._seed}.")
        self.set_epoch(state["epoch"])
        self._resumed = dict(state) if "batches" in state else None

    def _check(self, state: Mapping[str, Any], workers: int) -> None:
        """Refuse a state of other workers or ranks, whose streams are others."""
        here = {"workers": workers, "ranks": self._rank[1]}
        for name, now in here.items():
            if state[name] != now:
                raise ConfigError(
                    f"the state is of {state[name]} {name}, and there are {now}; an epoch is resumed with equally "
                    "many. The next epoch can have others."
                )


class Items(Iterator[Any]):
    """The items of a worker; torchdata's StatefulDataLoader stores its state and loads it."""

    def __init__(self, dataset: PairDataset, stream: Worker, given: int) -> None:
        self._dataset, self._stream, self._given = dataset, stream, given
        self._items: Iterator[Any] | None = None

    def __next__(self) -> Any:
        if self._items is None:
            self._items = self._dataset.items_of(self._stream, self._given)
        item = next(self._items)
        self._given += 1
        return item

    def state_dict(self) -> dict[str, Any]:
        """Return the stream, and the number of its items that were given."""
        return {"stream": list(self._stream), "given": self._given}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go to the item after those that were given.

        Raises:
            ConfigError: the state is of another number of workers.
        """
        number, of = state["stream"]
        if of != self._stream[1]:
            raise ConfigError(
                f"the state is of {of} workers of all ranks, and there are {self._stream[1]}; an epoch is resumed with "
                "equally many."
            )
        self._stream, self._given, self._items = (number, of), state["given"], None
