"""YAML that anyone wrote: what PyYAML lets through as another error, or takes hours for, is one error of YAML."""

from __future__ import annotations

import time

import pytest
import yaml

from metaclip_spark.config.expectations import load_expectations
from metaclip_spark.config.merge import make_settings
from metaclip_spark.errors import ConfigError
from metaclip_spark.metadata.worldwide.languages import read_languages
from metaclip_spark.storage.safe_yaml import MAX_DEPTH, compose, parse

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)
MERGES = "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 60))
HOSTILE = {
    "aliases of aliases": (LAUGHS, "its aliases stand for more than 200,000 values"),
    "merges of merges": (MERGES, "its aliases stand for more than 200,000 values"),
    "a list that contains itself": ("input: &a [*a]", "a value contains itself"),
    "ten thousand levels": ("[" * 10_000, "more than 50 levels"),
    "ten thousand levels of maps": ("{a: " * 10_000, "more than 50 levels"),
    "ten thousand levels of dashes": ("- " * 10_000, "more than 50 levels"),
    "five thousand digits": ("seed: " + "9" * 5000, "a number has 5,000 characters"),
    "a number to the base of sixty": ("seed: 1" + ":1" * 500_000, "a number has 1,000,001 characters"),
    "a date that is none": ("seed: 2024-99-99", "a value cannot be read"),
    "bytes that are none": (
        "seed: !!binary \u00e9",
        "(failed to convert base64 data|a value cannot be read|failed to decode)",
    ),
    "megabytes": ("a: " + "x" * (5 << 20), "expected at most 4,194,304"),
    "code": ("seed: !!python/object/apply:os.system ['true']", "could not determine a constructor"),
    "NUL": ("a: \0", "special characters are not allowed"),
    "a surrogate": ("a: \ud800", "special characters are not allowed"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_yaml_is_an_error_of_yaml_at_once(name):
    """No other error, no hang."""
    text, message = HOSTILE[name]
    began = time.process_time()
    with pytest.raises(yaml.YAMLError, match=message):
        parse(text)
    assert time.process_time() - began < 5


@pytest.mark.parametrize("name", [name for name in HOSTILE if "surrogate" not in name])
def test_hostile_files_are_refused_by_each_reader(tmp_path, name):
    """Settings, expectations and languages; the error is short."""
    path = tmp_path / "a.yaml"
    path.write_text(HOSTILE[name][0], encoding="utf-8")
    readers = (lambda: make_settings({}, str(path)), lambda: load_expectations(str(path)), lambda: read_languages(path))
    for read in readers:
        with pytest.raises(ConfigError) as refused:
            read()
        assert str(path) in str(refused.value)
        assert len(str(refused.value)) < 3000


def test_usual_yaml_is_read_as_before():
    """Aliases and merges, and a depth that a file has."""
    text = "base: &base {seed: 3, input: [a, b]}\nmine: {<<: *base, seed: 4}\nnone: \ndate: 2024-01-02\n"
    assert parse(text) == yaml.safe_load(text)
    assert parse("") is None
    deep = "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1)
    assert parse(deep) == yaml.safe_load(deep)
    assert compose("a: 1").value[0][1].start_mark.line == 0
    assert compose("") is None


@pytest.mark.parametrize("key", ["seed", "languages", "k" * 100_000])
@pytest.mark.parametrize("value", ["x" * 1_000_000, "[" + "y, " * 100_000 + "]"])
def test_errors_of_settings_are_short(tmp_path, key, value):
    """A wrong value of a megabyte is cut, and of a hundred thousand wrong values, twenty are named."""
    path = tmp_path / "a.yaml"
    path.write_text(f"? {key}\n: {value}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        make_settings({}, str(path))
    assert len(str(refused.value)) < 6000


def test_an_error_of_yaml_is_cut(tmp_path):
    """It quotes a name of the file, such as that of an alias."""
    path = tmp_path / "a.yaml"
    path.write_text("seed: *" + "x" * 70_000, encoding="utf-8")
    for read in (
        lambda: make_settings({}, str(path)),
        lambda: load_expectations(str(path)),
        lambda: read_languages(path),
    ):
        with pytest.raises(ConfigError) as refused:
            read()
        assert len(str(refused.value)) < 5000
