"""A file of expectations is read with the lines of its bounds; a wrong line is named before anything starts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from metaclip_spark.config.expectations import MEASURES, Bound, load_expectations
from metaclip_spark.errors import ConfigError

ROOT = Path(__file__).resolve().parents[3]


def loaded(tmp_path, text: str):
    """Load a file with this text."""
    path = tmp_path / "e.yaml"
    path.write_text(text, encoding="utf-8")
    return load_expectations(str(path))


def test_bounds_have_their_values_and_lines(tmp_path):
    """Percentages and shares are the same; a block may stand on several lines."""
    found = loaded(tmp_path, "# notes\nmatch_rate: {min: 60%, max: .9}\npairs:\n  min: 1_000\n\n  change: 0.5\n")
    assert [each.measure for each in found.each] == ["match_rate", "pairs"]
    assert found.each[0].bounds == (Bound("min", 0.6, 2), Bound("max", 0.9, 2))
    assert found.each[1].bounds == (Bound("min", 1000, 4), Bound("change", 0.5, 6))


def test_the_documented_example_is_read(tmp_path):
    """So are all measures of the table."""
    text = (ROOT / "docs" / "EXPECTATIONS.md").read_text(encoding="utf-8")
    example = re.search(r"```yaml\n(.*?)```", text, re.S)
    assert len(loaded(tmp_path, example[1]).each) == 7
    for name, meaning in MEASURES.items():
        assert f"| `{name}` | {meaning} |" in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; expected measures"),
        ("- a\n", "line 1: got a list; expected measures"),
        ("match_rate\n", "line 1: got 'match_rate'"),
        ("a: [", "is not YAML"),
        ("pairs: {min: 1}\nmatchrate: {min: 1%}\n", "line 2: got the measure 'matchrate'; expected one of sources, "),
        ("rejects.nothing: {max: 1%}\n", "line 1: got the measure 'rejects.nothing'"),
        ("language.: {max: 1%}\n", "line 1: got the measure 'language.'"),
        ("match_rate: 60%\n", "line 1: got '60%'; expected bounds in braces: min, max, and change"),
        ("match_rate: {}\n", "line 1: match_rate has the bounds []"),
        ("match_rate: {min: 1%, min: 2%}\n", "line 1: match_rate has the bounds ['min', 'min']"),
        ("match_rate: {min: 1%}\nmatch_rate: {max: 2%}\n", "line 2: match_rate is there twice"),
        ("match_rate:\n  least: 1%\n", "line 2: match_rate has the bound 'least'"),
        ("match_rate: {min: sixty}\n", "line 1: min of match_rate is 'sixty'; expected a number, or a percentage"),
        ("match_rate: {min: -1}\n", "line 1: min of match_rate is '-1'"),
        ("match_rate: {min: [1]}\n", "line 1: min of match_rate is a list"),
        ("match_rate: {min: e5}\n", "is 'e5'"),
        ("match_rate: {min: 60}\n", "line 1: min of match_rate is 60; expected a share, such as 60% or 0.6"),
        ("pairs: {min: 60%}\n", "line 1: min of pairs is 60%; expected a number: this measure is no share"),
        ("pairs: {min: 6, max: 5}\n", "line 1: pairs has a min above its max"),
        ("pairs: !!python/object:os.system {min: 1}\n", ""),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(tmp_path, text, message):
    """Tags of YAML make no object: the file is only taken apart."""
    if "python/object" in text:
        assert loaded(tmp_path, text).each[0].bounds == (Bound("min", 1, 1),)
        return
    with pytest.raises(ConfigError, match=re.escape(message)):
        loaded(tmp_path, text)


def test_a_missing_file_is_refused(tmp_path):
    """The error names it."""
    with pytest.raises(ConfigError, match="none.yaml cannot be read"):
        load_expectations(str(tmp_path / "none.yaml"))
