"""A version of a local table that the embedded engine reads, whatever is committed to the table later.

Sail 0.7 finds no version before the last checkpoint: it lists the log from the version before the wanted one on, misses
the commits before that, and fails. So it reads a folder whose log ends with the version. The folder has links to the
table's data, and no copy of it.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import tempfile
from pathlib import Path

_LOG = "_delta_log"
_VERSIONS = re.compile(r"(\d{20})\.(?:(\d{20})\.compacted\.)?")
"""The start of the name of a file in a log: its version, or its first and its last one."""
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint\.parquet")


@functools.cache
def pinned(table: str, version: int, parent: Path) -> str:
    """Return a new folder that holds a table at a version.

    Args:
        table: an absolute path of the table.
        version: one that the log still has.
        parent: the folder of the new one, which is deleted when this process ends.
    """
    folder = Path(tempfile.mkdtemp(prefix="version-", dir=parent))
    (folder / _LOG).mkdir()
    for entry in os.scandir(table):
        if entry.name != _LOG:
            (folder / entry.name).symlink_to(entry.path)
    for path in _log_until(os.path.join(table, _LOG), version):
        _link(path, folder / _LOG)
    return str(folder)


def _log_until(log: str, version: int) -> list[str]:
    """Return the files of a log from the last checkpoint to a version."""
    names = os.listdir(log)
    checkpoints = (int(found[1]) for found in map(_CHECKPOINT.fullmatch, names) if found)
    first = max((number for number in checkpoints if number <= version), default=0)
    spans = [(name, found) for name in names if (found := _VERSIONS.match(name))]
    return [
        os.path.join(log, name)
        for name, found in spans
        if int(found[1]) >= first and int(found[2] or found[1]) <= version
    ]


def _link(path: str, folder: Path) -> None:
    """Let a file of a log be in another folder too, also after another tool has removed it from the log."""
    place = folder / os.path.basename(path)
    with contextlib.suppress(FileNotFoundError):  # removed since it was listed: it is older than the log's retention
        try:
            os.link(path, place)
        except OSError:  # another disk, or a file of another user
            shutil.copyfile(path, place)
