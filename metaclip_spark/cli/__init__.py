"""The command line: flags, help texts, and the program."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

__all__ = ["main", "program"]


def program() -> NoReturn:
    """Run the command of this process, then end the process in order."""
    from metaclip_spark.core.leave import leave

    leave(main())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status (0 done, 1 failed, 2 wrong usage, 3 incomplete, 130 interrupted).

    Signals are handled before the rest of the package is imported, because that takes a second.
    """
    from metaclip_spark.cli.interrupts import STATUS, Interrupts

    words = list(sys.argv[1:] if arguments is None else arguments)
    debug, status = "--debug" in words, 1
    interrupts = Interrupts(quiet=not debug)
    try:
        with interrupts:
            from metaclip_spark.cli import app

            status = app.main(words)
    except BaseException:
        if not interrupts.requested:
            raise
    if not interrupts.requested:
        return status
    if not (debug and status == STATUS):  # with --debug, the command has said it
        interrupts.say()
    return STATUS
