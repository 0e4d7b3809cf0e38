"""Conditions in SQL: every value is quoted, whatever it contains."""

from __future__ import annotations

import pytest

from metaclip_spark.warehouse.tables import equal_to, sql_string


@pytest.mark.parametrize(
    ("text", "literal"),
    [("a", "'a'"), ("it's", r"'it\'s'"), ("a\\", r"'a\\'"), ("\\'", r"'\\\''"), ("", "''"), ("${a}", r"'\u0024{a}'")],
)
def test_quotes_and_backslashes_do_not_end_a_literal(text, literal):
    """Spark reads a backslash and a quote after a backslash as they are."""
    assert sql_string(text) == literal


def test_conditions_name_each_column_with_one_value_or_several():
    """A string is one value, a sequence several; the order is that of the arguments."""
    assert equal_to(run_id="a' OR 'b") == r"run_id = 'a\' OR \'b'"
    condition = equal_to(metadata_id="m", snapshot="s", source_path=["x", "it's"])
    assert condition == r"metadata_id = 'm' AND snapshot = 's' AND source_path IN ('x', 'it\'s')"
