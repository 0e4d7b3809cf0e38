"""The compiled loops give the labels of fastText's own code, for the built-in model and for models of any shape."""

from __future__ import annotations

import contextlib
import gzip
import random
import struct
import unicodedata
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from extraction import run_split
from made_fasttext import SOFTMAX, Made, write_model

from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.errors import ConfigError
from metaclip_spark.extract.fasttext import letters, mapped_model
from metaclip_spark.extract.fasttext.model import FastTextModel
from metaclip_spark.extract.fasttext.model_file import read_model
from metaclip_spark.extract.language import Lid176, OwnModel, load_identifier
from metaclip_spark.sources.files import find_sources, splits_of

FUZZED = 20_000
SCORE_DIFFERENCE = 2e-6
WORDS = ["dog", "dogs", "the", "a", "grüner", "hund", "собака", "犬", "end", "x", "word-with-dashes"]
SCRIPTS = [(0x20, 0x7F), (0xA0, 0x250), (0x370, 0x530), (0x590, 0x700), (0x900, 0xE80), (0x3040, 0x30FF)]
SCRIPTS += [(0x4E00, 0x9FFF), (0xAC00, 0xD7A4), (0x1F300, 0x1FAFF), (0x10400, 0x10450), (0x20000, 0x20100), (1, 0x20)]


@pytest.fixture(autouse=True)
def folder_of_models(tmp_path, monkeypatch) -> Path:
    """The folder in which a test keeps the arrays of its models."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(mapped_model, "cache_folders", lambda: iter([folder]))
    return folder


def fuzzed(number: int, seed: int = 0) -> list[str]:
    """Return strings of any script, empty, very long, of white space, with words of the model and odd tokens."""
    rng = random.Random(seed)
    tokens = [
        *WORDS,
        "</s>",
        "<",
        ">",
        "__label__l1",
        "__label__",
        "\0",
        "\n",
        "\t",
        "\r\n",
        "\x0b",
        "\u2028",
        "\u0130",
    ]
    found = []
    for _ in range(number):
        low, high = rng.choice(SCRIPTS)
        words = []
        for _ in range(rng.choice([0, 1, 1, 2, 5, 12, 40])):
            if rng.random() < 0.2:
                words.append(rng.choice(tokens))
            else:
                size = rng.choice([1, 2, 3, 6, 12, 90])
                words.append("".join(chr(rng.randrange(low, high)) for _ in range(size)))
        found.append(rng.choice([" ", "  ", "", "\u3000"]).join(words))
    return found


def assert_like_the_library(lid: Lid176, texts: list[str]) -> None:
    """Labels are equal, and scores nearly so."""
    array = pa.array(texts, pa.string())
    codes, scores = lid.identify(array)
    expected, expected_scores = lid.identify_by_library(array)
    differ = pc.not_equal(codes, expected)
    assert not pc.any(differ).as_py(), array.filter(differ)[:3]
    assert np.abs(scores.to_numpy() - expected_scores.to_numpy()).max(initial=0) <= SCORE_DIFFERENCE


def test_fuzzed_strings_get_the_labels_of_the_library():
    """Any script, any white space, long and empty strings."""
    assert_like_the_library(load_identifier("lid176"), fuzzed(FUZZED))


@pytest.mark.slow
def test_two_hundred_thousand_fuzzed_strings_get_the_labels_of_the_library():
    """As above, with another seed."""
    assert_like_the_library(load_identifier("lid176"), fuzzed(200_000, seed=1))


@pytest.mark.parametrize("name", ["laion_sample.parquet", "xflickrco_8lang.parquet", "cmoa.parquet", "cc3m_val.tsv.gz"])
def test_captions_get_the_labels_of_the_library(shared_data, name):
    """Real texts: as written, in capitals, and as titles."""
    path = shared_data / "captions" / name
    if name.endswith(".parquet"):
        texts = pq.read_table(path, columns=["text"])["text"].drop_null().to_pylist()
    else:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            texts = [line.split("\t")[0] for line in file]
    lid = load_identifier("lid176")
    assert len(texts) > 1000
    for change in (str, str.upper, str.title):
        assert_like_the_library(lid, [change(text) for text in texts])


def test_alt_texts_of_real_pages_get_the_labels_of_the_library(shared_data):
    """Every image text of a crawl's pages, in any language and spelling."""
    (split,) = splits_of(find_sources([str(shared_data / "crawl" / "pages.warc.gz")]), split_bytes=1 << 40)
    found = run_split(split, ExtractOptions(keep_unmatched=True, dedup=False))
    assert len(found.pairs) > 10_000
    assert_like_the_library(load_identifier("lid176"), [pair["text"] for pair in found.pairs])


def labelled(model: FastTextModel, texts: list[str]) -> dict[str, tuple[str, float]]:
    """Return the label and the score of each text."""
    names, scores = model.label(pa.array(texts, pa.string()))
    return dict(zip(texts, zip(names.to_pylist(), scores.to_pylist(), strict=True), strict=True))


