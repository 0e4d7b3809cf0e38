"""Samples in the form of WebDataset: from an export, and from the tars that img2dataset wrote from an export."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from metaclip_spark.core.draw import draws
from metaclip_spark.errors import InputError
from metaclip_spark.training.loader import batches
from metaclip_spark.training.pairs import dicts_of
from metaclip_spark.training.source import Paths
from metaclip_spark.training.split import Worker, stream_of, this_rank, this_worker

_NEEDED = ("pair_ids", "texts", "sampling_probabilities")


def samples(
    path: Paths,
    epoch: int,
    seed: int = 0,
    worker: Worker | None = None,
    *,
    skip: int = 0,
    balance: bool | None = None,
    unit: str | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield one epoch's pairs as samples of WebDataset, for the first stage of a `wds.DataPipeline`.

    A sample has `__key__` (the pair's id), `__url__` (the shard), `txt` (the text) and `json` (the other columns of the
    pair); the last two are bytes, as they are in a tar, so that `wds.decode` decodes them.

    Args:
        worker: (i, n); None splits the epoch over torch's ranks (torch.distributed, else RANK and WORLD_SIZE) and over
            the workers of a DataLoader. Such a pipeline needs no `split_by_node` and no `split_by_worker`.
        path, epoch, seed, skip, balance, unit: as in `batches`.

    Raises:
        ConfigError, InputError: as in `batches`.
    """
    worker = worker or stream_of(this_rank(), this_worker())
    for batch in batches(path, epoch, seed, worker, skip=skip, balance=balance, unit=unit):
        for pair in dicts_of(batch.pairs):
            text = pair.pop("text")
            yield {
                "__key__": pair["pair_id"],
                "__url__": batch.file,
                "txt": (text or "").encode(),
                "json": json.dumps(pair, ensure_ascii=False, default=str).encode(),
            }


@dataclass(frozen=True)
class TextDraw:
    """A stage of a pipeline over img2dataset's tars that balances online.

        pipeline = wds.DataPipeline(
            wds.SimpleShardList("images/{00000..00099}.tar"), wds.split_by_node, wds.split_by_worker,
            wds.tarfile_to_samples(), TextDraw(epoch=3), wds.decode("pil"), wds.to_tuple("jpg", "txt"),
        )

    The stage yields a sample for each text of an image that is in the epoch, with the text as `txt` and the pair's id
    as `__pair_id__`; all else is the image's. An image without such a text is left out.

    Attributes:
        epoch: 0, 1, ..., or a function that returns it and is called where the stage begins, such as the method of a
            value that workers share.
        seed, unit: as in `batches`. The folder of the images has no manifest, so the unit is `pair` unless it is given.
    """

    epoch: int | Callable[[], int]
    seed: int = 0
    unit: str = "pair"

    def __call__(self, stream: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield the samples of an epoch.

        Raises:
            InputError: a sample's JSON lacks the columns of an export.
        """
        epoch = self.epoch() if callable(self.epoch) else self.epoch
        for sample in stream:
            record = sample.get("json")
            record = json.loads(record) if isinstance(record, bytes | str) else record
            needed = _NEEDED if self.unit == "pair" else (*_NEEDED, "image_id")
            lacking = [name for name in needed if name not in (record or {})]
            if record is None or lacking:
                raise InputError(
                    f"sample {sample.get('__key__')} of {sample.get('__url__')}: its json lacks {', '.join(lacking)}; "
                    "img2dataset keeps these columns with --save_additional_columns."
                )
            for at in _kept(record, epoch, self.seed, self.unit):
                text = record["texts"][at].encode()
                yield {**sample, "txt": text, "__pair_id__": record["pair_ids"][at]}


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
    return [record["texts"][at] for at in _kept(record, epoch, seed, unit)]


def _kept(record: Mapping[str, Any], epoch: int, seed: int, unit: str) -> list[int]:
    """Return the positions of an image's texts that an epoch contains."""
    keys = record["pair_ids"] if unit == "pair" else [record["image_id"]] * len(record["pair_ids"])
    u = draws(pa.array(keys, pa.string()), seed, f"epoch-{epoch}")
    return [n for n, (p, at) in enumerate(zip(record["sampling_probabilities"], u, strict=True)) if at < p]
