"""The verbs with a list for each language, without Spark: the same rows as one process gives."""

from __future__ import annotations

import math

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import reference_worldwide as reference
from reference import Row, spaced
from worldwide_pool import CODES, LISTS, rows_for, write_lists

import metaclip_spark as mc
from metaclip_spark.core.worldwide.thresholds import FRACTIONS
from metaclip_spark.errors import ConfigError, InputError

LIST_OF = {**CODES, "und": "other"}


@pytest.fixture(scope="module")
def lists(tmp_path_factory):
    """Return the lists of a folder."""
    return mc.load_worldwide(write_lists(tmp_path_factory.mktemp("lists") / "lists"))


@pytest.fixture(scope="module")
def pool():
    """Return a pool without repeats."""
    rows = list({row[:2]: row for row in rows_for("one", 1200, 1)}.values())
    return pa.table(dict(zip(("url", "text", "lang"), map(list, zip(*rows, strict=True)), strict=True)))


def expected(pool, **how):
    """Return what one process makes of the pool."""
    rows = [(Row("a", "", "text", row["url"], row["text"]), row["lang"]) for row in pool.to_pylist()]
    return reference.curate(rows, LISTS, LIST_OF, **how)


def keys_of(table):
    """Return the pair_id of each row."""
    return [reference.keys_of(Row("a", "", "text", row["url"], row["text"]))[0] for row in table.to_pylist()]


@pytest.mark.parametrize("engine", ["auto", "phrases", "ahocorasick", "naive"])
def test_match_uses_the_list_of_each_text(pool, lists, engine):
    """Ids are those of the lists one after the other; a language without a list matches nothing."""
    matched = mc.match(pool, lists, lang_column="lang", engine=engine)
    right = expected(pool)
    for pair, ids in zip(keys_of(pool), matched["entry_ids"].to_pylist(), strict=True):
        assert ids == right.entry_ids.get(pair, [])
    rows = pa.table({"text": [None, "a dog", "dog"], "lang": ["en", None, "tlh"]})
    found = mc.match(rows, lists, lang_column="lang", engine=engine)["entry_ids"].to_pylist()
    start, _ = lists.sections.range("other")
    assert found == [None, [start], []]


@pytest.mark.parametrize(
    "how",
    [
        {"tail_fraction": 0.2},
        {"threshold": 40, "seed": 3},
        {"tail_fraction": 0.1, "language_thresholds": {"zh": 5, "en": 30}},
    ],
)
def test_curate_equals_one_process(pool, lists, how):
    """Rows, probabilities and draws are those of the reference."""
    curated = mc.curate(pool, lists, lang_column="lang", **how)
    given = {"given" if name == "language_thresholds" else name: value for name, value in how.items()}
    right = expected(pool, **given)
    found = zip(keys_of(curated), curated["sampling_probability"].to_pylist(), curated["draw"].to_pylist(), strict=True)
    assert {pair: (p, u) for pair, p, u in found} == right.kept


def test_counts_have_the_entry_and_its_language(pool, lists):
    """Probabilities have the t of each language, and `balance` takes them."""
    matched = mc.match(pool, lists, lang_column="lang")
    counts = mc.count_entries(matched, lists)
    right = expected(pool, tail_fraction=0.2)
    assert dict(zip(counts["entry_id"].to_pylist(), counts["count"].to_pylist(), strict=True)) == right.counts
    for row in counts.to_pylist():
        start, _ = lists.sections.range(row["lang"])
        assert LISTS[row["lang"]][row["entry_id"] - start] == row["entry"]
    chances = mc.language_probabilities(counts, lists, tail_fraction=0.2)
    assert {row["lang"]: row["threshold"] for row in chances.to_pylist()} == {
        lang: t for lang, t in right.thresholds.items() if lang in counts["lang"].to_pylist()
    }
    assert set(keys_of(mc.balance(matched, chances))) == set(right.kept)


