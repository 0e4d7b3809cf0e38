"""Find the folders of tables (Delta, Iceberg, Hudi and others), whose files are not their rows.

A table's folder keeps the files of deleted and replaced rows until they are cleaned up. Only the table's log knows
which rows are live. Read as a folder of Parquet files, deleted rows come back.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from metaclip_spark.errors import InputError
from metaclip_spark.schemas import TABLES
from metaclip_spark.storage.transport import scheme_of, shown

_DELTA_LOG, _ICEBERG, _PAIMON = "_delta_log", "metadata", "schema"
_ICEBERG_FILE = re.compile(
    r"version-hint\.text|(?:v\d+|\d{5,}-[0-9a-f-]{36})(?:\.gz)?\.metadata\.json(?:\.gz)?|snap-\d+-\S+\.avro"
)
_DUCKLAKE = re.compile(r"\.ducklake\.files$")
_PARTITION = re.compile(r"[^/=]+=[^/]*")
_CONCURRENT_LOOKS = 8
_MAX_LOOKS = 1000
"""Number of remote folders that are looked at, at about six requests each, or one for a folder named as a partition."""


@dataclass(frozen=True)
class TableFolder:
    """A folder that is a table.

    Attributes:
        kind: the name of the table's format.
        folder: path or uri.
        marker: the file or folder that says so.
        empty: the log has no entry.
        warehouse: the warehouse of this program that the table belongs to.
    """

    kind: str
    folder: str
    marker: str
    empty: bool = False
    warehouse: str | None = None

    def refusal(self, given: str) -> InputError:
        """Return the error for an input that is this table, lies in it, or contains it."""
        given, folder = shown(given), shown(self.folder)
        if self.warehouse:
            return InputError(
                f"input {given} belongs to the warehouse {shown(self.warehouse)}, whose tables are no input: their "
                "files also hold deleted and replaced rows. `match` and `balance` with --warehouse work on its pairs; "
                "`export` writes them as Parquet."
            )
        if self.empty:
            return InputError(
                f"input {given}: {folder} is a {self.kind} table without a row ({self.marker} is empty), but has data "
                f"files. If it is no table, remove the folder {self.marker}."
            )
        is_it = given.rstrip("/") == folder.rstrip("/")
        subject = f"is a {self.kind} table" if is_it else f"reads files of the {self.kind} table {folder}"
        return InputError(
            f"input {given} {subject} ({self.marker}), whose files also hold deleted and replaced rows. "
            f"Write its rows to Parquet, e.g. {self._export()}, and give that folder; or call the functions of "
            "metaclip_spark on its DataFrame."
        )

    def _export(self) -> str:
        if self.kind == "DuckLake":
            return "in DuckDB COPY (FROM lake.pool) TO 'pool.parquet'"
        return f'spark.read.format("{self.kind.lower()}").load("{shown(self.folder)}").write.parquet("pool-parquet")'


class LocalTables:
    """Looks for tables around local files; every folder is looked at once."""

    def __init__(self) -> None:
        self._found: dict[str, TableFolder | None] = {}

    def around(self, path: str) -> TableFolder | None:
        """Return the table that a folder is or lies in, by its path as given or by its path without links."""
        for way in dict.fromkeys((os.path.abspath(path), os.path.realpath(path))):
            above = way
            while True:
                found = self.at(above)
                if found is not None:
                    return found
                if above == os.path.dirname(above):
                    break
                above = os.path.dirname(above)
        return None

    def at(self, folder: str) -> TableFolder | None:
        """Return the table that a folder is."""
        folder = os.path.abspath(folder)
        if folder not in self._found:
            self._found[folder] = _table_at(folder, os.path.exists, _names)
        return self._found[folder]


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _table_at(folder: str, exists: Callable[[str], bool], names: Callable[[str], Iterable[str]]) -> TableFolder | None:
    """Look at a folder with the functions of its filesystem; one named as a partition may be a table of its own."""
    base = folder.rstrip("/")
    if _DUCKLAKE.search(base):
        return TableFolder("DuckLake", folder, os.path.basename(base))
    if exists(f"{base}/{_DELTA_LOG}"):
        above = os.path.dirname(base)
        ours = os.path.basename(base) in TABLES and any(
            exists(f"{above}/{name}/{_DELTA_LOG}") for name in ("sources", "runs") if name != os.path.basename(base)
        )
        empty = not any(name.endswith((".json", ".parquet")) for name in names(f"{base}/{_DELTA_LOG}"))
        return TableFolder("Delta", folder, _DELTA_LOG, empty, above if ours else None)
    if exists(f"{base}/.hoodie"):
        return TableFolder("Hudi", folder, ".hoodie")
    for kind, below, is_marker in (
        ("Iceberg", _ICEBERG, _ICEBERG_FILE.fullmatch),
        ("Paimon", _PAIMON, re.compile("schema-0").fullmatch),
    ):
        if exists(f"{base}/{below}"):
            marker = next((name for name in sorted(names(f"{base}/{below}")) if is_marker(name)), None)
            if marker is not None:
                return TableFolder(kind, folder, f"{below}/{marker}")
    return None


def table_in(paths: Iterable[str]) -> TableFolder | None:
    """Return a table among the listed files of a folder, without a request.

    Args:
        paths: the uris of all files below the folder, also those that are no input.
    """
    logs: set[str] = set()
    found: dict[str, TableFolder] = {}
    for path in paths:
        parts = path.split("/")
        for at, part in enumerate(parts[:-1]):
            folder = "/".join(parts[:at])
            below = parts[at + 1]
            if part == _DELTA_LOG:
                logs.add(folder)
            elif part == ".hoodie":
                found.setdefault(folder, TableFolder("Hudi", folder, part))
            elif part == _ICEBERG and at == len(parts) - 2 and _ICEBERG_FILE.fullmatch(below):
                found.setdefault(folder, TableFolder("Iceberg", folder, f"{part}/{below}"))
            elif part == _PAIMON and below == "schema-0":
                found.setdefault(folder, TableFolder("Paimon", folder, f"{part}/{below}"))
            elif _DUCKLAKE.search(part):
                found.setdefault(f"{folder}/{part}", TableFolder("DuckLake", f"{folder}/{part}", part))
    for folder in logs:
        above, _, name = folder.rpartition("/")
        ours = name in TABLES and any(f"{above}/{table}" in logs for table in ("sources", "runs") if table != name)
        found[folder] = TableFolder("Delta", folder, _DELTA_LOG, warehouse=above if ours else None)
    return min(found.values(), key=lambda table: table.folder, default=None)


class RemoteTables:
    """Looks for tables around remote Parquet files: about six requests for each folder, and for no folder twice.

    Folders that are named as a partition (`day=1`) are many, and have few names: one request lists each.

    A folder that cannot be looked at is taken for none: a key may allow to read files but not to list folders, and
    what cannot be reached at all is reported when it is read. Folders over http cannot be looked at. At most
    `_MAX_LOOKS` folders are looked at, those nearest to the root first.
    """

    def __init__(self) -> None:
        self._found: dict[str, TableFolder | None] = {}

    def around(self, uris: Iterable[str]) -> TableFolder | None:
        """Return a table that one of the folders is or lies in."""
        folders = dict.fromkeys(above for uri in uris for above in _folders_above(uri))
        new = [folder for folder in folders if folder not in self._found]
        new = sorted(new, key=lambda uri: (uri.count("/"), uri))[: max(0, _MAX_LOOKS - len(self._found))]
        self._found.update(dict.fromkeys(new))
        if new:
            pool = ThreadPoolExecutor(_CONCURRENT_LOOKS)
            try:
                self._found.update(zip(new, pool.map(_remote_table_at, new), strict=True))
            except Exception:  # not reachable: the other looks would wait as long
                pool.shutdown(cancel_futures=True)
            else:
                pool.shutdown()
        found = (self._found.get(folder) for folder in folders)
        return next((table for table in found if table is not None), None)


def _folders_above(uri: str) -> Iterator[str]:
    """Yield a folder and those above it, up to the bucket."""
    scheme = scheme_of(uri)
    if scheme in ("http", "https", "") or "::" in uri:
        return
    start, _, rest = uri.partition("://")
    parts = [part for part in rest.split("/") if part]
    for length in range(len(parts), 0, -1):
        yield f"{start}://{'/'.join(parts[:length])}"


def _remote_table_at(uri: str) -> TableFolder | None:
    from metaclip_spark.storage.object_store import source_filesystem

    files, path = source_filesystem(uri)

    def names(folder: str) -> list[str]:
        listed: list[Any] = files.ls(folder, detail=False)
        return [str(name).rstrip("/").rpartition("/")[2] for name in listed]

    try:
        exists = files.exists
        if _PARTITION.fullmatch(os.path.basename(path.rstrip("/"))):
            listed = {f"{path.rstrip('/')}/{name}" for name in names(path)}
            exists = listed.__contains__
        found = _table_at(path, exists, names)
    except (PermissionError, FileNotFoundError):
        return None
    if found is None:
        return None
    start = uri.partition("://")[0]
    warehouse = f"{start}://{found.warehouse.lstrip('/')}" if found.warehouse else None
    return TableFolder(found.kind, uri, found.marker, found.empty, warehouse)
