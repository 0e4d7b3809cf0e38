"""`PairDataset` in torch's DataLoader, in torchdata's StatefulDataLoader, and over ranks of torch.distributed."""

from __future__ import annotations

import json
import socket
from collections import Counter

import pytest
import torch
import torch.distributed
from made_exports import make_export
from torch.utils.data import DataLoader
from torchdata.stateful_dataloader import StatefulDataLoader

from metaclip_spark.errors import ConfigError
from metaclip_spark.training import Concepts, PairDataset, epoch, sized_batches, sizes


@pytest.fixture(autouse=True)
def no_rank(monkeypatch):
    """Let no rank of the environment reach the tests."""
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.delenv("WORLD_SIZE", raising=False)


def ids(batches) -> list[list[str]]:
    """Return the pair ids of each batch, of dicts in a list or of a dict of lists."""
    return [batch["pair_id"] if isinstance(batch, dict) else [pair["pair_id"] for pair in batch] for batch in batches]


def flat(batches) -> list[str]:
    """Return the pair ids of all batches."""
    return [pair for batch in ids(batches) for pair in batch]


def whole(path: str, at: int, **named) -> list[str]:
    """Return the pair ids of an epoch, from one worker without torch."""
    return [pair["pair_id"] for pair in epoch(path, at, **named)]


FORMS = [
    pytest.param({}, {"batch_size": 4, "collate_fn": list}, id="pairs, batches by torch"),
    pytest.param({}, {"batch_size": 4, "collate_fn": list, "drop_last": True}, id="pairs, full batches alone"),
    pytest.param({}, {"batch_size": None, "collate_fn": lambda pair: [pair]}, id="single pairs"),
    pytest.param({"batch_size": 4}, {"batch_size": None}, id="batches"),
    pytest.param({"batch_size": 4, "concepts": Concepts("diversity", 2)}, {"batch_size": None}, id="by concept"),
]
"""What the dataset and the loader are given."""


@pytest.mark.parametrize("workers", [0, 1, 2, 8])
def test_workers_share_each_epoch(tmp_path, workers):
    """Five shards of one row group each, and up to eight workers: each pair of the epoch comes once, and the next epoch
    is another."""
    path = make_export(tmp_path / "x", number=100)
    dataset = PairDataset(path, seed=3)
    loader = DataLoader(dataset, batch_size=4, num_workers=workers, collate_fn=list)
    for at in range(2):
        dataset.set_epoch(at)
        assert sorted(flat(loader)) == sorted(whole(path, at, seed=3))


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_workers_that_stay_see_the_epoch(tmp_path, context):
    """With persistent_workers, whose dataset is a copy."""
    path = make_export(tmp_path / "x", number=40)
    dataset = PairDataset(path, columns=["pair_id"])
    named = {"persistent_workers": True, "multiprocessing_context": context}
    loader = DataLoader(dataset, batch_size=4, num_workers=2, collate_fn=list, **named)
    for at in (0, 5, 2):
        dataset.set_epoch(at)
        assert sorted(flat(loader)) == sorted(whole(path, at))


@pytest.mark.parametrize("workers", [0, 2, 3])
@pytest.mark.parametrize(("of_dataset", "of_loader"), FORMS)
def test_a_loader_is_resumed_after_any_batch(tmp_path, of_dataset, of_loader, workers):
    """A stored state gives the rest of the undisturbed order, in another process of another dataset; the workers end at
    different times. The epoch after it is whole."""
    path = make_export(tmp_path / "x", number=37, row_group=3)

    def made() -> tuple[PairDataset, DataLoader]:
        dataset = PairDataset(path, seed=1, epoch=2, **of_dataset)
        return dataset, DataLoader(dataset, num_workers=workers, **of_loader)

    dataset, loader = made()
    batches = ids(loader)
    assert len(batches) >= 4
    for n in range(len(batches) + 1):
        stored = json.loads(json.dumps(dataset.state_after(loader, n)))
        again, resumed = made()
        again.load_state_dict(stored)
        assert ids(resumed) == batches[n:], n
    again.set_epoch(3)
    dataset.set_epoch(3)
    assert ids(resumed) == ids(loader)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(("of_dataset", "of_loader"), FORMS)