def test_the_texts_before_a_text_do_not_change_its_score():
    """To the last bit: words are remembered, known or not, and give way to others, whatever the order of the texts."""
    model = FastTextModel(load_identifier("lid176").path, 200, lowers=True)
    rng = random.Random(5)
    words = ["".join(rng.choices("abcdefghijklm\u00e9\u0436", k=rng.randrange(1, 30))) for _ in range(40_000)]
    texts = list(dict.fromkeys([" ".join(rng.choices(words, k=rng.randrange(1, 12))) for _ in range(8000)]))
    texts += list(dict.fromkeys(fuzzed(2000, seed=6)))
    first = labelled(model, texts)
    assert labelled(model, texts[::-1]) == first
    rng.shuffle(texts)
    model.forget()
    assert labelled(model, texts) == first
    for text in texts[:300]:
        model.forget()
        assert labelled(model, [text, text + " " + text])[text] == first[text]


def test_equal_words_of_a_text_count_as_often_as_they_are_there(tmp_path):
    """A word that is met for the first time, twice in one text, and one that shares its slot."""
    model = FastTextModel(write_model(tmp_path / "made.bin", Made(dim=16, labels=40), WORDS), 200, lowers=False)
    once, twice = "unheard dog", "unheard dog unheard dog"
    apart = {text: labelled(model, [text])[text] for text in (once, twice, "unheard")}
    model.forget()
    assert labelled(model, [twice, once, "unheard"]) == apart


MADE = [
    Made(),
    Made(loss=SOFTMAX),
    Made(quantised=True),
    Made(quantised=True, norms=False, loss=SOFTMAX, labels=40),
    Made(dim=16, min_n=1, max_n=3, labels=176),
    Made(dim=7, min_n=3, max_n=6, word_ngrams=3, bucket=12_345),
    Made(quantised=True, word_ngrams=2, labels=2),
    Made(min_n=0, max_n=0, bucket=0),
    Made(min_n=0, max_n=0, word_ngrams=2, bucket=777, loss=SOFTMAX),
    Made(line_end=False, bucket=2_000_000, dim=4),
    Made(bucket=1, min_n=1, max_n=1),
    Made(dim=40, min_n=1, max_n=2, labels=30),
    Made(quantised=True, dim=33, loss=SOFTMAX, bucket=64),
]


@pytest.mark.parametrize("made", MADE, ids=lambda made: f"{made}"[5:-1])
def test_a_model_of_any_shape_gives_the_labels_of_the_library(tmp_path, made):
    """Both losses, dense and quantised, pruned and not, with and without n-grams of characters and of words."""
    import fasttext

    path = write_model(tmp_path / "made.bin", made, WORDS)
    library = fasttext.load_model(str(path))
    texts = [text for text in fuzzed(3000, seed=made.dim) if any(map(str.isalpha, text[:200]))]
    names, scores = FastTextModel(path, 200, lowers=False).label(pa.array(texts))
    differ = []
    for text, name, score in zip(texts, names.to_pylist(), scores.to_pylist(), strict=True):
        best = library.f.predict(text[:200].replace("\n", " ") + "\n", 2, 0.0, "strict")
        expected = best[0][1].removeprefix("__label__") if best else "und"
        close = len(best) == 2 and best[0][0] - best[1][0] < SCORE_DIFFERENCE
        if name != expected and not close:
            differ.append((text, name, best))
        elif best:
            assert score == pytest.approx(min(best[0][0], 1.0), abs=2e-5)
    assert differ == []


def test_lower_case_and_letters_are_arrows():
    """The tables say of every code point what Arrow says."""
    points = [point for point in range(0x110000) if not 0xD800 <= point < 0xE000]
    strings = pa.array([chr(point) for point in points], pa.string())
    lowered = pc.utf8_lower(strings).to_pylist()
    table = letters.lower_table()
    assert [chr(table[point]) if point < len(table) else chr(point) for point in points] == lowered
    blocks = np.repeat(letters.case_blocks(), 256)[: len(table)].astype(bool)
    assert not (table != np.arange(len(table)))[~blocks].any()
    is_letter = np.unpackbits(letters.letter_bits(), bitorder="little")
    expected = pc.match_substring_regex(strings, r"^\p{L}").to_pylist()
    assert [point < len(is_letter) and bool(is_letter[point]) for point in points] == expected
    assert unicodedata.category("\u0130") == "Lu"


