"""Broadcast values from the driver to the Python workers: once per executor, unpacked once per worker.

Classic Spark has broadcast variables. Spark Connect has none: there, the value is a file, an artifact of the session
that its tasks find by name. A compiled entry list is a file on both. All workers of an executor map this file into
memory, so each machine has one copy. The tasks of the embedded engine run in the driver's process: they take the
driver's own object.
"""

from __future__ import annotations

import atexit
import functools
import hashlib
import pickle
import re
import shutil
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from metaclip_spark.matchers import Matcher
from metaclip_spark.matchers.worldwide.by_section import SectionMatcher, SentLists
from metaclip_spark.metadata.worldwide.entries import LanguageEntries, SentEntries, WorldwideMetadata
from metaclip_spark.robots.index import Robots, Written
from metaclip_spark.spark.embedded import is_embedded, spill_folder
from metaclip_spark.spark.session import is_connect

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_UNPACKED: dict[str, Any] = {}
"""The unpacked values of this Python worker, by content hash. A worker keeps them between tasks."""
_KEEP = 4
"""Maximum number of unpacked values. Extraction uses four: robots rules, filters, the compiled list, takedowns."""

_HELD: dict[str, Any] = {}
"""Values that tasks in this process take, by token."""

T = TypeVar("T")


class Broadcast(Generic[T]):
    """A value of the driver, available to the tasks of a session.

    A stage takes a `Broadcast` and reads its `value` in the workers. The driver must not read `value`: over Spark
    Connect, only tasks find the file.
    """

    def __init__(
        self,
        load: Callable[[], T],
        key: str | None = None,
        release: Callable[[], object] | None = None,
        in_file: Callable[[], Callable[[], T]] | None = None,
    ) -> None:
        self._load = load
        self._key = key
        self._release = release
        self._in_file = in_file

    @classmethod
    def of(cls, spark: SparkSession, value: T, key: str | None = None) -> Broadcast[T]:
        """Broadcast a value to the executors.

        Args:
            spark: the session, classic or of Spark Connect.
            value: any object that can be pickled.
            key: the content hash of the value. With a key, a worker unpacks equal content once, even if it is
                broadcast several times.
        """
        if is_embedded(spark):
            return cls(*_as_held(value, key, lambda: _pickled(value)))
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

    def in_file(self) -> Broadcast[T]:
        """Return the value as a file of this machine, for a process that the driver starts (embedded engine only)."""
        assert self._in_file is not None, "only values of the embedded engine have a file for other processes"
        return Broadcast(self._in_file(), self._key)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_release": None, "_in_file": None}  # only the driver releases copies


def broadcast_matcher(spark: SparkSession, matcher: Matcher) -> Broadcast[Matcher]:
    """Broadcast a compiled entry list, as a memory-mapped file if its engine can write one."""
    key = f"{matcher.metadata_id}:{matcher.name}"
    if not hasattr(matcher, "write"):
        return Broadcast.of(spark, matcher, key)
    kind, metadata_id = type(matcher), matcher.metadata_id
    if is_embedded(spark):
        load, held, release, in_file = _as_held(matcher, key, lambda: _List(kind, metadata_id, str(_written(matcher))))
        return Broadcast(load, held, release, in_file)
    name = _send(spark, _written(matcher))
    return Broadcast(lambda: kind.read(_sent(name), metadata_id), key)  # type: ignore[attr-defined]


def broadcast_lists(spark: SparkSession, matcher: SectionMatcher) -> Broadcast[Any]:
    """Broadcast the lists of many languages: each a file, which a task maps when it meets its language.

    On one machine, tasks map the files of the driver. On a cluster, the files are sent to every executor.
    """
    key = f"{matcher.metadata_id}:{matcher.name}:{matcher.lists.engine}"
    if is_embedded(spark) or _is_local(spark):
        return Broadcast.of(spark, matcher, key)
    files, switches = {}, {name: matcher.lists.switches_of(name) for name in matcher.lists.codes}
    for name, (path, source) in matcher.lists.compiled_files().items():
        files[name] = _send(spark, path), source
    sent = SentLists(files, switches, _sent, max_bytes=matcher.lists.max_bytes)
    return Broadcast.of(spark, SectionMatcher(matcher.metadata_id, matcher.sections, sent), key)


def broadcast_robots(
    spark: SparkSession, robots_id: str, write: Callable[[Path], object]
) -> tuple[Broadcast[Robots], Written]:
    """Broadcast robots rules, as a memory-mapped file; return what it consists of, too.

    Args:
        write: writes the file; called once per process.
    """
    key, path = f"robots:{robots_id}", process_folder() / f"metaclip-{robots_id}.robots"
    if not path.exists():
        write(path)
    robots = Robots.read(path, robots_id)
    if is_embedded(spark) or _is_local(spark):
        return Broadcast.of(spark, robots, key), robots.written
    name = _send(spark, path)
    return Broadcast(lambda: Robots.read(_sent(name), robots_id), key), robots.written


