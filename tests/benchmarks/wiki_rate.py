"""Measure counting Wikipedia's words: MB of XML per second, and memory, for dumps of several sizes.

    python tests/benchmarks/wiki_rate.py [--megabytes 150 1000] [--dump FILE] [--cores 2]

The dump is copied until its XML has the given size, and the command counts it in another process. Each size is a row of
the table. Without --dump, the dump is gensim's shortened one, which pip downloads. CPU seconds are those of all
processes; other work on the machine changes them less than the seconds. The table also shows the peak memory of the
driver's Python, of the JVM and of the largest worker. The benchmark checks that N copies have N times the words of one
copy. For 5 GB, use --megabytes 5000.
"""

from __future__ import annotations

import argparse
import bz2
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from metaclip_spark.terminal.tables import print_rows

REAL = "gensim/test/test_data/enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"


def main() -> int:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, nargs="+", default=[200])
    parser.add_argument("--dump", type=Path)
    parser.add_argument("--cores", type=int, default=2)
    args = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="wiki-rate-"))
    packed = (args.dump or download_dump(work)).read_bytes()
    size = len(bz2.decompress(packed)) / 1e6
    copies = {1} | {max(1, round(megabytes / size)) for megabytes in args.megabytes}
    rows = [measure(packed, number, size, args.cores, work) for number in sorted(copies)]
    print(f"{size:.1f} MB of XML per copy; {args.cores} cores; seconds include Spark's start")
    heads = ["copies", "MB", "seconds", "MB/s", "CPU seconds", "driver MiB", "JVM MiB", "largest worker MiB", "words"]
    print_rows(
        heads,
        [
            [f"{value:,.1f}" if name == "MB/s" else f"{value:,.0f}" for name, value in zip(heads, row, strict=True)]
            for row in rows
        ],
    )
    shutil.rmtree(work)
    equal = all(row[-1] == rows[0][-1] * row[0] for row in rows)
    print(
        "words of all copies: "
        + ("the words of one copy, times the copies" if equal else "NOT the words of one copy, times the copies")
    )
    return int(not equal)


def download_dump(work: Path) -> Path:
    """Download gensim's package and return the shortened dump in it."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "-q", "-d", str(work), "gensim==4.3.3"]
    subprocess.run(command, check=True)
    with zipfile.ZipFile(next(work.glob("gensim*.whl"))) as package:
        (work / "real.bz2").write_bytes(package.read(REAL))
    return work / "real.bz2"


def measure(packed: bytes, copies: int, size: float, cores: int, work: Path) -> list[float]:
    """Count this number of copies; return a row of the table."""
    folder, out = work / f"dumps-{copies}", work / f"out-{copies}"
    folder.mkdir()
    for number in range(copies):
        (folder / f"p{number:05}-pages-articles.xml.bz2").write_bytes(packed)
    command = [
        sys.executable,
        "-m",
        "metaclip_spark",
        "metadata",
        "count-words",
        str(folder),
        "--output",
        str(out),
        "--master",
        f"local[{cores}]",
    ]
    began = time.perf_counter()
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peaks, spent = [0.0, 0.0, 0.0], {}
    while running.poll() is None:
        for pid, name in descendants(running.pid):
            kind = 0 if pid == running.pid else 1 if name.startswith("java") else 2
            peaks[kind] = max(peaks[kind], resident_mib(pid))
            spent[pid] = max(spent.get(pid, 0.0), cpu_seconds(pid))
        time.sleep(0.2)
    seconds = time.perf_counter() - began
    if running.returncode:
        sys.exit(f"{' '.join(command)} ended with status {running.returncode}")
    words = json.loads((out / "counts.json").read_text())["statistics"]["words"]
    shutil.rmtree(folder)
    return [copies, copies * size, seconds, copies * size / seconds, sum(spent.values()), *peaks, words]


def descendants(root: int) -> list[tuple[int, str]]:
    """Return (process id, name) of a process and of all processes below it."""
    parents: dict[int, tuple[int, str]] = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            continue  # the process has ended
        name, _, rest = stat.partition("(")[2].rpartition(")")
        parents[int(pid)] = (int(rest.split()[1]), name)
    found = []
    for pid, (_, name) in parents.items():
        above = pid
        while above not in (root, 0):
            above = parents.get(above, (0, ""))[0]
        if above == root:
            found.append((pid, name))
    return found


def resident_mib(pid: int) -> float:
    """Return a process's resident set in MiB, or 0 if it has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)
    except (OSError, IndexError):
        return 0.0


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of a process, or 0 if it has ended."""
    try:
        user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    except OSError:
        return 0.0
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
