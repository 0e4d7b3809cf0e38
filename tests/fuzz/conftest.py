"""What the fuzzed inputs took, after the tests."""

from __future__ import annotations

import json

import pytest

FIGURES: list[dict] = []


@pytest.fixture(scope="session")
def figures() -> list[dict]:
    """The figures of each kind of input, which are printed after the tests."""
    return FIGURES


def pytest_terminal_summary(terminalreporter):
    """Print the number of inputs by kind, the longest CPU time and the largest memory, each with its seed."""
    if not FIGURES:
        return
    terminalreporter.section("hostile input")
    for row in FIGURES:
        longest, largest = (
            f"{row['seconds']:.2f} s (seed {row['slowest']})",
            f"{row['mib']:.0f} MiB (seed {row['largest']})",
        )
        endings = ", ".join(f"{number:,} {ending}" for ending, number in sorted(row["endings"].items()))
        terminalreporter.write_line(f"{row['kind']:<10} {row['inputs']:>6,} inputs, {longest}, {largest}: {endings}")
    terminalreporter.write_line(f"{'all':<10} {sum(row['inputs'] for row in FIGURES):>6,} inputs")
    terminalreporter.write_line(f"as JSON    {json.dumps(FIGURES)}")
