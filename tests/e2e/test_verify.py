"""`verify` finds nothing in a warehouse that commands made, and finds each damage of a table by the check for it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from crashing import Crash, CrashAt, watched
from damaged import Row, add, rewrite, rows_in
from e2e_world import UNMATCHED, World, call, flag_words, row, wat_of, wat_record, write_parquet, write_wat
from other_engine import play
from test_damage import damaged_pool
from test_engines import (
    AT,
    after_download,
    crawls,
    every_kind,
    images,
    match_later,
    nothing,
    own_keys,
    read_again,
    words_of,
    world_in,
)
from test_snapshots import Pools
from test_upgrade import unpacked
from worldwide_pool import rows_for, write_lists

from metaclip_spark.core.hashing.ids import pair_id
from metaclip_spark.steps.verify.checks import CHECKS
from metaclip_spark.takedown.hashes import URL, hashes_of, to_arrow
from metaclip_spark.warehouse.files import STAGING
from metaclip_spark.warehouse.lease import leased
from metaclip_spark.warehouse.tables import Warehouse

pytestmark = [pytest.mark.spark, pytest.mark.timeout(1800)]

Results = dict[str, dict[str, Any]]
"""Check -> its result."""
TAKEN = row("a", 3)[0]
"""The url that is taken down from the warehouse that is damaged."""


def verified(warehouse: Path | str, *more: object) -> Results:
    """Verify a warehouse; the exit status is 1 if and only if something differs or fails."""
    ended = call("verify", "--warehouse", warehouse, *more, "--json")
    assert ended.out, ended.err
    answer = json.loads(ended.out)
    checks = {check["check"]: check for check in answer["checks"]}
    assert (ended.status, answer["ok"]) == (int(bool(wrong(checks))), not wrong(checks)), ended.err
    return checks


def wrong(checks: Results) -> dict[str, Any]:
    """Return check -> its problem or its first differences, of the checks that found any."""
    return {
        name: check["problem"]
        or [(each["field"], each["id"], each["expected"], each["got"]) for each in check["first"]]
        for name, check in checks.items()
        if check["status"] in ("differs", "failed")
    }


def idle(checks: Results) -> set[str]:
    """Return the checks that looked at nothing."""
    return {name for name, check in checks.items() if not sum(check["checked"].values())}


def images_taken_down(root: Path, shared: Path | None) -> list[list[object]]:
    """One text per image, of which a page is taken down, with its text; then another crawl of the same images."""
    world = world_in(root)
    url = "http://example.org/{}.jpg"
    for name, animals in (("one", ("cat", "dog", "cow")), ("two", ("cat", "bird"))):
        pages = [
            wat_record(
                f"http://{name}.example/{n}", [{"url": url.format(n // 3), "alt": f"photo of a {animal} no {n}"}]
            )
            for n in range(30)
            for animal in animals
        ]
        write_wat(root / f"{name}.wat.gz", pages)
    (root / "urls.txt").write_text("\n".join(f"http://one.example/{n}" for n in range(0, 30, 4)), encoding="utf-8")
    (root / "domains.txt").write_text("two.example\n", encoding="utf-8")
    runs = [
        [
            "run",
            *words_of(world, "--unit", "image", "--json", input=root / f"{name}.wat.gz", threshold=4, snapshot=name),
        ]
        for name in ("one", "two")
    ]
    takedown = ["takedown", *AT, "--json"]
    return [
        runs[0],
        [*takedown, "--urls", root / "urls.txt"],
        runs[1],
        [*takedown, "--page-domains", root / "domains.txt"],
        ["balance", *AT, "--threshold", 3, "--unit", "image", "--json"],
    ]


def left_out(root: Path, shared: Path | None) -> list[list[object]]:
    """Filters, a blocklist, languages and caps; sources that are read again, also without deduplication."""
    world = world_in(root)
    (root / "blocked.txt").write_text("blocked.example\n", encoding="utf-8")
    rows = [row("f", n) for n in range(20)]
    rows += [(f"http://blocked.example/{n}.jpg", "a cat", "en", "", "") for n in range(12)]
    rows += [(f"http://example.org/d/{n}.jpg", f"{n}{n} cats", "en", "", "") for n in range(12)]
    pool = write_parquet(root / "filters" / "0.parquet", [*rows, ("http://example.org/l.jpg", "a " * 90, "en", "", "")])
    damaged_pool(root / "damaged")
    (root / "cut.wat.gz").write_bytes((root / "damaged" / "cut.wat.gz").read_bytes())
    write_wat(root / "whole.wat.gz", wat_of([row("cut", n) for n in range(4)]))
    words = words_of(world, "--no-dedup", input=root / "damaged", snapshot="damaged", max_failed="90%")
    more = ["--min-words", 3, "--no-digits", "--text-cap", 100, "--blocklist", root / "blocked.txt"]
    return [
        ["run", *words_of(world, *more, input=pool, lang_column="lang", languages="en", rejects_per_reason=3)],
        ["run", *words],
        ["copy", root / "whole.wat.gz", root / "damaged" / "cut.wat.gz"],
        ["run", *words, "--retry", "partial,failed"],
    ]


NO_TAKEDOWN = {"takedowns"}
MADE = {
    every_kind: NO_TAKEDOWN,
    crawls: set(),
    images_taken_down: set(),
    left_out: NO_TAKEDOWN,
    images: NO_TAKEDOWN,
    own_keys: NO_TAKEDOWN,
    match_later: NO_TAKEDOWN,
    after_download: NO_TAKEDOWN,
    nothing: {"ids", "matches", "counts", "probabilities", "draws", "subsets", "takedowns"},
    read_again: NO_TAKEDOWN,
}
"""Script -> the checks that have nothing to look at after it."""


SLOW = (every_kind, match_later, read_again, left_out, after_download, images, images_taken_down)


@pytest.mark.parametrize(
    "script",
    [pytest.param(script, marks=[pytest.mark.slow] if script in SLOW else []) for script in MADE],
    ids=lambda script: script.__name__,
)
def test_a_warehouse_that_commands_made_is_right(spark, tmp_path, script):
    """All kinds of input, of pools and of draws: no check finds anything, and each says how much it looked at."""
    warehouse = tmp_path / "warehouse"
    play([[str(word) for word in words] for words in script(tmp_path / "input", None)], str(warehouse))
    checks = verified(warehouse)
    assert wrong(checks) == {}
    assert list(checks) == list(CHECKS)
    assert idle(checks) == MADE[script]


@pytest.mark.slow
def test_snapshots_that_were_dropped_and_read_again_are_right(spark, world):
    """Pairs that moved, another list, subsets whose pool is gone; what cannot be checked is said."""
    pools = Pools(world)
    runs = pools.run("warehouse", ("one", "two", "three"))
    pools.match("warehouse")
    at = pools.at("warehouse")
    assert call("snapshots", "drop", "one", *at).status == 0
    checks = verified(world.root / "warehouse")
    assert wrong(checks) == {}
    assert idle(checks) == NO_TAKEDOWN
    gone = [f"run {run_id}: the pairs of snapshot one, which was dropped since" for run_id in runs]
    assert sorted(checks["subsets"]["not_checked"]) == sorted(gone)
    words = pools.words("warehouse", "two", "--no-digits")
    assert call("snapshots", "replace", "two", *words).status == 0
    assert wrong(verified(world.root / "warehouse")) == {}


@pytest.fixture(scope="module")
def languages(spark, tmp_path_factory) -> Path:
    """Return a folder with lists of languages and a warehouse of two runs over them: by tail fraction, and by t."""
    root = tmp_path_factory.mktemp("languages")
    write_lists(root / "lists")
    write_parquet(root / "pool.parquet", rows_for("one", 600, 1), ("url", "text", "lang"))
    base = ["--worldwide", "--metadata", root / "lists", "--warehouse", root / "warehouse"]
    words = ["--input", root / "pool.parquet", "--lang-column", "lang", "--no-lid", *base]
    assert call("run", *words, "--tail-fraction", 0.3).status == 0
    assert call("balance", *base, "--threshold", 40, "--language-thresholds", "de=3").status == 0
    return root


def test_a_worldwide_warehouse_is_right(spark, languages):
    """Every language has its list, its counts and its t."""
    checks = verified(languages / "warehouse")
    assert wrong(checks) == {}
    assert idle(checks) == NO_TAKEDOWN
    assert checks["probabilities"]["not_checked"] == []


@pytest.mark.parametrize(
    ("name", "column", "value", "found_by", "field"),
    [
        ("pairs", "list_lang", "other", "matches", "pairs.list_lang"),
        ("entry_counts", "lang", "other", "counts", "entry_counts.lang"),
        ("entry_probabilities", "lang", "other", "probabilities", "entry_probabilities.threshold"),
    ],
)
def test_a_wrong_language_is_found(spark, languages, tmp_path, name, column, value, found_by, field):
    """The language of a list is in pairs, counts and probabilities."""
    shutil.copytree(languages / "warehouse", tmp_path / "warehouse")

    def change(rows: list[Row]) -> list[Row]:
        first = next(each for each in rows if each[column] == "en")
        return [{**each, column: value} if each is first else each for each in rows]

    rewrite(tmp_path / "warehouse", name, change)
    found = wrong(verified(tmp_path / "warehouse"))
    assert set(found) == {found_by}
    assert field in {each[0] for each in found[found_by]}


@pytest.mark.slow
def test_an_older_format_says_what_it_lacks_and_an_upgraded_one_is_right(spark, tmp_path):
    """Nothing passes in silence: a check that an older table cannot serve is `not checked`, with the command to run."""
    warehouse = unpacked(tmp_path) / "warehouse"
    given = ("--metadata", tmp_path / "format-1" / "entries.json")
    before = verified(warehouse, *given)
    assert wrong(before) == {}
    assert "run `upgrade`" in " ".join(sentence for check in before.values() for sentence in check["not_checked"])
    assert before["counts"]["status"] == before["subsets"]["status"] == "not checked"
    assert min(before[name]["checked"]["pairs"] for name in ("ids", "matches", "draws")) > 0
    assert call("upgrade", "--warehouse", warehouse).status == 0
    after = verified(warehouse, *given)
    assert wrong(after) == {}
    assert idle(after) == set()


# ---- Damages --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sound(spark, tmp_path_factory) -> Path:
    """Return a warehouse with two snapshots, unmatched pairs, rejects, a takedown, an export and runs at two t."""
    world = World(tmp_path_factory.mktemp("sound"))
    warehouse = world.root / "warehouse"
    numbers = {"one": range(24), "two": range(16, 44)}
    for name, of_snapshot in numbers.items():
        odd = (f"http://example.org/{name}.jpg", "nothing here", "en", "f" * 32, "unmatched")
        write_parquet(
            world.root / name / "1.parquet",
            [*(row("a", n) for n in of_snapshot), odd, (*UNMATCHED[:1], "", *UNMATCHED[2:])],
        )
        words = world.words("warehouse", "--keep-unmatched", input=world.root / name, snapshot=name, threshold=6)
        assert call("run", *words).status == 0
    at = flag_words(warehouse=warehouse)
    assert call("balance", *at, "--metadata", world.metadata, "--threshold", 4, "--seed", 5).status == 0
    (world.root / "urls.txt").write_text(TAKEN + "\n", encoding="utf-8")
    assert call("takedown", *at, "--urls", world.root / "urls.txt").status == 0
    assert call("export", *at).status == 0
    return warehouse


def first_where(**wanted: object) -> Callable[[list[Row]], Row]:
    """Return a function that finds the first row, by pair_id or the like, with some values."""

    def find(rows: list[Row]) -> Row:
        found = [each for each in rows if all(each[name] == value for name, value in wanted.items())]
        return min(found, key=lambda each: str([each.get("pair_id"), each.get("entry_id"), each.get("source_path")]))

    return find


any_row = first_where()
unmatched = first_where(entry_ids=[])


def last_entry(rows: list[Row]) -> Row:
    """Find the row of the highest entry id, which decides how many entries there seem to be."""
    return max(rows, key=lambda each: each["entry_id"])


def changed(name: str, find: Callable[[list[Row]], Row] = any_row, **values: Any) -> Callable[[Path], Row]:
    """Return a damage: one row of a table gets other values, which may be functions of the row."""

    def damage(warehouse: Path) -> Row:
        one = find(rows_in(warehouse, name))
        new = {**one, **{column: value(one) if callable(value) else value for column, value in values.items()}}
        rewrite(warehouse, name, lambda rows: [new if each == one else each for each in rows])
        return new

    return damage


def doubled(name: str, find: Callable[[list[Row]], Row] = any_row) -> Callable[[Path], Row]:
    """Return a damage: one row of a table is there twice."""

    def damage(warehouse: Path) -> Row:
        one = find(rows_in(warehouse, name))
        add(warehouse, name, one)
        return one

    return damage


def missing(name: str, find: Callable[[list[Row]], Row] = any_row) -> Callable[[Path], Row]:
    """Return a damage: one row of a table is missing."""

    def damage(warehouse: Path) -> Row:
        one = find(rows_in(warehouse, name))
        rewrite(warehouse, name, lambda rows: [each for each in rows if each != one])
        return one

    return damage


def refused(warehouse: Path) -> Row:
    """Put a pair that its draw refuses into the subset of the run that was drawn last, in place of no other."""
    (run_id,) = (each["run_id"] for each in rows_in(warehouse, "current_run"))
    subset = [each for each in rows_in(warehouse, "curated_pairs") if each["run_id"] == run_id]
    kept = {each["pair_id"] for each in subset}
    by_ids = {tuple(each["entry_ids"]): each["sampling_probability"] for each in subset}
    from metaclip_spark.core.draw import draws

    for each in sorted(rows_in(warehouse, "pairs"), key=lambda each: each["pair_id"]):
        p = by_ids.get(tuple(each["entry_ids"]))
        if each["pair_id"] not in kept and p is not None:
            u = float(draws(pa.array([each["pair_id"]]), 5)[0])
            new = {**each, "run_id": run_id, "sampling_probability": p, "draw": u}
            add(warehouse, "curated_pairs", new)
            return new
    raise AssertionError("every pair is drawn")


def batch_of_nothing(warehouse: Path) -> Row:
    """Log a deduplication that added three pairs, which are not there."""
    last = max((e for e in rows_in(warehouse, "runs") if e["stage"] == "dedup"), key=lambda e: e["at"])
    later = max(e["at"] for e in rows_in(warehouse, "runs")).replace(year=2100)
    add(warehouse, "runs", {**last, "event": "stage done", "at": later, "fingerprint": "0123456789abcdef", "rows": 3})
    return {"pair_id": "batch 0123456789abcdef of snapshot two"}


def later_version(warehouse: Path) -> Row:
    """Log a version of `pairs` that the table does not have."""
    last = max((e for e in rows_in(warehouse, "runs") if e["stage"] == "count"), key=lambda e: e["at"])
    later = max(e["at"] for e in rows_in(warehouse, "runs")).replace(year=2100)
    add(warehouse, "runs", {**last, "at": later, "versions": [("pairs", 10**6)]})
    return {"pair_id": "pairs"}


def listed(url: Callable[[Path], Row]) -> Callable[[Path], Row]:
    """Return a damage: the url of a row is on the takedown list, and its rows were left."""

    def damage(warehouse: Path) -> Row:
        one = url(warehouse)
        (salt,) = (each["hash"].hex() for each in rows_in(warehouse, "takedowns") if each["kind"] == "salt")
        (hashed,) = to_arrow(hashes_of(salt, URL, pa.array([one["url"]]))).to_pylist()
        add(warehouse, "takedowns", {"kind": URL, "hash": hashed, "takedown_id": "left"})
        return one

    return damage


def of_table(name: str, find: Callable[[list[Row]], Row] = any_row) -> Callable[[Path], Row]:
    return lambda warehouse: find(rows_in(warehouse, name))


def staged_as(name: str, **more: Any) -> Callable[[Path], Row]:
    """Return a damage: the taken-down pair is in a table of staging."""

    def damage(warehouse: Path) -> Row:
        one = any_row(rows_in(warehouse, "pairs"))
        if not (warehouse / name).exists():
            from metaclip_spark.schemas import TABLES
            from metaclip_spark.warehouse.delta_rs import DeltaLogs

            DeltaLogs(str(warehouse)).create(TABLES[name])
        new = {**one, "url": TAKEN, "pair_id": pair_id(TAKEN, one["text"]), **more}
        add(warehouse, name, new)
        return new

    return damage


def reject_of_taken(warehouse: Path) -> Row:
    return changed("rejects", detail=f"an image at {TAKEN} without a text")(warehouse)


def seen_again(warehouse: Path) -> Row:
    """Leave the key of the pair that was taken down in `sightings`."""
    key = pair_id(TAKEN, row("a", 3)[1])
    add(warehouse, "sightings", {**any_row(rows_in(warehouse, "sightings")), "pair_key": bytes.fromhex(key)})
    return {"pair_id": key}


def staging_folder(warehouse: Path) -> Row:
    (warehouse / STAGING / "left").mkdir(parents=True)
    (warehouse / STAGING / "left" / "0.parquet").write_bytes(b"PAR1")
    return {"pair_id": str(warehouse / STAGING)}


def partial_export(warehouse: Path) -> Row:
    file = warehouse / "exports" / "part.parquet.12345678.partial"
    file.write_bytes(b"PAR1")
    return {"pair_id": str(file)}


DAMAGES: dict[str, tuple[Callable[[Path], Row], str, set[str]]] = {
    "a doubled pair": (doubled("pairs", unmatched), "unique pairs", {"runs"}),
    "a doubled sighting": (doubled("sightings"), "unique sightings", set()),
    "a doubled curated pair": (doubled("curated_pairs"), "unique curated_pairs", {"runs"}),
    "a source recorded twice": (doubled("sources"), "unique sources", set()),
    "a doubled count": (doubled("entry_counts"), "unique entry_counts", set()),
    "a changed text": (changed("pairs", text=lambda r: r["text"] + " street"), "ids pairs.pair_id", set()),
    "a changed url": (changed("pairs", url="http://example.org/x.jpg"), "ids pairs.image_id", set()),
    "a changed id": (changed("pairs", unmatched, pair_id="0" * 32), "ids pairs.pair_id", {"sources"}),
    "a changed id of an image": (changed("pairs", image_id="0" * 24), "ids pairs.image_id", set()),
    "a changed curated text": (
        changed("curated_pairs", text=lambda r: r["text"] + " street"),
        "ids curated_pairs.pair_id",
        set(),
    ),
    "a match too many": (
        changed("pairs", unmatched, entry_ids=[7]),
        "matches pairs.entry_ids",
        {"counts", "probabilities"},
    ),
    "a wrong count": (changed("entry_counts", count=lambda r: r["count"] + 1), "counts entry_counts.count", set()),
    "a missing count": (missing("entry_counts"), "counts entry_counts.count", set()),
    "a missing count of the last entry": (missing("entry_counts", last_entry), "counts entry_counts.count", set()),
    "another entry": (changed("entry_counts", entry="b"), "counts entry_counts.entry", set()),
    "a wrong count of a run": (
        changed("entry_probabilities", count=lambda r: r["count"] + 1, probability=lambda r: r["probability"]),
        "probabilities entry_probabilities.probability",
        set(),
    ),
    "a wrong t of a run": (
        changed("entry_probabilities", first_where(probability=1.0), threshold=lambda r: r["threshold"] + 1),
        "probabilities entry_probabilities.threshold",
        set(),
    ),
    "a wrong probability of an entry": (
        changed("entry_probabilities", probability=lambda r: r["probability"] / 2),
        "probabilities entry_probabilities.probability",
        {"draws", "subsets"},
    ),
    "a wrong probability": (
        changed("curated_pairs", sampling_probability=lambda r: (r["draw"] + r["sampling_probability"]) / 2),
        "draws curated_pairs.sampling_probability",
        set(),
    ),
    "a wrong draw": (changed("curated_pairs", draw=lambda r: r["draw"] / 2), "draws curated_pairs.draw", set()),
    "a curated pair that its draw refuses": (refused, "draws curated_pairs", {"subsets", "runs"}),
    "a missing curated pair": (missing("curated_pairs"), "subsets curated_pairs", {"runs"}),
    "a missing pair with its source still counted": (missing("pairs", unmatched), "sources pairs", {"runs"}),
    "a missing sighting": (missing("sightings"), "sources sightings", set()),
    "a missing source": (missing("sources"), "sources pairs.source_path", set()),
    "a source that does not add up": (
        changed("sources", texts_read=lambda r: r["texts_read"] + 1),
        "sources sources.texts_read",
        set(),
    ),
    "a reject that no source counts": (changed("rejects", reason="no_url"), "sources rejects", set()),
    "a taken-down key left in sightings": (seen_again, "sources pairs", set()),
    "a batch in runs that does not exist": (batch_of_nothing, "runs pairs", set()),
    "a pair of no batch": (changed("pairs", unmatched, batch_id="f" * 16), "runs pairs.batch_id", set()),
    "a version that was never made": (later_version, "runs runs.versions", set()),
    "another current run": (changed("current_run", run_id="f" * 16), "runs current_run", set()),
    "a wrong sum of a run": (
        changed("run_statistics", first_where(name="curated"), value=lambda r: r["value"] + 1),
        "runs run_statistics",
        set(),
    ),
    "a taken-down pair left in pairs": (listed(of_table("pairs", unmatched)), "takedowns pairs", set()),
    "a taken-down pair left in a subset": (listed(of_table("curated_pairs")), "takedowns curated_pairs", set()),
    "a taken-down pair left in an export": (listed(of_table("curated_pairs")), "takedowns exports", set()),
    "a taken-down url left in rejects": (reject_of_taken, "takedowns rejects", set()),
    "a taken-down pair left in extracted": (staged_as("extracted", kind="pair"), "takedowns extracted", {"staging"}),
    "a taken-down pair left in survivors": (
        staged_as("survivors", run_id="f" * 16),
        "takedowns survivors",
        {"staging"},
    ),
    "rows left in taken": (staged_as("taken", takedown_id="left"), "staging taken", set()),
    "a staging folder left": (staging_folder, f"staging {STAGING}", set()),
    "a partial export left": (partial_export, "staging exports", set()),
}
"""Damage -> (function, the check and the field that find it, the checks that its consequences reach)."""


def test_the_warehouse_that_is_damaged_is_right(spark, sound):
    """Every check looks at something, so that each damage is a difference."""
    checks = verified(sound)
    assert wrong(checks) == {}
    assert idle(checks) == set()
    assert {found_by.split()[0] for _, found_by, _ in DAMAGES.values()} == set(CHECKS)


FIRST = {wanted.split()[0]: name for name, (_, wanted, _) in reversed(DAMAGES.items())}
"""Check -> the first damage that it finds; the default set has these."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in FIRST.values() else [pytest.mark.slow]) for name in DAMAGES]
)
def test_a_damage_is_found_by_its_check(spark, sound, tmp_path, name):
    """The exit status is 1, and the first differences name the row; other checks find its consequences at most."""
    damage, wanted, others = DAMAGES[name]
    warehouse = tmp_path / "warehouse"
    shutil.copytree(sound, warehouse)
    damaged = damage(warehouse)
    found = wrong(verified(warehouse))
    check, field = wanted.split()
    assert set(found) == {check, *others}
    of_field = [each for each in found[check] if each[0] == field]
    assert of_field, found
    keys = [damaged.get(key) for key in ("pair_id", "pair_key", "source_path", "entry_id", "batch_id", "run_id")]
    names = {key.hex() if isinstance(key, bytes) else str(key) for key in keys if key is not None}
    named = " ".join(" ".join(each) for each in of_field)
    assert any(each in named for each in names) or field in ("exports", "taken"), (names, found)


