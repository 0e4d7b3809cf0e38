"""Read the inputs of `metadata build` line by line: files or folders of files, plain, gzip or bzip2."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from metaclip_spark.errors import MetadataError
from metaclip_spark.storage.write import PARTIAL

ORIGIN_SUFFIX = ".source.json"
_DAMAGE_ERRORS = (EOFError, OSError, zlib.error, lzma.LZMAError)
_OPENERS: dict[str, tuple[bytes, Callable[[Path], BinaryIO]]] = {
    ".gz": (b"\x1f\x8b", gzip.open),  # type: ignore[dict-item]
    ".bz2": (b"BZh", bz2.open),  # type: ignore[dict-item]
}


@dataclass(frozen=True)
class Origin:
    """The origin of an input, from the file `<input>.source.json` next to it.

    Attributes:
        name: The name of the data.
        version: The version of the data.
        licence: The name of its licence.
        notice: The notice that the licence requires with a copy.
    """

    name: str = "unknown"
    version: str = "unknown"
    licence: str = "unknown"
    notice: str = ""


def input_files(paths: Iterable[str | os.PathLike[str]], flag: str) -> list[Path]:
    """List the files that paths name: a file itself, or the files of a folder in the order of their names.

    Files whose names begin with `_` or `.`, such as Spark's own, are skipped, and so are `*.source.json`.

    Raises:
        MetadataError: A path does not exist, or a folder contains no file to read.
    """
    files: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            inputs = [item for item in sorted(path.iterdir()) if item.is_file() and not _is_side_file(item.name)]
            if not inputs:
                raise MetadataError(f"{path}: the folder contains no file to read; check {flag}.")
            files += inputs
        elif path.is_file():
            files.append(path)
        else:
            raise MetadataError(f"{path}: no such file; check {flag}.")
    return files


def _is_side_file(name: str) -> bool:
    return name.startswith(("_", ".")) or name.endswith((ORIGIN_SUFFIX, PARTIAL))


def byte_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file without their line ends, decompressed if its name ends in .gz or .bz2.

    Raises:
        MetadataError: The file cannot be read to its end, or its content is not in the format of its suffix.
    """
    magic, opener = _OPENERS.get(path.suffix.lower(), (b"", _open_plain))
    try:
        with path.open("rb") as raw:
            start = raw.read(3)
        if not start.startswith(magic):
            raise MetadataError(
                f"{path}: ends in {path.suffix}, but is not {path.suffix[1:]} data (starts with {start!r});"
                " fetch it again, or rename it."
            )
        with opener(path) as stream:
            for line in stream:
                yield line[:-2] if line.endswith(b"\r\n") else line.rstrip(b"\n")
    except _DAMAGE_ERRORS as error:
        reason = getattr(error, "strerror", None) or error
        raise MetadataError(f"{path}: cannot be read to its end ({reason}); fetch or create the file again.") from error


def _open_plain(path: Path) -> BinaryIO:
    return path.open("rb")


def origin_of(path: str | os.PathLike[str]) -> Origin:
    """Read `<path>.source.json`, a JSON object with `name`, `version`, `licence` and `notice`, all of them optional.

    Raises:
        MetadataError: The file exists, but is not such an object.
    """
    origin_path = Path(os.fspath(path).rstrip("/") + ORIGIN_SUFFIX)
    if not origin_path.is_file():
        return Origin(name=Path(path).name)
    try:
        return Origin(**{"name": Path(path).name, **json.loads(origin_path.read_text(encoding="utf-8"))})
    except (ValueError, TypeError) as error:
        raise MetadataError(
            f"{origin_path}: expected a JSON object with name, version, licence and notice, but reading it raised"
            f" {error!r}; repair or remove it."
        ) from error
