"""Numbers as people write them: percentages are read, other spellings are refused with the number to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from metaclip_spark.config.merge import make_settings
from metaclip_spark.config.settings import Settings
from metaclip_spark.errors import ConfigError

WHOLE = [name for name, field in Settings.model_fields.items() if field.annotation in (int, int | None)]


def refusal(flags: dict, config: str | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        make_settings(flags, config)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1e4", 10000),
        ("2E4", 20000),
        ("20k", 20000),
        ("20K", 20000),
        ("1.5k", 1500),
        ("400M", 400000000),
        ("400 million", 400000000),
        ("2.5bn", 2500000000),
        ("20,000", 20000),
        ("20.000", 20000),
        ("1,000,000", 1000000),
        ("20 000", 20000),
        ("20\u202f000", 20000),
        ("20'000", 20000),
        ("20000.0", 20000),
    ],
)
def test_other_notations_are_refused_with_the_number_to_write(name, text, number):
    """Of all whole numbers: 20.000 is never read as 20."""
    flag = "--" + name.replace("_", "-")
    assert refusal({name: text}) == f"{name}: expected a whole number (write {number}), got {text!r} (flag {flag})."


@pytest.mark.parametrize(
    "text", ["many", "", "1.5", "1e-2", "0x10", "inf", "nan", "1e99", "5%", "--5", "1,2", "20,00", "k"]
)
def test_what_is_no_whole_number_is_refused(text):
    """Without a guess."""
    assert refusal({"threshold": text}) == f"threshold: expected a whole number, got {text!r} (flag --threshold)."


@pytest.mark.parametrize(("value", "number"), [("20000", 20000), (" 20000 ", 20000), ("20_000", 20000), (2e4, 20000)])
def test_plain_numbers_are_read(value, number):
    """Underscores are digits' own separator, on the command line as in YAML."""
    assert make_settings({"threshold": value}).threshold == number
    assert make_settings({"seed": "-5"}).seed == -5


def test_numbers_of_a_file(tmp_path, monkeypatch):
    """YAML reads some notations itself; a truth value is no number."""
    monkeypatch.chdir(tmp_path)

    def made(text: str) -> Settings:
        Path("conf.yaml").write_text(text)
        return make_settings({}, "conf.yaml")

    assert made("threshold: 20_000\n").threshold == made("threshold: 2.0e+4\n").threshold == 20000
    assert made("tail_fraction: 6%\n").tail_fraction == made("tail_fraction: '6 %'\n").tail_fraction == 0.06
    assert made("allow_incomplete: 2%\nmin_lang_score: 50%\n").min_lang_score == 0.5
    assert made("threshold:\n").threshold is None
    for text, message in (
        ("threshold: 20k\n", "threshold: expected a whole number (write 20000), got '20k' (conf.yaml: threshold)."),
        ("threshold: 2e4\n", "threshold: expected a whole number (write 20000), got '2e4' (conf.yaml: threshold)."),
        ("threshold: yes\n", "threshold: expected a whole number, got True (conf.yaml: threshold)."),
        ("seed: on\n", "seed: expected a whole number, got True (conf.yaml: seed)."),
        ("tail_fraction: 6\n", "must be between 0 and 1, got 6.0. Did you mean 6%? "),
        ("tail_fraction: yes\n", "got True (conf.yaml: tail_fraction)."),
    ):
        Path("conf.yaml").write_text(text)
        assert message in refusal({}, "conf.yaml")


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("6%", 0.06),
        ("6 %", 0.06),
        ("0.7%", 0.007),
        (" 6% ", 0.06),
        ("6.0%", 0.06),
        ("0.06", 0.06),
        (".5%", 0.005),
        ("6％", 0.06),
    ],
)
def test_a_share_may_be_a_percentage(text, share):
    """6% is exactly 0.06, so that the run is the same one."""
    assert make_settings({"tail_fraction": text}).tail_fraction == share
    assert make_settings({"min_lang_score": text}).min_lang_score == share
    given, plain = (make_settings({"tail_fraction": value}).run_id_values for value in (text, share))
    assert given == plain


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("6", "must be between 0 and 1, got 6.0. Did you mean 6%? The paper's sets have about 0.06 ("),
        ("600%", "must be between 0 and 1, got 6.0. Did you mean 6%?"),
        ("100%", "must be between 0 and 1, got 1.0. The paper's"),
        ("0%", "must be between 0 and 1, got 0.0. The paper's"),
        ("0,06", "or a percentage such as 6% (write 0.06), got '0,06' ("),
        ("6,5%", "or a percentage such as 6% (write 6.5%), got '6,5%' ("),
        ("-6%", "or a percentage such as 6%, got '-6%' ("),
        ("six", "or a percentage such as 6%, got 'six' ("),
        ("", "or a percentage such as 6%, got '' ("),
        ("%", "or a percentage such as 6%, got '%' ("),
        ("nan%", "or a percentage such as 6%, got 'nan%' ("),
        ("nan", "must be between 0 and 1, got nan. The paper's"),
        ("inf", "must be between 0 and 1, got inf. The paper's"),
    ],
)
def test_what_is_no_share_is_refused(text, message):
    """The error says what to write, where that is clear."""
    assert message in refusal({"tail_fraction": text})
    assert refusal({"tail_fraction": text}).endswith("(flag --tail-fraction).")


@pytest.mark.parametrize("value", ["50", "101%", "-0.1", "nan", "inf"])
def test_a_score_is_a_share(value):
    """50 is not 50%."""
    assert "min_lang_score must be between 0 and 1, or a percentage such as 50%, got " in refusal(
        {"min_lang_score": value}
    )


@pytest.mark.parametrize(
    ("value", "stored", "of_200"),
    [("2%", "2%", 4), ("2 %", "2%", 4), (" 3 ", "3", 3), ("0.5%", "0.5%", 1), (3, "3", 3)],
)
def test_an_amount_of_sources_may_be_a_percentage(value, stored, of_200):
    """Spaces do not matter."""
    settings = make_settings({"allow_incomplete": value})
    assert (settings.allow_incomplete, settings.allowed_incomplete(200)) == (stored, of_200)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("0.02", "a percentage such as 2% (write 2%), got '0.02' ("),
        (0.5, "a percentage such as 2% (write 50%), got 0.5 ("),
        ("1e1", "a percentage such as 2%, got '1e1' ("),
        ("2,5%", "a percentage such as 2%, got '2,5%' ("),
        ("-2%", "a percentage such as 2%, got '-2%' ("),
        (True, "a percentage such as 2%, got True ("),
        ("", "a percentage such as 2%, got '' ("),
    ],
)
def test_what_is_no_amount_is_refused(value, message):
    """The error says what to write, where that is clear."""
    assert message in refusal({"allow_incomplete": value})
