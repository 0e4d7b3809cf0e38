"""The verbs with a list for each language, without Spark: the same rows as one process gives."""

from __future__ import annotations

import pyarrow as pa
import pytest
import reference_worldwide as reference
from reference import Row
from worldwide_pool import CODES, LISTS, rows_for, write_lists

import metaclip_spark as mc
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
    with pytest.raises(ConfigError, match="one entry list is expected here"):
        mc.explain(pool, lists)
    counts = pa.table({"entry_id": [10_000], "count": [1]})
    with pytest.raises(InputError, match="got counts of entry 10,000"):
        mc.language_probabilities(counts, lists)


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
