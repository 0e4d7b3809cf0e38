"""How many images of a subset will be on disk: read an earlier download, and sum the images of the pool by origin."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from pyspark.sql import DataFrame, SparkSession

from metaclip_spark.core.expected_size import Thresholds
from metaclip_spark.core.secrets import masked
from metaclip_spark.core.survival.model import OnDisk, Survival, survival_of
from metaclip_spark.core.survival.origins import UNKNOWN, age_of
from metaclip_spark.core.weights.pairs import PairWeights
from metaclip_spark.core.worldwide.thresholds import LanguageThresholds
from metaclip_spark.errors import ConfigError, InputError
from metaclip_spark.sources.files import Source
from metaclip_spark.spark.broadcast import Broadcast
from metaclip_spark.stages.download import download_by_origin, with_snapshots
from metaclip_spark.stages.sweep import expected_by_origin, images_of, other_domains
from metaclip_spark.steps.parquet import parquet_sources, read_parquet, readable

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?\s*%?", re.IGNORECASE)


@dataclass(frozen=True)
class Asked:
    """What `--survival` names: a rate, or the files of an earlier download."""

    shown: str
    rate: float | None
    sources: Sequence[Source] = ()


def asked_for(words: str) -> Asked:
    """Read the value of `--survival`, without an engine.

    Raises:
        ConfigError: a number that is no share.
        InputError: there is no Parquet file.
    """
    shown = masked(words)
    if not _NUMBER.fullmatch(words.strip()):
        expected = "a share such as 0.7 or 70%, or the folder that img2dataset wrote"
        return Asked(shown, None, parquet_sources([words], f"--survival {shown}", expected))
    number = words.strip()
    rate = float(number.removesuffix("%")) / (100 if number.endswith("%") else 1)
    if not 0 < rate <= 1:
        raise ConfigError(
            f"--survival takes a share above 0 and at most 1 (0.7 or 70%), or the folder that img2dataset wrote; got "
            f"{words!r}."
        )
    return Asked(shown, rate)


def survival_from(spark: SparkSession, asked: Asked, pairs: DataFrame, snapshots: Sequence[str]) -> Survival:
    """Return the survival that was asked for; read the download once, if it is one.

    An image of the download has the age of its column `snapshot`, or of the pool, if that has several.

    Args:
        pairs, snapshots: those of the pool.

    Raises:
        InputError: the files cannot be read, lack a column, or have no image.
    """
    if asked.rate is not None:
        return Survival.of_rate(asked.rate)
    several_ages = len({age_of(name) for name in snapshots} - {UNKNOWN}) > 1
    with readable(f"--survival {asked.shown}"):
        table = read_parquet(spark, asked.sources)
        if several_ages and "snapshot" not in table.columns and {"url", "status"} <= set(table.columns):
            table = with_snapshots(table, pairs)
        rows = download_by_origin(table).toArrow()
    if not len(rows):
        raise InputError(f"--survival {asked.shown} has no row with a url; expected the files that img2dataset wrote.")
    rows = rows.sort_by([("domain", "ascending"), ("age", "ascending")])
    tried, got = (np.asarray(rows[name].to_pylist(), np.int64) for name in ("tried", "got"))
    return survival_of(rows["domain"].to_pylist(), rows["age"].to_pylist(), tried, got)


@dataclass(frozen=True, eq=False)
class PoolOnDisk:
    """The images of a pool, and how they survive.

    Attributes:
        images: one row per image.
        counts: int64 by entry id.
    """

    images: DataFrame
    survival: Survival
    counts: npt.NDArray[np.int64]
    weights: PairWeights | None = None

    @classmethod
    def of(
        cls,
        pairs: DataFrame,
        unit: str,
        survival: Survival,
        counts: npt.NDArray[np.int64],
        weights: PairWeights | None = None,
    ) -> PoolOnDisk:
        """Return the images of the pairs to draw from.

        Raises:
            ConfigError: each pair has a draw and a weight of its own.
        """
        if unit == "image":
            return cls(pairs, survival, counts, weights)
        if weights is not None:
            raise ConfigError(
                "--survival counts images, and with weights the draws of an image's pairs do not multiply; add "
                "--unit image, or leave out --weight and --language-weights."
            )
        return cls(images_of(pairs), survival, counts)

    def sizes(self, values: Sequence[int], by_section: Sequence[LanguageThresholds] | None) -> dict[int, int]:
        """Return the expected images on disk at each t, in units of 2**-53. They never fall as t grows."""
        kept, _ = self._kept(values, by_section)
        return {
            value: self.survival.size({origin: size for origin, (size, _) in of.items()}) for value, of in kept.items()
        }

    def at(self, values: Sequence[int], by_section: Sequence[LanguageThresholds] | None) -> list[OnDisk]:
        """Return the expected images on disk at each t, with their bounds."""
        kept, matched = self._kept(values, by_section)
        found = []
        for value in values:
            of = {origin: (size / 2**53, spread / 2**53) for origin, (size, spread) in kept[value].items()}
            found.append(self.survival.on_disk(of, matched, self._squares))
        return found

    @cached_property
    def _squares(self) -> float:
        """The probability that two images of domains without a rate of their own are of one domain."""
        if not self.survival.correlation:
            return 0.0
        (row,) = other_domains(self.images, self.survival.domains).toArrow().to_pylist()
        return float(row["squares"] / row["images"] ** 2) if row["images"] else 0.0

    def _kept(
        self, values: Sequence[int], by_section: Sequence[LanguageThresholds] | None
    ) -> tuple[dict[int, dict[tuple[str, str], tuple[int, int]]], int]:
        """Return value -> (domain, age) -> the exact sums of p and of p(1 - p), in units of 2**-53; and all images.

        All images are those with a match.
        """
        spark = self.images.sparkSession
        broadcast = Broadcast.of(spark, Thresholds(self.counts, values, by_section))
        try:
            rows = expected_by_origin(self.images, broadcast, self.survival.domains, self.weights).toArrow()
        finally:
            broadcast.release()
        kept: dict[int, dict[tuple[str, str], tuple[int, int]]] = {int(value): {} for value in values}
        for row in rows.sort_by([("text_source", "ascending"), ("lang", "ascending")]).to_pylist():
            size, spread = (
                (int(row[f"{name}_high"]) << 27) + int(row[f"{name}_low"]) for name in ("expected", "variance")
            )
            kept[row["threshold"]][row["text_source"], row["lang"]] = size, spread
        return kept, sum(int(row["matched"]) for row in rows.to_pylist() if row["threshold"] == values[0])
