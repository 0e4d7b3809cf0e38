"""Java on this machine: whether it is there, its options, and the output of the JVM that runs Spark."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

from metaclip_spark.core.secrets import masked
from metaclip_spark.errors import MetaclipError
from metaclip_spark.spark.jars import ivy_folder

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SUPPORTED_JAVA = (17, 21)
_JAVA_HINT = (
    "Install one (Debian/Ubuntu: apt-get install openjdk-17-jre-headless; macOS: brew install openjdk@17) "
    "or point JAVA_HOME to it."
)
_FIRST_TIER = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""Options of a JVM that is quick to start and slow in long loops: no optimizing compiler, no threads that collect."""
_TAIL_LINES = 15
_TAIL_BYTES = 1 << 16
_ENDED_ON_REQUEST = (0, 130, 143, -2, -9, -15)
"""Exit statuses of a JVM that this process, or the user, has ended."""


def java_path() -> str | None:
    """Return the path of the java that Spark will start; it may be missing. None: no java is on PATH."""
    home = os.environ.get("JAVA_HOME")
    return os.path.join(home, "bin", "java") if home else shutil.which("java")


def java_options(small: bool, archive: str | None) -> str:
    """Return the options of a JVM that runs Spark on this machine.

    Args:
        small: the work is a few million rows at most, so that starting counts more than long loops.
        archive: an archive of loaded classes; see `class_archive.py`.
    """
    shared = () if archive is None else (f"-XX:SharedArchiveFile={archive}",)
    return " ".join([*shared, *(_FIRST_TIER if small else ())])


def archive_path(class_path: str | None) -> str | None:
    """Return the path of the archive for the installed Java and Spark; None where there is none.

    Args:
        class_path: the JARs that the session adds to Spark's; None: Spark fetches them, which no archive covers.
    """
    if class_path is None:
        return None
    path = archive_place(class_path)
    return None if path is None or not path.is_file() else str(path)


def archive_place(class_path: str) -> Path | None:
    """Return where the archive for the installed Java and Spark belongs; None without Java."""
    import pyspark

    java = java_path()
    if java is None or not os.path.exists(java):
        return None
    java = os.path.realpath(java)
    parts = [java, str(os.stat(java).st_mtime_ns), pyspark.__version__, pyspark.__file__, class_path]
    name = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    return Path(ivy_folder(), "jars", f"metaclip-{name}.jsa").absolute()


def check_java() -> None:
    """Check that Java is installed in a version that Spark supports.

    Raises:
        MetaclipError: Java is missing, or has another version.
    """
    java = java_path()
    home = os.environ.get("JAVA_HOME")
    if not java or not os.access(java, os.X_OK):
        where = f"JAVA_HOME={home} has no bin/java" if home else "no java is on PATH"
        raise MetaclipError(f"Spark needs Java 17 or 21, and {where}. {_JAVA_HINT}")
    output = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(?:1\.)?(\d+)', output)
    version = int(found.group(1)) if found else 0
    if version not in SUPPORTED_JAVA:
        raise MetaclipError(f"Spark needs Java 17 or 21, got {version or output[:80]!r} at {java}. {_JAVA_HINT}")


def started_quietly(start: Callable[[], SparkSession]) -> SparkSession:
    """Start a JVM and a session, with the JVM's output in a file that has no name and ends with this process.

    The output is kept, under a name that the error says, if the start fails. It is also kept if the JVM dies later.

    Raises:
        MetaclipError: Spark does not start.
    """
    log = tempfile.TemporaryFile(prefix="metaclip-spark-")  # noqa: SIM115 - the JVM writes to it as long as it runs
    try:
        with _output_to(log):
            spark = start()
    except Exception as error:
        problem = str(error).partition("\n")[0]
        tail = _content(log).decode(errors="replace").splitlines()[-_TAIL_LINES:]
        kept = _keep(log)
        log.close()
        last = (
            f"The output of Java is kept in {kept}. The first start downloads Delta's JARs from Maven Central, unless "
            "they are cached (METACLIP_IVY)."
        )
        raise MetaclipError("\n".join([f"Spark did not start: {problem}", *tail, last])) from error
    atexit.register(_keep_of_dead_jvm, getattr(spark.sparkContext._gateway, "proc", None), log)
    return spark


def _keep_of_dead_jvm(jvm: subprocess.Popen[bytes] | None, log: IO[bytes]) -> None:
    """Keep the output of a JVM that died before this process ended, and say so. Close the file."""
    if jvm is not None and jvm.poll() not in (None, *_ENDED_ON_REQUEST) and _content(log):
        print(
            f"metaclip-spark: Java ended with status {jvm.poll()}; its output is kept in {_keep(log)}", file=sys.stderr
        )
    log.close()


def _content(log: IO[bytes], limit: int = _TAIL_BYTES) -> bytes:
    """Return the last bytes of the file. Its position stays: the JVM writes there."""
    size = os.fstat(log.fileno()).st_size
    return os.pread(log.fileno(), limit, max(0, size - limit))


def _keep(log: IO[bytes]) -> str:
    """Copy the end of the file to a new private file, and return its path."""
    number, path = tempfile.mkstemp(prefix="metaclip-spark-", suffix=".log")
    with os.fdopen(number, "wb") as kept:
        kept.write(masked(_content(log, 16 << 20).decode(errors="replace")).encode())
    return path


@contextlib.contextmanager
def _output_to(log: IO[bytes]) -> Iterator[None]:
    """Redirect file descriptors 1 and 2 to a file. A JVM that starts meanwhile inherits them."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):  # a program without a console has none
            stream.flush()
    saved = [os.dup(1), os.dup(2)]
    try:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        yield
    finally:
        for number, original in zip((1, 2), saved, strict=True):
            os.dup2(original, number)
            os.close(original)
