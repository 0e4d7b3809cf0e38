"""Word counts and bigram counts: `word<TAB>count` and `first second<TAB>count`, one a line, in UTF-8."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from metaclip_spark.errors import MetadataError
from metaclip_spark.metadata.files import byte_lines


class Bigram(NamedTuple):
    """Two words in a row and how often they were seen so."""

    first: str
    second: str
    count: int


def read_counts(paths: Iterable[Path], what: str = "word") -> dict[str, int]:
    """Reads `word<TAB>count` lines; what stands in several lines or files is summed.

    Args:
        paths: The files, plain, .gz or .bz2.
        what: What the first column is called in an error.

    Returns:
        Word to count, in the order in which words first appear.

    Raises:
        MetadataError: A line is not a word, one TAB and a whole number from 0 on, or there is no line at all.
    """
    totals: dict[str, int] = {}
    files = list(paths)
    for path in files:
        for _, word, count in _rows(path, f"{what}<TAB>count"):
            totals[word] = totals.get(word, 0) + count
    if not totals:
        named = ", ".join(map(str, files[:3])) + (", ..." if len(files) > 3 else "")
        raise MetadataError(f"{named}: no {what} is counted, expected lines of {what}<TAB>count; check the files.")
    return totals


def read_bigrams(paths: Iterable[Path]) -> Iterator[Bigram]:
    """Yields `first second<TAB>count` lines as they come; nothing is kept.

    Raises:
        MetadataError: A line is not two words with one space between, one TAB and a whole number from 0 on.
    """
    expected = "first second<TAB>count"
    for path in paths:
        for number, bigram, count in _rows(path, expected):
            first, space, second = bigram.partition(" ")
            if not first or not space or not second or " " in second:
                raise _unexpected(path, number, bigram, "two words with one space between them", expected)
            yield Bigram(first, second, count)


def _rows(path: Path, expected: str) -> Iterator[tuple[int, str, int]]:
    for number, line in enumerate(byte_lines(path), start=1):
        if not line:
            continue
        word, tab, count = line.partition(b"\t")
        # isdigit() of bytes takes 0-9 alone: no sign, no point, no second column.
        if not word.strip() or not tab or not count.isdigit():
            raise _unexpected(path, number, _shown(line), _complaint(line), expected)
        try:
            yield number, word.decode(), int(count)
        except UnicodeDecodeError:
            raise _unexpected(path, number, _shown(line), "UTF-8", expected) from None


def _complaint(line: bytes) -> str:
    count = line.split(b"\t")[-1].strip()
    if line.count(b"\t") == 1 and count[:1] == b"-" and count[1:].isdigit():
        return "a count that is not negative"
    return "one TAB and a whole number"


def _shown(line: bytes) -> str:
    return line[:40].decode(errors="backslashreplace")


def _unexpected(path: Path, number: int, got: str, wanted: str, expected: str) -> MetadataError:
    return MetadataError(
        f"{path}: line {number} is {got[:40]!r}, expected {wanted} ({expected} on each line);"
        " check the file and the flag that names it."
    )
