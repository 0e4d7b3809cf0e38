"""`--weight` and `--language-weights`: every command has the numbers of one process, and wrong weights draw nothing."""

from __future__ import annotations

import json
import shutil

import pyarrow.parquet as pq
import pytest
import reference
import reference_worldwide
from e2e_world import (
    ENTRIES,
    World,
    assert_right,
    call,
    done,
    drawn,
    flag_words,
    row,
    rows_of,
    versions,
    write_parquet,
)
from pyspark.sql import functions as F
from worldwide_pool import CODES, LISTS, rows_for, write_lists

from metaclip_spark.warehouse.tables import Warehouse

pytestmark = pytest.mark.spark

T = 12
COLUMNS = ("url", "text", "score")


def scored(numbers: range, name: str = "s") -> list[tuple[str, str, str]]:
    """Return pairs with a weight each, two texts per image."""
    rows = [row(name, number) for number in numbers]
    return [
        (f"http://example.org/{name}/{number // 2}.jpg", text, str((number * 37 % 101) / 100))
        for number, (_, text, *_) in zip(numbers, rows, strict=True)
    ]


ROWS = scored(range(160))


def expected(rows, **how) -> reference.Curated:
    """Return what one process makes of rows with weights."""
    weight = {(url, text): float(score) for url, text, score in rows}
    given = [reference.Row("", "", "text", url, text) for url, text, _ in rows]
    how = {"threshold": T, "weigh": lambda row: weight[row.url, row.text], **how}
    return reference.curate(given, ENTRIES, **how)


def run_words(world: World, path, **flags) -> list[object]:
    return ["run", *world.words(input=path, keep_columns="score", **{"threshold": T, **flags})]


@pytest.fixture(scope="module")
def weighted(spark, tmp_path_factory) -> tuple[World, dict]:
    """Return a world with a run whose pairs have weights, and its closing numbers."""
    world = World(tmp_path_factory.mktemp("weighted"))
    path = write_parquet(world.root / "pairs.parquet", ROWS, COLUMNS)
    return world, done(*run_words(world, path, weight="score"))


def test_a_weighted_run_equals_one_process_and_verify_agrees(spark, weighted):
    """Kept pairs, probabilities and draws, bit for bit; counts and entry probabilities are those without weights."""
    world, run = weighted
    warehouse, right = world.root / "warehouse", expected(ROWS)
    assert 0 < len(right.kept) < len(expected(ROWS, weigh=None).kept)
    assert drawn(spark, warehouse, run["run_id"]) == right.kept
    counts = dict(rows_of(spark, warehouse, "entry_counts", ("entry_id", "count")))
    assert counts == right.counts
    assert run["expected_size"] == pytest.approx(sum(right.probabilities.values()))
    mean = sum(float(score) for *_, score in ROWS) / len(ROWS)
    assert run["weights"] == {
        "column": "score",
        "missing": None,
        "languages": {},
        "pairs": 160,
        "pairs_missing": 0,
        "mean": pytest.approx(mean),
    }
    assert_right(*flag_words(warehouse=warehouse))
    page = (warehouse / "reports" / f"{run['run_id']}.html").read_text(encoding="utf-8")
    assert "multiplied by its weight in the kept column" in page


def test_verify_finds_a_run_whose_weights_were_not_applied(spark, weighted, tmp_path):
    """The pairs of a run without weights are not those of a run with them."""
    world, run = weighted
    warehouse = shutil.copytree(world.root / "warehouse", tmp_path / "warehouse")
    plain = done("balance", *flag_words(warehouse=warehouse, threshold=T))
    table = Warehouse(spark, str(warehouse), None)
    rows = (
        table.read("curated_pairs").where(F.col("run_id") == plain["run_id"]).withColumn("run_id", F.lit(run["run_id"]))
    )
    table.replace("curated_pairs", rows, run_id=run["run_id"])
    ended = call("verify", *flag_words(warehouse=warehouse, checks="draws,subsets", run_id=run["run_id"]), "--json")
    found = {check["check"]: check["first"][0] for check in json.loads(ended.out)["checks"]}
    assert ended.status == 1
    assert found["draws"]["field"] == "curated_pairs.sampling_probability"
    assert (found["subsets"]["expected"], found["subsets"]["got"]) == (
        f"a pair that the draw of run {run['run_id']} keeps",
        "no such pair in its pool",
    )
    assert plain["curated_size"] > run["curated_size"]


