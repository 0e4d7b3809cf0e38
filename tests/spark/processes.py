"""What /proc says of the processes below one of ours: executors, Python workers, memory."""

from __future__ import annotations

from pathlib import Path


def parent_of(pid: int) -> int:
    """Return a process's parent, or 0 where it is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def ancestors_of(pid: int) -> list[int]:
    """Return parent, grandparent and so on."""
    found = []
    while (pid := parent_of(pid)) > 1:
        found.append(pid)
    return found


def below(root: int, holding: str) -> list[int]:
    """Return the processes below `root` whose command line holds these words."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if holding in words and root in ancestors_of(int(path.name)):
            found.append(int(path.name))
    return found


def executors(root: int) -> list[int]:
    """Return the executor JVMs of the application that `root` drives."""
    found = below(root, "CoarseGrainedExecutorBackend")
    # A process that an executor has just forked shows the executor's own command line for a moment.
    return [pid for pid in found if parent_of(pid) not in found]


def python_workers(root: int) -> list[int]:
    """Return the Python workers (and the daemons that they are forked from) below `root`."""
    return below(root, "pyspark.daemon")


def peak_mib(pid: int) -> float:
    """Return a process's largest resident set so far, in MiB; 0 where it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0.0)
