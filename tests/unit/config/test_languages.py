"""Languages are checked before the work: a code that no text can have would leave out the whole pool."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pyarrow as pa
import pytest

from metaclip_spark.config.languages import problem_of_languages, warning_of_languages
from metaclip_spark.config.merge import make_settings
from metaclip_spark.errors import ConfigError
from metaclip_spark.extract.language import Lid176
from metaclip_spark.extract.language_codes import LID176_CODES, code_meant
from metaclip_spark.steps.extraction import load_extraction

ROOT = Path(__file__).parents[3]


def refusal(flags: dict, config: str | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        make_settings(flags, config)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_codes_are_those_of_the_model():
    """Neither a label of the model nor a code of the table is missing in the other."""
    from metaclip_spark.extract.language import _model

    labels = {
        label.removeprefix("__label__") for _, label in _model(str(Lid176().path)).f.predict("x\n", 999, -1.0, "")
    }
    assert labels == LID176_CODES == Lid176().codes
    assert len(labels) == 176


def test_the_documentation_lists_the_codes():
    """The errors point to it."""
    text = (ROOT / "docs" / "FLAGS.md").read_text(encoding="utf-8")
    line = next(line for line in text.splitlines() if line.startswith("`af` `als` `am`"))
    assert {word.strip("`") for word in line.split()} == LID176_CODES


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("english", "en"),
        ("English", "en"),
        ("ENGLISH", "en"),
        ("EN", "en"),
        ("En", "en"),
        ("en-US", "en"),
        ("en_US", "en"),
        ("en-us", "en"),
        ("eng", "en"),
        ("eng_Latn", "en"),
        ("English language", "en"),
        ("englsh", "en"),
        ("german", "de"),
        ("Deutsch", "de"),
        ("deu", "de"),
        ("ger", "de"),
        ("français", "fr"),
        ("francais", "fr"),
        ("fre", "fr"),
        ("fra", "fr"),
        ("Español", "es"),
        ("espanol", "es"),
        ("spanish", "es"),
        ("chinese", "zh"),
        ("Chinese (Simplified)", "zh"),
        ("zh-cn", "zh"),
        ("zh_Hant", "zh"),
        ("zho_Hans", "zh"),
        ("cmn", "zh"),
        ("mandarin", "zh"),
        ("中文", "zh"),
        ("日本語", "ja"),
        ("jp", "ja"),
        ("jpn", "ja"),
        ("cn", "zh"),
        ("kr", "ko"),
        ("gr", "el"),
        ("cz", "cs"),
        ("dk", "da"),
        ("se", "sv"),
        ("ua", "uk"),
        ("vn", "vi"),
        ("iw", "he"),
        ("jw", "jv"),
        ("nb", "no"),
        ("nb-NO", "no"),
        ("fil", "tl"),
        ("farsi", "fa"),
        ("pt-br", "pt"),
        ("romanian", "ro"),
        ("ukranian", "uk"),
        ("'en'", "en"),
        ("[en", "en"),
        ("ALL", "all"),
        ("any", "all"),
        ("*", "all"),
        ("unknown", "und"),
        ("UND", "und"),
    ],
)
def test_names_and_other_codes_are_refused_with_the_right_code(text, code):
    """The error names the value, the code that it means, and the flag."""
    message = refusal({"languages": text})
    assert message.startswith("languages must be codes that lid176 gives, such as en, de or zh, ")
    assert message.endswith(f"got {text!r} (did you mean {code}?) (flag --languages).")
    assert make_settings({"languages": code}).languages == (code,)


@pytest.mark.parametrize(
    ("text", "codes"), [("en;de", "en,de"), ("en de", "en,de"), ("german|fr", "de,fr"), ("en/zh-cn", "en,zh")]
)
def test_other_signs_than_commas_are_refused_with_the_right_list(text, codes):
    """A list with spaces or semicolons is one unknown code."""
    assert f"got {text!r} (did you mean {codes}?)" in refusal({"languages": text})


def test_each_wrong_value_is_named():
    """A right value beside a wrong one is not kept alone in silence."""
    message = refusal({"languages": "en,german,xx,klingon,jp"})
    assert "got 'german' (did you mean de?), 'xx', 'klingon', 'jp' (did you mean ja?) (flag --languages)." in message
    assert "docs/FLAGS.md" in message


def test_every_code_of_the_model_is_accepted():
    """With und, spaces and repeats."""
    listed = ", ".join(sorted(LID176_CODES)) + " , und, en ,en"
    assert set(make_settings({"languages": listed}).languages) == LID176_CODES | {"und"}
    assert len(make_settings({"languages": listed}).languages) == 177
    assert all(code_meant(code) == code for code in LID176_CODES)


@pytest.mark.parametrize("value", ["", " ", ",", (), []])
def test_no_language_is_refused(value):
    """It would keep every text, which is said by `all`."""
    assert refusal({"languages": value}) == ("languages must name at least one language, or all (flag --languages).")


@pytest.mark.parametrize("value", ["all,en", "en,all", ("all", "und")])
def test_all_stands_alone(value):
    """`all` in a list would be taken for a code."""
    assert refusal({"languages": value}).startswith("languages must be all alone, which keeps every text, or codes of ")
    assert "must be all alone" in refusal({"languages": value, "lang_column": "lang"})


def test_an_error_names_the_files_key(tmp_path, monkeypatch):
    """In YAML, Norwegian needs quotes."""
    monkeypatch.chdir(tmp_path)
    conf = Path("conf.yaml")
    conf.write_text("text: {languages: [english, de]}\n")
    assert refusal({}, "conf.yaml").endswith("got 'english' (did you mean en?) (conf.yaml: text.languages).")
    for text in ("languages: no\n", "languages: [en, no]\n"):
        conf.write_text(text)
        assert 'got False; YAML reads no, off, yes and on as truth values, so write Norwegian as "no", in quotes' in (
            refusal({}, "conf.yaml")
        )
    conf.write_text("languages: ['no', en]\n")
    assert make_settings({}, "conf.yaml").languages == ("no", "en")
    conf.write_text("languages:\n")
    assert make_settings({}, "conf.yaml").languages is None


def test_a_column_may_hold_any_codes_and_unusual_ones_are_warned_of():
    """The column's values are compared as they are."""
    settings = make_settings({"languages": "English,en,en-US,und", "lang_column": "lang"})
    assert settings.languages == ("English", "en", "en-US", "und")
    assert warning_of_languages(settings) == (
        "--languages: 'English' (did you mean en?), 'en-US' (did you mean en?) is no usual code; such texts are kept "
        "only if column lang (--lang-column) has exactly this value."
    )
    for flags in ({"lang_column": "lang"}, {"languages": "de", "lang_column": "lang"}, {"languages": "de"}, {}):
        assert warning_of_languages(make_settings(flags)) is None
    for languages in ("all", "en,und"):
        assert warning_of_languages(make_settings({"languages": languages, "lang_column": "lang"})) is None


