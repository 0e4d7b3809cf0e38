"""Deduplication that moves the rows of suspects alone keeps the same rows. On the embedded engine."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from metaclip_spark.spark import embedded
from metaclip_spark.stages.dedup import is_member

ROOT = Path(__file__).resolve().parents[3]

COMPARE = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_suspects import compare
compare()
"""


def key(number: int) -> bytes:
    """Return a key as those of pairs are."""
    return hashlib.md5(str(number).encode()).digest()


def compare() -> None:
    """Compare both ways, with and without known keys, and with two keys of one hash."""
    from metaclip_spark.schemas import EXTRACTED
    from metaclip_spark.spark.broadcast import Broadcast
    from metaclip_spark.stages.dedup import dedup, sightings, suspect_hashes

    session = embedded.embedded_session(1 << 30)
    rng = random.Random(0)
    rows = []
    for at in range(1000):
        row = dict.fromkeys(field.name for field in EXTRACTED.arrow)
        row |= {"kind": "pair", "pair_id": key(rng.randrange(600)).hex(), "url": f"u{at}", "text": f"t{at}"}
        row |= {"source_path": f"s{rng.randrange(5)}", "page_url": rng.choice([None, "p", "q"]), "position": at}
        row |= {"text_source": rng.choice("ab"), "metadata_id": "m", "snapshot": "s", "entry_ids": [1, 2]}
        rows.append(row)
    extracted = session.createDataFrame(pa.Table.from_pylist(rows, schema=EXTRACTED.arrow))
    for known in ([], [key(number) for number in range(0, 900, 7)]):
        keys = session.createDataFrame([(one,) for one in known], "pair_key binary")
        hashes = np.sort(suspect_hashes(extracted, keys).toArrow()["hash"].to_numpy())
        whole = dedup(extracted, keys).toArrow().sort_by("pair_id")
        assert 0 < len(hashes) < len(whole)
        suspects = Broadcast.of(session, hashes)
        assert dedup(extracted, keys, suspects).toArrow().sort_by("pair_id").equals(whole)
        seen = keys.selectExpr("'m' as metadata_id", "'s' as snapshot", "pair_key")
        distinct = sightings(extracted, seen).toArrow().sort_by("pair_key")
        assert sightings(extracted, seen, suspects).toArrow().sort_by("pair_key").equals(distinct)
        assert distinct["pair_key"].to_pylist() == sorted(bytes.fromhex(one) for one in whole["pair_id"].to_pylist())


@pytest.mark.skipif(not embedded.is_installed(), reason="the embedded engine is not installed")
def test_suspects_give_the_rows_that_a_sort_of_all_rows_gives():
    """The engine is started in a process of its own, beside the session of the other tests."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [sys.executable, "-c", COMPARE], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("of", [[], [5], [-(2**63), 0, 5, 2**63 - 1]])
def test_is_member(of):
    """Also of values below the smallest and above the largest."""
    values = [-(2**63), -1, 0, 4, 5, 6, 2**63 - 1]
    found = is_member(pa.array(values, pa.int64()), np.array(of, dtype=np.int64))
    assert found.to_pylist() == [value in of for value in values]