def test_a_stateful_loader_is_resumed_after_any_batch(tmp_path, of_dataset, of_loader, workers):
    """torchdata's loader stores the state of each worker, and gives it back."""
    path = make_export(tmp_path / "x", number=30, row_group=3)

    def made(at: int = 0) -> StatefulDataLoader:
        return StatefulDataLoader(PairDataset(path, epoch=at, **of_dataset), num_workers=workers, **of_loader)

    batches, states = [], []
    loader = made(2)
    for batch in loader:
        batches += ids([batch])
        states.append(json.loads(json.dumps(loader.state_dict())))
    assert len(batches) >= 4
    for n in range(0, len(batches) - 1, 2):
        resumed = made()
        resumed.load_state_dict(states[n])
        assert ids(resumed) == batches[n + 1 :], n


@pytest.mark.parametrize("even", ["drop", "pad", None])
def test_ranks_get_equally_many_batches(tmp_path, even):
    """Two ranks of four workers and five shards. `drop` leaves out what the plan says, `pad` repeats it, and None gives
    each pair once, in unequal numbers."""
    path = make_export(tmp_path / "x", number=100)
    found = []
    for rank in range(2):
        dataset = PairDataset(path, epoch=1, ranks=(rank, 2), workers=4, even=even)
        found.append(ids(DataLoader(dataset, batch_size=3, num_workers=4, collate_fn=list)))
        plan = dataset.plan(4)
    pairs = Counter(pair for of_rank in found for batch in of_rank for pair in batch)
    expected = Counter(whole(path, 1))
    assert plan.sizes == sizes(path, 1, workers=8)
    assert sum(plan.sizes) == expected.total()
    assert len(set(plan.sizes)) > 1
    if even == "drop":
        assert plan.each == min(plan.sizes)
        assert pairs <= expected
        assert (expected - pairs).total() == plan.dropped > 0
    elif even == "pad":
        assert plan.each == max(plan.sizes)
        assert pairs >= expected
        assert (pairs - expected).total() == plan.repeated > 0
    else:
        assert (pairs, plan.each, plan.dropped, plan.repeated) == (expected, None, 0, 0)
    if even is not None:
        assert [len(batch) for batch in found[0]] == [len(batch) for batch in found[1]]


@pytest.mark.parametrize("even", ["drop", "pad"])
def test_a_rank_is_resumed_after_any_batch(tmp_path, even):
    """All ranks have one state; the pairs that are repeated are, too."""
    path = make_export(tmp_path / "x", number=40, row_group=3)
    for rank in range(2):
        named = {"epoch": 1, "ranks": (rank, 2), "workers": 2, "even": even}

        def made(named=named) -> tuple[PairDataset, DataLoader]:
            dataset = PairDataset(path, **named)
            return dataset, DataLoader(dataset, batch_size=3, num_workers=2, collate_fn=list)

        dataset, loader = made()
        batches = ids(loader)
        for n in range(0, len(batches) + 1, 2):
            again, resumed = made()
            again.load_state_dict(dataset.state_after(loader, n))
            assert ids(resumed) == batches[n:], n


def reduce_each_batch(rank: int, port: int, path: str, folder: str) -> None:
    """Be a rank that waits for the others at each batch, as DistributedDataParallel does."""
    torch.distributed.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    dataset = PairDataset(path, workers=2)
    counts = []
    for at in range(3):
        dataset.set_epoch(at)
        total = torch.zeros(1)
        for batch in DataLoader(dataset, batch_size=3, num_workers=2, collate_fn=list):
            batched = torch.ones(1) * len(batch)
            torch.distributed.all_reduce(batched)
            total += batched
        counts.append(int(total))
    with open(f"{folder}/{rank}.json", "w", encoding="utf-8") as file:
        json.dump([counts, [sum(dataset.plan(2).sizes) - dataset.plan(2).dropped]], file)
    torch.distributed.destroy_process_group()


