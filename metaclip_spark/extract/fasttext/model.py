"""A fastText model that labels batches of Arrow strings in compiled loops."""

from __future__ import annotations

import threading
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa

from metaclip_spark.core.jit import buffers_of
from metaclip_spark.extract.fasttext.kernel import Room, identify, new_room
from metaclip_spark.extract.fasttext.mapped_model import load_layout
from metaclip_spark.extract.fasttext.tables import tables_of

NO_LABEL = "und"
"""The label of a text without a letter, and of a text for which the model has none."""


class FastTextModel:
    """A supervised model with its tables; read-only, so threads and forks may share it.

    Args:
        path: a .bin or .ftz file.
        max_chars: number of characters of a text that the model reads.
        lowers: whether texts are lower-cased.

    Attributes:
        labels: the model's labels without `__label__`, in the order of its output.

    Raises:
        ConfigError: the file is no such model.
    """

    def __init__(self, path: Path, max_chars: int, lowers: bool) -> None:
        labels, numbers, arrays = load_layout(path)
        self.labels = tuple(labels)
        self._names = pa.array([*labels, NO_LABEL], pa.string())
        self._tables = tables_of(numbers, arrays, max_chars, lowers)
        self._per_thread = threading.local()

    def label(self, texts: pa.Array) -> tuple[pa.Array, pa.Array]:
        """Label a batch.

        Args:
            texts: string array of n texts, none null.

        Returns:
            Labels (string array of n) and scores (float32 array of n, in [0, 1]).
        """
        data, ends = buffers_of(texts)
        labels, scores = np.zeros(len(texts), np.int32), np.zeros(len(texts), np.float32)
        identify(data, ends, self._tables, self._room(), labels, scores)
        labels[labels < 0] = len(self.labels)
        names = pa.DictionaryArray.from_arrays(pa.array(labels), self._names)
        return names.cast(pa.string()), pa.array(scores)

    def forget(self) -> None:
        """Forget the words that this thread remembers. Labels and scores stay the same; the next texts take longer."""
        self._per_thread.__dict__.clear()

    def _room(self) -> Room:
        if not hasattr(self._per_thread, "room"):
            self._per_thread.room = new_room(self._tables)
        room: Room = self._per_thread.room
        return room


@cache
def load_model(path: str, max_chars: int, lowers: bool) -> FastTextModel:
    """Load a model, once per process for all tasks."""
    return FastTextModel(Path(path), max_chars, lowers)
