"""Loading metadata: files become a checked, ordered entry list with an id.

Entries are taken verbatim. Nothing is stripped, folded or sorted: an entry's position is its id, and
the list's hash is stored with every count, so any silent repair here would change both.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from metaclip_spark.core.text import PADDED
from metaclip_spark.errors import MetadataError

SUFFIXES = (".json", ".json.gz", ".txt", ".txt.gz")

_GZIP_MAGIC = b"\x1f\x8b"
_EXPECTED = "expected a JSON array of strings (.json, .json.gz) or one entry a line (.txt, .txt.gz)"

# Applied to " " + entry + " ". Spacing a text leaves each padded character between two spaces of its
# own, so two of them are never a single space apart, and it turns TAB, LF and CR into spaces.
_IMPOSSIBLE = re.compile("[\t\n\r]|(?<! )P|P(?! )|P P".replace("P", f"[{re.escape(PADDED)}]"))


@dataclass(frozen=True)
class Metadata:
    """The ordered entry list; an entry's 0-based position is its `entry_id`.

    Attributes:
        entries: The entries, verbatim, without repeats.
        metadata_id: `metadata_id(entries)`, stored with everything that is counted under this list.
    """

    entries: tuple[str, ...] = field(repr=False)
    metadata_id: str

    @classmethod
    def from_entries(cls, entries: Iterable[str], source: str = "metadata") -> Metadata:
        """Checks entries and computes their id.

        Args:
            entries: Strings in the order that gives their ids.
            source: What to call the list in an error, such as its path.

        Raises:
            MetadataError: The list is empty, or an entry is no string, blank, repeated or not UTF-8.

        Examples:
            >>> Metadata.from_entries(["cat", "dog"]).metadata_id[:8]
            '1237dae1'
        """
        if isinstance(entries, (str, bytes)):
            got = type(entries).__name__
            raise MetadataError(f"{source}: got one {got}, expected an array of strings; put it in a list.")
        checked = tuple(entries)
        _check(checked, source)
        return cls(checked, metadata_id(checked))


def metadata_id(entries: Iterable[str]) -> str:
    """Names a list by its content and order.

    Returns:
        sha256 in hex over the entries in order, each as its UTF-8 length in bytes (8 bytes,
        little-endian) and then the bytes, so that no two lists share one stream.
    """
    parts: list[bytes] = []
    for entry in entries:
        encoded = entry.encode()
        parts += (len(encoded).to_bytes(8, "little"), encoded)
    return hashlib.sha256(b"".join(parts)).hexdigest()


def load_metadata(path: str | os.PathLike[str]) -> Metadata:
    """Reads an entry list from a file.

    Args:
        path: A JSON array of strings (`.json`, `.json.gz`; Meta's own file loads as it is) or one
            entry a line in UTF-8 (`.txt`, `.txt.gz`; only LF or CRLF is taken off).

    Raises:
        MetadataError: The file cannot be read as a list, or the list cannot be used.
    """
    return Metadata.from_entries(read_entries(path), source=str(path))


def read_entries(path: str | os.PathLike[str]) -> list[object]:
    """Reads what a file lists, unchecked: for `metadata inspect`, which names what is wrong with it.

    Raises:
        MetadataError: The file cannot be read, or its JSON is no array.
    """
    path = Path(path)
    name = path.name.lower()
    if not name.endswith(SUFFIXES):
        raise MetadataError(f"{path}: the suffix says no format; {_EXPECTED}. Rename or convert the file.")
    text = _decode(_read_bytes(path, name.endswith(".gz")), path)
    return list(_parse_json(text, path) if ".json" in name[-8:] else _split_lines(text))


def never_matching(entries: Sequence[str]) -> np.ndarray:
    r"""Finds the entries that no text can match.

    An entry is one when, written between two spaces, it holds a TAB, LF or CR; or one of `, . ; : ? !`
    or a backquote without a space directly before and after it; or two of these characters with
    exactly one space between them. Every other entry matches a text: take the entry between two
    spaces and leave out the space on each side of each such character, and spacing puts them back.

    Returns:
        Array of bool, shape (len(entries),), True where the entry can never match. It judges spacing
        alone: texts of the pipeline have also lost NUL characters and outer whitespace.

    Examples:
        >>> never_matching(["St. John", "St . John", ". .", ".  .", "a\tb"]).tolist()
        [True, False, True, False, True]
    """
    found = (_IMPOSSIBLE.search(f" {entry} ") is not None for entry in entries)
    return np.fromiter(found, dtype=bool, count=len(entries))


def _read_bytes(path: Path, compressed: bool) -> bytes:
    if path.is_dir():
        raise MetadataError(f"{path}: is a folder, expected a file; name one list (a folder needs --worldwide).")
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise MetadataError(f"{path}: no such file; {_EXPECTED}. Check the path given as --metadata.") from None
    except OSError as error:
        raise MetadataError(f"{path}: cannot be read ({error.strerror}); check its permissions.") from error
    if not compressed:
        if raw.startswith(_GZIP_MAGIC):
            raise MetadataError(f"{path}: holds gzip data, but its name does not end in .gz; rename it.")
        return raw
    if not raw.startswith(_GZIP_MAGIC):
        raise MetadataError(
            f"{path}: is not gzip (starts with {raw[:2]!r}), as its name says;"
            " rename it without .gz, or fetch it again."
        )
    try:
        return gzip.decompress(raw)
    except (EOFError, OSError, zlib.error) as error:
        raise MetadataError(f"{path}: the gzip data is damaged ({error}); fetch or build the file again.") from error


def _decode(raw: bytes, path: Path) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MetadataError(
            f"{path}: is not UTF-8 (byte {error.object[error.start]:#04x} at offset {error.start}); convert it."
        ) from error


def _parse_json(text: str, path: Path) -> list[str]:
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MetadataError(
            f"{path}: is not JSON ({error}), expected an array of strings; fetch or build the file again."
        ) from error
    if not isinstance(parsed, list):
        raise MetadataError(
            f'{path}: the JSON is {json_type(parsed)}, expected an array of strings; write it as ["...", ...].'
        )
    return parsed


def _split_lines(text: str) -> list[str]:
    # Not splitlines(): it also cuts at U+0085, U+2028 and form feeds, which may stand inside an entry.
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line[:-1] if line.endswith("\r") else line for line in lines]


def _check(entries: tuple[object, ...], source: str) -> None:
    """Raises on the first rule that a list breaks; positions count from 0, as entry ids do."""
    if not entries:
        raise MetadataError(f"{source}: the list is empty, expected at least one entry; check the path.")
    for position, entry in enumerate(entries):
        if not isinstance(entry, str):
            raise MetadataError(
                f"{source}: position {position} (from 0) holds {json_type(entry)}, expected a string;"
                " quote or remove it."
            )
        if not entry or entry.isspace():
            what = "a blank" if entry else "an empty"
            raise MetadataError(f"{source}: position {position} (from 0) holds {what} entry ({entry!r}); remove it.")
    if len(set(entries)) < len(entries):
        repeats = _describe_repeats(entries)
        raise MetadataError(f"{source}: {repeats}; an id would be ambiguous; remove the repeats.")
    try:
        "".join(entries).encode()
    except UnicodeEncodeError:
        position = next(p for p, entry in enumerate(entries) if re.search("[\ud800-\udfff]", entry))
        raise MetadataError(
            f"{source}: position {position} (from 0) holds a lone surrogate ({entries[position]!a}), which"
            " UTF-8 cannot write; repair or remove the entry."
        ) from None


def _describe_repeats(entries: tuple[str, ...]) -> str:
    first: dict[str, int] = {}
    repeats = [(entry, first[entry], p) for p, entry in enumerate(entries) if first.setdefault(entry, p) != p]
    named = ", ".join(f"{entry!r} at positions {a} and {b}" for entry, a, b in repeats[:3])
    more = ", ..." if len(repeats) > 3 else ""
    noun = "entry repeats" if len(repeats) == 1 else "entries repeat"
    return f"{len(repeats)} {noun} an earlier one ({named}{more})"


def json_type(value: object) -> str:
    names = {dict: "an object", list: "an array", bool: "a boolean", int: "a number", float: "a number"}
    names |= {str: "a string", type(None): "null"}
    return names.get(type(value), f"a {type(value).__name__}")
