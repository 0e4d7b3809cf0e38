"""Batches by concept: from more candidates than a batch has, choose those that share out the entries.

The idea is concept-aware batch sampling ("Concept-Aware Batch Sampling Improves Language-Image Pretraining", arXiv
2511.20643): of a super-batch of candidates, a batch is chosen for diversity or for frequency of its concepts. The
definitions below are our own: a concept is an entry, so no model is asked.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metaclip_spark.core.entry_lists import list_layout
from metaclip_spark.errors import ConfigError, InputError

MODES = ("diversity", "frequency")


@dataclass(frozen=True)
class Concepts:
    """How batches are chosen from candidates.

    The pairs of a worker's epoch, in its order, are cut into super-batches of `candidates` times as many pairs as a
    batch has. One batch is chosen of each super-batch, and the other pairs are left out of this epoch. The last
    super-batch has fewer candidates. If these are fewer than a batch, there is no batch of them. So every batch has the
    same size, and it is a function of its super-batch alone, not of earlier batches.

    - `diversity`: pairs are chosen one after the other. The next pair is the one with the largest gain; of several, the
      one with the most entries, and then the earliest. With n(c) the number of chosen pairs that match entry c, the
      gain of a pair is the mean over its entries of 1 / (1 + n(c)): 1 for a pair whose entries the batch lacks, little
      for one whose entries many pairs of the batch have. So the batch begins with pairs that have no entry in common,
      until each other candidate shares one. It is a mean and no sum, because a sum prefers long texts, which bring the
      frequent entries with them. (Gains are in units of 2**-32, each term and the mean rounded down.)
    - `frequency`: the pairs that match the most entries are chosen, the earliest of several. No batch of the same
      candidates has more matches.

    The pairs of a batch are in the order in which they are chosen. The candidates are the epoch's pairs: sampled by
    their probabilities, unless `balance` is False.

    Attributes:
        mode: `diversity` or `frequency`.
        candidates: the number of candidates for each pair of a batch, at least 1; 5 leaves out 80% of the pairs.
    """

    mode: str = "diversity"
    candidates: int = 5

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ConfigError: the mode is unknown, or there would be fewer candidates than pairs.
        """
        if self.mode not in MODES:
            raise ConfigError(f"concepts: mode must be one of {', '.join(MODES)}, got {self.mode!r}.")
        if not isinstance(self.candidates, int) or self.candidates < 1:
            raise ConfigError(f"concepts: candidates must be a whole number from 1 on, got {self.candidates!r}.")

    def chosen(self, entry_ids: pa.ListArray, size: int) -> npt.NDArray[np.int64]:
        """Return the positions of the `size` candidates of a batch, in the order in which they are chosen.

        Args:
            entry_ids: a list of entry ids for each candidate, ids from 0 on; a null is an empty list.
            size: at most the number of candidates.

        Raises:
            InputError: an entry id is negative.
        """
        offsets, ids = list_layout(entry_ids)
        if self.mode == "frequency":
            return np.argsort(-np.diff(offsets), kind="stable")[:size]
        if ids.min(initial=0) < 0:
            raise InputError(f"an entry id is {ids.min()}; expected ids from 0 on. The pairs are not an export's.")
        from metaclip_spark.training.concept_kernels import most_diverse

        counts = np.zeros(int(ids.max(initial=-1)) + 1, np.int32)
        chosen: npt.NDArray[np.int64] = most_diverse(offsets, ids, size, counts)
        return chosen
