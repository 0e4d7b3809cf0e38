"""Time matching in Spark against a pass that returns as many ids and matches nothing (bar: 1.8 times).

    python tests/benchmarks/match_stage.py [--texts 3000000] [--rounds 3]

The benchmark matches resampled LAION texts with 500,000 entries on local[2], and writes to a sink that stores nothing.
`metaclip-spark benchmark` also times pyahocorasick, which takes minutes with so many texts.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from texts import different_texts, entry_list

from metaclip_spark.benchmark.in_spark import passes
from metaclip_spark.benchmark.texts import in_batches
from metaclip_spark.matchers import compile_matcher
from metaclip_spark.metadata import load_metadata
from metaclip_spark.spark.session import get_session
from metaclip_spark.terminal.tables import print_rows


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=3_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    metadata = load_metadata(entry_list())
    texts, name = different_texts(args.texts)
    matcher = compile_matcher(metadata)
    ids = sum(len(matcher.match(batch).ids) for batch in in_batches(texts))
    results = passes(get_session("local[2]"), metadata, texts, ids, args.rounds, peers=False)
    print(f"{name}; {len(metadata.entries):,} entries; medians of {args.rounds}")
    floor = results[0].seconds
    rows = [[result.name, f"{result.seconds:.2f}", f"{result.seconds / floor:.2f}"] for result in results]
    print_rows(["in Spark", "seconds", "times the floor"], rows)


if __name__ == "__main__":
    main()
