"""Measure how many pairs per second the loaders give to one core, with a generated export.

    python tests/benchmarks/training_rate.py [--pairs 1000000] [--batch 1024]

The export has one row per image, pairs of some 60 bytes with 3 entries on average by Zipf's law, and probabilities from
0.05 to 1. The time is CPU time of the process, all threads included, so other work on the machine does not count much.
Rates are of the pairs that are read and of those that are given. The peers read the same files without a draw: pyarrow
alone (batches, and dicts), and Hugging Face's datasets and webdataset, where they are installed (webdataset reads a
tar of the first 100,000 texts).
"""

from __future__ import annotations

import argparse
import io
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from metaclip_spark.export.shards import COLUMNS, IMAGES, ROW_GROUP
from metaclip_spark.terminal.tables import print_rows
from metaclip_spark.training import Concepts, batches, epoch, sized_batches, sizes

SHARDS = 4
IN_TAR = 100_000
ENTRIES = 500_000
TEXT = ["url", "text"]


def export(folder: Path, pairs: int) -> None:
    """Write an export with 1.25 pairs per image."""
    rows = pairs * 4 // 5
    step = -(-rows // SHARDS)
    for shard in range(SHARDS):
        with pq.ParquetWriter(folder / f"{shard:05}.parquet", pa.schema(COLUMNS[IMAGES]), compression="zstd") as file:
            for number, first in enumerate(range(step * shard, min(rows, step * (shard + 1)), ROW_GROUP)):
                size = min(ROW_GROUP, min(rows, step * (shard + 1)) - first)
                file.write_table(_rows(np.random.default_rng([shard, number]), first, size), row_group_size=ROW_GROUP)


def _rows(rng: np.random.Generator, first: int, rows: int) -> pa.Table:
    lengths = np.where(np.arange(rows) % 4 == 0, 2, 1)
    pairs, offsets = int(lengths.sum()), pa.array(np.append(0, np.cumsum(lengths)).astype(np.int32))
    ids = pa.array([rng.bytes(16).hex() for _ in range(pairs)])
    numbers = pa.array(np.arange(first, first + rows)).cast(pa.string())
    words = pa.array([f"word{n}" for n in range(5000)])
    picked = [words.take(pa.array((rng.zipf(1.2, pairs) % 5000).astype(np.int32))) for _ in range(8)]
    texts = pc.binary_join_element_wise(*picked, " ")
    of_entries = rng.integers(1, 6, pairs)
    entries = pa.array((rng.zipf(1.2, int(of_entries.sum())) % ENTRIES).astype(np.int32))
    per_pair = pa.ListArray.from_arrays(pa.array(np.append(0, np.cumsum(of_entries)).astype(np.int32)), entries)
    extras = pa.array([[]] * pairs, COLUMNS[IMAGES]["extras"].value_type)
    columns = {
        "image_id": pc.binary_join_element_wise("image", numbers, ""),
        "url": pc.binary_join_element_wise("https://images.example.org/pictures/", numbers, ".jpg", ""),
        "text": texts.take(pa.array(offsets.to_numpy()[:-1])),
        "pair_ids": pa.ListArray.from_arrays(offsets, ids),
        "texts": pa.ListArray.from_arrays(offsets, texts),
        "langs": pa.ListArray.from_arrays(offsets, pa.array(["en"] * pairs)),
        "entry_ids": pa.ListArray.from_arrays(offsets, per_pair),
        "sampling_probabilities": pa.ListArray.from_arrays(
            offsets, pa.array(rng.uniform(0.05, 1, pairs), pa.float32())
        ),
        "extras": pa.ListArray.from_arrays(offsets, extras),
    }
    return pa.table(columns, schema=pa.schema(COLUMNS[IMAGES]))


def tar_of(folder: Path, file: Path) -> int:
    """Write the first texts as a tar of webdataset, and return their number."""
    texts = [text for path in sorted(folder.glob("*.parquet")) for text in pq.read_table(path)["text"].to_pylist()]
    with tarfile.open(file, "w") as tar:
        for number, text in enumerate(texts[:IN_TAR]):
            member = tarfile.TarInfo(f"{number:09}.txt")
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return len(texts[:IN_TAR])


def without_maps(folder: Path, copy: Path) -> list[str]:
    """Write the files without the column `extras`, whose type datasets does not read, and return their paths."""
    for path in folder.glob("*.parquet"):
        pq.write_table(pq.read_table(path).drop_columns(["extras"]), copy / path.name)
    return sorted(str(path) for path in copy.glob("*.parquet"))


def measured(read: int, work: Callable[[], Iterable[object]], given: Callable[[object], int]) -> list[str]:
    """Return the rates of pairs read and given per CPU second."""
    started, pairs = time.process_time(), 0
    for one in work():
        pairs += given(one)
    seconds = time.process_time() - started
    return [f"{read / seconds:,.0f}", f"{pairs / seconds:,.0f}", f"{pairs:,}"]


def images(folder: Path) -> Iterable[pa.RecordBatch]:
    """Yield the files' rows."""
    for path in sorted(folder.glob("*.parquet")):
        yield from pq.ParquetFile(path).iter_batches(ROW_GROUP, use_threads=False)


def pairs_in(batch: pa.RecordBatch) -> int:
    """Return the number of pairs in a batch of images."""
    return len(pc.list_flatten(batch.column("pair_ids")))


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=1024)
    args = parser.parse_args()
    pa.set_cpu_count(1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "export")
        folder.mkdir()
        export(folder, args.pairs)
        read = sizes(folder, 0, balance=False)[0]
        tar, in_tar = Path(temporary, "texts.tar"), 0
        rows = []

        def add(name: str, work: Callable[[], Iterable[object]], given: Callable[[object], int], of: int = 0) -> None:
            rows.append([name, *measured(of or read, work, given)])

        def sized(mode: str | None, columns: list[str] | None) -> Callable[[], Iterable[object]]:
            concepts = Concepts(mode) if mode else None
            return lambda: sized_batches(folder, 0, args.batch, concepts=concepts, columns=columns, balance=True)

        list(sized("diversity", TEXT)())  # compile, and read the files once
        add("epoch, Arrow", lambda: batches(folder, 0, balance=True), lambda b: len(b.pairs))
        add("same, url and text", lambda: batches(folder, 0, columns=TEXT, balance=True), lambda b: len(b.pairs))
        add("same, no draw", lambda: batches(folder, 0, balance=False), lambda b: len(b.pairs))
        add("epoch, dicts", lambda: epoch(folder, 0, balance=True), lambda pair: 1)
        add("same, url and text", lambda: epoch(folder, 0, columns=TEXT, balance=True), lambda pair: 1)
        add(f"batches of {args.batch}", sized(None, None), len)
        add("same, diversity of 5 times", sized("diversity", None), len)
        add("same, frequency of 5 times", sized("frequency", None), len)
        add("count an epoch (sizes)", lambda: sizes(folder, 0, balance=True), lambda n: n)
        add("pyarrow, Arrow of images", lambda: images(folder), pairs_in)
        add("pyarrow, dicts of images", lambda: (batch.to_pylist() for batch in images(folder)), len)
        if find_spec("datasets"):
            import datasets

            found = without_maps(folder, Path(temporary))
            stream = datasets.load_dataset("parquet", data_files=found, split="train", streaming=True)
            add("datasets, dicts of images", lambda: stream, lambda row: len(row["pair_ids"]))
        if find_spec("webdataset"):
            import webdataset

            in_tar = tar_of(folder, tar)
            pipeline = webdataset.DataPipeline(
                webdataset.SimpleShardList(str(tar)), webdataset.tarfile_to_samples(), webdataset.decode()
            )
            add("webdataset, texts in a tar", lambda: pipeline, lambda sample: 1, in_tar)
    print(f"{read:,} pairs in {SHARDS} shards")
    print_rows(["loader, one core", "pairs read/s", "pairs given/s", "given"], rows)


if __name__ == "__main__":
    main()
