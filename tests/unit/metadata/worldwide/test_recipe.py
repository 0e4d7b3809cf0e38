"""The order and the quotas of a language's list, what is left out, and how Wikipedias merge."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest

from metaclip_spark.cli import main
from metaclip_spark.errors import MetadataError
from metaclip_spark.metadata import load_metadata
from metaclip_spark.metadata.shipped import shipped_languages
from metaclip_spark.metadata.titles import read_all_pageviews
from metaclip_spark.metadata.worldwide.languages import read_languages
from metaclip_spark.metadata.worldwide.recipe import LanguageRecipe, build_language, chosen_lists

LANGUAGES = read_languages(shipped_languages())


def write(folder, **files):
    """Write `name__ext=lines` as the inputs of a language."""
    folder.mkdir(parents=True)
    for name, lines in files.items():
        text = "".join(f"{line}\n" for line in lines)
        (folder / name.replace("__", ".")).write_text(text, encoding="utf-8")


def built(tmp_path, name="fi", **settings):
    recipe = LanguageRecipe(**{"numbers": 2, **settings})
    return build_language(name, tmp_path / "in", tmp_path / "out", recipe, LANGUAGES)


def words(number, first=1000):
    return [f"w{at:03}\t{first - at}" for at in range(number)]


def test_the_order_is_numbers_wordnet_words_bigrams_titles(tmp_path):
    """Names of other lexicons follow WordNet. Each entry stands where it first appears."""
    write(
        tmp_path / "in" / "fi",
        wordnet__txt=["koira", "w000", "musta_kissa", "puna+inen", "  "],
        names__txt=["kissa", "koira"],
        words__tsv=[*words(30), "kissa\t5000"],
        bigrams__tsv=["w000 w001\t900", "w001 w002\t500"],
        titles__tsv=["Helsinki\t90", "Talk:Helsinki\t95", "Musta_kissa\t10", "w001\t5"],
    )
    list_of = built(tmp_path, min_score=-1e9, title_share=1)
    assert list_of.metadata.entries == (
        *("0", "1", "koira", "w000", "musta kissa", "punainen", "kissa"),
        *("w001", "w002", "w003"),
        *("w000 w001", "w001 w002"),
        *("Helsinki", "Musta kissa"),
    )
    assert load_metadata(tmp_path / "out" / "fi.json.gz") == list_of.metadata
    sidecar = json.loads((tmp_path / "out" / "fi.sidecar.json").read_text())
    assert [(source["first_id"], source["taken"]) for source in sidecar["sources"]] == [
        *((0, 2), (2, 4), (6, 1), (7, 3), (10, 2), (12, 2))
    ]
    assert sidecar["sources"][-1]["cut"] == {"a title with ':'": 1, "brought by an earlier source": 1}
    assert sidecar["parameters"]["bigram_score"] == "metaclip2"
    table = pq.read_table(tmp_path / "out" / "fi.provenance.parquet").to_pydict()
    assert table["source"][2:7] == ["wordnet"] * 4 + ["names"]


def test_a_quota_counts_only_new_entries(tmp_path):
    """A tenth of 100 words is 10: those that WordNet has already do not use the quota up."""
    write(tmp_path / "in" / "fi", wordnet__txt=[f"w{at:03}" for at in range(0, 8)], words__tsv=words(100))
    list_of = built(tmp_path)
    assert [entry for entry in list_of.metadata.entries[10:]] == [f"w{at:03}" for at in range(8, 18)]
    assert [counts.taken for counts in list_of.source_counts] == [2, 8, 10]


@pytest.mark.parametrize(
    ("distinct", "settings", "taken"),
    [(100, {}, 10), (109, {}, 10), (9, {}, 0), (100, {"best_unigrams": 7}, 7), (100, {"unigram_share": 1}, 100)],
)
def test_words_are_the_top_tenth_up_to_the_maximum(tmp_path, distinct, settings, taken):
    """The tenth is of the distinct words, rounded down."""
    write(tmp_path / "in" / "fi", words__tsv=words(distinct))
    assert built(tmp_path, **settings).source_counts[1].taken == taken


@pytest.mark.parametrize(
    ("distinct", "settings", "taken"), [(100, {}, 76), (10, {}, 7), (100, {"best_titles": 5}, 5), (1, {}, 0)]
)
def test_titles_are_76_percent_up_to_the_maximum(tmp_path, distinct, settings, taken):
    """Titles with a colon are not among the distinct titles; views of two forms of a title are added."""
    titles = [f"T_{at:03}\t{500 - at}" for at in range(distinct)]
    write(tmp_path / "in" / "fi", titles__tsv=[*titles, "A:b\t9", "C:d\t9", "T 000\t1"])
    list_of = built(tmp_path, **settings)
    assert list_of.source_counts[1].taken == taken
    assert list_of.metadata.entries[2:] == tuple(f"T {at:03}" for at in range(taken))


def test_bigrams_have_a_maximum_beyond_those_of_earlier_sources(tmp_path):
    """The best bigram is WordNet's already, so the next two are taken."""
    counts = [f"{word}\t100" for word in "abcdef"] + ["z\t100000"]
    write(
        tmp_path / "in" / "fi",
        wordnet__txt=["a_b"],
        words__tsv=counts,
        bigrams__tsv=["a b\t90", "c d\t80", "e f\t70", "f e\t60", "z a\t1", "z b\t1"],
    )
    list_of = built(tmp_path, best_bigrams=2, unigram_share=0)
    assert list_of.metadata.entries == ("0", "1", "a b", "c d", "e f")


