"""Load metadata: read a file into a checked, ordered entry list with an id.

Entries are kept verbatim: nothing is stripped, folded or sorted. The position of an entry is its id, and the hash of
the list is stored with every count. A silent repair of an entry would change both.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from metaclip_spark.core.text import PADDED
from metaclip_spark.core.wording import shortened
from metaclip_spark.core.worldwide.list_choice import ListChoice
from metaclip_spark.core.worldwide.sections import Sections
from metaclip_spark.errors import MetadataError
from metaclip_spark.metadata.shipped import is_name, shipped_list, shipped_names
from metaclip_spark.storage.lines import inflate, split_lines
from metaclip_spark.storage.magic import GZIP_MAGIC

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

MAX_CHARS = 10_000
"""Maximum number of characters of an entry. The compiled list has a table for each character of the longest entry."""
SUFFIXES = (".json", ".json.gz", ".txt", ".txt.gz")

_EXPECTED = "expected a JSON array of strings (.json, .json.gz) or one entry per line (.txt, .txt.gz)"

# The pattern is searched in " " + entry + " ". Spacing puts a space on each side of every padded character of a text,
# so two padded characters are never a single space apart. Spacing also turns TAB, LF and CR into spaces.
_SUSPECT = "[\t\n\rP]".replace("P", re.escape(PADDED))
_IMPOSSIBLE = re.compile("[\t\n\r]|(?<! )P|P(?! )|P P".replace("P", f"[{re.escape(PADDED)}]"))


@dataclass(frozen=True)
class Metadata:
    """The ordered entry list; an entry's 0-based position is its `entry_id`.

    Attributes:
        entries: The entries, verbatim, without repeats.
        metadata_id: `metadata_id(entries)`. It is stored with every match and count of this list.
    """

    entries: Sequence[str] = field(repr=False)
    metadata_id: str

    @property
    def sections(self) -> Sections:
        """The lists of languages, or the one section of a list for all texts."""
        return Sections.whole(len(self.entries))

    def list_choice(self, drop_unknown: bool = False) -> ListChoice | None:
        """Return the list of each language; None for one list for all texts.

        Args:
            drop_unknown: Whether texts of an unknown language have no list, even if there is one for them.
        """
        return None

    def entries_of(self, ids: npt.NDArray[np.integer[Any]]) -> pa.Array:
        """Return the entries with some ids, which must be ascending, as strings."""
        return pa.array([self.entries[at] for at in ids.tolist()], pa.string())

    def lists_to_check(self) -> list[tuple[str, int, tuple[str, ...]]]:
        """Return the lists that may have entries that no text can match: the name, the first id and the entries.

        The name of a list for all texts is empty.
        """
        return [("", 0, tuple(self.entries))]

    @classmethod
    def from_entries(cls, entries: Iterable[str], source: str = "metadata") -> Metadata:
        """Check entries and compute the id of the list.

        Args:
            entries: Strings, in the order of their ids.
            source: The name of the list in errors, such as its path.

        Raises:
            MetadataError: The list is empty, or an entry is not a string, or is blank, repeated or not valid UTF-8.

        Examples:
            >>> Metadata.from_entries(["cat", "dog"]).metadata_id[:8]
            '1237dae1'
        """
        if isinstance(entries, (str, bytes)):
            got = type(entries).__name__
            raise MetadataError(f"{source}: got one {got}, expected an array of strings; put it in a list.")
        checked = _check(tuple(entries), source)
        return cls(checked, metadata_id(checked))


def metadata_id(entries: Iterable[str]) -> str:
    """Compute the id of a list from its entries and their order.

    Returns:
        sha256 in hex over the entries in order. Each entry contributes its UTF-8 length in bytes (8 bytes,
        little-endian) and then its bytes, so no two lists give the same stream.
    """
    encoded = [entry.encode() for entry in entries]
    lengths = np.fromiter(map(len, encoded), dtype="<i8", count=len(encoded)).tobytes()
    stream = [b""] * (2 * len(encoded))
    stream[::2] = [lengths[at : at + 8] for at in range(0, len(lengths), 8)]
    stream[1::2] = encoded
    return hashlib.sha256(b"".join(stream)).hexdigest()


def load_metadata(path: str | os.PathLike[str] | Traversable) -> Metadata:
    """Read an entry list that ships with the package, or from a file.

    Args:
        path: The name of a shipped list (`en`, `wordnet`), a JSON array of strings (`.json`, `.json.gz`; Meta's own
            file loads unchanged), or one entry per line in UTF-8 (`.txt`, `.txt.gz`; only LF or CRLF is removed). A
            name is the shipped list in every folder; a file that is called `en` is `./en`.

    Raises:
        MetadataError: The name or the file is unknown, the file cannot be read as a list, or an entry is invalid.

    Examples:
        >>> len(load_metadata("wordnet").entries)
        148730
    """
    entries = _check(read_entries(path), source=str(path))
    return Metadata(entries, metadata_id(entries))


def read_entries(path: str | os.PathLike[str] | Traversable) -> list[object]:
    """Read the elements of a list without a check; `metadata inspect` reports what is wrong with them.

    Args:
        path: As in `load_metadata`.

    Raises:
        MetadataError: The name or the file is unknown, the file cannot be read, or its JSON is not an array.
    """
    file = _file_of(path)
    name = file.name.lower()
    if not name.endswith(SUFFIXES):
        known = ", ".join(shipped_names()) or "none is installed"
        names = f", or the name of a list that ships ({known})" if is_name(str(path)) else ""
        raise MetadataError(
            f"{path}: the suffix names no known format; {_EXPECTED}{names}. Rename or convert the file."
        )
    text = _decode(_read_bytes(file, path, name.endswith(".gz")), path)
    return list(_parse_json(text, path) if ".json" in name[-8:] else split_lines(text))


def _file_of(path: str | os.PathLike[str] | Traversable) -> Path | Traversable:
    if not isinstance(path, (str, os.PathLike)):
        return path  # a shipped list in a zip of modules
    return (shipped_list(path) if isinstance(path, str) else None) or Path(path)


def never_matching(entries: Sequence[str]) -> npt.NDArray[np.bool_]:
    r"""Find the entries that no text can match.

    Write the entry between two spaces. No text can match it if the result contains

    - a TAB, LF or CR;
    - one of `, . ; : ? !` or a backquote without a space directly before and after it;
    - two of these characters with exactly one space between them.

    Every other entry matches some text. To make one, write the entry between two spaces and remove the space on each
    side of each such character: spacing restores the spaces.

    Returns:
        Array of bool, shape (len(entries),), True where the entry can never match. The test covers spacing alone:
        cleaning also removes NUL characters and outer whitespace from the pipeline's texts.

    Examples:
        >>> never_matching(["St. John", "St . John", ". .", ".  .", "a\tb"]).tolist()
        [True, False, True, False, True]
    """
    flags = np.zeros(len(entries), dtype=np.bool_)
    # Few entries have one of these characters. Arrow finds them in a tenth of the time of a search in each entry.
    array = pa.array([entry.encode(errors="surrogatepass") for entry in entries], pa.large_binary())
    suspects = np.flatnonzero(pc.match_substring_regex(array, _SUSPECT).to_numpy(zero_copy_only=False))
    flags[suspects] = [_IMPOSSIBLE.search(f" {entries[at]} ") is not None for at in suspects.tolist()]
    return flags


def _read_bytes(file: Path | Traversable, path: str | os.PathLike[str] | Traversable, compressed: bool) -> bytes:
    if file.is_dir():
        raise MetadataError(f"{path}: is a folder, expected a file; name one entry list.")
    try:
        raw = file.read_bytes()
    except FileNotFoundError:
        raise MetadataError(f"{path}: no such file; {_EXPECTED}. Check the path.") from None
    except OSError as error:
        raise MetadataError(f"{path}: cannot be read ({error.strerror}); check its permissions.") from error
    if not compressed:
        if raw.startswith(GZIP_MAGIC):
            raise MetadataError(f"{path}: contains gzip data, but its name does not end in .gz; rename it.")
        return raw
    if not raw.startswith(GZIP_MAGIC):
        raise MetadataError(
            f"{path}: ends in .gz, but is not gzip data (starts with {raw[:2]!r});"
            " rename it without .gz, or fetch it again."
        )
    try:
        return inflate(raw)
    except OSError as error:
        raise MetadataError(f"{path}: the gzip data is damaged ({error}); fetch or build the file again.") from error


def _decode(raw: bytes, path: str | os.PathLike[str] | Traversable) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MetadataError(
            f"{path}: is not UTF-8 (byte {error.object[error.start]:#04x} at offset {error.start}); convert it."
        ) from error


def _parse_json(text: str, path: str | os.PathLike[str] | Traversable) -> list[object]:
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


def _check(elements: Sequence[object], source: str) -> tuple[str, ...]:
    """Return the elements as entries, or raise on the first rule that they break; positions count from 0, as ids do."""
    if not elements:
        raise MetadataError(f"{source}: the list is empty, expected at least one entry; check the path.")
    if not _are_words(elements):
        _refuse_first(elements, source)
    entries: tuple[str, ...] = tuple(elements)  # type: ignore[arg-type]  # all are strings
    if max(map(len, entries)) > MAX_CHARS:
        position, size = next((at, len(entry)) for at, entry in enumerate(entries) if len(entry) > MAX_CHARS)
        raise MetadataError(
            f"{source}: position {position} (from 0) holds an entry of {size:,} characters, expected at most"
            f" {MAX_CHARS:,}; write each entry by itself, or remove it."
        )
    if len(set(entries)) < len(entries):
        repeats = _describe_repeats(entries)
        raise MetadataError(f"{source}: {repeats}; an id would be ambiguous; remove the repeats.")
    try:
        "".join(entries).encode()
    except UnicodeEncodeError:
        position = next(p for p, entry in enumerate(entries) if re.search("[\ud800-\udfff]", entry))
        shown = shortened(ascii(entries[position]))
        raise MetadataError(
            f"{source}: position {position} (from 0) holds a lone surrogate ({shown}), which"
            " UTF-8 cannot encode; repair or remove the entry."
        ) from None
    return entries


def _are_words(elements: Sequence[Any]) -> bool:
    """Return whether all elements are strings that are neither empty nor blank; the loops run in C."""
    return set(map(type, elements)) == {str} and all(elements) and not any(map(str.isspace, elements))


def _refuse_first(elements: Sequence[object], source: str) -> None:
    for position, entry in enumerate(elements):
        if not isinstance(entry, str):
            raise MetadataError(
                f"{source}: position {position} (from 0) holds {json_type(entry)}, expected a string;"
                " quote or remove it."
            )
        if not entry or entry.isspace():
            kind = "a blank" if entry else "an empty"
            raise MetadataError(
                f"{source}: position {position} (from 0) holds {kind} entry ({shortened(repr(entry))}); remove it."
            )


def _describe_repeats(entries: tuple[str, ...]) -> str:
    first: dict[str, int] = {}
    repeats = [(entry, first[entry], p) for p, entry in enumerate(entries) if first.setdefault(entry, p) != p]
    examples = ", ".join(f"{shortened(repr(entry))} at positions {a} and {b}" for entry, a, b in repeats[:3])
    more = ", ..." if len(repeats) > 3 else ""
    noun = "entry repeats" if len(repeats) == 1 else "entries repeat"
    return f"{len(repeats)} {noun} an earlier one ({examples}{more})"


def json_type(value: object) -> str:
    """Return the name of a JSON value's type, with its article."""
    names = {dict: "an object", list: "an array", bool: "a boolean", int: "a number", float: "a number"}
    names |= {str: "a string", type(None): "null"}
    return names.get(type(value), f"a {type(value).__name__}")
