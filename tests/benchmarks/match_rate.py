"""Texts that one core matches in a second, with the engine that runs use and 500,000 entries.

    python tests/benchmarks/match_rate.py [--texts 200000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import pyarrow as pa

sys.path.insert(0, str(Path(__file__).parent))
from texts import different_texts, entry_list  # noqa: E402

from metaclip_spark.matchers import compile_matcher  # noqa: E402
from metaclip_spark.metadata import load_metadata  # noqa: E402


def main() -> None:
    """Run the benchmark and print its line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    metadata = load_metadata(entry_list())
    matcher = compile_matcher(metadata)
    texts, name = different_texts(args.texts)
    batches = [pa.array(texts[at : at + 8192], pa.string()) for at in range(0, len(texts), 8192)]
    seconds, ids = [], 0
    for _ in range(args.rounds):
        began = time.perf_counter()
        ids = sum(len(matcher.match(batch).ids) for batch in batches)
        seconds.append(time.perf_counter() - began)
    print(
        f"{name}; {len(metadata.entries):,} entries; engine {matcher.name}; "
        f"{len(texts) / min(seconds):,.0f} texts/s, {ids / len(texts):.1f} ids a text"
    )


if __name__ == "__main__":
    main()
