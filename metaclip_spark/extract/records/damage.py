"""Count the damaged places of a WARC file that its reader continues after, and compose the reason of the outcome."""

from __future__ import annotations

import gzip
from collections.abc import Iterable

from metaclip_spark.candidates.ledger import Ledger
from metaclip_spark.errors import DamagedSourceError, TooMuchDamageError, TruncatedSourceError

DAMAGE = (DamagedSourceError, EOFError, gzip.BadGzipFile)
"""The errors of a damaged place. Any other error, a lost connection say, ends the file."""
_TRUNCATED = (EOFError, TruncatedSourceError)
_MAX_HELD = 10


class Damage:
    """The damaged places of one file.

    Each place counts as one record that was read and as one `broken_record`, with two exceptions. A record that the
    end of the file truncates is not counted: the reason of the outcome tells that the file is truncated. In a file
    without a single readable record nothing is counted: such a file has failed.
    """

    def __init__(self, ledger: Ledger) -> None:
        """Take the ledger of the file; its `records_read` counts the records that were yielded."""
        self._ledger = ledger
        self._first: Exception | None = None
        self._last: Exception | None = None
        self._places = 0
        self._held: list[Exception] = []  # places before the first readable record
        self._held_number = 0

    def add(self, error: Exception) -> None:
        """Add a damaged place; the ledger counts it once the file has a readable record."""
        self._first = self._first or error
        self._last = error
        self._places += 1
        if not isinstance(error, (*_TRUNCATED, TooMuchDamageError)):
            self._hold(error)

    def went_on(self) -> None:
        """Note that a later place was found: what looked like the end of the file was none."""
        if isinstance(self._last, _TRUNCATED):
            self._hold(self._last)

    def close(self) -> None:
        """Raise the error that describes all damaged places, if there are any."""
        self._count()
        if self._first is None:
            return
        if self._places == 1:
            raise self._first
        raise DamagedSourceError(f"{self._first}; {self._places} damaged places in all, the last: {self._last}")

    def _hold(self, error: Exception) -> None:
        self._held_number += 1
        if len(self._held) < _MAX_HELD:
            self._held.append(error)
        self._count()

    def _count(self) -> None:
        ledger, number = self._ledger, self._held_number
        if not number or not ledger.records_read:
            return
        before = ledger.records_read
        ledger.records_read += number
        ledger.reject_many("broken_record", number, _examples(self._held, before))
        self._held, self._held_number = [], 0


def _examples(errors: Iterable[Exception], before: int) -> Iterable[tuple[str, str]]:
    return ((f"record {before + index}", str(error)) for index, error in enumerate(errors, 1))
