"""The benchmark of the matching engines, on one core and in Spark, for `metaclip-spark benchmark`."""
