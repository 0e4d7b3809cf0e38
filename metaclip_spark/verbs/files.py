"""Read the Parquet files of a path, a folder or a glob as one pyarrow Table, for the verbs without Spark."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.dataset as ds

from metaclip_spark.errors import InputError
from metaclip_spark.extract.tabular.names import partition_values
from metaclip_spark.sources.files import find_sources
from metaclip_spark.storage.filesystem import filesystem_of
from metaclip_spark.storage.open import has_glob, is_remote, local_path


def read_files(path: str, verb: str) -> pa.Table:
    """Read all columns of the Parquet files of a path, a folder, a glob or a uri, in the order of their names.

    Files may differ in their columns and in the width of their types: a column that a file lacks is null there. A
    folder `name=value` below the path gives the column `name`, strings, unless a file has a column of that name. In a
    glob, the folders from the first one with a wildcard on are below.

    Raises:
        InputError: a file is missing or is not Parquet, or two files have one column with types that differ.
    """
    sources = find_sources([path])
    other = next((source for source in sources if source.format != "parquet"), None)
    if other is not None:
        raise InputError(
            f"{verb}: {other.uri} is {other.format}; expected Parquet. Read it with pandas, Polars or DuckDB, whose "
            "options say how it is quoted, and give the DataFrame; or curate it with `metaclip-spark run --input`."
        )
    files, _ = filesystem_of(sources[0].uri)
    places = [filesystem_of(source.uri)[1] for source in sources]
    try:
        fragments = list(ds.dataset(places, format="parquet", filesystem=files, partitioning=None).get_fragments())
        schema = pa.unify_schemas([each.physical_schema for each in fragments], promote_options="permissive")
        table = ds.dataset(places, format="parquet", filesystem=files, partitioning=None, schema=schema).to_table()
        return _with_partitions(table, fragments, _folder_of(path))
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise InputError(f"{verb}: {path} cannot be read as one table: {error}") from error


def _folder_of(path: str) -> str:
    """Return the place that a file's folders are below: the path, or the part of a glob before its first wildcard."""
    path = path if is_remote(path) else local_path(path)
    _, place = filesystem_of(path)
    parts = place.rstrip("/").split("/")
    is_glob = has_glob(path) if is_remote(path) else not os.path.exists(path)
    fixed = next((at for at, part in enumerate(parts) if is_glob and glob.has_magic(part)), len(parts))
    return "/".join(parts[:fixed])


def _with_partitions(table: pa.Table, fragments: Sequence[ds.ParquetFileFragment], folder: str) -> pa.Table:
    """Append the columns that folders below `folder` stand for and no file has; null for a file outside of them.

    Args:
        table: the rows of all fragments, in their order.
    """
    below = [each.path.removeprefix(f"{folder}/") if each.path.startswith(f"{folder}/") else "" for each in fragments]
    values = [partition_values(path) for path in below]
    for name in dict.fromkeys(name for named in values for name in named):
        if name not in table.column_names:
            parts = zip(values, fragments, strict=True)
            chunks = [pa.repeat(pa.scalar(named.get(name), pa.string()), each.count_rows()) for named, each in parts]
            table = table.append_column(name, pa.chunked_array(chunks, pa.string()))
    return table
