"""What is compiled ahead is what a worker would compile at its first file."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
from metaclip_spark.extract.hashes import blake2b_of_pairs, sha224_of_urls
from metaclip_spark.extract.record_heads import only_record
from metaclip_spark.extract.wat_links import add_rows, cut_links, mentions_any
from metaclip_spark.warmup import warm_up

print(warm_up())
called = (blake2b_of_pairs, sha224_of_urls, only_record, add_rows, cut_links, mentions_any)
print(*(kernel.__name__ for kernel in called if not kernel.signatures))
"""


def test_every_kernel_that_extraction_calls_is_compiled():
    """A made page and a made table pass all of them, and give the pairs that are in them; in a process of its own,
    because other tests compile too. tests/cluster looks whether an executor finds anything left to compile."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "7\n\n"), done.stderr