def test_ranks_that_wait_for_each_other_end_together(tmp_path):
    """Two processes of torch.distributed, whose numbers nobody passes, end three epochs."""
    path = make_export(tmp_path / "x", number=100)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(reduce_each_batch, (port, path, str(tmp_path)), nprocs=2)
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text(encoding="utf-8")) for rank in range(2))
    assert first == second
    assert first[0][2] == first[1][0]


def test_batches_are_those_without_torch(tmp_path):
    """An item is a dict of lists, by concept or not."""
    path = make_export(tmp_path / "x", number=60)
    for concepts in (None, Concepts("frequency", 3)):
        dataset = PairDataset(path, batch_size=5, concepts=concepts, columns=["pair_id", "text"])
        expected = sized_batches(path, 0, 5, concepts=concepts, columns=["pair_id", "text"])
        assert list(DataLoader(dataset, batch_size=None)) == [batch.to_pydict() for batch in expected]


def test_a_state_is_refused_where_the_streams_are_others(tmp_path):
    """Other workers, other ranks, another seed, and a state that is after the end."""
    path = make_export(tmp_path / "x", number=40)
    dataset = PairDataset(path)
    state = dataset.state_after(DataLoader(dataset, batch_size=4, num_workers=2), 3)
    assert state == {
        "epoch": 0, "seed": 0, "batches": 3, "batch_size": 4, "drop_last": False, "workers": 2, "ranks": 1,
    }  # fmt: skip
    dataset.load_state_dict(state)
    with pytest.raises(ConfigError, match="the state is of 2 workers, and there are 1; an epoch is resumed with equal"):
        iter(dataset)
    dataset.load_state_dict({**state, "workers": 1, "ranks": 2})
    with pytest.raises(ConfigError, match="the state is of 2 ranks, and there are 1; an epoch is resumed with equally"):
        iter(dataset)
    with pytest.raises(ConfigError, match="the state is of seed 1, and the dataset has seed 0"):
        dataset.load_state_dict({**state, "seed": 1})
    dataset.load_state_dict({**state, "batches": 1000})
    with pytest.raises(ConfigError, match="the state is after 1,000 batches, and the epoch has "):
        next(iter(DataLoader(dataset, batch_size=4, num_workers=2)))
    dataset.load_state_dict({"epoch": 1, "seed": 0})
    items = iter(dataset)
    with pytest.raises(ConfigError, match="the state is of 2 workers of all ranks, and there are 1; an epoch is resum"):
        items.load_state_dict({"stream": [1, 2], "given": 3})


def test_wrong_values_are_refused(tmp_path):
    """Each with what was expected."""
    path = make_export(tmp_path / "x", number=3)
    with pytest.raises(ConfigError, match="concepts need batch_size: the number of pairs that are chosen from the"):
        PairDataset(path, concepts=Concepts())
    with pytest.raises(ConfigError, match="batch_size must be at least 1, or None for single pairs, got 0"):
        PairDataset(path, batch_size=0)
    with pytest.raises(ConfigError, match="even must be one of drop, pad or None, got 'split'"):
        PairDataset(path, even="split")
    with pytest.raises(ConfigError, match="epochs are 0, 1, ..., got -1"):
        PairDataset(path, epoch=-1)
    seed = next(seed for seed in range(50) if 0 in sizes(path, 0, seed, 3))
    with pytest.raises(ConfigError, match="1 of 3 workers have no pair in epoch 0, so not all can have equally many"):
        PairDataset(path, ranks=(0, 3), workers=1, seed=seed)