def test_a_table_that_cannot_be_read_fails_its_checks_and_no_others(spark, sound, tmp_path):
    """Each check that reads it says so; the others go on."""
    warehouse = tmp_path / "warehouse"
    shutil.copytree(sound, warehouse)
    for file in (warehouse / "entry_probabilities").rglob("*.parquet"):
        file.write_bytes(b"PAR1" + b"x" * 100)
    checks = verified(warehouse)
    assert {name for name, check in checks.items() if check["problem"]} == {
        "unique",
        "probabilities",
        "draws",
        "subsets",
    }
    assert checks["ids"]["status"] == checks["sources"]["status"] == "ok"


def test_a_sample_is_the_same_pairs_every_time_and_is_said(spark, sound):
    """Ids and matches are computed again for a share of the pairs; all other checks are in full."""
    whole, sampled = verified(sound), [verified(sound, "--sample", "40%") for _ in range(2)]
    pairs = [each["ids"]["checked"]["pairs"] for each in sampled]
    assert pairs[0] == pairs[1] == sampled[0]["matches"]["checked"]["pairs"] < whole["ids"]["checked"]["pairs"]
    assert sampled[0]["ids"]["not_checked"] == [
        "ids of other pairs than a sample of 0.4 of all, by their id (--sample)"
    ]
    for name in set(CHECKS) - {"ids", "matches"}:
        assert {**sampled[0][name], "seconds": 0} == {**whole[name], "seconds": 0}


