"""All errors of the package, in one tree.

An error says what was got, what was expected and what to do next. Errors that a user can cause end a command: the
command line prints the text and exits with the class's `exit_code`. Errors below `SourceError` end one source or one
record; extraction catches them and counts the source as partial or failed, or the record as a reject.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class MetaclipError(Exception):
    """Base of all errors of this package.

    Attributes:
        exit_code: the exit status of a command that ends with this error.
    """

    exit_code = 1


class ConfigError(MetaclipError):
    """An error of usage or configuration; the command started nothing (exit status 2)."""

    exit_code = 2


class MetadataError(ConfigError):
    """An entry list that cannot be used as metadata (exit status 2)."""


class InputError(ConfigError):
    """An input that is missing, of an unknown kind, or lacks a column (exit status 2)."""


class LeaseError(MetaclipError):
    """A lease that another run holds, or that this run lost (exit status 1)."""


class HeldError(LeaseError):
    """A lease that another run holds; `--wait` waits for it (exit status 1)."""


class WarehouseError(MetaclipError):
    """A table that is missing, cannot be written, or is not what was expected (exit status 1)."""


class WorkerError(MetaclipError):
    """Python workers that lack this package, a library, or the driver's version of Python (exit status 1)."""


class WorkerDiedError(MetaclipError):
    """A process that read a source died: it crashed, or the system ended it (exit status 1).

    Attributes:
        how: the end of the process in words, such as `signal 11`.
    """

    def __init__(self, how: str) -> None:
        super().__init__(f"a process that reads sources died: {how}. Run the same command again to go on.")
        self.how = how

    def __reduce__(self) -> tuple[type[WorkerDiedError], tuple[str]]:
        return type(self), (self.how,)


class IncompleteError(MetaclipError):
    """More sources are partial or failed than are allowed; nothing was deduplicated (exit status 3)."""

    exit_code = 3


class ExpectationError(MetaclipError):
    """An expectation of `--expect` that is violated; nothing was balanced (exit status 4).

    Attributes:
        violations: what differs, one object per bound.
    """

    exit_code = 4

    def __init__(self, what: str, violations: Sequence[Any] = ()) -> None:
        super().__init__(what)
        self.violations = tuple(violations)


class EmptyPoolError(MetaclipError):
    """A pool without a pair that could be drawn; what was read and counted stays (exit status 1)."""


class FilterError(MetaclipError):
    """A filter returned something that its contract does not allow (exit status 1).

    The task fails, so that no row is lost in silence.
    """


class DumpError(MetaclipError):
    """A Wikipedia dump that turned out to be damaged while it was read (exit status 1)."""


class DumpBlockError(MetaclipError):
    """A bzip2 block of a dump that is truncated or damaged; the text names its byte in the file."""


class SourceError(MetaclipError):
    """Base of the errors that end one source, one record, or one attempt to fetch."""


class DamagedSourceError(SourceError):
    """A source that cannot be read any further; what was read before the damage stays."""


class WrongKindError(DamagedSourceError):
    """A source whose content is not what its file name says."""


class TruncatedSourceError(DamagedSourceError):
    """A source that ends inside a record."""


class TooMuchDamageError(DamagedSourceError):
    """A file with so many damaged records that the rest is not searched for others."""


class ColumnError(DamagedSourceError):
    """A source whose columns are not those that the settings name."""


class CorruptGzipError(DamagedSourceError):
    """Bytes that cannot be inflated, or whose checksum is wrong."""


class FetchError(DamagedSourceError):
    """A source that could not be fetched after all attempts.

    Attributes:
        what: the error's text without the advice to retry, for the table `sources`.
    """

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}; run again with --retry partial,failed")
        self.what = what


class CredentialsError(DamagedSourceError):
    """Credentials that are missing or expired, or that the server does not know.

    No source is at fault: the error ends the task and the command, and no source is marked as failed.
    """


class ConnectionLostError(SourceError):
    """One attempt to fetch that failed; the next attempt may succeed.

    Attributes:
        wait: seconds that the server asked to wait before the next attempt.
    """

    def __init__(self, what: str, wait: float = 0.0) -> None:
        super().__init__(what)
        self.wait = wait


class ForbiddenError(ConnectionLostError):
    """Status 403, which may mean throttling: worth a few attempts, not many."""


class BrokenResponseError(SourceError):
    """An HTTP response whose header or body cannot be read."""


class UnusualRecordError(SourceError):
    """A WAT record that is not laid out as extractors write it; it has to be parsed in full."""
