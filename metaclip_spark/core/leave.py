"""The end of a process."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from typing import NoReturn

_WATCH_SECONDS = 1.0


def leave(status: int) -> NoReturn:
    """End this process with a status, after all that is registered for its end.

    The threads of native libraries (Sail, delta-rs, gRPC, Arrow) may still run while the interpreter is taken down. One
    that comes back for its lock then aborts the process, whose status would say that the command failed.
    """
    # As the interpreter does at its end: pools of threads are told to stop first, or their idle threads wait forever.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # the reader of a pipe has gone, or the stream is closed
            status = status or 1
    os._exit(status)


def end_with_parent() -> None:
    """End this process when the one that started it has died, even while it works."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
