"""Measure matching inside tokens on one core: Chinese, Japanese and Thai texts against lists of 400,000 entries.

    python tests/benchmarks/edge_rate.py [--texts 20000] [--entries 400000] [--grams 10000]

Chinese and Japanese texts are halves of captions of `xflickrco_8lang.parquet`, joined. Thai ones are generated words.
A list has real lemmas (Chinese) or the generated words and pairs of them (Thai), the frequent parts of the texts of up
to eight characters, and strings of the texts' characters. The engines take turns, and the medians of their CPU seconds
are compared. The bar is 4 times pyahocorasick's loop, which makes the spaced text and the sorted ids of one text at a
time, with needles of the same edge rule. All engines must find the same ids.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import ahocorasick

sys.path.insert(0, str(Path(__file__).parent))
from worldwide_texts import captions_of, entries_for, joined_halves, lemmas_of, thai_entries, thai_texts

from metaclip_spark.benchmark.texts import in_batches
from metaclip_spark.core.text import spaced
from metaclip_spark.core.worldwide.switches import Switches
from metaclip_spark.matchers.worldwide.compiled import Buffered, CompiledList
from metaclip_spark.matchers.worldwide.needles import Needles
from metaclip_spark.matchers.worldwide.oracles import AhocorasickList
from metaclip_spark.metadata import Metadata
from metaclip_spark.terminal.tables import print_rows

BAR = 4


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=20_000)
    parser.add_argument("--entries", type=int, default=400_000)
    parser.add_argument("--grams", type=int, default=10_000, help="entries that are frequent parts of the texts")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    failed = []
    for name, code in (("Chinese", "zh"), ("Japanese", "ja"), ("Thai", "th")):
        base = thai_texts(4_000) if code == "th" else captions_of(code)
        texts = joined_halves(base, args.texts)
        words = thai_entries(100_000) if code == "th" else lemmas_of(code)
        metadata = Metadata.from_entries(entries_for(base, args.entries, args.grams, words))
        needles = Needles.of(metadata.entries, Switches())
        began = time.perf_counter()
        compiled = CompiledList.of(metadata, Switches())
        seconds = time.perf_counter() - began
        size = sum(len(text.encode()) for text in texts) / len(texts)
        print(
            f"{name}: {len(texts):,} different texts of {size:.0f} bytes; {len(metadata.entries):,} entries, "
            f"{len(needles.at_edges):,} edge entries; compiled in {seconds:.2f} s, {compiled.nbytes / 2**20:.0f} MiB"
        )
        loop = rates(metadata, needles, compiled, texts, args.rounds)
        if loop < BAR:
            failed.append(f"{name} {loop:.1f}")
    if failed:
        raise SystemExit(f"below the bar of {BAR} times pyahocorasick's loop: {', '.join(failed)}")


def rates(metadata: Metadata, needles: Needles, compiled: CompiledList, texts: list[str], rounds: int) -> float:
    """Print the rate of each engine; return how many times the loop's rate ours is."""
    automaton = ahocorasick.Automaton(ahocorasick.STORE_INTS)
    for number, needle in enumerate(needles.texts()):
        if needle is not None:
            automaton.add_word(needle, number)
    automaton.make_automaton()
    per_batch, buffered, batches = AhocorasickList(metadata, Switches()), Buffered(), in_batches(texts)

    def loop() -> int:
        found = automaton.iter
        return sum(len(sorted({number for _, number in found(spaced(text))})) for text in texts)

    engines = {
        "pyahocorasick, one call per text": loop,
        "ahocorasick, one call per batch": lambda: sum(len(per_batch.match(batch).ids) for batch in batches),
        "phrases and edges": lambda: sum(len(compiled.match(batch, buffered).ids) for batch in batches),
    }
    compiled.match(batches[0])  # compiles the kernels, once per machine
    times: dict[str, list[float]] = {name: [] for name in engines}
    ids = {}
    for _ in range(rounds):
        for name, run in engines.items():
            began = time.process_time()
            ids[name] = run()
            times[name].append(time.process_time() - began)
    if len(set(ids.values())) > 1:
        raise SystemExit(f"the engines differ: {ids}")
    seconds = {name: statistics.median(found) for name, found in times.items()}
    base = seconds["pyahocorasick, one call per text"]
    print_rows(
        ["one core", "texts/s", "times the loop", "ids per text"],
        [
            [name, f"{len(texts) / found:,.0f}", f"{base / found:.1f}", f"{ids[name] / len(texts):.1f}"]
            for name, found in seconds.items()
        ],
    )
    return base / seconds["phrases and edges"]


if __name__ == "__main__":
    main()
