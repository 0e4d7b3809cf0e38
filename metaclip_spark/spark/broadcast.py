"""Broadcast values from the driver to the Python workers: once per executor, unpacked once per worker.

Classic Spark has broadcast variables. Spark Connect has none: there, the value is a file, an artifact of the session
that its tasks find by name. A compiled entry list is a file on both. All workers of an executor map this file into
memory, so each machine has one copy.
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
from typing import Any, Generic, TypeVar

from pyspark import SparkFiles
from pyspark.sql import SparkSession

from metaclip_spark.matchers import Matcher
from metaclip_spark.spark.session import is_connect

_UNPACKED: dict[str, Any] = {}
"""The unpacked values of this Python worker, by content hash. A worker keeps them between tasks."""
_KEEP = 3
"""Maximum number of unpacked values. Extraction uses three: the filters, the compiled list, the takedown list."""

T = TypeVar("T")


class Broadcast(Generic[T]):
    """A value of the driver, available to the tasks of a session.

    A stage takes a `Broadcast` and reads its `value` in the workers. The driver must not read `value`: over Spark
    Connect, only tasks find the file.
    """

    def __init__(self, load: Callable[[], T], key: str | None = None, release: Callable[[], object] | None = None):
        self._load = load
        self._key = key
        self._release = release

    @classmethod
    def of(cls, spark: SparkSession, value: T, key: str | None = None) -> Broadcast[T]:
        """Broadcast a value to the executors.

        Args:
            spark: the session, classic or of Spark Connect.
            value: any object that can be pickled.
            key: the content hash of the value. With a key, a worker unpacks equal content once, even if it is
                broadcast several times.
        """
        load, release = _as_artifact(spark, value) if is_connect(spark) else _as_broadcast_variable(spark, value)
        return cls(load, key, release)

    @property
    def value(self) -> T:
        """The value. Only tasks can read it."""
        if self._key is None:
            return self._load()
        if self._key not in _UNPACKED:
            while len(_UNPACKED) >= _KEEP:
                _UNPACKED.pop(next(iter(_UNPACKED)))
            _UNPACKED[self._key] = self._load()
        return _UNPACKED[self._key]  # type: ignore[no-any-return]

    def release(self) -> None:
        """Delete the executors' copies. Over Spark Connect, the copies remain until the session ends."""
        if self._release is not None:
            self._release()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_release": None}  # only the driver releases copies


def broadcast_matcher(spark: SparkSession, matcher: Matcher) -> Broadcast[Matcher]:
    """Broadcast a compiled entry list, as a memory-mapped file if its engine can write one."""
    key = f"{matcher.metadata_id}:{matcher.name}"
    if not hasattr(matcher, "write"):
        return Broadcast.of(spark, matcher, key)
    kind, metadata_id = type(matcher), matcher.metadata_id
    path = _folder() / f"metaclip-{metadata_id[:32]}.list"
    if not path.exists():
        matcher.write(path)
    name = _send(spark, path)
    return Broadcast(lambda: kind.read(SparkFiles.get(name), metadata_id), key)  # type: ignore[attr-defined]


def _as_broadcast_variable(spark: SparkSession, value: T) -> tuple[Callable[[], T], Callable[[], None]]:
    variable = spark.sparkContext.broadcast(value)
    return lambda: variable.value, variable.unpersist


def _as_artifact(spark: SparkSession, value: T) -> tuple[Callable[[], T], None]:
    """Send a value as an artifact, which remains until the session ends. Equal content is one file."""
    content = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    path = _folder() / f"metaclip-{hashlib.sha256(content).hexdigest()[:32]}.pickle"
    path.write_bytes(content)
    name = _send(spark, path)
    path.unlink()

    def load() -> T:
        with open(SparkFiles.get(name), "rb") as file:
            return pickle.load(file)  # type: ignore[no-any-return]

    return load, None


def _send(spark: SparkSession, path: Path) -> str:
    """Send a file to the executors, classic or over Connect. In a task, `SparkFiles` finds it by name."""
    spark.addArtifact(str(path), file=True)
    return path.name


@functools.cache
def _folder() -> Path:
    """Create a folder that is deleted when this process ends, and return it."""
    folder = tempfile.mkdtemp(prefix="metaclip-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
