"""Versions of Spark are compared as numbers."""

from __future__ import annotations

import pytest

from metaclip_spark.spark.session import minor_version


@pytest.mark.parametrize(
    ("version", "numbers"),
    [("4.10", (4, 10)), ("4.0.1", (4, 0)), ("4.1.0.dev0", (4, 1)), ("4.2.0rc1", (4, 2)), ("10.0.0", (10, 0))],
)
def test_minor_version_is_two_numbers(version, numbers):
    """Later parts and suffixes of a version are ignored."""
    assert minor_version(version) == numbers


def test_minor_versions_are_ordered_as_numbers():
    """As a string, 4.10 would come before 4.9."""
    versions = ["4.0.1", "4.1.0.dev0", "4.2.0", "4.9.3", "4.10", "5.0.0"]
    numbers = [minor_version(version) for version in versions]
    assert numbers == sorted(set(numbers))
    assert sorted(versions) != versions
