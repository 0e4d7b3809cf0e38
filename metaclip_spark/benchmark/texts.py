"""Texts for benchmarks: those of real files, resampled with a seed so that all are different."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from metaclip_spark.errors import InputError

_ROOT = Path(__file__).resolve().parents[2]
SAMPLE = _ROOT / "jobs" / "sample" / "pool.wat.gz"
LIST = "en"
"""The list of a benchmark that names none."""


def texts_of(paths: Sequence[str]) -> list[str]:
    """Return the texts of sources, of any format that `run` reads.

    Raises:
        InputError: the sources contain no text.
    """
    from metaclip_spark.candidates.options import ExtractOptions
    from metaclip_spark.extract.task import Stamp, Tools, extract_split
    from metaclip_spark.sources.files import find_sources, splits_of

    options = ExtractOptions(keep_unmatched=True, dedup=False, languages=())
    texts: list[str] = []
    for split in splits_of(find_sources(list(paths))):
        for batch in extract_split(split, options, Tools(), Stamp("benchmark", "none", "benchmark")):
            texts += [text for text in batch.column("text").to_pylist() if text]
    if not texts:
        raise InputError(f"{', '.join(map(str, paths))}: the input contains no text; give --input files with texts.")
    return texts


def different_texts(base: Sequence[str], number: int, seed: int = 0, first_number: int = 0) -> list[str]:
    """Make different texts of about the same lengths: the first half of one text and the second half of another.

    Repeated texts would warm caches that the texts of a crawl leave cold, and deduplication would drop them. So each
    text ends with a different number.

    Args:
        number: number of texts.
        first_number: number at the end of the first text.
    """
    words = [text.split(" ") for text in base]
    first, second = np.random.default_rng(seed).integers(0, len(base), (2, number))
    texts = []
    for at, (a, b) in enumerate(zip(first.tolist(), second.tolist(), strict=True), first_number):
        head, tail = words[a], words[b]
        texts.append(" ".join([*head[: (len(head) + 1) // 2], *tail[len(tail) // 2 :], str(at)]))
    return texts


def in_batches(texts: Sequence[str], rows: int = 10_000) -> list[pa.Array]:
    """Split texts into Arrow arrays of `rows` texts, as Spark sends them."""
    return [pa.array(texts[at : at + rows], pa.string()) for at in range(0, len(texts), rows)]