def test_a_language_without_spaces_joins_its_bigrams(tmp_path):
    """Thai without a space, Tibetan with the mark between syllables."""
    counts = [f"{word}\t100" for word in "กขคง"] + ["z\t100000"]
    bigrams = ["ก ข\t90", "ค ง\t80", "z ก\t1", "ข z\t1"]
    for code, entries in (("th", ("กข", "คง")), ("bo", ("ก་ข", "ค་ง")), ("fi", ("ก ข", "ค ง"))):
        write(tmp_path / "in" / code, words__tsv=counts, bigrams__tsv=bigrams)
        assert built(tmp_path, code, unigram_share=0).metadata.entries[2:] == entries
        with_pmi = built(tmp_path, code, unigram_share=0, bigram_score="pmi", best_bigrams=2)
        assert with_pmi.metadata.entries[2:] == entries


def test_punctuation_alone_and_long_entries_are_left_out(tmp_path):
    """Over 256 characters are left out, but not in WordNet; punctuation also is that of other scripts."""
    long = "x" * 257
    write(
        tmp_path / "in" / "fi",
        wordnet__txt=[f"n{long}", "。", "x" * 256],
        words__tsv=[f"v{long}\t9", "!?\t8", "「」\t7", "ok\t6"],
    )
    list_of = built(tmp_path, unigram_share=1)
    assert list_of.metadata.entries[2:] == (f"n{long}", "x" * 256, "ok")
    assert dict(list_of.source_counts[2].cut) == {"over 256 characters": 1, "punctuation alone": 2}


def test_wikipedias_merge_after_their_own_quotas(tmp_path):
    """zh first, then its merged Wikipedias by name; an entry of both stays where it is. Missing ones are said."""
    write(tmp_path / "in" / "zh", words__tsv=["猫\t9", "犬\t8"])
    write(tmp_path / "in" / "zh_yue", words__tsv=["犬\t9", "嘅\t8", "啲\t7"])
    list_of = built(tmp_path, "zh", unigram_share=1, best_unigrams=2)
    assert list_of.metadata.entries == ("0", "1", "猫", "犬", "嘅")
    assert list_of.without_inputs == ("zh_classical", "zh_min_nan")
    sidecar = json.loads((tmp_path / "out" / "zh.sidecar.json").read_text())
    assert sidecar["parameters"]["wikipedias"] == ["zh", "zh_yue"]
    assert [counts.name for counts in list_of.source_counts] == ["numbers", "words", "zh_yue: numbers", "zh_yue: words"]
    assert [counts.taken for counts in list_of.source_counts] == [2, 2, 0, 1]
    assert list_of.source_counts[3].cut["in the list of an earlier Wikipedia"] == 1


def test_both_cases_follow_the_language(tmp_path):
    """Turkish has a dot on its capital I."""
    write(tmp_path / "in" / "tr", words__tsv=["istanbul\t9", "ırmak\t8", "kedi\t7"])
    list_of = built(tmp_path, "tr", unigram_share=1, word_case="both")
    assert list_of.metadata.entries[2:] == ("istanbul", "İstanbul", "ırmak", "Irmak", "kedi", "Kedi")


def test_page_views_of_all_projects_are_added(tmp_path):
    """Mobile and other projects count; a domain's dash is the code's underscore; bad lines are counted once."""
    dump = tmp_path / "pageviews"
    dump.write_text(
        "zh 猫 5 0\nzh.m 猫 4 0\nzh-yue 嘅 3 0\nfi Koira_a 2 0\nfi.b Koira_a 1 0\n"
        "fi A:b 9 0\nxx y z\nfi bad x 0\nfinn Q 9 0\n"
    )
    read = read_all_pageviews([dump], ["zh", "zh_yue", "fi"])
    assert {code: one.views for code, one in read.by_code.items()} == {
        "zh": {"猫": 9},
        "zh_yue": {"嘅": 3},
        "fi": {"Koira a": 3},
    }
    assert (read.lines, dict(read.rejected)) == (
        9,
        {"not four columns": 1, "a count that is no whole number from 0 on": 1},
    )
    assert read.by_code["fi"].skipped == {"a title with ':'": 1}


