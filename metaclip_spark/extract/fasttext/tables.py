"""The flat arrays of a model that the kernels read."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from metaclip_spark.extract.fasttext.letters import case_blocks, letter_bits, lower_table
from metaclip_spark.extract.fasttext.model_file import HIERARCHICAL, MAX_COUNT, ModelFile
from metaclip_spark.extract.fasttext.ngrams import Lengths

LINE_END = b"</s>"
_LINE = 64
"""Bytes of a cache line."""
_MOST_STEPS = 1000
"""Maximum number of slots that the search of a word passes. Of words that nobody chose for their hashes, it is 30."""
_FNV_BASIS, _FNV_PRIME = 2166136261, 16777619
SHORT = 24
"""Bytes of the longest word that is three numbers of eight bytes, zeros after it, to the kernels."""
MIX = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9)
"""Factors of the hash of a short word: (first ^ second * MIX[1] ^ third * MIX[2]) * MIX[0], of 64 bits."""


class Tables(NamedTuple):
    """A model for the kernels. All arrays are read-only.

    Attributes:
        lower, has_case, letters: see `letters`.
        lowers: whether texts are lower-cased.
        max_chars: number of characters of a text that are read.
        lengths: lengths of the n-grams of characters, and their buckets.
        word_ngrams: see `ModelFile`.
        ranks: uint64: of each 32 buckets, a bit for each that has a row, and above them the number of rows of all
            buckets before; empty if each bucket has a row.
        grams: float32, (rows, dim), in the order of the buckets.
        words: float32, (n_words, dim).
        slots: uint64: the words by their hashes, with open addressing: hash << 32 | row + 1; 0: free.
        word_offsets, word_data: the words' bytes.
        line_end, line_end_hash: the word of a line's end, -1 if there is none, and its hash.
        is_tree: hierarchical softmax, else softmax.
        children: int32, (2 * nodes,), the left and the right child of each node of the tree.
        output: float32, (labels, dim).
    """

    lower: npt.NDArray[np.uint32]
    has_case: npt.NDArray[np.uint8]
    letters: npt.NDArray[np.uint8]
    lowers: bool
    max_chars: int
    lengths: Lengths
    word_ngrams: int
    ranks: npt.NDArray[np.uint64]
    grams: npt.NDArray[np.float32]
    words: npt.NDArray[np.float32]
    slots: npt.NDArray[np.uint64]
    word_offsets: npt.NDArray[np.int64]
    word_data: npt.NDArray[np.uint8]
    line_end: int
    line_end_hash: int
    is_tree: bool
    children: npt.NDArray[np.int32]
    output: npt.NDArray[np.float32]


Arrays = dict[str, npt.NDArray[Any]]
Numbers = dict[str, int]

ARRAYS = {
    "lower": ("<u4", 1),
    "has_case": ("|u1", 1),
    "letters": ("|u1", 1),
    "ranks": ("<u8", 1),
    "grams": ("<f4", 2),
    "words": ("<f4", 2),
    "slots": ("<u8", 1),
    "word_offsets": ("<i8", 1),
    "word_data": ("|u1", 1),
    "children": ("<i4", 1),
    "output": ("<f4", 2),
}
"""The arrays of `Tables`: the type of each, and the number of its dimensions."""


def lay_out(model: ModelFile) -> tuple[Numbers, Arrays]:
    """Return what `tables_of` takes of a model: its numbers, and its arrays (lid.176.ftz: 4 MB).

    Raises:
        ValueError: kernels cannot look the words of the model up; the text says why.
    """
    n_words, buckets = len(model.words), max(model.bucket, 1)
    magic, shift = _division(buckets)
    offsets = np.zeros(n_words + 1, np.int64)
    np.cumsum([len(word) for word in model.words], out=offsets[1:])
    ranks, order = _ranks(model)
    grams, is_tree = model.input[n_words:], model.loss == HIERARCHICAL
    numbers = {
        "min_n": max(model.min_n, 1),
        # Without hash values there are no n-grams.
        "max_n": model.max_n if model.bucket else 0,
        "bucket": buckets,
        "magic": magic,
        "shift": shift,
        "word_ngrams": model.word_ngrams if model.bucket else 1,
        "line_end": model.words.index(LINE_END) if LINE_END in model.words else -1,
        "is_tree": int(is_tree),
    }
    arrays: Arrays = {
        "lower": lower_table(),
        "has_case": case_blocks(),
        "letters": letter_bits(),
        "ranks": ranks,
        "grams": grams if order is None else grams[order],
        "words": model.input[:n_words],
        "slots": _word_slots(model.words),
        "word_offsets": offsets,
        "word_data": np.frombuffer(b"".join(model.words) or b"\0", np.uint8),
        "children": _tree(model.label_counts) if is_tree else np.zeros(2, np.int32),
        "output": model.output,
    }
    return numbers, arrays


def _division(buckets: int) -> tuple[int, int]:
    """Return `magic` and `shift` of `Lengths`: the product of a hash value and `magic` has less than 64 bits."""
    shift = 31 + buckets.bit_length() - 1
    return (1 << shift) // buckets + 1, shift


def problem_of(numbers: Any, arrays: Arrays) -> str | None:
    """Return why kernels would read outside of the arrays of a model, or not end; None if all is well."""
    names = (*Lengths._fields, "word_ngrams", "line_end", "is_tree")
    if not isinstance(numbers, dict) or any(type(numbers.get(name)) is not int for name in names):
        return f"its numbers are {numbers!r}"[:300]
    bucket, (labels, dim), n_words = numbers["bucket"], arrays["output"].shape, len(arrays["words"])
    sizes = (0 < bucket < 1 << 31, 0 < numbers["min_n"] < 1 << 31, 0 <= numbers["max_n"] < 64, labels > 0, dim > 0)
    in_range = (1 <= numbers["word_ngrams"] < 64, -1 <= numbers["line_end"] < n_words)
    if not all((*sizes, *in_range)) or (numbers["magic"], numbers["shift"]) != _division(bucket):
        return f"its numbers are {numbers}"[:300]
    if arrays["grams"].shape[1] != dim or arrays["words"].shape[1] != dim:
        return "its matrices have different lengths of a vector"
    lower = arrays["lower"]
    if len(arrays["has_case"]) << 8 < len(lower) or (lower >= 0x110000).any():
        return "its table of lower case is none"
    problem = _problem_of_buckets(numbers, arrays) or _problem_of_words(arrays, n_words)
    return problem or (_problem_of_tree(arrays) if numbers["is_tree"] else None)


def _problem_of_buckets(numbers: Numbers, arrays: Arrays) -> str | None:
    ranks, rows = arrays["ranks"], len(arrays["grams"])
    if numbers["max_n"] == 0 and numbers["word_ngrams"] == 1:
        return None  # no bucket is read
    if not len(ranks):
        return None if rows >= numbers["bucket"] else f"{numbers['bucket']} buckets have {rows} rows"
    bits = np.unpackbits((ranks & np.uint64(0xFFFFFFFF)).astype("<u4").view(np.uint8)).reshape(-1, 32)
    number = bits.sum(axis=1, dtype=np.uint64)
    wrong = (ranks >> np.uint64(32) != np.cumsum(number) - number).any()
    if len(ranks) <= numbers["bucket"] >> 5 or wrong or number.sum() > rows:
        return f"{numbers['bucket']} buckets have {rows} rows, and others are named"
    return None


def _problem_of_words(arrays: Arrays, n_words: int) -> str | None:
    slots, offsets = arrays["slots"], arrays["word_offsets"]
    if len(slots) & (len(slots) - 1) or not len(slots) or slots.all():
        return "its dictionary has no free slot"
    if (slots & np.uint64(0xFFFFFFFF)).max() > n_words or (slots[slots > 0] << np.uint64(32) == 0).any():
        return f"its dictionary names a word that is not among its {n_words}"
    if len(offsets) != n_words + 1 or offsets[0] < 0 or (np.diff(offsets) < 0).any():
        return f"its dictionary has {len(offsets) - 1} words, expected {n_words}"
    return "its words are cut short" if offsets[-1] > len(arrays["word_data"]) else None


def _problem_of_tree(arrays: Arrays) -> str | None:
    labels = len(arrays["output"])
    nodes = 2 * labels - 1
    children = arrays["children"]
    if len(children) != 2 * nodes:
        return f"its tree has {len(children) // 2} nodes, expected {nodes}"
    # Each node is made of two that are made before it, and each is in one place: so a search ends.
    below = children[2 * labels :]
    made = np.repeat(np.arange(labels, nodes), 2)
    if (below < 0).any() or (below >= made).any() or len(np.unique(below)) != len(below):
        return "its tree is none"
    return None


def tables_of(numbers: Numbers, arrays: Arrays, max_chars: int, lowers: bool) -> Tables:
    """Return the tables of a model for the kernels.

    Args:
        numbers, arrays: see `lay_out`.
        max_chars: number of characters of a text to read, at most 250.
        lowers: whether to lower-case texts.
    """
    lengths = Lengths(*(numbers[name] for name in Lengths._fields))
    return Tables(
        **{name: _fixed(arrays[name]) for name in ARRAYS},
        lowers=lowers,
        max_chars=max_chars,
        lengths=lengths,
        word_ngrams=numbers["word_ngrams"],
        line_end=numbers["line_end"],
        line_end_hash=_hash(LINE_END),
        is_tree=bool(numbers["is_tree"]),
    )


def _fixed(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return an array as the kernels take all of them: contiguous and read-only.

    An array in this process's memory begins at a cache line, so that a vector of 16 values is one line. An array that
    is mapped from a file stays where it is.
    """
    view = np.ascontiguousarray(array).view(np.ndarray)
    if not isinstance(array, np.memmap):
        view = aligned(view)
    view.flags.writeable = False
    return view


