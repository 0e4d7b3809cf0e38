"""Reading the builder's inputs line by line: plain, gzip or bzip2, a file or a folder of them."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import lzma
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from metaclip_spark.errors import MetadataError

ORIGIN_SUFFIX = ".source.json"
_DAMAGE = (EOFError, OSError, zlib.error, lzma.LZMAError)
_OPENERS: dict[str, tuple[bytes, Callable[[Path], BinaryIO]]] = {
    ".gz": (b"\x1f\x8b", gzip.open),  # type: ignore[dict-item]
    ".bz2": (b"BZh", bz2.open),  # type: ignore[dict-item]
}


@dataclass(frozen=True)
class Origin:
    """What is said of an input in the file `<input>.source.json` beside it.

    Attributes:
        name: What the data is called.
        version: Its own version.
        licence: The licence's name.
        notice: What the licence asks to be carried along.
    """

    name: str = "unknown"
    version: str = "unknown"
    licence: str = "unknown"
    notice: str = ""


def input_files(paths: Iterable[str | os.PathLike[str]], flag: str) -> list[Path]:
    """Lists the files that paths stand for: a file itself, or a folder's files in the order of their names.

    Files whose name begins with `_` or `.` are passed over, as Spark's own side files, and so are origins.

    Raises:
        MetadataError: A path is not there, or a folder holds no file.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = [item for item in sorted(path.iterdir()) if item.is_file() and not _is_side_file(item.name)]
            if not inside:
                raise MetadataError(f"{path}: the folder holds no file to read; check {flag}.")
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise MetadataError(f"{path}: no such file; check {flag}.")
    return found


def _is_side_file(name: str) -> bool:
    return name.startswith(("_", ".")) or name.endswith(ORIGIN_SUFFIX)


def byte_lines(path: Path) -> Iterator[bytes]:
    """Yields the lines of a file without their line feed, inflated where its name ends in .gz or .bz2.

    Raises:
        MetadataError: The file cannot be read to its end, or does not hold what its name says.
    """
    magic, opener = _OPENERS.get(path.suffix.lower(), (b"", _open_plain))
    try:
        with path.open("rb") as raw:
            start = raw.read(3)
        if not start.startswith(magic):
            raise MetadataError(
                f"{path}: is not {path.suffix[1:]} data (starts with {start!r}), as its name says; fetch it again."
            )
        with opener(path) as stream:
            for line in stream:
                yield line[:-2] if line.endswith(b"\r\n") else line.rstrip(b"\n")
    except _DAMAGE as error:
        what = getattr(error, "strerror", None) or error
        raise MetadataError(f"{path}: cannot be read to its end ({what}); fetch or make the file again.") from error


def _open_plain(path: Path) -> BinaryIO:
    return path.open("rb")


def sha256_of(path: Path) -> str:
    """Returns a file's sha256 in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def origin_of(path: str | os.PathLike[str]) -> Origin:
    """Reads `<path>.source.json`, a JSON object with `name`, `version`, `licence` and `notice`; any may be missing.

    Raises:
        MetadataError: The file is there and is no such object.
    """
    beside = Path(os.fspath(path).rstrip("/") + ORIGIN_SUFFIX)
    if not beside.is_file():
        return Origin(name=Path(path).name)
    try:
        return Origin(**{"name": Path(path).name, **json.loads(beside.read_text(encoding="utf-8"))})
    except (ValueError, TypeError) as error:
        raise MetadataError(
            f"{beside}: expected a JSON object with name, version, licence and notice, got what gives {error!r};"
            " repair or remove it."
        ) from error