def test_wrong_arguments_say_what_is_missing(pool, lists):
    """Lists of languages need the languages; one list takes none."""
    with pytest.raises(ConfigError, match="the lists of languages need lang_column"):
        mc.match(pool, lists)
    with pytest.raises(ConfigError, match="lang_column is for the lists of languages"):
        mc.match(pool, ["dog"], lang_column="lang")
    with pytest.raises(InputError, match="code"):
        mc.match(pool, lists, lang_column="code")
    with pytest.raises(ConfigError, match="language_thresholds is for the lists of languages"):
        mc.curate(pool, ["dog"], threshold=2, language_thresholds={"en": 2})
    with pytest.raises(ConfigError, match="both choose t"):
        mc.curate(pool, lists, lang_column="lang", threshold=2, tail_fraction=0.1)
    with pytest.raises(ConfigError, match="explain: the lists of languages need lang_column"):
        mc.explain(pool, lists)
    with pytest.raises(ConfigError, match="explain: lang_column is for the lists of languages"):
        mc.explain(pool, ["dog"], lang_column="lang")
    with pytest.raises(InputError, match="explain: column 'code' is missing"):
        mc.explain(pool, lists, lang_column="code")


def test_wrong_counts_and_t_are_refused(pool, lists):
    """Counts of other lists, several t of a language, and one t for all languages."""
    matched = mc.match(pool, lists, lang_column="lang")
    counts = mc.count_entries(matched, lists)
    chances = mc.language_probabilities(counts, lists)
    beyond = pa.table({"entry_id": [10_000], "count": [1], "threshold": [1]})
    moved = counts.set_column(0, "entry_id", pa.array([at + 1 for at in counts["entry_id"].to_pylist()], pa.int32()))
    for wrong, sentence in ((beyond, "got counts of entry 10,000"), (moved, "of the counts is of the language 'de'")):
        with pytest.raises(InputError, match=f"language_probabilities: .*{sentence}"):
            mc.language_probabilities(wrong, lists)
        with pytest.raises(InputError, match=f"sweep: .*{sentence}"):
            mc.sweep(matched, wrong, metadata=lists)
    with pytest.raises(InputError, match="explain: got counts of entry 10,000"):
        mc.explain(pool, lists, beyond, lang_column="lang")
    with pytest.raises(InputError, match=r"column 'threshold' is missing.*language_probabilities\(counts"):
        mc.explain(pool, lists, counts, lang_column="lang")
    with pytest.raises(InputError, match="an entry has several t, expected one; keep the rows of one run_id"):
        mc.explain(pool, lists, pa.concat_tables([chances, chances]), lang_column="lang")
    t = [at + 1 for at in range(chances.num_rows)]
    several = chances.set_column(chances.column_names.index("threshold"), "threshold", pa.array(t))
    with pytest.raises(InputError, match="t = 1 and t = 2 for the language 'de', expected one t"):
        mc.explain(pool, lists, several, lang_column="lang")
    with pytest.raises(ConfigError, match="each language has its t, so the lists of languages take no threshold;"):
        mc.explain(pool, lists, chances, threshold=5, lang_column="lang")
    with pytest.raises(ConfigError, match="so the lists of languages take no thresholds"):
        mc.sweep(matched, counts, [5], metadata=lists)
    for how in ({"tail_fractions": [0.1]}, {"language_thresholds": {"en": 5}}):
        for metadata in (None, ["dog"]):
            with pytest.raises(ConfigError, match="are for the lists of languages"):
                mc.sweep(matched, counts, metadata=metadata, **how)
    for fractions in ([], [0.1, 1], [0], [float("nan")]):
        with pytest.raises(ConfigError, match="tail_fractions must be numbers between 0 and 1, got"):
            mc.sweep(matched, counts, metadata=lists, tail_fractions=fractions)
    with pytest.raises(ConfigError, match="t is given for tlh, which the lists do not have; they are de, en"):
        mc.sweep(matched, counts, metadata=lists, language_thresholds={"tlh": 5})
    for call in (
        mc.language_probabilities,
        lambda *args, thresholds: mc.curate(pool, lists, lang_column="lang", language_thresholds=thresholds),
    ):
        with pytest.raises(ConfigError, match="threshold must be an integer >= 1, got 0"):
            call(counts, lists, thresholds={"en": 0})


def chance(right, pair):
    """Return the sampling probability of a pair in one process."""
    missed = 1.0
    for entry in right.entry_ids[pair]:
        missed *= 1.0 - right.entry_probabilities[entry]
    return 1.0 - missed