def broadcast_entries(spark: SparkSession, metadata: WorldwideMetadata) -> Broadcast[LanguageEntries]:
    """Broadcast the entries of the lists of many languages: a task reads a list when it meets an entry of it.

    On one machine, tasks read the files of the driver. On a cluster, the files are sent to every executor.
    """
    key = f"{metadata.metadata_id}:entries"
    if is_embedded(spark) or _is_local(spark):
        return Broadcast.of(spark, metadata.entries, key)
    files = {}
    for name, file in metadata.lists.files.items():
        suffix = ".json.gz" if file.name.endswith(".gz") else ".json"
        copy = process_folder() / f"metaclip-{name}-{metadata.lists.ids[name][:32]}{suffix}"
        copy.write_bytes(file.read_bytes())
        files[name] = _send(spark, copy)
    return Broadcast.of(spark, SentEntries(metadata.sections, files, _sent), key)


def _is_local(spark: SparkSession) -> bool:
    """Return whether the tasks of a session run on the driver's machine."""
    master = None if is_connect(spark) else spark.sparkContext.master
    return re.fullmatch(r"local(\[.*\])?", master or "") is not None


def _written(matcher: Matcher) -> Path:
    """Write the compiled list to the folder of this process, once, and return its path."""
    path = process_folder() / f"metaclip-{matcher.metadata_id[:32]}.list"
    if not path.exists():
        matcher.write(path)  # type: ignore[attr-defined]  # the caller checks that the engine can
    return path


class _Held(Generic[T]):
    """Returns a value of this process by its token. A task gets a copy of this object, and the value itself."""

    def __init__(self, token: str) -> None:
        self.token = token

    def __call__(self) -> T:
        return _HELD[self.token]  # type: ignore[no-any-return]


class _List:
    """Maps a compiled list that another process wrote."""

    def __init__(self, kind: Any, metadata_id: str, path: str) -> None:
        self.kind, self.metadata_id, self.path = kind, metadata_id, path

    def __call__(self) -> Matcher:
        return self.kind.read(self.path, self.metadata_id)  # type: ignore[no-any-return]


class _Pickled(Generic[T]):
    """Reads a value that the driver of this machine wrote."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __call__(self) -> T:
        with open(self.path, "rb") as file:
            return pickle.load(file)  # type: ignore[no-any-return]


def _as_held(
    value: T, key: str | None, in_file: Callable[[], Callable[[], T]]
) -> tuple[Callable[[], T], None, Callable[[], object], Callable[[], Callable[[], T]]]:
    """Hold a value in this process; return the arguments of a Broadcast.

    A value with a key is held once, and until the process ends: a view or a registered function may still need it.
    """
    token = key or uuid.uuid4().hex
    _HELD.setdefault(token, value)
    return _Held(token), None, lambda: None if key else _HELD.pop(token, None), in_file


def _pickled(value: T) -> _Pickled[T]:
    path = process_folder() / f"metaclip-{uuid.uuid4().hex}.pickle"
    path.write_bytes(pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL))
    return _Pickled(str(path))


def _as_broadcast_variable(spark: SparkSession, value: T) -> tuple[Callable[[], T], Callable[[], None]]:
    variable = spark.sparkContext.broadcast(value)
    return lambda: variable.value, variable.unpersist


def _as_artifact(spark: SparkSession, value: T) -> tuple[Callable[[], T], None]:
    """Send a value as an artifact, which remains until the session ends. Equal content is one file."""
    content = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    path = process_folder() / f"metaclip-{hashlib.sha256(content).hexdigest()[:32]}.pickle"
    path.write_bytes(content)
    name = _send(spark, path)
    path.unlink()

    def load() -> T:
        with open(_sent(name), "rb") as file:
            return pickle.load(file)  # type: ignore[no-any-return]

    return load, None


def _send(spark: SparkSession, path: Path) -> str:
    """Send a file to the executors, classic or over Connect. In a task, `SparkFiles` finds it by name."""
    spark.addArtifact(str(path), file=True)
    return path.name


def _sent(name: str) -> str:
    """Return the path of a file that the driver sent. Only tasks can call this."""
    from pyspark import SparkFiles  # pyspark-client, of the embedded engine, has none

    return str(SparkFiles.get(name))


def process_folder() -> Path:
    """Return a folder that is deleted when this process ends."""
    return _new_folder(spill_folder())


@functools.cache
def _new_folder(parent: str | None) -> Path:
    """Create the folder; in that for spills, which the next start removes after a process that was killed."""
    folder = tempfile.mkdtemp(prefix="metaclip-", dir=parent)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
