"""The measured rates that the cost model computes with: one set per engine, in `rates.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from importlib.resources import files

ENGINES = ("embedded", "spark")


@dataclass(frozen=True)
class Rates:
    """The rates of an engine. `tests/benchmarks/cost_rates.py` measures them by running the job.

    Seconds are CPU seconds of all processes, so they do not depend on the number of cores.

    Attributes:
        measured: on what, and with which input.
        start_seconds: wall seconds of a run of a few rows.
        read_seconds: format -> seconds per MB of input to read, parse and match it and to store its pairs.
        texts_per_mb, pairs_per_mb: format -> texts found, and pairs staged if all languages are kept, per MB of input.
        identify_seconds: per text whose language is identified.
        dedup_seconds: per staged pair.
        known_seconds: of deduplication, per key of an earlier crawl.
        count_seconds, balance_seconds, report_seconds: per pair of the pool.
        staged_bytes, pair_bytes, curated_bytes: of Parquet, per pair that is staged, in the pool, in the subset.
        key_bytes: per key, in `sightings`.
        shuffled_bytes: of deduplication, per staged pair.
    """

    measured: str
    start_seconds: float
    read_seconds: Mapping[str, float]
    texts_per_mb: Mapping[str, float]
    pairs_per_mb: Mapping[str, float]
    identify_seconds: float
    dedup_seconds: float
    known_seconds: float
    count_seconds: float
    balance_seconds: float
    report_seconds: float
    staged_bytes: float
    pair_bytes: float
    curated_bytes: float
    key_bytes: float
    shuffled_bytes: float

    def as_json(self) -> dict[str, object]:
        """Return the rates as `rates.json` holds them."""
        return asdict(self)


def load_rates(engine: str) -> Rates:
    """Return the shipped rates of an engine: `embedded` or `spark`.

    Raises:
        ValueError: the file lacks a rate, or has an unknown one.
    """
    text = files("metaclip_spark.costs").joinpath("rates.json").read_text(encoding="utf-8")
    return rates_of(json.loads(text)[engine])


def rates_of(values: Mapping[str, object]) -> Rates:
    """Return rates from their JSON.

    Raises:
        ValueError: a rate is missing or unknown.
    """
    expected = {field.name for field in fields(Rates)}
    if set(values) != expected:
        missing, unknown = sorted(expected - set(values)), sorted(set(values) - expected)
        raise ValueError(f"expected the rates {sorted(expected)}; missing {missing}, unknown {unknown}.")
    return Rates(**values)  # type: ignore[arg-type]
