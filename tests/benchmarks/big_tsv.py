"""Extract one large TSV on this machine: seconds, MB/s and the peak memory of all processes, by size.

    python tests/benchmarks/big_tsv.py [--megabytes 250 1000] [--engine embedded] [--memory 3g]

The rows are different pairs with captions of this machine's pool (see texts.py). Memory that does not grow with the
file shows that no task holds it; cores at work (CPU seconds by seconds) show that several tasks read it.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from process_tree import measured
from texts import ROOT, different_texts

from metaclip_spark.terminal.tables import print_rows


def written(path: Path, texts: list[str], size: int) -> int:
    """Write a TSV of about this many bytes; return the number of its rows."""
    rows = 0
    with open(path, "w", encoding="utf-8") as file:
        file.write("url\ttext\n")
        while file.tell() < size:
            file.writelines(
                f"https://images{rows + n}.example/{rows + n:012x}.jpg\t{text}\n" for n, text in enumerate(texts)
            )
            rows += len(texts)
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, nargs="+", default=[250, 1000])
    parser.add_argument("--engine", choices=("embedded", "spark"), default="embedded")
    parser.add_argument("--memory", default="3g", help="of the engine")
    args = parser.parse_args()
    texts = [" ".join(text.split()).lstrip('"') for text in different_texts(100_000)[0]]
    flag = "--memory" if args.engine == "embedded" else "--driver-memory"
    table = []
    for megabytes in args.megabytes:
        work = Path(tempfile.mkdtemp(prefix="big-tsv-"))
        rows = written(work / "pool.tsv", texts, megabytes * 10**6)
        command = [sys.executable, "-m", "metaclip_spark", "extract", "--input", str(work / "pool.tsv")]
        command += ["--metadata", "en", "--no-lid", "--warehouse", str(work / "warehouse")]
        one = measured([*command, "--engine", args.engine, flag, args.memory], {"PYTHONPATH": str(ROOT)})
        shutil.rmtree(work)
        if one.status:
            sys.exit(one.output)
        cores = one.cpu_seconds / one.seconds
        cells = [f"{megabytes:,}", f"{rows:,}", f"{one.seconds:.0f}", f"{megabytes / one.seconds:.1f}"]
        table.append([*cells, f"{cores:.1f}", f"{one.peak / 2**20:,.0f}"])
    print_rows(["MB", "rows", "seconds", "MB/s", "cores at work", "peak MiB"], table)


if __name__ == "__main__":
    main()