@pytest.mark.slow
def test_a_list_that_is_another_one_now_is_said_and_can_be_given(spark, sound, tmp_path):
    """What needs the list is not checked, with the reason; the list is found again where --metadata names it."""
    other = tmp_path / "other.json"
    other.write_text('["a", "cat"]', encoding="utf-8")
    world = sound.parent / "entries.json"
    moved = tmp_path / "entries.json"
    world.rename(moved)
    try:
        checks = verified(sound)
        assert checks["matches"]["status"] == "not checked"
        (sentence,) = checks["matches"]["not_checked"]
        assert sentence.startswith("list ")
        assert sentence.endswith("give it as --metadata")
        assert checks["counts"]["checked"]["pairs"] > 0
        assert "is another list now" in verified(sound, "--metadata", other)["matches"]["not_checked"][0]
        assert verified(sound, "--metadata", moved)["matches"]["status"] == "ok"
    finally:
        moved.rename(world)


def test_only_some_checks_and_one_run_are_looked_at(spark, sound):
    """`--checks` and `--run-id` limit the work; unknown names are refused before it."""
    runs = sorted({each["run_id"] for each in rows_in(sound, "curated_pairs")})
    checks = verified(sound, "--checks", "draws, subsets", "--run-id", runs[0])
    assert {name: check["checked"]["runs"] for name, check in checks.items()} == {"draws": 1, "subsets": 1}
    for flag, value, says in (
        ("--checks", "drawz", "names drawz"),
        ("--run-id", "f" * 16, "no subset is stored"),
        ("--sample", "0", "share"),
    ):
        ended = call("verify", "--warehouse", sound, flag, value)
        assert (ended.status, ended.out) == (2, "")
        assert says in ended.err


