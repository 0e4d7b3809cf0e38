"""Page views as a source of titles: the hourly dumps' format, as it is documented and as it comes."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from metaclip_spark.errors import MetadataError
from metaclip_spark.metadata.ngrams import Ranked
from metaclip_spark.metadata.titles import read_pageviews, title_entries

FOLDER = Path(__file__).resolve().parents[2] / "data" / "pageviews"
HOURS = [FOLDER / "pageviews-20240101-000000", FOLDER / "pageviews-20240101-010000"]


def test_views_are_summed_over_hours_for_one_domain():
    """`_` becomes a space; other domains, the mobile site and titles with `:` are passed over."""
    found = read_pageviews(HOURS)
    assert found.views == {"Main Page": 150, "New York City": 70, "Zürich": 69, "Cat": 71, "-": 90}
    assert found.lines == 19
    assert found.passed_over == {"another domain": 3, "a title with ':'": 2}


def test_malformed_lines_are_counted_by_reason():
    """Wrong columns, counts that are none, and bytes that are not UTF-8 cost their line alone."""
    assert read_pageviews(HOURS).rejected == {
        "not four columns": 2,
        "a count that is no whole number from 0 on": 2,
        "not UTF-8": 1,
        "no title": 1,
    }


def test_titles_are_ranked_over_the_floor():
    """70 views are enough, 69 are not."""
    offer = title_entries(read_pageviews(HOURS).views)
    assert offer.ranked == [
        Ranked("Main Page", 150),
        Ranked("-", 90),
        Ranked("Cat", 71),
        Ranked("New York City", 70),
    ]
    assert (offer.read, offer.left_out) == (5, {"under 70 views": 1})


def test_lines_under_an_hourly_floor_are_passed_over():
    """The paper's own code takes lines from 50 on, before it sums."""
    found = read_pageviews(HOURS, min_hourly_views=50)
    assert found.views == {"Main Page": 150, "Zürich": 69, "-": 90}
    assert found.passed_over["under 50 views in an hour"] == 4


def test_mobile_site_is_a_domain_of_its_own():
    """It is read when it is named."""
    assert read_pageviews(HOURS, domain="en.m").views == {"Cat": 500}


def test_file_without_a_single_good_line_is_refused(tmp_path):
    """Something else than page views is told, not taken as no views."""
    path = tmp_path / "words.tsv"
    path.write_text("cat\t3\nthe\t10\n")
    with pytest.raises(MetadataError) as caught:
        read_pageviews([path])
    assert str(caught.value) == (
        f"{path}: none of its 2 lines is 'domain title count bytes', as hourly page views are;"
        " check the file and --pageviews."
    )


def test_cut_dump_is_refused(tmp_path):
    """A transfer that ended early does not count as an hour."""
    path = tmp_path / "pageviews-20240101-000000.gz"
    path.write_bytes(gzip.compress(HOURS[0].read_bytes())[:-5])
    with pytest.raises(
        MetadataError, match=r"000000\.gz: cannot be read to its end \(.+\); fetch or make the file again"
    ):
        read_pageviews([path])
