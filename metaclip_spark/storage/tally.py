"""Running numbers of tasks: each task writes them to a small file of this machine, and the driver reads the files.

The numbers are only shown. A task on another machine does not find the folder, and counts nothing.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import struct
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from metaclip_spark.core.hashing.digest import digest_of
from metaclip_spark.core.machine import is_running

SECONDS = 0.5
"""A task writes its numbers at most this often."""
_NUMBERS = struct.Struct("<qqq")
_PREFIX = "metaclip-progress-"


class Progress(NamedTuple):
    """How much of a stage is read: number of finished splits, of records, and of bytes."""

    splits: int = 0
    records: int = 0
    bytes: int = 0


class Tally:
    """The numbers of one split while a task reads it. An error of the file ends the counting, and not the task.

    Args:
        folder: the folder of the driver's `Tallies`; "" counts nothing.
        name: parts of a name that no other split has. A second attempt at the split replaces the numbers of the first.
        size: bytes of the split, the maximum that is written; 0 if they are unknown.
    """

    def __init__(self, folder: str, *name: object, size: int = 0) -> None:
        self._file: int | None = None
        self._size = size
        self._next = 0.0
        if folder and os.path.isdir(folder):
            with contextlib.suppress(OSError):
                path = os.path.join(folder, digest_of([str(part) for part in name]))
                self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)

    def update(self, records: int, read: int) -> None:
        """Write the number of records and bytes that were read so far, unless it was done a moment ago."""
        if self._file is not None and time.monotonic() >= self._next:
            self._write(0, records, read)
            self._next = time.monotonic() + SECONDS

    def finish(self, records: int, read: int) -> None:
        """Write the last numbers of the split."""
        self._write(1, records, self._size or read)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _write(self, finished: int, records: int, read: int) -> None:
        if self._file is None:
            return
        numbers = _NUMBERS.pack(finished, records, min(read, self._size) if self._size else read)
        try:
            os.pwrite(self._file, numbers, 0)
        except OSError:
            self.close()


class Tallies:
    """The files of the tasks of a stage, in a folder that exists as long as the stage is shown.

    Attributes:
        folder: path of the folder; "" if it cannot be made.
    """

    def __init__(self) -> None:
        self.folder = ""
        _remove_left()
        with contextlib.suppress(OSError):
            self.folder = tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-")

    def read(self) -> Progress:
        """Return the sums over the splits since the last `clear`."""
        sums = [0, 0, 0]
        for path in self._files():
            with contextlib.suppress(OSError, struct.error):  # the task has just made the file
                sums = [a + b for a, b in zip(sums, _NUMBERS.unpack(path.read_bytes()), strict=True)]
        return Progress(*sums)

    def clear(self) -> None:
        """Remove the numbers of splits that are committed."""
        for path in self._files():
            with contextlib.suppress(OSError):
                path.unlink()

    def remove(self) -> None:
        """Remove the folder."""
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _files(self) -> list[Path]:
        try:
            return list(Path(self.folder).iterdir()) if self.folder else []
        except OSError:
            return []


def _remove_left() -> None:
    """Remove the folders of processes that were killed."""
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        pid = left.name.removeprefix(_PREFIX).partition("-")[0]
        if pid.isdigit() and not is_running(int(pid)):
            shutil.rmtree(left, ignore_errors=True)