@pytest.fixture
def own(monkeypatch):
    """Install a module with an identifier that declares its codes, and one that does not."""

    class Own:
        name = "own"
        version = "1"

        def identify(self, texts):
            return pa.array(["eng"] * len(texts)), pa.array([1.0] * len(texts), pa.float32())

    class Declared(Own):
        codes = ("eng", "deu")

    module = types.ModuleType("own_lid")
    module.plain, module.declared = Own, Declared
    monkeypatch.setitem(sys.modules, "own_lid", module)


@pytest.mark.usefixtures("own")
def test_an_identifier_of_ones_own_may_declare_its_codes():
    """Then the languages are checked against them, also the default; otherwise any code is possible."""
    assert load_extraction(make_settings({"lid": "own_lid:plain", "languages": "english"})).options.languages
    assert load_extraction(make_settings({"lid": "own_lid:declared", "languages": "eng"})).options.languages == ("eng",)
    assert load_extraction(make_settings({"lid": "own_lid:declared", "languages": "all"})).options.languages == ()
    for flags, got in (({"languages": "en"}, "got 'en'"), ({}, "got 'en', the default")):
        with pytest.raises(ConfigError, match="languages must be codes that own gives") as caught:
            load_extraction(make_settings({"lid": "own_lid:declared", **flags}))
        assert got in str(caught.value)


def test_a_run_of_an_earlier_release_can_still_be_opened():
    """What a run stored is not checked again: its report must open."""
    from metaclip_spark.config.settings import Settings

    assert Settings(languages=("english",)).languages == ("english",)
    assert problem_of_languages(Settings()) is None
