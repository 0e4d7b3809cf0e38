"""Worldwide curation: every language with its list, its counts and its t equals one process, bit for bit."""

from __future__ import annotations

import json
import shutil

import pytest
import reference_worldwide as reference
from deltalake import DeltaTable
from e2e_world import call, rows_of, write_parquet
from reference import Row
from worldwide_pool import CODES, LISTS, WEIGHTS, rows_for, write_lists

import metaclip_spark as mc

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a folder with lists, and the rows of a pool in two files."""
    root = tmp_path_factory.mktemp("worldwide")
    write_lists(root / "lists")
    rows = rows_for("one", 1200, 1)
    for at, part in enumerate((rows[:700], rows[600:])):  # the files share pairs
        write_parquet(root / "pool" / f"{at}.parquet", part, ("url", "text", "lang"))
    return root


def words(made, warehouse, *more):
    """Return the words of a run."""
    base = ["--input", made / "pool", "--worldwide", "--metadata", made / "lists", "--lang-column", "lang", "--no-lid"]
    return ["run", *base, "--warehouse", warehouse, *more]


def expected(rows, made, list_of=None, **how):
    """Return what one process makes of rows."""
    files = [made / "pool" / "0.parquet"] * len(rows)
    given = [(Row(str(path), "", "text", url, text), code) for (url, text, code), path in zip(rows, files, strict=True)]
    return reference.curate(given, LISTS, list_of or {**CODES, "und": "other"}, **how)


def found(spark, warehouse):
    """Return what the tables have, in the form of the reference."""
    names = sorted(LISTS)
    starts = {name: sum(len(LISTS[other]) for other in names[:at]) for at, name in enumerate(names)}
    pairs = rows_of(spark, warehouse, "pairs", ("pair_id", "list_lang", "entry_ids"))
    counts = rows_of(spark, warehouse, "entry_counts", ("entry_id", "lang", "entry", "count"))
    for entry_id, lang, entry, _ in counts:
        assert LISTS[lang][entry_id - starts[lang]] == entry
    chances = rows_of(spark, warehouse, "entry_probabilities", ("entry_id", "lang", "threshold", "probability"))
    kept = rows_of(spark, warehouse, "curated_pairs", ("pair_id", "sampling_probability", "draw"))
    return {
        "lists": {pair: lang for pair, lang, _ in pairs},
        "entry_ids": {pair: list(ids) for pair, _, ids in pairs},
        "counts": {entry_id: count for entry_id, _, _, count in counts},
        "thresholds": {lang: t for _, lang, t, _ in chances},
        "entry_probabilities": {entry_id: p for entry_id, _, _, p in chances},
        "kept": {pair: (p, u) for pair, p, u in kept},
    }


def assert_equal(spark, warehouse, right):
    """Compare the tables with the reference: pairs, ids, counts, t, probabilities and draws."""
    got = found(spark, warehouse)
    for name, value in got.items():
        wanted = getattr(right, name)
        if name == "thresholds":
            wanted = {lang: t for lang, t in wanted.items() if lang in value}
        assert value == wanted, name


ALL = rows_for("one", 1200, 1)


@pytest.mark.parametrize(
    ("flags", "how"),
    [
        (("--tail-fraction", "0.2"), {"tail_fraction": 0.2}),
        (("--threshold", "40", "--seed", "3"), {"threshold": 40, "seed": 3}),
        (
            ("--tail-fraction", "0.1", "--language-thresholds", "zh=5,en=30"),
            {"tail_fraction": 0.1, "given": {"zh": 5, "en": 30}},
        ),
        (("--tail-fraction", "0.15", "--unit", "image"), {"tail_fraction": 0.15, "unit": "image"}),
    ],
    ids=["one tail fraction", "t of English", "t of languages", "images"],
)
def test_a_worldwide_run_equals_one_process(spark, made, tmp_path, flags, how):
    """Ids, counts, t, probabilities and draws of every language."""
    ended = call(*words(made, tmp_path / "warehouse", *flags))
    assert ended.status == 0, ended.err
    right = expected(ALL, made, **how)
    assert len(set(right.thresholds.values())) > 2
    assert 0 < len(right.kept) < len(right.pairs)
    assert_equal(spark, tmp_path / "warehouse", right)


@pytest.fixture(scope="module")
def run_once(spark, made, tmp_path_factory):
    """Return the warehouse of a run, and its summary."""
    warehouse = tmp_path_factory.mktemp("run") / "warehouse"
    ended = call(*words(made, warehouse, "--tail-fraction", "0.2", "--json"))
    assert ended.status == 0, ended.err
    return warehouse, json.loads(ended.out), ended.err


def test_what_has_no_list_is_counted(spark, run_once):
    """A code without a list is a reject of its own; texts and matches are counted by list."""
    warehouse, summary, _ = run_once
    texts = {code: sum(row[2] == code for row in [*ALL[:700], *ALL[600:]]) for code in WEIGHTS}
    assert summary["rejected"]["no_list"] == texts["tlh"]
    assert "unsure" not in summary["rejected"]
    of_list = {row["name"]: row for row in summary["language_lists"]}
    assert of_list["zh"]["texts"] == texts["zh"] + texts["yue"]
    assert of_list["other"]["texts"] == texts["fr"] + texts["und"]
    assert all(row["matched"] <= row["texts"] for row in of_list.values())
    assert sum(row["texts"] for row in of_list.values()) + texts["tlh"] == summary["texts_read"]
    assert sum(row["matched"] for row in of_list.values()) == summary["texts_matched"]


def test_unsure_texts_are_dropped_by_switch(spark, made, tmp_path):
    """Without the list `other` for them, they are rejects."""
    ended = call(*words(made, tmp_path / "warehouse", "--tail-fraction", "0.2", "--unsure", "drop", "--json"))
    assert ended.status == 0, ended.err
    assert json.loads(ended.out)["rejected"]["unsure"] == sum(row[2] == "und" for row in [*ALL[:700], *ALL[600:]])
    assert_equal(spark, tmp_path / "warehouse", expected(ALL, made, CODES, tail_fraction=0.2))


def test_target_size_takes_one_tail_fraction_for_all(spark, made, run_once, tmp_path):
    """The smallest fraction whose expected size reaches the target; one step less does not."""
    warehouse = shutil.copytree(run_once[0], tmp_path / "warehouse")
    ended = call("balance", "--warehouse", warehouse, "--target-size", "400", "--whole-pool", "--json")
    assert ended.status == 0, ended.err
    summary = json.loads(ended.out)
    fraction = summary["tail_fraction_of_languages"]
    assert summary["expected_size"] >= 400
    less = expected(ALL, made, tail_fraction=fraction - 1e-6)
    assert sum(_chance(less, pair) for pair in less.pairs) < 400
    at = expected(ALL, made, tail_fraction=fraction)
    assert summary["expected_size"] == pytest.approx(sum(_chance(at, pair) for pair in at.pairs))


def _chance(right, pair):
    missed = 1.0
    for entry in right.entry_ids[pair]:
        missed *= 1.0 - right.entry_probabilities[entry]
    return 1.0 - missed


def test_sweep_prints_tail_fractions(run_once, made):
    """Each row has one fraction and the t of each language; sizes are those of a run at it."""
    ended = call("sweep", "--warehouse", run_once[0], "--thresholds", "0.1,0.3", "--tail-fraction", "0.2", "--json")
    assert ended.status == 0, ended.err
    rows = json.loads(ended.out)["sweep"]
    assert [(row["fraction"], row["chosen"]) for row in rows] == [(0.1, False), (0.2, True), (0.3, False)]
    for row in rows:
        right = expected(ALL, made, tail_fraction=row["fraction"])
        assert row["thresholds"] == {**dict.fromkeys(LISTS, 1), **right.thresholds}
        assert row["expected_size"] == pytest.approx(sum(_chance(right, pair) for pair in right.pairs))
    printed = call("sweep", "--warehouse", run_once[0])
    assert "tail" in printed.out
    assert "0.06" in printed.out
    wrong = call("sweep", "--warehouse", run_once[0], "--thresholds", "5,10")
    assert wrong.status == 2
    assert "tail fractions between 0 and 1" in wrong.err


def test_the_verbs_give_what_the_commands_give(spark, made, run_once):
    """`mc.sweep` and `mc.explain` over the tables of the run equal the commands, value by value."""
    warehouse, lists = run_once[0], mc.load_worldwide(made / "lists")
    ended = call("sweep", "--warehouse", warehouse, "--thresholds", "0.1,0.3", "--tail-fraction", "0.2", "--json")
    assert ended.status == 0, ended.err
    pairs = DeltaTable(str(warehouse / "pairs")).to_pyarrow_table()
    counts = DeltaTable(str(warehouse / "entry_counts")).to_pyarrow_table()
    chances = DeltaTable(str(warehouse / "entry_probabilities")).to_pyarrow_table()
    swept = mc.sweep(pairs, counts, metadata=lists, tail_fractions=[0.1, 0.2, 0.3]).to_pylist()
    for row, of_command in zip(swept, json.loads(ended.out)["sweep"], strict=True):
        row["thresholds"] = dict(row["thresholds"])
        assert row == {name: of_command[name] for name in row}
    rows = pairs.select(["pair_id", "url", "text", "lang"])
    explained = {row["pair_id"]: row for row in mc.explain(rows, lists, chances, lang_column="lang").to_pylist()}
    of_list = {row["list_lang"]: pair for pair, row in explained.items()}
    assert set(of_list) == set(LISTS)
    for pair in of_list.values():
        ended = call("explain", "--warehouse", warehouse, "--pair-id", pair, "--json")
        assert ended.status == 0, ended.err
        (answer,) = json.loads(ended.out)
        assert explained[pair] == {name: answer.get(name, explained[pair]["lang"]) for name in explained[pair]}


def test_explain_names_the_list(spark, run_once):
    """A stored pair is explained with its list; a text with the list of its identified language."""
    (pair, lang, ids), *_ = [
        row for row in rows_of(spark, run_once[0], "pairs", ("pair_id", "list_lang", "entry_ids")) if row[1] == "ja"
    ]
    ended = call("explain", "--warehouse", run_once[0], "--pair-id", pair, "--json")
    assert ended.status == 0, ended.err
    (answer,) = json.loads(ended.out)
    assert (answer["list_lang"], [match["entry_id"] for match in answer["matches"]]) == (lang, list(ids))
    assert all(match["positions"] for match in answer["matches"])
    t = {lang: t for lang, t in rows_of(spark, run_once[0], "entry_probabilities", ("lang", "threshold"))}
    assert answer["threshold"] == t["ja"]
    assert "list    ja" in call("explain", "--warehouse", run_once[0], "--pair-id", pair).out


@pytest.mark.slow
def test_a_new_crawl_gives_what_a_run_over_both_gives(spark, made, tmp_path):
    """The subset of the first crawl is read instead of its pool, with a t per language that was given."""
    second = [*rows_for("two", 500, 2), *ALL[:50]]
    given = "en=30,zh=9,de=7,ja=5,th=4,other=6"
    how = ("--tail-fraction", "0.2", "--language-thresholds", given)
    ended = call(*words(made, tmp_path / "warehouse", *how, "--snapshot", "a"))
    assert ended.status == 0, ended.err
    write_parquet(tmp_path / "second" / "0.parquet", second, ("url", "text", "lang"))
    both = words(made, tmp_path / "warehouse", *how, "--snapshot", "b")
    ended = call(*[word if word != made / "pool" else tmp_path / "second" for word in both])
    assert ended.status == 0, ended.err
    assert "and of the pool only b" in ended.err
    right = expected(
        [*ALL, *second], made, given={name: int(t) for name, _, t in (part.partition("=") for part in given.split(","))}
    )
    columns = ("run_id", "pair_id", "sampling_probability", "draw")
    kept = rows_of(spark, tmp_path / "warehouse", "curated_pairs", columns)
    last = json.loads(call("runs", "list", "--warehouse", tmp_path / "warehouse", "--json").out)
    (run_id,) = {row["run_id"] for row in last if row["snapshots"] == ["a", "b"]}
    assert {pair: (p, u) for run, pair, p, u in kept if run == run_id} == right.kept


def test_the_report_has_a_row_per_language(run_once, tmp_path):
    """The page shows shares before and after, t and the matched share of each list."""
    ended = call("report", "--warehouse", run_once[0], "--output", tmp_path / "card.html")
    assert ended.status == 0, ended.err
    page = (tmp_path / "card.html").read_text(encoding="utf-8")
    assert "Each language with its own list and its own t" in page
    for name in LISTS:
        assert f'<th scope="row" class="wrap" data-value="{name}">{name}' in page
    card = json.loads((tmp_path / "card.json").read_text(encoding="utf-8"))
    rows = {row["name"]: row for row in card["language_lists"]}
    assert sum(row["pool"] for row in rows.values()) == card["unique_pairs"]
    assert sum(row["curated"] for row in rows.values()) == card["curated_size"]


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--language-thresholds", "xx=5"), "xx, which the lists do not have"),
        (("--language-thresholds", "en"), "expected LANGUAGE=T pairs"),
        (("--language-thresholds", "en=0"), "every t must be >= 1"),
        (("--threshold", "5", "--unsure", "perhaps"), "unsure"),
    ],
)
def test_wrong_settings_are_refused(made, tmp_path, flags, sentence):
    """Each error says what was got and what was expected."""
    ended = call(*words(made, tmp_path / "warehouse", *flags))
    assert ended.status == 2
    assert sentence in ended.err


def test_switches_of_worldwide_need_it(tmp_path, made):
    """They have no effect on one list, so they are refused there."""
    base = ["run", "--input", made / "pool", "--metadata", "en", "--warehouse", tmp_path / "warehouse"]
    for flag in (("--unsure", "drop"), ("--language-thresholds", "en=5")):
        ended = call(*base, *flag)
        assert (ended.status, "add --worldwide" in ended.err) == (2, True)
    ended = call(*base[:3], "--worldwide", "--no-lid", "--warehouse", tmp_path / "warehouse")
    assert (ended.status, "needs the language of each text" in ended.err) == (2, True)


def test_after_a_takedown_counts_and_t_are_those_of_what_is_left(spark, made, run_once, tmp_path):
    """Each language loses the counts of the pairs that went; a new draw equals one process over the rest."""
    warehouse = shutil.copytree(run_once[0], tmp_path / "warehouse")
    gone = sorted({url for url, _, code in ALL if code in ("zh", "en", "th")})[:40]
    (tmp_path / "urls.txt").write_text("\n".join(gone), encoding="utf-8")
    ended = call("takedown", "--warehouse", warehouse, "--urls", tmp_path / "urls.txt")
    assert ended.status == 0, ended.err
    ended = call("balance", "--warehouse", warehouse, "--tail-fraction", "0.2", "--seed", "5", "--whole-pool")
    assert ended.status == 0, ended.err
    right = expected([row for row in ALL if row[0] not in gone], made, tail_fraction=0.2, seed=5)
    counts = rows_of(spark, warehouse, "entry_counts", ("entry_id", "count"))
    assert dict(counts) == right.counts
    assert {pair: lang for pair, lang in rows_of(spark, warehouse, "pairs", ("pair_id", "list_lang"))} == right.lists
    last = json.loads(call("runs", "list", "--warehouse", warehouse, "--json").out)
    newest = max(last, key=lambda row: row["began"])["run_id"]
    kept = rows_of(spark, warehouse, "curated_pairs", ("run_id", "pair_id", "sampling_probability", "draw"))
    assert {pair: (p, u) for run, pair, p, u in kept if run == newest} == right.kept


def test_matching_a_stored_pool_with_lists_of_languages(spark, made, tmp_path):
    """`match` gives each stored pair the list of its language, and equals a run that read the sources with them."""
    base = ["--input", made / "pool", "--lang-column", "lang", "--no-lid", "--languages", "all"]
    warehouse = tmp_path / "warehouse"
    assert call("extract", *base, "--warehouse", warehouse).status == 0
    assert call("dedup", "--warehouse", warehouse).status == 0
    ended = call("match", "--warehouse", warehouse, "--worldwide", "--metadata", made / "lists")
    assert ended.status == 0, ended.err
    how = ("--worldwide", "--metadata", made / "lists", "--tail-fraction", "0.2")
    ended = call("balance", "--warehouse", warehouse, *how)
    assert ended.status == 0, ended.err
    right = expected(ALL, made, tail_fraction=0.2)
    columns = ("pair_id", "list_lang", "entry_ids", "metadata_id")
    pairs = [row for row in rows_of(spark, warehouse, "pairs", columns) if row[3] != "none"]
    assert {pair: lang for pair, lang, _, _ in pairs} == right.lists
    assert {pair: list(ids) for pair, _, ids, _ in pairs} == right.entry_ids
    kept = rows_of(spark, warehouse, "curated_pairs", ("pair_id", "sampling_probability", "draw"))
    assert {pair: (p, u) for pair, p, u in kept} == right.kept
