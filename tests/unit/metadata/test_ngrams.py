"""Words and bigrams as sources: minimum counts, ranks, and NLTK's PMI."""

from __future__ import annotations

import bz2
import gzip
import importlib.util
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaclip_spark.errors import MetadataError
from metaclip_spark.metadata.counts import Bigram, read_bigrams, read_counts
from metaclip_spark.metadata.files import input_files
from metaclip_spark.metadata.ngrams import RankedEntry, bigram_entries, pmi, unigram_entries


def words_of(ranking) -> list[str]:
    """Return the entries of a ranking in order."""
    return [entry for entry, _ in ranking.entries]


def test_words_over_the_minimum_are_ranked_by_count():
    """A count of 100 is enough, 99 is not; words with equal counts are in the order of code points."""
    ranking = unigram_entries({"cat": 100, "the": 900, "rare": 99, "ant": 100})
    assert ranking.entries == [RankedEntry("the", 900), RankedEntry("ant", 100), RankedEntry("cat", 100)]
    assert (ranking.candidates, ranking.excluded) == (4, {"count under 100": 1})


def test_both_cases_put_the_capitalized_form_after_its_word():
    """A word that has no capitalized form, or is capitalized already, is listed once."""
    ranking = unigram_entries({"the": 900, "4x4": 800, "New": 700, "éclair": 600}, case="both")
    assert words_of(ranking) == ["the", "The", "4x4", "New", "éclair", "Éclair"]


@given(st.integers(1, 10**12), st.integers(0, 10**12), st.integers(0, 10**12), st.integers(1, 10**13))
def test_pmi_is_the_logarithm_of_the_lift(count, more_first, more_second, total):
    """The PMI is log2 of how many times more often the two words occur together than by chance."""
    first, second = count + more_first, count + more_second
    expected = math.log2(count) + math.log2(total) - math.log2(first) - math.log2(second)
    assert pmi(count, first, second, total) == pytest.approx(expected, abs=1e-9)


def test_pmi_of_words_that_only_occur_together_measures_how_rare_they_are():
    """The PMI is at most log2(total / count), so a minimum of 30 needs more than 2^30 words."""
    assert pmi(8, 8, 8, 1024) == 7.0
    assert pmi(1, 1, 1, 2**30) == 30.0


BIGRAMS = [Bigram("new", "york", 8), Bigram("of", "the", 16), Bigram("hong", "kong", 2), Bigram("no", "count", 5)]
COUNTS = {"new": 64, "york": 8, "of": 128, "the": 256, "hong": 2, "kong": 2, "count": 564}


def test_bigrams_are_ranked_by_pmi_and_scored_with_it():
    """The rarest bigram whose words only occur together comes first."""
    ranking = bigram_entries(BIGRAMS, COUNTS, min_pmi=None, total=1024)
    assert ranking.entries == [RankedEntry("hong kong", 9.0), RankedEntry("new york", 4.0), RankedEntry("of the", -1.0)]
    assert (ranking.candidates, ranking.excluded) == (4, {"a word without a count": 1})


def test_minimum_pmi_and_best_exclude_bigrams():
    """The minimum is in bits and inclusive; `best` applies after it."""
    ranking = bigram_entries(BIGRAMS, COUNTS, min_pmi=4.0, total=1024)
    assert words_of(ranking) == ["hong kong", "new york"]
    assert ranking.excluded == {"a word without a count": 1, "PMI under 4": 1}
    ranking = bigram_entries(BIGRAMS, COUNTS, min_pmi=None, best=1, total=1024)
    assert words_of(ranking) == ["hong kong"]
    assert ranking.excluded == {"a word without a count": 1, "not among the best": 2}


def test_the_papers_minimum_excludes_every_common_bigram():
    """By default a bigram needs 30 bits, which no bigram of so small a corpus can reach."""
    assert words_of(bigram_entries(BIGRAMS, COUNTS)) == []
    assert words_of(bigram_entries([Bigram("a", "b", 1)], {"a": 1, "b": 1}, total=2**30)) == ["a b"]


def test_bigram_in_several_lines_is_summed():
    """Counts that ignore case have several lines per bigram, such as those of `Of the` and `of the`."""
    twice = [Bigram("of", "the", 6), Bigram("of", "the", 10)]
    ranking = bigram_entries(twice, COUNTS, min_pmi=None, total=1024)
    assert ranking.entries == [RankedEntry("of the", -1.0)]
    assert ranking.excluded == {"repeated (summed)": 1}


def test_total_is_the_sum_of_all_words():
    """The default total is the sum of all counts."""
    assert sum(COUNTS.values()) == 1024
    assert bigram_entries(BIGRAMS, COUNTS, None).entries == bigram_entries(BIGRAMS, COUNTS, None, total=1024).entries


