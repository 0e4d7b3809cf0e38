"""Rank titles as a source of entries: Wikipedia's articles by page views, or another ranked list.

Each line of an hourly dump of page views is `domain title count bytes`, such as `en Main_Page 42 0`. A title has `_`
instead of spaces. Source of the minimum: "Demystifying CLIP Data" (arXiv 2309.16671), section 3.1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from metaclip_spark.errors import MetadataError
from metaclip_spark.metadata.files import byte_lines
from metaclip_spark.metadata.ngrams import RankedEntry, Ranking

MIN_VIEWS = 70
"""The paper's minimum number of page views of a title."""
WITH_COLON = "a title with ':'"
"""The reason why a page of another namespace is no entry."""
_EXPECTED = "domain title count bytes"


@dataclass
class PageViews:
    """Views of titles, summed over files.

    Attributes:
        views: Title to views.
        lines: Number of lines read.
        skipped: Number of valid lines that were not summed, by reason.
        rejected: Number of lines that are not `domain title count bytes`, by reason.
    """

    views: dict[str, int] = field(default_factory=dict)
    lines: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)


def read_pageviews(paths: Iterable[Path], domain: str = "en", min_hourly_views: int = 1) -> PageViews:
    """Sum the page views of one domain. Malformed lines are counted and skipped.

    Args:
        paths: Hourly dumps, plain, .gz or .bz2; their views are added up.
        domain: The first column, such as `en` (`en.m` is the mobile site).
        min_hourly_views: Lines with fewer views are skipped. 1 skips none; the paper's own code uses 50.

    Raises:
        MetadataError: A file cannot be read to its end, or none of its lines has the format.
    """
    pageviews = PageViews()
    wanted = domain.encode()
    for path in paths:
        good = lines = 0
        for line in byte_lines(path):
            lines += 1
            good += _add_line(line, wanted, min_hourly_views, pageviews)
        pageviews.lines += lines
        _check_format(path, good, lines)
    return pageviews


@dataclass
class AllPageViews:
    """Views of the titles of several Wikipedias.

    Attributes:
        by_code: Code to views.
        lines: Number of lines read.
        rejected: Number of lines that are not `domain title count bytes`, by reason.
    """

    by_code: dict[str, PageViews]
    lines: int = 0
    rejected: Counter[str] = field(default_factory=Counter)


def read_all_pageviews(paths: Iterable[Path], codes: Iterable[str], min_hourly_views: int = 1) -> AllPageViews:
    """Sum the page views of several Wikipedias in one pass; all projects of a language count together.

    Source: the reference code of worldwide curation. `de`, `de.m` and `de.b` are the language `de`; `zh-yue` is the
    code `zh_yue`.

    Args:
        paths: As in `read_pageviews`.
        codes: Codes of Wikipedias.
        min_hourly_views: As in `read_pageviews`.

    Raises:
        MetadataError: As in `read_pageviews`.
    """
    pageviews = AllPageViews({code: PageViews() for code in codes})
    of_domain: dict[bytes, PageViews | None] = {}
    others = PageViews()
    for path in paths:
        good = lines = 0
        for line in byte_lines(path):
            lines += 1
            domain = line.partition(b" ")[0]
            if domain not in of_domain:
                code = domain.partition(b".")[0].replace(b"-", b"_").decode(errors="replace")
                of_domain[domain] = pageviews.by_code.get(code)
            own = of_domain[domain]
            good += _add_line(line, b"" if own is None else domain, min_hourly_views, own or others)
        pageviews.lines += lines
        _check_format(path, good, lines)
    for one in (*pageviews.by_code.values(), others):
        pageviews.rejected.update(one.rejected)
    return pageviews


def _check_format(path: Path, good: int, lines: int) -> None:
    if not good:
        raise MetadataError(
            f"{path}: none of its {lines:,} lines is {_EXPECTED!r}, the format of hourly page views;"
            " check the file and --pageviews."
        )


def _add_line(line: bytes, domain: bytes, min_views: int, pageviews: PageViews) -> bool:
    """Add the views of a line; return whether the line has the format."""
    fields = line.split(b" ")
    reason = _reject_reason(fields)
    if reason:
        pageviews.rejected[reason] += 1
        return False
    if fields[0] != domain:
        pageviews.skipped["another domain"] += 1
        return True
    try:
        title = fields[1].decode().replace("_", " ").strip()
    except UnicodeDecodeError:
        pageviews.rejected["not UTF-8"] += 1
        return False
    views = int(fields[2])
    if not title:
        pageviews.rejected["no title"] += 1
    elif ":" in title:
        pageviews.skipped[WITH_COLON] += 1
    elif views < min_views:
        pageviews.skipped[f"under {min_views} views in an hour"] += 1
    else:
        pageviews.views[title] = pageviews.views.get(title, 0) + views
    return True


def _reject_reason(fields: list[bytes]) -> str | None:
    if len(fields) != 4 or not fields[0] or not fields[1]:
        return "not four columns"
    if not (fields[2].isdigit() and fields[3].isdigit()):
        return "a count that is no whole number from 0 on"
    return None


def title_entries(views: Mapping[str, int], min_views: int = MIN_VIEWS) -> Ranking:
    """Rank titles by page views.

    Args:
        views: Title to views.
        min_views: Titles with fewer views are excluded.

    Returns:
        Titles by descending views; titles with equal views by code points.

    Example:
        >>> [title for title, _ in title_entries({"Cat": 70, "Dog": 900, "Axolotl": 69}).entries]
        ['Dog', 'Cat']
    """
    kept = sorted((-count, title) for title, count in views.items() if count >= min_views)
    ranked = [RankedEntry(title, float(-count)) for count, title in kept]
    excluded = {f"under {min_views} views": len(views) - len(kept)} if min_views else {}
    return Ranking(ranked, len(views), excluded)
