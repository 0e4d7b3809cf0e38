"""What became of a source: counts by reason, a sample of the rejects, and the outcome."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from metaclip_spark.text import without_surrogates

DETAIL_CHARS = 300

RECORD_REASONS = {
    "broken_json": "the record or line is not the JSON that was expected",
    "broken_row": "the row does not have the columns of its file, or is not UTF-8",
}
"""Reasons that leave out a whole record; its texts, if any, were never seen."""

NO_TEXT_REASONS = {
    "no_text": "a row whose text is null",
    "empty_text": "nothing is left of the text once it is cleaned",
}
"""Reasons that leave out what is no text: counted, but not among the texts read."""

TEXT_REASONS = {
    "no_url": "a text without a url",
    "data_url": "the image is inlined as a data: url",
    "not_http": "the image's url is neither http nor https",
    "bad_url": "the image's url cannot be resolved",
    "language": "the text is not in one of the wanted languages",
    "no_match": "the text matches no entry",
    "repeat": "the same url and text stand elsewhere in the same source",
}
"""Reasons that leave out one text: texts_read = pairs_written + the sum of these."""

REASONS = {**RECORD_REASONS, **NO_TEXT_REASONS, **TEXT_REASONS}


class Damage(Exception):
    """The source cannot be read any further; what was read before stays."""


class WrongKind(Damage):
    """The source is not of the kind that its name says."""


@dataclass
class Ledger:
    """Counts of one split while it is read.

    Attributes:
        sample: rejects kept as rows, up to `sample_cap` per reason: (record, reason, detail).
    """

    sample_cap: int = 10
    records_read: int = 0
    texts_read: int = 0
    texts_matched: int = 0
    pairs_written: int = 0
    bytes_read: int = 0
    status: str = "done"
    reason: str | None = None
    rejected: Counter = field(default_factory=Counter)
    sample: list[tuple[str, str, str]] = field(default_factory=list)

    def reject(self, reason: str, record: str, detail: str) -> None:
        """Count one record or text as left out."""
        self.reject_many(reason, 1, [(record, detail)])

    def reject_many(self, reason: str, number: int, examples: Iterable[tuple[object, object]]) -> None:
        """Count `number` records or texts as left out, and keep examples of them up to the cap."""
        if not number:
            return
        if reason not in REASONS:
            raise KeyError(f"unknown reject reason {reason!r}")
        room = self.sample_cap - min(self.sample_cap, self.rejected[reason])
        self.rejected[reason] += number
        for (record, detail), _ in zip(examples, range(room), strict=False):
            self.sample.append((_shown(record), reason, _shown(detail)))

    def damaged(self, error: Exception) -> None:
        """Close the source as partial (something was read) or failed (nothing was)."""
        nothing = not self.records_read or (isinstance(error, WrongKind) and not self.texts_read)
        self.status = "failed" if nothing else "partial"
        text = str(error) or type(error).__name__
        self.reason = text if isinstance(error, Damage) else f"{type(error).__name__}: {text}"


def _shown(value: object) -> str:
    return without_surrogates(str(value)[:DETAIL_CHARS])
