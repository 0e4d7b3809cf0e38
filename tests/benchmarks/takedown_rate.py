"""Measure how many pairs per second one core checks against a takedown list, with generated urls.

    python tests/benchmarks/takedown_rate.py [--urls 1000000] [--domains 100000] [--pairs 327680]

The time is CPU time, so other work on the machine does not count. The peer is a Python set of hashlib's hashes, which
looks up urls one by one.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from hashlib import blake2b, md5, sha256

import pyarrow as pa

from metaclip_spark.core.hashing.ids import pair_ids
from metaclip_spark.takedown.hashes import (
    DIGESTS,
    DOMAIN,
    PAGE_DOMAIN,
    PAIR_ID,
    URL,
    Takedowns,
    hashes_of,
    sorted_hashes,
)
from metaclip_spark.terminal.tables import print_rows

BATCH = 8192
SALT = "ab" * 16


def batches(pairs: int) -> list[tuple[pa.Array, pa.Array]]:
    """Return batches of (urls, pages) with many hosts and twenty images per page."""
    found = []
    for at in range(0, pairs, BATCH):
        numbers = range(at, at + BATCH)
        urls = [f"https://cdn{n * 31 % 3000}.shop{at % 11}.example/photos/{n}/large.jpg" for n in numbers]
        pages = [f"https://www.shop{n // 20 % 400}.example/page/{n // 20}" for n in numbers]
        found.append((pa.array(urls), pa.array(pages)))
    return found


def seconds(work: Callable[[], object]) -> float:
    """Return the CPU seconds that a call takes."""
    started = time.process_time()
    work()
    return time.process_time() - started


def hash_rates(pool: list[tuple[pa.Array, pa.Array]]) -> list[list[str]]:
    """Return the rates at which urls are hashed, by kind of hash, beside those of the standard library."""
    number, rows = sum(len(urls) for urls, _ in pool), []
    for (kind, digits), peer in zip(DIGESTS.items(), (sha256, md5), strict=True):
        digits(pool[0][0])
        ours = seconds(lambda: [digits(urls) for urls, _ in pool])  # noqa: B023 - called at once
        theirs = seconds(lambda: [peer(url.encode()).hexdigest() for urls, _ in pool for url in urls.to_pylist()])  # noqa: B023
        rows.append([kind, f"{number / ours:,.0f}", f"{number / theirs:,.0f}"])
    return rows


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--urls", type=int, default=1_000_000)
    parser.add_argument("--domains", type=int, default=100_000)
    parser.add_argument("--pairs", type=int, default=40 * BATCH)
    args = parser.parse_args()
    listed = pa.array([f"https://img{n % 5000}.example/photos/{n}/large.jpg" for n in range(args.urls)])
    domains = pa.array([f"gone{n}.example.net" for n in range(args.domains)])
    lists = {URL: listed, DOMAIN: domains, PAGE_DOMAIN: domains}
    lists |= {kind: digits(listed) for kind, digits in DIGESTS.items()}
    lists[PAIR_ID] = lists["url_md5"]
    hashes = {kind: sorted_hashes([hashes_of(SALT, kind, values)]) for kind, values in lists.items()}
    pool = batches(args.pairs)
    known = {blake2b(url.encode(), digest_size=16).digest() for url in listed.to_pylist()}

    def look_up_in_set() -> None:
        for urls, _ in pool:
            [blake2b(url.encode(), digest_size=16).digest() in known for url in urls.to_pylist()]

    def look_up_in_set_by_sha256() -> None:
        for urls, _ in pool:
            [sha256(url.encode()).digest() in known for url in urls.to_pylist()]

    kinds = {"urls": [URL], "domains": [DOMAIN, PAGE_DOMAIN], "urls and domains": [URL, DOMAIN, PAGE_DOMAIN]}
    kinds |= {kind: [kind] for kind in (*DIGESTS, PAIR_ID)} | {"all": list(lists)}
    print(f"{args.urls:,} urls, {args.domains:,} domains of images and of pages; {args.pairs:,} pairs")
    rows = [
        ["urls, Python set", f"{args.pairs / seconds(look_up_in_set):,.0f}"],
        ["SHA-256 of urls, Python set", f"{args.pairs / seconds(look_up_in_set_by_sha256):,.0f}"],
    ]
    for name, wanted in kinds.items():
        takedowns = Takedowns(SALT, {kind: hashes[kind] for kind in wanted})
        keys = [pair_ids(urls, pages) if takedowns.has_pair_ids else None for urls, pages in pool]
        takedowns.covers(*pool[0], keys[0])
        cpu_seconds = seconds(lambda: [takedowns.covers(*pair, key) for pair, key in zip(pool, keys, strict=True)])  # noqa: B023
        rows.append([name, f"{args.pairs / cpu_seconds:,.0f}"])
    print_rows(["takedown list", "pairs/s, one core"], rows)
    print()
    print_rows(["hash of a url", "urls/s, one core", "hashlib"], hash_rates(pool))


if __name__ == "__main__":
    main()
