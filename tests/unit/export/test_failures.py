"""The outcomes of a download, and which of them are tried again."""

from __future__ import annotations

import pytest

from metaclip_spark.errors import ConfigError
from metaclip_spark.export.failures import parse_statuses, to_retry

ALL = [
    "failed_to_download",
    "failed_to_resize",
    "http_404",
    "http_503",
    "no_status",
    "not_tried",
    "opted_out",
    "success",
]


@pytest.mark.parametrize(
    ("given", "again"),
    [
        (None, ["failed_to_download", "failed_to_resize", "http_404", "http_503", "no_status", "not_tried"]),
        ("failed_to_download", ["failed_to_download", "http_404", "http_503"]),
        ("http_503, failed_to_resize", ["failed_to_resize", "http_503"]),
        ("not_tried", ["not_tried"]),
        ("opted_out,", ["opted_out"]),
    ],
)
def test_what_is_named_is_tried_again(given, again):
    """A failed download includes those with an HTTP status. An opt-out is tried again only if it is named."""
    assert to_retry(ALL, parse_statuses(given)) == again


@pytest.mark.parametrize(
    ("given", "shown"),
    [("success", "success"), ("http_5xx,not_tried,gone", "http_5xx, gone"), (",", "','"), ("", "''")],
)
def test_other_names_are_refused(given, shown):
    """The error has the names that there are."""
    with pytest.raises(ConfigError) as refused:
        parse_statuses(given)
    assert str(refused.value) == (
        "--retry-status takes failed_to_download, failed_to_resize, not_tried, opted_out, or http_NNN such as "
        f"http_503; got {shown}."
    )
