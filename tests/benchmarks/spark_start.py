"""Time the start of a local Spark and a small piece of work with Delta, by the options of the JVM.

    python tests/benchmarks/spark_start.py [--rounds 5] [--only "paths, class archive"]

Each start is a process of its own, and the variants take turns. CPU seconds are of all processes together, so they can
be compared on a machine that other work shares. The archive of classes must be there
(`python -m metaclip_spark.spark.class_archive`).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from metaclip_spark.spark.jars import BY_PATH, delta_package, jar_settings
from metaclip_spark.spark.java import archive_path, java_options
from metaclip_spark.spark.session import get_session

OPTIONS = "spark.driver.extraJavaOptions"


def variants() -> dict[str, dict[str, str]]:
    """Return settings by the name of a variant."""
    archive = archive_path(jar_settings(True).get(BY_PATH))
    if archive is None:
        sys.exit("there is no archive of classes; make it with: python -m metaclip_spark.spark.class_archive")
    return {
        "packages resolved": {"spark.jars.packages": delta_package(), OPTIONS: java_options(False, None)},
        "JARs by path": {OPTIONS: java_options(False, None)},
        "paths, first tier": {OPTIONS: java_options(True, None)},
        "paths, class archive": {OPTIONS: java_options(False, archive)},
        "paths, archive, first tier": {OPTIONS: java_options(True, archive)},
    }


def cpu_seconds() -> float:
    """Return the CPU seconds of this process and of all below it, ended children included."""
    parents, seconds = {}, {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            values = (path / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(path.name)] = int(values[1])
        seconds[int(path.name)] = sum(map(int, values[11:15])) / os.sysconf("SC_CLK_TCK")
    total = 0.0
    for pid in seconds:
        above = pid
        while above in parents and above != os.getpid():
            above = parents[above]
        total += seconds[pid] if above == os.getpid() else 0.0
    return total


def measure(conf: dict[str, str]) -> None:
    """Start a session and do the work in this process; print the seconds and CPU seconds of both as JSON."""
    began = time.monotonic()
    spark = get_session("local[2]", "2g", conf)
    started, started_cpu = time.monotonic() - began, cpu_seconds()

    import metaclip_spark as mc

    texts = ["a photo of a dog", "an otter", "none", "a cat and a dog", "x"] * 1000
    with tempfile.TemporaryDirectory() as folder:
        df = spark.createDataFrame([(f"u{n}", text) for n, text in enumerate(texts)], "url string, text string")
        for _ in range(3):
            mc.match(df, ["photo", "dog", "otter", "cat"]).write.format("delta").mode("append").save(f"{folder}/pairs")
        pairs = spark.read.format("delta").load(f"{folder}/pairs")
        mc.count_entries(pairs).write.format("delta").save(f"{folder}/counts")
        pairs.groupBy("text").count().collect()
        spark.sql(f"DESCRIBE HISTORY delta.`{folder}/pairs`").collect()
    worked = time.monotonic() - began - started
    print(json.dumps([started, started_cpu, worked, cpu_seconds() - started_cpu]))


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", action="append", help="a variant's name; may be given several times")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        measure(json.loads(args.measure))
        return
    chosen = {name: conf for name, conf in variants().items() if not args.only or name in args.only}
    results: dict[str, list[list[float]]] = {name: [] for name in chosen}
    for _ in range(args.rounds):
        for name, conf in chosen.items():
            command = [sys.executable, __file__, "--measure", json.dumps(conf)]
            output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
            results[name].append(json.loads(output.splitlines()[-1]))
    from metaclip_spark.terminal.tables import print_rows

    print(f"local[2]; medians of {args.rounds}; load {os.getloadavg()[1]:.0f} on {os.cpu_count()} cores")
    rows = [
        [name, *(f"{statistics.median(column):.1f}" for column in zip(*runs, strict=True))]
        for name, runs in results.items()
    ]
    print_rows(["JVM", "start, s", "CPU s", "work, s", "CPU s"], rows)


if __name__ == "__main__":
    main()
