"""Measure extraction on one core, by format: MB/s and texts/s, with matching and language identification.

    python tests/benchmarks/extract_rate.py [--texts 200000]

Also prints the bytes stored per byte read. The rates that `metaclip-spark plan` computes with are those of
tests/benchmarks/cost_rates.py, which runs the whole job.
"""

from __future__ import annotations

import argparse
import gzip
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parent))
from texts import ROOT, different_texts, entry_list, write_pool

from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.extract.language import load_identifier
from metaclip_spark.extract.task import Stamp, Tools, extract_split
from metaclip_spark.matchers import compile_matcher
from metaclip_spark.metadata import load_metadata
from metaclip_spark.sources.files import find_sources, splits_of
from metaclip_spark.terminal.tables import print_rows


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=200_000)
    args = parser.parse_args()
    identifier = load_identifier("lid176")
    tools = Tools(matcher=compile_matcher(load_metadata(entry_list())), identifier=identifier)
    options = ExtractOptions(languages=("en",), identifier=f"{identifier.name}:{identifier.version}")
    work = Path(tempfile.mkdtemp(prefix="extract-rate-"))
    rows = [_measure(kind, path, options, tools, work) for kind, path in _inputs(work, args.texts)]
    shutil.rmtree(work)
    print_rows(["format", "MB", "texts", "seconds", "MB/s", "texts/s", "stored/read"], rows)


def _inputs(work: Path, number: int) -> list[tuple[str, Path]]:
    texts, name = different_texts(number)
    print(f"{name}; one core")
    write_pool(work / "parquet", texts, files=1)
    parquet = next((work / "parquet").iterdir())
    table = pq.read_table(parquet)
    urls = table.column("url").to_pylist()
    with gzip.open(work / "pool.tsv.gz", "wt") as tsv, gzip.open(work / "pool.jsonl.gz", "wt") as lines:
        tsv.write("url\ttext\n")
        for url, text in zip(urls, texts, strict=True):
            tsv.write(f"{url}\t{' '.join(text.split())}\n")
            lines.write(json.dumps({"url": url, "text": text}) + "\n")
    real = ROOT.parent / "shared" / "data" / "crawl" / "pages.wat.gz"
    wat = real if real.exists() else ROOT / "jobs" / "sample" / "pool.wat.gz"
    found = [("wat", wat), ("warc", wat.with_name("pages.warc.gz"))] if real.exists() else [("wat", wat)]
    return [*found, ("parquet", parquet), ("tsv", work / "pool.tsv.gz"), ("jsonl", work / "pool.jsonl.gz")]


def _measure(kind: str, path: Path, options: ExtractOptions, tools: Tools, work: Path) -> list[str]:
    seconds = float("inf")
    for _ in range(2):  # the first round compiles kernels and loads the model
        began = time.perf_counter()
        batches = []
        for split in splits_of(find_sources([str(path)])):
            batches += extract_split(split, options, tools, Stamp("benchmark", "m", "batch"))
        seconds = min(seconds, time.perf_counter() - began)
    texts = sum(value.as_py() or 0 for batch in batches for value in batch.column("texts_read"))
    with pq.ParquetWriter(work / "stored.parquet", batches[0].schema, compression="snappy") as writer:
        for batch in batches:
            writer.write_batch(batch)
    stored = (work / "stored.parquet").stat().st_size * 2  # in the staging table, then in `pairs`
    size = path.stat().st_size
    return [
        kind,
        f"{size / 1e6:.1f}",
        f"{texts:,}",
        f"{seconds:.2f}",
        f"{size / 1e6 / seconds:.1f}",
        f"{texts / seconds:,.0f}",
        f"{stored / size:.2f}",
    ]


if __name__ == "__main__":
    main()
