"""Curate image-text pairs as MetaCLIP does, on Spark with Delta tables.

`import metaclip_spark as mc` imports neither Spark nor any other library: each name imports its module on first use.

The verbs `match`, `count_entries`, `sweep`, `balance` and `explain` take a Spark DataFrame, and return one; or they
take rows that Arrow can read (pyarrow, pandas, Polars, DuckDB, Hugging Face datasets, Parquet files), and return a
pyarrow Table. `curate` is match, count and balance in one call. `mc.local` has the verbs without Spark.
`session` starts the embedded engine: Spark's DataFrames on this machine, without Java. `choose_threshold` finds t by
its tail fraction. `load_metadata` reads an entry list, `Metadata` is one. `load_worldwide` reads the lists of many
languages, and `language_probabilities` finds a t for each.
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
    "language_probabilities",
    "load_metadata",
    "load_worldwide",
    "local",
    "match",
    "session",
    "sweep",
]

if TYPE_CHECKING:
    from metaclip_spark import local
    from metaclip_spark.metadata.load import Metadata, load_metadata
    from metaclip_spark.spark.engine import session
    from metaclip_spark.verbs.arguments import choose_threshold
    from metaclip_spark.verbs.facade import balance, count_entries, curate, explain, match, sweep
    from metaclip_spark.verbs.worldwide import language_probabilities, load_worldwide

_MODULES = {
    **dict.fromkeys(("balance", "count_entries", "curate", "explain", "match", "sweep"), "metaclip_spark.verbs.facade"),
    "Metadata": "metaclip_spark.metadata.load",
    "session": "metaclip_spark.spark.engine",
    "load_metadata": "metaclip_spark.metadata.load",
    "choose_threshold": "metaclip_spark.verbs.arguments",
    "language_probabilities": "metaclip_spark.verbs.worldwide",
    "load_worldwide": "metaclip_spark.verbs.worldwide",
}


def __getattr__(name: str) -> Any:
    if name == "local":
        return import_module("metaclip_spark.local")
    if name not in _MODULES:
        raise AttributeError(f"module 'metaclip_spark' has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
