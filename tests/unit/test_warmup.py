"""`warmup` compiles every kernel that a worker would compile at its first file."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
from metaclip_spark.core.entry_kernels import add_counts, running_products
from metaclip_spark.core.hashing.blake2b import blake2b_of_pairs
from metaclip_spark.extract.byte_search import count_of, last_image
from metaclip_spark.extract.records.heads import only_record
from metaclip_spark.core.hashing.sha224 import sha224_of_urls
from metaclip_spark.extract.wat.links import cut_page
from metaclip_spark.extract.wat.rows import add_rows
from metaclip_spark.core.urls.host_kernels import gather, host_spans, unusual_hosts
from metaclip_spark.extract.tabular.quotes import _rewrite, _spans
from metaclip_spark.matchers.phrases.builder import key_hashes, set_transition_filters, set_token_filters
from metaclip_spark.matchers.phrases.scan import scan
from metaclip_spark.warmup import warm_up

print(warm_up())
called = (blake2b_of_pairs, count_of, last_image, only_record, sha224_of_urls, cut_page, add_rows)
called += (scan, key_hashes, set_transition_filters, set_token_filters, add_counts, running_products)
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
