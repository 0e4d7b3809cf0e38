"""Measure what --pii costs: texts per second that are scanned, and extraction and matching with and without it.

    python tests/benchmarks/pii_rate.py [--input jobs/sample/pool.wat.gz] [--repeats 3]

The time is CPU time of one core. The peers are Python's regular expressions of the same starts of forms, one text after
another, and the scan of every text without the expressions on Arrow that choose the candidates.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.extract.language import load_identifier
from metaclip_spark.extract.task import Stamp, Tools, extract_split
from metaclip_spark.filters.pii import scan, spans_of
from metaclip_spark.matchers import compile_matcher
from metaclip_spark.metadata import load_metadata
from metaclip_spark.sources.files import find_sources, splits_of
from metaclip_spark.terminal.tables import print_rows

ROOT = Path(__file__).resolve().parents[2]
STAMP = Stamp("s", "m", "b")
STARTS = re.compile(r"@|\d[\W\d_]{6}|[23][0-9A-Fa-f]{3}:|[A-Z]{2}\d{2}[ -]?[A-Z\d]|[A-Z]{6}[0-9A-Z]{2}[A-EHLMPRST]")


def seconds(work: Callable[[], object], repeats: int) -> float:
    """Return the fewest CPU seconds of some calls."""
    taken = []
    for _ in range(repeats):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return min(taken)


def main() -> None:
    """Print the two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", default=str(ROOT / "jobs" / "sample" / "pool.wat.gz"))
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    splits = splits_of(find_sources([args.input]))
    tools = Tools(matcher=compile_matcher(load_metadata("en"), "auto"), identifier=load_identifier("lid176"))

    def extract(pii: str | None, with_tools: Tools = tools) -> list[pa.RecordBatch]:
        options = ExtractOptions(pii=pii, languages=() if with_tools is not tools else ("en",))
        return [batch for split in splits for batch in extract_split(split, options, with_tools, STAMP)]

    pairs = [batch for batch in extract(None, Tools()) if batch.column("kind")[0].as_py() == "pair"]
    texts = [batch.column("text") for batch in pairs]
    listed = [text for column in texts for text in column.to_pylist()]
    number = len(listed)
    scan(texts[0])
    ways = {
        "scan (--pii)": lambda: [scan(column) for column in texts],
        "every text looked at in Python": lambda: [spans_of(text) for text in listed],
        "Python's re, the starts of forms alone": lambda: [STARTS.search(text) for text in listed],
    }
    rows = [[name, f"{number / seconds(work, args.repeats):,.0f}"] for name, work in ways.items()]
    print(f"{number:,} texts of {Path(args.input).name}")
    print_rows(["scan", "texts/s, one core"], rows)
    extract(None)
    modes: dict[str | None, float] = {}
    for _ in range(args.repeats):  # one after the other, so that the machine's mood is that of all
        for mode in (None, "mask", "drop"):
            taken = seconds(lambda mode=mode: extract(mode), 1)  # type: ignore[misc]
            modes[mode] = min(taken, modes.get(mode, taken))
    rows = [
        [f"--pii {mode or 'off'}", f"{number / cpu:,.0f}", f"{cpu / modes[None] - 1:+.1%}"]
        for mode, cpu in modes.items()
    ]
    print()
    print_rows(["extract + match", "texts/s, one core", "CPU"], rows)


if __name__ == "__main__":
    main()
