"""Curates image-text pairs as MetaCLIP does, on Spark with Delta tables.

`import metaclip_spark as mc` imports neither Spark nor anything else; each name loads what it needs when it is used.

The verbs take a DataFrame with a column of texts and return one, with all its columns: `match`, `count_entries`,
`sweep`, `balance`, `explain`, and `curate`, which is match, count and balance in one. `mc.local` has the same verbs
for pyarrow Tables, without Spark. `choose_threshold` finds t; `load_metadata` and `Metadata` are entry lists.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from metaclip_spark.version import __version__

__all__ = [
    "__version__",
    "Metadata",
    "balance",
    "choose_threshold",
    "count_entries",
    "curate",
    "explain",
    "load_metadata",
    "local",
    "match",
    "sweep",
]

if TYPE_CHECKING:
    from metaclip_spark import local
    from metaclip_spark.metadata.load import Metadata, load_metadata
    from metaclip_spark.verbs.arguments import choose_threshold
    from metaclip_spark.verbs.spark import balance, count_entries, curate, explain, match, sweep

_ON_SPARK = ("balance", "count_entries", "curate", "explain", "match", "sweep")
_HOMES = {
    **dict.fromkeys(_ON_SPARK, "metaclip_spark.verbs.spark"),
    "Metadata": "metaclip_spark.metadata.load",
    "load_metadata": "metaclip_spark.metadata.load",
    "choose_threshold": "metaclip_spark.verbs.arguments",
}


def __getattr__(name: str) -> Any:
    if name == "local":
        return import_module("metaclip_spark.local")
    if name not in _HOMES:
        raise AttributeError(f"module 'metaclip_spark' has no attribute {name!r}")
    try:
        return getattr(import_module(_HOMES[name]), name)
    except ModuleNotFoundError as error:
        if name in _ON_SPARK and (error.name or "").partition(".")[0] == "pyspark":
            raise ImportError(
                f"metaclip_spark.{name} works on Spark DataFrames, and pyspark is not installed: "
                "pip install 'metaclip-spark[spark]'. For a pyarrow Table, without Spark: "
                f"metaclip_spark.local.{name}.",
                name="pyspark",
            ) from error
        raise


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
