"""Tokens of the recipe: characters of their own, punctuation, segmenters, and what is said without one."""

from __future__ import annotations

import builtins
import sys

import pytest

from metaclip_spark.errors import ConfigError
from metaclip_spark.metadata.worldwide import tokens
from metaclip_spark.metadata.worldwide.segmenters import joiner_of, segmenter_of
from metaclip_spark.metadata.worldwide.tokens import PUNCTUATION, phrases_for, spaced_phrases, tokeniser_of


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("Ein Hund, zwei Hunde.", [["Ein", "Hund"], ["zwei", "Hunde"]]),
        ("don't", [["don"], ["t"]]),
        ("Zeichen 木林 hier", [["Zeichen", "木", "林", "hier"]]),
        ("ไทย x", [["ไ", "ท", "ย", "x"]]),
        ("¿Qué? “sí”", [["Qué"], ["sí"]]),
        ("한국어 개", [["한국어", "개"]]),
        ("かな", [["かな"]]),
        ("one\ntwo", [["one"], ["two"]]),
        ("no\u00a0break\tspace", [["no", "break", "space"]]),
        ("«ёлка» – 3", [["«ёлка»", "–", "3"]]),
        ("… , !", [["…"]]),
        ("", []),
    ],
)
def test_spaced_languages(text, runs):
    """White space, CJK and Thai-like characters alone, and runs that end at the recipe's punctuation."""
    assert phrases_for("de")(text) == runs
    assert spaced_phrases(text) == runs


def test_every_mark_of_the_recipe_ends_a_run():
    """None is a word, and none is inside one."""
    for mark in PUNCTUATION:
        assert spaced_phrases(f"a{mark}b {mark} c") == [["a"], ["b"], ["c"]]


@pytest.mark.parametrize(
    ("code", "text", "runs"),
    [
        ("th", "แมวสองตัว, หมา", [["แมว", "สอง", "ตัว"], ["หมา"]]),
        ("zh", "北京大学，学生", [["北京", "大学"], ["学生"]]),
        ("zh_yue", "北京大学", [["北京", "大学"]]),
        ("ja", "東京タワーの夜景", [["東京タワー", "の", "夜景"]]),
        ("bo", "རྒྱལ་ཁབ། བོད", [["རྒྱལ", "ཁབ"], ["བོད"]]),
        ("dz", "རྒྱལ་ཁབ", [["རྒྱལ", "ཁབ"]]),
        ("km", "ឆ្មានៅលើតុ", [["ឆ្មា", "នៅ", "លើ", "តុ"]]),
        ("lo", "ແມວຢູ່ເທິງໂຕະ", [["ແມວ", "ຢູ່", "ເທິງ", "ໂຕະ"]]),
        ("my", "ကြောင်သည်", [["ကြောင်", "သည်"]]),
        ("th", "New York แมว", [["New"], ["York"], ["แมว"]]),
        ("th", "", []),
    ],
)
def test_languages_without_spaces(code, text, runs):
    """ICU's words or syllables; white space and punctuation end a run, so a joined bigram is in the text as it is."""
    pytest.importorskip("icu4py", reason="icu4py is not installed (pip install '.[segmenters]')")
    got = phrases_for(code)(text)
    assert got == runs
    for run in got:
        assert all(f"{a}{joiner_of(code)}{b}" in text for a, b in zip(run, run[1:], strict=False))
    assert tokeniser_of(code).startswith(f"worldwide-tokens-1, {segmenter_of(code)} by icu4py 1.")


def test_a_missing_segmenter_is_said(monkeypatch):
    """With Python's version, and with the command that installs it; a spaced language needs none."""
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("icu4py"):
            raise ImportError("No module named 'icu4py'", name="icu4py")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    for call in (phrases_for, tokeniser_of):
        monkeypatch.setattr(sys, "version_info", (3, 12, 1))
        with pytest.raises(
            ConfigError, match=r"needs icu4py \(No module .*Python >= 3\.11, here 3\.12\); install it: "
        ):
            call("th")
        monkeypatch.setattr(sys, "version_info", (3, 10, 4))
        with pytest.raises(
            ConfigError, match=r"icu4py, which needs Python >= 3\.11, got Python 3\.10; run this command"
        ):
            call("th")
    assert phrases_for("fi")("koira") == [["koira"]]
    assert tokeniser_of("fi") == tokens.TOKENISER
