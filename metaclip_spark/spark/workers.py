"""Processes of this machine that read sources for a task, so that a source that ends its process ends no task.

The tasks of the embedded engine share one interpreter: all of them read in processes. A task of Spark reads in a
process that it forks, once an earlier attempt at the task has failed.

A task gives a split to a process and gets its record batches back, one at a time: a process waits until its last batch
was taken. So the memory of a split stays bounded, and all cores work.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator
from importlib.abc import MetaPathFinder
from typing import IO, Any

import pyarrow as pa

from metaclip_spark.core.leave import end_with_parent
from metaclip_spark.errors import MetaclipError, WorkerDiedError

Generator = Callable[..., Iterator[pa.RecordBatch]]
_BATCH, _END, _ERROR = b"B", b"E", b"X"
_LENGTH = 8
_ALL: weakref.WeakSet[Workers] = weakref.WeakSet()
_DEATH = re.compile(
    r"Python worker exited unexpectedly|Python worker failed to connect back|^\s*(\w+\.)*(Arrow)?MemoryError", re.M
)
"""What Spark says of a worker that crashed, and the last line of a worker's stack trace."""


class Workers:
    """Processes that run generator functions of this package. They start at the first use, and end with `stop`.

    Args:
        prepare: a function of a module, and its arguments, which each process calls once. Its result is the first
            argument of every function that the process runs.
    """

    def __init__(self, prepare: Callable[..., Any], *arguments: Any) -> None:
        self._start = pickle.dumps((list(sys.path), prepare, arguments), protocol=pickle.HIGHEST_PROTOCOL)
        self._idle: list[subprocess.Popen[bytes]] = []
        self._all: list[subprocess.Popen[bytes]] = []
        self._lock = threading.Lock()
        _ALL.add(self)

    def run(self, function: Generator, *arguments: Any) -> Iterator[pa.RecordBatch]:
        """Yield the batches of a function that runs in a process.

        Raises:
            WorkerDiedError: the process died.
            Exception: the error of the function, as it was raised in the process.
        """
        process = self._take()
        assert process.stdout is not None
        answer = _Answer(process.stdout)
        try:
            assert process.stdin is not None
            _send(process.stdin, _END, pickle.dumps((function, arguments), protocol=pickle.HIGHEST_PROTOCOL))
            yield from answer
        except (EOFError, BrokenPipeError) as error:
            raise WorkerDiedError(_end_of(process)) from error
        finally:
            self._give_back(process, answer.is_read)

    def stop(self) -> None:
        """End all processes; a later `run` starts new ones."""
        with self._lock:
            ended, self._all, self._idle = self._all, [], []
        for process in ended:
            _end(process)

    def _take(self) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._idle:
                return self._idle.pop()
            process = subprocess.Popen(
                [sys.executable, "-c", "from metaclip_spark.spark.workers import serve; serve()"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            )
            self._all.append(process)
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # reading its answer tells why it died
            _send(process.stdin, _END, self._start)
        return process

    def _give_back(self, process: subprocess.Popen[bytes], finished: bool) -> None:
        with self._lock:
            if process in self._all:
                if finished:
                    self._idle.append(process)
                    return
                self._all.remove(process)
        _end(process)


@atexit.register
def stop_all() -> None:
    """End the processes of all `Workers` of this process."""
    for workers in list(_ALL):
        workers.stop()


def is_worker_death(error: BaseException) -> bool:
    """Return whether an error of a Spark job says that a Python worker died, or that it had no memory left."""
    return isinstance(error, WorkerDiedError) or any(map(_DEATH.search, texts_of(error)))


def texts_of(error: BaseException) -> list[str]:
    """Return the texts of an error and of those that it came from."""
    texts: list[str] = []
    link: BaseException | None = error
    seen: set[int] = set()
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        texts.append(f"{type(link).__name__}: {link}")
        link = link.__cause__ or link.__context__
    return texts


def in_fork(function: Generator, *arguments: Any) -> Iterator[pa.RecordBatch]:
    """Yield the batches of a function that runs in a copy of this process.

    Raises:
        WorkerDiedError: the copy died.
        Exception: the error of the function, as it was raised in the copy.
    """
    receiving, sending = os.pipe()
    with warnings.catch_warnings():
        # Python warns of threads, which a copy lacks. Libraries with threads (Arrow, fsspec) know of forks.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if not pid:
        os.close(receiving)
        _answer_and_exit(sending, function, arguments)
    os.close(sending)
    answers = os.fdopen(receiving, "rb")
    answer = _Answer(answers)
    try:
        with answers:
            yield from answer
    except EOFError as error:
        status, pid = _status_of(pid), 0
        raise WorkerDiedError(_said(status)) from error
    finally:
        if pid:
            if not answer.is_read:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            _status_of(pid)


def _answer_and_exit(sending: int, function: Generator, arguments: tuple[Any, ...]) -> None:
    """Run a function in a copy of a process, write its batches to a pipe, and end the copy."""
    status = 1
    try:
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")  # where memory ends, the system ends this process, and no other of the machine
        end_with_parent()
        with os.fdopen(sending, "wb") as answers:
            _answer(answers, lambda: function(*arguments))
        status = 0
    finally:
        os._exit(status)


def _status_of(pid: int) -> int | None:
    """Wait for a child of this process; return its exit status, negative for a signal, or None if it is unknown."""
    try:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except ChildProcessError:  # the parent ignores SIGCHLD
        return None


class _WithoutPandas(MetaPathFinder):
    """Finds no pandas."""

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        if fullname == "pandas":
            raise ModuleNotFoundError(fullname)


def leave_out_pandas() -> None:
    """Let Arrow take pandas as absent in this process, if it has not been imported yet.

    Arrow looks for it at the first value that it makes, and imports it: a fifth of the start of a process that reads
    sources. Do not call this where code of users runs: Arrow would then read a pandas Series as any other sequence.
    """
    if "pandas" not in sys.modules:
        sys.meta_path.insert(0, _WithoutPandas())
        try:
            pa.scalar(0)
        finally:
            del sys.meta_path[0]


def serve() -> None:
    """Run the functions that arrive on standard input; write their batches to standard output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the driver ends its workers
    end_with_parent()
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not be taken for a batch
    prepared: list[Any] = []
    try:
        paths, prepare, given = pickle.loads(_receive(requests)[1])
        sys.path[:] = paths
        function, arguments = pickle.loads(_receive(requests)[1])
    except (EOFError, BrokenPipeError):
        return

    def start() -> Iterator[pa.RecordBatch]:
        nonlocal prepared
        if not prepared:
            prepared = [prepare(*given)]
        yield from function(prepared[0], *arguments)

    while _answer(answers, start):
        try:
            function, arguments = pickle.loads(_receive(requests)[1])
        except (EOFError, BrokenPipeError):
            return


def _answer(answers: IO[bytes], start: Callable[[], Iterator[pa.RecordBatch]]) -> bool:
    """Write the batches of a generator, and its end or its error; return whether somebody reads them."""
    try:
        for batch in start():
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, batch.schema) as stream:
                stream.write_batch(batch)
            _send(answers, _BATCH, sink.getvalue())
        _send(answers, _END, b"")
    except BrokenPipeError:
        return False
    except Exception as error:
        with contextlib.suppress(BrokenPipeError):
            _send(answers, _ERROR, _portable(error))
    return True


class _Answer:
    """The batches of a function that runs in another process, as `_answer` writes them to a pipe.

    Attributes:
        is_read: whether the pipe was read to the end of the answer, so that the process is ready for more.

    Raises:
        EOFError: while it is read, if the process ended before its answer did.
        Exception: the error of the function.
    """

    def __init__(self, pipe: IO[bytes]) -> None:
        self.is_read = False
        self._pipe = pipe

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        while True:
            kind, content = _receive(self._pipe)
            if kind == _BATCH:
                with pa.ipc.open_stream(pa.py_buffer(content)) as stream:
                    yield from stream
                continue
            self.is_read = True
            if kind == _ERROR:
                raise pickle.loads(content)  # our own process wrote it
            return


def _portable(error: Exception) -> bytes:
    """Pickle an error, or its text where it cannot be pickled or read back."""
    try:
        content = pickle.dumps(error)
        pickle.loads(content)
        return content
    except Exception:
        return pickle.dumps(MetaclipError(f"{type(error).__name__}: {error}"))


def _send(stream: IO[bytes], kind: bytes, content: Any) -> None:
    stream.write(kind + len(content).to_bytes(_LENGTH, "little"))
    stream.write(content)
    stream.flush()


def _receive(stream: IO[bytes]) -> tuple[bytes, bytes]:
    head = stream.read(1 + _LENGTH)
    if len(head) < 1 + _LENGTH:
        raise EOFError
    size = int.from_bytes(head[1:], "little")
    content = stream.read(size)
    if len(content) < size:
        raise EOFError
    return head[:1], content


def _end(process: subprocess.Popen[bytes]) -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(5)
        return
    process.kill()
    process.wait()


def _end_of(process: subprocess.Popen[bytes]) -> str:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(5)
    return _said(process.returncode)


def _said(status: int | None) -> str:
    """Return the end of a process in words.

    >>> _said(-11), _said(3)
    ('signal 11', 'exit status 3')
    """
    how = f"signal {-status}" if status is not None and status < 0 else f"exit status {status}"
    return how + (" (often: the machine has no memory left; see --memory)" if status == -9 else "")
