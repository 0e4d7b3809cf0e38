"""Read the file of a fastText model (.bin or .ftz), and check every size in it before anything is allocated.

The layout is that of version 12 of fastText's own writer, which all releases since 2016 write: arguments, dictionary,
input matrix, output matrix; little-endian, without alignment. A .ftz has a product-quantised input matrix (Joulin et
al., "FastText.zip", arXiv 1612.03651).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from metaclip_spark.errors import ConfigError

MAGIC = 793712314
VERSIONS = (11, 12)
HIERARCHICAL, SOFTMAX = 1, 3
"""Losses, as numbers of the file: hierarchical softmax, softmax."""
SUPERVISED = 3
MAX_COUNT = 10**15
"""All labels together occurred less often; to fastText, this is the count of a node of its tree that is not made."""
MAX_BUCKETS = 1 << 27
"""Maximum number of buckets of a pruned model, which has rows for few of them; fastText's own default is 2,000,000."""
MAX_MATRIX = 1 << 31
"""Maximum number of bytes of a matrix that is unpacked; a code of a byte may stand for thousands."""
_LOSSES = {1: "hierarchical softmax", 2: "negative sampling", 3: "softmax", 4: "one against all"}
_MODELS = {1: "cbow", 2: "skipgram", 3: "supervised"}
_CENTROIDS = 256
"""Centroids of a part of a vector: a code has one byte."""
WORD, LABEL = 0, 1
LABEL_PREFIX = "__label__"


@dataclass(frozen=True)
class ModelFile:
    """A model as its file describes it.

    Attributes:
        dim: length of a vector.
        min_n, max_n: lengths of the n-grams of characters; `max_n` 0: none.
        word_ngrams: number of words of the longest n-gram of words.
        bucket: number of hash values of n-grams.
        loss: HIERARCHICAL or SOFTMAX.
        words: UTF-8, in the order of their rows.
        labels: without their prefix, in the order of the output's rows.
        label_counts: int64, how often each label occurred in training; they shape the tree.
        kept_buckets: int32, (n, 2): hash value, and its row after the words; None: every hash value has a row.
        input: float32, (rows, dim): words first.
        output: float32, (labels, dim).
    """

    dim: int
    min_n: int
    max_n: int
    word_ngrams: int
    bucket: int
    loss: int
    words: list[bytes]
    labels: list[str]
    label_counts: npt.NDArray[np.int64]
    kept_buckets: npt.NDArray[np.int32] | None
    input: npt.NDArray[np.float32]
    output: npt.NDArray[np.float32]


def unusable(path: Path, problem: str) -> ConfigError:
    """Return the error for a model that cannot be used; `problem` is a sentence."""
    return ConfigError(
        f"{path} cannot be used: {problem} Expected a supervised fastText model (.bin or .ftz) with softmax "
        "or hierarchical softmax, as `fasttext supervised` or `fasttext quantize` write it."
    )


class _Reader:
    """Reads values from a file's bytes, one after the other.

    Raises:
        ConfigError: the bytes end before a value does.
    """

    def __init__(self, path: Path, data: npt.NDArray[np.uint8]) -> None:
        self._path, self._data, self.at = path, data, 0

    def fail(self, problem: str) -> ConfigError:
        return unusable(self._path, problem)

    def _take(self, size: int) -> npt.NDArray[np.uint8]:
        if size < 0 or self.at + size > len(self._data):
            raise self.fail(f"it ends at byte {len(self._data):,}, where byte {self.at + size:,} was expected.")
        part = self._data[self.at : self.at + size]
        self.at += size
        return part

    def values(self, layout: str) -> tuple[Any, ...]:
        return struct.unpack("<" + layout, self._take(struct.calcsize("<" + layout)).tobytes())

    def array(self, number: int, kind: type) -> npt.NDArray[Any]:
        size = np.dtype(kind).itemsize
        if number < 0:
            raise self.fail(f"it gives {number} as a size.")
        part = self._take(number * size)
        # The file has no alignment. An aligned part stays where it is, so a large matrix is mapped, not copied.
        return part.view(kind) if part.ctypes.data % size == 0 else np.frombuffer(part.tobytes(), kind)

    def word(self) -> bytes:
        for most in (1 << 7, 1 << 16):  # nearly all words are short, and a model may have millions
            word, end, _ = self._data[self.at : self.at + most].tobytes().partition(b"\0")
            if end:
                self.at += len(word) + 1
                return word
        raise self.fail(f"the word at byte {self.at:,} has no end.")


def read_model(path: Path) -> ModelFile:
    """Read a model. A dense matrix whose place in the file is aligned stays mapped, so processes share its memory.

    Raises:
        ConfigError: the file cannot be read, is cut short, is no fastText model, or has a loss that is not supported.
    """
    try:
        data: npt.NDArray[np.uint8] = np.memmap(path, np.uint8, mode="r")
    except (OSError, ValueError) as error:
        raise ConfigError(f"The language model {path} cannot be read: {error}.") from None
    reader = _Reader(path, data)
    magic, version = reader.values("ii")
    if magic != MAGIC or version not in VERSIONS:
        raise reader.fail(f"it begins with {magic}, {version}, not with {MAGIC} and a version of {VERSIONS}.")
    dim, _, _, _, _, word_ngrams, loss, model, bucket, min_n, max_n, _, _ = reader.values("12id")
    if model != SUPERVISED or loss not in (HIERARCHICAL, SOFTMAX):
        is_what = f"{_MODELS.get(model, model)} with {_LOSSES.get(loss, loss)}"
        raise reader.fail(f"it is a model of the kind {is_what}.")
    if not (0 < dim <= 4096 and min_n >= 0 and 0 <= max_n < 64 and bucket >= 0 and 1 <= word_ngrams < 64):
        raise reader.fail(f"it gives dim {dim}, minn {min_n}, maxn {max_n}, wordNgrams {word_ngrams}, bucket {bucket}.")
    words, labels, counts, kept = _dictionary(reader)
    rows = len(words) + (bucket if kept is None else _checked_buckets(reader, kept, bucket))
    (is_quantised,) = reader.values("?")
    vectors = (_quantised if is_quantised else _dense)(reader, (rows, dim))
    (output_is_quantised,) = reader.values("?")
    output = (_quantised if is_quantised and output_is_quantised else _dense)(reader, (len(labels), dim))
    # A release that read version 11 gave its supervised models no n-grams of characters.
    max_n = 0 if version == VERSIONS[0] else max_n
    return ModelFile(dim, min_n, max_n, word_ngrams, bucket, loss, words, labels, counts, kept, vectors, output)


