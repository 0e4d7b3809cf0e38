"""Choose t for the list of each language: the rules of worldwide curation (MetaCLIP 2), without Spark.

Source: arXiv 2507.22062, algorithm 1 (one tail fraction for all languages), and the reference code (t given for
English, whose tail fraction gives the t of all other languages).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metaclip_spark.core.sampling import (
    LOW_THRESHOLD,
    TAIL_FRACTION,
    count_at_tail_fraction,
    entry_probability,
    tail_fraction,
    threshold_for_tail_fraction,
)
from metaclip_spark.core.worldwide.sections import Sections
from metaclip_spark.errors import ConfigError

ENGLISH = "en"
NO_PAIRS = "no pairs"
RAISED = "raised to 1"
LOW = "low"
NAMED = 12
"""Maximum number of languages that a sentence names; the report has all."""
FRACTION_STEPS = 1_000_000
"""Tail fractions are searched in millionths."""
FRACTIONS = (0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3, 0.5)
"""Tail fractions that a sweep tries by default."""


@dataclass(frozen=True)
class LanguageThresholds:
    """The t of each section of a list.

    Attributes:
        values: int64, t by section, at least 1.
        fraction: the tail fraction that gave them; None where every t was given.
        given: the sections whose t was given.
    """

    sections: Sections
    values: npt.NDArray[np.int64]
    fraction: float | None
    given: frozenset[str] = frozenset()

    @classmethod
    def of_one(cls, threshold: int, n_entries: int, fraction: float | None = None) -> LanguageThresholds:
        """Return the t of a list that is used for all languages."""
        return cls(Sections.whole(n_entries), np.array([threshold], np.int64), fraction)

    @property
    def by_entry(self) -> npt.NDArray[np.int64]:
        """The t of each entry, int64 by entry id."""
        return self.sections.spread(self.values)

    @property
    def main(self) -> int:
        """The t that stands for all: that of English where there is a list of it, otherwise the largest."""
        if ENGLISH in self.sections.names:
            return int(self.values[self.sections.names.index(ENGLISH)])
        return int(self.values.max())

    @property
    def by_name(self) -> dict[str, int]:
        """Language -> t."""
        return dict(zip(self.sections.names, self.values.tolist(), strict=True))

    def probabilities(self, counts: npt.NDArray[np.int64]) -> pa.Table:
        """Return the t and the probability t / max(count, t) of each counted entry, ascending by id.

        Source: paper, section 3.4.

        Args:
            counts: int64, by entry id; an entry with count 0 gets no row.

        Returns:
            `entry_id` (int32), `lang` (string, the section), `count` and `threshold` (int64), `probability` (float64).
        """
        ids = np.flatnonzero(counts)
        section = self.sections.index_of(ids)
        t = self.values[section]
        return pa.table(
            {
                "entry_id": pa.array(ids.astype(np.int32)),
                "lang": pa.array(self.sections.names, pa.string()).take(pa.array(section)),
                "count": pa.array(counts[ids]),
                "threshold": pa.array(t),
                "probability": pa.array(entry_probability(counts[ids], t)),
            }
        )


def choose(
    counts: npt.NDArray[np.int64],
    sections: Sections,
    threshold: int | None,
    fraction: float | None,
    given: Mapping[str, int] | None = None,
) -> LanguageThresholds:
    """Return the t of each language: by the t of English where it is given, otherwise by one tail fraction.

    Args:
        threshold: see `for_english`.
        fraction: see `for_tail_fraction`; None: `TAIL_FRACTION`.
    """
    if threshold is not None:
        return for_english(counts, sections, threshold, given)
    return for_tail_fraction(counts, sections, TAIL_FRACTION if fraction is None else fraction, given)


def for_tail_fraction(
    counts: npt.NDArray[np.int64], sections: Sections, fraction: float, given: Mapping[str, int] | None = None
) -> LanguageThresholds:
    """Return the t of each language whose tail fraction is nearest to `fraction`; see `threshold_for_tail_fraction`.

    Args:
        counts: int64 by entry id, zeros included.
        fraction: in (0, 1].
        given: language -> t of languages for which the fraction does not decide.
    """
    chosen = dict(given or {})
    _check_names(chosen, sections)
    values = [
        chosen.get(name) or threshold_for_tail_fraction(part, fraction)
        for name, part in zip(sections.names, sections.parts(counts), strict=True)
    ]
    return LanguageThresholds(sections, np.array(values, np.int64), fraction, frozenset(chosen))


def for_fractions(
    counts: npt.NDArray[np.int64],
    sections: Sections,
    fractions: Iterable[float],
    given: Mapping[str, int] | None = None,
) -> dict[int, LanguageThresholds]:
    """Return the t of each language at each of many tail fractions, which are keys in millionths, ascending.

    Args:
        fractions: each in (0, 1).
        given: language -> t, the same at each fraction.
    """
    steps = sorted({round(fraction * FRACTION_STEPS) for fraction in fractions})
    return {step: for_tail_fraction(counts, sections, step / FRACTION_STEPS, given) for step in steps}


def for_english(
    counts: npt.NDArray[np.int64], sections: Sections, threshold: int, given: Mapping[str, int] | None = None
) -> LanguageThresholds:
    """Return `threshold` for English, and for every other language the t of English's tail fraction at it.

    Raises:
        ConfigError: there is no list or no count of English, so its tail fraction is not known.
    """
    if ENGLISH not in sections.names:
        raise ConfigError(
            f"--threshold is the t of English in a worldwide curation, and the lists have no {ENGLISH}: "
            f"{', '.join(sections.names)}. Give --tail-fraction instead."
        )
    start, stop = sections.range(ENGLISH)
    english = counts[start:stop]
    if not english.any():
        raise ConfigError(
            "--threshold is the t of English, and no pair of the pool matches an entry of English: its tail fraction "
            "is not known. Give --tail-fraction instead."
        )
    fraction = tail_fraction(english, threshold)
    return for_tail_fraction(counts, sections, fraction, {**(given or {}), ENGLISH: threshold})


def remarks(counts: npt.NDArray[np.int64], chosen: LanguageThresholds) -> dict[str, str]:
    """Return language -> what is unusual about its t: NO_PAIRS, RAISED (the fraction gives 0) or LOW."""
    found = {}
    for name, part, t in zip(chosen.sections.names, chosen.sections.parts(counts), chosen.values.tolist(), strict=True):
        if not part.any():
            found[name] = NO_PAIRS
        elif (
            t == 1
            and name not in chosen.given
            and chosen.fraction is not None
            and count_at_tail_fraction(part, chosen.fraction) < 1
        ):
            found[name] = RAISED
        elif t < LOW_THRESHOLD:
            found[name] = LOW
    return found


def sentences(found: Mapping[str, str], chosen: LanguageThresholds) -> list[str]:
    """Return what `remarks` found as sentences, one for each kind, with what was done."""
    meanings = {
        NO_PAIRS: "no pair of the pool matches their lists; t = {t} has no effect",
        RAISED: "the tail fraction gives t = 0, which would drop every pair; t = 1 is used",
        LOW: "t is below " + str(LOW_THRESHOLD) + ": the pool is small for this tail fraction",
    }
    lines = []
    for kind, meaning in meanings.items():
        names = [name for name, remark in found.items() if remark == kind]
        if names:
            t = chosen.by_name[names[0]]
            shown = names[:NAMED] if kind != LOW else [f"{name} ({chosen.by_name[name]})" for name in names[:NAMED]]
            listed = ", ".join(shown) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
            lines.append(f"{listed}: {meaning.format(t=t)}. --language-thresholds sets t of a language.")
    return lines


def _check_names(given: Mapping[str, int], sections: Sections) -> None:
    unknown = [name for name in given if name not in sections.names]
    if unknown:
        raise ConfigError(
            f"t is given for {', '.join(unknown)}, which the lists do not have; they are {', '.join(sections.names)}."
        )
