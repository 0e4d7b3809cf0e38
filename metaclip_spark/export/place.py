"""Where an export goes: a folder or a uri that fsspec knows, in which nothing half-written is ever taken for an export.

A local export is written to `OUTPUT.unfinished` and renamed when it is whole. An object store renames nothing: there
it is written in place, `_unfinished` is there from before the first file to after the last, and so is no manifest.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from metaclip_spark.errors import ConfigError, WarehouseError
from metaclip_spark.storage.open import is_remote, local_path
from metaclip_spark.storage.write import filesystem_of, open_whole

EXPORTS = "exports"
"""The folder of a warehouse that exports are in."""
MANIFEST = "_manifest.json"
"""The file that says what an export is; Spark and pyarrow pass over names with an underscore."""
UNFINISHED = "_unfinished"
"""The file that says that an export was not written to its end."""
SUFFIX = ".unfinished"
"""What a local export's name ends with until it is whole."""


class Place:
    """The folder of one export, local or remote.

    Attributes:
        output: where the export is when it is whole.
        work: where its files are written.
    """

    def __init__(self, output: str) -> None:
        self.remote = is_remote(output)
        self.output = output.rstrip("/") if self.remote else os.path.abspath(local_path(output))
        self.work = self.output if self.remote else self.output + SUFFIX
        self._files, self._root = filesystem_of(self.output) if self.remote else (None, self.output)

    def check(self) -> None:
        """Refuse a place that holds anything but what an export that was cut short has left.

        Raises:
            ConfigError: it holds files, or cannot be read or written.
        """
        with _told(self.output):
            held = self._names(self.output)
            if held and not (self.remote and UNFINISHED in held):
                raise ConfigError(
                    f"output {self.output} holds {sorted(held)[0]} already; expected a new or an empty folder. "
                    "Give another --output, or remove what is there."
                )
            if not self.remote and not {UNFINISHED} <= (self._names(self.work) or {UNFINISHED}):
                raise ConfigError(f"{self.work} is where the export would be written, and is not an export; move it.")

    def begin(self) -> None:
        """Make the folder, without what an export that was cut short has left in it."""
        with _told(self.output):
            self.abandon()
            if not self.remote:
                os.makedirs(self.work)
            with open_whole(f"{self.work}/{UNFINISHED}") as file:
                file.write(b"An export is being written here, or was cut short.\n")

    def finish(self, files: Mapping[str, int], texts: Mapping[str, str]) -> None:
        """Put the export in place.

        Args:
            files: name -> bytes, as tasks say that they wrote them.
            texts: name -> content of the small files; the manifest is written last.

        Raises:
            WarehouseError: a file is not here.
        """
        with _told(self.output):
            self._check_files(files)
            for name in sorted(texts, key=lambda name: name == MANIFEST):
                with open_whole(f"{self.work}/{name}") as file:
                    file.write(texts[name].encode())
            if self.remote:
                self._files.rm_file(f"{self._root}/{UNFINISHED}")
                return
            os.remove(f"{self.work}/{UNFINISHED}")
            with contextlib.suppress(OSError):
                os.rmdir(self.output)  # an empty folder that was there
            os.rename(self.work, self.output)

    def abandon(self) -> None:
        """Remove what is written so far; nothing to remove is no error."""
        if not self.remote:
            shutil.rmtree(self.work, ignore_errors=True)
        elif UNFINISHED in self._names(self.output):
            self._files.rm(self._root, recursive=True)

    def _names(self, folder: str) -> set[str]:
        if not self.remote:
            return set(os.listdir(folder)) if os.path.isdir(folder) else set()
        try:
            listed = self._files.ls(self._root, detail=False)
        except FileNotFoundError:
            return set()
        return {name.rstrip("/").rpartition("/")[2] for name in listed} - {""} - {self._root.rpartition("/")[2]}

    def _check_files(self, files: Mapping[str, int]) -> None:
        """Refuse to go on where tasks wrote to disks of their own."""
        there = self._sizes(files)
        for name, size in files.items():
            if there.get(name) != size:
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
def _told(output: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WarehouseError(f"export {output} cannot be written: {error}. Give another --output.") from error
