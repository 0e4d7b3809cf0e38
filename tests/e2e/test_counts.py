"""`counts export`, `counts merge` and `balance --counts`: a pool balanced with the counts of another one."""

from __future__ import annotations

import gzip
import json
import shutil

import pytest
import reference
from e2e_world import (
    ENTRIES,
    World,
    assert_right,
    call,
    counts_over,
    done,
    drawn,
    flag_words,
    row,
    rows_of,
    write_parquet,
)
from worldwide_pool import LISTS, rows_for, write_lists

pytestmark = pytest.mark.spark

T = 12
BIG = [row("big", number)[:2] for number in range(120)]
SMALL = [*(row("small", number)[:2] for number in range(60)), ("http://example.org/p.jpg", "a purple cow")]
COLUMNS = ("url", "text")


def expected(rows, **how) -> reference.Curated:
    """Return what one process makes of rows."""
    given = [reference.Row("", "", "text", url, text) for url, text in rows]
    return reference.curate(given, ENTRIES, **{"threshold": T, **how})


@pytest.fixture(scope="module")
def pools(spark, tmp_path_factory) -> World:
    """Return a world with a big pool and a small one, each in a warehouse of its own, and the big one's card."""
    world = World(tmp_path_factory.mktemp("counts"))
    for name, rows in (("big", BIG), ("small", SMALL)):
        path = write_parquet(world.root / f"{name}.parquet", rows, COLUMNS)
        done("run", *world.words(name, input=path, threshold=T))
    exported = done("counts", "export", *flag_words(warehouse=world.root / "big", output=world.root / "big.json.gz"))
    assert exported["output"] == str(world.root / "big.json.gz")
    return world


GIVEN = expected(BIG).counts


def test_a_card_has_the_counts_of_the_pool(spark, pools):
    """Of each entry that matched; and the same bytes when it is written again."""
    raw = (pools.root / "big.json.gz").read_bytes()
    card = json.loads(gzip.decompress(raw))
    of_list = card["lists"]["und"]
    assert of_list["counts"] == counts_over(spark, pools.root / "big")
    assert (of_list["entries"], of_list["counted"], of_list["pairs"]) == (len(ENTRIES), len(GIVEN), len(BIG))
    assert (card["snapshots"], card["unit"], card["total"]) == (["default"], "pair", sum(GIVEN.values()))
    ended = call("counts", "export", *flag_words(warehouse=pools.root / "big", output=pools.root / "again.json.gz"))
    assert ended.status == 0, ended.err
    assert (pools.root / "again.json.gz").read_bytes() == raw
    assert "120 match an entry" in ended.out
    assert "example.org" not in json.dumps(card)


def test_a_small_pool_is_balanced_with_the_counts_of_a_card(spark, pools):
    """Probabilities and draws equal one process; an entry without a count keeps its pairs; verify agrees."""
    warehouse = pools.root / "small"
    at = flag_words(warehouse=warehouse, counts=pools.root / "big.json.gz")
    run = done("balance", *at, "--threshold", T)
    right = expected(SMALL, given=GIVEN)
    assert drawn(spark, warehouse, run["run_id"]) == right.kept
    assert right.kept.keys() < expected(SMALL).kept.keys()
    purple = ENTRIES.index("purple")
    assert purple not in GIVEN
    assert (right.counts[purple], right.entry_probabilities[purple]) == (1, 1.0)
    columns = ("entry_id", "count", "probability")
    stored = rows_of(spark, warehouse, "entry_probabilities", columns, condition=f"run_id = '{run['run_id']}'")
    assert {entry: (count, p) for entry, count, p in stored} == {
        entry: (count, T / max(count, T)) for entry, count in GIVEN.items()
    }
    assert counts_over(spark, warehouse) == {ENTRIES[at]: count for at, count in right.counts.items()}
    given = run["given_counts"]
    assert given["lacking"] == {"entries": 1, "counts": 1}
    assert (given["own"]["total"], given["given"]["total"]) == (sum(right.counts.values()), sum(GIVEN.values()))
    assert given["largest"][0]["entry"] == "purple"
    assert_right(*flag_words(warehouse=warehouse))
    table = call("balance", *at, "--threshold", T)
    assert table.status == 0
    assert f"the subset of run {run['run_id']} is drawn" in table.err
    for text in ("sum of the counts", "'purple'", "tail entries, whose entry probability is 1", "Spearman's"):
        assert text in table.out
    page = (warehouse / "reports" / f"{run['run_id']}.html").read_text(encoding="utf-8")
    assert "Pool&#39;s counts and given counts" in page or "Pool's counts and given counts" in page
    assert "<bdi>purple</bdi>" in page


