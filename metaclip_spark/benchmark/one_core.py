"""Measure the rates of matching engines on one core: this project's engines, and other libraries."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import pyarrow as pa

from metaclip_spark.benchmark.texts import in_batches
from metaclip_spark.core.text import spaced, spaced_entry
from metaclip_spark.matchers import compile_matcher
from metaclip_spark.metadata import Metadata

Run = Callable[[Sequence[str], Sequence[pa.Array]], int]
"""A function that matches all texts, given as strings and as Arrow arrays, and returns the number of ids."""
LOOP = "pyahocorasick, one call per text"
OURS = "phrases"
NAIVE = "naive scan"


class Rate(NamedTuple):
    """The rate of an engine.

    Attributes:
        texts: number of texts.
        texts_per_second: median of the rounds.
        ids: number of ids that all texts match.
    """

    engine: str
    texts: int
    texts_per_second: float
    ids: int


def rates(metadata: Metadata, texts: Sequence[str], rounds: int, naive_texts: int) -> tuple[list[Rate], list[str]]:
    """Time the engines, which alternate in each round; return their rates, and the names of those not installed.

    Args:
        rounds: number of timings per engine.
        naive_texts: number of texts for the naive scan, which takes a 40th of a second per text; 0 skips the scan.
    """
    engines: dict[str, Run] = {}
    missing = []
    for name, make in _ENGINES.items():
        if name == NAIVE and not naive_texts:
            continue
        try:
            engines[name] = make(metadata)
        except ImportError:
            missing.append(name)
    seconds: dict[str, list[float]] = {name: [] for name in engines}
    ids: dict[str, int] = {}
    inputs = {name: texts[:naive_texts] if name == NAIVE else texts for name in engines}
    arrays = {name: in_batches(inputs[name]) for name in engines}
    if OURS in engines:
        engines[OURS](texts[:1], in_batches(texts[:1]))  # compile before the first timing
    for _ in range(rounds):
        for name, run in engines.items():
            start = time.perf_counter()
            ids[name] = run(inputs[name], arrays[name])
            seconds[name].append(time.perf_counter() - start)
    results = []
    for name in engines:
        number = len(inputs[name])
        results.append(Rate(name, number, number / statistics.median(seconds[name]), ids[name]))
    return results, missing


def _ours(engine: str) -> Callable[[Metadata], Run]:
    def make(metadata: Metadata) -> Run:
        matcher = compile_matcher(metadata, engine)
        return lambda _, arrays: sum(len(matcher.match(array).ids) for array in arrays)

    return make


def _loop(metadata: Metadata) -> Run:
    import ahocorasick

    automaton = ahocorasick.Automaton(ahocorasick.STORE_INTS)
    for number, entry in enumerate(metadata.entries):
        automaton.add_word(spaced_entry(entry), number)
    automaton.make_automaton()
    find = automaton.iter

    def run(texts: Sequence[str], _: Sequence[pa.Array]) -> int:
        return sum(len(sorted({number for _, number in find(spaced(text))})) for text in texts)

    return run


def _rust(metadata: Metadata) -> Run:
    import ahocorasick_rs

    find = ahocorasick_rs.AhoCorasick([spaced_entry(entry) for entry in metadata.entries]).find_matches_as_indexes

    def run(texts: Sequence[str], _: Sequence[pa.Array]) -> int:
        return sum(len(sorted({match[0] for match in find(spaced(text), overlapping=True)})) for text in texts)

    return run


def _double_array(metadata: Metadata) -> Run:
    import daachorse

    find = daachorse.CharwiseDoubleArrayAhoCorasick(list(map(spaced_entry, metadata.entries))).find_overlapping

    def run(texts: Sequence[str], _: Sequence[pa.Array]) -> int:
        return sum(len(sorted({match[2] for match in find(spaced(text))})) for text in texts)

    return run


_ENGINES: dict[str, Callable[[Metadata], Run]] = {
    NAIVE: _ours("naive"),
    LOOP: _loop,
    "ahocorasick_rs, one call per text": _rust,
    "daachorse, one call per text": _double_array,
    "ahocorasick, one call per batch": _ours("ahocorasick"),
    OURS: _ours("phrases"),
}