def test_a_sweep_and_a_target_size_count_with_weights(spark, weighted):
    """The sweep's row at t has the run's mean and deviation; the t of a target size is the smallest that reaches it."""
    world, run = weighted
    at = flag_words(warehouse=world.root / "warehouse")
    before = versions(world.root / "warehouse")
    swept = done("sweep", *at, "--weight", "score", "--threshold", T, "--thresholds", f"1,{T},1000")
    assert versions(world.root / "warehouse") == before
    assert swept["weights"] == run["weights"]
    sizes = {each["threshold"]: each for each in swept["sweep"]}
    for name in ("expected_size", "expected_sd"):
        assert sizes[T][name] == run[name]
    assert sizes[1000]["expected_size"] == pytest.approx(sum(float(score) for *_, score in ROWS))
    table = call("sweep", *at, "--weight", "score", "--threshold", T)
    assert "multiplied by its weight in the kept column 'score'" in table.out
    size = 40
    chosen = done("sweep", *at, "--weight", "score", "--target-size", size, "--thresholds", "1")
    (t,) = [each["threshold"] for each in chosen["sweep"] if each["chosen"]]
    below, reached = done("sweep", *at, "--weight", "score", "--threshold", t, "--thresholds", f"{t - 1}")["sweep"]
    assert below["expected_size"] < size <= reached["expected_size"]
    refused = call("sweep", *at, "--weight", "score", "--target-size", 150)
    assert refused.status == 2
    assert (
        "target_size 150 is more than the 79 pairs that are expected with these weights at any t. Give a smaller "
        "--target-size, or add input."
    ) in refused.err


def test_explain_shows_the_weight(spark, weighted):
    """Probability, draw and verdict are those of the draw; the smallest t that keeps the pair counts the weight."""
    world, run = weighted
    right, at = expected(ROWS), flag_words(warehouse=world.root / "warehouse", run_id=run["run_id"])
    weight = {
        right_pair: float(next(s for u, t, s in ROWS if (u, t) == (r.url, r.text)))
        for right_pair, r in right.pairs.items()
    }
    never = next(pair for pair in right.pairs if right.draws[pair] >= weight[pair] > 0)
    kept = next(pair for pair in right.kept if right.probabilities[pair] < weight[pair])
    dropped = next(p for p in right.pairs if right.probabilities[p] <= right.draws[p] < weight[p])
    answers = {}
    for pair in (never, kept, dropped):
        (answers[pair],) = json.loads(call("explain", *at, "--pair-id", pair, "--json").out)
        for name, value in (("sampling_probability", right.probabilities), ("draw", right.draws), ("weight", weight)):
            assert answers[pair][name] == value[pair]
    assert answers[never]["verdict"] == "dropped: the draw is not below the weight of the pair, so no t keeps it"
    assert answers[never]["kept_from_threshold"] is None
    assert answers[kept]["verdict"].startswith("kept:")
    t = answers[dropped]["kept_from_threshold"]
    assert t > T
    assert right.draws[dropped] < expected(ROWS, threshold=t).probabilities[dropped]
    assert right.draws[dropped] >= expected(ROWS, threshold=t - 1).probabilities[dropped]
    shown = call("explain", *at, "--pair-id", kept).out
    assert f"p(pair) {right.probabilities[kept]:.6g} (with weight {weight[kept]:.6g}), draw" in shown
    (answer,) = json.loads(call("explain", *at, "--text", "a red cat", "--url", "http://x.example", "--json").out)
    assert answer["weight"] is None
    assert answer["verdict"].endswith("; its weight is not known outside the pool, and is taken as 1")


@pytest.mark.slow
def test_export_writes_the_weighted_probabilities(spark, weighted, tmp_path):
    """Of the curated subset, and of the whole pool for a trainer that draws in each epoch."""
    world, run = weighted
    right, at = expected(ROWS), flag_words(warehouse=world.root / "warehouse", run_id=run["run_id"])
    for stage, pairs in (("curated", right.kept), ("pairs", right.pairs)):
        ended = call("export", *at, "--stage", stage, "--output", tmp_path / stage)
        assert ended.status == 0, ended.err
        found = {}
        for file in (tmp_path / stage).glob("*.parquet"):
            for image in pq.read_table(file).to_pylist():
                found |= dict(zip(image["pair_ids"], image["sampling_probabilities"], strict=True))
        assert found.keys() == pairs.keys()
        assert {pair: found[pair] for pair in found} == pytest.approx({p: right.probabilities[p] for p in found})


