"""Failures of the machine and of the engines are one sentence each. The errors' texts were recorded from real ones."""

from __future__ import annotations

import errno
import os
import socketserver
import subprocess
import sys

import pytest

from metaclip_spark.cli import app, failures
from metaclip_spark.cli.failures import cause_of, failure_of, quiet_servers, remember
from metaclip_spark.commands import curation
from metaclip_spark.config.settings import Settings
from metaclip_spark.errors import ConfigError, MetaclipError, WarehouseError

AGAIN = "run the same command again; it continues from the last commit."

WRITE_TO_FULL_DISK = """An error occurred while calling o420.save.
: org.apache.spark.SparkException: [TASK_WRITE_FAILED] Task failed while writing rows to file:{folder}/extracted. \
SQLSTATE: 58030
\tat org.apache.spark.sql.errors.QueryExecutionErrors$.taskFailedWhileWritingRowsError(QueryExecutionErrors.scala:841)
\tat java.base/java.lang.Thread.run(Thread.java:840)
Caused by: org.apache.parquet.util.AutoCloseables$ParquetCloseResourceException: Unable to close resource
\tat org.apache.parquet.util.AutoCloseables.uncheckedClose(AutoCloseables.java:85)
Caused by: org.apache.hadoop.fs.FSError: java.io.IOException: No space left on device
\t... 23 more
"""
JARS_TO_FULL_DISK = """An error occurred while calling None.org.apache.spark.api.java.JavaSparkContext.
: java.nio.file.FileSystemException: /home/u/.ivy2/jars/io.delta.jar -> {folder}/spark-9c0bfe9a/io.delta.jar: \
No space left on device
\tat java.base/sun.nio.fs.UnixException.translateToIOException(UnixException.java:100)
"""
SAIL_TO_FULL_DISK = (
    "Failed to write file: Generic LocalFileSystem error: Unable to copy data to file: No space left on device (os "
    "error 28)"
)
DELTA_TO_FULL_DISK = (
    "Failed to parse parquet: External: Generic LocalFileSystem error: Unable to copy data to file: No space left on "
    "device (os error 28)"
)
WORKER_TO_FULL_DISK = """
  An exception was thrown from the Python worker. Please see the stack trace below.
Traceback (most recent call last):
  File "worker.py", line 24, in boom
OSError: [Errno 28] No space left on device: '{folder}/x'
"""
SPILLS = (
    "Resources exhausted: The used disk space during the spilling process has exceeded the allowable limit of 100.0 "
    "GB. Please try increasing the config: `datafusion.runtime.max_temp_directory_size`."
)


class Py4JJavaError(Exception):
    """An error with the name of Py4J's; its text may be that of a Java stack trace."""


class Py4JNetworkError(Exception):
    """An error with the name of Py4J's."""

    __module__ = "py4j.protocol"


class SparkConnectGrpcException(Exception):
    """An error with the name of Spark Connect's."""


class Rendezvous(Exception):
    """An error of a lost call."""

    __module__ = "grpc._channel"


