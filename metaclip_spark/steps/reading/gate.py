"""The gate between extraction and deduplication: too many sources that are partial or failed stop the command."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from metaclip_spark.config.settings import Settings
from metaclip_spark.core.wording import agrees, counted
from metaclip_spark.errors import IncompleteError
from metaclip_spark.steps.reading.pace import WORDS
from metaclip_spark.storage.refusal import transient_kind

FIRST = 100
"""A share of the sources is taken of at least this many, so that one of the first ten does not count as a tenth."""


@dataclass
class Gate:
    """The sources of a command that are read, and those that are incomplete.

    Attributes:
        total: number of sources of the command.
        read: number of sources with an outcome.
        incomplete: source_path -> reason of those that are partial or failed; "" where an earlier command read them.
    """

    settings: Settings
    total: int
    read: int = 0
    incomplete: dict[str, str] = field(default_factory=dict)

    def add(self, outcomes: Mapping[str, str | None]) -> None:
        """Add the sources of a commit: source_path -> why it is incomplete, None if it is done."""
        self.read += len(outcomes)
        self.incomplete.update({path: reason for path, reason in outcomes.items() if reason is not None})

    def check(self, transient: bool) -> None:
        """Check the incomplete sources against --max-failed and --allow-incomplete.

        Args:
            transient: count failures that may pass by themselves, too.

        Raises:
            IncompleteError: there are more.
        """
        counts = [path for path, reason in self.incomplete.items() if transient or transient_kind(reason) is None]
        is_last = self.read >= self.total
        base = self.total if is_last else max(self.read, min(self.total, FIRST))
        budget = self.settings.failure_budget(base)
        if len(counts) <= budget:
            return
        number, read = len(counts), min(self.read, self.total)
        limit = self.settings.max_failed or "10%, and at least 50 sources"
        raise IncompleteError(
            f"stopped before deduplication: {number:,} of {counted(read, 'source')} that {agrees(read, 'is', 'are')} "
            f"read {agrees(number, 'is', 'are')} partial or failed, {budget:,} allowed (--max-failed {limit})"
            f"{self._most_common(counts)}. What is read stays: mend the cause, then give --retry partial,failed to "
            f"read these again, or --max-failed {number} to go on without them."
        )

    def _most_common(self, paths: list[str]) -> str:
        reasons = {path: self.incomplete[path] for path in paths if self.incomplete[path]}
        if not reasons:
            return ""
        kinds = Counter(WORDS.get(transient_kind(reason) or "", "damaged or refused") for reason in reasons.values())
        parts = ", ".join(f"{number:,} {kind}" for kind, number in kinds.most_common())
        path, reason = next(iter(reasons.items()))
        return f": {parts}, e.g. {path}: {reason.rstrip('.')}"
