"""How a value gets from the driver into the Python workers: once per executor, unpacked once per worker.

The one seam between stages and Spark's ways of moving data: a broadcast variable, and over Spark Connect, where there
is none, a file that the session's tasks find beside them. A compiled list that is a file is sent as one everywhere: all
workers of an executor map it into memory, and it is there once.
"""

from __future__ import annotations

import atexit
import functools
import hashlib
import pickle
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyspark import SparkFiles
from pyspark.sql import SparkSession

from metaclip_spark.matchers import Matcher
from metaclip_spark.spark.session import is_connect

_UNPACKED: dict[str, Any] = {}
"""The compiled lists of this Python worker, by content hash: the only state a worker keeps between tasks."""
_KEEP = 3
"""As many as extraction has: filters, the compiled list, takedowns."""

Shipped = Callable[[], Any]
"""Called in a worker: returns the value."""


def ship(spark: SparkSession, value: Any, key: str | None = None) -> Shipped:
    """Send a value to wherever tasks run.

    Args:
        key: content hash of the value. Given, a worker unpacks equal content once, however often it is shipped.

    Returns:
        What returns the value in a worker; its `release()` lets go of the executors' copies, where Spark can.
    """
    load, release = _as_artifact(spark, value) if is_connect(spark) else _as_broadcast(spark, value)
    return _unpacked_once(load, key, release)


def ship_matcher(spark: SparkSession, matcher: Matcher) -> Shipped:
    """Send a compiled list to wherever tasks run: as the file it can be mapped from, where its engine has one."""
    key = f"{matcher.metadata_id}:{matcher.name}"
    if not hasattr(matcher, "write"):
        return ship(spark, matcher, key)
    kind, metadata_id = type(matcher), matcher.metadata_id
    path = _folder() / f"metaclip-{metadata_id[:32]}.list"
    if not path.exists():
        matcher.write(path)
    name = _send(spark, path)
    return _unpacked_once(lambda: kind.read(SparkFiles.get(name), metadata_id), key, lambda: None)


def _unpacked_once(load: Callable[[], Any], key: str | None, release: Callable[[], None]) -> Shipped:
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


def _as_artifact(spark: SparkSession, value: Any) -> tuple[Shipped, Callable[[], None]]:
    """Send it as an artifact of the session, which keeps it to its end; equal content is one file."""
    content = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    path = _folder() / f"metaclip-{hashlib.sha256(content).hexdigest()[:32]}.pickle"
    path.write_bytes(content)
    name = _send(spark, path)
    path.unlink()

    def load() -> Any:
        with open(SparkFiles.get(name), "rb") as file:
            return pickle.load(file)

    return load, lambda: None


def _send(spark: SparkSession, path: Path) -> str:
    """Send a file to wherever tasks run, classic or over Connect; `SparkFiles` finds it there by its name."""
    spark.addArtifact(str(path), file=True)
    return path.name


@functools.cache
def _folder() -> Path:
    """Return a folder of this process, which goes when the process ends."""
    folder = tempfile.mkdtemp(prefix="metaclip-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
