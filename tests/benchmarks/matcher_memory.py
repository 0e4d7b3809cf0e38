"""What the phrase matcher's list costs: to build, to map, in memory, and with ten times as many entries.

    python tests/benchmarks/matcher_memory.py [--large 5000000]

Memory is a worker's proportional set (PSS, from /proc), while two processes map the list and look up every text: over
that of a worker that has the kernel loaded and a list of one entry (bar: 40 MiB). Bars: 500,000 entries build within
1 s; 5,000,000 within 15 s, and a text costs at most twice as much. The large list is the real one with a number behind
each entry, nine times, which brings a token of its own each time.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from texts import different_texts, entry_list

from metaclip_spark.benchmark.texts import in_batches
from metaclip_spark.matchers.phrases import PhraseMatcher
from metaclip_spark.metadata import Metadata, load_metadata
from metaclip_spark.terminal.tables import print_rows

WORKER = """
import sys
sys.path.insert(0, sys.argv[3])
from texts import different_texts
from metaclip_spark.benchmark.texts import in_batches
from metaclip_spark.matchers.phrases import PhraseMatcher
batches = in_batches(different_texts(100_000)[0])
PhraseMatcher.read(sys.argv[4], sys.argv[5]).match(batches[0])
print("loaded", flush=True)
sys.stdin.readline()
matcher = PhraseMatcher.read(sys.argv[1], sys.argv[2])
for batch in batches:
    matcher.match(batch)
print("matched", flush=True)
sys.stdin.readline()
"""


def main() -> None:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", type=int, default=5_000_000)
    args = parser.parse_args()
    lists = {"real": load_metadata(entry_list())}
    lists["large"] = enlarged(lists["real"], args.large)
    PhraseMatcher.of(Metadata.from_entries(["a"]))  # compiled once per machine
    batches = in_batches(different_texts(200_000)[0])
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        one = Metadata.from_entries(["a"])
        small = Path(folder, "one.list")
        PhraseMatcher.of(one).write(small)
        for name, metadata in lists.items():
            build = min(timed(lambda m=metadata: PhraseMatcher.of(m)) for _ in range(3))
            path = Path(folder, f"{name}.list")
            PhraseMatcher.of(metadata).write(path)
            mapping = min(timed(lambda m=metadata, p=path: PhraseMatcher.read(p, m.metadata_id)) for _ in range(3))
            matcher = PhraseMatcher.read(path, metadata.metadata_id)
            took = min(timed(lambda m=matcher: [m.match(batch) for batch in batches]) for _ in range(5)) / 200_000
            grown = memory(path, metadata, small, one)
            rows.append(
                [
                    f"{len(metadata.entries):,}",
                    f"{build:.2f}",
                    f"{path.stat().st_size / 2**20:.0f}",
                    f"{mapping * 1e3:.0f}",
                    f"{took * 1e9:.0f}",
                    f"{grown:.0f}",
                ]
            )
    print_rows(["entries", "build s", "file MiB", "map and check ms", "ns a text", "PSS a worker MiB"], rows)


def enlarged(metadata: Metadata, size: int) -> Metadata:
    entries = list(metadata.entries)
    copies = -(-size // len(entries))
    made = entries + [f"{entry} x{number}" for number in range(1, copies) for entry in entries]
    return Metadata.from_entries(made[:size])


def memory(path: Path, metadata: Metadata, small: Path, one: Metadata) -> float:
    """Return how many MiB of memory each of two workers takes for a list that both map."""
    command = [sys.executable, "-c", WORKER, str(path), metadata.metadata_id, str(Path(__file__).parent), str(small)]
    workers = [
        subprocess.Popen([*command, one.metadata_id], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for worker in workers:
        worker.stdout.readline()
    before = [pss_mib(worker.pid) for worker in workers]
    for worker in workers:
        worker.stdin.write("\n")
        worker.stdin.flush()
    for worker in workers:
        worker.stdout.readline()
    after = [pss_mib(worker.pid) for worker in workers]
    for worker in workers:
        worker.communicate("\n")
    return max(b - a for a, b in zip(before, after, strict=True))


def pss_mib(pid: int) -> float:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss: +(\d+)", text, re.M).group(1)) / 1024


def timed(run) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
