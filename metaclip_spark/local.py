"""The verbs without Spark, as `mc.local`.

`mc.local.curate(table, ...)` does what `mc.curate(table, ...)` does, with the same arguments; the first is named
`table`. It takes a pyarrow Table, a pandas or Polars DataFrame, a DuckDB relation, a Hugging Face dataset, any object
with `__arrow_c_stream__`, or the path of Parquet files, and returns a pyarrow Table. `mc.local` never imports pyspark,
and refuses a Spark DataFrame.
"""

from metaclip_spark.verbs.local import balance, count_entries, curate, explain, match, sweep

__all__ = ["balance", "count_entries", "curate", "explain", "match", "sweep"]
