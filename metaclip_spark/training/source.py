"""The files of an export, how many rows they have, and how their pairs are sampled."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq

from metaclip_spark.errors import ConfigError
from metaclip_spark.export.place import MANIFEST
from metaclip_spark.export.shards import KNOWN_IMAGES
from metaclip_spark.storage.filesystem import filesystem_of

OnePath = str | os.PathLike[str]
Paths = OnePath | Sequence[OnePath]
_OPENED_AT_ONCE = 16


@dataclass(frozen=True)
class Source:
    """The files of one or several exports.

    Attributes:
        files: paths or uris, ordered by folder and name.
        names: a name of each file that is the same in a copy of the exports.
        rows: the number of rows of each file.
    """

    files: tuple[str, ...]
    names: tuple[str, ...]
    rows: tuple[int, ...]


def open_source(path: Paths) -> Source:
    """Find the files of exports, and read their numbers of rows from their footers.

    Raises:
        ConfigError: a folder has no Parquet files.
    """
    # A takedown rewrites files, so the footers are right where the manifest's numbers may be old.
    names, files = [], []
    for at, folder in enumerate(_folders(path)):
        found = _files(folder)
        files += found
        names += [f"{at}/{file.rpartition('/')[2]}" for file in found]
    with ThreadPoolExecutor(_OPENED_AT_ONCE) as pool:
        return Source(tuple(files), tuple(names), tuple(pool.map(_rows_of, files)))


def sampling_unit(path: Paths, balance: bool | None, unit: str | None) -> str | None:
    """Return the unit that an epoch samples by, `pair` or `image`; None if an epoch has every pair.

    Args:
        balance: True samples, False does not; None does as the exports' manifests say.
        unit: None takes the manifests' unit, else `pair`.

    Raises:
        ConfigError: neither `balance` nor a manifest says whether to sample, or a subset would be sampled twice.
    """
    if unit not in (None, "pair", "image"):
        raise ConfigError(f"unit must be 'pair' or 'image', got {unit!r}.")
    folders = _folders(path)
    manifests = [_manifest(folder) for folder in folders]
    if not _is_sampled(folders, manifests, balance):
        return None
    return unit or next((str(each["unit"]) for each in manifests if each), "pair")


def _rows_of(file: str) -> int:
    files, where = filesystem_of(file)
    with files.open(where, "rb") as opened:
        return int(pq.read_metadata(opened).num_rows)


def _is_sampled(folders: Sequence[OnePath], manifests: Sequence[dict[str, Any] | None], balance: bool | None) -> bool:
    """Return whether to sample: `balance`, else as the manifests say."""
    stages = {each["stage"] for each in manifests if each is not None}
    if balance and "curated" in stages:
        raise ConfigError(
            "a curated subset was sampled by its probabilities already; sampled again, it would keep a pair with "
            "probability p * p. Balance an export of --stage pairs, or omit balance."
        )
    if balance is not None:
        return balance
    if None in manifests or len(stages) != 1:
        raise ConfigError(
            f"{folders[0]} does not say whether it is a pool or a curated subset (no {MANIFEST}, or several that "
            "differ); pass balance=True for an export of --stage pairs, else balance=False."
        )
    return stages == {"pairs"}


def _folders(path: Paths) -> list[OnePath]:
    return [path] if isinstance(path, str | os.PathLike) else list(path)


def _files(folder: OnePath) -> list[str]:
    files, root = filesystem_of(os.fspath(folder))
    found = sorted(files.glob(f"{root.rstrip('/')}/*.parquet"))
    if not found:
        raise ConfigError(f"{os.fspath(folder)} holds no .parquet files; expected the folder of an export.")
    return [files.unstrip_protocol(name) if "://" in os.fspath(folder) else name for name in found]


def _manifest(folder: OnePath) -> dict[str, Any] | None:
    """Return the manifest of a folder's export, None without one."""
    place = os.fspath(folder).rstrip("/")
    for where in (place, place.rpartition("/")[0] if place.endswith(f"/{KNOWN_IMAGES}") else place):
        files, path = filesystem_of(f"{where}/{MANIFEST}")
        if files.exists(path):
            manifest: dict[str, Any] = json.loads(files.cat_file(path))
            return manifest
    return None
