"""This machine: its memory, its cores, its processes; and sizes as users write them."""

from __future__ import annotations

import os
import re
from pathlib import Path

from metaclip_spark.errors import ConfigError

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_ASSUMED = 4 << 30


def machine_bytes() -> int:
    """Return the memory that this process may use: the machine's, or the container's if it has a limit."""
    try:
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        whole = _ASSUMED
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            with open(name, encoding="ascii") as file:
                limit = file.read().strip()
        except OSError:
            continue
        if limit.isdigit():
            whole = min(whole, int(limit))
    return whole


def cores() -> int:
    """Return the number of cores that this process may use."""
    try:
        return max(1, len(os.sched_getaffinity(0)))
    except AttributeError:
        return os.cpu_count() or 1


def is_running(pid: int) -> bool:
    """Return whether a process of this machine runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def is_in_memory(folder: Path, mounts: Path = Path("/proc/mounts")) -> bool:
    """Return whether a folder lies on a file system in memory, such as tmpfs. What is written there takes memory."""
    place = folder.resolve()
    try:
        lines = [line.split() for line in mounts.read_text().splitlines()]
    except OSError:
        return False
    holding = [(line[1], line[2]) for line in lines if place.is_relative_to(line[1])]
    return bool(holding) and max(holding, key=lambda one: len(one[0]))[1] in ("tmpfs", "ramfs")


def size_in_bytes(text: str, flag: str) -> int:
    """Return a size such as 4g, 512m or 1.5GB in bytes; the units are powers of 1024.

    Raises:
        ConfigError: the text is no size; the error names the flag.

    >>> size_in_bytes("1.5GB", "--memory")
    1610612736
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?\s*", text, re.IGNORECASE)
    if found is None or not float(found[1]):
        raise ConfigError(f"{flag} takes a size such as 4g or 512m, got {text!r}.")
    return int(float(found[1]) * _UNITS[found[2].lower()])
