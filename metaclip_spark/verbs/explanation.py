"""Why a text is kept or dropped: its matches, where they stand, and what they say of it (no Spark)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa

from metaclip_spark.core.sampling import entry_probability, pair_probability
from metaclip_spark.core.text import spaced, spaced_entry
from metaclip_spark.errors import ConfigError
from metaclip_spark.matchers import Matcher, compile_matcher
from metaclip_spark.metadata.load import Metadata
from metaclip_spark.verbs.arguments import Counts, as_table, checked_threshold, count_array

EXPLAINED_DDL = (
    "spaced string, matches array<struct<entry_id: int, entry: string, positions: array<int>, count: bigint, "
    "part: string, probability: double>>, sampling_probability double, draw double, verdict string"
)
"""The columns that `explain` adds, as Spark's DDL."""

_MATCH = pa.struct(
    [
        ("entry_id", pa.int32()),
        ("entry", pa.string()),
        ("positions", pa.list_(pa.int32())),
        ("count", pa.int64()),
        ("part", pa.string()),
        ("probability", pa.float64()),
    ]
)
EXPLAINED = pa.schema(
    [
        ("spaced", pa.string()),
        ("matches", pa.list_(_MATCH)),
        ("sampling_probability", pa.float64()),
        ("draw", pa.float64()),
        ("verdict", pa.string()),
    ]
)
"""The same, as Arrow's schema."""


@dataclass
class Match:
    """An entry that the text matches; positions are 0-based, in characters of the spaced text."""

    entry_id: int
    entry: str
    positions: list[int]
    count: int | None
    part: str | None
    probability: float | None


def matches_of(
    text: str, ids: Sequence[int], entries: Sequence[str], count: Callable[[int], int] | None, threshold: int
) -> list[Match]:
    """Return the matches of a text, in the order of the ids.

    Args:
        text: the spaced text.
        count: an entry's count by its id, 0 where the pool never matched it; None where nothing was counted.
    """
    found = []
    for entry_id in ids:
        entry, known = entries[entry_id], None if count is None else count(entry_id)
        part = probability = None
        if known is not None:
            part = "head" if known >= threshold else "tail"
            # An entry that the pool never matched would be kept by every text that does.
            probability = threshold / max(known, threshold) if known else 1.0
        found.append(Match(entry_id, entry, _positions(text, entry), known, part, probability))
    return found


def _positions(text: str, entry: str) -> list[int]:
    wanted, found, at = spaced_entry(entry), [], -1
    while (at := text.find(wanted, at + 1)) >= 0:
        found.append(at + 1)
    return found


def sampling_probability(matches: Sequence[Match]) -> float:
    """Return p of the pair with these matches, as `balance` computes it."""
    by_entry = np.array([match.probability for match in matches], dtype=np.float64)
    ranks = np.arange(len(by_entry), dtype=np.int32)
    return float(pair_probability(np.array([0, len(ranks)]), ranks, by_entry)[0])


def kept_from(counts: Sequence[int], draw: float) -> int | None:
    """Return the smallest t at which a pair with this draw is kept, at these counts; None where nothing matched.

    Its sampling probability never falls as t grows, and is 1 at the count of its rarest entry.

    >>> kept_from([100, 1000], 0.5)
    48
    """
    if not counts:
        return None
    ids, offsets = np.arange(len(counts), dtype=np.int32), np.array([0, len(counts)])
    known = np.asarray(counts, dtype=np.int64)

    def is_dropped(t: int) -> bool:
        return draw >= pair_probability(offsets, ids, entry_probability(known, t))[0]

    low, high = 1, max(1, min(counts))
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if is_dropped(middle) else (low, middle)
    return low


def verdict(matches: Sequence[Match], p: float | None, draw: float | None, draw_needs: str) -> str:
    """Return what becomes of the pair, and why, in a sentence.

    Args:
        p: the sampling probability; None where nothing was counted.
        draw: None where it is not known.
        draw_needs: what would make it known.
    """
    if not matches:
        return "dropped: the text matches no entry"
    if p is None:
        return f"matches {len(matches)} {'entry' if len(matches) == 1 else 'entries'}; counts and t decide"
    if draw is None:
        return f"kept with probability {p:.6g}; the draw depends on the {draw_needs}"
    if draw < p:
        return "kept: the draw is below the sampling probability"
    return "dropped: the draw is not below the sampling probability"


@dataclass(frozen=True)
class Explainer:
    """What explaining texts needs; picklable, so that Spark's workers can have it.

    Attributes:
        counts: int64, by entry id; None where nothing was counted, and then t is 0.
    """

    matcher: Matcher
    entries: tuple[str, ...]
    counts: np.ndarray | None
    threshold: int

    @classmethod
    def of(cls, metadata: Metadata, counts: Counts | None, threshold: int | None) -> Explainer:
        """Compile the list and lay out the counts.

        Raises:
            ConfigError: only one of counts and t is given, or t is none.
            InputError: counts that are none.
        """
        matcher = compile_matcher(metadata)
        if counts is None and threshold is None:
            return cls(matcher, metadata.entries, None, 0)
        if counts is None or threshold is None:
            given, missing = ("threshold", "counts") if counts is None else ("counts", "threshold")
            raise ConfigError(f"explain: {given} needs {missing} too; give both, or neither to see the matches alone.")
        laid_out = count_array(as_table(counts, "explain", "count"), len(metadata.entries))
        return cls(matcher, metadata.entries, laid_out, checked_threshold(threshold))

    def explain(self, texts: pa.Array, draws: pa.Array) -> pa.RecordBatch:
        """Explain texts.

        Args:
            texts: strings.
            draws: float64, u of each text's row; null where it is not known.

        Returns:
            A batch of `EXPLAINED`.
        """
        found = self.matcher.match(texts)
        rows = []
        for at, (text, draw) in enumerate(zip(texts.to_pylist(), draws.to_pylist(), strict=True)):
            ids = found.ids[found.offsets[at] : found.offsets[at + 1]].tolist()
            rows.append(self._explained(text, ids, draw))
        return pa.RecordBatch.from_pylist(rows, EXPLAINED)

    def _explained(self, text: str | None, ids: list[int], draw: float | None) -> dict[str, object]:
        padded = None if text is None else spaced(text)
        count = None if self.counts is None else lambda entry_id: int(self.counts[entry_id])
        matches = matches_of(padded or "", ids, self.entries, count, self.threshold)
        p = None if count is None else sampling_probability(matches)
        return {
            "spaced": padded,
            "matches": None if text is None else [asdict(match) for match in matches],
            "sampling_probability": p,
            "draw": draw,
            "verdict": verdict(matches, p, draw, "key"),
        }
