"""Measure matching on one core: texts/s of each engine, on three kinds of texts, with 500,000 entries.

    python tests/benchmarks/match_rate.py [--texts 100000] [--rounds 5] [--naive-texts 0]

The texts are LAION's captions, alt texts of web pages and museum titles, from `../shared/data`. Without that folder,
they are those of the shipped sample. The bars of the ratio to pyahocorasick's loop are 8, 9 and 5.5. To time the peers,
run pip install '.[bench]'.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parent))
from texts import CAPTIONS, base_texts, entry_list

from metaclip_spark.benchmark.one_core import rates
from metaclip_spark.benchmark.texts import different_texts, texts_of
from metaclip_spark.commands.benchmark import print_one_core
from metaclip_spark.metadata import load_metadata


def text_sets() -> dict[str, list[str]]:
    """Return name -> texts."""
    if not CAPTIONS.is_dir():
        return {"shipped sample": base_texts()[0]}
    titles = pq.read_table(CAPTIONS / "cmoa.parquet").column("text").to_pylist()
    return {
        "LAION": base_texts()[0],
        "HTML alts": texts_of([str(CAPTIONS.parent / "crawl" / "pages.wat.gz")]),
        "museum titles": [text for text in titles if text],
    }


def main() -> None:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--naive-texts", type=int, default=0)
    args = parser.parse_args()
    metadata = load_metadata(entry_list())
    for name, base in text_sets().items():
        texts = different_texts(base, args.texts)
        size = sum(len(text.encode()) for text in texts) / len(texts)
        print(f"{name}: {len(texts):,} different texts of {size:.0f} bytes; {len(metadata.entries):,} entries")
        print_one_core(rates(metadata, texts, args.rounds, args.naive_texts)[0])


if __name__ == "__main__":
    main()
