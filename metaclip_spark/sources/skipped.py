"""Count the files of folders that are not read, by their endings, and say so in one line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from metaclip_spark.core.wording import agrees, counted
from metaclip_spark.sources.kinds import advice_for, ending_of, format_of
from metaclip_spark.storage.transport import shown

_NAMED = 8
"""Number of endings that are named, the most frequent first."""


class Skipped:
    """The files of the given folders that are not read.

    Markers, checksums and other hidden files (such as _SUCCESS and .part-0.crc) are not counted, unless their ending
    is that of an input: a folder `_2024` may hold data.

    Attributes:
        endings: ending in lower case ("": none) -> number of files.
        hidden: inputs below a name that begins with . or _.
        broken: links whose target does not exist.
    """

    def __init__(self) -> None:
        self.endings: Counter[str] = Counter()
        self.hidden: list[str] = []
        self.broken: list[str] = []
        self._folders: list[str] = []
        self._advice: dict[str, str] = {}

    def add(self, folder: str, paths: Iterable[str], hidden: Iterable[str] = (), broken: Iterable[str] = ()) -> None:
        """Count files of a folder.

        Args:
            paths: files with an ending that is not read.
            hidden: files below a hidden name.
            broken: links whose target does not exist.
        """
        before = self.number
        for path in paths:
            ending = ending_of(path).lower()
            self.endings[ending] += 1
            self._advice.setdefault(ending, advice_for(path))
        self.hidden += (path for path in hidden if format_of(path))
        self.broken += broken
        if self.number > before:
            self._folders.append(shown(folder))

    @property
    def number(self) -> int:
        """Number of files that are not read."""
        return self.endings.total() + len(self.hidden) + len(self.broken)

    def kinds(self) -> str:
        """Return the numbers of files by ending, most frequent first; "" without such files.

        >>> skipped = Skipped()
        >>> skipped.add("pool", ["a.txt", "b.txt", "README"])
        >>> skipped.kinds()
        '2 .txt, 1 without an ending'
        """
        ordered = sorted(self.endings.items(), key=lambda item: (-item[1], item[0]))
        named = [f"{number:,} {ending or 'without an ending'}" for ending, number in ordered[:_NAMED]]
        rest = sum(number for _, number in ordered[_NAMED:])
        return ", ".join([*named, f"{rest:,} with other endings"] if rest else named)

    def advice(self) -> str:
        """Return what to do with the files of the most frequent ending that has an advice; "" without one."""
        for ending, _ in self.endings.most_common():
            if self._advice[ending]:
                return f"{ending}: {self._advice[ending]}"
        return ""

    def sentence(self) -> str | None:
        """Return a line with all numbers; None if every file is read."""
        if not self.number:
            return None
        parts = [self.kinds()] if self.endings else []
        if self.hidden:
            name = f"{len(self.hidden):,} below a name that begins with . or _ (e.g. {shown(self.hidden[0])})"
            parts.append(name)
        if self.broken:
            parts.append(f"{counted(len(self.broken), 'broken link')} (e.g. {self.broken[0]})")
        more = f" and {len(self._folders) - 1:,} more" if len(self._folders) > 1 else ""
        are = agrees(self.number, "is", "are")
        files = f"{counted(self.number, 'file')} {are} no input and {are} not read"
        return f"input {self._folders[0]}{more}: {files}: {', '.join(parts)}."
