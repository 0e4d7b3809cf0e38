"""What the readers of tabular files share: the columns of a batch, and the check of their names."""

from __future__ import annotations

import gzip
import io
from typing import BinaryIO

import pyarrow as pa

from metaclip_spark.errors import DamagedSourceError
from metaclip_spark.extract.records.chunk import check_gzip

BATCH_ROWS = 8192

Columns = dict[str, pa.Array]
"""Column name -> Arrow array of the type that the file has; all arrays have one length."""


def check_columns(names: list[str], wanted: list[str], where: str = "") -> None:
    """Refuse a file that lacks a wanted column.

    Args:
        where: a phrase for the error, with a space before it.

    Raises:
        DamagedSourceError: a wanted column is missing.
    """
    for name in wanted:
        if name not in names:
            got = [n if len(n) <= 40 else n[:40] + "..." for n in names]
            raise DamagedSourceError(
                f"column {name!r} is missing{where}; got {got}. Name the columns with --url-column and "
                "--text-column (in a file without a header line by position: 0, 1, ...)."
            )


def inflated(raw: BinaryIO, uri: str) -> io.BufferedIOBase:
    """Return a file's bytes, inflated if its name ends in .gz."""
    if not uri.lower().endswith(".gz"):
        return raw  # type: ignore[return-value]  # every file of `open_source` is a BufferedIOBase
    check_gzip(raw)
    return gzip.GzipFile(fileobj=raw)