class Captured(Exception):
    """An error of pyspark, which keeps the Java stack trace apart."""

    def __init__(self, text: str, trace: str) -> None:
        super().__init__(text)
        self._stackTrace = trace


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of a warehouse, in the settings of the command."""
    monkeypatch.setattr(failures, "_LAST", [])
    monkeypatch.delenv("SPARK_LOCAL_DIRS", raising=False)
    monkeypatch.setattr(failures.tempfile, "gettempdir", lambda: str(tmp_path / "temporary"))
    monkeypatch.setattr(failures, "_usage", lambda folder: (100_000, 12_000_000))
    place = tmp_path / "warehouse"
    place.mkdir()
    remember(Settings(warehouse=str(place)))
    return place


def chained(*errors: BaseException) -> BaseException:
    """Return the last of some errors; each has the one before it as its context."""
    for before, after in zip(errors, errors[1:], strict=False):
        after.__context__ = before
    return errors[-1]


@pytest.mark.parametrize(
    "error",
    [
        lambda at: OSError(errno.ENOSPC, "No space left on device", f"{at}/a"),
        lambda at: Py4JJavaError(WRITE_TO_FULL_DISK.format(folder=at)),
        lambda at: Captured("[TASK_WRITE_FAILED] Task failed", WRITE_TO_FULL_DISK.format(folder=at)),
        lambda at: RuntimeError(SAIL_TO_FULL_DISK),
        lambda at: Exception(DELTA_TO_FULL_DISK),
        lambda at: RuntimeError(WORKER_TO_FULL_DISK.format(folder=at)),
        lambda at: chained(OSError(errno.ENOSPC, "No space left on device", f"{at}/a"), Py4JJavaError("o64.sql")),
    ],
    ids=["python", "spark", "captured", "sail", "delta-rs", "worker", "hidden by a later error"],
)
def test_a_full_disk(folder, error):
    """The sentence names the warehouse, its free bytes, and what to do, on both engines."""
    assert failure_of(error(folder)) == (
        f"no space was left on the disk of the warehouse ({folder}): 100.0 kB of 12.0 MB are free. Free space there, "
        f"or name a folder on a larger disk (--warehouse), and {AGAIN}",
        1,
    )


def test_a_disk_that_was_full_has_space_again(folder, monkeypatch):
    """An engine removes what it could not write to the end, so the number of free bytes needs a word."""
    monkeypatch.setattr(failures, "_usage", lambda folder: (6_000_000, 12_000_000))
    failure = failure_of(OSError(errno.ENOSPC, "No space left on device", f"{folder}/a"))
    assert failure is not None
    assert "6.0 MB of 12.0 MB are free again, since the unfinished files were removed. Free space" in failure.sentence


def test_a_full_scratch_folder(folder, tmp_path, monkeypatch):
    """The folder is Spark's for temporary files: named by the error, or the one with the fewest free bytes."""
    scratch = tmp_path / "scratch"
    remember(Settings(warehouse=str(folder), spark={"spark.local.dir": str(scratch)}))
    error = Py4JJavaError(JARS_TO_FULL_DISK.format(folder=scratch))
    wanted = f"no space was left on the disk of Spark's temporary files ({scratch}): "
    failure = failure_of(error)
    assert failure is not None
    assert failure.sentence.startswith(wanted)
    assert "(--spark spark.local.dir=FOLDER)" in failure.sentence
    free = {str(folder): 5_000, str(scratch): 0}
    monkeypatch.setattr(failures, "_usage", lambda at: (free.get(str(at), 9_999), 12_000_000))
    failure = failure_of(Py4JJavaError("x\n: java.io.IOException: No space left on device"))
    assert failure is not None
    assert failure.sentence.startswith(wanted)
    assert failure_of(RuntimeError(SPILLS)) == failure


def test_a_real_full_disk(monkeypatch):
    """The kernel's own error, of the device that is always full."""
    monkeypatch.setattr(failures, "_LAST", [])
    full = os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(OSError, match="No space left") as raised:
        os.write(full, b"x")
    os.close(full)
    failure = failure_of(raised.value)
    assert failure is not None
    assert failure.sentence.startswith("no space was left on the disk of temporary files (")
    assert failure.sentence.endswith("and run the same command again.")


