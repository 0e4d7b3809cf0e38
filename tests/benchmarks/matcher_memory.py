"""Measure the phrase matcher's list: seconds to build and to map it, and memory, also with ten times as many entries.

    python tests/benchmarks/matcher_memory.py [--large 5000000]

Memory is the growth of a worker's proportional set size (PSS, from /proc), while two processes map the list and look up
every text. The baseline is a worker that has loaded the kernel and a list of one entry. The bar is 40 MiB. A list of
500,000 entries must build within 1 s, one of 5,000,000 within 15 s, and a text may take at most twice as long with the
large list. The large list is the real one, and nine copies with a number after each entry. Each number is a token that
no other copy has.
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
    PhraseMatcher.of(Metadata.from_entries(["a"]))  # compiles the kernels, once per machine
    batches = in_batches(different_texts(200_000)[0])
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        tiny = Metadata.from_entries(["a"])
        tiny_path = Path(folder, "tiny.list")
        PhraseMatcher.of(tiny).write(tiny_path)
        for name, metadata in lists.items():
            build = min(timed(lambda m=metadata: PhraseMatcher.of(m)) for _ in range(3))
            path = Path(folder, f"{name}.list")
            PhraseMatcher.of(metadata).write(path)
            mapping = min(timed(lambda m=metadata, p=path: PhraseMatcher.read(p, m.metadata_id)) for _ in range(3))
            matcher = PhraseMatcher.read(path, metadata.metadata_id)
            seconds = min(timed(lambda m=matcher: [m.match(batch) for batch in batches]) for _ in range(5)) / 200_000
            growth = memory_growth(path, metadata, tiny_path, tiny)
            rows.append(
                [
                    f"{len(metadata.entries):,}",
                    f"{build:.2f}",
                    f"{path.stat().st_size / 2**20:.0f}",
                    f"{mapping * 1e3:.0f}",
                    f"{seconds * 1e9:.0f}",
                    f"{growth:.0f}",
                ]
            )
    print_rows(["entries", "build s", "file MiB", "map and check ms", "ns per text", "PSS MiB per worker"], rows)


def enlarged(metadata: Metadata, size: int) -> Metadata:
    """Return a list of `size` entries: the given ones, then copies with a number after each entry."""
    entries = list(metadata.entries)
    copies = -(-size // len(entries))
    copied = entries + [f"{entry} x{number}" for number in range(1, copies) for entry in entries]
    return Metadata.from_entries(copied[:size])


def memory_growth(path: Path, metadata: Metadata, tiny_path: Path, tiny: Metadata) -> float:
    """Return the MiB by which a worker grows for a list that two workers map: the larger of the two."""
    folder = str(Path(__file__).parent)
    command = [sys.executable, "-c", WORKER, str(path), metadata.metadata_id, folder, str(tiny_path)]
    workers = [
        subprocess.Popen([*command, tiny.metadata_id], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
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
