"""Loading metadata: the formats that are read, and the lists that are refused."""

from __future__ import annotations

import gzip
import hashlib
import json
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from metaclip_spark.errors import MetadataError
from metaclip_spark.metadata import Metadata, load_metadata, metadata_id


def write(path, content: bytes):
    """Write bytes, as gzip if the name ends in .gz."""
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def refusal(path) -> str:
    """Return the text of the error that loading raises, without the path."""
    with pytest.raises(MetadataError) as caught:
        load_metadata(path)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize("name", ["list.json", "list.json.gz", "list.txt", "list.txt.gz", "LIST.JSON"])
def test_each_format_gives_the_same_list(tmp_path, name):
    """The id depends on the entries alone, not on the file format."""
    entries = ["cat", "New York", " two  spaces ", "猫", "St. John", 'quo"te\\']
    content = json.dumps(entries) if "json" in name.lower() else "\n".join(entries) + "\n"
    metadata = load_metadata(write(tmp_path / name, content.encode()))
    assert metadata == Metadata.from_entries(entries)
    assert metadata.entries == tuple(entries)


def test_text_lines_lose_only_their_line_ending(tmp_path):
    """Only CRLF and LF end an entry: other line separators and spaces are kept, and the last newline is optional."""
    path = write(tmp_path / "list.txt", " cat \r\na\u2028b\na\x0cb\nlast".encode())
    assert load_metadata(path).entries == (" cat ", "a\u2028b", "a\x0cb", "last")


@pytest.mark.parametrize("name", ["list.json", "list.txt"])
def test_byte_order_mark_is_no_part_of_the_first_entry(tmp_path, name):
    """The loader removes a byte order mark, which some editors write."""
    content = b'["cat"]' if name.endswith("json") else b"cat\n"
    assert load_metadata(write(tmp_path / name, b"\xef\xbb\xbf" + content)).entries == ("cat",)


def test_metadata_id_is_the_hash_of_length_prefixed_entries():
    """The id follows from the documented definition alone."""
    stream = b"\x03\0\0\0\0\0\0\0cat" + b"\x03\0\0\0\0\0\0\0\xe7\x8c\xab"
    assert metadata_id(["cat", "猫"]) == hashlib.sha256(stream).hexdigest()
    assert Metadata.from_entries(iter(["cat", "猫"])).metadata_id == metadata_id(["cat", "猫"])


@given(st.lists(st.text("ab\0", min_size=1), min_size=1), st.lists(st.text("ab\0", min_size=1), min_size=1))
@example(["ab", "c"], ["a", "bc"])
@example(["a", "b"], ["b", "a"])
def test_different_lists_have_different_ids(left, right):
    """The id depends on the order of the entries and on the borders between them."""
    assert (metadata_id(left) == metadata_id(right)) == (left == right)


def test_repr_does_not_print_the_entries():
    """A list of 500,000 entries does not fill a log."""
    assert repr(Metadata(("cat",), "id")) == "Metadata(metadata_id='id')"


NOT_AN_ARRAY = 'expected an array of strings; write it as ["...", ...].'
NO_STRING = "expected a string; quote or remove it."
AMBIGUOUS = "an id would be ambiguous; remove the repeats."
BAD_FILES = [
    ("list.json", b"[" * 100_000, "is not JSON ("),
    (
        "list.json",
        b"cat",
        "is not JSON (Expecting value: line 1 column 1 (char 0)), expected an array of strings; fetch",
    ),
    ("list.json", b'{"cat": 1}', f"the JSON is an object, {NOT_AN_ARRAY}"),
    ("list.json", b"null", f"the JSON is null, {NOT_AN_ARRAY}"),
    ("list.json", b"[]", "the list is empty, expected at least one entry; check the path."),
    ("list.txt", b"", "the list is empty, expected at least one entry; check the path."),
    ("list.json", b'["a", 7]', f"position 1 (from 0) holds a number, {NO_STRING}"),
    ("list.json", b'["a", null]', f"position 1 (from 0) holds null, {NO_STRING}"),
    ("list.json", b'[["a"]]', f"position 0 (from 0) holds an array, {NO_STRING}"),
    ("list.json", b'["a", ""]', "position 1 (from 0) holds an empty entry (''); remove it."),
    ("list.txt", b"a\n\nb\n", "position 1 (from 0) holds an empty entry (''); remove it."),
    ("list.txt", b"a\n \t\n", "position 1 (from 0) holds a blank entry (' \\t'); remove it."),
    (
        "list.json",
        b'["a", "b", "a"]',
        f"1 entry repeats an earlier one ('a' at positions 0 and 2); {AMBIGUOUS}",
    ),
    (
        "list.json",
        b'["a", "a", "b", "b", "a", "a"]',
        "4 entries repeat an earlier one ('a' at positions 0 and 1, 'b' at positions 2 and 3,"
        f" 'a' at positions 0 and 4, ...); {AMBIGUOUS}",
    ),
    (
        "list.json",
        b'["a", "x\\ud83d"]',
        "position 1 (from 0) holds a lone surrogate ('x\\ud83d'), which UTF-8 cannot encode; repair or remove"
        " the entry.",
    ),
    ("list.txt", b"caf\xe9\n", "is not UTF-8 (byte 0xe9 at offset 3); convert it."),
]


