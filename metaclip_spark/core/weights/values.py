"""Values of weights: what is a number from 0 to 1, and what is not."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

MISSING, NOT_A_NUMBER, OUT_OF_RANGE = 1, 2, 3
"""What a value can be instead of a weight; 0 is a weight."""


def read_weights(texts: pa.Array) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int8]]:
    """Return the numbers that strings are, float64, and what each is instead of a weight, int8.

    A value is missing if it is null, empty or NaN. A number below 0 or above 1 is out of range.

    >>> values, kinds = read_weights(pa.array(["0.5", "1e-3", " ", None, "nan", "0,5", "1.01"]))
    >>> values[:2].tolist(), kinds.tolist()
    ([0.5, 0.001], [0, 0, 1, 1, 1, 2, 3])
    """
    trimmed = pc.ascii_trim_whitespace(texts)
    empty = pc.fill_null(pc.equal(trimmed, ""), True).to_numpy(zero_copy_only=False)
    numbers = pc.if_else(pa.array(empty), pa.scalar(None, trimmed.type), trimmed)
    wrong = np.zeros(len(texts), bool)
    try:
        cast = numbers.cast(pa.float64())
    except pa.ArrowInvalid:
        cast, wrong = _one_by_one(numbers)
    values = pc.fill_null(cast, np.nan).to_numpy(zero_copy_only=False).astype(np.float64) + 0.0  # -0 is 0
    kinds = np.zeros(len(texts), np.int8)
    kinds[(values < 0) | (values > 1)] = OUT_OF_RANGE
    kinds[np.isnan(values)] = MISSING
    kinds[wrong] = NOT_A_NUMBER
    return values, kinds


def _one_by_one(numbers: pa.Array) -> tuple[pa.Array, npt.NDArray[np.bool_]]:
    """Return numbers, null where a string is none, and which strings are none."""
    encoded = numbers.dictionary_encode()
    read = [_number(text) for text in encoded.dictionary]
    values = pa.array(read, pa.float64()).take(encoded.indices)
    return values, pc.and_(values.is_null(), numbers.is_valid()).to_numpy(zero_copy_only=False)


def _number(text: pa.Scalar) -> float | None:
    try:
        number: float = text.cast(pa.float64()).as_py()
    except pa.ArrowInvalid:
        return None
    return number
