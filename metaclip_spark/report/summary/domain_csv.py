"""Write domains as CSV that no spreadsheet takes for formulas."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

HEADER = ("rank", "domain", "pairs", "characters")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_lines(rows: Iterable[tuple[int, str, int, int]]) -> str:
    r"""Return lines of rank, domain, pairs and characters (RFC 4180), with an apostrophe before a formula.

    >>> csv_lines([(1, "example.org", 7, 90), (2, '=1+1,"x', 1, 3)])
    '1,example.org,7,90\r\n2,"\'=1+1,""x",1,3\r\n'
    """
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    for rank, domain, pairs, characters in rows:
        writer.writerow((rank, f"'{domain}" if domain.startswith(_FORMULA) else domain, pairs, characters))
    return written.getvalue()
