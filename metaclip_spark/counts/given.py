"""Counts that were not made of the pool: laid out by the entries of a list, and compared with the pool's own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from metaclip_spark.core.sampling import tail_fraction
from metaclip_spark.counts.card import MOST, CountsCard
from metaclip_spark.counts.files import ARRAY, PlainCounts
from metaclip_spark.errors import InputError
from metaclip_spark.metadata import Metadata
from metaclip_spark.metadata.worldwide.entries import WorldwideMetadata

SHOWN = 10
"""Number of entries that a comparison names."""


@dataclass(frozen=True)
class GivenCounts:
    """Counts that a command was given, by the entries of its list.

    Attributes:
        counts: int64, by entry id, zeros included.
        origin: card_id, snapshots and pairs of a card; of counts without a list's id, their layout and `unknown`, the
            number of their entries that the list does not have.
    """

    counts: npt.NDArray[np.int64]
    origin: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """The hash of the counts."""
        return digest_of_counts(self.counts)


def digest_of_counts(counts: npt.NDArray[np.int64]) -> str:
    """Return sha256, in hex, of the entry ids with a count and their counts.

    Args:
        counts: int64, by entry id; zeros at the end make no difference.
    """
    ids = np.flatnonzero(counts)
    return hashlib.sha256(np.stack([ids, counts[ids]]).astype("<i8").tobytes()).hexdigest()


def laid_out(found: CountsCard | PlainCounts, metadata: Metadata, path: str) -> GivenCounts:
    """Return counts by the entries of a list.

    Raises:
        InputError: the counts are of another list, or no entry of the list has one.
    """
    if isinstance(found, CountsCard):
        if found.metadata_id != metadata.metadata_id:
            raise InputError(
                f"counts {path} are of the list {found.metadata_id}, and this pool is matched with the list "
                f"{metadata.metadata_id}. Match the pool with the list of the card (`match --metadata`). To take the "
                "counts of equal entries all the same, give the card's `counts` as a file of its own: a JSON object of "
                "entry and count, whose entries are found by their strings."
            )
        counts = np.zeros(len(metadata.entries), np.int64)
        for name, each in found.lists.items():
            _fill(counts, name, each.counts, metadata, path)
        origin: dict[str, Any] = {
            "layout": "card",
            "card_id": found.card_id,
            "snapshots": list(found.snapshots),
            "pairs": found.pairs,
            "merged": len(found.merged),
        }
        return GivenCounts(counts, origin)
    if found.layout == ARRAY:
        if len(found.by_position) != len(metadata.entries):
            raise InputError(
                f"counts {path}: the array has {len(found.by_position):,} counts, and the list has "
                f"{len(metadata.entries):,} entries; expected one count for each entry, in the order of the list."
            )
        counts, unknown = np.array(found.by_position, np.int64), 0
    else:
        counts, unknown = _by_string(found.by_entry, metadata, path)
    if int(counts.sum(dtype=object)) > MOST:
        raise InputError(f"counts {path}: the counts sum to more than {MOST:,}, which no pool reaches.")
    if not counts.any():
        raise InputError(f"counts {path}: no entry of the list has a count; expected counts of this list.")
    return GivenCounts(counts, {"layout": found.layout, "unknown": unknown})


def _by_string(by_entry: Mapping[str, int], metadata: Metadata, path: str) -> tuple[npt.NDArray[np.int64], int]:
    if not metadata.sections.is_one:
        raise InputError(
            f"counts {path}: an object of entry and count says of no entry which language it is of; expected a card "
            "of `counts export` with the lists of languages."
        )
    counts = np.zeros(len(metadata.entries), np.int64)
    at = _positions(by_entry, pa.array(metadata.entries, pa.large_string()))
    values = np.fromiter(by_entry.values(), np.int64, len(by_entry))
    known = at >= 0
    counts[at[known]] = values[known]
    return counts, int((~known).sum())


def _fill(counts: npt.NDArray[np.int64], name: str, by_entry: Mapping[str, int], metadata: Metadata, path: str) -> None:
    """Write the counts of one list to their entries."""
    if name not in metadata.sections.names:
        raise InputError(
            f"counts {path}: the list {name!r} of the card is none of {', '.join(metadata.sections.names)}."
        )
    start, stop = metadata.sections.range(name)
    if isinstance(metadata, WorldwideMetadata):
        entries: pa.Array = metadata.entries.of(name)
    else:
        entries = pa.array(metadata.entries, pa.large_string())
    at = _positions(by_entry, entries)
    if len(at) and at.min() < 0:
        entry = list(by_entry)[int(np.flatnonzero(at < 0)[0])]
        raise InputError(
            f"counts {path}: {entry[:80]!r} is no entry of the list {name!r}, although the card names its id: the card "
            "was changed. Write it again with `counts export`."
        )
    counts[start:stop][at] = np.fromiter(by_entry.values(), np.int64, len(by_entry))


def _positions(wanted: Mapping[str, int], entries: pa.Array) -> npt.NDArray[np.int64]:
    """Return the position of each string among the entries, int64; -1 for one that is no entry."""
    strings = pa.array([entry.encode(errors="surrogatepass") for entry in wanted], pa.large_binary())
    found = pc.index_in(strings, entries.cast(pa.large_binary()))
    return np.asarray(found.fill_null(-1).to_numpy(zero_copy_only=False), np.int64)


def compared(
    own: npt.NDArray[np.int64],
    given: npt.NDArray[np.int64],
    thresholds: int | npt.NDArray[np.int64],
    metadata: Metadata,
) -> dict[str, Any]:
    """Return how given counts differ from those of the pool, as plain values for the log and the data card.

    Args:
        own, given: int64, by entry id.
        thresholds: t: one for all entries, or one for each.

    Returns:
        `own` and `given`: entries with a count, the sum of the counts, and the tail fraction at t. `rank_correlation`:
        Spearman's, over the entries that either counts; None where it is undefined. `lacking`: entries that only the
        pool counts, and the sum of their counts. `unmatched`: entries that the pool does not match. `largest`: the
        entries whose share of all counts differs most, by the ratio of the pool's count to the expected one, each with
        1 added: the rarer an entry, the less its ratio says.
    """
    either = np.flatnonzero(own | given)
    scale = float(own.sum()) / max(float(given.sum()), 1.0)
    ratio = (own[either] + 1.0) / (given[either] * scale + 1.0)
    order = np.lexsort((either, -np.abs(np.log(ratio))))[:SHOWN]
    shown = np.sort(either[order])
    names = dict(zip(shown.tolist(), metadata.entries_of(shown).to_pylist(), strict=True))
    sections = metadata.sections
    largest = [
        {
            "entry_id": int(either[at]),
            "entry": names[int(either[at])],
            "lang": sections.names_of(either[at : at + 1])[0],
            "own": int(own[either[at]]),
            "given": int(given[either[at]]),
            "ratio": float(ratio[at]),
        }
        for at in order.tolist()
    ]
    lacking = (own > 0) & (given == 0)
    return {
        "own": _numbers(own, thresholds),
        "given": _numbers(given, thresholds),
        "rank_correlation": _spearman(own[either], given[either]),
        "lacking": {"entries": int(lacking.sum()), "counts": int(own[lacking].sum())},
        "unmatched": int(((given > 0) & (own == 0)).sum()),
        "largest": largest,
    }


def _numbers(counts: npt.NDArray[np.int64], thresholds: int | npt.NDArray[np.int64]) -> dict[str, Any]:
    return {
        "entries": int(np.count_nonzero(counts)),
        "total": int(counts.sum()),
        "tail_fraction": tail_fraction(counts, thresholds),
    }


def _spearman(a: npt.NDArray[np.int64], b: npt.NDArray[np.int64]) -> float | None:
    """Return the correlation of the ranks, equal values with their mean rank; None where one side has one value."""
    ranks = [_ranks(side) for side in (a, b)]
    if any(len(side) < 2 or side.min() == side.max() for side in ranks):
        return None
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _ranks(values: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    _, inverse, number = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(number)
    mean: npt.NDArray[np.float64] = (last - (number - 1) / 2.0)[inverse]
    return mean
