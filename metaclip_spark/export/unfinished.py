"""Find the shards of a download that img2dataset did not finish.

img2dataset writes a shard's Parquet while it downloads, and `NNNNN_stats.json` at the end; it downloads a shard without
that file again. A Parquet file of an unfinished shard has no footer, and cannot be read.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable

from metaclip_spark.storage.object_store import source_filesystem
from metaclip_spark.storage.open import is_remote, local_path

STATS = "_stats.json"
_MAGIC = b"PAR1"


def unfinished_shards(uris: Iterable[str]) -> list[str]:
    """Return the Parquet files that end without a footer and have no `_stats.json` beside them, in order.

    Only files without a `_stats.json` are opened. A file that has one and no footer is damaged, not unfinished.

    Args:
        uris: paths or uris of Parquet files.
    """
    beside: dict[str, set[str]] = {}
    return [uri for uri in uris if not _has_stats(uri, beside) and _end_of(uri) != _MAGIC]


def _has_stats(uri: str, beside: dict[str, set[str]]) -> bool:
    folder, name = posixpath.split(uri)
    if folder not in beside:
        beside[folder] = {posixpath.basename(found) for found in _listed(folder)}
    return name.removesuffix(".parquet") + STATS in beside[folder]


def _listed(folder: str) -> list[str]:
    if not is_remote(folder):
        return os.listdir(local_path(folder))
    files, path = source_filesystem(folder)
    return list(files.ls(path, detail=False))


def _end_of(uri: str) -> bytes:
    """Return the last bytes of a file, as many as the magic number has; fewer of a shorter file."""
    if is_remote(uri):
        files, path = source_filesystem(uri)
        size = files.size(path)
        found: bytes = files.cat_file(path, start=max(0, size - len(_MAGIC)), end=size)
        return found
    with open(local_path(uri), "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - len(_MAGIC)))
        return file.read()
