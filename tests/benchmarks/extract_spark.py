"""Time WAT files to the Delta table in Spark, against extraction without Spark plus a plain write of its rows.

    python tests/benchmarks/extract_spark.py [--files 4] [--megabytes 30] [--repeat 3] [--cores 2]

Prints median seconds and the ratio, whose bar is 1.2. Matching and language identification are on, as in a run. The
list has 500,000 entries, and the pages are real, if ../shared/data exists. All files differ, and so do all pages: each
copy of a page is on a host of its own.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import deflate
from warcio.archiveiterator import ArchiveIterator

sys.path.insert(0, str(Path(__file__).parent))
from texts import ROOT, entry_list

from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.extract.language import load_identifier
from metaclip_spark.extract.task import Stamp, Tools, extract_split
from metaclip_spark.matchers import compile_matcher
from metaclip_spark.metadata import load_metadata
from metaclip_spark.sources.files import Split, find_sources, splits_of
from metaclip_spark.spark.broadcast import broadcast_matcher
from metaclip_spark.spark.session import get_session
from metaclip_spark.stages.extract import BroadcastTools, extract
from metaclip_spark.terminal.tables import print_rows

STAMP = Stamp("benchmark", "m", "batch")
BAR = 1.2
_matcher = None


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=4)
    parser.add_argument("--megabytes", type=float, default=30)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--cores", type=int, default=2)
    args = parser.parse_args()

    global _matcher
    work = Path(tempfile.mkdtemp(prefix="extract-spark-"))
    splits = splits_of(find_sources([str(_files(work / "crawl", args.files, args.megabytes))]))
    metadata = load_metadata(entry_list())
    _matcher = compile_matcher(metadata)
    identifier = load_identifier("lid176")
    options = ExtractOptions(languages=("en",), identifier=f"{identifier.name}:{identifier.version}")
    alone = [_seconds_without_spark(splits, options, args.cores) for _ in range(args.repeat)]
    spark = get_session(f"local[{args.cores}]")
    tools = BroadcastTools(matcher=broadcast_matcher(spark, _matcher), identifier="lid176")
    ours, writes = [], []
    for at in range(args.repeat + 1):  # the first round warms the JVM and unpacks the list; it is not counted
        target, copy = str(work / f"ours-{at}"), str(work / f"copy-{at}")
        began = time.perf_counter()
        rows = extract(spark, splits, options, tools, STAMP)
        rows.write.format("delta").partitionBy("metadata_id", "snapshot").save(target)
        seconds = time.perf_counter() - began
        if at == 0:
            spark.read.format("delta").load(target).write.parquet(str(work / "rows"))
        began = time.perf_counter()
        spark.read.parquet(str(work / "rows")).write.format("delta").partitionBy("metadata_id", "snapshot").save(copy)
        if at:
            ours.append(seconds)
            writes.append(time.perf_counter() - began)
    size = sum(split.source.bytes for split in splits) / 1e6
    shutil.rmtree(work)
    bare, write, whole = (statistics.median(x) for x in (alone, writes, ours))
    print(
        f"{len(splits)} WAT files, {size:.0f} MB; {len(metadata.entries):,} entries; {args.cores} cores; "
        f"medians of {args.repeat}"
    )
    passes = [
        ["extraction without Spark, over the cores", bare],
        ["plain Delta write of the same rows", write],
        ["both, one after the other: the floor", bare + write],
        ["extraction in Spark into Delta", whole],
    ]
    print_rows(
        ["pass", "seconds", "MB/s"], [[name, f"{seconds:.2f}", f"{size / seconds:.1f}"] for name, seconds in passes]
    )
    print(f"ratio {whole / (bare + write):.2f} (bar: at most {BAR:g})")


def _files(folder: Path, number: int, megabytes: float) -> Path:
    """Write this number of files with real pages, on other hosts each time, up to the size; return their folder."""
    real = ROOT.parent / "shared" / "data" / "crawl" / "pages.wat.gz"
    once = (real if real.exists() else ROOT / "jobs" / "sample" / "pool.wat.gz").read_bytes()
    records = [
        (str(record.rec_headers.get_header("WARC-Type")), record.content_stream().read())
        for record in ArchiveIterator(io.BytesIO(once))
    ]
    copies = max(1, round(megabytes * 1e6 / len(once)))
    folder.mkdir()
    for at in range(number):
        with (folder / f"{at}.wat.gz").open("wb") as file:
            for copy in range(at * copies, (at + 1) * copies):
                for kind, body in records:
                    file.write(deflate.gzip_compress(_record(kind, body.replace(b"://", b"://n%d." % copy)), 6))
    return folder


def _record(kind: str, body: bytes) -> bytes:
    content = "application/json" if kind == "metadata" else "application/warc-fields"
    head = f"WARC/1.0\r\nWARC-Type: {kind}\r\nContent-Type: {content}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body + b"\r\n\r\n"


def _seconds_without_spark(splits: Sequence[Split], options: ExtractOptions, cores: int) -> float:
    """Return the seconds that forked processes take for all files. They inherit the compiled list."""
    context = multiprocessing.get_context("fork")
    began = time.perf_counter()
    workers = [context.Process(target=_extract, args=(splits[at::cores], options)) for at in range(cores)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        if worker.exitcode:
            sys.exit("a process of the extraction without Spark failed")
    return time.perf_counter() - began


def _extract(splits: Sequence[Split], options: ExtractOptions) -> None:
    tools = Tools(matcher=_matcher, identifier=load_identifier("lid176"))
    for split in splits:
        for _ in extract_split(split, options, tools, STAMP):
            pass


if __name__ == "__main__":
    main()
