"""Page views as a source of titles: hourly dumps with valid and with malformed lines."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from metaclip_spark.errors import MetadataError
from metaclip_spark.metadata.ngrams import RankedEntry
from metaclip_spark.metadata.titles import read_pageviews, title_entries

FOLDER = Path(__file__).resolve().parents[2] / "data" / "pageviews"
HOURS = [FOLDER / "pageviews-20240101-000000", FOLDER / "pageviews-20240101-010000"]


def test_views_are_summed_over_hours_for_one_domain():
    """`_` becomes a space; other domains, the mobile site and titles with `:` are skipped."""
    pageviews = read_pageviews(HOURS)
    assert pageviews.views == {"Main Page": 150, "New York City": 70, "Zürich": 69, "Cat": 71, "-": 90}
    assert pageviews.lines == 19
    assert pageviews.skipped == {"another domain": 3, "a title with ':'": 2}


def test_malformed_lines_are_counted_by_reason():
    """Wrong columns, invalid counts and bytes that are not UTF-8 exclude their line alone."""
    assert read_pageviews(HOURS).rejected == {
        "not four columns": 2,
        "a count that is no whole number from 0 on": 2,
        "not UTF-8": 1,
        "no title": 1,
    }


def test_titles_over_the_minimum_are_ranked():
    """70 views are enough, 69 are not."""
    ranking = title_entries(read_pageviews(HOURS).views)
    assert ranking.entries == [
        RankedEntry("Main Page", 150),
        RankedEntry("-", 90),
        RankedEntry("Cat", 71),
        RankedEntry("New York City", 70),
    ]
    assert (ranking.candidates, ranking.excluded) == (5, {"under 70 views": 1})


def test_lines_under_the_hourly_minimum_are_skipped():
    """The paper's own code skips lines with fewer than 50 views before it sums."""
    pageviews = read_pageviews(HOURS, min_hourly_views=50)
    assert pageviews.views == {"Main Page": 150, "Zürich": 69, "-": 90}
    assert pageviews.skipped["under 50 views in an hour"] == 4


def test_mobile_site_is_a_separate_domain():
    """It is read if it is the given domain."""
    assert read_pageviews(HOURS, domain="en.m").views == {"Cat": 500}


def test_file_without_a_valid_line_is_refused(tmp_path):
    """A file that has another format raises an error; it does not count as a file without views."""
    path = tmp_path / "words.tsv"
    path.write_text("cat\t3\nthe\t10\n")
    with pytest.raises(MetadataError) as caught:
        read_pageviews([path])
    assert str(caught.value) == (
        f"{path}: none of its 2 lines is 'domain title count bytes', the format of hourly page views;"
        " check the file and --pageviews."
    )


def test_incomplete_dump_is_refused(tmp_path):
    """An interrupted download raises an error."""
    path = tmp_path / "pageviews-20240101-000000.gz"
    path.write_bytes(gzip.compress(HOURS[0].read_bytes())[:-5])
    with pytest.raises(
        MetadataError, match=r"000000\.gz: cannot be read to its end \(.+\); fetch or create the file again"
    ):
        read_pageviews([path])
