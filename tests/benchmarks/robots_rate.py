"""Measure robots rules: files read per second, the file of rules by number of hosts, and texts checked per second.

    python tests/benchmarks/robots_rate.py [--hosts 1000000] [--files 20000] [--pairs 327680]

The time is CPU time of one core, so other work on the machine does not count. The files are generated in the forms that
public sites have; one host in ten has rules of its own, the others share a hundred texts. The peer of reading is
protego, which keeps the rules of all crawlers as Python objects.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
from protego import Protego

from metaclip_spark.robots.index import Robots, write_index
from metaclip_spark.robots.text import read_robots
from metaclip_spark.terminal.tables import print_rows

BATCH = 8192
_RULES = "User-agent: *\nDisallow: /wp-admin/\nAllow: /wp-admin/admin-ajax.php\nDisallow: /tmp/{}\n"
_FILE = "# robots\n" + _RULES + "\nUser-agent: GPTBot\nDisallow: /\n\nSitemap: https://example.org/{}.xml\n"


def seconds(work: Callable[[], object]) -> float:
    """Return the CPU seconds that a call takes."""
    started = time.process_time()
    work()
    return time.process_time() - started


def rows(hosts: int) -> Iterator[pa.RecordBatch]:
    """Yield rows of the table `robots`."""
    for at in range(0, hosts, 1 << 14):
        numbers = range(at, min(hosts, at + (1 << 14)))
        origins = pa.array([f"https://www.shop{n}.example" for n in numbers])
        rules = pa.array([_RULES.format(n if n % 10 == 0 else f"shared{n % 100}") for n in numbers])
        targets = pa.array([""] * len(numbers))
        yield pa.record_batch([origins, targets, rules], ["origin", "target", "rules"])


def pages(pairs: int, hosts: int) -> list[pa.Array]:
    """Return batches of page urls, twenty texts per page; half of the hosts are not in the table."""
    found = []
    for at in range(0, pairs, BATCH):
        numbers = [n // 20 for n in range(at, at + BATCH)]
        found.append(pa.array([f"https://www.shop{n * 7919 % (2 * hosts)}.example/page/{n}?x=1" for n in numbers]))
    return found


def main() -> None:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=1_000_000)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--pairs", type=int, default=40 * BATCH)
    args = parser.parse_args()
    files = [_FILE.format(n, n).encode() for n in range(args.files)]
    read = seconds(lambda: [read_robots(body) for body in files])
    parsed = seconds(lambda: [Protego.parse(body.decode()) for body in files])
    print_rows(
        ["robots.txt files", "files/s, one core"],
        [["read_robots", f"{args.files / read:,.0f}"], ["protego alone", f"{args.files / parsed:,.0f}"]],
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "robots")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        written = seconds(lambda: write_index(path, "id", rows(args.hosts)))
        peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
        size = path.stat().st_size
        opened = seconds(lambda: Robots.read(path, "id"))
        robots = Robots.read(path, "id")
        print_rows(
            ["file of rules", ""],
            [
                ["hosts, different texts", f"{robots.written.hosts:,}, {robots.written.texts:,}"],
                ["bytes, per host", f"{size:,}, {size / args.hosts:.1f}"],
                ["written, rows generated", f"{written:.1f} s, at most {peak / 1e6:,.0f} MB more than before"],
                ["opened, checked", f"{opened:.2f} s"],
            ],
        )
        pool = pages(args.pairs, args.hosts)
        robots.reasons(pool[0])
        ours = seconds(lambda: [robots.reasons(batch) for batch in pool])
        elsewhere = [pa.array([url.replace("shop", "other") for url in batch.to_pylist()]) for batch in pool]
        without = seconds(lambda: [robots.reasons(batch) for batch in elsewhere])
        print_rows(
            ["texts checked", "texts/s, one core"],
            [
                ["half of the pages have rules", f"{args.pairs / ours:,.0f}"],
                ["no page has rules", f"{args.pairs / without:,.0f}"],
            ],
        )


if __name__ == "__main__":
    main()
