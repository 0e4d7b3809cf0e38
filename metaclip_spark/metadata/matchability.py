"""Say how many entries of a list can match no text, or hardly any, before the texts are read."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from metaclip_spark.core.text import PADDED
from metaclip_spark.core.wording import agrees, counted
from metaclip_spark.errors import MetadataError
from metaclip_spark.metadata.load import never_matching

NOTABLE = 0.05
"""Share of the entries above which the line is a warning."""

_ODD_SPACES = re.compile("^ | $|[^P ] {2,}(?=[^P ])".replace("P", re.escape(PADDED)))
_SUSPECT = r"^ | $|  |[\t\n\rP]".replace("P", re.escape(PADDED))
_LINE_ENDS = re.compile("[\t\n\r]")


def has_odd_spaces(entry: str) -> bool:
    """Return whether an entry has outer or double spaces that only a text with odd spaces has, too.

    Spacing puts two spaces after most punctuation, so double spaces beside a padded character are usual.

    >>> has_odd_spaces("cat "), has_odd_spaces("red  kite"), has_odd_spaces("St .  John")
    (True, True, False)
    """
    return _ODD_SPACES.search(entry) is not None


@dataclass(frozen=True)
class Matchability:
    """The entries of a list that can match no text, or hardly any.

    Attributes:
        entries: number of entries.
        never: number of entries that no text can match; see `never_matching`.
        with_line_ends: how many of them have a TAB or a line end.
        never_example: one of them.
        odd: number of other entries that match only where a text has odd spaces.
        odd_example: one of them.
    """

    entries: int
    never: int = 0
    with_line_ends: int = 0
    never_example: str = ""
    odd: int = 0
    odd_example: str = ""

    @property
    def is_notable(self) -> bool:
        """Whether so many entries are lost that the list is probably not what its user thinks."""
        return self.never + self.odd > NOTABLE * self.entries

    def sentence(self, path: str) -> str | None:
        """Return a line with the numbers; None if every entry can match."""
        if not self.never and not self.odd:
            return None
        parts = []
        of = f"of {counted(self.entries, 'entry', 'entries')} "
        if self.never:
            example = f"e.g. {_short(self.never_example)}{self._why()}"
            parts.append(f"{self.never:,} {of}({self._share(self.never)}) can never match, {example}")
            of = ""
        if self.odd:
            form = f"{agrees(self.odd, 'matches', 'match')} only where a text has odd spaces"
            parts.append(f"{self.odd:,} {of}({self._share(self.odd)}) {form}, e.g. {_short(self.odd_example)}")
        return f"metadata: {', and '.join(parts)}; `metadata inspect {path}` names them."

    def _share(self, number: int) -> str:
        share = number / self.entries
        return "under 0.1%" if share < 0.001 else f"{share:.1%}"

    def _why(self) -> str:
        if self.with_line_ends > self.never // 2:
            return " (a TAB is no part of a text: of a table, give the column of entries alone)"
        return f" (a text has spaces around {PADDED} where it is matched)"


def matchability_of(entries: Sequence[str]) -> Matchability:
    """Count the entries of a list that can match no text, or hardly any.

    Few entries have a padded character or odd spaces; Arrow finds them, so that 500,000 entries take a tenth of a
    second.

    Args:
        entries: valid entries, as `Metadata` has them.
    """
    ids, impossible = _suspects(tuple(entries))
    suspects = [entries[at] for at in ids.tolist()]
    never = [entry for entry, is_never in zip(suspects, impossible, strict=True) if is_never]
    others = (entry for entry, is_never in zip(suspects, impossible, strict=True) if not is_never)
    odd = [entry for entry in others if has_odd_spaces(entry)]
    return Matchability(
        entries=len(entries),
        never=len(never),
        with_line_ends=sum(_LINE_ENDS.search(entry) is not None for entry in never),
        never_example=never[0] if never else "",
        odd=len(odd),
        odd_example=odd[0] if odd else "",
    )


def never_ids(entries: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the ids of the entries that no text can match, ascending."""
    ids, impossible = _suspects(tuple(entries))
    return ids[impossible]


@functools.lru_cache(maxsize=1)
def _suspects(entries: tuple[str, ...]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Return the ids of the entries with a padded character or odd spaces, and whether no text can match each.

    A command asks twice: before it reads its sources, and for the data card.
    """
    array = pa.array(entries, pa.large_string())
    ids = np.flatnonzero(pc.match_substring_regex(array, _SUSPECT).to_numpy(zero_copy_only=False))
    return ids, never_matching([entries[at] for at in ids.tolist()])


def check_matchability(entries: Sequence[str], path: str) -> Matchability:
    """Count the entries that can match no text.

    Raises:
        MetadataError: none can match.
    """
    found = matchability_of(entries)
    if found.never == found.entries:
        raise MetadataError(
            f"{path}: none of its {counted(found.entries, 'entry', 'entries')} can match a text, e.g. "
            f"{_short(found.never_example)}{found._why()}; `metadata inspect {path}` says more."
        )
    return found


def _short(entry: str) -> str:
    return repr(entry if len(entry) <= 60 else entry[:60] + "...")
