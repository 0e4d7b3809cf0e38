"""Words and bigrams of a Wikipedia in another language, from a small generated dump to a list."""

from __future__ import annotations

import bz2
from collections import Counter
from pathlib import Path
from xml.sax.saxutils import escape

import pytest

pytest.importorskip("mwparserfromhell", reason="mwparserfromhell is not installed (pip install '.[wikipedia]')")

from metaclip_spark.metadata.dumps import find_dumps, splits_of
from metaclip_spark.metadata.shipped import shipped_languages
from metaclip_spark.metadata.wikipedia import BIGRAM, WORD, count_split
from metaclip_spark.metadata.worldwide.languages import read_languages
from metaclip_spark.metadata.worldwide.recipe import LanguageRecipe, build_language

GERMAN = "Der '''Hund''' läuft. Der Hund, der [[Hund (Tier)|Hund]] schläft.<ref>Ein Buch</ref>"
THAI = "'''แมว'''สองตัว หมาสองตัว (แมว)"


def dump(path: Path, *texts: str) -> Path:
    """Write a dump with one article per text."""
    pages = "".join(
        f"<page><title>P{at}</title><ns>0</ns><revision><model>wikitext</model><text>{escape(text)}</text></revision></page>"
        for at, text in enumerate(texts)
    )
    path.write_bytes(bz2.compress(f"<mediawiki>{pages}</mediawiki>\n".encode()))
    return path


def counted(path: Path, language: str | None) -> tuple[Counter, Counter]:
    """Return words and bigrams, over splits of 40 bytes."""
    totals = {WORD: Counter(), BIGRAM: Counter()}
    for split in splits_of(find_dumps([str(path)]), 40):
        for batch in count_split(split, 5, language):
            for kind, gram, count in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                totals.setdefault(kind, Counter())[gram] += count
    return totals[WORD], totals[BIGRAM]


def test_a_language_with_spaces(tmp_path):
    """A full stop and a comma end a run."""
    words, bigrams = counted(dump(tmp_path / "dewiki.xml.bz2", GERMAN, GERMAN), "de")
    assert words == {"Der": 4, "Hund": 6, "läuft": 2, "der": 2, "schläft": 2}
    assert bigrams == {"Der Hund": 4, "Hund läuft": 2, "der Hund": 2, "Hund schläft": 2}


def test_a_language_without_spaces(tmp_path):
    """ICU's words; white space ends a run."""
    pytest.importorskip("icu4py", reason="icu4py is not installed (pip install '.[segmenters]')")
    words, bigrams = counted(dump(tmp_path / "thwiki.xml.bz2", THAI, THAI, THAI), "th")
    assert words == {"แมว": 6, "สอง": 6, "ตัว": 6, "หมา": 3}
    assert bigrams == {"แมว สอง": 3, "สอง ตัว": 6, "หมา สอง": 3}


def test_english_is_counted_as_before(tmp_path):
    """Without a language, marks inside a word stay; with one, they are tokens of their own."""
    path = dump(tmp_path / "enwiki.xml.bz2", "I don't know AC/DC")
    assert counted(path, None)[0] == {"I": 1, "don't": 1, "know": 1, "AC/DC": 1}
    assert counted(path, "simple")[0] == {"I": 1, "don": 1, "t": 1, "know": 1, "AC": 1, "DC": 1}


def test_counts_become_a_list(tmp_path):
    """The counts of the Thai dump, in the files of `metadata count-words`, give a list with joined bigrams."""
    pytest.importorskip("icu4py", reason="icu4py is not installed (pip install '.[segmenters]')")
    words, bigrams = counted(dump(tmp_path / "thwiki.xml.bz2", *[THAI] * 30), "th")
    folder = tmp_path / "counts" / "th"
    folder.mkdir(parents=True)
    for name, counts in (("words.tsv", words), ("bigrams.tsv", bigrams)):
        (folder / name).write_text("".join(f"{gram}\t{count}\n" for gram, count in counts.items()), encoding="utf-8")
    recipe = LanguageRecipe(numbers=1, unigram_share=0.25, min_score=5)
    languages = read_languages(shipped_languages())
    built = build_language("th", tmp_path / "counts", tmp_path / "out", recipe, languages)
    # A quarter of four words is one. Counts are 60, 60, 60, 30 of 210, so PMIs are 0.8, 1.8 and 1.8, PMI30 is 1.4, and
    # the scores of the last two are 61^0.7 * 0.4 = 7.1 and 31^0.7 * 0.4 = 4.4.
    assert built.metadata.entries == ("0", "ตัว", "สองตัว")
