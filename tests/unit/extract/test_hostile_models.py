"""Language models whose numbers lie: they are refused when they are opened, before a kernel reads them."""

from __future__ import annotations

import re
import struct
import time

import numpy as np
import pyarrow as pa
import pytest
from array_files import sealed
from made_fasttext import Made, write_model

from metaclip_spark.errors import ConfigError
from metaclip_spark.extract.fasttext import mapped_model
from metaclip_spark.extract.fasttext.mapped_model import load_layout
from metaclip_spark.extract.fasttext.model import FastTextModel

WORDS = ["dog", "the", "a"]
LARGE = (1 << 31) - 1


@pytest.fixture(autouse=True)
def folder_of_models(tmp_path, monkeypatch):
    """The folder in which a test keeps the arrays of its models."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(mapped_model, "cache_folders", lambda: iter([folder]))
    return folder


def with_count(path, count: int) -> None:
    data = bytearray(path.read_bytes())
    for found in re.finditer(rb"__label__l[0-9]\0", bytes(data)):
        data[found.end() : found.end() + 8] = struct.pack("<q", count)
    path.write_bytes(data)


@pytest.mark.parametrize("count", [1 << 60, -1, 10**15])
def test_counts_that_make_the_tree_of_labels_a_circle_are_refused(tmp_path, count):
    """A node of the tree would be its own child, and the search for a label would never end, and leave its stack."""
    path = write_model(tmp_path / "made.bin", Made(labels=9), WORDS)
    with_count(path, count)
    with pytest.raises(ConfigError, match="its labels have the counts"):
        FastTextModel(path, 200, lowers=True)


def kept_of(data: bytearray) -> int:
    """Return where the kept buckets begin: after the last label."""
    return list(re.finditer(rb"__label__l[0-9]+\0", bytes(data)))[-1].end() + 9


@pytest.mark.parametrize(("at", "value"), [(0, LARGE), (0, -1), (4, LARGE), (4, -1), (8, 0)])
def test_kept_buckets_that_are_none_are_refused(tmp_path, at, value):
    """A hash value or a row that is not there, or that is there twice."""
    path = write_model(tmp_path / "made.ftz", Made(quantised=True, bucket=50, seed=3), WORDS)
    data = bytearray(path.read_bytes())
    place = kept_of(data) + at
    value = struct.unpack_from("<i", data, place - 8)[0] if at == 8 else value
    data[place : place + 4] = struct.pack("<i", value)
    path.write_bytes(data)
    with pytest.raises(ConfigError, match="it keeps 16 of 50 buckets"):
        FastTextModel(path, 200, lowers=True)


@pytest.mark.parametrize(
    ("at", "value", "problem"),
    [
        (40, LARGE, "it keeps 16 of 2,147,483,647 buckets"),  # the table of buckets would have gigabytes
        (48, -300, "maxn -300"),
    ],
)
def test_arguments_that_would_fill_memory_are_refused(tmp_path, at, value, problem):
    """A small file names large numbers."""
    path = write_model(tmp_path / "made.ftz", Made(quantised=True, bucket=50), WORDS)
    data = bytearray(path.read_bytes())
    data[at : at + 4] = struct.pack("<i", value)
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=problem):
        FastTextModel(path, 200, lowers=True)


@pytest.mark.parametrize(("rows", "columns"), [(-1, -5), (-1, -1), (0, 1 << 62), (1 << 40, 10), (14, -10)])
def test_a_matrix_of_another_shape_is_refused_before_it_is_read(tmp_path, rows, columns):
    """Two numbers below zero have a product that is a size."""
    path = write_model(tmp_path / "made.bin", Made(bucket=10), WORDS)
    data = bytearray(path.read_bytes())
    place = kept_of(data) + 1
    assert struct.unpack_from("<qq", data, place) == (14, 10)
    data[place : place + 16] = struct.pack("<qq", rows, columns)
    path.write_bytes(data)
    with pytest.raises(ConfigError, match="a matrix has the shape"):
        FastTextModel(path, 200, lowers=True)


def test_thousands_of_equal_words_are_refused_at_once(tmp_path):
    """Each would be sought behind all others: time by the square of their number."""
    path = write_model(tmp_path / "made.bin", Made(bucket=10), ["dog"] * 20_000)
    began = time.process_time()
    with pytest.raises(ConfigError, match="more than 1000 words of one hash, such as b'dog'"):
        FastTextModel(path, 200, lowers=True)
    assert time.process_time() - began < 10


def put(name: str, at: int, value: int):
    def change(header, arrays) -> None:
        arrays[name].reshape(-1)[at] = value

    return change


ARRAYS = {
    "a node that is its own child": put("children", -1, 16),
    "a node that is no node": put("children", -1, LARGE),
    "a node below zero": put("children", -2, -1),
    "a node in two places": lambda header, arrays: arrays["children"][-2:].fill(0),
    "a word that is not there": put("slots", 3, 99),
    "a word of no number": put("slots", 3, 1 << 32),
    "no free slot": lambda header, arrays: arrays["slots"].fill(1),
    "words that end before they begin": put("word_offsets", 1, LARGE),
    "buckets of other rows": put("ranks", 0, LARGE),
    "lower case of no character": put("lower", 70, LARGE),
    "labels that end before they begin": put("label_offsets", 1, LARGE),
    "labels that are not UTF-8": put("label_data", 0, 255),
    "fewer slots": lambda header, arrays: header["arrays"]["slots"].update(shape=[3]),
    "no numbers": lambda header, arrays: header.update(numbers=None),
    "a bucket too many": lambda header, arrays: header["numbers"].update(bucket=1 << 30),
    "another division": lambda header, arrays: header["numbers"].update(magic=1),
    "long n-grams": lambda header, arrays: header["numbers"].update(max_n=1 << 20),
    "a line end that is no word": lambda header, arrays: header["numbers"].update(line_end=1 << 20),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_hostile_arrays_of_a_model_are_not_read(tmp_path, folder_of_models, name):
    """The file of a model's arrays, with a right checksum and a wrong value, is written again from the model."""
    path = write_model(tmp_path / "made.ftz", Made(quantised=True, bucket=64), WORDS)
    texts = pa.array(["the dog", "\u72ac and a dog", "x" * 300])
    expected = FastTextModel(path, 200, lowers=True).label(texts)
    (kept,) = folder_of_models.glob("*.arrays")
    whole = kept.read_bytes()
    sealed(kept, ARRAYS[name])
    assert kept.read_bytes() != whole
    assert FastTextModel(path, 200, lowers=True).label(texts) == expected
    assert kept.read_bytes() == whole


def test_words_of_millions_are_read_in_proportion_to_their_number(tmp_path):
    """A word is sought in the bytes that follow, not in the next 64 KB."""
    rng = np.random.default_rng(0)
    words = [rng.bytes(6).hex() for _ in range(60_000)]
    path = write_model(tmp_path / "made.bin", Made(bucket=10, dim=1), words)
    began = time.process_time()
    assert len(load_layout(path)[2]["words"]) == 60_001
    assert time.process_time() - began < 5
