"""`metaclip-spark benchmark`: read the texts, time every engine, print the tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from metaclip_spark.benchmark.one_core import LOOP, NAIVE, OURS, Rate, rates
from metaclip_spark.benchmark.texts import LIST, SAMPLE, different_texts, texts_of
from metaclip_spark.config import Settings
from metaclip_spark.errors import ConfigError
from metaclip_spark.metadata import load_metadata
from metaclip_spark.terminal.progress import Reporter


def benchmark(
    settings: Settings,
    reporter: Reporter,
    number: int,
    rounds: int,
    naive_texts: int,
    with_spark: bool,
    as_json: bool,
) -> int:
    """Run the benchmark and print it; return the exit status.

    Args:
        number: how many different texts are made of the input's.
        rounds: medians are of so many.
        naive_texts: how many of them the naive scan gets.

    Raises:
        ConfigError: there is no list or no input, and none ships beside the package.
    """
    metadata = load_metadata(settings.metadata or _shipped(LIST, "--metadata FILE"))
    inputs = list(settings.input) or [_shipped(SAMPLE, "--input FILE...")]
    reporter.say(f"texts of {', '.join(inputs)} ...")
    texts = different_texts(texts_of(inputs), number, settings.seed)
    reporter.say(f"one core: {number:,} texts, {rounds} rounds ...")
    found, missing = rates(metadata, texts, rounds, naive_texts)
    for name in missing:
        reporter.warn(f"{name.partition(',')[0]} is left out: pip install 'metaclip-spark[bench]'.")
    took = []
    if with_spark:
        from metaclip_spark.benchmark.in_spark import passes
        from metaclip_spark.spark.session import get_session

        spark = get_session(settings.master, settings.driver_memory, settings.spark)
        reporter.say(f"Spark: {rounds} rounds ...")
        took = passes(spark, metadata, texts, next(rate.ids for rate in found if rate.engine == OURS), rounds)
    told = {
        "inputs": inputs,
        "metadata_id": metadata.metadata_id,
        "entries": len(metadata.entries),
        "texts": number,
        "bytes_per_text": sum(len(text.encode()) for text in texts) / number,
        "rounds": rounds,
        "one_core": [rate._asdict() for rate in found],
        "not_installed": missing,
        "spark": [one._asdict() for one in took],
    }
    if as_json:
        print(json.dumps(told, ensure_ascii=False))
    else:
        _print(told, found, took)
    return 0


def _shipped(path: Path, flag: str) -> str:
    if not path.exists():
        raise ConfigError(f"{path.name} does not ship with an installed package: give {flag}.")
    return str(path)


def _print(told: dict, found: Sequence[Rate], took: Sequence) -> None:
    from metaclip_spark.terminal.tables import print_rows

    print(
        f"{told['texts']:,} different texts of {told['bytes_per_text']:.0f} bytes; {told['entries']:,} entries; "
        f"medians of {told['rounds']}"
    )
    print_one_core(found)
    if took:
        floor = took[0].seconds
        rows = [
            [one.name, f"{one.seconds:.2f}", f"{told['texts'] / one.seconds:,.0f}", f"{one.seconds / floor:.2f}"]
            for one in took
        ]
        print_rows(["in Spark", "seconds", "texts/s", "times the floor"], rows)


def print_one_core(found: Sequence[Rate]) -> None:
    """Print the table of one core; ratios are to pyahocorasick's loop of the same run."""
    from metaclip_spark.terminal.tables import print_rows

    base = next(rate.texts_per_second for rate in found if rate.engine == LOOP)
    rows = []
    for rate in found:
        note = f" ({rate.texts:,} texts)" if rate.engine == NAIVE else ""
        times = rate.texts_per_second / base
        rows.append(
            [
                rate.engine + note,
                f"{rate.texts_per_second:,.0f}",
                f"{times:.1f}" if times >= 0.05 else f"{times:.5f}",
                f"{rate.ids / rate.texts:.1f}",
            ]
        )
    print_rows(["one core", "texts/s", "times the loop", "ids a text"], rows)
