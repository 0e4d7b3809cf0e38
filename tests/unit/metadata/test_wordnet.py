"""WordNet's dictionary files as a source of entries."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from metaclip_spark.errors import MetadataError
from metaclip_spark.metadata.load import load_metadata
from metaclip_spark.metadata.wordnet import DATA_FILES, wordnet_entries, wordnet_origin

ROOT = Path(__file__).resolve().parents[3]
TINY = ROOT / "tests" / "data" / "wordnet_tiny"


@pytest.fixture
def folder(tmp_path) -> Path:
    """A copy of the tiny dictionary that a test may change."""
    return Path(shutil.copytree(TINY, tmp_path / "wordnet"))


def test_lemmas_keep_case_lose_markers_and_keep_their_first_position():
    """The order is nouns, verbs, adjectives, adverbs; `cat` and `pure` occur twice and are listed once."""
    assert wordnet_entries(TINY) == [
        "entity",
        "cat",
        "true cat",
        "New York",
        "Big Apple",
        "E. coli",
        "set up",
        "galore",
        "utter",
        "pure",
        "awake",
        "Roman",
        "f(x)",
        "a cappella",
    ]


def test_synsets_have_one_name_each_and_upstream_shortens_it():
    """The name of a synset is its first lemma; upstream takes its lower-case form up to the first dot."""
    names = wordnet_entries(TINY, "synsets")
    assert names == ["entity", "cat", "New York", "E. coli", "set up", "galore", "utter", "awake", "f(x)", "a cappella"]
    upstream = wordnet_entries(TINY, "upstream")
    assert upstream == ["entity", "cat", "new york", "e", "set up", "galore", "utter", "awake", "f(x)", "a cappella"]


def test_word_counts_are_hexadecimal(folder):
    """A word count of 0a is ten words."""
    words = " ".join(f"word{number} 0" for number in range(10))
    (folder / "data.adv").write_text(f"00000000 02 r 0a {words} 000 | ten words\n")
    assert wordnet_entries(folder)[-10:] == [f"word{number}" for number in range(10)]


def test_origin_carries_version_and_licence():
    """The notice is the header without its line numbers."""
    origin = wordnet_origin(TINY)
    assert origin.version == "0.1"
    assert origin.notice.splitlines() == [
        "A hand-made folder in WordNet's file format, for tests.",
        "WordNet 0.1 Copyright nobody: made up for these tests.",
    ]
    assert sorted(origin.files) == sorted(DATA_FILES)


def test_dictionary_without_a_licence_has_an_unknown_version(folder):
    """The version comes from the licence alone."""
    noun = folder / "data.noun"
    lines = noun.read_text().splitlines(keepends=True)
    noun.write_text("".join(line for line in lines if not line.startswith("  ")))
    assert wordnet_origin(folder).version == "unknown"


def test_missing_files_are_named(folder):
    """The error lists the data files that the folder does not contain."""
    (folder / "data.verb").unlink()
    (folder / "data.adv").unlink()
    with pytest.raises(MetadataError) as caught:
        wordnet_entries(folder)
    assert str(caught.value) == (
        f"{folder}: data.verb, data.adv missing, expected WordNet's dictionary files"
        " (data.noun, data.verb, data.adj, data.adv);"
        " point --wordnet to the folder that contains them (Debian's wordnet-base: usr/share/wordnet)."
    )


def test_path_that_is_not_a_folder_is_refused(tmp_path):
    """The error names the path and the folder that is expected."""
    with pytest.raises(MetadataError) as caught:
        wordnet_entries(tmp_path / "absent")
    assert str(caught.value) == (
        f"{tmp_path / 'absent'}: is not a folder, expected WordNet's dictionary folder, with"
        " data.noun in it; check --wordnet."
    )


@pytest.mark.parametrize(
    "line",
    [
        "cat",
        "cat n 1 2 @",
        "00000000 03 n zz cat 0 000 | x",
        "00000000 03 n 00 000 | x",
        "00000000 03 n 03 cat 0 | x",
    ],
)
def test_line_that_is_not_a_synset_is_named(folder, line):
    """The error names the line of a damaged or foreign file."""
    with (folder / "data.adj").open("a") as stream:
        stream.write(line + "\n")
    with pytest.raises(MetadataError) as caught:
        wordnet_entries(folder)
    assert str(caught.value) == (
        f"{folder / 'data.adj'}: line 7 is not a synset, got {line!r}, expected 'offset lex_filenum ss_type"
        " w_cnt word lex_id ...'; use WordNet's own files, unchanged."
    )


def test_file_that_is_not_utf8_is_refused(folder):
    """Invalid bytes raise an error; they are not replaced."""
    (folder / "data.adj").write_bytes(b"\xff")
    with pytest.raises(
        MetadataError, match=r"data\.adj: is not UTF-8 at byte 0; use WordNet's own files, unchanged\.$"
    ):
        wordnet_entries(folder)


def index_lemmas(folder: Path) -> set[str]:
    """Read the lower-case lemmas of the `index.*` files."""
    texts = [(folder / name.replace("data", "index")).read_text() for name in DATA_FILES]
    return {line.split(" ")[0] for text in texts for line in text.splitlines() if not line.startswith("  ")}


def test_tiny_entries_are_the_lemmas_of_its_index():
    """In lower case and with underscores, the entries equal the index."""
    assert {entry.lower().replace(" ", "_") for entry in wordnet_entries(TINY)} == index_lemmas(TINY)


@pytest.mark.slow  # may fetch a package
def test_entries_are_the_lemmas_of_wordnets_index(wordnet):
    """In the whole of WordNet, no lemma is missing and no marker remains."""
    entries = wordnet_entries(wordnet)
    assert {entry.lower().replace(" ", "_") for entry in entries} == index_lemmas(wordnet)
    assert not [entry for entry in entries if "_" in entry or re.search(r"\((a|p|ip)\)$", entry)]


@pytest.mark.slow  # may fetch a package
def test_wordnet_has_the_lemmas_and_the_papers_names(wordnet):
    """147,306 lemmas differ by more than case; upstream's names and the numbers 0 to 99 give 86,654 entries."""
    if wordnet_origin(wordnet).version != "3.0":
        pytest.skip(f"{wordnet} is not WordNet 3.0")
    lemmas = wordnet_entries(wordnet)
    assert (len(lemmas), len({lemma.lower() for lemma in lemmas})) == (148_730, 147_306)
    assert len({*wordnet_entries(wordnet, "upstream"), *map(str, range(100))}) == 86_654


@pytest.mark.slow  # may fetch a package
def test_shipped_list_equals_the_lemmas_of_wordnet(wordnet):
    """The list in the repository has the same entries in the same order."""
    if wordnet_origin(wordnet).version != "3.0":
        pytest.skip(f"{wordnet} is not WordNet 3.0")
    assert load_metadata(ROOT / "metadata" / "wordnet.json.gz").entries == tuple(wordnet_entries(wordnet))
