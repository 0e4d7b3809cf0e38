"""Measure the memory of a worker that extracts a WAT: with a list of 500,000 entries, identification and ids.

    python tests/benchmarks/worker_memory.py [--against DIR] [--rounds 3] [--file PATH.wat.gz]

A worker reads real pages if ../shared/data exists, else the sample. Kernels and the compiled list are on the machine:
a first worker makes them. Prints the medians of the most resident memory (VmHWM of /proc), and of the memory at the end
with shared pages divided among their processes (PSS). With `--against`, the code of another folder, such as a worktree
of an older commit, is measured in turns.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from texts import ROOT, entry_list

from metaclip_spark.terminal.tables import print_rows

WORKER = """
import re, sys
from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.extract.language import load_identifier
from metaclip_spark.extract.task import Stamp, Tools, extract_split
from metaclip_spark.matchers import compile_matcher
from metaclip_spark.matchers.phrases import PhraseMatcher
from metaclip_spark.metadata import load_metadata
from metaclip_spark.sources.files import find_sources, splits_of
from pathlib import Path

kept = Path(sys.argv[3])
if not kept.exists():
    metadata = load_metadata(sys.argv[2])
    compile_matcher(metadata).write(kept)
    kept.with_suffix(".id").write_text(metadata.metadata_id)
matcher = PhraseMatcher.read(kept, kept.with_suffix(".id").read_text())
tools = Tools(matcher=matcher, identifier=load_identifier("lid176"))
(split,) = splits_of(find_sources([sys.argv[1]]))
rows = sum(batch.num_rows for batch in extract_split(split, ExtractOptions(), tools, Stamp("a", "m", "b")))
peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]
pss = re.search(r"\\nPss:\\s+(\\d+)", Path("/proc/self/smaps_rollup").read_text())[1]
print(rows, peak, pss)
"""


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    real = ROOT.parent / "shared" / "data" / "crawl" / "pages.wat.gz"
    parser.add_argument(
        "--file", type=Path, default=real if real.exists() else ROOT / "jobs" / "sample" / "pool.wat.gz"
    )
    args = parser.parse_args()
    folders = {"this code": ROOT} | ({"against": args.against.resolve()} if args.against else {})
    measured: dict[str, list[list[int]]] = {name: [] for name in folders}
    with tempfile.TemporaryDirectory() as kept:
        for at in range(args.rounds + 1):  # the first round compiles
            for number, (name, folder) in enumerate(folders.items()):
                found = run(folder, args.file, Path(kept, f"{number}.list"))
                if at:
                    measured[name].append(found)
    rows = []
    for name, found in measured.items():
        extracted, peak, pss = (statistics.median(values) for values in zip(*found, strict=True))
        rows.append([name, f"{extracted:,.0f}", f"{peak / 1024:.0f}", f"{pss / 1024:.0f}"])
    print_rows(["", "rows", "most resident, MiB", "PSS at the end, MiB"], rows)


def run(folder: Path, file: Path, kept: Path) -> list[int]:
    """Return (rows, most resident memory, PSS) of a worker with the code of a folder; memory in KiB."""
    done = subprocess.run(
        [sys.executable, "-c", WORKER, str(file), entry_list(), str(kept)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(done.stderr)
    return [int(value) for value in done.stdout.split()]


if __name__ == "__main__":
    main()
