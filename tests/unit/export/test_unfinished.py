"""Shards that img2dataset did not finish, told by their files."""

from __future__ import annotations

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from metaclip_spark.export.unfinished import unfinished_shards


@pytest.mark.parametrize("remote", [False, True])
def test_a_shard_without_stats_and_without_a_footer_is_unfinished(tmp_path, remote):
    """A whole file without stats is finished; one with stats and without a footer is damaged, which reading says."""
    pq.write_table(pa.table({"url": ["http://e.org/1.jpg"]}), tmp_path / "whole.parquet")
    whole = (tmp_path / "whole.parquet").read_bytes()
    files = {
        "00000.parquet": whole,
        "00000_stats.json": b"{}",
        "00001.parquet": whole[:-20],
        "00002.parquet": whole,
        "00003.parquet": whole[:-20],
        "00003_stats.json": b"{}",
        "00004.parquet": b"",
        "00005.parquet": b"PA",
    }
    folder = "memory://download" if remote else str(tmp_path / "download")
    for name, content in files.items():
        with fsspec.open(f"{folder}/{name}", "wb", auto_mkdir=True) as file:
            file.write(content)
    uris = [f"{folder}/{name}" for name in files if name.endswith(".parquet")]
    assert unfinished_shards(uris) == [f"{folder}/{name}.parquet" for name in ("00001", "00004", "00005")]
