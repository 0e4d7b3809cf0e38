"""Write a file whole or not at all, to a path or a uri."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import fsspec

from metaclip_spark.errors import ConfigError, WarehouseError
from metaclip_spark.storage.open import is_remote

PARTIAL = ".partial"
"""How the name of a file ends that is being written, or was when its writer died."""


def write_text(place: str, text: str, what: str, flag: str = "--output") -> None:
    """Write a small file at once: a path (its folder is made) or a uri that fsspec knows.

    Raises:
        WarehouseError: it cannot be written.
    """
    try:
        if "://" in place:
            with fsspec.open(place, "w", encoding="utf-8") as file:
                file.write(text)
            return
        path = Path(place)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except (OSError, ValueError, ImportError) as error:  # fsspec: no such scheme, or its library is missing
        raise WarehouseError(f"{what} {place} cannot be written: {error}. Give another place with {flag}.") from error


def filesystem_of(uri: str) -> tuple[Any, str]:
    """Return the fsspec filesystem of a uri, and the path on it.

    Raises:
        ConfigError: the scheme is not known, or its package is missing.
    """
    try:
        return fsspec.core.url_to_fs(uri, use_listings_cache=False)
    except (ImportError, ValueError) as error:
        raise ConfigError(f"output {uri} cannot be written: {error}. Give a folder, or a uri that is known.") from error


@contextlib.contextmanager
def open_whole(place: str) -> Iterator[BinaryIO]:
    """Open a new file that is there when it is whole, and not before; an earlier one of its name is replaced."""
    if is_remote(place):
        files, path = filesystem_of(place)
        file = files.open(path, "wb")
        try:
            yield file
        except BaseException:
            with contextlib.suppress(Exception):
                file.discard()
                file.closed = True  # closed in another way, it would be uploaded as far as it goes
            raise
        file.close()
        return
    partial = f"{place}.{uuid.uuid4().hex[:8]}{PARTIAL}"
    os.makedirs(os.path.dirname(place), exist_ok=True)
    try:
        with open(partial, "wb") as file:
            yield file
        os.replace(partial, place)
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(partial)
        raise