def test_a_warehouse_that_another_run_holds_is_not_looked_at(spark, sound, tmp_path):
    """The tables of a run at work disagree by nature. Nothing is written: not even a lease is taken."""
    warehouse = tmp_path / "warehouse"
    shutil.copytree(sound, warehouse)
    before = sorted(str(path) for path in warehouse.rglob("*"))
    assert wrong(verified(warehouse)) == {}
    assert sorted(str(path) for path in warehouse.rglob("*")) == before
    with leased(Warehouse(spark, str(warehouse)), 300):
        ended = call("verify", "--warehouse", warehouse)
    assert (ended.status, ended.out) == (1, "")
    assert "another run holds warehouse" in ended.err


def test_a_folder_without_tables_is_said(spark, tmp_path):
    """There is nothing to verify."""
    ended = call("verify", "--warehouse", tmp_path)
    assert (ended.status, ended.out) == (1, "")
    assert "holds no run; expected tables made by run" in ended.err


def test_the_page_names_what_was_checked_and_the_first_differences(spark, sound, tmp_path):
    """One line per check; below it the differences, what was not checked, and a sentence."""
    right = call("verify", "--warehouse", sound)
    table = right.out.split("\n\n")[0].splitlines()[1:]
    assert [line.split()[0] for line in table if not line.startswith(" ")] == list(CHECKS)
    assert f"{sound} is right in 11 checks" in right.out
    warehouse = tmp_path / "warehouse"
    shutil.copytree(sound, warehouse)
    damaged = changed("entry_counts", count=lambda r: r["count"] + 1)(warehouse)
    ended = call("verify", "--warehouse", warehouse)
    assert ended.status == 1
    assert "counts: 1 difference" in ended.out
    assert f"entry {damaged['entry_id']} of {damaged['snapshot']}" in ended.out
    assert f"{warehouse} is not right: see counts" in ended.out
    assert "not checked" in ended.out


