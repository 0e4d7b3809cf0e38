"""Loaders that balance online: each epoch samples the pairs again, by the probabilities in an export.

    from metaclip_spark.training import epoch

    for pair in epoch("out/exports/235e8f9299ccb278-pairs", epoch=3, seed=0, worker=(0, 8)):
        ...  # a dict: url, text, pair_id, entry_ids, sampling_probability, ...

Offline balancing draws once: a pair is in the curated subset, or training never sees it. Online balancing draws in
every epoch: a pair is in an epoch with its sampling probability p, and over the epochs training sees the whole pool
(the paper's variant in the data loader). An epoch contains a pair if `u < p`. u is a function of the pair, the seed and
the epoch, so that the set does not depend on the number of workers.

The loaders need no Spark. They read an export of either format, and the folder that img2dataset wrote from an export.
`PairDataset` needs torch, and is imported with the first use of its name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metaclip_spark.training.concept import Concepts
from metaclip_spark.training.loader import Batch, batches, epoch, shards, sized_batches, sizes
from metaclip_spark.training.tars import TextDraw, kept_texts, samples

if TYPE_CHECKING:
    from metaclip_spark.training.dataset import PairDataset

__all__ = [
    "Batch",
    "Concepts",
    "PairDataset",
    "TextDraw",
    "batches",
    "epoch",
    "kept_texts",
    "samples",
    "shards",
    "sized_batches",
    "sizes",
]


def __getattr__(name: str) -> Any:
    """Import torch with the first use of `PairDataset`."""
    if name == "PairDataset":
        from metaclip_spark.training.dataset import PairDataset

        return PairDataset
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