@pytest.mark.slow
def test_of_an_image_the_drawn_text_has_the_weight(spark, weighted):
    """With --unit image the text is chosen whatever it weighs, and its weight counts."""
    world, _ = weighted
    warehouse = world.root / "warehouse"
    run = done("balance", *flag_words(warehouse=warehouse, threshold=T, weight="score", unit="image"))
    right = expected(ROWS, unit="image")
    assert drawn(spark, warehouse, run["run_id"]) == right.kept
    assert run["expected_size"] == pytest.approx(sum(right.probabilities[pair] for pair in right.drawn))
    assert_right(*flag_words(warehouse=warehouse, run_id=run["run_id"]))


@pytest.mark.parametrize("values", [("1.5", None, "high", "7"), ("", "nan", None)], ids=["all kinds", "missing"])
def test_pairs_without_a_weight_draw_nothing(spark, tmp_path, values):
    """They are counted by kind with an example; --weight-missing is for missing ones alone."""
    world = World(tmp_path)
    rows = [(*each[:2], values[at] if at < len(values) else each[2]) for at, each in enumerate(ROWS[:20])]
    path = write_parquet(tmp_path / "pairs.parquet", rows, COLUMNS)
    ids = [pair_ids(rows)[each[:2]] for each in rows]
    ended = call(*run_words(world, path, weight="score"))
    assert ended.status == 2
    assert not rows_of(spark, tmp_path / "warehouse", "curated_pairs")
    if "high" in values:
        low = min((ids[at], rows[at][2]) for at in (0, 3))
        assert (
            "4 of 20 matched pairs have no weight from 0 to 1 in the kept column 'score': 1 is no number (e.g. pair "
            f"{ids[2]}: 'high'); 2 are not from 0 to 1 (e.g. pair {low[0]}: '{low[1]}'); 1 has no value (e.g. "
            f"pair {ids[1]}). Nothing was drawn. Bring the column to numbers from 0 to 1 in the input, or "
            "read it again with another one. --weight-missing 1 keeps the probability of pairs without a value, and 0 "
            "drops them; --keep-columns score keeps the column when sources are read."
        ) in ended.err
        again = call(*run_words(world, path, weight="score", weight_missing=1))
        assert again.status == 2
        assert "3 of 20 matched pairs have no weight from 0 to 1" in again.err
        assert "--weight-missing" not in again.err
        return
    assert "3 of 20 matched pairs have no weight from 0 to 1 in the kept column 'score': 3 have no value" in ended.err
    for missing in ("1", "0", "25%"):
        run = done(*run_words(world, path, weight="score", weight_missing=missing))
        share = {"1": 1.0, "0": 0.0, "25%": 0.25}[missing]
        assert f"weights: 3 of 20 matched pairs have no value in 'score'; they weigh {share:g} each." in run["err"]
        with_share = [(*each[:2], str(share) if at < 3 else each[2]) for at, each in enumerate(rows)]
        assert drawn(spark, tmp_path / "warehouse", run["run_id"]) == expected(with_share).kept
        assert (run["weights"]["missing"], run["weights"]["pairs_missing"]) == (share, 3)


def pair_ids(rows) -> dict[tuple[str, str], str]:
    """Return (url, text) -> pair_id."""
    made = reference.curate([reference.Row("", "", "text", url, text) for url, text, _ in rows], ENTRIES, threshold=1)
    return {(row.url, row.text): pair for pair, row in made.pairs.items()}


def test_a_column_that_was_not_kept_is_missing_in_every_pair(spark, weighted):
    """The error says which flag keeps it."""
    world, _ = weighted
    ended = call("balance", *flag_words(warehouse=world.root / "warehouse", threshold=T, weight="clip"))
    assert ended.status == 2
    assert (
        "160 of 160 matched pairs have no weight from 0 to 1 in the kept column 'clip': 160 have no value" in ended.err
    )
    assert "--keep-columns clip keeps the column when sources are read." in ended.err


