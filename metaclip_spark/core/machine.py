"""This machine: its memory, its cores, its processes; and sizes as users write them."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import os
import platform
import re
from collections.abc import Iterator
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


def kind_of_processor() -> str:
    """Return the model and the instructions of the processor, as far as the system tells them."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    first = lines[: lines.index("")] if "" in lines else lines
    return " ".join(line for line in first if line.startswith(("model name", "flags", "Features", "CPU part")))


@contextlib.contextmanager
def machine_lock(folder: Path, name: str) -> Iterator[None]:
    """Hold a lock of this machine. It ends with its process. Where a folder has no locks, nothing is locked."""
    try:
        file = _lock_file(folder)
        place = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest(), "little")
        fcntl.lockf(file, fcntl.LOCK_EX, 1, place)
    except OSError:
        yield
        return
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            fcntl.lockf(file, fcntl.LOCK_UN, 1, place)


@functools.cache
def _lock_file(folder: Path) -> int:
    """Open the file of the locks of a folder. It stays open: closing it would end all locks of this process."""
    return os.open(folder / "compiling.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
