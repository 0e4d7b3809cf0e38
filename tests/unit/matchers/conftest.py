"""Shared by the tests of the engines: the table of cases, and the definition of a match."""

from __future__ import annotations

import json
import string
import unicodedata
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


_EDGE_HEX = """
4E00-9FFF 3400-4DBF 20000-2A6DF 2A700-2B73F 2B740-2B81F 2B820-2CEAF 2CEB0-2EBEF F900-FAFF 2E80-2EFF 2F00-2FDF 2FF0-2FFF
0E00-0E7F 0E80-0EFF 1000-109F 1780-17FF 0F00-0FFF
"""
_EDGE_MARKS = "，。、；：？！“”‘’（）【】《》〈〉「」『』～—"
_KANA_HANGUL_HEX = """
3040-309F 30A0-30FF 31F0-31FF FF66-FF9F 1AFF0-1B16F 1100-11FF 3130-318F A960-A97F AC00-D7AF D7B0-D7FF
"""
_OTHER_MARKS = "«»“”。،؛؟।॥¿¡…·"


def _is_edge(char: str, kana_hangul: bool) -> bool:
    ranges = _EDGE_HEX + (_KANA_HANGUL_HEX if kana_hangul else "")
    bounds = [[int(bound, 16) for bound in one.split("-")] for one in ranges.split()]
    in_range = any(first <= ord(char) <= last for first, last in bounds)
    return in_range or char in string.punctuation or char in _EDGE_MARKS


def _edge_definition(entries: list[str], text: str | None, **switches: bool) -> list[int]:
    # This follows the definition of worldwide mode, on purpose without the package's own rules.
    if text is None:
        return []

    def compared(one: str) -> str:
        if switches.get("zero_width"):
            one = one.replace("\u200b", " ").replace("\u200c", "")
        return unicodedata.normalize("NFC", one) if switches.get("nfc") else one

    spaced = " " + compared(text) + " "
    for char in ",.;:?!`" + (_OTHER_MARKS if switches.get("pad_punctuation") else ""):
        spaced = spaced.replace(char, " " + char + " ")
    for char in "\t\n\r":
        spaced = spaced.replace(char, " ")
    found = []
    for number, entry in enumerate(map(compared, entries)):
        if entry and not entry.isspace():
            kana_hangul = switches.get("kana_hangul_edges", False)
            left = "" if _is_edge(entry[0], kana_hangul) else " "
            right = "" if _is_edge(entry[-1], kana_hangul) else " "
            if left + entry + right in spaced:
                found.append(number)
    return found


@pytest.fixture(scope="session")
def edge_definition() -> Callable[..., list[int]]:
    """The ids that a text matches in worldwide mode, by the definition, with switches as keywords."""
    return _edge_definition
