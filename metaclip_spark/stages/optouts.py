"""Opt-outs by robots.txt: archives to one row per file, and these to one row per host."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from metaclip_spark.extract.robots import read_source
from metaclip_spark.robots.rules import UNREACHABLE, Rules
from metaclip_spark.schemas import OF_ROBOTS_TXT, ROBOTS, ROBOTS_RECORDS
from metaclip_spark.sources.files import Source

_OF_FILE = tuple(column.name for column in OF_ROBOTS_TXT)


def read_archives(
    spark: SparkSession, sources: Sequence[Source], agents: Sequence[str], build_id: str, tally: str = ""
) -> DataFrame:
    """Read the robots.txt files of archives in the workers.

    Args:
        agents: the crawlers whose rules are kept.
        tally: the folder for running numbers; "" counts nothing.

    Reads: the archives themselves. Writes: nothing.
    Rows: 1:n, tagged by `kind`: robots.txt files, and one outcome per archive.
    Shuffle: none. Source: RFC 9309.
    """
    listed, named = list(sources), tuple(agents)

    def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for index in batch.column(0).to_pylist():
                yield from read_source(listed[index], named, build_id, tally)

    return spark.range(0, len(listed), 1, max(1, len(listed))).mapInArrow(work, ROBOTS_RECORDS.ddl)


def robots_of_hosts(records: DataFrame) -> DataFrame:
    """Keep the latest robots.txt of each host.

    One that could be reached is kept before one that could not, which may be a failure of an hour; RFC 9309 lets a
    crawler go by the file that it knows. Of files of the same second the largest in the order of their content is kept,
    so that the order of the archives decides nothing.

    Reads: robots_records. Writes: nothing.
    Rows: n:1 by `origin`. Shuffle: by `origin`. Source: RFC 9309, sections 2.3 and 2.4.
    """
    reachable = (F.col("status") != UNREACHABLE).alias("reachable")
    last = F.max(F.struct(reachable, *_OF_FILE)).alias("last")
    files = records.where(F.col("kind") == "record").groupBy("build_id", "origin").agg(last)
    rows = files.select("build_id", "origin", *(F.col("last")[name].alias(name) for name in _OF_FILE))
    return rows.mapInArrow(_with_agents, ROBOTS.ddl)


def _with_agents(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Add the crawlers that the rules name, and those that they shut out."""
    schema = ROBOTS.arrow
    for batch in batches:
        encoded = batch.column("rules").dictionary_encode()  # most hosts have rules that others have, too
        rules = [Rules(text) for text in encoded.dictionary.to_pylist()]
        agents = pa.array([each.agents for each in rules], schema.field("agents").type)
        shut_out = pa.array([each.shut_out() for each in rules], schema.field("shut_out").type)
        added = {"agents": agents.take(encoded.indices), "shut_out": shut_out.take(encoded.indices)}
        columns = [added[name] if name in added else batch.column(name) for name in schema.names]
        yield pa.record_batch(
            [column.cast(field.type) for column, field in zip(columns, schema, strict=True)], schema=schema
        )


def numbers_of(robots: DataFrame, build_id: str) -> DataFrame:
    """Count the hosts of a build: by status, with rules, and by crawler that is named or shut out.

    Reads: robots. Writes: nothing.
    Rows: (kind, name, number). Shuffle: by kind and name.
    """
    of_build = robots.where(F.col("build_id") == build_id)
    parts = [
        of_build.select(F.lit("status").alias("kind"), F.col("status").alias("name")),
        of_build.where(F.col("rules") != "").select(F.lit("rules").alias("kind"), F.lit("rules").alias("name")),
        *(of_build.select(F.lit(kind).alias("kind"), F.explode(kind).alias("name")) for kind in ("agents", "shut_out")),
    ]
    kinds = parts[0]
    for part in parts[1:]:
        kinds = kinds.unionByName(part)
    return kinds.groupBy("kind", "name").agg(F.count(F.lit(1)).alias("number"))
