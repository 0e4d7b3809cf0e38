"""A loader that balances online: each epoch draws the pairs anew, against the probabilities that an export holds.

    from metaclip_spark.training import epoch

    for pair in epoch("out/exports/235e8f9299ccb278-pairs", epoch=3, seed=0, worker=(0, 8)):
        ...  # a dict: url, text, pair_id, entry_ids, sampling_probability, ...

Balanced offline, a pair of the head is in the curated subset or never seen. Balanced online, it is in an epoch with its
sampling probability p, and over the epochs all of the pool is (the paper's variant in the data loader). Pairs are
taken when `u < p`, u a function of the pair, the seed and the epoch: any number of workers sees the same set.

Needs pyarrow and numpy alone, no Spark. Reads an export of either format, and what img2dataset made of one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from metaclip_spark.core.checks import need_names
from metaclip_spark.core.draw import draws, hashes
from metaclip_spark.errors import ConfigError, InputError
from metaclip_spark.export.place import MANIFEST
from metaclip_spark.export.shards import KNOWN_IMAGES, ROW_GROUP

Paths = str | os.PathLike | Sequence[str | os.PathLike]
_LISTED = {
    "pair_ids": "pair_id",
    "texts": "text",
    "langs": "lang",
    "entry_ids": "entry_ids",
    "sampling_probabilities": "sampling_probability",
    "extras": "extra",
}
"""Columns of a row an image -> of a row a pair."""


@dataclass(frozen=True)
class Batch:
    """Pairs that are read together.

    Attributes:
        shard: which of this worker's shards, from 0: an epoch goes on with `first_shard`.
        file: the shard's path.
        pairs: a row a pair, shuffled; the columns of the file, with pair_id, text and sampling_probability.
    """

    shard: int
    file: str
    pairs: pa.Table


def epoch(
    path: Paths,
    epoch: int,
    seed: int = 0,
    worker: tuple[int, int] = (0, 1),
    *,
    first_shard: int = 0,
    balance: bool | None = None,
    unit: str | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield one epoch's pairs as dicts; the arguments are those of `batches`.

    Each has its `shard` beside it. To go on where a training was cut short, begin with that shard: the order of shards,
    and of the pairs in each, is the same every time.
    """
    arguments = {"first_shard": first_shard, "balance": balance, "unit": unit}
    for batch in batches(path, epoch, seed, worker, **arguments):
        for pair in batch.pairs.to_pylist():
            yield {**pair, "shard": batch.shard}


def batches(
    path: Paths,
    epoch: int,
    seed: int = 0,
    worker: tuple[int, int] = (0, 1),
    *,
    first_shard: int = 0,
    balance: bool | None = None,
    unit: str | None = None,
) -> Iterator[Batch]:
    """Yield one epoch's pairs as Arrow tables: shards in an order of the epoch's own, each pair in it with chance p.

    What is held at a time is a row group (some 16,000 rows); it is what is shuffled, on top of the export's own order.

    Args:
        path: an export, the folder that img2dataset wrote from one, or several of them (a first export and its
            top-ups); paths, or uris that fsspec knows.
        epoch: 0, 1, ...: another draw and another order each.
        seed: of the draws; any number, the export's own has no part in them.
        worker: (i, n): this is worker i of n, and has every n-th shard of the epoch's order. With several processes a
            machine, n counts all of them.
        first_shard: leave out so many of this worker's shards.
        balance: draw; False takes every pair. By default what the export's manifest says: a pool is drawn from, a
            curated subset was.
        unit: `pair` or `image`, what was drawn by the run; by default what the manifest says, else pair.

    Raises:
        ConfigError: there is no shard for a worker, or nobody says whether to draw.
        InputError: the files are not an export's.
    """
    folders = _folders(path)
    files = shards(path, epoch, seed, worker)
    told = [_manifest(folder) for folder in folders]
    drawn, unit = _drawn(folders, told, balance), unit or next((each["unit"] for each in told if each), "pair")
    for position, file in enumerate(files):
        if position < first_shard:
            continue
        with fsspec.open(file, "rb") as opened:
            for read in pq.ParquetFile(opened).iter_batches(ROW_GROUP):
                pairs = _pairs(pa.Table.from_batches([read]), file)
                yield Batch(position, file, _taken(pairs, epoch, seed, unit if drawn else None))


def shards(path: Paths, epoch: int, seed: int = 0, worker: tuple[int, int] = (0, 1)) -> list[str]:
    """Return the files that a worker reads in an epoch, in order; over all workers each file stands once.

    Raises:
        ConfigError: there are fewer files than workers: one would wait for what never comes.
    """
    # By place and name, so that a copy of the export has the same order.
    names, files = [], []
    for at, folder in enumerate(_folders(path)):
        found = _files(folder)
        files += found
        names += [f"{at}/{file.rpartition('/')[2]}" for file in found]
    number, of = worker
    if not 0 <= number < of:
        raise ConfigError(f"worker must be (i, n) with 0 <= i < n, got {worker}.")
    if of > len(files):
        raise ConfigError(f"{of} workers cannot share {len(files)} files; export with --shards {of} or more.")
    order = np.argsort(hashes(pa.array(names), seed, f"shards-{epoch}"), kind="stable")
    return [files[at] for at in order[number::of]]


