"""The command `benchmark`: read texts, time every engine, print the tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from metaclip_spark.benchmark.one_core import LOOP, NAIVE, OURS, Rate, rates
from metaclip_spark.benchmark.texts import LIST, SAMPLE, different_texts, texts_of
from metaclip_spark.config.settings import Settings
from metaclip_spark.core.extras import how_to_install
from metaclip_spark.core.wording import counted
from metaclip_spark.errors import ConfigError
from metaclip_spark.metadata import load_metadata
from metaclip_spark.terminal.progress import Reporter

if TYPE_CHECKING:
    from metaclip_spark.benchmark.in_spark import Pass


def benchmark(
    settings: Settings,
    reporter: Reporter,
    number: int,
    rounds: int,
    naive_texts: int,
    with_spark: bool,
    as_json: bool,
) -> int:
    """Time the engines and print the results; return 0.

    Args:
        number: number of different texts to make from those of the input.
        rounds: number of timings per engine, whose median is printed.
        naive_texts: number of texts that the naive scan gets; 0 skips it.
        with_spark: time passes in Spark as well.

    Raises:
        ConfigError: no input is given, and the package is not a clone that contains the sample.
    """
    metadata = load_metadata(settings.metadata or LIST)
    inputs = list(settings.input) or [_shipped_sample()]
    reporter.say(f"Reading the texts of {', '.join(inputs)} ...")
    texts = different_texts(texts_of(inputs), number, settings.seed)
    reporter.say(f"One core: {counted(number, 'text')}, {counted(rounds, 'round')} ...")
    results, missing = rates(metadata, texts, rounds, naive_texts)
    for name in missing:
        reporter.warn(f"{name.partition(',')[0]} is skipped, because it is not installed: {how_to_install('bench')}")
    spark_passes: list[Pass] = []
    if with_spark:
        from metaclip_spark.benchmark.in_spark import passes
        from metaclip_spark.spark.engine import LOCAL_MASTER
        from metaclip_spark.spark.session import get_session

        spark = get_session(settings.master or LOCAL_MASTER, settings.driver_memory, settings.spark)
        reporter.say(f"Spark: {counted(rounds, 'round')} ...")
        ids = next(rate.ids for rate in results if rate.engine == OURS)
        spark_passes = passes(spark, metadata, texts, ids, rounds)
    summary = {
        "inputs": inputs,
        "metadata_id": metadata.metadata_id,
        "entries": len(metadata.entries),
        "texts": number,
        "bytes_per_text": sum(len(text.encode()) for text in texts) / number,
        "rounds": rounds,
        "one_core": [rate._asdict() for rate in results],
        "not_installed": missing,
        "spark": [one._asdict() for one in spark_passes],
    }
    if as_json:
        print(json.dumps(summary, ensure_ascii=False))
    else:
        _print(summary, results, spark_passes)
    return 0


def _shipped_sample() -> str:
    if not SAMPLE.exists():
        raise ConfigError(f"{SAMPLE.name} is not part of an installed package: give --input FILE...")
    return str(SAMPLE)


def _print(summary: Mapping[str, Any], results: Sequence[Rate], spark_passes: Sequence[Pass]) -> None:
    from metaclip_spark.terminal.tables import print_rows

    texts = f"{counted(summary['texts'], 'different text')} of {summary['bytes_per_text']:.0f} bytes"
    entries = counted(summary["entries"], "entry", "entries")
    print(f"{texts}; {entries}; medians of {counted(summary['rounds'], 'round')}")
    print_one_core(results)
    if spark_passes:
        floor = spark_passes[0].seconds
        rows = [
            [one.name, f"{one.seconds:.2f}", f"{summary['texts'] / one.seconds:,.0f}", f"{one.seconds / floor:.2f}"]
            for one in spark_passes
        ]
        print_rows(["in Spark", "seconds", "texts/s", "times the floor"], rows)


def print_one_core(results: Sequence[Rate]) -> None:
    """Print the table of one core. Ratios are to the pyahocorasick loop of the same run."""
    from metaclip_spark.terminal.tables import print_rows

    base = next(rate.texts_per_second for rate in results if rate.engine == LOOP)
    rows = []
    for rate in results:
        note = f" ({counted(rate.texts, 'text')})" if rate.engine == NAIVE else ""
        times = rate.texts_per_second / base
        rows.append(
            [
                rate.engine + note,
                f"{rate.texts_per_second:,.0f}",
                f"{times:.1f}" if times >= 0.05 else f"{times:.5f}",
                f"{rate.ids / rate.texts:.1f}",
            ]
        )
    print_rows(["one core", "texts/s", "times the loop", "ids per text"], rows)
