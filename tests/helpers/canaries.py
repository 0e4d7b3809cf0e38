"""Search everything that a command writes and prints for values that must not be there."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import pyarrow.parquet as pq


def texts_below(folder: Path, besides: Path) -> Iterator[tuple[Path, str]]:
    """Yield every file below a folder and its content as text: Parquet decoded, gzip inflated, the rest as Latin-1."""
    for file in sorted(folder.rglob("*")):
        if not file.is_file() or file.is_relative_to(besides):
            continue
        yield file, file.read_bytes().decode("latin-1")
        if file.suffix == ".parquet":
            yield file, str(pq.read_table(file, partitioning=None).to_pydict())
        if file.suffix == ".gz":
            yield file, gzip.decompress(file.read_bytes()).decode("latin-1")


def leaks(canaries: Mapping[str, str], texts: Iterable[tuple[object, str]]) -> list[str]:
    """Return `canary in place` for each canary that a text has, as it is or encoded for a url."""
    return [
        f"{name} in {place}"
        for place, text in texts
        for name, value in canaries.items()
        if value in text or quote(value, safe="") in text
    ]
