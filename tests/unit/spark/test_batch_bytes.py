"""A batch of long texts is bounded in bytes: the engine's batch by its number of rows, and our copies by slices."""

from __future__ import annotations

import subprocess
import sys

import pyarrow as pa
import pytest

from metaclip_spark.spark import arrow_udf
from metaclip_spark.spark.arrow_udf import sliced
from metaclip_spark.spark.embedded import LEAST_BYTES, TEXT_BYTES, batch_rows
from metaclip_spark.warehouse.data_files import BATCH_BYTES, LEAST_ROWS, MOST_ROWS, PartitionFiles, rows_per_batch

LIMITED = """
import resource, sys
import numba
import pyarrow as pa
import pyarrow.compute as pc
from metaclip_spark.spark.arrow_udf import sliced
from metaclip_spark.takedown.hashes import URL, Takedowns, hashes_of, sorted_hashes

pa.set_memory_pool(pa.system_memory_pool())
rows, chars, text, salt = 8192, 16_384, "http://a.example/b/ ", "ab" * 16
takedowns = Takedowns(salt, {URL: sorted_hashes([hashes_of(salt, URL, pa.array(["http://gone.example/a.jpg"]))])})
work = lambda texts: pa.array(takedowns.covers_any_url_in(texts))
function = sliced(work) if sys.argv[1] == "sliced" else work
work(pa.array([text]))
long = pa.concat_arrays([pc.binary_repeat(pa.array([text]), chars // len(text))] * rows)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (int(sys.argv[2]) << 20), resource.RLIM_INFINITY))
print(len(function(long)))
"""


def in_limited_memory(how: str, mebibytes: int) -> subprocess.CompletedProcess[str]:
    """Look for urls in 8,192 texts of 16 KB in a process that may take so much memory more."""
    command = [sys.executable, "-c", LIMITED, how, str(mebibytes)]
    return subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit is Linux's")
def test_copies_of_a_batch_of_long_rows_are_bounded():
    """128 MB of urls are found and hashed in 400 MB more, and not in as much where the batch is worked on whole."""
    done = in_limited_memory("sliced", 400)
    assert (done.returncode, done.stdout.strip()) == (0, "8192"), done.stderr[-2000:]
    assert in_limited_memory("whole", 400).returncode != 0


@pytest.mark.parametrize("size", [1, 100, 1 << 20])
def test_a_function_on_slices_gives_what_it_gives_on_the_whole(monkeypatch, size):
    """Slices are of whole rows, one at least; nulls and lists are kept."""
    monkeypatch.setattr(arrow_udf, "SLICE_BYTES", size)
    texts = pa.array(["a", None, "", "long " * 50, *map(str, range(100))])
    calls = []

    def lengths(values: pa.Array) -> pa.Array:
        calls.append(len(values))
        found = [None if value is None else [len(value)] * 2 for value in values.to_pylist()]
        return pa.array(found, pa.list_(pa.int64()))

    assert sliced(lengths)(texts).equals(lengths(texts))
    assert sum(calls[:-1]) == len(texts)
    assert (len(calls) > 2) == (size < 1 << 20)


def test_rows_of_a_batch_follow_from_the_bytes_of_a_row():
    """A batch of rows of any length has about BATCH_BYTES, between the smallest and the largest number of rows."""

    def part(per_row: int, rows: int | None = 1000) -> PartitionFiles:
        return PartitionFiles({}, 1, per_row * 1000, 0, 0, rows)

    assert rows_per_batch([]) == rows_per_batch([part(115)]) == rows_per_batch([part(1 << 20, None)]) == MOST_ROWS
    assert rows_per_batch([part(115), part(8192)]) == BATCH_BYTES // (4 * 8192)
    assert rows_per_batch([part(1 << 20)]) == LEAST_ROWS


@pytest.mark.parametrize("memory", [LEAST_BYTES, 4 << 30, 256 << 30])
@pytest.mark.parametrize("tasks", [1, 2, 16, 128])
def test_batches_of_the_longest_texts_fit_the_memory_of_the_embedded_engine(memory, tasks):
    """Until there are so many tasks that a batch would have fewer than 1,024 rows."""
    rows = batch_rows(memory, tasks)
    assert rows * TEXT_BYTES * tasks <= memory // 8 or rows == 1024
