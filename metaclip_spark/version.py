"""The version of this package, and the commit that it was built from."""

from __future__ import annotations

from pathlib import Path

__version__ = "0.1.0"


def full_version() -> str:
    """Return the version and, where it is known, the commit, such as `0.1.0 (abc1234def)`.

    Results never depend on the commit: ids and comparisons of runs use `__version__`.
    """
    commit = stored_commit() or commit_of(Path(__file__).resolve().parents[1])
    return f"{__version__} ({commit})" if commit else __version__


def stored_commit() -> str | None:
    """Return the commit that a build wrote beside this module; None in a clone.

    A wheel and an sdist have the commit from setup.py, the archive of a commit from `git archive`.
    """
    from importlib import resources

    try:
        stored = resources.files("metaclip_spark").joinpath("commit.txt").read_text(encoding="utf-8").strip()
    except OSError:
        return None
    return None if stored.startswith("$Format") else stored or None


def commit_of(root: Path) -> str | None:
    """Ask git for the commit of a clone, with `, changed` if its files differ from the commit.

    Returns:
        The commit; None if `root` is not a clone, or git is not installed or refuses.
    """
    import os
    import subprocess

    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty=, changed", "--abbrev=10", "--exclude=*"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return ended.stdout.strip() or None
