"""The verbs for pyarrow Tables alone, as `mc.local`.

`mc.local.curate(table, ...)` does what `mc.curate(table, ...)` does, with the same arguments; the first is named
`table`. `mc.local` never imports pyspark, and refuses a Spark DataFrame.
"""

from metaclip_spark.verbs.local import balance, count_entries, curate, explain, match, sweep

__all__ = ["balance", "count_entries", "curate", "explain", "match", "sweep"]
