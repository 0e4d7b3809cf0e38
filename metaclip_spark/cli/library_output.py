"""Hide secrets and controls in what libraries print by themselves: log records, warnings, and errors of threads."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator
from typing import Any

from metaclip_spark.core.secrets import masked
from metaclip_spark.core.wording import visible_lines


class _Printed(logging.Handler):
    """Python's last resort for records that no handler takes, without secrets."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record on stderr."""
        print(visible_lines(masked(self.format(record))), file=sys.stderr)


@contextlib.contextmanager
def libraries_hide_secrets() -> Iterator[None]:
    """Hide secrets in what libraries print on stderr while the body runs.

    Handlers of logging that a program has set are its own.
    """
    last, shown = logging.lastResort, warnings.formatwarning
    hooks = threading.excepthook, sys.unraisablehook

    def format_warning(*args: Any, **more: Any) -> str:
        return visible_lines(masked(shown(*args, **more)))

    logging.lastResort = _Printed(logging.WARNING)  # type: ignore[assignment]  # typed as what Python sets itself
    warnings.formatwarning = format_warning
    threading.excepthook, sys.unraisablehook = _of_thread, _of_object
    try:
        yield
    finally:
        logging.lastResort, warnings.formatwarning = last, shown
        threading.excepthook, sys.unraisablehook = hooks


def _of_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_type is not SystemExit:
        _print(f"Exception in thread {args.thread.name if args.thread is not None else '?'}:", args.exc_value)


def _of_object(args: sys.UnraisableHookArgs) -> None:
    _print(f"{args.err_msg or 'Exception ignored in'}: {args.object!r}", args.exc_value)


def _print(head: str, error: BaseException | None) -> None:
    lines = [] if error is None else traceback.format_exception(error)
    print(visible_lines(masked("".join([head, "\n", *lines]))), end="", file=sys.stderr)
