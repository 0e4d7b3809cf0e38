"""Explain why a pair is kept or dropped: its matches, their positions, its probability and verdict (no Spark)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metaclip_spark.core.sampling import entry_probability, pair_probability
from metaclip_spark.core.text import spaced, spaced_entry
from metaclip_spark.core.worldwide.list_choice import UNKNOWN
from metaclip_spark.core.worldwide.switches import NO_SWITCHES, Switches, edge_spaced_entry, spaced_text
from metaclip_spark.errors import ConfigError
from metaclip_spark.matchers import Matcher, compile_matcher
from metaclip_spark.matchers.worldwide.by_section import switches_of
from metaclip_spark.metadata.load import Metadata
from metaclip_spark.metadata.worldwide.entries import WorldwideMetadata
from metaclip_spark.verbs.arguments import Counts, checked_threshold, count_array, counts_table
from metaclip_spark.verbs.worldwide import language_counts

EXPLANATION_DDL = (
    "spaced string, matches array<struct<entry_id: int, entry: string, positions: array<int>, count: bigint, "
    "part: string, probability: double>>, sampling_probability double, draw double, verdict string"
)
"""The columns that `explain` adds, as a Spark DDL."""

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
EXPLANATION = pa.schema(
    [
        ("spaced", pa.string()),
        ("matches", pa.list_(_MATCH)),
        ("sampling_probability", pa.float64()),
        ("draw", pa.float64()),
        ("verdict", pa.string()),
    ]
)
"""The columns that `explain` adds, as an Arrow schema."""

LANGUAGE_EXPLANATION_DDL = f"list_lang string, threshold bigint, {EXPLANATION_DDL}"
"""The columns that `explain` adds where each language has a list, as a Spark DDL."""

LANGUAGE_EXPLANATION = pa.schema([("list_lang", pa.string()), ("threshold", pa.int64()), *EXPLANATION])
"""The columns that `explain` adds where each language has a list, as an Arrow schema."""


@dataclass
class Match:
    """An entry that a text matches.

    Attributes:
        positions: positions of the entry in the spaced text, in characters from 0.
        count: the entry's count in the pool; None without counts.
        part: head or tail; None without counts.
        probability: the entry probability; None without counts.
    """

    entry_id: int
    entry: str
    positions: list[int]
    count: int | None
    part: str | None
    probability: float | None


def matches_of(
    text: str,
    ids: Sequence[int],
    entries: Sequence[str],
    count: Callable[[int], int] | None,
    threshold: int,
    switches: Switches | None = None,
) -> list[Match]:
    """Return the matches of a text, in the order of the ids.

    Args:
        text: the spaced text.
        ids: the ids of the entries that the text matches.
        entries: the entries, by their ids.
        count: returns an entry's count by its id, 0 for an entry without a match in the pool; None without counts.
        threshold: t.
        switches: what the list changes of the rules of worldwide mode; None outside that mode.
    """
    matches = []
    for entry_id in ids:
        entry = entries[entry_id]
        entry_count = None if count is None else count(entry_id)
        part = probability = None
        if entry_count is not None:
            part = "head" if entry_count and entry_count >= threshold else "tail"
            # An entry without a match in the pool would keep every text that matches it.
            probability = threshold / max(entry_count, threshold) if entry_count else 1.0
        matches.append(Match(entry_id, entry, _positions(text, entry, switches), entry_count, part, probability))
    return matches


def _positions(text: str, entry: str, switches: Switches | None) -> list[int]:
    pattern = spaced_entry(entry) if switches is None else edge_spaced_entry(entry, switches)
    if pattern is None:  # the switches leave nothing of the entry
        return []
    positions, at = [], -1
    while (at := text.find(pattern, at + 1)) >= 0:
        positions.append(at + pattern.startswith(" "))  # a space in front is the boundary's: it is no edge character
    return positions


def sampling_probability(matches: Sequence[Match]) -> float:
    """Return the sampling probability of a pair with these matches, as `balance` computes it."""
    probabilities = np.array([match.probability for match in matches], dtype=np.float64)
    ranks = np.arange(len(probabilities), dtype=np.int32)
    return float(pair_probability(np.array([0, len(ranks)]), ranks, probabilities)[0])


def smallest_keeping_threshold(counts: Sequence[int], draw: float, weight: float = 1.0) -> int | None:
    """Return the smallest t that keeps a pair with this draw, at these entry counts; None where no t does.

    The pair's sampling probability never falls as t grows, and is its weight at the count of its rarest entry.

    >>> smallest_keeping_threshold([100, 1000], 0.5)
    48
    """
    if not counts or draw >= weight:
        return None
    ids, offsets = np.arange(len(counts), dtype=np.int32), np.array([0, len(counts)])
    entry_counts = np.asarray(counts, dtype=np.int64)

    def is_dropped(t: int) -> bool:
        return draw >= float(pair_probability(offsets, ids, entry_probability(entry_counts, t))[0]) * weight

    low, high = 1, max(1, min(counts))
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if is_dropped(middle) else (low, middle)
    return low


def verdict(matches: Sequence[Match], p: float | None, draw: float | None, draw_needs: str) -> str:
    """Return the pair's outcome and its reason in a sentence.

    Args:
        matches: the pair's matches.
        p: the sampling probability; None without counts.
        draw: the draw u; None where it is unknown.
        draw_needs: the value that an unknown draw depends on, such as the key.
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
    """An explainer of texts; picklable, so that it can be broadcast to Spark's workers.

    Attributes:
        matcher: the compiled entry list.
        entries: the entries, by id.
        counts: int64, by entry id; None without counts.
        threshold: t; 0 without counts.
    """

    matcher: Matcher
    entries: Sequence[str]
    counts: npt.NDArray[np.int64] | None
    threshold: int

    @classmethod
    def of(cls, metadata: Metadata, counts: Counts | None, threshold: int | None) -> Explainer:
        """Compile the entry list and convert the counts to an array.

        Raises:
            ConfigError: only one of counts and t is given, or t is invalid.
            InputError: a column of the counts is missing.
        """
        matcher = compile_matcher(metadata)
        if counts is None and threshold is None:
            return cls(matcher, metadata.entries, None, 0)
        if counts is None or threshold is None:
            given, missing = ("threshold", "counts") if counts is None else ("counts", "threshold")
            raise ConfigError(
                f"explain: got {given} without {missing}; give both, or neither to see the matches alone."
            )
        totals = count_array(counts_table(counts, "explain", "count"), len(metadata.entries))
        return cls(matcher, metadata.entries, totals, checked_threshold(threshold))

    def explain(self, texts: pa.Array, draws: pa.Array) -> pa.RecordBatch:
        """Explain a batch of texts.

        Args:
            texts: strings.
            draws: float64, the draw of each text's row; null where it is unknown.

        Returns:
            A batch with the schema `EXPLANATION`.
        """
        matches = self.matcher.match(texts)
        rows = []
        for at, (text, draw) in enumerate(zip(texts.to_pylist(), draws.to_pylist(), strict=True)):
            ids = matches.ids[matches.offsets[at] : matches.offsets[at + 1]].tolist()
            rows.append(self._row(text, ids, draw))
        return pa.RecordBatch.from_pylist(rows, EXPLANATION)

    def _row(self, text: str | None, ids: list[int], draw: float | None) -> dict[str, object]:
        padded = None if text is None else spaced(text)
        matches = matches_of(padded or "", ids, self.entries, _count_of(self.counts), self.threshold)
        return _explained(padded, matches, self.counts is not None, draw)


