"""Compile what a command will need in the background, from its first moment: on a new machine, nothing is compiled yet.

The command goes on: it imports, loads the list, starts Spark. Kernels are shared with it and with its workers
(`core/jit.py`): whoever needs one that is being compiled waits for it, and takes it from the cache.
"""

from __future__ import annotations

import atexit
import contextlib
import subprocess
import sys
from collections.abc import Iterable

from metaclip_spark.config.settings import Settings
from metaclip_spark.core.jit import is_compiled
from metaclip_spark.core.machine import cores
from metaclip_spark.sources.kinds import format_of

_PROCESSES = 2
"""Most kernels contain others, so more processes would mostly wait for each other."""
_PARTS = {"wat": "wat", "warc": "warc", "parquet": "tables", "tsv": "tables", "csv": "tables", "jsonl": "tables"}

_started: list[subprocess.Popen[bytes]] = []


def compile_ahead(settings: Settings) -> None:
    """Start to compile, where the machine has no compiled kernels for these settings yet.

    A process that runs several commands, such as a notebook, starts no more while those of the last one compile.
    """
    if any(process.poll() is None for process in _started):
        return
    parts = [part for part in parts_of(settings) if not is_compiled(part)]
    if not parts:
        return
    # They take the parts from both ends, and meet in the middle.
    for order in (parts, parts[::-1])[: min(_PROCESSES, cores())]:
        with contextlib.suppress(OSError):  # then the workers compile
            process = subprocess.Popen(
                [sys.executable, "-m", "metaclip_spark.warmup", "--with-parent", *order],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            _started.append(process)
            atexit.register(_end, process)


def parts_of(settings: Settings) -> list[str]:
    """Return the parts of `warmup` that reading these sources needs; of a folder, its files are not looked for."""
    formats: Iterable[str | None] = [settings.format] if settings.crawl else map(format_of, settings.input)
    kinds = dict.fromkeys(_PARTS[kind] for kind in formats if kind is not None)
    matched = ["lists"] if settings.worldwide else ["match"] if settings.metadata else []
    identified = [] if settings.no_lid or settings.lang_column else ["language"]
    return [*matched, *identified, *kinds, "hosts"]


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
