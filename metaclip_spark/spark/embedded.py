"""The embedded engine: Sail, a Spark Connect server in this process, without Java.

Sail's tasks run in threads of this process. So a broadcast value is the driver's own object, and a function of a stage
runs where it was made. The memory of Sail is limited; what exceeds it is written to a folder for spills.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import importlib.util
import os
import shutil
import signal
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metaclip_spark.core.machine import cores, is_in_memory, is_running, machine_bytes
from metaclip_spark.errors import MetaclipError
from metaclip_spark.spark.installation import check_spark_installed

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PYTHON_BYTES = 760 << 20
"""Memory of this process besides Sail's operators: Python, its libraries, a compiled entry list, writers' buffers. So
much was measured at the end of extraction, with a list of 500,000 entries."""
WORKER_BYTES = 350 << 20
"""Memory of a process that extracts: Python, its libraries, the keys and the batches of a split."""
TEXT_BYTES = 1 << 14
"""Bytes of the longest text that extraction keeps by default, in ASCII."""
LEAST_BYTES = 1280 << 20
"""The smallest memory that a session takes. A run over a million rows did not stay within less, whatever the pool."""
ROW_BYTES = 600
"""Memory of a wide row that deduplication holds: a pair of long urls and texts, and the copy of its columns."""
_ROWS_SHARE = 0.35
"""Share of the remaining memory for the rows that deduplication holds, beside the batches of Sail's operators."""
_POOL_SHARE = 0.7
"""Share of the remaining memory that Sail's operators may reserve. They also hold batches without a reservation."""
_PREFIX = "metaclip-spills-"
_M_ARENA_MAX = -8
"""The parameter of glibc's mallopt for the largest number of arenas."""
_CONNECT_MODE = "SPARK_CONNECT_MODE_ENABLED"
"""The variable that tells pyspark's functions to make columns of Spark Connect. pyspark-client makes no others."""


@dataclass
class _Running:
    server: Any
    spark: SparkSession
    spills: Path
    memory: int


_running: _Running | None = None


def is_installed() -> bool:
    """Return whether the packages of the embedded engine are installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("pysail", "deltalake", "grpc"))


def is_embedded(spark: object) -> bool:
    """Return whether a session is the embedded engine's."""
    return _running is not None and spark is _running.spark


def spill_folder() -> str | None:
    """Return the folder for spills of the running engine; None where it does not run."""
    return None if _running is None else str(_running.spills)


def pool_bytes(memory: int) -> int:
    """Return the part of the memory that Sail's operators may reserve. Extraction reserves little.

    Args:
        memory: bytes for all processes together.

    >>> pool_bytes(4 << 30) < 3 << 30
    True
    """
    return int((memory - PYTHON_BYTES) * _POOL_SHARE)


def batch_rows(memory: int, tasks: int) -> int:
    """Return the number of rows of a batch: fewer in little memory, because a batch of long texts is large.

    Each task may hold a batch whose texts are all as long as `--text-cap` allows by default, in an eighth of the memory
    for all tasks. Texts of several bytes per character take up to four times as much.

    >>> batch_rows(4 << 30, 2), batch_rows(LEAST_BYTES, 2), batch_rows(64 << 30, 64)
    (8192, 4096, 8192)
    """
    rows = memory // 8 // max(1, tasks) // TEXT_BYTES
    return int(min(8192, max(1024, 1 << max(0, rows.bit_length() - 1))))


