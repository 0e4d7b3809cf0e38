"""End the program at Ctrl-C (SIGINT) or SIGTERM: with one sentence, status 130, and within seconds.

The first signal raises KeyboardInterrupt in the main thread, so the command can stop its Spark jobs, log the end of its
attempt and release its lease. A thread watches meanwhile. It ends the process after `GRACE` seconds, whatever the main
thread waits for, and at once after a second signal. What libraries write to stderr while they are being stopped is
dropped.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import os
import select
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

STATUS = 130
"""The exit status of an interrupted command."""
REASON = "interrupted; the same command continues from the last commit."
SENTENCE = f"metaclip-spark: {REASON}"
GRACE = 5.0
"""Seconds from the first signal until the process ends without waiting for the command any longer."""
CHILDREN = 2.0
"""Further seconds that the processes that this one started (the JVM) have to end, before they are killed."""
GOES_ON = 1.0
"""Seconds after which a program that still runs has more to do than to end. It may write to stderr again."""
REPEATED = 0.5
"""Seconds within which a second signal is the first one again: a sender may name the process and its group."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_DEFAULTS = (signal.default_int_handler, signal.SIG_DFL)
_SHOW_CURSOR = b"\r\x1b[2K\x1b[?25h"
"""Clear the line of a progress bar, which is dropped before it can do so."""


class Interrupts:
    """The handling of signals while a command runs.

    A shell of Python keeps its own handling, and a handler that a program has installed before stays. Then, and outside
    the main thread, this does nothing.

    Args:
        quiet: drop what is written to stderr after the first signal.
    """

    def __init__(self, quiet: bool = True) -> None:
        self.requested = False
        self._quiet = quiet
        self._said = False
        self._first, self._number = 0.0, 0
        self._before: dict[int, Any] = {}
        self._left = self._again = False
        self._leaving = threading.Lock()

    def __enter__(self) -> Interrupts:
        if hasattr(sys, "ps1") or threading.current_thread() is not threading.main_thread():
            return self
        taken = [number for number in _SIGNALS if signal.getsignal(number) in _DEFAULTS]
        if not taken:
            return self
        self._stderr, self._stderr_before = os.dup(2), sys.stderr
        self._bytes, self._wakeup = socket.socketpair()
        self._wakeup.setblocking(False)
        self._before_fd = signal.set_wakeup_fd(self._wakeup.fileno(), warn_on_full_buffer=False)
        self._before_hook = sys.unraisablehook
        self._before = {number: signal.signal(number, self._handle) for number in taken}
        _ACTIVE.append(self)
        threading.Thread(target=self._watch, name="interrupts", daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if not self._before:
            return
        self._left = True
        with self._leaving:
            pass  # from here on, no thread interrupts the main thread again
        for number, handler in self._before.items():
            signal.signal(number, handler)
        sys.unraisablehook = self._before_hook
        signal.set_wakeup_fd(self._before_fd)
        _ACTIVE.remove(self)
        with contextlib.suppress(OSError):  # the thread has ended already
            self._wakeup.send(b"\0")

    def leave_in_child(self) -> None:
        """Give a forked child the handling of before: its signals are its own, and this process does not watch it."""
        signal.set_wakeup_fd(-1)  # first: the inherited one wakes the parent
        for number, handler in self._before.items():
            signal.signal(number, handler)
        sys.unraisablehook = self._before_hook
        self._left, self._before = True, {}  # there is nothing to restore at the end of the block
        self._bytes.close()
        self._wakeup.close()

    def say(self) -> None:
        """Print the sentence, once."""
        if self._said:
            return
        self._said = True
        with contextlib.suppress(OSError):
            os.write(self._stderr, (_SHOW_CURSOR if os.isatty(self._stderr) else b"") + SENTENCE.encode() + b"\n")

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._left:
            return
        if self.requested and not self._again:
            if time.monotonic() - self._first > REPEATED:
                self._end()
            return
        self._again = False
        if not self.requested:
            self.requested, self._first, self._number = True, time.monotonic(), number
            atexit.register(self._end_children)
        sys.unraisablehook = self._raise_again
        if self._quiet:
            self._mute()
        raise KeyboardInterrupt(f"interrupted by {signal.Signals(number).name}")

    def _raise_again(self, lost: Any) -> None:
        """Interrupt the main thread again, where Python lost the exception: a finalizer or a callback cannot raise."""
        if issubclass(lost.exc_type, KeyboardInterrupt):
            threading.Timer(0.05, self._interrupt_again).start()  # here, it would be lost again

    def _interrupt_again(self) -> None:
        with self._leaving:
            if not self._left:
                self._again = True
                signal.pthread_kill(threading.main_thread().ident or 0, self._number)  # also ends a wait

    def _watch(self) -> None:
        """End the process at the second signal, or when the time is over.

        Signals arrive as bytes, so they are seen even while the main thread runs no Python code.
        """
        first = 0.0
        while True:
            wait = first + GRACE - time.monotonic() if first else None
            if not select.select([self._bytes], [], [], wait and max(0.0, wait))[0]:
                self._end()
            numbers = self._bytes.recv(64)
            now = time.monotonic()
            if self._left:
                break
            if any(number in self._before for number in numbers):
                if first and now - first > REPEATED:
                    self._end()
                first = first or now
        if not self.requested:
            self._bytes.close()
            self._wakeup.close()
            os.close(self._stderr)
            return
        # The command has ended; the process may not, e.g. because a thread of a library waits for the network.
        threading.main_thread().join(GOES_ON)
        if threading.main_thread().is_alive():
            if self._quiet:
                self._unmute()
            threading.main_thread().join()
            if self._quiet:
                self._mute()
        time.sleep(max(1.0, self._first + GRACE - time.monotonic()))
        self._end()

    def _end(self) -> None:
        """End the process at once."""
        self.say()
        self._end_children()
        _remove_spills()
        os._exit(STATUS)

    def _end_children(self) -> None:
        end_children(self._first + GRACE + CHILDREN - time.monotonic())

    def _mute(self) -> None:
        """Drop what this process writes to stderr from now on."""
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, 2)
        os.close(sink)
        sys.stderr = io.StringIO()

    def _unmute(self) -> None:
        sys.stderr = self._stderr_before
        os.dup2(self._stderr, 2)


_ACTIVE: list[Interrupts] = []
"""Those that handle the signals of this process."""


def _leave_in_child() -> None:
    while _ACTIVE:
        _ACTIVE.pop().leave_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_in_child)


def end_children(seconds: float) -> None:
    """End the processes that this process has started; kill those that need more than these seconds."""
    deadline = time.monotonic() + max(1.0, seconds)
    children = _children()
    for pid in children:
        _send(pid, signal.SIGTERM)
    while time.monotonic() < deadline and any(_runs(pid) for pid in children):
        time.sleep(0.02)
    for pid in children:
        if _runs(pid):
            _send(pid, signal.SIGKILL)


def _remove_spills() -> None:
    """Remove the spills of the embedded engine, if this process has imported it."""
    embedded = sys.modules.get("metaclip_spark.spark.embedded")
    if embedded is not None:
        embedded.remove_spills()


def _children() -> list[int]:
    """Return the child processes of this process; none on a system without /proc, where the JVM ends by itself."""
    return [int(path.name) for path in Path("/proc").glob("[0-9]*") if _stat(path)[1:2] == [str(os.getpid())]]


def _runs(pid: int) -> bool:
    return _stat(Path(f"/proc/{pid}"))[:1] not in ([], ["Z"])


def _stat(process: Path) -> list[str]:
    """Return the state and the parent of a process; empty where it has ended."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[:2]
    except OSError:
        return []


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
