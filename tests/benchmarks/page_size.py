"""How large a data card is: entries with a count, and texts of 1,500 of them, of real captions.

    python tests/benchmarks/page_size.py [--entries 10000 100000 500000]

Entries are those of metadata/en.json.gz; texts and urls are of ../shared/data/captions/laion_sample.parquet.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from hashlib import md5
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "helpers")]

from cards import make_card  # noqa: E402
from whole import composition  # noqa: E402

from metaclip_spark.metadata.load import load_metadata  # noqa: E402
from metaclip_spark.report.composition.entry_texts import PER_SIDE, chosen_entries  # noqa: E402
from metaclip_spark.report.render import render  # noqa: E402
from metaclip_spark.terminal.tables import print_rows  # noqa: E402

CAPTIONS = ROOT.parent / "shared" / "data" / "captions" / "laion_sample.parquet"


def main() -> int:
    """Render cards and print the bytes of their pages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, nargs="+", default=[10_000, 100_000, 500_000])
    args = parser.parse_args()
    entries = load_metadata(ROOT / "metadata" / "en.json.gz").entries
    table = pq.read_table(CAPTIONS)
    url, text = (next(name for name in table.column_names if name.lower() == wanted) for wanted in ("url", "text"))
    ids = [md5(str(at).encode()).hexdigest() for at in range(len(table))]
    pairs = list(zip(table[text].to_pylist(), table[url].to_pylist(), ids, strict=True))
    rng = np.random.default_rng(0)
    rows = []
    for n in args.entries:
        counts = 1 + (5_000_000 / np.arange(1, n + 1)).astype(np.int64)
        rng.shuffle(counts)
        texts = {
            int(at): tuple([pairs[i] for i in rng.integers(0, len(pairs), PER_SIDE)] for _ in range(2))
            for at in chosen_entries(counts, 0)
        }
        card = make_card(
            n_entries=n,
            entries=entries,
            entry_counts=counts,
            curated_entry_counts=np.minimum(counts, 300),
            threshold=300,
        )
        made = replace(composition(["a"]), texts=texts)
        sizes, seconds = [], 0.0
        for one in (card, replace(card, composition=made)):
            began = time.perf_counter()
            sizes.append(len(render(one).encode()))
            seconds = time.perf_counter() - began
        rows.append([f"{n:,}", f"{len(texts):,}", *[f"{size / 1e6:.1f}" for size in sizes], f"{seconds:.1f}"])
    print_rows(["entries with a count", "with texts", "MB without texts", "MB", "seconds to write it"], rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
