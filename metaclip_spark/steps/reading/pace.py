"""The pace of extraction: how many sources a commit has, how many are fetched at a time, and when to wait.

A server that throttles, or a network that is away, fails every source that is asked for meanwhile. So when many of the
last sources fail for such a reason, extraction waits, then reads a few sources to see whether the failures go on, and
then reads fewer at a time than before. Nothing here decides what a source gives.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from metaclip_spark.storage.refusal import transient_kind

LEAST_PER_COMMIT = 500
PER_CORE = 32
"""Sources of a commit for each core; `tests/benchmarks/batches.py` shows the share of time that the cores are at work.
All cores wait for the last source of a commit, so a commit has many rounds of them."""
WINDOW = 20
"""Number of the last sources that are looked at, if a commit has fewer."""
LEAST_FAILURES = 5
SHARE = 0.2
"""Failures among the last sources, as a number and as a share, from which on extraction waits."""
PAUSES = (30.0, 60.0, 120.0, 240.0, 480.0, 600.0)
"""Seconds of the first, the second, ... wait without a success between them. After the last, extraction goes on, and
the failures count as any others."""


def sources_per_commit(given: int | None, cores: int | None) -> int:
    """Return the number of sources that a commit has.

    >>> sources_per_commit(None, 2), sources_per_commit(None, 400), sources_per_commit(7, 400)
    (500, 12800, 7)
    """
    return given if given is not None else max(LEAST_PER_COMMIT, PER_CORE * (cores or 0))


@dataclass
class Pace:
    """The pace of one extraction.

    Attributes:
        most: the largest number of sources that are fetched at a time; None if it is not known.
        fetches: that number now; None: as many as there are cores.
        waits: waits without a success between them.
        is_hopeless: whether the failures went on through all waits.
    """

    most: int | None
    fetches: int | None = None
    waits: int = 0
    is_hopeless: bool = False
    _last: deque[str | None] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.fetches = self.most

    @property
    def is_probing(self) -> bool:
        """Whether the next commit shall be small, to see whether failures go on."""
        return self.waits > 0 and not self.is_hopeless

    def limit(self, sources: int) -> int:
        """Return the number of sources of the next commit, given the usual number."""
        return min(sources, max(LEAST_FAILURES, self.fetches or 0)) if self.is_probing else sources

    def after(self, reasons: Iterable[str | None]) -> tuple[float, str]:
        """Take the outcomes of a commit's sources; return the seconds to wait before the next one, and the reason.

        Args:
            reasons: why each source is partial or failed; None for one that is done.

        Returns:
            (0, "") where there is no need to wait.
        """
        kinds = [None if reason is None else transient_kind(reason) for reason in reasons]
        self._last.extend(kinds)
        while len(self._last) > max(WINDOW, len(kinds)):
            self._last.popleft()
        failures = Counter(kind for kind in self._last if kind is not None)
        number = failures.total()
        failing = number >= SHARE * len(self._last) and (self.is_probing or number >= LEAST_FAILURES)
        if not failing or self.is_hopeless:
            if self.is_probing and kinds:
                self.waits = 0
            elif not number and self.fetches is not None and self.most is not None:
                self.fetches = min(self.most, 2 * self.fetches)
            return 0.0, ""
        if self.waits == len(PAUSES):
            self.is_hopeless = True
            return 0.0, ""
        seconds, looked_at = PAUSES[self.waits], len(self._last)
        self.waits += 1
        self._last.clear()
        if self.fetches is not None:
            self.fetches = max(1, self.fetches // 2)
        ((kind, _),) = failures.most_common(1)
        return seconds, f"{number} of the last {looked_at} sources are {WORDS[kind]}"


WORDS = {"throttled": "throttled by their server", "network": "cut off by the network"}
