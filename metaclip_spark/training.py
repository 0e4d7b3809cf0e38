"""A loader that balances online: each epoch samples the pairs again, by the probabilities in an export.

    from metaclip_spark.training import epoch

    for pair in epoch("out/exports/235e8f9299ccb278-pairs", epoch=3, seed=0, worker=(0, 8)):
        ...  # a dict: url, text, pair_id, entry_ids, sampling_probability, ...

Offline balancing draws once: a pair is in the curated subset, or training never sees it. Online balancing draws in
every epoch: a pair is in an epoch with its sampling probability p, and over the epochs training sees the whole pool
(the paper's variant in the data loader). An epoch contains a pair if `u < p`. u is a function of the pair, the seed and
the epoch, so that the set does not depend on the number of workers.

The loader needs no Spark. It reads an export of either format, and the folder that img2dataset wrote from an export.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from metaclip_spark.core.checks import need_names
from metaclip_spark.core.draw import draws, hashes
from metaclip_spark.errors import ConfigError, InputError
from metaclip_spark.export.place import MANIFEST
from metaclip_spark.export.shards import KNOWN_IMAGES, ROW_GROUP
from metaclip_spark.storage.filesystem import filesystem_of

OnePath = str | os.PathLike[str]
Paths = OnePath | Sequence[OnePath]
_LISTED = {
    "pair_ids": "pair_id",
    "texts": "text",
    "langs": "lang",
    "entry_ids": "entry_ids",
    "sampling_probabilities": "sampling_probability",
    "extras": "extra",
}
"""List columns of a row per image -> columns of a row per pair."""


@dataclass(frozen=True)
class Batch:
    """Pairs of one row group.

    Attributes:
        shard: the shard's position among this worker's shards, from 0; pass it as `first_shard` to resume an epoch.
        file: the shard's path.
        pairs: one row per pair, shuffled; the columns of the file, with pair_id, text and sampling_probability.
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

    Each dict has its shard's position as `shard`. Pass the last position as `first_shard` to resume a training that was
    interrupted: the order of shards, and of the pairs in each shard, is the same every time.
    """
    for batch in batches(path, epoch, seed, worker, first_shard=first_shard, balance=balance, unit=unit):
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
    """Yield one epoch's pairs as Arrow tables: shards in the epoch's order, each pair with probability p.

    One row group (some 16,000 rows) is in memory at a time. The rows of each row group are shuffled again.

    Args:
        path: an export, the folder that img2dataset wrote from an export, or several of them (a first export and its
            top-ups); paths, or uris that fsspec knows.
        epoch: 0, 1, ...: each epoch has a different draw and order.
        seed: the seed of the draws, any number; it need not be the run's seed.
        worker: (i, n): the number of this worker, and the number of workers. Worker i reads every n-th shard of the
            epoch's order. With several processes per machine, n is the number of all processes.
        first_shard: the number of this worker's shards to skip.
        balance: True samples the pairs by their probabilities, False yields every pair. The default depends on the
            export's manifest: True for a pool, False for a curated subset.
        unit: `pair` or `image`, the unit that the run sampled by; the default is the unit in the manifest, else pair.

    Raises:
        ConfigError: a worker has no shard, or neither `balance` nor a manifest says whether to sample.
        InputError: the files are not those of an export.
    """
    folders = _folders(path)
    files = shards(path, epoch, seed, worker)
    manifests = [_manifest(folder) for folder in folders]
    sampled = _is_sampled(folders, manifests, balance)
    unit = unit or next((each["unit"] for each in manifests if each), "pair")
    for position, file in enumerate(files):
        if position < first_shard:
            continue
        files_of, where = filesystem_of(file)
        with files_of.open(where, "rb") as opened:
            for batch in pq.ParquetFile(opened).iter_batches(ROW_GROUP):
                pairs = _pairs(pa.Table.from_batches([batch]), file)
                yield Batch(position, file, _sampled(pairs, epoch, seed, unit if sampled else None))


def shards(path: Paths, epoch: int, seed: int = 0, worker: tuple[int, int] = (0, 1)) -> list[str]:
    """Return the files that a worker reads in an epoch, in order; each file goes to exactly one worker.

    Raises:
        ConfigError: there are fewer files than workers, so that a worker would have nothing to read.
    """
    # The order depends on a folder's position and the file's name, so that a copy of the export has the same order.
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
    """Return the texts of one image that an epoch contains, for a custom pipeline over img2dataset's tars.

    Args:
        record: a row of an export, or the JSON of a sample, with pair_ids, texts and sampling_probabilities (and
            image_id if the unit is image).
        epoch, seed, unit: as in `batches`.

    >>> record = {"pair_ids": ["a", "b"], "texts": ["a cat", "a dog"], "sampling_probabilities": [1.0, 0.0]}
    >>> kept_texts(record, epoch=0)
    ['a cat']
    """
    texts = list(record["texts"])
    keys = record["pair_ids"] if unit == "pair" else [record["image_id"]] * len(texts)
    u = draws(pa.array(keys, pa.string()), seed, f"epoch-{epoch}")
    return [text for text, p, at in zip(texts, record["sampling_probabilities"], u, strict=True) if at < p]


def _sampled(pairs: pa.Table, epoch: int, seed: int, unit: str | None) -> pa.Table:
    """Sample the pairs by `unit` (None keeps all pairs), and shuffle them."""
    keys = pairs.column("pair_id").combine_chunks()
    if unit is not None:
        units = keys if unit == "pair" else pairs.column("image_id").combine_chunks()
        keep = pa.array(draws(units, seed, f"epoch-{epoch}") < pairs.column("sampling_probability").to_numpy())
        pairs, keys = pairs.filter(keep), keys.filter(keep)
    return pairs.take(np.argsort(hashes(keys, seed, f"order-{epoch}"), kind="stable"))


def _pairs(rows: pa.Table, file: str) -> pa.Table:
    """Return one row per pair, from a file of either format; images whose download failed are dropped."""
    if "status" in rows.column_names:
        rows = rows.filter(pc.equal(rows.column("status"), "success"))
    if "__key__" in rows.column_names:
        return rows.append_column("pair_id", rows.column("__key__"))
    wanted = ["image_id", "pair_ids", "texts", "sampling_probabilities"]
    hint = "It is not an export; img2dataset keeps these columns with --save_additional_columns."
    need_names(rows.column_names, file, wanted, hint)
    rows = rows.combine_chunks()
    lengths = pc.list_value_length(rows.column("pair_ids")).to_numpy()
    image = pa.array(np.repeat(np.arange(rows.num_rows), lengths))
    listed = {_LISTED[name]: rows.column(name) for name in rows.column_names if name in _LISTED}
    rest = [name for name in rows.column_names if name not in _LISTED and name not in listed]
    flat = {name: pc.list_flatten(column) for name, column in listed.items()}
    if any(len(column) != len(image) for column in flat.values()):
        raise InputError(f"{file}: an image has lists of different lengths; the file is not an export's.")
    return pa.table({**{name: rows.column(name).take(image) for name in rest}, **flat})


def _is_sampled(folders: Sequence[OnePath], manifests: Sequence[dict[str, Any] | None], balance: bool | None) -> bool:
    """Return whether to sample: `balance`, else as the manifests say."""
    stages = {each["stage"] for each in manifests if each is not None}
    if balance and "curated" in stages:
        raise ConfigError(
            "a curated subset was sampled by its probabilities already; sampled again, it would keep a pair with "
            "probability p * p. Balance an export of --stage pairs, or omit balance."
        )
    if balance is not None:
        return balance
    if None in manifests or len(stages) != 1:
        raise ConfigError(
            f"{folders[0]} does not say whether it is a pool or a curated subset (no {MANIFEST}, or several that "
            "differ); pass balance=True for an export of --stage pairs, else balance=False."
        )
    return stages == {"pairs"}


def _folders(path: Paths) -> list[OnePath]:
    return [path] if isinstance(path, str | os.PathLike) else list(path)


def _files(folder: OnePath) -> list[str]:
    files, root = filesystem_of(os.fspath(folder))
    found = sorted(files.glob(f"{root.rstrip('/')}/*.parquet"))
    if not found:
        raise ConfigError(f"{os.fspath(folder)} holds no .parquet files; expected the folder of an export.")
    return [files.unstrip_protocol(name) if "://" in os.fspath(folder) else name for name in found]


def _manifest(folder: OnePath) -> dict[str, Any] | None:
    """Return the manifest of a folder's export, None without one."""
    place = os.fspath(folder).rstrip("/")
    for where in (place, place.rpartition("/")[0] if place.endswith(f"/{KNOWN_IMAGES}") else place):
        files, path = filesystem_of(f"{where}/{MANIFEST}")
        if files.exists(path):
            manifest: dict[str, Any] = json.loads(files.cat_file(path))
            return manifest
    return None
