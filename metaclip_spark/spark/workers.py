"""Processes of this machine that read sources for the embedded engine, whose tasks share one interpreter.

A task gives a split to a process and gets its record batches back, one at a time: a process waits until its last batch
was taken. So the memory of a split stays bounded, and all cores work.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import pickle
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import IO, Any

import pyarrow as pa

from metaclip_spark.errors import MetaclipError

Generator = Callable[..., Iterator[pa.RecordBatch]]
_BATCH, _END, _ERROR = b"B", b"E", b"X"
_LENGTH = 8
_ALL: weakref.WeakSet[Workers] = weakref.WeakSet()
_WATCH_SECONDS = 1.0


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
            MetaclipError: the process died.
            Exception: the error of the function, as it was raised in the process.
        """
        process = self._take()
        finished = False
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            _send(process.stdin, _END, pickle.dumps((function, arguments), protocol=pickle.HIGHEST_PROTOCOL))
            while True:
                kind, content = _receive(process.stdout)
                if kind == _BATCH:
                    with pa.ipc.open_stream(pa.py_buffer(content)) as stream:
                        yield from stream
                    continue
                finished = True
                if kind == _ERROR:
                    raise pickle.loads(content)  # our own process wrote it
                return
        except (EOFError, BrokenPipeError) as error:
            raise MetaclipError(_death(process)) from error
        finally:
            self._give_back(process, finished)

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


def serve() -> None:
    """Run the functions that arrive on standard input; write their batches to standard output."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the driver ends its workers
    _end_with_driver()
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not be taken for a batch
    prepared: Any = None
    try:
        paths, prepare, given = pickle.loads(_receive(requests)[1])
        sys.path[:] = paths
        function, arguments = pickle.loads(_receive(requests)[1])
    except (EOFError, BrokenPipeError):
        return
    first = True
    while True:
        try:
            if first:
                prepared, first = prepare(*given), False
            for batch in function(prepared, *arguments):
                sink = pa.BufferOutputStream()
                with pa.ipc.new_stream(sink, batch.schema) as stream:
                    stream.write_batch(batch)
                _send(answers, _BATCH, sink.getvalue())
            _send(answers, _END, b"")
        except BrokenPipeError:
            return
        except Exception as error:
            with contextlib.suppress(BrokenPipeError):
                _send(answers, _ERROR, _portable(error))
        try:
            function, arguments = pickle.loads(_receive(requests)[1])
        except (EOFError, BrokenPipeError):
            return


def _portable(error: Exception) -> bytes:
    """Pickle an error, or its text where it cannot be pickled or read back."""
    try:
        content = pickle.dumps(error)
        pickle.loads(content)
        return content
    except Exception:
        return pickle.dumps(MetaclipError(f"{type(error).__name__}: {error}"))


def _end_with_driver() -> None:
    """End this process when the driver has died, even while it works on a batch."""
    driver = os.getppid()

    def watch() -> None:
        while os.getppid() == driver:
            time.sleep(_WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


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


def _death(process: subprocess.Popen[bytes]) -> str:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(5)
    status = process.returncode
    how = f"signal {-status}" if status is not None and status < 0 else f"exit status {status}"
    memory = " (often: the machine has no memory left; see --memory)" if status == -9 else ""
    return f"a process that reads sources died: {how}{memory}. Run the same command again to go on."
