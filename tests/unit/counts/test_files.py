"""Files of counts: a card is the same bytes each time, other layouts are recognised, and wrong files are refused."""

from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaclip_spark.counts.card import MOST, CountsCard, ListCounts
from metaclip_spark.counts.files import ARRAY, OBJECT, PlainCounts, read_card, read_counts, write_card
from metaclip_spark.errors import InputError, WarehouseError

CARD = CountsCard("f" * 64, ("one", "two"), {"und": ListCounts(9, 7, {'a "b"': 1, "cat": 5, "ü\u2028猫": 2})})


@pytest.mark.parametrize("name", ["card.json", "card.json.gz"])
def test_a_card_is_read_as_it_was_written_and_has_the_same_bytes(tmp_path, name):
    """Written twice, in two folders, at two times."""
    places = [tmp_path / folder / name for folder in ("a", "b")]
    for place in places:
        write_card(CARD, str(place))
    assert places[0].read_bytes() == places[1].read_bytes()
    found = read_card(places[0])
    assert (found, found.card_id) == (CARD, CARD.card_id)
    write_card(found, str(places[1]))
    assert places[0].read_bytes() == places[1].read_bytes()


_ENTRIES = st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.integers(1, MOST >> 8))


@given(_ENTRIES.map(lambda counts: dict(sorted(counts.items()))))
def test_any_entries_come_back(tmp_path_factory, counts):
    """Line ends, quotes, NUL and all of Unicode."""
    card = CountsCard("f" * 64, (), {"und": ListCounts(10**6, 1, counts)})
    place = str(tmp_path_factory.getbasetemp() / "any.json.gz")
    write_card(card, place)
    assert read_card(place) == card


def test_a_card_has_no_url_no_text_and_no_seed(tmp_path):
    """Its keys, and those of its lists."""
    write_card(CARD, str(tmp_path / "card.json"))
    plain = json.loads((tmp_path / "card.json").read_text(encoding="utf-8"))
    names = ["format", "version", "unit", "metadata_id", "snapshots", "merged", "pairs", "total", "card_id", "lists"]
    assert list(plain) == names
    assert list(plain["lists"]["und"]) == ["entries", "counted", "pairs", "total", "counts"]


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ('{"cat": 5, "dog": 0}', PlainCounts(OBJECT, {"cat": 5, "dog": 0})),
        ('{"format": 3, "lists": 1}', PlainCounts(OBJECT, {"format": 3, "lists": 1})),
        ("[5, 0, 2]", PlainCounts(ARRAY, {}, (5, 0, 2))),
        ("\ufeff[1]", PlainCounts(ARRAY, {}, (1,))),
    ],
    ids=["object", "an entry that is called format", "array", "byte order mark"],
)
def test_other_layouts_are_recognised(tmp_path, content, wanted):
    """Plain and gzip, whatever the name."""
    (tmp_path / "plain.json").write_text(content, encoding="utf-8")
    (tmp_path / "packed.json").write_bytes(gzip.compress(content.encode()))
    assert read_counts(tmp_path / "plain.json") == read_counts(tmp_path / "packed.json") == wanted
    with pytest.raises(InputError, match="without the id of a list, so it cannot be merged"):
        read_card(tmp_path / "plain.json")


WRONG = {
    "negative": ('{"cat": -1}', "the count of 'cat' is -1, expected a whole number from 0 to 9,007,199,254,740,992."),
    "huge": ('{"cat": 9007199254740993}', "the count of 'cat' is 9007199254740993, expected a whole number from 0"),
    "hundreds of digits": ('{"cat": 1%s}' % ("0" * 400), "the count of 'cat' is a number of 1,329 bits, expected"),
    "thousands of digits": ('{"cat": 1%s}' % ("0" * 9000), "is not JSON (Exceeds the limit (4300 digits)"),
    "fraction": ('{"cat": 1.5}', "got 1.5, expected whole numbers; a count is the number of pairs that match"),
    "whole fraction": ("[1.0]", "got 1.0, expected whole numbers"),
    "exponent": ("[1e3]", "got 1e3, expected whole numbers"),
    "NaN": ('{"cat": NaN}', "got NaN, expected whole numbers"),
    "infinity": ("[-Infinity]", "got -Infinity, expected whole numbers"),
    "truth value": ('{"cat": true}', "the count of 'cat' is a boolean, expected a whole number >= 0."),
    "null": ("[null]", "the count of position 0 is null, expected a whole number >= 0."),
    "string": ('{"cat": "5"}', "the count of 'cat' is a string, expected a whole number >= 0."),
    "nested": ('{"en": {"cat": 5}}', "the count of 'en' is an object, expected a whole number >= 0."),
    "twice": ('{"cat": 5, "cat": 5}', "'cat' is there twice, so its count is ambiguous; write each entry once."),
    "number": ("5", "the JSON is a number; expected a card of `counts export`, a JSON object of entry and count"),
    "empty": ("", "is not JSON (Expecting value: line 1 column 1 (char 0)); expected a card"),
    "cut": ('{"cat": 5', "is not JSON ("),
    "deep": ("[" * 100_000, "is not JSON (maximum recursion depth exceeded"),
    "another format": ('{"format": "csv"}', "its format is 'csv'; expected a card of `counts export`"),
}