@pytest.mark.parametrize(("name", "content", "message"), BAD_FILES)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_unusable_list_is_refused_with_a_sentence(tmp_path, name, content, message, suffix):
    """Each error says what was found, what was expected and what to do."""
    error = refusal(write(tmp_path / (name + suffix), content))
    assert error.startswith(message) if message.startswith("is not JSON") else error == message


def test_paired_surrogate_escapes_are_one_character(tmp_path):
    """JSON writes a character beyond U+FFFF as two escapes; neither is a lone surrogate."""
    assert load_metadata(write(tmp_path / "list.json", b'["\\ud83d\\ude00"]')).entries == ("\U0001f600",)


def test_missing_file_is_refused(tmp_path):
    """The error names the missing path and the known formats."""
    assert refusal(tmp_path / "list.json") == (
        "no such file; expected a JSON array of strings (.json, .json.gz) or one entry per line (.txt, .txt.gz)"
        ". Check the path."
    )


def test_unknown_suffix_is_refused(tmp_path):
    """The suffix alone decides the format; the content does not."""
    assert refusal(write(tmp_path / "list.csv", b"cat")) == (
        "the suffix names no known format; expected a JSON array of strings (.json, .json.gz) or one entry per line"
        " (.txt, .txt.gz). Rename or convert the file."
    )


def test_folder_is_refused(tmp_path):
    """A folder named like a list is not read as an empty list."""
    folder = tmp_path / "list.json"
    folder.mkdir()
    assert refusal(folder) == "is a folder, expected a file; name one entry list."


def test_gzip_and_its_name_must_agree(tmp_path):
    """A suffix that contradicts the content gives another error than damaged data."""
    plain, packed, cut = (tmp_path / name for name in ("plain.json.gz", "packed.json", "cut.json.gz"))
    plain.write_bytes(b'["cat"]')
    packed.write_bytes(gzip.compress(b'["cat"]'))
    cut.write_bytes(gzip.compress(b'["cat"]')[:-9])
    assert refusal(plain) == (
        "ends in .gz, but is not gzip data (starts with b'[\"'); rename it without .gz, or fetch it again."
    )
    assert refusal(packed) == "contains gzip data, but its name does not end in .gz; rename it."
    assert refusal(cut).startswith("the gzip data is damaged (")


def test_one_string_is_not_read_as_a_list_of_characters():
    """A string in place of a list is an error, not 3 entries."""
    with pytest.raises(
        MetadataError, match=r"^metadata: got one str, expected an array of strings; put it in a list\.$"
    ):
        Metadata.from_entries("cat")


def test_half_a_million_entries_load_in_seconds(tmp_path):
    """Loading takes far less time than the start of a Spark session."""
    entries = [f"entry {number} of the list" for number in range(500_000)]
    path = write(tmp_path / "list.json", json.dumps(entries).encode())
    start = time.perf_counter()
    assert len(load_metadata(path).entries) == 500_000
    # It takes about 0.5 s on one core; the margin is for busy machines.
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize(
    "content",
    ['["%s"]' % (" " * 500_000), json.dumps(["x" * 9000] * 2), json.dumps(["x" * 9000 + "\ud800"])],
    ids=["blank", "repeated", "lone surrogate"],
)
def test_an_error_shows_the_beginning_of_a_long_entry(tmp_path, content):
    """The end of a megabyte says nothing more."""
    path = tmp_path / "a.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(MetadataError, match=r"\.\.\. \([\d,]+ characters\)") as refused:
        load_metadata(path)
    assert len(str(refused.value)) < 1000


def test_an_entry_that_is_longer_than_texts_is_refused(tmp_path):
    """Its compiled form would have a table for each of a million characters, and take minutes."""
    path = tmp_path / "a.txt"
    path.write_text("cat\n" + "x" * 10_000 + "\n" + "new york%" * 2000 + "\n", encoding="utf-8")
    with pytest.raises(MetadataError, match=r"position 2 \(from 0\) holds an entry of 18,000 characters"):
        load_metadata(path)
    path.write_text("cat\n" + "x" * 10_000 + "\n", encoding="utf-8")
    assert len(load_metadata(path).entries) == 2
