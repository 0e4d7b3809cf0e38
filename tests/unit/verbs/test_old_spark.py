"""A DataFrame of Spark 3 is refused in one sentence, by every verb."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

import metaclip_spark as mc
from metaclip_spark.errors import MetaclipError

CALLS = {
    "curate": lambda df: mc.curate(df, ["photo"]),
    "match": lambda df: mc.match(df, ["photo"]),
    "count_entries": lambda df: mc.count_entries(df),
    "sweep": lambda df: mc.sweep(df, df),
    "balance": lambda df: mc.balance(df, df),
    "explain": lambda df: mc.explain(df, ["photo"]),
}


class Frame:
    """A DataFrame of Spark 3.5: the one of Spark Connect is no subclass of pyspark.sql.DataFrame."""


@pytest.fixture(params=["pyspark.sql", "pyspark.sql.connect.dataframe"])
def df(request, monkeypatch) -> Frame:
    """Return a DataFrame of Spark 3.5, classic or Connect."""
    pyspark = pytest.importorskip("pyspark", reason="pyspark is not installed")
    monkeypatch.setattr(pyspark, "__version__", "3.5.9")
    module = ModuleType(request.param)
    module.DataFrame = Frame
    monkeypatch.setitem(sys.modules, request.param, module)
    return Frame()


@pytest.mark.parametrize("verb", CALLS)
def test_spark_3_is_refused(df, verb):
    """The sentence has the version that is needed, and a way that works without it."""
    with pytest.raises(MetaclipError) as raised:
        CALLS[verb](df)
    assert str(raised.value) == (
        "Spark 4.0 or newer is needed, and the pyspark of this DataFrame is 3.5.9. A pool that fits into memory needs "
        f"no Spark: {verb}(df.toPandas(), ...)."
    )
