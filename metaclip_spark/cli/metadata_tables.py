"""The tables of the `metadata` commands, as wide as the terminal."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence

from metaclip_spark.commands.metadata_coverage import Coverage
from metaclip_spark.commands.metadata_diff import CoverageChange, Difference
from metaclip_spark.commands.metadata_inspect import Inspection
from metaclip_spark.core.wording import one_line
from metaclip_spark.metadata.assemble import SourceCounts

UNBOUNDED = 10_000
"""Width where stdout is not a terminal. There, each row is one line, for other programs."""
_MIN_WIDTH = 24
"""Minimum number of characters of a line after its margin, also on a narrower terminal."""


def print_sources(sources: Sequence[SourceCounts]) -> None:
    """Print how many entries each source gave to a list, and how many were dropped, by reason."""
    rows = [[one.name, f"{one.read:,}", f"{one.offered:,}", f"{one.taken:,}"] for one in sources]
    cuts = [
        [f"{number:,} {reason}" for reason, number in sorted(one.cut.items(), key=lambda item: -item[1])]
        for one in sources
    ]
    _print_rows([["source", "read", "offered", "taken"], *rows], [["cut"], *cuts], "; ")


def print_inspection(inspection: Inspection) -> None:
    """Print the size of a list, the lengths of its entries, and its findings."""
    size = len(inspection.entries)
    shares = [
        f"{number:,} of {words}{' or more' if words == 4 else ''}" for words, number in enumerate(inspection.words, 1)
    ]
    low, p10, p50, p90, p99, high = inspection.chars
    rows = [
        ["entries", f"{size:,}" + (f" of {inspection.listed:,} listed" if size != inspection.listed else "")],
        ["metadata_id", inspection.metadata_id or "none: the list is refused"],
        ["characters", f"{low} to {high}; 10%: {p10}, half: {p50}, 90%: {p90}, 99%: {p99}"],
        ["words", ", ".join(shares)],
        ["has a capital", f"{inspection.with_capital:,}"],
        ["one case only", f"{inspection.one_case_only:,}"],
    ]
    if inspection.compile_seconds is not None and inspection.compiled_bytes is not None:
        megabytes = inspection.compiled_bytes / 1e6
        rows.append(["to compile", f"{inspection.compile_seconds:.1f} s, {megabytes:,.0f} MB to each Python worker"])
    for name, value in rows:
        print(one_line(f"{name:<15}{value}"))
    print()
    present = [one for one in inspection.findings if one.number]
    margin = max((len(f"{one.number:,}") for one in present), default=0)
    for one in present:
        print(f"{one.number:>{margin},}  {'refused: ' if one.is_error else ''}{one.name}; positions from 0:")
        _print_packed([f"{text} at {at}" for at, text in one.examples], ", ", " " * (margin + 2))
    absent = [one.name for one in inspection.findings if not one.number]
    _print_packed(absent, "; ", " " * 6, "none: ")


def print_difference(first: str, second: str, difference: Difference, examples: int) -> None:
    """Print the entries of only one of two lists, and the entries with different ids."""
    if difference.is_empty:
        print(f"the lists are equal: {difference.common:,} entries with the same ids")
        return
    print(f"A  {one_line(first)}\nB  {one_line(second)}\n")
    rows = [
        ["", "entries"],
        ["only in A", f"{len(difference.only_first):,}"],
        ["only in B", f"{len(difference.only_second):,}"],
        ["in both", f"{difference.common:,}"],
        ["  with another id", f"{len(difference.moved):,}"],
    ]
    entries = [
        ["examples"],
        [repr(entry) for entry in difference.only_first[:examples]],
        [repr(entry) for entry in difference.only_second[:examples]],
        [],
        [f"{entry!r} {before} -> {after}" for entry, before, after in difference.moved[:examples]],
    ]
    _print_rows(rows, entries, ", ")
    if difference.moved or difference.only_first:
        print("ids differ: counts and matches of one list cannot be used with the other")


def print_change(change: CoverageChange) -> None:
    """Print the coverage of the same texts by two lists, side by side."""
    print_coverage({"A": change.first, "B": change.second})
    print(f"texts that match only under B: {change.gained:,}; only under A: {change.lost:,}")
    print(f"texts with more matches under B: {change.more:,}; with fewer: {change.fewer:,}")


def print_coverage(coverages: Mapping[str, Coverage]) -> None:
    """Print the coverage of a sample of texts by one or more lists; for one list, its most frequent entries too."""
    many = list(coverages.values())
    rows = [
        ["texts", *[f"{one.texts:,}" for one in many]],
        ["matched", *[f"{one.matched_share:.1%}" for one in many]],
        ["matches per matched text", *[f"{one.matches_per_text:.2f}" for one in many]],
        ["unmatched entries", *[f"{one.unmatched_entries:,}" for one in many]],
    ]
    for at, (share, _) in enumerate(many[0].curve):
        rows.append(
            [f"matches of the most frequent {share * 100:g}% of entries", *[f"{one.curve[at][1]:.1%}" for one in many]]
        )
    print()
    _print_rows([["on these texts", *(coverages if len(many) > 1 else [""])], *rows])
    print()
    if len(many) == 1:
        top = [f"{entry} {count:,}" for entry, count in many[0].top]
        _print_packed(top, ", ", "  ", "most frequent entries: ")


def _width() -> int:
    return shutil.get_terminal_size((UNBOUNDED, 24)).columns


def _print_rows(rows: Sequence[Sequence[str]], last: Sequence[Sequence[str]] = (), separator: str = "") -> None:
    """Print a table: the first column to the left, the others to the right, and the parts of a last column wrapped."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    for number, row in enumerate(rows):
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        start = "  ".join(cells)
        if last and last[number]:
            _print_packed(last[number], separator, " " * (len(start) + 2), start + "  ")
        else:
            print(one_line(start.rstrip()))


def _print_packed(parts: Iterable[str], separator: str, margin: str, first: str | None = None) -> None:
    """Print parts with separators between them, as many per line as fit. No part is broken."""
    width = max(_width(), len(margin) + _MIN_WIDTH)
    line, empty = margin if first is None else first, True
    for part in parts:
        if not empty and len(line) + len(separator) + len(part) > width:
            print(one_line(line + separator.rstrip()))
            line, empty = margin, True
        line, empty = line + ("" if empty else separator) + part, False
    if not empty:
        print(one_line(line))
