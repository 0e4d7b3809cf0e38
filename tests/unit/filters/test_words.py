"""The worked example: a list of words and phrases."""

from __future__ import annotations

import pickle

import pytest

from metaclip_spark.errors import ConfigError
from metaclip_spark.filters import load_filter
from metaclip_spark.filters.words import WordList

NAME = "metaclip_spark.filters.words:word_list"


@pytest.fixture
def words(tmp_path):
    """Write a list of these lines, and load the filter with it."""

    def load(*lines: str, query: str = ""):
        path = tmp_path / "c++ words.txt"
        path.write_text("\n".join(lines), encoding="utf-8")
        return load_filter(f"{NAME}?path={path}{query}")

    return load


@pytest.mark.parametrize(
    ("line", "text", "expected"),
    [
        ("cat", "a Cat, a dog", True),
        ("cat", "concatenate", False),
        ("cat", "cats", False),
        ("STRASSE", "Straße", True),
        ("red mushroom", "A red, mushroom!", True),
        ("red mushroom", "mushroom red", False),
        ("red mushroom", "red", False),
        ("don't", "I DON'T know", True),
        ("猫", "黒い 猫", True),
        ("猫", "黒い猫", False),
        ("a b c", "x a b c y", True),
    ],
)
def test_words_are_compared_whole_and_case_folded(line, text, expected):
    """The comparison is as documented, even for a language without spaces between words."""
    assert WordList.from_lines([line]).in_text(text) is expected


def test_texts_with_a_listed_word_are_dropped(words, batch):
    """Comments and empty lines are not words; each text is checked alone."""
    found = words("# list", "", "cat", "hot dog").reasons(batch(["a cat", "a dog", "hot dog", "list"]))
    assert found.to_pylist() == ["filter:words", None, "filter:words", None]


def test_the_reason_can_be_named(words, batch):
    """Rejects are counted under the reason."""
    assert words("cat", query="&reason=nsfw").reasons(batch(["cat"])).to_pylist() == ["filter:nsfw"]


def test_the_id_is_that_of_the_words(words):
    """Order and case do not matter; another word or another reason does."""
    first = words("cat", "dog").id
    assert words("Dog", "cat", "cat").id == first
    assert (
        len({first, words("cat", "dog", "cow").id, words("cat dog").id, words("cat", "dog", query="&reason=b").id}) == 4
    )


def test_the_pickle_contains_the_list(words, batch, tmp_path):
    """A worker does not need the list's file."""
    sent = pickle.dumps(words("cat"))
    (tmp_path / "c++ words.txt").unlink()
    assert pickle.loads(sent).reasons(batch(["cat", "dog"])).to_pylist() == ["filter:words", None]


def test_a_list_that_is_missing_or_empty_is_an_error(words, tmp_path):
    """A filter that rejects no text is a mistake."""
    with pytest.raises(ConfigError, match=r"^word list .*\+ words.txt holds no word\.$"):
        words("# nothing", "---")
    with pytest.raises(ConfigError, match=r"^word list nowhere.txt cannot be read: .*No such file"):
        load_filter(f"{NAME}?path=nowhere.txt")