@pytest.mark.parametrize(
    ("error", "start"),
    [
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "the disk quota of this user is used up at "),
        (OSError(errno.EROFS, "Read-only file system"), "the warehouse (X) is on a file system that is mounted read-"),
        (RuntimeError("java.io.IOException: Read-only file system"), "the warehouse (X) is on a file system that is"),
        (OSError(errno.EIO, "Input/output error"), "the disk of the warehouse (X) reports an input/output error"),
        (OSError(errno.EMFILE, "Too many open files"), "too many files are open: this process may open "),
        (PermissionError(errno.EACCES, "Permission denied", "/x/y"), "permission denied: this user ("),
        (RuntimeError("java.nio.file.AccessDeniedException: /x/y\n\tat z"), "permission denied: this user ("),
        (MemoryError(), "a Python process has no memory left. "),
        (RuntimeError("Traceback\nMemoryError\n"), "a Python process has no memory left. "),
        (RuntimeError("ArrowMemoryError: malloc of size 64 failed"), "a Python process has no memory left. "),
        (
            Py4JJavaError("x\n: java.lang.OutOfMemoryError: Java heap space"),
            "Spark's Java process has no memory left. ",
        ),
        (
            RuntimeError("Resources exhausted: Failed to allocate additional 8.0 MB for HashJoinInput[0]"),
            "the embedded engine has no memory left. Give it more (--memory 8g), and ",
        ),
        (
            RuntimeError("Generic S3 error: Client error with status 403 Forbidden: <Code>AccessDenied</Code>."),
            "the object store refuses access: RuntimeError: Generic S3 error: Client error with status 403 Forbidden",
        ),
        (
            RuntimeError(
                "Generic S3 error: Error performing GET http://x/ in 3s, after 10 retries: error sending request"
            ),
            "the object store does not answer: RuntimeError: Generic S3 error: Error performing GET",
        ),
    ],
    ids=lambda value: str(value)[:30],
)
def test_other_failures(folder, error, start):
    """Each has a sentence of its own, which ends with what to do."""
    failure = failure_of(error)
    assert failure is not None
    assert failure.status == 1
    assert failure.sentence.startswith(start.replace("X", str(folder)))
    assert failure.sentence.endswith(AGAIN)
    assert "\n" not in failure.sentence
    if "permission" in start:
        assert "may not read or write /x/y. " in failure.sentence


def test_a_java_process_that_died(folder):
    """After it, Py4J cannot even connect: the error of the command is a refused connection."""
    error = chained(Py4JNetworkError("Answer from Java side is empty"), ConnectionRefusedError(111, "refused"))
    failure = failure_of(error)
    assert failure is not None
    assert failure.sentence.startswith("the connection to Spark is lost: its Java process has ended. ")
    assert failure.sentence.endswith(AGAIN)
    assert failure_of(ConnectionRefusedError(111, "refused")) is None
    out_of_memory = chained(Py4JJavaError("x\n: java.lang.OutOfMemoryError: Java heap space"), error.__context__, error)
    failure = failure_of(out_of_memory)
    assert failure is not None
    assert failure.sentence.startswith("Spark's Java process has no memory left.")


@pytest.mark.parametrize(
    "error",
    [
        Rendezvous("<_MultiThreadedRendezvous of RPC that terminated with:\n\tstatus = StatusCode.UNAVAILABLE\n>"),
        SparkConnectGrpcException("<_InactiveRpcError>: failed to connect to all addresses; last error: UNKNOWN"),
        SparkConnectGrpcException("[INVALID_HANDLE.SESSION_NOT_FOUND] The handle 1 is invalid. Session not found."),
        chained(Rendezvous("StatusCode.UNAVAILABLE: Socket closed"), KeyError("a")),
    ],
)
def test_a_server_that_died(folder, error):
    """The server of --remote is named without its token; the embedded engine has no address to name."""
    failure = failure_of(error)
    assert failure is not None
    assert failure.sentence == f"the connection to the engine is lost: its server has ended. To go on, {AGAIN}"
    remember(Settings(warehouse="s3://b/w", remote="sc://host:15002/;token=secret"))
    failure = failure_of(error)
    assert failure is not None
    assert failure.sentence.startswith("the connection to the Spark Connect server at sc://host:15002/ is lost: ")
    assert "secret" not in failure.sentence


@pytest.mark.parametrize(
    "text",
    [
        "x\n: org.apache.spark.SparkException: Job 4 cancelled because SparkContext was shut down\n\tat y",
        "x\n: org.apache.spark.SparkException: Job 4 cancelled as part of cancellation of all jobs",
        "[OPERATION_CANCELED] Operation has been canceled. SQLSTATE: HY008",
        "org.apache.spark.SparkException: Job aborted.\nCaused by: java.lang.InterruptedException",
        "invalid argument: operation not found: 9c320609-cef0-4fe7-bf21-d03b05dd7ff0",
    ],
)
def test_an_interrupt_that_the_engine_reports(folder, text):
    """It has the exit status of an interrupt."""
    assert failure_of(RuntimeError(text)) == (
        f"interrupted: the engine reports that the work was cancelled. To go on, {AGAIN}",
        130,
    )