def test_the_command_builds_several_lists(tmp_path, capsys):
    """`metadata build --languages`, with page views for all of them, as JSON and as a table."""
    write(tmp_path / "in" / "fi", words__tsv=words(20))
    write(tmp_path / "in" / "th", words__tsv=["แมว\t9"])
    (tmp_path / "pageviews").write_text("fi Koira 5 0\nfi.m Kissa 4 0\nth แมว 3 0\n")
    command = ["metadata", "build", "--languages", "th,fi", "--sources", str(tmp_path / "in"), "--no-provenance"]
    command += ["--output", str(tmp_path / "out"), "--pageviews", str(tmp_path / "pageviews"), "--title-share", "1"]
    assert main([*command, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert [(one["list"], one["entries"]) for one in printed["lists"]] == [("th", 101), ("fi", 104)]
    assert load_metadata(tmp_path / "out" / "fi.json.gz").entries[100:] == ("w000", "w001", "Koira", "Kissa")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        f"{code}.{end}" for code in ("fi", "th") for end in ("json.gz", "sidecar.json")
    )
    assert main([*command, "--languages", "all"]) == 0
    assert "2 lists in" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("fi,xx", "'xx' is the name of no list"),
        ("yue", "'yue' is the name of no list; yue has the list zh"),
        ("en", "en is the list of version 1"),
        ("fi,fi", "fi is given twice"),
        ("sv", "has no folder for sv"),
    ],
)
def test_a_list_that_cannot_be_built_is_refused(tmp_path, wanted, message):
    """Before anything is written."""
    write(tmp_path / "in" / "fi", words__tsv=words(20))
    with pytest.raises(MetadataError, match=message):
        chosen_lists(wanted.split(","), tmp_path / "in", LANGUAGES)
    with pytest.raises(MetadataError, match="no such folder, expected one folder of inputs"):
        chosen_lists(["fi"], tmp_path / "none", LANGUAGES)
    (tmp_path / "empty").mkdir()
    with pytest.raises(MetadataError, match="no folder is named as a language's Wikipedia"):
        chosen_lists(["all"], tmp_path / "empty", LANGUAGES)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"word__tsv": ["a\t1"]}, r"word\.tsv: the name is no input of a language"),
        ({"counts__json": ["{}"]}, "the folder contains no input"),
        ({"bigrams__tsv": ["a b\t1"]}, "needs words.tsv"),
        ({"words__tsv": ["a\t1"], "words__tsv__gz": ["x"]}, r"words\.tsv and words\.tsv\.gz are both words"),
    ],
)
def test_a_faulty_folder_of_inputs_is_refused(tmp_path, files, message):
    """A misspelt name is an error: nothing is left out in silence."""
    write(tmp_path / "in" / "fi", **files)
    with pytest.raises(MetadataError, match=message):
        built(tmp_path)


def test_inputs_in_another_encoding_are_refused(tmp_path):
    """With the number of the line."""
    write(tmp_path / "in" / "fi", words__tsv=words(20))
    (tmp_path / "in" / "fi" / "wordnet.txt").write_bytes(b"koira\n\xe4iti\n")
    with pytest.raises(MetadataError, match=r"wordnet\.txt: line 2 is not UTF-8"):
        built(tmp_path)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--languages fi", "--languages needs --sources"),
        ("--languages fi --sources {in} --wordnet w", "--wordnet is of one list; with --languages use wordnet*.txt"),
        ("--languages fi --sources {in} --min-count 5", "--min-count is of one list"),
        ("--languages fi --sources {in} --budget 5", "--budget is of one list"),
        ("--languages fi --sources {in} --unigram-share 2", "--unigram-share must be in 0 .. 1, got 2.0"),
        ("--languages fi --sources {in} --best-titles -1", "--best-titles must be >= 0, got -1"),
        ("--languages fi --sources {in} --log-base 1", "--log-base must be over 1"),
        ("--languages fi --sources {in} --min-pmi 3", "--min-pmi needs --bigram-score pmi"),
        ("--wordnet w --sources {in}", "--sources is of several lists; give --languages, too"),
        ("--wordnet w --title-share 1", "--title-share is of several lists"),
    ],
)
def test_flags_of_the_other_mode_are_refused(tmp_path, capsys, flags, message):
    """A flag that would mean nothing is an error, and nothing is written."""
    write(tmp_path / "in" / "fi", words__tsv=words(20))
    words_of = [word.format(**{"in": tmp_path / "in"}) for word in flags.split()]
    assert main(["metadata", "build", *words_of, "--output", str(tmp_path / "out")]) != 0
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
