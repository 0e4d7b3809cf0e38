"""Conflicts of commits: another writer committed what a commit depends on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from deltalake.exceptions import CommitFailedError

T = TypeVar("T")
TRIES = 3
"""A tool that maintains tables, or a renewal of the lease, may come between; not that often."""
_OF_DELTA = ("Concurrent", "CONCURRENT", "MetadataChanged", "ProtocolChanged")


def is_conflict(error: BaseException) -> bool:
    """Return whether a commit failed because another writer committed meanwhile.

    pyspark has no class for Delta's conflicts: they arrive as errors of Java.
    """
    java: Any = getattr(error, "java_exception", None)
    message = str(error) if java is None else str(java.toString())
    return isinstance(error, CommitFailedError) or any(word in message for word in _OF_DELTA)


OnConflict = Callable[[str, BaseException], None]
"""Is called with a table and a conflict, before the commit is made again."""


def ignored(name: str, error: BaseException) -> None:
    """Take a conflict and say nothing."""


def kind_of_conflict(error: BaseException) -> str:
    """Return the class of a conflict, as Java or delta-rs names it.

    >>> kind_of_conflict(CommitFailedError("a newer version exists"))
    'CommitFailedError'
    """
    java: Any = getattr(error, "java_exception", None)
    return type(error).__name__ if java is None else str(java.getClass().getSimpleName())


def retried(work: Callable[[], T], tries: int = TRIES, name: str = "", on_conflict: OnConflict = ignored) -> T:
    """Do something that commits, again where another writer came between: OPTIMIZE, auto compaction.

    A commit that conflicts leaves nothing. So this is safe for what may be done again from the start: an append with a
    transaction, the replacement of a partition, the removal of given rows.

    Args:
        name: the table.
        on_conflict: gets each conflict after which the work is done again.
    """
    for left in reversed(range(tries)):
        try:
            return work()
        except Exception as error:
            if not left or not is_conflict(error):
                raise
            on_conflict(name, error)
    raise AssertionError("unreachable")
