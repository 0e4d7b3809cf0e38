"""Domains and ages of images, as the rates of a download know them."""

from __future__ import annotations

import pyarrow as pa
import pytest

from metaclip_spark.core.survival.origins import age_of, ages, domains, weeks


@pytest.mark.parametrize(
    ("snapshot", "age"),
    [
        ("CC-MAIN-2024-51", "2024-51"),
        ("cc-2013-20-again", "2013-20"),
        ("CC-MAIN-2024-60", ""),
        ("CC-MAIN-2024-00", ""),
        ("12024-51", ""),
        ("2024-511", ""),
        ("default", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_an_age_is_the_week_that_a_snapshot_names(snapshot, age):
    """Other names have no age."""
    assert age_of(snapshot) == age


def test_weeks_are_ordered_over_years():
    """The last week of a year is near the first of the next one."""
    assert weeks("2025-01") - weeks("2024-52") == 2 - 52 % 53 + 52
    assert weeks("2024-10") < weeks("2024-51") < weeks("2025-01")


def test_domains_are_registered_ones_and_those_without_a_rate_are_one():
    """Capitals, ports and www. do not matter; a url without a host has no domain."""
    urls = pa.array(["http://WWW.A.org:80/1", "https://b.c.org/2", None, "no url", "http://a.org/3"], pa.large_string())
    assert domains(urls).to_pylist() == ["a.org", "c.org", "", "", "a.org"]
    assert domains(urls, {"a.org"}).to_pylist() == ["a.org", "", "", "", "a.org"]
    assert domains(pa.array([], pa.string())).to_pylist() == []
    assert ages(pa.array(["CC-MAIN-2024-51", None, "x"])).to_pylist() == ["2024-51", "", ""]
