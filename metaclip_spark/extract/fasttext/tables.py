"""The flat arrays of a model that the kernels read."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from metaclip_spark.extract.fasttext.kernel import new_room, sum_words
from metaclip_spark.extract.fasttext.letters import letter_bits, lower_table
from metaclip_spark.extract.fasttext.model_file import HIERARCHICAL, ModelFile

LINE_END = b"</s>"
_LINE = 64
"""Bytes of a cache line."""
_LARGE = int(1e15)
"""The count of a node of the tree that is not made yet, as in fastText."""
_FNV_BASIS, _FNV_PRIME = 2166136261, 16777619


class Tables(NamedTuple):
    """A model for the kernels. All arrays are read-only.

    Attributes:
        lower, letters: see `letters`.
        lowers: whether texts are lower-cased.
        max_chars: number of characters of a text that are read.
        min_n, max_n, word_ngrams: see `ModelFile`.
        bucket, magic, magic_shift: uint64: the number of buckets; a hash value times `magic`, shifted, is its quotient.
        is_pruned: whether only some hash values have a row.
        kept_bits: uint64, a bit for each hash value that has a row; one element if not pruned.
        kept_before: int32, the number of rows before each element of `kept_bits`.
        grams: float32, (rows, dim), in the order of the hash values.
        words: float32, (n_words, dim): of each word, the sum of its own vector and those of its n-grams.
        sizes: int32, the number of vectors in each sum.
        slots, hashes: int32 and uint32: the words by their hashes, with open addressing; -1: free.
        word_offsets, word_data: the words' bytes.
        n_words, n_labels: numbers of words and labels.
        line_end, line_end_hash: the word of a line's end, -1 if there is none, and its hash.
        is_tree: hierarchical softmax, else softmax.
        left, right: int32, the children of each node of the tree.
        output: float32, (labels, dim).
    """

    lower: npt.NDArray[np.uint32]
    letters: npt.NDArray[np.uint8]
    lowers: bool
    max_chars: int
    min_n: int
    max_n: int
    word_ngrams: int
    bucket: np.uint64
    magic: np.uint64
    magic_shift: np.uint64
    is_pruned: bool
    kept_bits: npt.NDArray[np.uint64]
    kept_before: npt.NDArray[np.int32]
    grams: npt.NDArray[np.float32]
    words: npt.NDArray[np.float32]
    sizes: npt.NDArray[np.int32]
    slots: npt.NDArray[np.int32]
    hashes: npt.NDArray[np.uint32]
    word_offsets: npt.NDArray[np.int64]
    word_data: npt.NDArray[np.uint8]
    n_words: int
    n_labels: int
    line_end: int
    line_end_hash: np.uint32
    is_tree: bool
    left: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]
    output: npt.NDArray[np.float32]


def tables_of(model: ModelFile, max_chars: int, lowers: bool) -> Tables:
    """Lay a model out for the kernels (lid.176.ftz: 4 MB).

    Args:
        max_chars: number of characters of a text to read.
        lowers: whether to lower-case texts.
    """
    n_words, buckets = len(model.words), max(model.bucket, 1)
    # The product of a hash value and the magic number has less than 64 bits.
    shift = 31 + buckets.bit_length() - 1
    slots, hashes = _word_slots(model.words)
    offsets = np.zeros(n_words + 1, np.int64)
    np.cumsum([len(word) for word in model.words], out=offsets[1:])
    bits, before, order = _kept(model)
    grams = model.input[n_words:]
    left, right = _tree(model.label_counts) if model.loss == HIERARCHICAL else (np.zeros(1, np.int32),) * 2
    line_end = model.words.index(LINE_END) if LINE_END in model.words else -1
    tables = Tables(
        lower=lower_table(),
        letters=letter_bits(),
        lowers=lowers,
        max_chars=max_chars,
        min_n=model.min_n,
        # Without hash values there are no n-grams.
        max_n=model.max_n if model.bucket else 0,
        word_ngrams=model.word_ngrams if model.bucket else 1,
        bucket=np.uint64(buckets),
        magic=np.uint64((1 << shift) // buckets + 1),
        magic_shift=np.uint64(shift),
        is_pruned=order is not None,
        kept_bits=_fixed(bits),
        kept_before=_fixed(before),
        grams=_fixed(grams if order is None else grams[order]),
        words=_fixed(model.input[:n_words]),
        sizes=_fixed(np.ones(n_words, np.int32)),
        slots=_fixed(slots),
        hashes=_fixed(hashes),
        word_offsets=_fixed(offsets),
        word_data=_fixed(np.frombuffer(b"".join(model.words) or b"\0", np.uint8)),
        n_words=n_words,
        n_labels=len(model.labels),
        line_end=line_end,
        line_end_hash=np.uint32(_hash(LINE_END)),
        is_tree=model.loss == HIERARCHICAL,
        left=_fixed(left),
        right=_fixed(right),
        output=_fixed(model.output),
    )
    vectors, sizes = np.array(model.input[:n_words]), np.ones(n_words, np.int32)
    sum_words(tables, vectors, sizes, new_room(max(map(len, model.words), default=0), model.max_n))
    return tables._replace(words=_fixed(vectors), sizes=_fixed(sizes))


def _fixed(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return an array as the kernels take all of them: contiguous and read-only.

    An array in this process's memory begins at a cache line, so that a vector of 16 values is one line.
    """
    view = np.ascontiguousarray(array).view(np.ndarray)
    if view.ctypes.data % _LINE and not isinstance(array, np.memmap):
        room = np.empty(view.nbytes + _LINE, np.uint8)
        first = -room.ctypes.data % _LINE
        room[first : first + view.nbytes] = view.reshape(-1).view(np.uint8)
        view = room[first : first + view.nbytes].view(view.dtype).reshape(view.shape)
    view.flags.writeable = False
    return view


