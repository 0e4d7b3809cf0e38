"""How a value gets from the driver into the Python workers: once per executor, unpacked once per worker.

The one seam between stages and Spark's ways of moving data: a broadcast variable, and over Spark Connect, where there
is none, a file that the session's tasks find beside them.
"""

from __future__ import annotations

import hashlib
import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyspark import SparkFiles
from pyspark.sql import SparkSession

from metaclip_spark.session import is_connect

_UNPACKED: dict[str, Any] = {}
"""The compiled lists of this Python worker, by content hash: the only state a worker keeps between tasks."""
_KEEP = 2

Shipped = Callable[[], Any]
"""Called in a worker: returns the value."""


def ship(spark: SparkSession, value: Any, key: str | None = None) -> Shipped:
    """Send a value to wherever tasks run.

    Args:
        key: content hash of the value. Given, a worker unpacks equal content once, however often it is shipped.

    Returns:
        What returns the value in a worker; its `release()` lets go of the executors' copies, where Spark can.
    """
    load, release = _as_file(spark, value) if is_connect(spark) else _as_broadcast(spark, value)

    def unpack() -> Any:
        if key is None:
            return load()
        if key not in _UNPACKED:
            while len(_UNPACKED) >= _KEEP:
                _UNPACKED.pop(next(iter(_UNPACKED)))
            _UNPACKED[key] = load()
        return _UNPACKED[key]

    unpack.release = release  # type: ignore[attr-defined]
    return unpack


def _as_broadcast(spark: SparkSession, value: Any) -> tuple[Shipped, Callable[[], None]]:
    carrier = spark.sparkContext.broadcast(value)
    return lambda: carrier.value, carrier.unpersist


def _as_file(spark: SparkSession, value: Any) -> tuple[Shipped, Callable[[], None]]:
    """Send it as an artifact of the session, which keeps it to its end; equal content is one file."""
    content = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    name = f"metaclip-{hashlib.sha256(content).hexdigest()[:32]}.pickle"
    with tempfile.TemporaryDirectory(prefix="metaclip-") as folder:
        path = Path(folder, name)
        path.write_bytes(content)
        spark.addArtifact(str(path), file=True)

    def load() -> Any:
        with open(SparkFiles.get(name), "rb") as file:
            return pickle.load(file)  # noqa: S301 - this session's own file

    return load, lambda: None