def test_errors_of_this_package_keep_their_sentence_unless_the_machine_failed(folder):
    """They name the flag to change. A full disk below them is what to mend."""

    def caused(error: Exception, cause: Exception) -> Exception:
        error.__cause__ = cause
        return error

    denied = PermissionError(errno.EACCES, "Permission denied", "/x")
    assert failure_of(caused(WarehouseError("report /x cannot be written: give another --output."), denied)) is None
    assert failure_of(caused(MetaclipError("No server answers."), Rendezvous("UNAVAILABLE"))) is None
    full = caused(MetaclipError("Spark did not start: An error"), RuntimeError(JARS_TO_FULL_DISK.format(folder=folder)))
    failure = failure_of(full)
    assert failure is not None
    assert failure.sentence.startswith("no space was left")


@pytest.mark.parametrize(
    ("error", "status", "start"),
    [
        (Py4JJavaError(WRITE_TO_FULL_DISK.format(folder="/w")), 1, "no space was left on the disk of "),
        (RuntimeError("Job 4 cancelled because SparkContext was shut down"), 130, "interrupted: "),
        (
            Py4JJavaError(
                "An error occurred while calling o1.x.\n: java.lang.A: b\n\tat c\nCaused by: java.lang.D: e\n"
            ),
            1,
            "failed: Py4JJavaError: java.lang.D: e (--debug shows the stack trace).",
        ),
        (ConfigError("wrong."), 2, "wrong."),
    ],
)
def test_a_command_prints_the_sentence_alone(monkeypatch, capsys, error, status, start):
    """No line of a Java stack trace is printed without --debug."""

    def fail(*args):
        raise error

    monkeypatch.setattr(curation, "run", fail)
    assert app.main(["run", "--warehouse", "w"]) == status
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"metaclip-spark: {start}")
    assert app.main(["run", "--debug"]) == status
    assert "Traceback (most recent call last)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("odd\nsecond", "odd"),
        ("An error occurred while calling o1.x.\n: java.lang.A: b\n\tat c", "java.lang.A: b"),
        ("x\nCaused by: a.B: c\nCaused by: a.D: e\n\tat f", "a.D: e"),
        ("x\nCaused by: a.B: c\nValueError: mine", "ValueError: mine"),
        ("", ""),
    ],
)
def test_the_cause_of_another_error(text, cause):
    """Python's own error is nearest to the user's function, then Java's last cause."""
    assert cause_of(RuntimeError(text)) == f"RuntimeError: {cause}"


def test_an_error_whose_text_cannot_be_read(folder):
    """Py4J asks the JVM for the text of a Java error, and the JVM may have died."""

    class Unreadable(Exception):
        def __str__(self) -> str:
            raise Py4JNetworkError("no answer")

    assert cause_of(Unreadable()) == "Unreadable: "
    failure = failure_of(chained(Py4JNetworkError("Answer from Java side is empty"), Unreadable()))
    assert failure is not None
    assert "its Java process has ended" in failure.sentence


def test_the_servers_of_pyspark_are_quiet_while_a_command_runs():
    """They print a stack trace each when the JVM has died; afterwards they are as before."""
    before = socketserver.BaseServer.handle_error
    with quiet_servers():
        assert socketserver.BaseServer.handle_error is not before
    assert socketserver.BaseServer.handle_error is before


def test_a_process_with_an_idle_pool_of_threads_ends(tmp_path):
    """After a failure, a library may leave its pool of threads open; the process still ends with its status."""
    code = (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "pool = ThreadPoolExecutor(1)\n"
        "pool.submit(print, 'worked').result()\n"
        "from metaclip_spark.core.leave import leave\n"
        "leave(3)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=240)
    assert (ended.returncode, ended.stdout) == (3, "worked\n")
