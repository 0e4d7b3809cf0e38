"""The array of uids that DataComp's tools take, read by a reader of our own made from the description of the formats.

DataComp's README: a structured array of pairs of unsigned 64-bit integers (`numpy.dtype("u8,u8")`), of shape
(subset_size,), with the uids (128-bit hashes) in lexicographic sorted order, in npy format. NumPy's description of that
format: the magic string, a version, the length of the header, the header as a literal, then the elements.
"""

from __future__ import annotations

import ast
import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from metaclip_spark.export.uids import npy_header, write_parts


def read_uids(path: Path) -> list[str]:
    """Return the uids of a subset file as 32 hex digits each, checked against the description."""
    raw = path.read_bytes()
    assert raw[:8] == b"\x93NUMPY\x01\x00"
    (length,) = struct.unpack("<H", raw[8:10])
    assert (10 + length) % 64 == 0
    head = raw[10 : 10 + length].decode("latin-1")
    assert head.endswith("\n")
    described = ast.literal_eval(head)
    (number,) = described["shape"]
    assert described == {"descr": [("f0", "<u8"), ("f1", "<u8")], "fortran_order": False, "shape": (number,)}
    body = raw[10 + length :]
    assert len(body) == 16 * number
    pairs = [struct.unpack("<QQ", body[at : at + 16]) for at in range(0, len(body), 16)]
    assert pairs == sorted(pairs)
    return [f"{upper:016x}{lower:016x}" for upper, lower in pairs]


def batch_of(rows: list[tuple[int, bytes]]) -> pa.RecordBatch:
    """Return rows of (part, uid)."""
    return pa.record_batch(
        {
            "part": pa.array([part for part, _ in rows], pa.int32()),
            "uid": pa.array([uid for _, uid in rows], pa.binary()),
        }
    )


@settings(deadline=None, max_examples=60)
@given(
    uids=st.lists(st.binary(min_size=16, max_size=16) | st.sampled_from([bytes(16), b"\xff" * 16, b"a" * 16])),
    parts=st.integers(1, 4),
    step=st.integers(1, 5),
)
def test_parts_after_a_header_are_the_sorted_uids_once_each(tmp_path_factory, uids, parts, step):
    """However the rows are cut into batches. What numpy loads is what numpy would have saved."""
    folder = tmp_path_factory.mktemp("uids")
    rows = sorted((uid[0] * parts >> 8, uid) for uid in uids)
    batches = [batch_of(rows[at : at + step]) for at in range(0, len(rows), step)]
    # A slice of a batch begins in the middle of its buffers.
    batches = [batch_of([(0, b"?" * 16), *rows[:step]]).slice(1), *batches[1:]] if rows else [batch_of([])]
    written = [row for batch in write_parts(batches, str(folder)) for row in batch.to_pylist()]
    once = sorted(set(uids))
    assert sum(row["rows"] for row in written) == len(once)
    assert sum(row["repeats"] for row in written) == len(uids) - len(once)
    assert [row["file"] for row in written] == sorted({f"{part:05d}.uids" for part, _ in rows})
    assert {row["file"]: row["bytes"] for row in written} == {
        path.name: path.stat().st_size for path in folder.iterdir()
    }
    body = b"".join(path.read_bytes() for path in sorted(folder.iterdir()))
    (folder / "uids.npy").write_bytes(npy_header(len(once)) + body)
    assert read_uids(folder / "uids.npy") == [uid.hex() for uid in once]
    pairs = [(int(uid.hex()[:16], 16), int(uid.hex()[16:], 16)) for uid in uids]
    array = np.load(folder / "uids.npy")
    assert array.dtype == np.dtype("u8,u8")
    assert np.array_equal(array, np.unique(np.array(pairs, np.dtype("u8,u8"))))


def test_the_header_of_a_large_pool():
    """DataComp-1B has 1.4 billion uids: 22 GB."""
    head = npy_header(1_400_000_000)
    assert len(head) % 64 == 0
    assert b"'shape': (1400000000,)" in head
