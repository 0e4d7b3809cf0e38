"""What is compiled ahead is what a worker would compile at its first file."""

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
from metaclip_spark.core.urls.host_kernels import gather, host_spans
from metaclip_spark.matchers.phrases.builder import key_hashes, set_step_filters, set_token_filters
from metaclip_spark.matchers.phrases.scan import scan
from metaclip_spark.warmup import warm_up

print(warm_up())
called = (blake2b_of_pairs, count_of, last_image, only_record, sha224_of_urls, cut_page, add_rows)
called += (scan, key_hashes, set_step_filters, set_token_filters, add_counts, running_products, host_spans, gather)
print(*(kernel.__name__ for kernel in called if not kernel.signatures))
"""


def test_every_kernel_that_extraction_calls_is_compiled():
    """A made WAT, WARC and table pass all of them, and give the pairs that are in them; in a process of its own,
    because other tests compile too. tests/cluster looks whether an executor finds anything left to compile."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "8\n\n"), done.stderr