@pytest.mark.parametrize("given", [None, {"zh": 5, "en": 30}])
@pytest.mark.parametrize("kind", [pa.table, pd.DataFrame, pl.DataFrame], ids=["pyarrow", "pandas", "polars"])
def test_sweep_equals_one_process_at_each_tail_fraction(pool, lists, given, kind):
    """Sizes, deviations, and head and tail are those of the reference at the t of each language."""
    matched = mc.match(pool, lists, lang_column="lang")
    counts = mc.count_entries(matched, lists)
    fractions = [0.3, 0.05, 0.2]
    swept = mc.sweep(
        kind(matched.to_pydict()),
        kind(counts.to_pydict()),
        metadata=lists,
        tail_fractions=fractions,
        language_thresholds=given,
    )
    assert swept["fraction"].to_pylist() == sorted(fractions)
    langs = dict(zip(counts["entry_id"].to_pylist(), counts["lang"].to_pylist(), strict=True))
    for row in swept.to_pylist():
        right = expected(pool, tail_fraction=row["fraction"], given=given)
        assert dict(row["thresholds"]) == right.thresholds
        assert row["threshold"] == right.thresholds["en"]
        chances = [chance(right, pair) for pair in right.pairs]
        assert row["expected_size"] == pytest.approx(math.fsum(chances), rel=1e-14)
        assert row["expected_sd"] == pytest.approx(math.sqrt(math.fsum(p * (1 - p) for p in chances)), rel=1e-13)
        head = [count for at, count in right.counts.items() if count >= right.thresholds[langs[at]]]
        total = sum(right.counts.values())
        assert (row["entries_head"], row["counts_head"]) == (len(head), sum(head))
        assert (row["entries_tail"], row["counts_tail"]) == (len(right.counts) - len(head), total - sum(head))
        assert row["tail_fraction"] == (total - sum(head)) / total


def test_sweep_has_the_default_fractions_of_the_command(pool, lists):
    """Without fractions, those of the command; a smaller t of a language changes no other language."""
    matched = mc.match(pool, lists, lang_column="lang")
    counts = mc.count_entries(matched)
    swept = mc.sweep(matched, counts, metadata=lists)
    assert swept["fraction"].to_pylist() == list(FRACTIONS)
    lower = mc.sweep(matched, counts, metadata=lists, language_thresholds={"ja": 1})
    for one, other in zip(swept["thresholds"].to_pylist(), lower["thresholds"].to_pylist(), strict=True):
        assert {**dict(one), "ja": 1} == dict(other)


def found_in(text, entry):
    """Return the positions of an entry in a spaced text, by the edge rule."""
    needle = reference.needle(entry)
    shift = 0 if reference.is_edge(entry[0]) else 1
    return [at + shift for at in range(len(text)) if text.startswith(needle, at)]


@pytest.mark.parametrize("kind", [pa.table, pd.DataFrame, pl.DataFrame], ids=["pyarrow", "pandas", "polars"])
def test_explain_equals_one_process(pool, lists, kind):
    """List, t, matches, positions, counts, probability, draw and verdict of each row."""
    counts = mc.count_entries(mc.match(pool, lists, lang_column="lang"))
    how = {"tail_fraction": 0.2, "given": {"zh": 4}}
    chances = mc.language_probabilities(counts, lists, tail_fraction=0.2, thresholds={"zh": 4})
    right = expected(pool, seed=7, **how)
    starts = {name: lists.sections.range(name)[0] for name in LISTS}
    rows = mc.explain(kind(pool.to_pydict()), lists, kind(chances.to_pydict()), seed=7, lang_column="lang").to_pylist()
    verdicts = set()
    for row, pair in zip(rows, keys_of(pool), strict=True):
        name = LIST_OF.get(row["lang"])
        counted = name is not None and any(
            lists.sections.index_of([at])[0] == sorted(LISTS).index(name) for at in right.counts
        )
        assert row["list_lang"] == name
        assert row["threshold"] == (right.thresholds[name] if counted else None)
        assert row["spaced"] == spaced(row["text"])
        ids = right.entry_ids.get(pair, [])
        assert [match["entry_id"] for match in row["matches"]] == ids
        for match in row["matches"]:
            at = match["entry_id"]
            assert match["entry"] == LISTS[name][at - starts[name]]
            assert match["positions"] == found_in(row["spaced"], match["entry"]) != []
            assert match["count"] == right.counts[at]
            assert match["part"] == ("head" if right.counts[at] >= right.thresholds[name] else "tail")
            assert match["probability"] == right.entry_probabilities[at]
        assert row["sampling_probability"] == (chance(right, pair) if ids else 0.0)
        if pair in right.kept:
            assert (row["sampling_probability"], row["draw"]) == right.kept[pair]
        assert row["verdict"].startswith("kept") == (pair in right.kept)
        verdicts.add(row["verdict"])
    assert verdicts == {
        "kept: the draw is below the sampling probability",
        "dropped: the draw is not below the sampling probability",
        "dropped: the text matches no entry",
        "dropped: the language is 'tlh', for which there is no list",
    }


