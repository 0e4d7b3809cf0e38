"""Write a seeded pool of any size as Parquet files with the columns url and text, in constant memory.

    python tests/benchmarks/generated_pool.py FOLDER --rows 30000000 [--files 12] [--seed 0]

Texts have some 50 bytes, of words of the entry list by Zipf's law. Urls have some 80 bytes. Of the rows, 2% are exact
repeats, and 3% have the url of an earlier row with another text. 30,000,000 rows take 2.4 GB.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parent))
from texts import entry_list

from metaclip_spark.metadata import load_metadata

BLOCK = 1 << 16
REPEATS, OTHER_TEXTS = 0.02, 0.03
_KEPT = 512
"""Rows of a block that later blocks may repeat."""
_SHORTEST, _LONGEST = 3, 11
_EXPONENT = 1.1


def generated_pool(rows: int, seed: int = 0) -> Iterator[pa.Table]:
    """Yield tables of at most `BLOCK` rows: url and text, string, none of them null."""
    words = list_words()
    # The inverse of the distribution function of Zipf's law, so that a word is one look-up.
    cumulative = np.cumsum(1.0 / np.arange(1, len(words) + 1) ** _EXPONENT)
    cumulative /= cumulative[-1]
    kept: list[pa.Table] = []
    for number, first in enumerate(range(0, rows, BLOCK)):
        size = min(BLOCK, rows - first)
        rng = np.random.default_rng([seed, number])
        block = pa.table({"url": _urls(rng, size), "text": _texts(rng, size, words, cumulative)})
        if kept:
            block = _with_repeats(block, kept[rng.integers(len(kept))], rng)
        kept.append(block.slice(0, _KEPT))
        yield block


def list_words() -> pa.Array:
    """Return the words of the entry list, in a fixed random order: its order is no order of frequency."""
    entries = load_metadata(entry_list()).entries
    words = sorted({word for entry in entries for word in entry.split()})
    return pa.array(words).take(pa.array(np.random.default_rng(0).permutation(len(words))))


def _texts(rng: np.random.Generator, rows: int, words: pa.Array, cumulative: npt.NDArray[np.float64]) -> pa.Array:
    lengths = rng.integers(_SHORTEST, _LONGEST + 1, rows)
    ids = np.searchsorted(cumulative, rng.random(int(lengths.sum())))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets), words.take(pa.array(ids))), " ")


def _urls(rng: np.random.Generator, rows: int) -> pa.Array:
    digits = np.frombuffer(rng.bytes(20 * rows).hex().encode(), np.uint8)
    offsets = pa.py_buffer((np.arange(rows + 1) * 40).astype(np.int32))
    names = pa.Array.from_buffers(pa.string(), rows, [None, offsets, pa.py_buffer(digits)])
    hosts = pa.array(rng.zipf(1.3, rows) % 100_000).cast(pa.string())
    return pc.binary_join_element_wise("https://images", hosts, ".example.org/pictures/", names, "-large.jpg", "")


def _with_repeats(block: pa.Table, earlier: pa.Table, rng: np.random.Generator) -> pa.Table:
    """Replace rows at random places by rows of an earlier block, or their urls alone."""
    rows = len(block)
    chosen = rng.random(rows)
    of_earlier = pa.array(rng.integers(len(earlier), size=rows))
    exact, url_only = chosen < REPEATS, chosen < REPEATS + OTHER_TEXTS
    return pa.table(
        {
            "url": pc.if_else(pa.array(url_only), earlier["url"].take(of_earlier), block["url"]),
            "text": pc.if_else(pa.array(exact), earlier["text"].take(of_earlier), block["text"]),
        }
    )


def write_generated(folder: Path, rows: int, files: int = 12, seed: int = 0) -> None:
    """Write a generated pool as Parquet files of about equal size."""
    folder.mkdir(parents=True, exist_ok=True)
    step = -(-rows // files)
    writer, written, number = None, 0, 0
    for block in generated_pool(rows, seed):
        if writer is None or written >= step * number:
            if writer is not None:
                writer.close()
            writer = pq.ParquetWriter(folder / f"part-{number:03d}.parquet", block.schema)
            number += 1
        writer.write_table(block)
        written += len(block)
    if writer is not None:
        writer.close()


def main() -> None:
    """Write the pool and print its size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=30_000_000)
    parser.add_argument("--files", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    write_generated(args.folder, args.rows, args.files, args.seed)
    size = sum(path.stat().st_size for path in args.folder.glob("*.parquet"))
    print(f"{args.rows:,} rows, {size / 1e9:.2f} GB in {args.folder}")


if __name__ == "__main__":
    main()
