"""`warmup` compiles every kernel that a worker would compile at its first file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from metaclip_spark.warmup import PARTS, warm_up

ROOT = Path(__file__).resolve().parents[2]

SCRIPT = """
from metaclip_spark.core.entry_kernels import add_counts, running_products
from metaclip_spark.core.hashing.blake2b import blake2b_of_pairs
from metaclip_spark.extract.byte_search import count_of
from metaclip_spark.extract.records.heads import only_record
from metaclip_spark.extract.warc.html_tags import read_tags
from metaclip_spark.extract.warc.last_image import end_of_last_image
from metaclip_spark.core.hashing.sha2 import sha224_of_urls
from metaclip_spark.extract.wat.links import cut_page
from metaclip_spark.extract.records.members import _read_members
from metaclip_spark.extract.wat.rows import add_pages
from metaclip_spark.extract.wat.scan import scan_records
from metaclip_spark.core.urls.host_kernels import gather, host_spans, unusual_hosts
from metaclip_spark.extract.tabular.quotes import _rewrite, _spans
from metaclip_spark.matchers.phrases.builder import key_hashes, set_transition_filters, set_token_filters
from metaclip_spark.matchers.phrases.scan import scan
from metaclip_spark.matchers.worldwide.groups import scan_groups, scan_list
from metaclip_spark.warmup import warm_up

print(warm_up())
called = (blake2b_of_pairs, count_of, end_of_last_image, only_record, read_tags, sha224_of_urls, cut_page)
called += (scan, key_hashes, set_transition_filters, set_token_filters, add_counts, running_products)
called += (_read_members, scan_records, add_pages, scan_groups, scan_list)
called += (host_spans, gather, unusual_hosts, _rewrite, _spans)
print(*(kernel.__name__ for kernel in called if not kernel.signatures))
"""


def test_every_kernel_that_extraction_calls_is_compiled():
    """A small WAT, WARC and tables reach all kernels, and give their pairs.

    The test runs in a separate process, because other tests compile kernels too. tests/cluster checks that an executor
    compiles nothing more.
    """
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "10\n\n"), done.stderr


QUICKSTART = """
import gc
from numba.core.dispatcher import Dispatcher
from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.extract.language import load_identifier
from metaclip_spark.extract.task import Stamp, Tools, extract_split
from metaclip_spark.matchers import compile_matcher
from metaclip_spark.metadata import load_metadata
from metaclip_spark.sources.files import find_sources, splits_of
from metaclip_spark.warmup import warm_up

def compiled():
    kernels = [one for one in gc.get_objects() if isinstance(one, Dispatcher)]
    ours = [one for one in kernels if one.py_func.__module__.startswith("metaclip_spark")]
    return {(one.py_func.__name__, sum(one.stats.cache_misses.values())) for one in ours if one.stats.cache_misses}

print(warm_up(["match", "language"]), warm_up(["wat"]))
before = compiled()
matcher = compile_matcher(load_metadata("metadata/en.json.gz"), "auto")
tools = Tools(matcher=matcher, identifier=load_identifier("lid176"))
(split,) = splits_of(find_sources(["jobs/sample/pool.wat.gz"]))
rows = sum(batch.num_rows for batch in extract_split(split, ExtractOptions(), tools, Stamp("a", "m", "b")))
print(bool(before), rows > 30_000, compiled() - before)
"""


@pytest.mark.slow
def test_three_parts_have_all_kernels_of_the_quickstart(tmp_path):
    """After `match`, `language` and `wat`, into an empty cache, extracting the sample compiles nothing more."""
    done = subprocess.run(
        [sys.executable, "-c", QUICKSTART],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
    )
    assert (done.returncode, done.stdout) == (0, "0 6\nTrue True set()\n"), done.stderr


def test_an_unknown_part_is_refused():
    """A misspelt part compiles nothing, and the error names the parts."""
    with pytest.raises(ValueError, match=f"expected parts of {', '.join(PARTS)}; got wet"):
        warm_up(["match", "wet"])