@dataclass(frozen=True)
class LanguageExplainer:
    """An explainer of texts that are matched already, each with the list of its language; picklable.

    Attributes:
        counts: int64, by entry id; None without counts.
        thresholds: language -> t, for the languages with a counted entry; empty without counts.
        switches: list -> what it changes of the rules of worldwide mode, where it changes any.
    """

    counts: npt.NDArray[np.int64] | None
    thresholds: Mapping[str, int]
    switches: Mapping[str, Switches]

    @classmethod
    def of(cls, metadata: Metadata, counts: Counts | None) -> LanguageExplainer:
        """Convert the counts to an array; see `language_counts`."""
        assert isinstance(metadata, WorldwideMetadata)
        totals, thresholds = (None, {}) if counts is None else language_counts(counts, metadata, "explain")
        return cls(totals, thresholds, switches_of(metadata))

    def explain(
        self,
        entries: Sequence[str],
        texts: pa.Array,
        draws: pa.Array,
        codes: pa.Array,
        lists: pa.Array,
        entry_ids: pa.Array,
    ) -> pa.RecordBatch:
        """Explain a batch of texts.

        Args:
            entries: the entries of all lists, by their ids.
            texts, draws: see `Explainer.explain`.
            codes: the language of each text.
            lists: the list of each text; null where its language has none.
            entry_ids: `list<int32>`, the entries that each text matches.

        Returns:
            A batch with the schema `LANGUAGE_EXPLANATION`.
        """
        columns = (column.to_pylist() for column in (texts, draws, codes, lists, entry_ids))
        rows = [self._row(entries, *row) for row in zip(*columns, strict=True)]
        return pa.RecordBatch.from_pylist(rows, LANGUAGE_EXPLANATION)

    def _row(
        self,
        entries: Sequence[str],
        text: str | None,
        draw: float | None,
        code: str | None,
        name: str | None,
        ids: list[int] | None,
    ) -> dict[str, object]:
        switches = NO_SWITCHES if name is None else self.switches.get(name, NO_SWITCHES)
        padded = None if text is None else spaced_text(text, switches)
        threshold = None if name is None else self.thresholds.get(name)
        matches = matches_of(padded or "", ids or [], entries, _count_of(self.counts), threshold or 0, switches)
        row = {
            "list_lang": name,
            "threshold": threshold,
            **_explained(padded, matches, self.counts is not None, draw),
        }
        if name is None:
            row["verdict"] = f"dropped: the language is {code or UNKNOWN!r}, for which there is no list"
        return row


def _count_of(counts: npt.NDArray[np.int64] | None) -> Callable[[int], int] | None:
    return None if counts is None else lambda entry_id: int(counts[entry_id])


def _explained(padded: str | None, matches: Sequence[Match], has_counts: bool, draw: float | None) -> dict[str, object]:
    """Return the row of a text in `EXPLANATION`; `padded` is the spaced text, None for a null text."""
    p = sampling_probability(matches) if has_counts else None
    return {
        "spaced": padded,
        "matches": None if padded is None else [asdict(match) for match in matches],
        "sampling_probability": p,
        "draw": draw,
        "verdict": verdict(matches, p, draw, "key"),
    }