def embedded_session(memory: int | None = None) -> SparkSession:
    """Start the engine in this process, or return its session if it runs.

    Args:
        memory: bytes for all processes together; None: half of the machine's memory, and LEAST_BYTES at least.

    Raises:
        MetaclipError: a package is missing, the memory is too small, or the engine does not start.
    """
    global _running
    if _running is not None:
        return _running.spark
    memory = memory or max(LEAST_BYTES, machine_bytes() // 2)
    if memory < LEAST_BYTES:
        raise MetaclipError(
            f"--memory is {memory >> 20} MB; expected at least {LEAST_BYTES >> 20} (1280m), such as 4g: Python, the "
            "engine and an entry list take most of it."
        )
    check_spark_installed()
    try:
        from pysail.spark import SparkConnectServer
        from pyspark.sql.connect.session import SparkSession
    except ImportError as error:
        raise MetaclipError(
            f"the embedded engine cannot be imported ({error}): it needs pysail, deltalake and pyspark-client."
        ) from error
    _limit_arenas()
    spills = _new_spill_folder()
    try:
        with _environment(_sail_settings(memory, spills)):
            server = SparkConnectServer("127.0.0.1", 0)
            server.start(background=True)
        host, port = server.listening_address
        spark: Any = SparkSession.builder.remote(f"sc://{host}:{port}").create()
        spark.conf.set("spark.sql.session.timeZone", "UTC")
        spark.conf.set("spark.python.sql.dataFrameDebugging.enabled", "false")
    except Exception as error:
        shutil.rmtree(spills, ignore_errors=True)
        raise MetaclipError(f"the embedded engine did not start: {str(error).splitlines()[0]}") from error
    os.environ[_CONNECT_MODE] = "1"
    _keep_interrupts()
    _running = _Running(server, spark, spills, memory)
    atexit.register(stop)
    return _running.spark


def stop() -> None:
    """Stop the engine and remove its spills; do nothing where it does not run."""
    global _running
    running, _running = _running, None
    if running is None:
        return
    os.environ.pop(_CONNECT_MODE, None)
    with contextlib.suppress(Exception):
        running.spark.stop()
    with contextlib.suppress(Exception):
        running.server.stop()
    shutil.rmtree(running.spills, ignore_errors=True)


def workers_at_once() -> int:
    """Return the number of processes that may read sources at the same time: one per core that the memory allows."""
    if _running is None:
        return cores()
    return max(1, min(cores(), (_running.memory - PYTHON_BYTES) // WORKER_BYTES))


def rows_in_memory() -> int:
    """Return the number of wide rows that deduplication may hold at a time in the memory of the running engine."""
    memory = LEAST_BYTES if _running is None else _running.memory
    return int((memory - PYTHON_BYTES) * _ROWS_SHARE) // ROW_BYTES


def remove_spills() -> None:
    """Remove the spills of the running engine, before the process ends without any further step."""
    if _running is not None:
        shutil.rmtree(_running.spills, ignore_errors=True)


def _keep_interrupts() -> None:
    """Take SIGINT back from Sail, which would end its server: a notebook goes on after an interrupted cell."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.getsignal(signal.SIGINT))


def _limit_arenas() -> None:
    """Limit the arenas of glibc's allocator, each of which keeps freed memory: by default eight for each core."""
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, cores())


def _sail_settings(memory: int, spills: Path) -> dict[str, str]:
    """Return Sail's settings as environment variables."""
    return {
        "RUST_LOG": os.environ.get("RUST_LOG", "off"),
        "SAIL_RUNTIME__MEMORY_POOL__TYPE": "fair",
        "SAIL_RUNTIME__MEMORY_POOL__FAIR__MAX_SIZE": str(pool_bytes(memory)),
        "SAIL_RUNTIME__TEMPORARY_FILES__PATHS": f'["{spills}"]',
        "SAIL_RUNTIME__TEMPORARY_FILES__MAX_SIZE": str(1 << 50),
        "SAIL_EXECUTION__DEFAULT_PARALLELISM": str(cores()),
        "SAIL_EXECUTION__BATCH_SIZE": str(batch_rows(memory, cores())),
        # A hash join keeps one side in memory and cannot spill. A sort-merge join can.
        "SAIL_OPTIMIZER__PREFER_HASH_JOIN": "false",
        "SAIL_SPARK__SESSION_TIMEOUT_SECS": str(10 * 24 * 3600),
        # A slice of an array of views keeps the bytes of all rows that it was cut from: a window's input then grows.
        "SAIL_PARQUET__SCHEMA_FORCE_VIEW_TYPES": "false",
        "SAIL_PARQUET__COMPRESSION": '"zstd(1)"',
        "SAIL_PARQUET__MAX_ROW_GROUP_SIZE": str(1 << 17),
        "SAIL_PARQUET__MAXIMUM_PARALLEL_ROW_GROUP_WRITERS": "1",
        # Files of tables are replaced under new names only, but a test or a user may write a file again.
        "SAIL_PARQUET__FILE_STATISTICS_CACHE__TYPE": "none",
        "SAIL_PARQUET__FILE_METADATA_CACHE__TYPE": "none",
    }


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Any:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)


def _new_spill_folder() -> Path:
    """Create a folder for spills, and remove those of processes that were killed."""
    folder = spill_root()
    for left in folder.glob(f"{_PREFIX}*"):
        pid = left.name.removeprefix(_PREFIX).partition("-")[0]
        if pid.isdigit() and not is_running(int(pid)):
            shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=folder))


def spill_root() -> Path:
    """Return where folders for spills are created: $TMPDIR or the system's, or /var/tmp where that is in memory."""
    folder = Path(tempfile.gettempdir())
    disk = Path("/var/tmp")
    chosen = "TMPDIR" in os.environ or not is_in_memory(folder) or not os.access(disk, os.W_OK)
    return folder if chosen else disk