def test_t_is_chosen_from_the_given_counts(spark, pools):
    """By tail fraction and by target size; the sweep and the run agree."""
    warehouse, card = pools.root / "small", pools.root / "big.json.gz"
    at = flag_words(warehouse=warehouse, counts=card)
    by_fraction = done("balance", *at, "--tail-fraction", "0.2")
    right = expected(SMALL, given=GIVEN, threshold=None, tail_fraction=0.2)
    assert by_fraction["threshold"] == right.threshold != expected(SMALL, threshold=None, tail_fraction=0.2).threshold
    assert drawn(spark, warehouse, by_fraction["run_id"]) == right.kept
    swept = done("sweep", *at, "--tail-fraction", "0.2", "--thresholds", "1")
    (size,) = [each for each in swept["sweep"] if each["chosen"]]
    assert size["expected_size"] == by_fraction["expected_size"]
    assert swept["given_counts"] == by_fraction["given_counts"]
    assert swept["given_counts"]["card_id"] == json.loads(gzip.decompress(card.read_bytes()))["card_id"]
    assert "not those of this pool, but those of card" in call("sweep", *at, "--threshold", T).out
    sized = done("balance", *at, "--target-size", 30)
    t = sized["threshold"]
    below, reached = done("sweep", *at, "--threshold", t, "--thresholds", t - 1)["sweep"]
    assert below["expected_size"] < 30 <= reached["expected_size"]


def test_explain_and_export_have_the_given_counts(spark, pools, tmp_path):
    """Counts and probabilities of a run with a card, also after the card is gone."""
    warehouse = shutil.copytree(pools.root / "small", tmp_path / "warehouse")
    shutil.copy(pools.root / "big.json.gz", tmp_path / "card.json.gz")
    run = done("balance", *flag_words(warehouse=warehouse, counts=tmp_path / "card.json.gz", threshold=T, seed=5))
    (tmp_path / "card.json.gz").unlink()
    right = expected(SMALL, given=GIVEN, seed=5)
    pair = next(pair for pair, row in right.pairs.items() if row.text == "a purple cow")
    at = flag_words(warehouse=warehouse, run_id=run["run_id"])
    (answer,) = json.loads(call("explain", *at, "--pair-id", pair, "--json").out)
    counts = {match["entry"]: (match["count"], match["part"]) for match in answer["matches"]}
    assert counts == {"a": (GIVEN[ENTRIES.index("a")], "head"), "purple": (0, "tail")}
    assert (answer["sampling_probability"], answer["draw"]) == (right.probabilities[pair], right.draws[pair])
    assert_right(*at)
    ended = call("export", *at, "--stage", "pairs", "--output", tmp_path / "pairs")
    assert ended.status == 0, ended.err
    ended = call("report", *at, "--output", tmp_path / "page.html")
    assert ended.status == 0, ended.err
    assert "<bdi>purple</bdi>" in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("layout", ["object", "array"])
