"""Weights of pairs: factors of their sampling probabilities, from a kept column and by language, without Spark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from metaclip_spark.core.weights.values import MISSING, read_weights


@dataclass(frozen=True)
class PairWeights:
    """The factor of each pair's sampling probability: the weight in its kept column times that of its list.

    A pair is kept if its draw is below p * weight. The draw does not depend on the weight, so a lower weight only
    removes pairs.

    Attributes:
        column: the kept column with the weight of each pair; None: the weights are those of the lists alone.
        missing: the weight of a pair without a value in the column; None: there must be no such pair.
        languages: (list, weight), in the order of the lists' names; the pairs of all other lists weigh 1.
    """

    column: str | None = None
    missing: float | None = None
    languages: tuple[tuple[str, float], ...] = ()

    @classmethod
    def given(
        cls, column: str | None, missing: str | None, languages: Mapping[str, float] | None
    ) -> PairWeights | None:
        """Return the weights that settings of these values mean; None where they mean none.

        Args:
            missing: a number, or `error`, the default.
        """
        if column is None and not languages:
            return None
        return cls(
            column, None if missing in (None, "error") else float(missing), tuple(sorted((languages or {}).items()))
        )

    @property
    def plain(self) -> dict[str, Any]:
        """The weights as plain values, for the log."""
        return {"column": self.column, "missing": self.missing, "languages": dict(self.languages)}

    def is_at_most(self, earlier: Mapping[str, Any]) -> bool:
        """Return whether no pair weighs more than with earlier weights, as `plain` gives them."""
        before = earlier.get("languages") or {}
        names = {*before, *dict(self.languages)}
        same = (self.column, self.missing) == (earlier.get("column"), earlier.get("missing"))
        return same and all(dict(self.languages).get(name, 1.0) <= before.get(name, 1.0) for name in names)

    def of(self, texts: pa.Array, lists: pa.Array) -> npt.NDArray[np.float64]:
        """Return the weight of each pair, float64 in [0, 1]; 0 for a pair whose value is no weight.

        Args:
            texts, lists: as in `read`.
        """
        return self.read(texts, lists)[0]

    def read(self, texts: pa.Array, lists: pa.Array) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int8]]:
        """Return the weight of each pair, as `of`, and what its value is instead of a weight, as `read_weights`.

        Args:
            texts: strings, the values of the kept column; not read without a column.
            lists: strings, the list of each pair; not read without weights of lists.
        """
        if self.column is None:
            weights, kinds = np.ones(len(texts)), np.zeros(len(texts), np.int8)
        else:
            weights, kinds = read_weights(texts)
            weights[kinds > 0] = 0.0
            weights[kinds == MISSING] = self.missing or 0.0
        if self.languages:
            names, values = zip(*self.languages, strict=True)
            at = pc.index_in(lists, pa.array(names, pa.string())).fill_null(len(names)).to_numpy(zero_copy_only=False)
            weights = weights * np.array([*values, 1.0])[at]
        return weights, kinds


def sentence_of(logged: Mapping[str, Any]) -> str:
    """Return what the log has about the weights of a draw, as a sentence."""
    factors = []
    if logged["column"] is not None:
        factors.append(f"its weight in the kept column {logged['column']!r}")
    if logged["languages"]:
        listed = ", ".join(f"{name} {weight:g}" for name, weight in logged["languages"].items())
        factors.append(f"the weight of its language ({listed}; all others 1)")
    text = (
        f"Each pair's sampling probability is multiplied by {' and '.join(factors)}: {logged['mean']:.4g} on average."
    )
    if logged["pairs_missing"]:
        missing, pairs = logged["pairs_missing"], logged["pairs"]
        text += f" {missing:,} of {pairs:,} matched pairs have no value there and weigh {logged['missing']:g}."
    return text


def shown(logged: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the log has about the weights of a draw, without the sums that only a later draw needs."""
    return {name: value for name, value in logged.items() if name != "snapshots"}
