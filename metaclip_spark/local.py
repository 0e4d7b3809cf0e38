"""The verbs on pyarrow Tables, as `mc.local`; the code is in `verbs/local.py`."""

from metaclip_spark.verbs.local import balance, count_entries, curate, explain, match, sweep

__all__ = ["balance", "count_entries", "curate", "explain", "match", "sweep"]
