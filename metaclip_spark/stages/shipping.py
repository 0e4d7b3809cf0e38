"""How a value gets from the driver into the Python workers: once per executor, unpacked once per worker.

The one seam between stages and Spark's ways of moving data: a broadcast variable today; where there is no
SparkContext (Spark Connect), another carrier joins here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyspark.sql import SparkSession

_UNPACKED: dict[str, Any] = {}
"""The compiled lists of this Python worker, by content hash: the only state a worker keeps between tasks."""
_KEEP = 2

Shipped = Callable[[], Any]
"""Called in a worker: returns the value."""


def ship(spark: SparkSession, value: Any, key: str | None = None) -> Shipped:
    """Broadcast a value.

    Args:
        key: content hash of the value. Given, a worker unpacks equal content once, however often it is shipped.
    """
    carrier = spark.sparkContext.broadcast(value)

    def unpack() -> Any:
        if key is None:
            return carrier.value
        if key not in _UNPACKED:
            while len(_UNPACKED) >= _KEEP:
                _UNPACKED.pop(next(iter(_UNPACKED)))
            _UNPACKED[key] = carrier.value
        return _UNPACKED[key]

    unpack.release = carrier.unpersist  # type: ignore[attr-defined]
    return unpack