def test_explain_without_counts_has_the_matches_alone(lists):
    """A null language has the list of unknown ones; a null text has no matches; a list without counts has no t."""
    rows = pa.table({"text": ["a dog", None, "猫", "dog"], "lang": [None, "en", "ja", "xx"]})
    found = mc.explain(rows, lists, lang_column="lang").to_pylist()
    assert [row["list_lang"] for row in found] == ["other", "en", "ja", None]
    assert [row["matches"] and [match["entry"] for match in row["matches"]] for row in found] == [
        ["dog"],
        None,
        ["猫"],
        [],
    ]
    assert {(row["threshold"], row["sampling_probability"], row["draw"]) for row in found} == {(None, None, None)}
    assert found[0]["verdict"] == "matches 1 entry; counts and t decide"
    start, _ = lists.sections.range("en")
    counts = pa.table({"entry_id": [start], "count": [3], "threshold": [2]})
    found = mc.explain(rows, lists, counts, lang_column="lang").to_pylist()
    assert [row["threshold"] for row in found] == [None, 2, None, None]
    assert [(match["count"], match["part"], match["probability"]) for match in found[2]["matches"]] == [
        (0, "tail", 1.0)
    ]


@pytest.mark.parametrize("engine", ["phrases", "ahocorasick", "naive"])
def test_a_list_may_turn_on_a_switch_of_its_own(tmp_path, pool, engine):
    """Kana at the edges of Japanese entries match inside a sentence; every other list matches as before."""
    plain = mc.load_worldwide(write_lists(tmp_path / "plain"))
    switched = mc.load_worldwide(write_lists(tmp_path / "on", switches={"ja": ["kana_hangul_edges"]}))
    assert plain.metadata_id != switched.metadata_id
    texts = pa.table({"text": ["黒いぬが", "a dog", "一只猫"], "lang": ["ja", "en", "zh"]})
    before, after = (
        mc.match(texts, lists, lang_column="lang", engine=engine)["entry_ids"].to_pylist()
        for lists in (plain, switched)
    )
    start, _ = plain.sections.range("ja")
    assert (before[0], after[0]) == ([], [start + LISTS["ja"].index("いぬ")])
    assert before[1:] == after[1:] != [[], []]


def test_explain_follows_the_switches_of_a_list(tmp_path):
    """The spaced text and the positions are those that the list's switches give; other lists change nothing."""
    switches = {"ja": ["kana_hangul_edges", "pad_punctuation"], "de": ["zero_width", "nfc"]}
    lists = mc.load_worldwide(write_lists(tmp_path / "on", switches=switches))
    texts = ["黒いぬ。いぬ", "ein\u200bHu\u200cnd", "Strasse und Stra\u00dfe", "a dog\u200b"]
    rows = pa.table({"text": texts, "lang": ["ja", "de", "de", "en"]})
    found = mc.explain(rows, lists, lang_column="lang").to_pylist()
    assert [row["spaced"] for row in found] == [
        " 黒いぬ 。 いぬ ",
        " ein Hund ",
        " Strasse und Straße ",
        " a dog\u200b ",
    ]
    assert [{match["entry"]: match["positions"] for match in row["matches"]} for row in found] == [
        {"いぬ": [2, 7]},
        {"ein": [1], "Hund": [5], "ein Hund": [1]},
        {"und": [9], "Straße": [13]},
        {"a": [1]},
    ]