def aligned(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return an array that begins at a cache line: a copy, if it does not."""
    if not array.ctypes.data % _LINE:
        return array
    room = np.empty(array.nbytes + _LINE, np.uint8)
    first = -room.ctypes.data % _LINE
    room[first : first + array.nbytes] = array.reshape(-1).view(np.uint8)
    return room[first : first + array.nbytes].view(array.dtype).reshape(array.shape)


def _hash(word: bytes) -> int:
    value = _FNV_BASIS
    for byte in word:
        value = ((value ^ (byte | (0xFFFFFF00 if byte >= 128 else 0))) * _FNV_PRIME) & 0xFFFFFFFF
    return value


def _slot_hash(word: bytes) -> int:
    """Return the hash of a word in the dictionary's slots: 32 bits."""
    if len(word) > SHORT:
        return _hash(word)
    first, second, third = (int.from_bytes(word[at : at + 8], "little") for at in (0, 8, 16))
    return ((first ^ second * MIX[1] ^ third * MIX[2]) * MIX[0] & 0xFFFFFFFFFFFFFFFF) >> 32


def _word_slots(words: list[bytes]) -> npt.NDArray[np.uint64]:
    size = 1 << max(4, (4 * len(words)).bit_length())
    slots = [0] * size
    for at, word in enumerate(words):
        value = _slot_hash(word)
        slot = value & (size - 1)
        steps = 0
        while slots[slot]:
            slot, steps = (slot + 1) & (size - 1), steps + 1
        if steps > _MOST_STEPS:
            raise ValueError(f"its dictionary has more than {_MOST_STEPS} words of one hash, such as {word[:40]!r}")
        slots[slot] = value << 32 | at + 1
    return np.array(slots, np.uint64)


def _ranks(model: ModelFile) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int32] | None]:
    """Return `Tables.ranks`, and the rows in the order of their buckets."""
    if model.kept_buckets is None:
        return np.zeros(0, np.uint64), None
    values, rows = model.kept_buckets[:, 0], model.kept_buckets[:, 1]
    order = np.argsort(values, kind="stable")
    # One bucket more than there are, without a row: what is no n-gram is sought there.
    is_kept = np.zeros((model.bucket // 32 + 1) * 32, np.uint8)
    is_kept[values] = 1
    bits = np.packbits(is_kept, bitorder="little").view(np.uint32).astype(np.uint64)
    number = is_kept.reshape(-1, 32).sum(axis=1, dtype=np.uint64)
    return bits | (np.cumsum(number) - number) << np.uint64(32), rows[order]


def _tree(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    """Return the left and the right child of each node of fastText's Huffman tree; labels are the first nodes."""
    labels = len(counts)
    weights = [*map(int, counts), *[MAX_COUNT] * (labels - 1)]
    children = np.full((2 * labels - 1, 2), -1, np.int32)
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
        children[made] = least
        weights[made] = weights[least[0]] + weights[least[1]]
    return children.reshape(-1)
