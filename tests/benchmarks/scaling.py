"""Compute the cost of a crawl from rates: the arithmetic of docs/SCALING.md, with your own rates if you give them.

    python tests/benchmarks/scaling.py [--wat-rate 40] [--match-rate 140000] [--lid-rate 60000] ...

Rates are per core: MB of gzip (tests/benchmarks/wat_rate.py), texts to match (measured with 500,000 entries), and texts
to identify (tests/benchmarks/lid_rate.py). The shares are assumptions about the texts of a crawl.
"""

from __future__ import annotations

import argparse

from metaclip_spark.steps.reading.pace import sources_per_commit
from metaclip_spark.terminal.tables import print_rows

FILES = 90_000
MB_PER_FILE = 300
TEXTS_PER_FILE = 650_000
BLOCK_MB = 8.389
"""The size of one request: 8 MiB (metaclip_spark.storage.fetch.Patience)."""


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wat-rate", type=float, default=40.0, help="MB of gzip per core and second")
    parser.add_argument("--match-rate", type=float, default=140_000, help="texts per core and second")
    parser.add_argument("--lid-rate", type=float, default=60_000, help="texts per core and second")
    parser.add_argument("--matched", type=float, default=0.5, help="share of the texts that match an entry")
    parser.add_argument("--once", type=float, default=0.7, help="share of those that are not repeats within their file")
    parser.add_argument("--english", type=float, default=0.45, help="share of those in a wanted language")
    parser.add_argument("--new", type=float, default=0.5, help="share of those that no other file or crawl has")
    parser.add_argument("--stored", type=float, default=150, help="bytes of Parquet per pair")
    parser.add_argument("--shuffled", type=float, default=300, help="bytes shuffled per new pair")
    parser.add_argument("--cores", type=int, default=400)
    parser.add_argument("--crawls", type=int, default=90)
    args = parser.parse_args()

    texts = FILES * TEXTS_PER_FILE
    identified = texts * args.matched * args.once
    staged = identified * args.english
    new = staged * args.new
    hours = {
        "inflate, parse, make urls and ids": FILES * MB_PER_FILE / args.wat_rate / 3600,
        "match every text": texts / args.match_rate / 3600,
        "identify matched texts, once per file": identified / args.lid_rate / 3600,
    }
    total = sum(hours.values())
    rows = [[name, f"{value:,.0f}", f"{value * args.crawls:,.0f}"] for name, value in hours.items()]
    rows.append(["extraction", f"{total:,.0f}", f"{total * args.crawls:,.0f}"])
    wall = total / args.cores
    rows.append([f"hours on {args.cores:,} cores", f"{wall:.1f}", f"{wall * args.crawls:,.0f}"])
    rows.append(["a peer's 50 s per file", f"{FILES * 50 / 3600:,.0f}", f"{FILES * 50 * args.crawls / 3600:,.0f}"])
    print_rows(["core-hours", "one crawl", f"{args.crawls} crawls"], rows)
    print()
    per_commit = sources_per_commit(None, args.cores)
    amounts = [
        ("files read", FILES, "{:,.0f}"),
        (f"commits of extraction ({per_commit:,} files each)", -(-FILES // per_commit), "{:,.0f}"),
        ("requests (8 MiB each)", FILES * MB_PER_FILE / BLOCK_MB, "{:,.0f}"),
        ("TB read", FILES * MB_PER_FILE / 1e6, "{:,.1f}"),
        ("billions of texts", texts / 1e9, "{:,.1f}"),
        ("billions of pairs staged", staged / 1e9, "{:,.1f}"),
        ("billions of new pairs", new / 1e9, "{:,.1f}"),
        ("TB staged, until deduplicated", staged * args.stored / 1e12, "{:,.2f}"),
        ("TB shuffled", new * args.shuffled / 1e12, "{:,.2f}"),
        ("TB of pairs", new * args.stored / 1e12, "{:,.2f}"),
        ("TB of keys and sightings (16 bytes each)", (new + staged) * 16 / 1e12, "{:,.2f}"),
    ]
    rows = [[name, form.format(value), form.format(value * args.crawls)] for name, value, form in amounts]
    print_rows(["amounts", "one crawl", f"{args.crawls} crawls"], rows)


if __name__ == "__main__":
    main()
