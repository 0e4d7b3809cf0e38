"""Shared by the tests of the engines: the table of cases, and the definition of a match."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

CASES = Path(__file__).parents[2] / "data" / "matching_cases.json"


def _definition(entries: list[str], text: str | None) -> list[int]:
    # This follows the definition of matching, on purpose without the package's own spacing.
    if text is None:
        return []
    spaced = " " + text + " "
    for char in ",.;:?!`":
        spaced = spaced.replace(char, " " + char + " ")
    for char in "\t\n\r":
        spaced = spaced.replace(char, " ")
    return [number for number, entry in enumerate(entries) if (" " + entry + " ") in spaced]


@pytest.fixture(scope="session")
def definition() -> Callable[[list[str], str | None], list[int]]:
    """The ids that a text matches, by the definition: a substring scan of every entry."""
    return _definition


@pytest.fixture(scope="session")
def cases() -> list[dict]:
    """The table of matching cases, long texts written out."""
    table = json.loads(CASES.read_text(encoding="utf-8"))
    for case in table:
        if isinstance(case["text"], dict):
            piece, times = case["text"]["repeat"]
            case["text"] = piece * times
    return table
