"""Fuzzed inputs of every kind: no crash, no hang, bounded memory, clear errors, and counts that add up.

`tests/helpers/hostile.py` has the kinds, and says what must hold for each. An input that fails prints the command that
reads it again: `python tests/helpers/hostile.py KIND SEED`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HELPER = Path(__file__).resolve().parents[1] / "helpers" / "hostile.py"
KINDS = (
    "wat",
    "warc",
    "tsv",
    "csv",
    "jsonl",
    "parquet",
    "paths",
    "entries",
    "compiled",
    "model",
    "config",
    "takedown",
)
SLOW_INPUTS = 1750
"""Inputs of each kind in the slow set: 21,000 in all."""
FEW_INPUTS = 25
SECONDS = 20.0
"""CPU time of an input, of at most some megabytes. The slowest takes a tenth of it."""
MIB = 700
"""Memory that an input may take beyond what is in use."""


def fuzz(kinds: tuple[str, ...], seeds: range, figures: list[dict]) -> list[dict]:
    """Read inputs in another process; return the figures of each kind."""
    command = [sys.executable, str(HELPER), ",".join(kinds), str(seeds.start), str(seeds.stop)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-6000:]
    found = [json.loads(line) for line in done.stdout.splitlines()]
    figures += found
    for row in found:
        kind = row["kind"]
        assert row["inputs"] == len(seeds), row
        assert row["seconds"] < SECONDS, f"it hangs; replay it: python tests/helpers/hostile.py {kind} {row['slowest']}"
        assert row["mib"] < MIB, f"it fills memory; replay it: python tests/helpers/hostile.py {kind} {row['largest']}"
    return found


def test_hostile_inputs_of_every_kind(figures):
    """Some of each kind. Most are refused or damaged, and some are read."""
    found = fuzz(KINDS, range(FEW_INPUTS), figures)
    assert [row["kind"] for row in found] == list(KINDS)


@pytest.mark.parametrize("seeds", [range(8), pytest.param(range(8, 508), marks=pytest.mark.slow)], ids=["few", "many"])
def test_hostile_survivors(seeds, figures):
    """A damaged file of survivors, read by the embedded engine, is an InputError that names it."""
    pytest.importorskip("pysail", reason="pysail is not installed; it comes with the extra [embedded]")
    (row,) = fuzz(("survivors",), seeds, figures)
    assert set(row["endings"]) == {"done", "refused"}, row


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", KINDS)
def test_many_hostile_inputs(kind, figures):
    """Enough of each kind that every change meets every part of a file; each kind ends in more than one way."""
    (row,) = fuzz((kind,), range(FEW_INPUTS, FEW_INPUTS + SLOW_INPUTS), figures)
    assert len(row["endings"]) > 1, row
