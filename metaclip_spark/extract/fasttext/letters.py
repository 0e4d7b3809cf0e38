"""Tables of code points: their lower case, and which are letters, as Arrow says."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

LOWER_UP_TO = 0x1F000
"""Code points from here on have no lower case."""
LETTERS_UP_TO = 0x34000
"""Code points from here on are no letters."""
_SURROGATES = range(0xD800, 0xE000)


@cache
def lower_table() -> npt.NDArray[np.uint32]:
    """Return the lower case of each code point below `LOWER_UP_TO`: uint32, itself where it has none."""
    points, strings = _characters(LOWER_UP_TO)
    lowered = "".join(pc.utf8_lower(strings).to_pylist()).encode("utf-32-le")
    table = np.arange(LOWER_UP_TO, dtype=np.uint32)
    table[points] = np.frombuffer(lowered, np.uint32)
    table.flags.writeable = False
    return table


@cache
def case_blocks() -> npt.NDArray[np.uint8]:
    """Return of each 256 code points below `LOWER_UP_TO` whether one has another lower case: uint8, 0 or 1."""
    table = lower_table()
    blocks: npt.NDArray[np.uint8] = (table != np.arange(LOWER_UP_TO)).reshape(-1, 256).any(axis=1).astype(np.uint8)
    blocks.flags.writeable = False
    return blocks


@cache
def letter_bits() -> npt.NDArray[np.uint8]:
    """Return a bit for each code point below `LETTERS_UP_TO`, set for a letter (Unicode's categories L*).

    Shape: uint8, (LETTERS_UP_TO / 8,); bit 0 of byte 0 is code point 0.
    """
    points, strings = _characters(LETTERS_UP_TO)
    is_letter = np.zeros(LETTERS_UP_TO, np.bool_)
    is_letter[points] = pc.match_substring_regex(strings, r"^\p{L}").to_numpy(zero_copy_only=False)
    bits = np.packbits(is_letter, bitorder="little")
    bits.flags.writeable = False
    return bits


def _characters(up_to: int) -> tuple[npt.NDArray[np.int64], pa.Array]:
    """Return the code points below a limit that have UTF-8, and each as a string."""
    points = np.array([point for point in range(up_to) if point not in _SURROGATES], np.int64)
    return points, pa.array([chr(point) for point in points], pa.string())
