"""Write files atomically: a file appears whole or not at all, at a path or a uri."""

from __future__ import annotations

import contextlib
import hashlib
import os
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from metaclip_spark.errors import WarehouseError
from metaclip_spark.storage.open import is_remote, local_path
from metaclip_spark.storage.transport import is_chain

PARTIAL = ".partial"
"""Suffix of a local file while it is written; a file with this suffix remains where a writer died."""


class HashedFile:
    """A file that is written from its start to its end, with the SHA-256 of its bytes; pyarrow writes to it, too.

    Attributes:
        closed: always false: whoever opened the file closes it.
    """

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._size = 0

    def write(self, data: bytes) -> int:
        """Append bytes, or another buffer; return how many."""
        view = memoryview(data)
        self._digest.update(view)
        self._size += view.nbytes
        self._file.write(view)
        return view.nbytes

    def tell(self) -> int:
        """Return how many bytes were written."""
        return self._size

    def flush(self) -> None:
        """Write what is buffered."""
        self._file.flush()

    def close(self) -> None:
        """Do nothing."""

    @property
    def sha256(self) -> str:
        """The hash of the bytes so far, as hex digits."""
        return self._digest.hexdigest()


@contextlib.contextmanager
def open_atomic(place: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file for writing that appears under its name only when it is complete; it replaces an earlier one.

    A local file is written under another name in the same folder, and renamed. The folder is created if it is missing.
    An object store shows an object only when its upload ends, and an error cancels the upload.

    Args:
        place: a path, or a uri that fsspec knows.

    Raises:
        OSError: the file cannot be written.
        ImportError: the package of the uri's scheme is missing.
        ValueError: fsspec does not know the scheme.
    """
    place = os.fspath(place)
    if _needs_fsspec(place):
        # Imported here: writes of local files do not need fsspec.
        from metaclip_spark.storage.filesystem import filesystem_of

        files, path = filesystem_of(place)
        upload = files.open(path, "wb")
        try:
            yield upload
        except BaseException:
            with contextlib.suppress(Exception):
                upload.discard()
                upload.closed = True  # any other way to close it would upload the incomplete file
            raise
        upload.close()
        return
    place = local_path(place)
    partial = f"{place}.{uuid.uuid4().hex[:8]}{PARTIAL}"
    os.makedirs(os.path.dirname(place) or ".", exist_ok=True)
    try:
        with open(partial, "wb") as file:
            yield file
        os.replace(partial, place)
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(partial)
        raise


def _needs_fsspec(place: str) -> bool:
    """Return whether a place is a uri of another machine, or a chain such as `simplecache::s3://bucket/key`."""
    return is_remote(place) or is_chain(place)


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Write several local files: all are complete before the first one appears, and they appear in the order given.

    Raises:
        OSError: a file cannot be written.
    """
    with contextlib.ExitStack() as stack:
        for path, content in reversed(list(contents.items())):  # the stack closes the file that was opened last first
            file = stack.enter_context(open_atomic(path))
            file.write(content)
            file.flush()  # a full disk raises here, before any file appears


def write_text(place: str, text: str, what: str, flag: str = "--output") -> None:
    """Write a small UTF-8 file atomically; its folder is created if it is missing.

    Args:
        place: a path, or a uri that fsspec knows.
        what: the file's name in the error.
        flag: the flag that names the place, for the error.

    Raises:
        WarehouseError: the file cannot be written.
    """
    try:
        if _needs_fsspec(place):
            from metaclip_spark.storage.filesystem import filesystem_of

            files, path = filesystem_of(place)
            # Credentials that may only put objects are enough; the write itself shows whether they work.
            with contextlib.suppress(PermissionError):
                files.makedirs(files._parent(path), exist_ok=True)
        with open_atomic(place) as file:
            file.write(text.encode())
    except (OSError, ValueError, ImportError) as error:  # fsspec: the scheme is unknown, or its package is missing
        raise WarehouseError(f"{what} {place} cannot be written: {error}. Give another place with {flag}.") from error