@pytest.mark.parametrize(("content", "error"), WRONG.values(), ids=WRONG.keys())
def test_wrong_counts_are_refused(tmp_path, content, error):
    """The error names the file, what was got and what was expected."""
    (tmp_path / "counts.json").write_text(content, encoding="utf-8")
    with pytest.raises(InputError) as refused:
        read_counts(tmp_path / "counts.json")
    assert str(refused.value).startswith(f"counts {tmp_path / 'counts.json'}: ")
    assert error in str(refused.value)


def changed(**fields: object) -> dict:
    return {**CARD.plain, **fields}


def changed_list(**fields: object) -> dict:
    return changed(lists={"und": {**CARD.plain["lists"]["und"], **fields}})


DAMAGED = {
    "later version": (changed(version=2), "its version is 2, and this release reads version 1. Use the release that"),
    "unit": (changed(unit="image"), "it counts 'image', expected 'pair': each pair of an image and a text."),
    "no list id": (changed(metadata_id=None), "its metadata_id is null, expected a string."),
    "snapshots": (changed(snapshots="one"), "its snapshots is a string, expected an array."),
    "snapshot": (changed(snapshots=[1]), "its snapshots has a value that is no string; expected strings."),
    "lists": (changed(lists=[]), "its lists is an array, expected an object."),
    "no list": (changed(lists={}), "it has no list; write it again with `counts export`."),
    "list": (changed(lists={"und": 5}), "list 'und' is a number, expected an object."),
    "counts": (changed_list(counts=[1]), "its counts is an array, expected an object."),
    "zero": (changed_list(counts={"cat": 0}), "the count of 'cat' is 0, expected a whole number from 1 to"),
    "negative": (changed_list(counts={"cat": -5}), "the count of 'cat' is -5, expected a whole number from 1 to"),
    "entries": (changed_list(entries=2), "list 'und' has 2 entries and 3 counts; expected at most one for each entry."),
    "pairs of a list": (changed_list(pairs=-1), "the count of the pairs of list 'und' is -1, expected a whole number"),
    "sum": (
        changed_list(counts={"a": MOST, "b": 1}),
        "the counts of list 'und' sum to more than 9,007,199,254,740,992",
    ),
    "pairs": (changed(pairs=8), "its pairs is 8, but its content gives 7: it was changed or damaged. Fetch it again"),
    "total": (changed(total=9), "its total is 9, but its content gives 8: it was changed or damaged."),
    "a count": (changed_list(counts={"cat": 8}), "its card_id is "),
    "an entry": (changed_list(counts={'a "b"': 1, "cab": 5, "ü\u2028猫": 2}), "its card_id is "),
    "id": (changed(card_id="0" * 64), f"its card_id is {'0' * 64}, but its content gives {CARD.card_id}"),
}


@pytest.mark.parametrize(("card", "error"), DAMAGED.values(), ids=DAMAGED.keys())
def test_a_card_that_was_changed_is_refused(tmp_path, card, error):
    """Each field is checked, and the id covers all of them."""
    (tmp_path / "card.json").write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(InputError) as refused:
        read_counts(tmp_path / "card.json")
    assert error in str(refused.value)


def test_files_that_cannot_be_read_are_refused(tmp_path):
    """Missing, a folder, damaged gzip, bytes that are no UTF-8, and a gzip file that inflates without end."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "cut.json.gz").write_bytes(gzip.compress(b"[1, 2, 3]")[:-6])
    (tmp_path / "latin.json").write_bytes(b'{"\xe4": 1}')
    (tmp_path / "bomb.json.gz").write_bytes(gzip.compress(b" " * (300 << 20), 9))
    errors = {
        "missing": "no such file; expected a card",
        "folder": "cannot be read: Is a directory. Fetch or write the file again.",
        "cut.json.gz": "cannot be read: Compressed file ended before the end-of-stream marker was reached.",
        "latin.json": "is not JSON ('utf-8' codec can't decode byte 0xe4 in position 2",
        "bomb.json.gz": "inflate to more than 268,435,456, which no list of names does. Fetch or write",
    }
    for name, error in errors.items():
        with pytest.raises(InputError) as refused:
            read_counts(tmp_path / name)
        assert error in str(refused.value)


def test_a_card_that_cannot_be_written_is_an_error(tmp_path):
    """A suffix that names no format, and a folder that is a file."""
    with pytest.raises(InputError, match=r"expected a name that ends in .json or .json.gz"):
        write_card(CARD, str(tmp_path / "card.parquet"))
    (tmp_path / "file").write_text("")
    with pytest.raises(WarehouseError, match="cannot be written"):
        write_card(CARD, str(tmp_path / "file" / "card.json"))