@pytest.mark.parametrize(
    "point",
    [
        pytest.param("after append extracted", marks=pytest.mark.slow),
        "after append pairs",
        pytest.param("after replace entry_probabilities", marks=pytest.mark.slow),
    ],
)
def test_an_interrupted_run_differs_until_it_is_finished(spark, world, point):
    """What is begun is named, with what to do; the same command again makes the warehouse right."""
    assert call("run", *world.words("warehouse", input=world.pool / "a.parquet")).status == 0
    words = world.words("warehouse", input=[world.pool / "b.tsv", world.pool / "c.wat.gz"], threshold=3)
    with watched(CrashAt(lambda at: at == point)), pytest.raises(Crash):
        call("run", *words)
    checks = verified(world.root / "warehouse")
    said = " ".join(" ".join(each) for found in wrong(checks).values() for each in found)
    assert "again" in said or "run `dedup`, or the same `run`" in said, wrong(checks)
    assert call("run", *words).status == 0
    assert wrong(verified(world.root / "warehouse")) == {}


def test_key_prefixes_find_the_same_as_one_pass(spark, sound, tmp_path, monkeypatch):
    """A large table is compared one part of the keys after another: the numbers and the first differences are equal."""
    warehouse = tmp_path / "warehouse"
    shutil.copytree(sound, warehouse)
    for damage in (doubled("pairs", unmatched), missing("sightings"), refused, doubled("curated_pairs")):
        damage(warehouse)
    names = "unique,subsets,sources"
    whole = {name: {**check, "seconds": 0} for name, check in verified(warehouse, "--checks", names).items()}
    assert set(wrong(whole)) == {"unique", "subsets", "sources"}
    monkeypatch.setattr("metaclip_spark.steps.verify.inspection.prefixes_for", lambda keys, most: 8)
    parts = {name: {**check, "seconds": 0} for name, check in verified(warehouse, "--checks", names).items()}
    assert parts == whole
    assert wrong(verified(sound)) == {}