@pytest.mark.slow
def test_a_new_crawl_reads_the_earlier_subset_if_it_has_the_same_weights(spark, tmp_path):
    """The result is that of the whole pool; a run without weights, or with others, is not built on."""
    world = World(tmp_path)
    warehouse = tmp_path / "warehouse"
    one = write_parquet(tmp_path / "one.parquet", ROWS[:100], COLUMNS)
    two = write_parquet(tmp_path / "two.parquet", [*scored(range(80, 100)), *ROWS[100:]], COLUMNS)
    first = done(*run_words(world, one, weight="score", snapshot="one"))
    grown = done(*run_words(world, two, weight="score", snapshot="two"))
    assert f"balance reads the subset of run {first['run_id']}, and of the pool only two." in grown["err"]
    assert drawn(spark, warehouse, grown["run_id"]) == expected(ROWS).kept
    at = flag_words(warehouse=warehouse, threshold=T)
    scratch = done("balance", *at, "--weight", "score", "--whole-pool")
    assert drawn(spark, warehouse, scratch["run_id"]) == expected(ROWS).kept
    assert grown["weights"] == scratch["weights"]
    assert grown["weights"]["pairs"] == 160
    plain = done("balance", *at)
    reason = f"balance reads the whole pool; the subset of run {scratch['run_id']} cannot replace it: "
    assert reason + "its pairs were drawn with weights." in plain["err"]
    assert drawn(spark, warehouse, plain["run_id"]) == expected(ROWS, weigh=None).kept
    other = done("balance", *at, "--weight", "score", "--weight-missing", "1", "--seed", "0")
    assert "balance reads the whole pool" in other["err"]
    assert "its pairs were drawn with other weights." in other["err"] or "without weights" in other["err"]
    again = done("balance", *at, "--weight", "score", "--weight-missing", "1")
    assert again["run_id"] == other["run_id"]
    assert_right(*flag_words(warehouse=warehouse))


