"""docs/SCALING.md shows what the cost model computes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_the_page_has_the_tables_of_the_model():
    """The tables under the command are its output, line by line."""
    command = [sys.executable, str(ROOT / "tests" / "benchmarks" / "scaling.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    page = (ROOT / "docs" / "SCALING.md").read_text(encoding="utf-8")
    shown = [line.rstrip() for line in page.partition("tests/benchmarks/scaling.py`:\n\n```\n")[2].splitlines()]
    lines = [line.rstrip() for line in done.stdout.strip().splitlines()]
    assert len(lines) > 20
    assert shown[: len(lines) + 1] == [*lines, "```"]