def test_counts_as_other_projects_publish_them_give_the_same(spark, pools, tmp_path, layout):
    """A JSON object of entry and count, or an array in the order of the list: said, and the same subset."""
    by_entry = {ENTRIES[at]: count for at, count in GIVEN.items()}
    array = [GIVEN.get(at, 0) for at in range(len(ENTRIES))]
    published = {**by_entry, "of the paper": 7} if layout == "object" else array
    (tmp_path / "counts.json").write_text(json.dumps(published), encoding="utf-8")
    warehouse = pools.root / "small"
    run = done("balance", *flag_words(warehouse=warehouse, counts=tmp_path / "counts.json", threshold=T))
    assert drawn(spark, warehouse, run["run_id"]) == expected(SMALL, given=GIVEN).kept
    lacks = ", of which the list lacks 1 entry" if layout == "object" else ""
    kind = {"object": "an object of entries and counts", "array": "an array of counts"}[layout]
    again = call("balance", *flag_words(warehouse=warehouse, counts=tmp_path / "counts.json", threshold=T))
    assert f"those of a file with {kind}{lacks}. The pool matches 1 entry that these do not count" in again.out


def test_merged_cards_count_as_one_pool(spark, pools, tmp_path):
    """The counts of both pools, in any order; the same card twice, and one of another list, are refused."""
    at = flag_words(warehouse=pools.root / "small", output=tmp_path / "small.json")
    assert call("counts", "export", *at).status == 0
    cards = [pools.root / "big.json.gz", tmp_path / "small.json"]
    ended = call("counts", "merge", *cards, "-o", tmp_path / "both.json")
    assert ended.status == 0, ended.err
    assert "Pairs that several cards counted are not known, and count once for each card." in ended.err
    assert f"warning: {cards[0]} and {cards[1]} both name snapshot default: its pairs may count twice." in ended.err
    assert call("counts", "merge", *reversed(cards), "-o", tmp_path / "other.json").status == 0
    assert (tmp_path / "both.json").read_bytes() == (tmp_path / "other.json").read_bytes()
    both = expected([*BIG, *SMALL]).counts
    card = json.loads((tmp_path / "both.json").read_text(encoding="utf-8"))
    assert card["lists"]["und"]["counts"] == {ENTRIES[at]: count for at, count in both.items()}
    run = done("balance", *flag_words(warehouse=pools.root / "small", counts=tmp_path / "both.json", threshold=T))
    assert drawn(spark, pools.root / "small", run["run_id"]) == expected(SMALL, given=both).kept
    twice = call("counts", "merge", tmp_path / "both.json", cards[1], "-o", tmp_path / "twice.json")
    assert (twice.status, (tmp_path / "twice.json").exists()) == (2, False)
    assert "its pairs would count twice. Give each card once." in twice.err
    for words, error in (
        ([cards[0]], "counts merge adds cards, got 1 card; expected at least two."),
        ([*cards, tmp_path / "none.json"], f"counts {tmp_path / 'none.json'}: no such file"),
    ):
        ended = call("counts", "merge", *words, "-o", tmp_path / "twice.json")
        assert ended.status == 2
        assert error in ended.err


def test_wrong_counts_are_refused_before_anything_is_drawn(spark, pools, tmp_path):
    """A card of another list with both ids; two kinds of counts; a subset that was counted by weights."""
    (tmp_path / "entries.json").write_text(json.dumps(ENTRIES[:-1]), encoding="utf-8")
    other = tmp_path / "other"
    path = pools.root / "small.parquet"
    run = done("run", *pools.words(other, input=path, threshold=T, metadata=tmp_path / "entries.json"))
    before = rows_of(spark, other, "runs", ("event",))
    refused = call("balance", *flag_words(warehouse=other, counts=pools.root / "big.json.gz", threshold=T))
    card = json.loads(gzip.decompress((pools.root / "big.json.gz").read_bytes()))
    assert refused.status == 2
    assert f"are of the list {card['metadata_id']}, and this pool is matched with the list {run['metadata_id']}." in (
        refused.err
    )
    assert rows_of(spark, other, "runs", ("event",)) == before
    new = call("run", *pools.words(tmp_path / "new", input=path, threshold=T, counts=tmp_path / "none.json"))
    assert (new.status, (tmp_path / "new").exists()) == (2, False)
    at = flag_words(warehouse=other, counts=pools.root / "big.json.gz")
    for words, error in (
        (["--freeze-counts", "x"], "--freeze-counts and --counts both say which counts to use; give one of them"),
        (["--drawn-from", "x"], "--drawn-from RUN counts by weights; --counts is for the pool."),
    ):
        ended = call("balance", *at, "--threshold", T, *words)
        assert ended.status == 2
        assert error in ended.err


