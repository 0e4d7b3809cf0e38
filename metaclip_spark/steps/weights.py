"""Check the weights of the pairs that a step is about to read, before anything is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame

from metaclip_spark.core.sampling import from_fixed_point
from metaclip_spark.core.weights.pairs import PairWeights
from metaclip_spark.core.weights.values import MISSING, NOT_A_NUMBER, OUT_OF_RANGE
from metaclip_spark.core.wording import agrees, counted
from metaclip_spark.errors import ConfigError, InputError
from metaclip_spark.stages.weights import weight_sums
from metaclip_spark.steps.context import Context

_WORDS = {
    NOT_A_NUMBER: ("is no number", "are no numbers"),
    OUT_OF_RANGE: ("is not from 0 to 1", "are not from 0 to 1"),
    MISSING: ("has no value", "have no value"),
}
"""Kind of a value that is no weight -> the words for one pair, and for several."""


@dataclass(frozen=True)
class Weighed:
    """What the matched pairs of some snapshots weigh.

    Attributes:
        snapshots: snapshot -> pairs, missing (pairs without a value), and the sum of the weights in units of 2**-53.
    """

    snapshots: dict[str, dict[str, int]]

    @property
    def pairs(self) -> int:
        """Number of matched pairs."""
        return sum(each["pairs"] for each in self.snapshots.values())

    @property
    def missing(self) -> int:
        """Number of matched pairs without a value."""
        return sum(each["missing"] for each in self.snapshots.values())

    @property
    def mean(self) -> float:
        """The mean weight of a matched pair; 0 without pairs."""
        return from_fixed_point(0, sum(each["sum"] for each in self.snapshots.values())) / max(self.pairs, 1)


def weigh(ctx: Context, pairs: DataFrame, weights: PairWeights) -> Weighed:
    """Return what matched pairs weigh, in one pass over their weights; say how many have no value.

    Raises:
        ConfigError: a weight is of a language that has no list.
        InputError: a pair has a value that is no weight, or no value and there is no weight for such pairs.
    """
    unknown = [name for name, _ in weights.languages if name not in ctx.metadata.sections.names]
    if unknown:
        raise ConfigError(
            f"a weight is given for {', '.join(unknown)}, which the lists do not have; they are "
            f"{', '.join(ctx.metadata.sections.names)}."
        )
    snapshots: dict[str, dict[str, int]] = {}
    wrong: dict[int, tuple[int, str]] = {}
    for row in weight_sums(pairs, weights).toArrow().to_pylist():
        seen = snapshots.setdefault(row["snapshot"], {"pairs": 0, "missing": 0, "sum": 0})
        number, kind = int(row["pairs"]), row["kind"]
        seen["pairs"] += number
        seen["missing"] += number if kind == MISSING else 0
        seen["sum"] += (int(row["high"]) << 27) + int(row["low"])
        if kind and (kind != MISSING or weights.missing is None):
            before, example = wrong.get(kind, (0, row["example"]))
            wrong[kind] = before + number, min(example, row["example"])
    found = Weighed(dict(sorted(snapshots.items())))
    if wrong:
        raise InputError(_refusal(found, wrong, weights))
    if found.missing:
        has, weighs = agrees(found.missing, "has", "have"), agrees(found.missing, "it weighs", "they weigh")
        ctx.reporter.say(
            f"weights: {found.missing:,} of {counted(found.pairs, 'matched pair')} {has} no value in "
            f"{weights.column!r}; {weighs} {weights.missing:g} each."
        )
    return found


def _refusal(found: Weighed, wrong: dict[int, tuple[int, str]], weights: PairWeights) -> str:
    total = sum(number for number, _ in wrong.values())
    kinds = []
    for kind, words in _WORDS.items():
        if kind in wrong:
            number, example = wrong[kind]
            pair, _, value = example.partition(" ")
            kinds.append(f"{number:,} {agrees(number, *words)} ({_example(pair, value, kind)})")
    ways = []
    if wrong.keys() - {MISSING}:
        ways.append("Bring the column to numbers from 0 to 1 in the input, or read it again with another one")
    if MISSING in wrong:
        ways.append(
            "--weight-missing 1 keeps the probability of pairs without a value, and 0 drops them; --keep-columns "
            f"{weights.column} keeps the column when sources are read"
        )
    has = agrees(total, "has", "have")
    return (
        f"{total:,} of {counted(found.pairs, 'matched pair')} {has} no weight from 0 to 1 in the kept column "
        f"{weights.column!r}: {'; '.join(kinds)}. Nothing was drawn. {'. '.join(ways)}."
    )


def _example(pair: str, value: str, kind: int) -> str:
    return f"e.g. pair {pair}" + ("" if kind == MISSING and not value.strip() else f": {value!r}")


def joined(weights: PairWeights, found: Weighed, earlier: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return what the log keeps about the weights of a draw: the weights, and what the pairs of its pool weigh.

    Args:
        earlier: what the log has for the run whose subset was read instead of its pool; None without such a run.
    """
    before = {} if earlier is None else earlier["snapshots"]
    every = Weighed({**before, **found.snapshots})
    return {
        **weights.plain,
        "snapshots": every.snapshots,
        "pairs": every.pairs,
        "pairs_missing": every.missing,
        "mean": every.mean,
    }
