"""An archive of the classes that Spark and Delta load, so that a JVM on this machine need not load them one by one.

    python -m metaclip_spark.spark.class_archive

This makes the archive (some 200 MB, next to Delta's JARs) by one small session. Later local sessions use it. A JVM
checks the archive against its own version and its class path, and ignores one that does not fit. Nothing makes the
archive by itself: a JVM writes it when it ends, which takes ten seconds.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metaclip_spark.errors import MetaclipError
from metaclip_spark.spark.jars import BY_PATH, jar_settings
from metaclip_spark.spark.java import archive_place
from metaclip_spark.spark.session import get_session

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_WAIT_SECONDS = 300
"""Seconds that a JVM has to write the archive on a busy machine."""


def make_archive() -> Path:
    """Make the archive for the installed Java and Spark, and return its path.

    Raises:
        MetaclipError: Spark does not start, or Java wrote no archive.
    """
    from pyspark import SparkContext as Context

    context: Any = Context  # pyspark's types know no gateway
    if BY_PATH not in jar_settings(True):
        get_session("local[2]").stop()  # it fetches the JARs
        context._gateway.shutdown()
        context._gateway = context._jvm = None
    class_path = jar_settings(True).get(BY_PATH)
    path = None if class_path is None else archive_place(class_path)
    if path is None:
        raise MetaclipError("no archive of classes can be made: Delta's JARs are not in the cache of this project.")
    partial = path.with_suffix(f".{os.getpid()}")
    try:
        spark = get_session(
            "local[2]", "1g", {"spark.driver.extraJavaOptions": f"-XX:ArchiveClassesAtExit={partial} -Xlog:cds=off"}
        )
        jvm = context._gateway.proc
        try:
            _load_classes(spark)
        finally:
            spark.stop()
            jvm.stdin.close()  # the JVM ends, and writes the archive
            jvm.wait(_WAIT_SECONDS)
        if not partial.is_file():
            raise MetaclipError(f"Java wrote no archive of classes to {partial}.")
        os.chmod(partial, 0o644)
        os.replace(partial, path)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()
    return path


def _load_classes(session: SparkSession) -> None:
    """Write, read, merge and describe a small Delta table, so that the classes of a run are loaded."""
    with tempfile.TemporaryDirectory() as folder:
        table = f"delta.`{folder}/table`"
        rows = session.range(1000).selectExpr("id", "id % 7 AS part", "array(id) AS ids", "cast(id AS string) AS text")
        for _ in range(2):
            rows.write.format("delta").mode("append").partitionBy("part").save(f"{folder}/table")
        for query in (
            f"SELECT part, count(*), max(text) FROM {table} GROUP BY part ORDER BY part",
            f"SELECT entry, count(*) FROM {table} LATERAL VIEW explode(ids) AS entry GROUP BY entry",
            f"SELECT *, row_number() OVER (PARTITION BY part ORDER BY xxhash64(text)) AS place FROM {table}",
            f"SELECT a.id FROM {table} a LEFT ANTI JOIN {table} b ON a.id = b.id + 1",
            f"MERGE INTO {table} a USING (SELECT 1L AS id) b ON a.id = b.id WHEN MATCHED THEN DELETE",
            f"DESCRIBE HISTORY {table}",
        ):
            session.sql(query).collect()
        table_rows = session.read.format("delta").load(f"{folder}/table")
        table_rows.mapInArrow(lambda batches: batches, table_rows.schema).collect()


if __name__ == "__main__":
    try:
        print(make_archive())
    except MetaclipError as error:
        sys.exit(f"metaclip-spark: {error}")