def _dictionary(
    reader: _Reader,
) -> tuple[list[bytes], list[str], npt.NDArray[np.int64], npt.NDArray[np.int32] | None]:
    size, n_words, n_labels, _, n_kept = reader.values("3i2q")
    if size != n_words + n_labels or min(n_words, n_labels) < 0 or n_labels == 0:
        raise reader.fail(f"its dictionary has {size} entries: {n_words} words and {n_labels} labels.")
    words: list[bytes] = []
    labels: list[str] = []
    counts: list[int] = []
    for at in range(size):
        word = reader.word()
        count, kind = reader.values("qb")
        if kind != (WORD if at < n_words else LABEL):
            raise reader.fail(f"entry {at} of its dictionary has the kind {kind}.")
        if kind == WORD:
            words.append(word)
        else:
            labels.append(word.decode("utf-8", "replace").removeprefix(LABEL_PREFIX))
            counts.append(count)
    if min(counts) < 0 or sum(counts) >= MAX_COUNT:
        raise reader.fail(f"its labels have the counts {counts[:3]}...; the tree of the labels needs others.")
    # -1: not pruned. 0: pruned to nothing.
    kept = reader.array(2 * n_kept, np.int32).reshape(-1, 2) if n_kept >= 0 else None
    return words, labels, np.array(counts, np.int64), kept


def _checked_buckets(reader: _Reader, kept: npt.NDArray[np.int32], bucket: int) -> int:
    """Return the number of buckets that are kept, after a check that each has a hash value and a row of its own."""
    number = len(kept)
    values, rows = kept[:, 0], kept[:, 1]
    is_row = number == 0 or (rows.min() >= 0 and rows.max() < number and len(np.unique(rows)) == number)
    is_value = number == 0 or (values.min() >= 0 and values.max() < bucket and len(np.unique(values)) == number)
    if not (is_row and is_value) or bucket > MAX_BUCKETS:
        raise reader.fail(f"it keeps {number:,} of {bucket:,} buckets, and their values or rows are not distinct ones.")
    return number


def _check_shape(reader: _Reader, shape: tuple[int, int], expected: tuple[int, int]) -> None:
    if shape != expected:
        raise reader.fail(f"a matrix has the shape {shape}, not {expected}.")


def _dense(reader: _Reader, expected: tuple[int, int]) -> npt.NDArray[np.float32]:
    _check_shape(reader, reader.values("qq"), expected)  # type: ignore[arg-type]  # two numbers
    return reader.array(expected[0] * expected[1], np.float32).reshape(expected)


def _quantised(reader: _Reader, expected: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Return a product-quantised matrix as its vectors: float32, (rows, columns)."""
    has_norms, rows, columns, size = reader.values("?qqi")
    _check_shape(reader, (rows, columns), expected)
    codes = reader.array(size, np.uint8)
    parts, vectors = _centroids(reader)
    if len(codes) != rows * parts or sum(part.shape[1] for part in vectors) != columns:
        raise reader.fail(f"a matrix of {rows} x {columns} has {len(codes)} codes of {parts} parts.")
    if 4 * rows * columns > MAX_MATRIX:
        raise reader.fail(f"a quantised matrix of {rows:,} x {columns} has more than {MAX_MATRIX >> 30} GiB unpacked.")
    matrix = np.concatenate([part[codes[at::parts]] for at, part in enumerate(vectors)], axis=1)
    if has_norms:
        norms = reader.array(rows, np.uint8)
        _, (norm_vectors,) = _centroids(reader)
        with np.errstate(over="ignore", invalid="ignore"):  # of damaged files
            matrix = matrix * norm_vectors[norms]
    if not np.isfinite(matrix).all():
        raise reader.fail("a matrix has values that are no numbers.")
    return np.ascontiguousarray(matrix, np.float32)


def _centroids(reader: _Reader) -> tuple[int, list[npt.NDArray[np.float32]]]:
    """Return the number of parts of a vector, and the centroids of each part: float32, (256, length of the part)."""
    dim, parts, length, last = reader.values("4i")
    if min(dim, parts, length, last) <= 0 or dim != (parts - 1) * length + last:
        raise reader.fail(f"a vector of {dim} values has {parts} parts of {length}, the last of {last}.")
    values = reader.array(dim * _CENTROIDS, np.float32)
    border = (parts - 1) * _CENTROIDS * length
    whole = values[:border].reshape(parts - 1, _CENTROIDS, length)
    return parts, [*whole, values[border:].reshape(_CENTROIDS, last)]
