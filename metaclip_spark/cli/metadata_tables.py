"""What the `metadata` commands print: tables that keep to the terminal's width."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence

from metaclip_spark.commands.metadata_coverage import Coverage
from metaclip_spark.commands.metadata_diff import CoverageChange, Difference
from metaclip_spark.commands.metadata_inspect import Inspection
from metaclip_spark.metadata.assemble import Taken

UNBOUNDED = 10_000
"""Columns where stdout is no terminal: one line a row, for other programs."""
_LEAST = 24


def print_taken(taken: Sequence[Taken]) -> None:
    """Print what each source brought into a list, and what was cut of it."""
    rows = [[one.name, f"{one.read:,}", f"{one.offered:,}", f"{one.taken:,}"] for one in taken]
    cuts = [
        [f"{number:,} {reason}" for reason, number in sorted(one.cut.items(), key=lambda item: -item[1])]
        for one in taken
    ]
    _print_rows([["source", "read", "offered", "taken"], *rows], [["cut"], *cuts], "; ")


def print_inspection(found: Inspection) -> None:
    """Print what is in a list, and what may be wrong with its entries."""
    size = len(found.entries)
    shares = [f"{number:,} of {words}{' or more' if words == 4 else ''}" for words, number in enumerate(found.words, 1)]
    low, p10, p50, p90, p99, high = found.chars
    rows = [
        ["entries", f"{size:,}" + (f" of {found.listed:,} listed" if size != found.listed else "")],
        ["metadata_id", found.metadata_id or "none: the list is refused"],
        ["characters", f"{low} to {high}; 10%: {p10}, half: {p50}, 90%: {p90}, 99%: {p99}"],
        ["words", ", ".join(shares)],
        ["has a capital", f"{found.with_capital:,}"],
        ["one case only", f"{found.one_case_only:,}"],
    ]
    if found.compile_seconds is not None and found.compiled_bytes is not None:
        megabytes = found.compiled_bytes / 1e6
        rows.append(["to compile", f"{found.compile_seconds:.1f} s, {megabytes:,.0f} MB to each Python worker"])
    for name, value in rows:
        print(f"{name:<15}{value}")
    print()
    some = [one for one in found.findings if one.number]
    margin = max((len(f"{one.number:,}") for one in some), default=0)
    for one in some:
        print(f"{one.number:>{margin},}  {'refused: ' if one.is_error else ''}{one.name}; positions from 0:")
        _print_packed([f"{text} at {at}" for at, text in one.examples], ", ", " " * (margin + 2))
    none = [one.name for one in found.findings if not one.number]
    _print_packed(none, "; ", " " * 6, "none: ")


def print_difference(first: str, second: str, found: Difference, examples: int) -> None:
    """Print which entries are only in one of two lists, and which have another id."""
    if found.is_empty:
        print(f"the lists are equal: {found.common:,} entries with the same ids")
        return
    print(f"A  {first}\nB  {second}\n")
    rows = [
        ["", "entries"],
        ["only in A", f"{len(found.only_first):,}"],
        ["only in B", f"{len(found.only_second):,}"],
        ["in both", f"{found.common:,}"],
        ["  with another id", f"{len(found.moved):,}"],
    ]
    named = [
        ["examples"],
        [repr(entry) for entry in found.only_first[:examples]],
        [repr(entry) for entry in found.only_second[:examples]],
        [],
        [f"{entry!r} {before} -> {after}" for entry, before, after in found.moved[:examples]],
    ]
    _print_rows(rows, named, ", ")
    if found.moved or found.only_first:
        print("ids differ: counts and matches of one list cannot be used with the other")


def print_change(change: CoverageChange) -> None:
    """Print two lists' coverage of the same texts side by side."""
    print_coverage({"A": change.first, "B": change.second})
    print(f"texts that match only under B: {change.gained:,}; only under A: {change.lost:,}")
    print(f"texts with more matches under B: {change.more:,}; with fewer: {change.fewer:,}")


def print_coverage(coverages: Mapping[str, Coverage]) -> None:
    """Print how much of a sample of texts lists match; of one list its commonest entries too."""
    many = list(coverages.values())
    rows = [
        ["texts", *[f"{one.texts:,}" for one in many]],
        ["matched", *[f"{one.matched_share:.1%}" for one in many]],
        ["matches per matched text", *[f"{one.matches_per_text:.2f}" for one in many]],
        ["unmatched entries", *[f"{one.unmatched_entries:,}" for one in many]],
    ]
    for at, (share, _) in enumerate(many[0].curve):
        rows.append(
            [f"matches held by the commonest {share * 100:g}% of entries", *[f"{one.curve[at][1]:.1%}" for one in many]]
        )
    print()
    _print_rows([["on these texts", *(coverages if len(many) > 1 else [""])], *rows])
    print()
    if len(many) == 1:
        top = [f"{entry} {count:,}" for entry, count in many[0].top]
        _print_packed(top, ", ", "  ", "commonest entries: ")


def _width() -> int:
    return shutil.get_terminal_size((UNBOUNDED, 24)).columns


def _print_rows(rows: Sequence[Sequence[str]], last: Sequence[Sequence[str]] = (), separator: str = "") -> None:
    """Print columns side by side, all but the first to the right, then parts that go on below where they are many."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    for number, row in enumerate(rows):
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        start = "  ".join(cells)
        if last and last[number]:
            _print_packed(last[number], separator, " " * (len(start) + 2), start + "  ")
        else:
            print(start.rstrip())


def _print_packed(parts: Iterable[str], separator: str, margin: str, first: str | None = None) -> None:
    """Print parts with separators between, as many to a line as fit; none is broken."""
    width = max(_width(), len(margin) + _LEAST)
    line, empty = margin if first is None else first, True
    for part in parts:
        if not empty and len(line) + len(separator) + len(part) > width:
            print(line + separator.rstrip())
            line, empty = margin, True
        line, empty = line + ("" if empty else separator) + part, False
    if not empty:
        print(line)
