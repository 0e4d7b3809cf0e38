"""The compiled loops give the labels of fastText's own code, for the built-in model and for models of any shape."""

from __future__ import annotations

import contextlib
import gzip
import random
import struct
import unicodedata

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from made_fasttext import SOFTMAX, Made, write_model

from metaclip_spark.errors import ConfigError
from metaclip_spark.extract.fasttext import letters
from metaclip_spark.extract.fasttext.model import FastTextModel
from metaclip_spark.extract.fasttext.model_file import read_model
from metaclip_spark.extract.language import Lid176, OwnModel, load_identifier

FUZZED = 20_000
SCORE_DIFFERENCE = 2e-6
WORDS = ["dog", "dogs", "the", "a", "grüner", "hund", "собака", "犬", "end", "x", "word-with-dashes"]
SCRIPTS = [(0x20, 0x7F), (0xA0, 0x250), (0x370, 0x530), (0x590, 0x700), (0x900, 0xE80), (0x3040, 0x30FF)]
SCRIPTS += [(0x4E00, 0x9FFF), (0xAC00, 0xD7A4), (0x1F300, 0x1FAFF), (0x10400, 0x10450), (0x20000, 0x20100), (1, 0x20)]


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
    is_letter = np.unpackbits(letters.letter_bits(), bitorder="little")
    expected = pc.match_substring_regex(strings, r"^\p{L}").to_pylist()
    assert [point < len(is_letter) and bool(is_letter[point]) for point in points] == expected
    assert unicodedata.category("\u0130") == "Lu"


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
