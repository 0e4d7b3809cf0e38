"""The holder of a warehouse's lease: its process, the refusal of others, and the lease in the log of a local table.

Nothing here needs Spark, so a command that has to wait can end before Spark starts.
"""

from __future__ import annotations

import json
import os
import re
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from metaclip_spark.errors import HeldError
from metaclip_spark.schemas import LEASE

T = TypeVar("T")
PROPERTY = "metaclip.lease"
"""The property of the table `lease` that has the lease as JSON."""
MARGIN = 0.1
"""Share of the lease's length that other runs wait after its end, because clocks differ."""
ASK_SECONDS, SAY_SECONDS = 2.0, 30.0
"""Seconds between two questions, and between two lines, of a command that waits for the lease."""
_COMMITS = 20
"""Maximum number of commits of the table that are read. The newest one almost always has the lease."""


def refuse_if_held(held: Mapping[str, Any] | None, seconds: float, where: str, now: float) -> None:
    """Check that a lease has ended.

    Args:
        held: the lease as stored; None where there is none.
        seconds: duration of the lease that is wanted, without renewal.
        where: the warehouse, for the error.
        now: the time, in seconds since the epoch.

    Raises:
        HeldError: another run holds the lease; the error names its process, and the time until the lease ends.
    """
    if held is None or not held["expires"]:
        return
    remaining = held["expires"] + seconds * MARGIN - now
    who = json.loads(held["who"])
    if remaining > 0 and not has_ended(who):
        raise HeldError(
            f"another run holds {where}: process {who.get('pid')} on {who.get('host')}, for "
            f"{remaining:.0f} s more unless it renews. Wait for it (--wait SECONDS), or use another --warehouse."
        )


def waited_for(take: Callable[[], T], wait: float, say: Callable[[str], None]) -> T:
    """Call a function until no other run holds the lease, or `wait` seconds are over; return what it returns.

    Args:
        take: raises HeldError while another run holds the lease.
        say: called with a line at the start and then twice a minute.

    Raises:
        HeldError: another run still holds the lease; the error names its process.
    """
    started = time.monotonic()
    said = -SAY_SECONDS
    while True:
        try:
            return take()
        except HeldError as error:
            over = time.monotonic() - started
            if over >= wait:
                if not wait:
                    raise
                raise HeldError(f"waited {wait:g} s (--wait), and {error}") from error
            if over - said >= SAY_SECONDS:
                said = over
                holder = str(error).partition(". ")[0]
                say(f"waiting for the lease, for {wait - over:.0f} s more (--wait {wait:g}): {holder}.")
        time.sleep(min(ASK_SECONDS, max(0.05, wait - over)))


def refuse_before_spark(root: str, seconds: float) -> None:
    """Check the lease of a warehouse in a local folder, as far as the log of its table tells.

    A doubt is no refusal: Spark reads the lease again.

    Raises:
        HeldError: another run holds the lease.
    """
    try:
        address = urlsplit(root) if "://" in root else None
    except ValueError:
        return  # no uri: Spark says so
    if address is not None and (address.scheme != "file" or address.netloc not in ("", "localhost")):
        return
    folder = os.path.abspath(root) if address is None else unquote(address.path)
    try:
        refuse_if_held(logged_lease(folder), seconds, f"warehouse {folder if address is None else root}", time.time())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return  # not a lease as this release writes it


def logged_lease(folder: str) -> dict[str, Any] | None:
    """Return the lease that the log of the table `lease` has; None where there is none, or the log does not decide.

    Raises:
        OSError: there is no log, or it cannot be read.
        ValueError: a commit is not JSON.
    """
    log = Path(folder, LEASE.name, "_delta_log")
    names = sorted((name for name in os.listdir(log) if re.fullmatch(r"\d{20}\.json", name)), reverse=True)
    for name in names[:_COMMITS]:
        actions = [json.loads(line) for line in (log / name).read_text(encoding="utf-8").splitlines()]
        for action in actions:
            if "metaData" in action:
                lease: dict[str, Any] | None = json.loads(action["metaData"]["configuration"].get(PROPERTY, "null"))
                return lease
        if any("add" in action for action in actions):
            return None  # a lease that was taken and not announced yet: only its row has it
    return None


def this_process() -> dict[str, str | int]:
    """Return the identity of this process."""
    return {
        "host": socket.gethostname(),
        "boot": _boot(),
        "pid": os.getpid(),
        "started": _started(os.getpid()),
    }


def has_ended(who: Mapping[str, Any]) -> bool:
    """Return whether the holder ran on this machine since the machine's last start, and its process has ended."""
    if not _boot() or (who.get("host"), who.get("boot")) != (socket.gethostname(), _boot()):
        return False
    return bool(_started(int(who["pid"])) != who["started"])


def _boot() -> str:
    """Return the id of this boot of the kernel and of the process namespace; "" where the system has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip() + os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _started(pid: int) -> str:
    """Return the start time of a process, in the kernel's clock ticks; "" where there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]
