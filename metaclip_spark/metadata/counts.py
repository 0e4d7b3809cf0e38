"""Read word counts and bigram counts: UTF-8 files with `word<TAB>count` or `first second<TAB>count` on each line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from metaclip_spark.errors import MetadataError
from metaclip_spark.metadata.files import byte_lines


class Bigram(NamedTuple):
    """Two consecutive words and their number of occurrences."""

    first: str
    second: str
    occurrences: int


def read_counts(paths: Iterable[Path], what: str = "word") -> dict[str, int]:
    """Read `word<TAB>count` lines, and sum the counts of a word over lines and files.

    Args:
        paths: The files, plain, .gz or .bz2.
        what: The name of the first column in errors.

    Returns:
        Word to count, in the order in which the words first appear.

    Raises:
        MetadataError: A line is not a word, one TAB and a whole number >= 0, or the files have no lines.
    """
    totals: dict[str, int] = {}
    files = list(paths)
    for path in files:
        for _, word, count in _rows(path, f"{what}<TAB>count"):
            totals[word] = totals.get(word, 0) + count
    if not totals:
        names = ", ".join(map(str, files[:3])) + (", ..." if len(files) > 3 else "")
        raise MetadataError(f"{names}: no {what} is counted, expected lines of {what}<TAB>count; check the files.")
    return totals


def read_bigrams(paths: Iterable[Path]) -> Iterator[Bigram]:
    """Yield the bigrams of `first second<TAB>count` lines in the order of the lines; nothing is kept in memory.

    Raises:
        MetadataError: A line is not two words with one space between them, one TAB and a whole number >= 0.
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
        # bytes.isdigit() accepts 0-9 alone, so it also rejects a sign, a point and a second column.
        if not word.strip() or not tab or not count.isdigit():
            raise _unexpected(path, number, _excerpt(line), _expected_format(line), expected)
        try:
            yield number, word.decode(), int(count)
        except UnicodeDecodeError:
            raise _unexpected(path, number, _excerpt(line), "UTF-8", expected) from None


def _expected_format(line: bytes) -> str:
    count = line.split(b"\t")[-1].strip()
    if line.count(b"\t") == 1 and count[:1] == b"-" and count[1:].isdigit():
        return "a count that is not negative"
    return "one TAB and a whole number"


def _excerpt(line: bytes) -> str:
    return line[:40].decode(errors="backslashreplace")


def _unexpected(path: Path, number: int, got: str, wanted: str, expected: str) -> MetadataError:
    return MetadataError(
        f"{path}: line {number} is {got[:40]!r}, expected {wanted} ({expected} on each line);"
        " check the file and the flag that names it."
    )
