"""Checks and expressions that several stages share."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from metaclip_spark.core.checks import need_names
from metaclip_spark.core.sampling import DRAW_SCALE, draw_key

_SIGN = -(2**63)


def need_columns(df: DataFrame, stage: str, wanted: list[str], hint: str) -> None:
    """Refuse a DataFrame that lacks a column, saying what is there and what to do."""
    need_names(df.columns, stage, wanted, hint)


def keyed_order(key: str | Column, seed: int, purpose: str) -> Column:
    """Return what sorts rows by the hash of a key as an unsigned number, a bigint: the sign bit turned over."""
    return F.xxhash64(F.lit(draw_key(seed, purpose)), key).bitwiseXOR(F.lit(_SIGN))


def draw(pair_id: str | Column, seed: int, purpose: str = "draw") -> Column:
    """Return u in [0, 1), a double: a function of the pair's id, the seed and the purpose alone."""
    h = F.xxhash64(F.lit(draw_key(seed, purpose)), pair_id)
    # An unsigned shift by 11 leaves 53 bits, which a double holds exactly: u is never 1.0.
    return F.shiftrightunsigned(h, 11).cast("double") * F.lit(DRAW_SCALE)
