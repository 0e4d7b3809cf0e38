"""What is in an entry list, and what is wrong with it: plain data for `metadata inspect`."""

from __future__ import annotations

import pickle
import re
import time
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from metaclip_spark.errors import MetadataError
from metaclip_spark.metadata.assemble import MAX_CHARS
from metaclip_spark.metadata.load import Metadata, json_type, never_matching, read_entries

EXAMPLES = 5
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Finding:
    """Entries of one kind.

    Attributes:
        name: What is true of them.
        number: How many there are.
        examples: The first few, with their positions (from 0).
        is_error: A list with such entries is refused where it is used.
    """

    name: str
    number: int
    examples: list[tuple[int, str]]
    is_error: bool = False


@dataclass(frozen=True)
class Inspection:
    """What is in a list.

    Attributes:
        path: The file.
        entries: The strings of the list, each once, in order; what is no string, empty or blank is left out.
        metadata_id: The list's id; None where the list is refused.
        listed: How many elements the file lists.
        findings: What may be wrong with entries.
        chars: Length in characters: the shortest, 10th, 50th, 90th and 99th percentile, the longest.
        words: How many entries have 1, 2, 3, 4 and more words (words are what spaces part).
        with_capital: Entries that hold a capital letter.
        one_case_only: Entries with letters of which no other entry differs in case alone.
        compile_seconds: Time to compile the list for matching.
        compiled_bytes: What every Python worker is sent.
    """

    path: str
    entries: list[str]
    metadata_id: str | None
    listed: int
    findings: list[Finding]
    chars: list[int]
    words: list[int]
    with_capital: int
    one_case_only: int
    compile_seconds: float | None
    compiled_bytes: int | None

    @property
    def errors(self) -> list[Finding]:
        """What the list is refused for."""
        return [finding for finding in self.findings if finding.is_error and finding.number]


def inspect(path: Path, compiled: bool = True) -> Inspection:
    """Looks at every entry of a list, usable or not.

    Args:
        path: A list in any form that `load_metadata` reads.
        compiled: Compile it too, to say what that costs.

    Raises:
        MetadataError: The file holds no list.
    """
    listed = read_entries(path)
    if not listed:
        raise MetadataError(f"{path}: the list is empty, expected at least one entry; check the path.")
    strings = [entry for entry in listed if isinstance(entry, str)]
    findings = [*_errors(listed), *_warnings(listed)]
    usable = not any(finding.number for finding in findings if finding.is_error)
    entries = [entry for entry in dict.fromkeys(strings) if entry.strip() and not _SURROGATE.search(entry)]
    metadata = Metadata.from_entries(entries, str(path)) if entries else None
    seconds, size = _cost(metadata) if compiled and metadata else (None, None)
    return Inspection(
        path=str(path),
        entries=entries,
        metadata_id=metadata.metadata_id if usable and metadata else None,
        listed=len(listed),
        findings=findings,
        chars=_quantiles(entries),
        words=_words(entries),
        with_capital=sum(entry != entry.lower() for entry in entries),
        one_case_only=_one_case_only(entries),
        compile_seconds=seconds,
        compiled_bytes=size,
    )


def _errors(listed: Sequence[object]) -> list[Finding]:
    first: dict[object, int] = {}
    repeats = [
        (at, f"{entry!r} (first at {first[entry]})")
        for at, entry in enumerate(listed)
        if isinstance(entry, str) and first.setdefault(entry, at) != at
    ]
    no_strings = [(at, json_type(entry)) for at, entry in enumerate(listed) if not isinstance(entry, str)]
    return [
        Finding("not a string", len(no_strings), no_strings[:EXAMPLES], is_error=True),
        _finding("empty", listed, lambda entry: entry == "", is_error=True),
        _finding("blank", listed, lambda entry: entry != "" and entry.isspace(), is_error=True),
        Finding("repeats an earlier entry", len(repeats), repeats[:EXAMPLES], is_error=True),
        _finding("holds a lone surrogate", listed, lambda entry: bool(_SURROGATE.search(entry)), is_error=True),
    ]


def _warnings(listed: Sequence[object]) -> list[Finding]:
    strings = [entry if isinstance(entry, str) else "" for entry in listed]
    impossible = np.flatnonzero(never_matching(strings))
    examples = [(int(at), repr(strings[at])) for at in impossible[:EXAMPLES]]
    return [
        Finding("can never match", len(impossible), examples),
        _finding("matches only where a text has its outer or double spaces", listed, _has_odd_spaces),
        _finding("holds a control character", listed, _has_control),
        _finding(f"has over {MAX_CHARS} characters", listed, lambda entry: len(entry) > MAX_CHARS),
    ]


def _finding(name: str, listed: Sequence[object], holds, is_error: bool = False) -> Finding:
    at = [position for position, entry in enumerate(listed) if isinstance(entry, str) and holds(entry)]
    return Finding(name, len(at), [(position, ascii(listed[position])) for position in at[:EXAMPLES]], is_error)


def _has_odd_spaces(entry: str) -> bool:
    return not entry.isspace() and (entry != entry.strip(" ") or "  " in entry)


def _has_control(entry: str) -> bool:
    return not entry.isprintable() and any(unicodedata.category(char) == "Cc" for char in entry)


def _quantiles(entries: Sequence[str]) -> list[int]:
    lengths = np.array([len(entry) for entry in entries] or [0])
    return [int(value) for value in np.percentile(lengths, [0, 10, 50, 90, 99, 100], method="lower")]


def _words(entries: Sequence[str]) -> list[int]:
    counted = Counter(min(len(entry.split()), 4) for entry in entries)
    return [counted[words] for words in (1, 2, 3, 4)]


def _one_case_only(entries: Sequence[str]) -> int:
    forms = Counter(entry.lower() for entry in entries)
    return sum(forms[entry.lower()] == 1 and entry.lower() != entry.upper() for entry in entries)


def _cost(metadata: Metadata) -> tuple[float, int]:
    # Imported here: the engines import the lists.
    from metaclip_spark.matchers import compile_matcher

    compile_matcher(Metadata.from_entries(["a"]))  # what the engine needs once per machine is not the list's cost
    start = time.perf_counter()
    matcher = compile_matcher(metadata)
    return time.perf_counter() - start, len(pickle.dumps(matcher))
