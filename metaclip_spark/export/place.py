"""The output folder of an export, local or remote, in which an incomplete export is never taken for a complete one.

A local export is written to `OUTPUT.unfinished` and renamed when it is complete. An object store cannot rename a
folder. There the export is written in place: the file `_unfinished` is written first, and removed after the manifest,
the last file, is written.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from metaclip_spark.errors import ConfigError, WarehouseError
from metaclip_spark.storage.filesystem import writable_filesystem_of
from metaclip_spark.storage.open import is_remote, local_path
from metaclip_spark.storage.write import open_atomic

EXPORTS = "exports"
"""The folder of the exports in a warehouse."""
MANIFEST = "_manifest.json"
"""The file that describes an export; Spark and pyarrow skip names that begin with an underscore."""
UNFINISHED = "_unfinished"
"""The file that marks an export as incomplete."""
SUFFIX = ".unfinished"
"""The suffix of a local export's folder until the export is complete."""
_COPIED = 8 << 20
"""Bytes that are copied at a time."""


class Place:
    """The folder of one export, local or remote.

    Attributes:
        output: the folder of the complete export.
        work: the folder that its files are written to.
    """

    def __init__(self, output: str) -> None:
        """Find the folder's filesystem.

        Raises:
            ConfigError: the scheme of a remote output is not known, or its package is missing.
        """
        self.remote = is_remote(output)
        self.output = output.rstrip("/") if self.remote else os.path.abspath(local_path(output))
        self.work = self.output if self.remote else self.output + SUFFIX
        self._files: Any = None
        self._root = self.output
        if self.remote:
            self._files, self._root = writable_filesystem_of(self.output)

    def check(self) -> None:
        """Refuse a folder that holds anything but the remains of an interrupted export.

        Raises:
            ConfigError: the folder holds other files.
            WarehouseError: the folder cannot be read.
        """
        with _translated(self.output):
            names = self._names(self.output)
            if names and not (self.remote and UNFINISHED in names):
                raise ConfigError(
                    f"output {self.output} holds {sorted(names)[0]} already; expected a new or an empty folder. "
                    "Give another --output, or remove what is there."
                )
            if not self.remote and not {UNFINISHED} <= (self._names(self.work) or {UNFINISHED}):
                raise ConfigError(f"{self.work} is where the export would be written, and is not an export; move it.")

    def begin(self) -> None:
        """Remove the remains of an interrupted export, and create the folder."""
        with _translated(self.output):
            self.abandon()
            if not self.remote:
                os.makedirs(self.work)
            with open_atomic(f"{self.work}/{UNFINISHED}") as file:
                file.write(b"An export is being written here, or was interrupted.\n")

    def join(self, files: Mapping[str, int], name: str, head: bytes) -> int:
        """Join files that the tasks wrote into one, remove them, and return its size. Little is in memory at a time.

        Args:
            files: name -> size in bytes, in the order of the joined file.
            name: the joined file.
            head: the first bytes of the joined file.

        Raises:
            WarehouseError: a file is missing.
        """
        with _translated(self.output):
            self._check_files(files)
            with open_atomic(f"{self.work}/{name}") as joined:
                joined.write(head)
                for part in files:
                    with self._opened(part) as file:
                        shutil.copyfileobj(file, joined, _COPIED)
            for part in files:
                self._remove(part)
        return len(head) + sum(files.values())

    def finish(self, files: Mapping[str, int], texts: Mapping[str, str]) -> None:
        """Complete the export: write its small files, and rename a local folder.

        Args:
            files: name -> size in bytes, of the files that the tasks wrote.
            texts: name -> content of the small files; the manifest is written last.

        Raises:
            WarehouseError: a file is missing.
        """
        with _translated(self.output):
            self._check_files(files)
            for name in sorted(texts, key=lambda name: name == MANIFEST):
                with open_atomic(f"{self.work}/{name}") as file:
                    file.write(texts[name].encode())
            self._remove(UNFINISHED)
            if self.remote:
                return
            with contextlib.suppress(OSError):
                os.rmdir(self.output)  # an empty folder that existed before
            os.rename(self.work, self.output)

    def abandon(self) -> None:
        """Remove the files that were written so far, if there are any."""
        if not self.remote:
            shutil.rmtree(self.work, ignore_errors=True)
        elif UNFINISHED in self._names(self.output):
            self._files.rm(self._root, recursive=True)

    def _opened(self, name: str) -> BinaryIO:
        if not self.remote:
            return open(f"{self.work}/{name}", "rb")
        file: BinaryIO = self._files.open(f"{self._root}/{name}", "rb")
        return file

    def _remove(self, name: str) -> None:
        if not self.remote:
            os.remove(f"{self.work}/{name}")
        else:
            self._files.rm_file(f"{self._root}/{name}")

    def _names(self, folder: str) -> set[str]:
        if not self.remote:
            return set(os.listdir(folder)) if os.path.isdir(folder) else set()
        try:
            listed = self._files.ls(self._root, detail=False)
        except FileNotFoundError:
            return set()
        return {name.rstrip("/").rpartition("/")[2] for name in listed} - {""} - {self._root.rpartition("/")[2]}

    def _check_files(self, files: Mapping[str, int]) -> None:
        """Refuse an export whose tasks wrote to the disks of other machines."""
        found = self._sizes(files)
        for name, size in files.items():
            if found.get(name) != size:
                raise WarehouseError(
                    f"{self.work}/{name} was written by a task ({size:,} bytes) and is not here: the folder is not the "
                    "same on all machines. Give a shared folder or a uri (s3://...) with --output."
                )

    def _sizes(self, files: Iterable[str]) -> dict[str, int]:
        if not self.remote:
            paths = {name: Path(self.work, name) for name in files}
            return {name: path.stat().st_size for name, path in paths.items() if path.exists()}
        found = self._files.find(self._root, detail=True)
        return {name[len(self._root) :].lstrip("/"): details["size"] for name, details in found.items()}


@contextlib.contextmanager
def _translated(output: str) -> Iterator[None]:
    """Raise an error of the file system as a `WarehouseError` that names the output."""
    try:
        yield
    except OSError as error:
        raise WarehouseError(f"export {output} cannot be written: {error}. Give another --output.") from error
