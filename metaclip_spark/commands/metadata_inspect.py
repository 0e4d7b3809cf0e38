"""Inspect an entry list, its errors and its unusual entries, for `metadata inspect`."""

from __future__ import annotations

import os
import pickle
import re
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from metaclip_spark.errors import MetadataError
from metaclip_spark.metadata.assemble import MAX_CHARS
from metaclip_spark.metadata.load import Metadata, json_type, never_matching, read_entries
from metaclip_spark.metadata.matchability import has_odd_spaces

EXAMPLES = 5
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Finding:
    """The entries of a list that have one property.

    Attributes:
        name: The property.
        number: Number of entries.
        examples: (position from 0, entry) of the first few entries.
        is_error: Whether other commands refuse a list with such entries.
    """

    name: str
    number: int
    examples: list[tuple[int, str]]
    is_error: bool = False


@dataclass(frozen=True)
class Inspection:
    """The properties of a list. The names of the attributes are keys of the JSON of `metadata inspect --json`.

    Attributes:
        path: The name or the file.
        entries: The valid entries of the list, each once, in order. Elements that are not strings, are empty or blank,
            or contain a lone surrogate are excluded.
        metadata_id: The id of the list; None if other commands refuse the list.
        listed: Number of elements in the file.
        findings: The findings of every kind, also those without entries.
        chars: Minimum, 10th, 50th, 90th and 99th percentile, and maximum of the length in characters.
        words: Number of entries with 1, 2, 3, and 4 or more words. White space separates words.
        with_capital: Number of entries with a capital letter.
        one_case_only: Number of entries with letters for which no other entry differs in case alone.
        compile_seconds: Time to compile the list for matching, in seconds; None if the list was not compiled.
        compiled_bytes: Size of the compiled list that every Python worker receives; None if it was not compiled.
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
        """The findings for which other commands refuse the list."""
        return [finding for finding in self.findings if finding.is_error and finding.number]


def inspect(path: str | os.PathLike[str], compiled: bool = True) -> Inspection:
    """Inspect every element of a list, valid or not.

    Args:
        path: The name of a shipped list, or a list in any format that `load_metadata` reads.
        compiled: Also compile the list, to measure the time and the size.

    Raises:
        MetadataError: The file does not contain a list, or the list is empty.
    """
    listed = read_entries(path)
    if not listed:
        raise MetadataError(f"{path}: the list is empty, expected at least one entry; check the path.")
    strings = [entry for entry in listed if isinstance(entry, str)]
    findings = [*_errors(listed), *_warnings(listed)]
    usable = not any(finding.number for finding in findings if finding.is_error)
    entries = [entry for entry in dict.fromkeys(strings) if entry.strip() and not _SURROGATE.search(entry)]
    metadata = Metadata.from_entries(entries, str(path)) if entries else None
    seconds, size = _compile_cost(metadata) if compiled and metadata else (None, None)
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
    non_strings = [(at, json_type(entry)) for at, entry in enumerate(listed) if not isinstance(entry, str)]
    return [
        Finding("not a string", len(non_strings), non_strings[:EXAMPLES], is_error=True),
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


def _finding(
    name: str, listed: Sequence[object], has_property: Callable[[str], bool], is_error: bool = False
) -> Finding:
    positions = [at for at, entry in enumerate(listed) if isinstance(entry, str) and has_property(entry)]
    return Finding(name, len(positions), [(at, ascii(listed[at])) for at in positions[:EXAMPLES]], is_error)


def _has_odd_spaces(entry: str) -> bool:
    return not entry.isspace() and has_odd_spaces(entry)


def _has_control(entry: str) -> bool:
    return not entry.isprintable() and any(unicodedata.category(char) == "Cc" for char in entry)


def _quantiles(entries: Sequence[str]) -> list[int]:
    lengths = np.array([len(entry) for entry in entries] or [0])
    return [int(value) for value in np.percentile(lengths, [0, 10, 50, 90, 99, 100], method="lower")]


def _words(entries: Sequence[str]) -> list[int]:
    numbers = Counter(min(len(entry.split()), 4) for entry in entries)
    return [numbers[words] for words in (1, 2, 3, 4)]


def _one_case_only(entries: Sequence[str]) -> int:
    forms = Counter(entry.lower() for entry in entries)
    return sum(forms[entry.lower()] == 1 and entry.lower() != entry.upper() for entry in entries)


def _compile_cost(metadata: Metadata) -> tuple[float, int]:
    # Imported here: the matchers import the metadata package.
    from metaclip_spark.matchers import compile_matcher

    compile_matcher(Metadata.from_entries(["a"]))  # excludes the matcher's cost once per machine
    start = time.perf_counter()
    matcher = compile_matcher(metadata)
    return time.perf_counter() - start, len(pickle.dumps(matcher))
