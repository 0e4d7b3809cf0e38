"""Deduplication on the embedded engine: the minima of each pair, in key order, for any number of prefixes."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from metaclip_spark.core.hashing.key_prefix import prefixes
from metaclip_spark.spark import embedded

ROOT = Path(__file__).resolve().parents[3]

COMPARE = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_embedded_dedup import compare
compare()
"""


def key(number: int) -> bytes:
    """Return a key as those of pairs are."""
    return hashlib.md5(str(number).encode()).digest()


def staged_rows() -> list[dict]:
    """Return 3,000 rows of `extracted` with some 1,300 different pairs."""
    from metaclip_spark.schemas import EXTRACTED

    rng = random.Random(0)
    rows = []
    for at in range(3000):
        row = dict.fromkeys(field.name for field in EXTRACTED.arrow)
        row |= {"kind": "pair", "pair_id": key(rng.randrange(1500)).hex(), "url": f"u{at}", "text": f"t{at}"}
        row |= {"source_path": f"s{rng.randrange(5)}", "page_url": rng.choice([None, "p", "q"]), "position": at}
        row |= {"text_source": rng.choice("ab"), "metadata_id": "m", "snapshot": "s", "entry_ids": [1, 2]}
        rows.append(row)
    return rows


def order(row: dict) -> tuple:
    """Return what orders the rows of a pair."""
    return row["source_path"], row["page_url"] is not None, row["page_url"] or "", row["text_source"], row["position"]


def compare() -> None:
    """Compare the written rows with minima in Python: with and without known keys, in one prefix and in several."""
    from metaclip_spark.schemas import EXTRACTED
    from metaclip_spark.stages.dedup import dedup, of_prefix, sightings

    session = embedded.embedded_session(embedded.LEAST_BYTES)
    rows = staged_rows()
    best: dict[str, dict] = {}
    for row in rows:
        best[row["pair_id"]] = min(best.get(row["pair_id"], row), row, key=order)
    with tempfile.TemporaryDirectory() as folder:
        for part in range(3):
            table = pa.Table.from_pylist(rows[part::3], schema=EXTRACTED.arrow)
            pq.write_table(table, f"{folder}/staged-{part}.parquet")
        extracted = session.read.parquet(*(f"{folder}/staged-{part}.parquet" for part in range(3)))
        for known in ([], [key(number) for number in range(0, 2000, 7)]):
            expected = sorted(set(best) - {one.hex() for one in known})
            keys = session.createDataFrame([(one,) for one in known], "pair_key binary")
            for of in (1, 4):
                found, seen = [], []
                for prefix in prefixes(of):
                    mine = of_prefix(keys, prefix, "pair_key") if known else None
                    target = f"{folder}/{len(known)}-{of}-{prefix.number}"
                    new = dedup(extracted, mine, prefix, constants={"snapshot": "s"})
                    new.write.partitionBy("snapshot").parquet(target)
                    (written,) = [pq.read_table(path, partitioning=None) for path in Path(target).rglob("*.parquet")]
                    found += written.to_pylist()
                    seen += [bytes(row[0]).hex() for row in sightings(extracted, mine, prefix).collect()]
                assert [row["pair_id"] for row in found] == expected
                assert [row["url"] for row in found] == [best[pair_id]["url"] for pair_id in expected]
                assert seen == expected


@pytest.mark.skipif(not embedded.is_installed(), reason="the embedded engine is not installed")
def test_written_pairs_are_the_minima_in_key_order():
    """The engine is started in a process of its own, beside the session of the other tests."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [sys.executable, "-c", COMPARE], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert ended.returncode == 0, ended.stderr