@pytest.mark.slow
def test_crawls_images_and_survivors_with_given_counts(spark, pools, tmp_path):
    """A new crawl is read with the earlier subset, since p stays; images and survivors have the same probabilities."""
    world, card = World(tmp_path), pools.root / "big.json.gz"
    one = write_parquet(tmp_path / "one.parquet", SMALL[:40], COLUMNS)
    two = write_parquet(tmp_path / "two.parquet", SMALL[30:], COLUMNS)
    words = {"counts": card, "threshold": T}
    first = done("run", *world.words(input=one, snapshot="one", **words))
    second = done("run", *world.words(input=two, snapshot="two", **words))
    assert f"balance reads the subset of run {first['run_id']}, and of the pool only two." in second["err"]
    warehouse, right = tmp_path / "warehouse", expected(SMALL, given=GIVEN)
    assert drawn(spark, warehouse, second["run_id"]) == right.kept
    at = flag_words(warehouse=warehouse, counts=card, threshold=T)
    images = done("balance", *at, "--unit", "image")
    assert drawn(spark, warehouse, images["run_id"]) == expected(SMALL, given=GIVEN, unit="image").kept
    part = done("balance", *at, "--where", "text LIKE '%cat%' OR text LIKE '%cow%'")
    wanted = {pair: value for pair, value in right.kept.items() if "dog" not in right.pairs[pair].text}
    assert drawn(spark, warehouse, part["run_id"]) == wanted
    assert_right(*flag_words(warehouse=warehouse))


@pytest.mark.slow
def test_a_card_of_languages(spark, tmp_path):
    """Counts of each list, and t of each language from them."""
    write_lists(tmp_path / "lists")
    base = ["--worldwide", "--metadata", tmp_path / "lists"]
    for name, rows in (("big", rows_for("big", 600, 1)), ("small", rows_for("small", 200, 2))):
        write_parquet(tmp_path / f"{name}.parquet", rows, ("url", "text", "lang"))
        words = ["--input", tmp_path / f"{name}.parquet", *base, "--lang-column", "lang", "--no-lid"]
        done("run", *words, "--warehouse", tmp_path / name, "--tail-fraction", "0.2")
    card = done("counts", "export", *flag_words(warehouse=tmp_path / "big", output=tmp_path / "big.json"))
    assert set(card["lists"]) == set(LISTS)
    columns = ("lang", "entry", "count")
    big = {(lang, entry): count for lang, entry, count in rows_of(spark, tmp_path / "big", "entry_counts", columns)}
    stored = json.loads((tmp_path / "big.json").read_text(encoding="utf-8"))["lists"]
    assert {(lang, entry): n for lang, of in stored.items() for entry, n in of["counts"].items()} == big
    at = flag_words(warehouse=tmp_path / "small", counts=tmp_path / "big.json")
    run = done("balance", *at, *base, "--tail-fraction", "0.2")
    own = {row["name"]: row["threshold"] for row in run["language_lists"]}
    of_big = rows_of(spark, tmp_path / "big", "entry_probabilities", ("lang", "threshold"))
    assert {lang: t for lang, t in own.items() if lang in dict(of_big)} == dict(of_big)
    columns = ("lang", "entry", "count")
    used = rows_of(spark, tmp_path / "small", "entry_probabilities", columns, condition=f"run_id = '{run['run_id']}'")
    assert {(lang, entry): count for lang, entry, count in used} == big
    assert_right(*flag_words(warehouse=tmp_path / "small"))