def _hash(word: bytes) -> int:
    value = _FNV_BASIS
    for byte in word:
        value = ((value ^ (byte | (0xFFFFFF00 if byte >= 128 else 0))) * _FNV_PRIME) & 0xFFFFFFFF
    return value


def _word_slots(words: list[bytes]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint32]]:
    size = 1 << max(4, (4 * len(words)).bit_length())
    slots, hashes = np.full(size, -1, np.int32), np.zeros(size, np.uint32)
    for at, word in enumerate(words):
        value = _hash(word)
        slot = value & (size - 1)
        while slots[slot] >= 0:
            slot = (slot + 1) & (size - 1)
        slots[slot], hashes[slot] = at, value
    return slots, hashes


def _kept(
    model: ModelFile,
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int32], npt.NDArray[np.int32] | None]:
    """Return the bits of the hash values that have a row, the rows before each 64 bits, and the rows in that order."""
    if model.kept_buckets is None:
        return np.zeros(1, np.uint64), np.zeros(1, np.int32), None
    values, rows = model.kept_buckets[:, 0], model.kept_buckets[:, 1]
    order = np.argsort(values, kind="stable")
    is_kept = np.zeros(-(-max(model.bucket, 1) // 64) * 64, np.uint8)
    is_kept[values] = 1
    bits = np.packbits(is_kept, bitorder="little").view(np.uint64)
    by_word = is_kept.reshape(-1, 64).sum(axis=1, dtype=np.int32)
    before = (np.cumsum(by_word) - by_word).astype(np.int32)
    return bits, before, rows[order]


def _tree(counts: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return the left and the right child of each node of fastText's Huffman tree; labels are the first nodes."""
    labels = len(counts)
    weights = [*map(int, counts), *[_LARGE] * (labels - 1)]
    left, right = np.full(2 * labels - 1, -1, np.int32), np.full(2 * labels - 1, -1, np.int32)
    leaf, node = labels - 1, labels
    for made in range(labels, 2 * labels - 1):
        least = []
        for _ in range(2):
            if leaf >= 0 and weights[leaf] < weights[node]:
                least.append(leaf)
                leaf -= 1
            else:
                least.append(node)
                node += 1
        left[made], right[made] = least
        weights[made] = weights[least[0]] + weights[least[1]]
    return left, right
