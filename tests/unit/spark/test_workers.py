"""What a process that reads sources for the embedded engine imports."""

from __future__ import annotations

import subprocess
import sys

import pytest

READ = """
import sys
from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.extract.isolated import read_with_ledger
from metaclip_spark.extract.task import Stamp
from metaclip_spark.sources.files import find_sources, splits_of
from metaclip_spark.stages.extract import BroadcastTools, unpacked

options = ExtractOptions({options})
try:
    tools = unpacked(BroadcastTools(identifier={identifier}), options)
    (split,) = splits_of(find_sources([sys.argv[1]]))
    batches = list(read_with_ledger(tools, split, options, Stamp("snap", "list-id", "batch-1")))
    print("rows", sum(map(len, batches)))
except Exception as error:
    print(error)
print(*(name for name in ("pandas", "pyspark") if name in sys.modules))
import pandas, pyarrow
print(pyarrow.array(pandas.Series([float("nan")])).null_count)
"""


def run(tmp_path, options="", identifier=None):
    """Return the lines of the script: rows or an error, imports, nulls that Arrow sees in a Series with NaN."""
    source = tmp_path / "pool.tsv"
    source.write_text("url\ttext\nhttp://ex.org/1.jpg\ta cat\nhttp://ex.org/2.jpg\ta dog\n")
    script = READ.format(options=options, identifier=repr(identifier))
    done = subprocess.run([sys.executable, "-c", script, source], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_process_that_reads_sources_imports_neither_pandas_nor_spark(tmp_path):
    """A tabular source is read without them: two pairs and an outcome."""
    rows, imported, _ = run(tmp_path)
    assert (rows, imported) == ("rows 3", "")


@pytest.mark.parametrize(
    ("options", "identifier"),
    [("filters=('own:filter@0',)", None), ("identifier='own:1'", "own:factory")],
)
def test_arrow_knows_pandas_where_code_of_users_runs(tmp_path, options, identifier):
    """A user's filter or identifier may give Arrow a Series, whose NaN is a null."""
    *_, nulls = run(tmp_path, options, identifier)
    assert nulls == "1"