def test_counts_are_summed_over_lines_files_and_compressions(tmp_path):
    """A folder names its files; Spark's own files are skipped."""
    (tmp_path / "a.tsv").write_bytes("cat\t3\r\nthe\t10\nnaïve\t1\n".encode())
    (tmp_path / "b.tsv.gz").write_bytes(gzip.compress(b"cat\t4\n\n"))
    (tmp_path / "c.tsv.bz2").write_bytes(bz2.compress(b"dog\t0"))
    (tmp_path / "_SUCCESS").write_text("")
    (tmp_path / "a.tsv.source.json").write_text("{}")
    files = input_files([tmp_path], "--unigrams")
    assert [file.name for file in files] == ["a.tsv", "b.tsv.gz", "c.tsv.bz2"]
    assert read_counts(files) == {"cat": 7, "the": 10, "naïve": 1, "dog": 0}


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"cat\t3\nthe 10\n", "line 2 is 'the 10', expected one TAB and a whole number"),
        (b"cat\t-3\n", "line 1 is 'cat\\t-3', expected a count that is not negative"),
        (b"cat\t3.5\n", "line 1 is 'cat\\t3.5', expected one TAB and a whole number"),
        (b"cat\t3\t4\n", "line 1 is 'cat\\t3\\t4', expected one TAB and a whole number"),
        (b"\t3\n", "line 1 is '\\t3', expected one TAB and a whole number"),
        (b"\x00\xff\x10rubbish", "line 1 is '\\x00\\\\xff\\x10rubbish', expected one TAB and a whole number"),
        (b"\xff\t3\n", "line 1 is '\\\\xff\\t3', expected UTF-8"),
    ],
)
def test_line_that_is_not_a_count_is_named(tmp_path, content, fault):
    """The error for wrong columns, negative counts and binary data names the line."""
    path = tmp_path / "words.tsv"
    path.write_bytes(content)
    with pytest.raises(MetadataError) as caught:
        read_counts([path])
    assert str(caught.value) == (
        f"{path}: {fault} (word<TAB>count on each line); check the file and the flag that names it."
    )


@pytest.mark.parametrize("line", ["york\t3", "new york city\t3", " york\t3", "new \t3", "new  york\t3"])
def test_line_that_is_not_a_bigram_is_named(tmp_path, line):
    """A bigram is two words with one space between them."""
    path = tmp_path / "bigrams.tsv"
    path.write_text(line + "\n")
    with pytest.raises(MetadataError, match=r"bigrams\.tsv: line 1 is .*, expected two words with one space"):
        list(read_bigrams([path]))


def test_empty_counts_are_refused(tmp_path):
    """A file without lines is an error, not an empty source."""
    (tmp_path / "words.tsv").write_text("\n")
    with pytest.raises(MetadataError, match=r"words\.tsv: no word is counted, expected lines of word<TAB>count; check"):
        read_counts([tmp_path / "words.tsv"])


def test_damaged_and_missing_inputs_are_refused(tmp_path):
    """A truncated file raises an error; it does not count as a shorter file."""
    for name, whole in (("cut.tsv.gz", gzip.compress(b"cat\t3\n" * 999)), ("cut.bz2", bz2.compress(b"cat\t3\n" * 999))):
        (tmp_path / name).write_bytes(whole[:-9])
        with pytest.raises(
            MetadataError, match=r"cut\.\S+: cannot be read to its end \(.+\); fetch or create the file ag"
        ):
            read_counts([tmp_path / name])
    (tmp_path / "plain.gz").write_bytes(b"cat\t3\n")
    with pytest.raises(
        MetadataError, match=r"plain\.gz: ends in \.gz, but is not gz data \(starts with b'cat'\); fetch"
    ):
        read_counts([tmp_path / "plain.gz"])
    with pytest.raises(MetadataError, match=r"absent: no such file; check --unigrams\."):
        input_files([tmp_path / "absent"], "--unigrams")
    (tmp_path / "folder").mkdir()
    with pytest.raises(MetadataError, match=r"folder: the folder contains no file to read; check --bigrams\."):
        input_files([tmp_path / "folder"], "--bigrams")


def require(name: str) -> Path:
    """Return the folder of an installed package; skip the test if it is not installed."""
    spec = importlib.util.find_spec(name)
    if spec is None:
        reason = f"{name} is not installed (pip install '.[metadata]')"
        print(reason)
        pytest.skip(reason)
    return Path(spec.origin).parent


@pytest.mark.slow
def test_wordsegments_bigrams_are_ranked_as_nltk_ranks_them():
    """The PMI of each of 286,358 real bigrams equals NLTK's, and so does their order."""
    require("nltk")
    from nltk.collocations import BigramAssocMeasures, BigramCollocationFinder
    from nltk.probability import FreqDist

    folder = require("wordsegment")
    bigrams = list(read_bigrams([folder / "bigrams.txt"]))
    counts = read_counts([folder / "unigrams.txt"])
    assert (len(bigrams), len(counts)) == (286_358, 333_213)
    ranking = bigram_entries(bigrams, counts, min_pmi=None)
    assert ranking.excluded == {"a word without a count": 8_911, "repeated (summed)": 27_919}

    pairs = FreqDist()
    for first, second, count in bigrams:
        if first in counts and second in counts:
            pairs[first, second] += count
    finder = BigramCollocationFinder(FreqDist(counts), pairs)
    nltk_scores = {" ".join(pair): score for pair, score in finder.score_ngrams(BigramAssocMeasures.pmi)}
    assert dict(ranking.entries) == nltk_scores
    scores = [score for _, score in ranking.entries]
    assert all(after <= before + 1e-9 for before, after in zip(scores, scores[1:], strict=False))
