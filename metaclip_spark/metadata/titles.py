"""Titles as a source of entries: Wikipedia's articles by page views, or a ranked list in their place.

The hourly dumps of page views hold `domain title count bytes` on each line, such as `en Main_Page 42 0`; a title has
`_` for spaces. Source of the floor: "Demystifying CLIP Data" (arXiv 2309.16671), section 3.1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from metaclip_spark.errors import MetadataError
from metaclip_spark.metadata.files import byte_lines
from metaclip_spark.metadata.ngrams import Offer, Ranked

MIN_VIEWS = 70
"""The paper's floor under a title's page views."""
_EXPECTED = "domain title count bytes"


@dataclass
class PageViews:
    """Views of titles, summed over files.

    Attributes:
        views: Title to views.
        lines: Lines read.
        passed_over: Lines that were not summed, by reason.
        rejected: Lines that are not `domain title count bytes`, by reason.
    """

    views: dict[str, int] = field(default_factory=dict)
    lines: int = 0
    passed_over: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)


def read_pageviews(paths: Iterable[Path], domain: str = "en", min_hourly_views: int = 1) -> PageViews:
    """Sums the page views of one domain; malformed lines are counted and passed over.

    Args:
        paths: Hourly dumps, plain, .gz or .bz2; several hours and days add up.
        domain: The first column, such as `en` (`en.m` is the mobile site).
        min_hourly_views: A line with fewer views is passed over. 1 takes all; the paper's own code takes lines
            from 50 on.

    Raises:
        MetadataError: A file cannot be read to its end, or not one of its lines has the format.
    """
    found = PageViews()
    wanted = domain.encode()
    for path in paths:
        good = lines = 0
        for line in byte_lines(path):
            lines += 1
            good += _take(line, wanted, min_hourly_views, found)
        found.lines += lines
        if not good:
            raise MetadataError(
                f"{path}: none of its {lines:,} lines is {_EXPECTED!r}, as hourly page views are;"
                " check the file and --pageviews."
            )
    return found


def _take(line: bytes, wanted: bytes, floor: int, found: PageViews) -> bool:
    """Adds a line to what was found; says whether it has the format."""
    fields = line.split(b" ")
    reason = _reject_reason(fields)
    if reason:
        found.rejected[reason] += 1
        return False
    if fields[0] != wanted:
        found.passed_over["another domain"] += 1
        return True
    try:
        title = fields[1].decode().replace("_", " ").strip()
    except UnicodeDecodeError:
        found.rejected["not UTF-8"] += 1
        return False
    views = int(fields[2])
    if not title:
        found.rejected["no title"] += 1
    elif ":" in title:
        found.passed_over["a title with ':'"] += 1
    elif views < floor:
        found.passed_over[f"under {floor} views in an hour"] += 1
    else:
        found.views[title] = found.views.get(title, 0) + views
    return True


def _reject_reason(fields: list[bytes]) -> str | None:
    if len(fields) != 4 or not fields[0] or not fields[1]:
        return "not four columns"
    if not (fields[2].isdigit() and fields[3].isdigit()):
        return "a count that is no whole number from 0 on"
    return None


def title_entries(views: Mapping[str, int], min_views: int = MIN_VIEWS) -> Offer:
    """Ranks titles by page views.

    Args:
        views: Title to views.
        min_views: Titles with fewer are left out.

    Returns:
        Titles by descending views, equal ones by code points.

    Example:
        >>> [title for title, _ in title_entries({"Cat": 70, "Dog": 900, "Axolotl": 69}).ranked]
        ['Dog', 'Cat']
    """
    kept = sorted((-count, title) for title, count in views.items() if count >= min_views)
    ranked = [Ranked(title, float(-count)) for count, title in kept]
    return Offer(ranked, len(views), {f"under {min_views} views": len(views) - len(kept)} if min_views else {})
