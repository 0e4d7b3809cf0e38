"""Run a command of metaclip-spark as soon as a file exists, or stop it at a chosen place.

    python at_gate.py '{"gate": "/tmp/go", "words": ["run", ...]}'
    python at_gate.py '{"stop": "after append extracted", "words": ["run", ...]}'
    python at_gate.py '{"stop": "entry of pairs", "words": ["run", ...]}'

A place is a point of crashing.py, or the moment before a table's entry in the log, when the lease was checked already.
There the process gets SIGSTOP, as a machine that is suspended; SIGCONT wakes it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def suspend() -> None:
    """Stop this process until it gets SIGCONT. Its threads, which renew the lease, stop too."""
    os.kill(os.getpid(), signal.SIGSTOP)


@contextlib.contextmanager
def stopping(place: str) -> Iterator[None]:
    """Suspend this process the first time that a command reaches a place."""
    from crashing import watched

    from metaclip_spark.warehouse.delta_rs import DeltaLogs

    done: list[str] = []

    def at(reached: str) -> None:
        if reached == place and not done:
            done.append(reached)
            suspend()

    commit = DeltaLogs.commit

    def stopped(self: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        at(f"entry of {name}")
        return commit(self, name, *args, **kwargs)

    DeltaLogs.commit = stopped  # type: ignore[method-assign]
    with watched(at):
        yield


def main() -> int:
    """Run the command of the first argument."""
    from metaclip_spark.cli import main as command

    given = json.loads(sys.argv[1])
    if "stop" in given:
        with stopping(given["stop"]):
            return command(given["words"])
    import metaclip_spark.commands.curation
    import metaclip_spark.warehouse.lease  # noqa: F401 - what is imported now delays nobody after the gate

    print("ready", file=sys.stderr, flush=True)
    while not Path(given["gate"]).exists():
        time.sleep(0.0005)
    return command(given["words"])


if __name__ == "__main__":
    sys.exit(main())
