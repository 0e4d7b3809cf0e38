"""Read the Parquet files of a path, a folder or a glob as one pyarrow Table, for the verbs without Spark."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.dataset as ds

from metaclip_spark.errors import InputError
from metaclip_spark.sources.files import find_sources
from metaclip_spark.storage.filesystem import filesystem_of


def read_files(path: str, verb: str) -> pa.Table:
    """Read all columns of the Parquet files of a path, a folder, a glob or a uri, in the order of their names.

    Files may differ in their columns and in the width of their types: a column that a file lacks is null there. Folders
    named `name=value` give the column `name`.

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
        found = ds.dataset(places, format="parquet", filesystem=files, partitioning="hive")
        schemas = [fragment.physical_schema for fragment in found.get_fragments()]
        schema = pa.unify_schemas([*schemas, found.schema], promote_options="permissive")
        return ds.dataset(places, format="parquet", filesystem=files, partitioning="hive", schema=schema).to_table()
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise InputError(f"{verb}: {path} cannot be read as one table: {error}") from error
