"""Write sorted uids as DataComp's tools read them: a numpy array of pairs of 64-bit integers, in parts (no Spark).

A uid has 128 bits, written as 32 hex digits. The array has the dtype `u8,u8` (the upper and the lower half), each uid
once, in ascending order.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metaclip_spark.storage.write import open_atomic

DATACOMP = "datacomp"
UIDS = "uids.npy"
"""The file of an export that DataComp's `resharder.py` takes."""
PART_NAME = "{:05d}.uids"
UID = np.dtype([("f0", "<u8"), ("f1", "<u8")])
UID_BYTES = 16

PARTS_DDL = "file string, rows bigint, repeats bigint, bytes bigint"
_PARTS = pa.schema([("file", pa.string()), ("rows", pa.int64()), ("repeats", pa.int64()), ("bytes", pa.int64())])


def npy_header(uids: int) -> bytes:
    """Return the first bytes of an .npy file with this number of uids."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": UID.descr, "fortran_order": False, "shape": (uids,)})
    return header.getvalue()


def write_parts(batches: Iterable[pa.RecordBatch], folder: str) -> Iterator[pa.RecordBatch]:
    """Write the uids of a task's parts, without a header.

    Args:
        batches: part (int32), uid (16 bytes) and others, by part; the uids of a part ascend.
        folder: the folder of the files, a path or a uri.

    Yields:
        One row per part: its file, the number of uids, how many rows repeated one, and its bytes.
    """
    with contextlib.ExitStack() as stack:
        part: _Part | None = None
        for batch in batches:
            numbers = batch.column("part").to_numpy()
            starts = np.flatnonzero(np.diff(numbers, prepend=-1))
            uids = _bytes_of(batch.column("uid"))
            for start, stop in zip(starts, np.append(starts, len(numbers))[1:], strict=True):
                if part is None or part.number != numbers[start]:
                    if part is not None:
                        yield part.close()
                    part = _Part(int(numbers[start]), folder, stack)
                part.add(uids[start:stop])
        if part is not None:
            yield part.close()


class _Part:
    """A part's file while it is written."""

    def __init__(self, number: int, folder: str, stack: contextlib.ExitStack) -> None:
        self.number = number
        self._name = PART_NAME.format(number)
        self._stack = stack.enter_context(contextlib.ExitStack())
        self._file = self._stack.enter_context(open_atomic(f"{folder}/{self._name}"))
        self._last: npt.NDArray[np.void] | None = None
        self._rows = self._repeats = 0

    def add(self, uids: npt.NDArray[np.void]) -> None:
        """Append uids (each 16 bytes), but for those that are equal to the one before."""
        before = uids[:1] if self._last is None else self._last
        new = uids != np.concatenate([before, uids[:-1]])
        new[0] |= self._last is None
        self._last = uids[-1:]
        self._rows, self._repeats = self._rows + int(new.sum()), self._repeats + int((~new).sum())
        # The bytes of a hash are its digits, the most significant first.
        self._file.write(uids[new].view(">u8").astype("<u8").tobytes())

    def close(self) -> pa.RecordBatch:
        """Return the part's row, after its file is complete."""
        size = self._file.tell()
        self._stack.close()
        row = (self._name, self._rows, self._repeats, size)
        return pa.record_batch([[value] for value in row], schema=_PARTS)


def _bytes_of(column: pa.Array) -> npt.NDArray[np.void]:
    """Return the values of a column of 16 bytes each as an array, without a copy."""
    offsets = column.cast(pa.binary())
    at = np.frombuffer(offsets.buffers()[1], np.int32, len(offsets) + 1, 4 * offsets.offset)
    return np.frombuffer(offsets.buffers()[2], f"V{UID_BYTES}", len(offsets), int(at[0]))
