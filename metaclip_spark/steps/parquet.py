"""Read Parquet files that a user names: what img2dataset wrote, or a table of survivors."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pyspark.sql import DataFrame, SparkSession

from metaclip_spark.core.wording import shortened
from metaclip_spark.errors import InputError, MetaclipError
from metaclip_spark.sources.files import Source, find_sources

_DAMAGE = r"(?i)parquet|READ_FILE|utf-?8|unexpected eof|corrupt|ARROW:schema|Arrow: |Invalid argument error"
"""What the engines say of a damaged file."""


def parquet_sources(places: Sequence[str], what: str, expected: str) -> list[Source]:
    """List the Parquet files behind paths, folders and uris.

    Args:
        what: the setting and its value, for the error.
        expected: what the files should be, for the error.

    Raises:
        InputError: there is no Parquet file.
    """
    files = [source for source in find_sources(places) if source.format == "parquet"]
    if not files:
        raise InputError(f"{what} holds no Parquet file; expected {expected}.")
    return files


def read_parquet(spark: SparkSession, sources: Sequence[Source]) -> DataFrame:
    """Return the rows of Parquet files."""
    return spark.read.parquet(*[_for_spark(source.uri) for source in sources])


@contextmanager
def readable(what: str) -> Iterator[None]:
    """Name the files in an error of the engine that a damaged file causes.

    Args:
        what: the setting and its value.

    Raises:
        InputError: a file cannot be read.
    """
    try:
        yield
    except MetaclipError:
        raise
    except Exception as error:  # of PySpark, or of Py4J
        text = str(error)
        if not re.search(_DAMAGE, text):
            raise
        causes = re.findall(r"Caused by: (?:[\w.]+: )?(.+)", text)  # of Java, the last one is the first that happened
        cause = causes[-1] if causes else text.partition("\n")[0]
        raise InputError(
            f"{what} cannot be read: {shortened(cause.strip())}. Expected whole "
            "Parquet files with strings in UTF-8; write or fetch the damaged file again."
        ) from error


def _for_spark(uri: str) -> str:
    return "s3a" + uri[2:] if uri.startswith("s3://") else uri
