"""Find the processes below a test's process in /proc: executors, Python workers, and their memory."""

from __future__ import annotations

from pathlib import Path


def parent_of(pid: int) -> int:
    """Return a process's parent, or 0 if the process has ended."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def ancestors_of(pid: int) -> list[int]:
    """Return the parent of a process, its grandparent, and so on."""
    found = []
    while (pid := parent_of(pid)) > 1:
        found.append(pid)
    return found


def below(root: int, words: str) -> list[int]:
    """Return the processes below `root` whose command line contains these words."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            command = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if words in command and root in ancestors_of(int(path.name)):
            found.append(int(path.name))
    return found


def executors(root: int) -> list[int]:
    """Return the executor JVMs of the application that `root` drives."""
    found = below(root, "CoarseGrainedExecutorBackend")
    # A process that an executor has just forked shows the executor's own command line for a moment.
    return [pid for pid in found if parent_of(pid) not in found]


def python_workers(root: int) -> list[int]:
    """Return the Python workers below `root`, and the daemons that fork them."""
    return below(root, "pyspark.daemon")


def peak_mib(pid: int) -> float:
    """Return a process's largest resident set in MiB, or 0 if the process has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0.0)