def test_a_models_arrays_are_one_file_that_processes_map(tmp_path, monkeypatch, folder_of_models):
    """The second process reads no model; a damaged file is written again; without a folder, labels are the same."""
    path = write_model(tmp_path / "made.ftz", Made(quantised=True, dim=16), WORDS)
    texts = [text for text in fuzzed(500, seed=3) if text]
    first = labelled(FastTextModel(path, 200, lowers=True), texts)
    (kept,) = folder_of_models.glob("*.arrays")
    whole = kept.read_bytes()

    with monkeypatch.context() as patch:
        patch.setattr(mapped_model, "read_model", lambda path: pytest.fail("the model is read again"))
        model = FastTextModel(path, 200, lowers=True)
        assert str(kept) in Path("/proc/self/maps").read_text()
        assert labelled(model, texts) == first
    kept.write_bytes(whole[:-70] + bytes(70))
    assert labelled(FastTextModel(path, 200, lowers=True), texts) == first
    assert kept.read_bytes() == whole

    with monkeypatch.context() as patch:  # another version of the package has another layout
        patch.setattr(mapped_model, "_code", lambda: "another")
        FastTextModel(path, 200, lowers=True)
    assert len(list(folder_of_models.glob("*.arrays"))) == 2

    other = write_model(tmp_path / "made.ftz", Made(quantised=True, dim=16, seed=1), WORDS)
    assert labelled(FastTextModel(other, 200, lowers=True), texts) != first
    assert len(list(folder_of_models.glob("*.arrays"))) == 3
    (tmp_path / "file").touch()
    monkeypatch.setattr(mapped_model, "cache_folders", lambda: iter([tmp_path / "file" / "no-folder"]))
    path = write_model(tmp_path / "made.ftz", Made(quantised=True, dim=16), WORDS)
    assert labelled(FastTextModel(path, 200, lowers=True), texts) == first


def test_a_large_model_is_mapped_from_its_own_file(tmp_path, monkeypatch, folder_of_models):
    """It is not written a second time."""
    monkeypatch.setattr(mapped_model, "SMALL", 1000)
    path = write_model(tmp_path / "made.bin", Made(dim=16), WORDS)
    assert labelled(FastTextModel(path, 200, lowers=True), ["the dog"])
    assert list(folder_of_models.glob("*")) == []


def test_a_model_of_ones_own_is_an_identifier(tmp_path):
    """Its codes are its labels; its version changes with its bytes and with the case of what it reads."""
    first = load_identifier(str(write_model(tmp_path / "own.bin", Made(seed=1), WORDS)))
    assert isinstance(first, OwnModel)
    assert first.codes == {f"l{label}" for label in range(9)}
    codes, scores = first.identify(pa.array(["DOG the", "1984"]))
    lowered, _ = first.identify(pa.array(["dog the", ""]))
    assert codes.to_pylist() == [lowered[0].as_py(), "und"]
    assert scores[1].as_py() == 0
    as_written = load_identifier(f"{tmp_path / 'own.bin'}?lower=false")
    other = load_identifier(str(write_model(tmp_path / "other.bin", Made(seed=2), WORDS)))
    assert len({first.version, as_written.version, other.version}) == 3
    with pytest.raises(ConfigError, match="expected .*own.bin or .*own.bin.lower=false, got .cut=3"):
        load_identifier(f"{tmp_path / 'own.bin'}?cut=3")


@pytest.mark.parametrize("end", [0, 3, 8, 50, 70, 100, 400, 2000, -1])
def test_a_model_that_is_cut_short_is_refused(tmp_path, end):
    """At any place, with a sentence and not with wrong labels."""
    path = write_model(tmp_path / "made.ftz", Made(quantised=True), WORDS)
    path.write_bytes(path.read_bytes()[:end])
    with pytest.raises(ConfigError, match=r"made\.ftz"):
        read_model(path)


@pytest.mark.parametrize(
    ("at", "value", "problem"),
    [
        (0, 1, "it begins with 1, 12"),
        (4, 13, "it begins with 793712314, 13"),
        (8, 0, "it gives dim 0"),
        (32, 2, "supervised with negative sampling"),
        (36, 2, "skipgram with hierarchical softmax"),
        (40, -1, "bucket -1"),
        (64, 7, "its dictionary has 7 entries"),
    ],
)
def test_a_model_of_another_kind_is_refused(tmp_path, at, value, problem):
    """Word vectors, other losses and other programs' files."""
    path = write_model(tmp_path / "made.bin", Made(), WORDS)
    data = bytearray(path.read_bytes())
    data[at : at + 4] = struct.pack("<i", value)
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=problem) as refused:
        read_model(path)
    assert "Expected a supervised fastText model" in str(refused.value)


def test_bytes_that_are_no_model_are_refused(tmp_path):
    """Random bytes after the magic number end in a sentence, never in memory of their size."""
    rng = np.random.default_rng(0)
    path = write_model(tmp_path / "made.bin", Made(quantised=True), WORDS)
    good = path.read_bytes()
    for _ in range(300):
        data = bytearray(good)
        for at in rng.integers(8, len(data), 4):
            data[at] = rng.integers(256)
        path.write_bytes(data)
        with contextlib.suppress(ConfigError):
            model = read_model(path)
            assert model.input.shape[1] == model.dim
