"""Write fastText model files with random weights, in the layout of fastText's own writer."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HIERARCHICAL, SOFTMAX = 1, 3


@dataclass(frozen=True)
class Made:
    """What a made model is like; a quantised one has pruned buckets, too."""

    dim: int = 10
    min_n: int = 2
    max_n: int = 4
    word_ngrams: int = 1
    bucket: int = 5000
    loss: int = HIERARCHICAL
    labels: int = 9
    quantised: bool = False
    norms: bool = True
    line_end: bool = True
    seed: int = 0


def write_model(path: Path, made: Made, words: list[str]) -> Path:
    """Write a model whose dictionary has these words."""
    rng = np.random.default_rng(made.seed)
    given = [*(["</s>"] if made.line_end else []), *words]
    kept = np.sort(rng.choice(made.bucket, made.bucket // 3, replace=False)) if made.quantised and made.bucket else None
    out = struct.pack("<ii", 793712314, 12)
    numbers = (made.dim, 5, 5, 1, 5, made.word_ngrams, made.loss, 3, made.bucket, made.min_n, made.max_n, 100)
    out += struct.pack("<12id", *numbers, 1e-4)
    out += struct.pack(
        "<3i2q", len(given) + made.labels, len(given), made.labels, 1000, -1 if kept is None else len(kept)
    )
    for word in given:
        out += word.encode() + b"\0" + struct.pack("<qb", 10, 0)
    for label in range(made.labels):
        out += f"__label__l{label}".encode() + b"\0" + struct.pack("<qb", 1000 // (label + 1), 1)
    if kept is not None:
        rows = rng.permutation(len(kept))
        out += np.stack([kept, rows], axis=1).astype("<i4").tobytes()
    rows = len(given) + (made.bucket if kept is None else len(kept))
    out += struct.pack("<?", made.quantised)
    out += _quantised(rng, rows, made) if made.quantised else _dense(rng, rows, made.dim)
    out += struct.pack("<?", False) + _dense(rng, made.labels, made.dim)
    path.write_bytes(out)
    return path


def _dense(rng: np.random.Generator, rows: int, columns: int) -> bytes:
    return struct.pack("<qq", rows, columns) + rng.normal(size=(rows, columns)).astype("<f4").tobytes()


def _quantised(rng: np.random.Generator, rows: int, made: Made) -> bytes:
    length = 4
    parts = -(-made.dim // length)
    last = made.dim - (parts - 1) * length
    out = struct.pack("<?qqi", made.norms, rows, made.dim, rows * parts)
    out += rng.integers(0, 256, rows * parts, dtype=np.uint8).tobytes()
    out += _centroids(rng, made.dim, parts, length, last)
    if made.norms:
        out += rng.integers(0, 256, rows, dtype=np.uint8).tobytes() + _centroids(rng, 1, 1, 1, 1)
    return out


def _centroids(rng: np.random.Generator, dim: int, parts: int, length: int, last: int) -> bytes:
    return struct.pack("<4i", dim, parts, length, last) + rng.normal(size=dim * 256).astype("<f4").tobytes()
