"""How many tasks a session runs at a time."""

from __future__ import annotations

import contextlib

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from metaclip_spark.spark.embedded import is_embedded, workers_at_once
from metaclip_spark.spark.versions import is_connect

_ROWS = 100_000


def cores_of(spark: SparkSession) -> int | None:
    """Return the number of tasks that a session runs at a time; None if it cannot be told.

    A cluster that grows on demand counts as large as it may become, where that is limited.
    """
    if is_embedded(spark):
        return workers_at_once()
    with contextlib.suppress(Exception):  # a service may refuse any of these questions
        if is_connect(spark):
            # Without a number, a range has one partition per core. The partitions are not read.
            last = spark.range(0, _ROWS).select(F.spark_partition_id().alias("p")).agg(F.max("p")).collect()[0][0]
            return int(last) + 1
        return max(spark.sparkContext.defaultParallelism, _most_on_demand(spark))
    return None


def _most_on_demand(spark: SparkSession) -> int:
    conf = spark.sparkContext.getConf()
    if conf.get("spark.dynamicAllocation.enabled", "false") != "true":
        return 0
    executors = conf.get("spark.dynamicAllocation.maxExecutors", "")
    tasks = int(conf.get("spark.executor.cores", "1") or 1) // int(conf.get("spark.task.cpus", "1") or 1)
    return int(executors or 0) * tasks if (executors or "").isdigit() and int(executors or 0) < _ROWS else 0
