"""Checks and expressions that several stages share."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from metaclip_spark.core.checks import need_names
from metaclip_spark.core.hashing.key_prefix import values_for_partitions
from metaclip_spark.core.sampling import DRAW_SCALE, draw_key

_SIGN = -(2**63)


def need_columns(df: DataFrame, stage: str, wanted: list[str], hint: str) -> None:
    """Check that a DataFrame has the columns that a stage reads.

    Raises:
        InputError: a column is missing. The error names the existing columns, and ends with the hint.
    """
    need_names(df.columns, stage, wanted, hint)


def keyed_order(key: str | Column, seed: int, purpose: str) -> Column:
    """Return a sort key: the hash of a column, a bigint.

    The sign bit is flipped, so that Spark's signed order is the order of the unsigned hashes.
    """
    return F.xxhash64(F.lit(draw_key(seed, purpose)), key).bitwiseXOR(F.lit(_SIGN))


def in_partition(number: Column, partitions: int) -> Column:
    """Return an integer that Spark's `repartition(partitions, ...)` sends to the partition of this number.

    Spark hashes what it partitions by, so numbers themselves would share some partitions and leave others empty.
    Spark 4.1 has `repartitionById`; this does the same on every version.

    Args:
        number: an integer in [0, partitions).
    """
    values = F.lit(",".join(map(str, values_for_partitions(partitions))))
    return F.get(F.split(values, ",").cast("array<int>"), number)


def pair_id_of(key: str | Column = "pair_key") -> Column:
    """Return the id of a pair, a string, of its key, which is binary."""
    return F.lower(F.hex(key))


def draw(pair_id: str | Column, seed: int, purpose: str = "draw") -> Column:
    """Return the draw u in [0, 1), a double: a function of the pair's id, the seed and the purpose alone."""
    h = F.xxhash64(F.lit(draw_key(seed, purpose)), pair_id)
    # An unsigned shift by 11 leaves 53 bits, which a double represents exactly: u is never 1.0.
    return F.shiftrightunsigned(h, 11).cast("double") * F.lit(DRAW_SCALE)