def test_weights_with_frozen_counts_and_with_survivors_are_nested(spark, weighted):
    """A higher t at frozen counts only adds pairs; survivors keep at most the probability that they were drawn with."""
    world, run = weighted
    warehouse = world.root / "warehouse"
    before = drawn(spark, warehouse, run["run_id"])
    at = flag_words(warehouse=warehouse, weight="score")
    more = done("balance", *at, "--freeze-counts", run["run_id"], "--threshold", 2 * T)
    after = drawn(spark, warehouse, more["run_id"])
    assert before.keys() < after.keys()
    assert after == expected(ROWS, threshold=2 * T).kept
    words = ["--drawn-from", run["run_id"], "--where", "text_source = 'text'", "--threshold", T // 2]
    thinned = done("balance", *at, *words)
    rest = drawn(spark, warehouse, thinned["run_id"])
    assert 0 < len(rest) < len(before)
    for pair, (p, u) in rest.items():
        assert (p <= before[pair][0], u) == (True, before[pair][1])
    estimated = {
        entry: count
        for entry, count in rows_of(
            spark,
            warehouse,
            "entry_probabilities",
            ("entry", "count"),
            condition=f"run_id = '{thinned['run_id']}'",
        )
    }
    by_hand = sum(1 / p for pair, (p, _) in before.items())
    assert estimated["a"] == pytest.approx(by_hand, abs=1)
    assert_right(*flag_words(warehouse=warehouse))


# --- weights of languages --------------------------------------------------------------------------------------

ALL = rows_for("one", 600, 1)


@pytest.fixture(scope="module")
def languages(spark, tmp_path_factory):
    """Return a warehouse of a worldwide curation with weights of languages, its folder and its closing numbers."""
    root = tmp_path_factory.mktemp("languages")
    write_lists(root / "lists")
    write_parquet(root / "pool.parquet", ALL, ("url", "text", "lang"))
    base = ["--input", root / "pool.parquet", "--worldwide", "--metadata", root / "lists", "--lang-column", "lang"]
    words = ["run", *base, "--no-lid", "--warehouse", root / "warehouse", "--tail-fraction", "0.2"]
    return root, done(*words, "--language-weights", "en=0.5,zh=25%,de=1,th=0")


def of_one_process(root, **how):
    given = [(reference.Row(str(root / "pool.parquet"), "", "text", url, text), code) for url, text, code in ALL]
    return reference_worldwide.curate(given, LISTS, {**CODES, "und": "other"}, tail_fraction=0.2, **how)


def test_weights_of_languages_equal_one_process(spark, languages):
    """Every command: the draw, the sweep at the run's t, explain, and verify."""
    root, run = languages
    weights = {"en": 0.5, "zh": 0.25, "de": 1.0, "th": 0.0}
    right = of_one_process(root, weights=weights)
    plain = of_one_process(root)
    warehouse = root / "warehouse"
    assert drawn(spark, warehouse, run["run_id"]) == right.kept
    kept = {name: sum(right.lists[pair] == name for pair in right.kept) for name in LISTS}
    assert kept["th"] == 0
    assert 0 < kept["en"] < sum(plain.lists[pair] == "en" for pair in plain.kept)
    assert run["weights"]["languages"] == weights
    listed = "de 1, en 0.5, th 0, zh 0.25; all others 1"
    note = f"Each pair's sampling probability is multiplied by the weight of its language ({listed})"
    page = (warehouse / "reports" / f"{run['run_id']}.html").read_text(encoding="utf-8")
    assert note in page.replace("&#39;", "'")
    at = flag_words(warehouse=warehouse)
    given = ("--worldwide", "--metadata", root / "lists", "--language-weights", "en=0.5,zh=0.25,th=0")
    swept = done("sweep", *at, *given, "--tail-fraction", "0.2")
    (size,) = [each for each in swept["sweep"] if each["chosen"]]
    assert (size["expected_size"], size["expected_sd"]) == (run["expected_size"], run["expected_sd"])
    pair = next(pair for pair in right.kept if right.lists[pair] == "en")
    (answer,) = json.loads(call("explain", *at, "--pair-id", pair, "--json").out)
    assert (answer["weight"], answer["sampling_probability"], answer["draw"]) == (0.5, *right.kept[pair])
    ended = call("report", *at, "--eu-summary", root / "summary")
    assert ended.status == 0, ended.err
    notes = json.loads((root / "summary" / "summary.json").read_text(encoding="utf-8"))["numbers"]["notes"]
    assert any(one.startswith(note) for one in notes)
    prefix = "Each language is balanced with a list and a t of its own: "
    (of_lists,) = [one.removeprefix(prefix).rstrip(".") for one in notes if one.startswith(prefix)]
    assert dict(one.split(" ") for one in of_lists.split(", ")) == {n: f"{t:,}" for n, t in right.thresholds.items()}
    assert_right(*at)


@pytest.mark.slow
def test_lower_weights_of_languages_read_the_earlier_subset_and_higher_ones_do_not(spark, languages):
    """A pair that was dropped stays dropped if no language weighs more."""
    root, run = languages
    at = ["balance", *flag_words(warehouse=root / "warehouse", tail_fraction=0.2), "--worldwide"]
    at += ["--metadata", root / "lists", "--language-weights"]
    lower = done(*at, "en=0.25,zh=0.25,th=0,ja=0.5")
    assert f"balance reads the subset of run {run['run_id']}, and nothing of the pool." in lower["err"]
    weights = {"en": 0.25, "zh": 0.25, "th": 0.0, "ja": 0.5}
    assert drawn(spark, root / "warehouse", lower["run_id"]) == of_one_process(root, weights=weights).kept
    higher = done(*at, "en=0.75,zh=0.25,th=0")
    assert "its pairs were drawn with other weights." in higher["err"]
    weights = {"en": 0.75, "zh": 0.25, "th": 0.0}
    assert drawn(spark, root / "warehouse", higher["run_id"]) == of_one_process(root, weights=weights).kept


def test_a_weight_of_a_language_without_a_list_is_refused(languages):
    """Also where there are no lists of languages at all."""
    root, _ = languages
    at = ["balance", *flag_words(warehouse=root / "warehouse", tail_fraction=0.2)]
    ended = call(*at, "--worldwide", "--metadata", root / "lists", "--language-weights", "en=1,fr=0.5")
    assert ended.status == 2
    assert "a weight is given for fr, which the lists do not have; they are de, en, ja, other, th, zh." in ended.err
    (root / "one.json").write_text(json.dumps(ENTRIES), encoding="utf-8")
    ended = call(*at, "--metadata", root / "one.json", "--language-weights", "en=1")
    assert ended.status == 2
    assert "--language-weights is for the lists of languages; add --worldwide." in ended.err
