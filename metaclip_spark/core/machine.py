"""This machine: its memory, its cores, its processes; and sizes as users write them."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import grp
import hashlib
import os
import platform
import pwd
import re
import stat
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


def open_to_others(folder: Path) -> str | None:
    """Return how another user can change what is read from a folder; None if no other user can.

    The folder, its files and the folders above it must belong to this user, to root, or to the owner of this package,
    who can change the code itself; and no other user may write to them. A folder above may have the sticky bit, as
    /tmp has. Below a folder that no other user may enter, all is private. What does not exist is not asked.
    """
    for place in dict.fromkeys((Path(os.path.abspath(folder)), Path(os.path.realpath(folder)))):
        for path in (*reversed(place.parents), place, *_files_in(place)):
            try:
                found = os.lstat(path)
            except (FileNotFoundError, NotADirectoryError):
                continue
            is_above = path in place.parents
            why = _how_open(found, may_be_sticky=is_above)
            if why is not None:
                return f"{path} {why}"
            if is_above and stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o011:
                break
    return None


def _files_in(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return [Path(entry.path) for entry in entries if not entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []


def _how_open(found: os.stat_result, may_be_sticky: bool) -> str | None:
    if found.st_uid not in _trusted_users():
        return f"belongs to user {found.st_uid}"
    if stat.S_ISLNK(found.st_mode) or (may_be_sticky and found.st_mode & stat.S_ISVTX):
        return None
    if found.st_mode & stat.S_IWOTH:
        return "can be written by all users"
    if found.st_mode & stat.S_IWGRP and not _is_of_one_user(found.st_gid):
        return f"can be written by group {found.st_gid}"
    return None


@functools.cache
def _trusted_users() -> frozenset[int]:
    users = {0, os.getuid()}
    with contextlib.suppress(OSError):  # the package may be in a zip
        users.add(os.stat(__file__).st_uid)
    return frozenset(users)


@functools.cache
def _is_of_one_user(group: int) -> bool:
    """Return whether a group is the private one of this user, as many systems make one for each."""
    try:
        found, user = grp.getgrgid(group), pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return False
    return found.gr_name == user and set(found.gr_mem) <= {user}


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