def kept_texts(record: Mapping[str, Any], epoch: int, seed: int = 0, unit: str = "pair") -> list[str]:
    """Return the texts of one image that an epoch takes: for a pipeline of its own, over img2dataset's tars.

    Args:
        record: a row of an export, or the JSON of a sample, with pair_ids, texts and sampling_probabilities (and
            image_id, with unit image).

    >>> record = {"pair_ids": ["a", "b"], "texts": ["a cat", "a dog"], "sampling_probabilities": [1.0, 0.0]}
    >>> kept_texts(record, epoch=0)
    ['a cat']
    """
    texts = list(record["texts"])
    keys = record["pair_ids"] if unit == "pair" else [record["image_id"]] * len(texts)
    u = draws(pa.array(keys, pa.string()), seed, f"epoch-{epoch}")
    return [text for text, p, at in zip(texts, record["sampling_probabilities"], u, strict=True) if at < p]


def _taken(pairs: pa.Table, epoch: int, seed: int, unit: str | None) -> pa.Table:
    """Draw (by `unit`; None: take all), and shuffle."""
    keys = pairs.column("pair_id").combine_chunks()
    if unit is not None:
        drawn_by = keys if unit == "pair" else pairs.column("image_id").combine_chunks()
        taken = pa.array(draws(drawn_by, seed, f"epoch-{epoch}") < pairs.column("sampling_probability").to_numpy())
        pairs, keys = pairs.filter(taken), keys.filter(taken)
    return pairs.take(np.argsort(hashes(keys, seed, f"order-{epoch}"), kind="stable"))


def _pairs(rows: pa.Table, file: str) -> pa.Table:
    """Return a row a pair, of files of either format; what was not downloaded is left out."""
    if "status" in rows.column_names:
        rows = rows.filter(pc.equal(rows.column("status"), "success"))
    if "__key__" in rows.column_names:
        return rows.append_column("pair_id", rows.column("__key__"))
    wanted = ["image_id", "pair_ids", "texts", "sampling_probabilities"]
    hint = "It is no export; img2dataset keeps these columns with --save_additional_columns."
    need_names(rows.column_names, file, wanted, hint)
    rows = rows.combine_chunks()
    lengths = pc.list_value_length(rows.column("pair_ids")).to_numpy()
    image = pa.array(np.repeat(np.arange(rows.num_rows), lengths))
    listed = {_LISTED[name]: rows.column(name) for name in rows.column_names if name in _LISTED}
    rest = [name for name in rows.column_names if name not in _LISTED and name not in listed]
    flat = {name: pc.list_flatten(column) for name, column in listed.items()}
    if any(len(column) != len(image) for column in flat.values()):
        raise InputError(f"{file}: an image has lists of different lengths; it is no export.")
    return pa.table({**{name: rows.column(name).take(image) for name in rest}, **flat})


def _drawn(folders: Sequence[Any], told: Sequence[dict[str, Any] | None], balance: bool | None) -> bool:
    stages = {each["stage"] for each in told if each is not None}
    if balance and "curated" in stages:
        raise ConfigError(
            "a curated subset was drawn by its probabilities already; drawn again it would keep a pair with p * p. "
            "Balance an export of --stage pairs, or leave balance out."
        )
    if balance is not None:
        return balance
    if None in told or len(stages) != 1:
        raise ConfigError(
            f"{folders[0]} does not say whether it is a pool or a curated subset (no {MANIFEST}, or several that "
            "differ); say balance=True for what was exported with --stage pairs, else balance=False."
        )
    return stages == {"pairs"}


def _folders(path: Paths) -> list[str | os.PathLike]:
    return [path] if isinstance(path, str | os.PathLike) else list(path)


def _files(folder: str | os.PathLike) -> list[str]:
    files, root = fsspec.core.url_to_fs(os.fspath(folder))
    found = sorted(files.glob(f"{root.rstrip('/')}/*.parquet"))
    if not found:
        raise ConfigError(f"{os.fspath(folder)} holds no .parquet files; expected an export's folder.")
    return [files.unstrip_protocol(name) if "://" in os.fspath(folder) else name for name in found]


def _manifest(folder: str | os.PathLike) -> dict[str, Any] | None:
    place = os.fspath(folder).rstrip("/")
    for where in (place, place.rpartition("/")[0] if place.endswith(f"/{KNOWN_IMAGES}") else place):
        files, path = fsspec.core.url_to_fs(f"{where}/{MANIFEST}")
        if files.exists(path):
            return json.loads(files.cat_file(path))
    return None
