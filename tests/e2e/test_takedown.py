"""`takedown` removes the listed pairs from all files, and all numbers are those of the remaining pairs."""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import reference
from crashing import Crash, CrashAt, watched
from e2e_world import (
    DATA_TABLES,
    ENTRIES,
    SHARED,
    TAIL,
    World,
    assert_same,
    call,
    counts_over,
    flag_words,
    row,
    rows_of,
    table_state,
    versions,
    wat_record,
    write_parquet,
    write_wat,
)

from metaclip_spark.core.sampling import fixed_point
from metaclip_spark.takedown.hashes import KINDS
from metaclip_spark.warehouse.delta_rs import DeltaLogs

pytestmark = pytest.mark.spark

URLS = [SHARED[0], row("a", 3)[0], row("b", 6, "cat")[0]]
"""A url of three files, one of a Parquet file and one of a TSV. The last two are in the subset."""
PAGES = "pages.example"
"""The domain of all pages of the world. Its takedown removes all pairs of the WAT, and a reject."""
CORRECTED = ("run_statistics", "entry_counts")
WRITES = (
    "after append takedowns",
    "after append taken",
    "after replace run_statistics",
    "after merge rejects",
    "after append runs: takedown of pool stage done",
    "after merge pairs",
    "after merge curated_pairs",
    "after merge sightings",
    "after merge entry_counts",
    "after append runs: takedown stage done",
    "after delete taken",
    "after remove_files taken",
)
"""Every write of a takedown on the world, in order, except for the merge of the empty table `extracted`."""


def lists(folder: Path, urls: Iterable[str] = URLS, pages: str = PAGES) -> list[object]:
    """Write the lists, and return the flags that name them."""
    (folder / "urls.txt").write_text("\n".join(urls) + "\n", encoding="utf-8")
    (folder / "pages.txt").write_text(pages + "\n", encoding="utf-8")
    return ["--urls", folder / "urls.txt", "--page-domains", folder / "pages.txt"]


def places_of(word: str, warehouse: Path) -> set[str]:
    """Return the parts of a warehouse whose files contain a word, as raw bytes, unzipped, or decoded from Parquet."""
    found = set()
    for path in warehouse.rglob("*"):
        if not path.is_file():
            continue
        raw = path.read_bytes()
        contents = [raw, gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else b""]
        if path.suffix == ".parquet":  # data files, and the log's checkpoints
            contents.append(
                json.dumps(pq.ParquetFile(path).read().to_pylist(), default=str, ensure_ascii=False).encode()
            )
        if any(word.encode() in each.replace(b"\\/", b"/") for each in contents):
            found.add(path.relative_to(warehouse).parts[0])
    return found


def remaining_of(world: World, urls: Iterable[str] = URLS) -> reference.Curated:
    """Return the reference's result for the world's input without the listed urls and pages."""
    pool = reference.read_pool(sorted(map(str, world.pool.iterdir())))
    kept = [each for each in pool if each.url not in urls and PAGES not in each.page_url]
    return reference.curate(kept, ENTRIES, threshold=2)


def check_counts(spark, warehouse: Path, remaining: reference.Curated) -> None:
    """Check the pool and its counts against the reference's."""
    assert {pair for (pair,) in rows_of(spark, warehouse, "pairs", ("pair_id",))} == set(remaining.pairs)
    assert counts_over(spark, warehouse) == {ENTRIES[i]: count for i, count in remaining.counts.items()}
    seen = {bytes(key).hex() for (key,) in rows_of(spark, warehouse, "sightings", ("pair_key",))}
    assert seen == set(remaining.pairs)


def statistics_of(
    spark, warehouse: Path, run_id: str, pool: Mapping[str, Sequence[int]], drawn: set[str], unit: str = "pair"
) -> dict[tuple[str, int], int]:
    """Compute a run's statistics from its stored probabilities and its stored subset.

    Args:
        pool: pair -> entry ids, of the remaining pairs of the run's pool.
        drawn: the pairs of the pool that the run sampled from.
    """
    of_run = f"run_id = '{run_id}'"
    by_entry = dict(rows_of(spark, warehouse, "entry_probabilities", ("entry_id", "probability"), condition=of_run))
    kept = {pair for (pair,) in rows_of(spark, warehouse, "curated_pairs", ("pair_id",), condition=of_run)}
    assert kept <= drawn <= set(pool)
    sums: Counter[tuple[str, int]] = Counter()
    for pair, ids in pool.items():
        sums.update({("pairs", 0): 1, ("matches", len(ids)): 1, ("curated", 0): int(pair in kept)})
        if unit == "image":
            sums["images", 0] += pair in drawn
        p = 1.0 - math.prod(1.0 - by_entry[i] for i in ids) if pair in drawn else 0.0
        for name, value in (("expected", p), ("variance", p * (1 - p))):
            high, low = fixed_point(np.array([value]))
            sums.update({(f"{name}_high", 0): high, (f"{name}_low", 0): low})
        if pair in kept:
            sums.update({("curated_matches", len(ids)): 1, **{("curated_count", i): 1 for i in ids}})
    return dict(sums)


def pool_of(spark, warehouse: Path) -> dict[str, tuple[int, ...]]:
    return dict(rows_of(spark, warehouse, "pairs", ("pair_id", "entry_ids")))


def stored_statistics(spark, warehouse: Path, run_id: str) -> dict[tuple[str, int], int]:
    rows = rows_of(spark, warehouse, "run_statistics", ("name", "key", "value"), condition=f"run_id = '{run_id}'")
    assert len({(name, key) for name, key, _ in rows}) == len(rows)
    return {(name, key): value for name, key, value in rows}


def write_export(spark, warehouse: Path) -> Path:
    """Write an export of the curated pairs without page urls, with a manifest."""
    pairs = rows_of(spark, warehouse, "curated_pairs", ("url", "text", "pair_id"))
    folder = warehouse / "exports" / "made-curated"
    folder.mkdir(parents=True)
    images = [{"url": url, "text": text, "pair_ids": [pair], "texts": [text]} for url, text, pair in pairs]
    pq.write_table(pa.Table.from_pylist(images), folder / "00000.parquet")
    files = [{"file": "00000.parquet", "rows": len(images), "pairs": len(images), "bytes": 1}]
    (folder / "_manifest.json").write_text(json.dumps({"files": files}))
    return folder


def crash(words: list[object], point: str) -> None:
    """Run a command that dies at a point."""
    watch = CrashAt(lambda reached: reached == point)
    with watched(watch), pytest.raises(Crash):
        call(*words)
    assert watch.crashed == point


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_taken_down_pairs_are_nowhere_and_the_numbers_are_those_of_the_remaining_pairs(spark, undisturbed, tmp_path):
    """An interrupted takedown blocks other commands, and the same takedown finishes it. The test decodes every file."""
    warehouse = shutil.copytree(undisturbed.warehouse, tmp_path / "warehouse")
    words = ["takedown", *lists(tmp_path), *flag_words(warehouse=warehouse)]
    export = write_export(spark, warehouse)
    before = undisturbed.state
    for name in ("pairs", "curated_pairs"):
        DeltaLogs(str(warehouse)).set_property(name, "delta.checkpointInterval", "1")
    shown = {"reports"}  # may show some pairs of the pool and of the subset
    assert places_of(SHARED[0], warehouse) - shown == {"pairs"}
    for word in (URLS[1], URLS[2], TAIL[0]):
        assert places_of(word, warehouse) - shown == {"pairs", "curated_pairs", "exports"}
    assert places_of(PAGES, warehouse) - shown == {"pairs", "curated_pairs", "rejects"}

    crash(words, "after merge pairs")
    refused = call("count", *flag_words(warehouse=warehouse, metadata=undisturbed.world.metadata))
    sentence = (
        f"a takedown on {warehouse} was interrupted; run the same takedown again to finish it, then this command."
    )
    assert (refused.status, refused.err.splitlines()[-1]) == (1, f"metaclip-spark: {sentence}")
    ended = call(*words, "--retain-hours", 0, "--json")
    assert ended.status == 0, ended.err
    for word in (*URLS, PAGES, TAIL[0]):
        assert places_of(word, warehouse) == set()
    assert list((warehouse / "pairs" / "_delta_log").glob("*.checkpoint*.parquet"))

    remaining = remaining_of(undisturbed.world)
    check_counts(spark, warehouse, remaining)
    kept = [each for each in before["curated_pairs"] if remaining.pairs.keys() & set(each)]
    assert len(kept) == len(before["curated_pairs"]) - 4
    assert rows_of(spark, warehouse, "curated_pairs") == kept
    assert rows_of(spark, warehouse, "entry_probabilities") == before["entry_probabilities"]
    assert [r for r in before["rejects"] if PAGES not in str(r)] == rows_of(spark, warehouse, "rejects")
    run_id = undisturbed.run_id
    pool = pool_of(spark, warehouse)
    assert stored_statistics(spark, warehouse, run_id) == statistics_of(spark, warehouse, run_id, pool, set(pool))
    assert len(pq.read_table(export / "00000.parquet")) == len(kept)
    assert json.loads((export / "_manifest.json").read_text())["files"][0]["pairs"] == len(kept)

    summary = json.loads(ended.out)
    assert summary["runs"] == {run_id: len(kept)}
    assert summary["new"] == dict.fromkeys(KINDS, 0)
    assert summary["listed"] == {"url": len(URLS), "page_domain": 1}
    assert summary["rows"]["curated_pairs"] == len(before["curated_pairs"]) - len(kept)
    assert summary["rows"]["pairs"] == 0  # removed before the process died
    assert not list((warehouse / "reports").iterdir())
    (run,) = json.loads(call("runs", "list", *flag_words(warehouse=warehouse), "--json").out)
    assert (run["pairs_kept"], run["outcome"]) == (len(kept), "finished")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_run_after_a_takedown_draws_nothing_and_a_later_crawl_adds_no_listed_pair(spark, undisturbed, tmp_path):
    """The same command finds everything done. A crawl with listed urls adds only its other pairs."""
    warehouse = shutil.copytree(undisturbed.warehouse, tmp_path / "warehouse")
    at = flag_words(warehouse=warehouse)
    listed, world = lists(tmp_path), undisturbed.world
    before = versions(warehouse)
    dry = call("takedown", *listed, *at, "--dry-run", "--json")
    assert (dry.status, versions(warehouse)) == (0, before), dry.err
    done = call("takedown", *listed, *at, "--json")
    assert done.status == 0, done.err
    assert json.loads(done.out)["rows"] == json.loads(dry.out)["rows"]
    assert places_of(URLS[1], warehouse) == {"pairs", "curated_pairs"}  # old files

    after = versions(warehouse)
    again = call("run", *world.words(warehouse), "--json")
    assert again.status == 0, again.err
    assert versions(warehouse) == after
    numbers = json.loads(again.out)
    assert numbers["unique_pairs"] == len(rows_of(spark, warehouse, "pairs"))
    assert numbers["curated_size"] == len(rows_of(spark, warehouse, "curated_pairs"))
    assert call("takedown", *listed, *at).status == 0  # there are no more rows to remove
    assert versions(warehouse, [name for name in DATA_TABLES if name not in CORRECTED]) == {
        name: version for name, version in after.items() if name not in CORRECTED
    }

    later = tmp_path / "april" / "a.parquet"
    write_parquet(later, [SHARED, *(row("a", n) for n in range(14)), *(row("d", n) for n in range(3))])
    crawl = {"input": later, "snapshot": "april"}
    ended = call("run", *world.words(warehouse, **crawl), "--json")
    assert ended.status == 0, ended.err
    assert json.loads(ended.out)["rejected"]["takedown"] == 2
    purged = call("takedown", "--retain-hours", 0, *at)
    assert purged.status == 0, purged.err
    for word in (*URLS, PAGES):
        assert places_of(word, warehouse) == set()

    pool = sorted(map(str, [*world.pool.iterdir(), later]))
    rows = [each for each in reference.read_pool(pool) if each.url not in URLS and PAGES not in each.page_url]
    check_counts(spark, warehouse, reference.curate(rows, ENTRIES, threshold=2))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_fresh_run_without_the_urls_has_the_same_counts_and_subset(spark, undisturbed, tmp_path):
    """Pairs, counts and draws of a run after a takedown equal those of a run whose input never had the urls."""
    warehouse = shutil.copytree(undisturbed.warehouse, tmp_path / "warehouse")
    (tmp_path / "urls.txt").write_text("\n".join(URLS), encoding="utf-8")
    ended = call("takedown", "--urls", tmp_path / "urls.txt", *flag_words(warehouse=warehouse))
    assert ended.status == 0, ended.err
    assert call("balance", *flag_words(warehouse=warehouse), "--threshold", 3).status == 0
    clean = World(tmp_path)
    path = clean.pool / "a.parquet"
    rows = [each for each in pq.read_table(path).to_pylist() if each["url"] not in URLS]
    write_parquet(path, [tuple(each.values()) for each in rows])
    tsv = clean.pool / "b.tsv"
    lines = tsv.read_text(encoding="utf-8").splitlines(keepends=True)
    tsv.write_text("".join(line for line in lines if line.partition("\t")[0] not in URLS), encoding="utf-8")
    pages = gzip.decompress((clean.pool / "c.wat.gz").read_bytes()).split(b"WARC/1.0\r\n")[1:]
    kept = [b"WARC/1.0\r\n" + record for record in pages if SHARED[0].encode() not in record]
    (clean.pool / "c.wat.gz").write_bytes(b"".join(gzip.compress(record, mtime=0) for record in kept))
    assert call("run", *clean.words("fresh", threshold=3)).status == 0
    columns = ("pair_id", "url", "text", "lang", "entry_ids", "sampling_probability", "draw")
    drawn = "run_id <> '" + undisturbed.run_id + "'"
    assert rows_of(spark, warehouse, "curated_pairs", columns, condition=drawn) == rows_of(
        spark, tmp_path / "fresh", "curated_pairs", columns
    )
    assert counts_over(spark, warehouse) == counts_over(spark, tmp_path / "fresh")


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_takedown_that_dies_after_any_write_ends_in_the_same_tables(spark, undisturbed, tmp_path):
    """Each attempt dies after a write that no earlier attempt reached. The last attempt ends well."""
    whole, interrupted = (shutil.copytree(undisturbed.warehouse, tmp_path / name) for name in ("whole", "interrupted"))
    listed = lists(tmp_path)
    watch = CrashAt(lambda point: False)
    with watched(watch):
        assert call("takedown", *listed, *flag_words(warehouse=whole)).status == 0
    written = [point for point in watch.points if point.startswith("after") and "extracted" not in point]
    assert written == list(WRITES)
    for point in WRITES:
        crash(["takedown", *listed, *flag_words(warehouse=interrupted)], point)
    assert call("takedown", *listed, *flag_words(warehouse=interrupted)).status == 0
    assert_same(table_state(spark, interrupted), table_state(spark, whole))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_runs_lose_pairs_of_their_own_pool_and_no_other_text_is_drawn_for_an_image(spark, tmp_path):
    """With --unit image, the chosen text of an image is removed and not replaced. Pairs that were added after a run's
    draw are not in the run's sums."""
    world, warehouse = World(tmp_path), tmp_path / "warehouse"

    def write(name: str, images: Iterable[int]) -> None:
        texts = [(page, f"photo of a red {animal} on a road") for page, animal in enumerate(("cat", "dog", "cow"))]
        records = [
            wat_record(f"http://p{page}.example/{n}", [{"url": f"http://example.org/{n}.jpg", "alt": text}])
            for n in images
            for page, text in texts
        ]
        write_wat(world.pool / name, records)

    write("d.wat.gz", range(12))
    by_image = json.loads(call("run", *world.words(warehouse, unit="image"), "--json").out)["run_id"]
    first = rows_of(spark, warehouse, "pairs", ("image_id", "pair_id", "entry_ids", "page_url"))
    write("e.wat.gz", range(12, 18))
    by_pair = json.loads(call("run", *world.words(warehouse), "--json").out)["run_id"]
    before = rows_of(spark, warehouse, "curated_pairs")
    (tmp_path / "pages.txt").write_text("p0.example\n", encoding="utf-8")
    ended = call("takedown", "--page-domains", tmp_path / "pages.txt", *flag_words(warehouse=warehouse), "--json")
    assert ended.status == 0, ended.err
    assert json.loads(ended.out)["rows"]["pairs"] == 18

    after = rows_of(spark, warehouse, "curated_pairs")
    assert after == [each for each in before if "http://p0.example/" not in str(each)]
    assert set(json.loads(ended.out)["runs"]) == {by_image, by_pair}
    pool = pool_of(spark, warehouse)
    assert stored_statistics(spark, warehouse, by_pair) == statistics_of(spark, warehouse, by_pair, pool, set(pool))
    chosen: dict[str, str] = {}
    for image, pair, ids, _ in sorted(first, key=lambda each: (reference.keyed_hash("choose", 0, each[1]), each[1])):
        if ids:
            chosen.setdefault(image, pair)
    remaining = {pair: ids for _, pair, ids, page in first if "p0.example" not in (page or "")}
    drawn = set(chosen.values()) & set(remaining)
    assert len(drawn) < len(chosen)
    wanted = statistics_of(spark, warehouse, by_image, remaining, drawn, "image")
    assert stored_statistics(spark, warehouse, by_image) == wanted


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_runs_that_built_on_others_lose_their_pairs_too(spark, world):
    """Sums are those of the remaining pairs, for a subset that extends an earlier one, one with frozen counts, and one
    of survivors. The card notes that expected sizes are those of the draw."""
    warehouse = world.root / "warehouse"
    crawls = {name: write_parquet(world.root / f"{name}.parquet", [row(name, n) for n in range(20)]) for name in "ab"}
    runs = []
    for name, path in crawls.items():
        ended = call("run", *world.words(warehouse, "--json", input=path, snapshot=name))
        runs.append(json.loads(ended.out)["run_id"])
    at = flag_words(warehouse=warehouse)
    for words in (["--freeze-counts", runs[0], "--threshold", 3], ["--where", "url LIKE '%/1%'", "--threshold", 4]):
        ended = call("balance", *at, *words, "--json")
        assert ended.status == 0, ended.err
        runs.append(json.loads(ended.out)["run_id"])
    listed_urls = [row("a", 1)[0], row("a", 11)[0], row("b", 12)[0], row("b", 5)[0]]
    (world.root / "removed.txt").write_text("\n".join(listed_urls))
    ended = call("takedown", "--urls", world.root / "removed.txt", *at)
    assert ended.status == 0, ended.err
    for run_id in runs:
        of = "snapshot = 'a'" if run_id == runs[0] else "true"
        pool = dict(rows_of(spark, warehouse, "pairs", ("pair_id", "entry_ids"), condition=of))
        found = stored_statistics(spark, warehouse, run_id)
        kept = rows_of(spark, warehouse, "curated_pairs", ("pair_id", "entry_ids"), condition=f"run_id = '{run_id}'")
        assert found["curated", 0] == len(kept)
        counts = Counter(entry for _, ids in kept for entry in ids)
        assert {key: n for (name, key), n in found.items() if name == "curated_count"} == counts
        if run_id != runs[-1]:  # the list of survivors is not stored
            assert found["pairs", 0] == len(pool)
            matches = Counter(len(ids) for ids in pool.values())
            assert {key: n for (name, key), n in found.items() if name == "matches"} == matches
        page = call("report", *at, "--run-id", run_id)
        assert page.status == 0, page.err
        text = Path(page.out.strip()).read_text(encoding="utf-8")
        assert ("expected size and sd are those before the takedown" in text) == (run_id != runs[0])


def test_a_partial_export_is_removed_and_a_dry_run_leaves_it(world):
    """It may hold pairs to remove. A dry run changes nothing, as it says."""
    warehouse = world.root / "warehouse"
    assert call("run", *world.words()).status == 0
    (warehouse / "exports").mkdir()
    partial = warehouse / "exports" / "0.parquet.12345678.partial"
    partial.write_bytes(b"PAR1")
    (world.root / "urls.txt").write_text("http://example.org/a/3.jpg\n", encoding="utf-8")
    words = ["takedown", "--warehouse", warehouse, "--urls", world.root / "urls.txt"]
    assert call(*words, "--dry-run").status == 0
    assert partial.exists()
    assert call(*words).status == 0
    assert not partial.exists()


SPACED = ("http://example.org/my photo.jpg?a=1&b=2", "photo of a red cat", "en", "9" * 32, "spaced")


def write_hashes(folder: Path, listed_pairs: Sequence[str]) -> list[object]:
    """Write lists of hashes and of pair ids, each with values that nothing has; return the flags that name them."""
    requested = SPACED[0].replace(" ", "%20")
    hashes = [hashlib.sha256(requested.encode()).hexdigest().upper(), hashlib.md5(TAIL[0].encode()).hexdigest()]
    none = [hashlib.sha256(b"http://example.org/").hexdigest(), "0" * 32, "1" * 32]
    (folder / "hashes.txt.gz").write_bytes(gzip.compress("\n".join([*hashes, *none]).encode()))
    (folder / "ids.txt").write_text("\n".join([*listed_pairs, "f" * 32]) + "\n")
    return ["--url-hashes", folder / "hashes.txt.gz", "--pair-ids", folder / "ids.txt"]


@pytest.mark.timeout(1800)
def test_hashes_of_urls_and_pair_ids_are_taken_down_and_kept_out(spark, world, tmp_path):
    """By the url as found (MD5) and as exported (SHA-256), and one text of an image without its other text."""
    write_parquet(world.pool / "d.parquet", [SPACED, (TAIL[0], "a cat", *TAIL[2:]), (SHARED[0], "a dog", *TAIL[2:])])
    warehouse = world.root / "warehouse"
    ended = call("run", *world.words(warehouse), "--json")
    assert ended.status == 0, ended.err
    at = flag_words(warehouse=warehouse)
    pairs = rows_of(spark, warehouse, "pairs", ("pair_id", "url", "text"))
    by_hash = {key for key, url, _ in pairs if url in (SPACED[0], TAIL[0])}
    (by_id,) = [key for key, url, text in pairs if (url, text) == (SHARED[0], "a dog")]
    assert len(by_hash) == 3
    export = write_export(spark, warehouse)
    words = ["takedown", *write_hashes(tmp_path, [by_id]), *at]
    dry = call(*words, "--dry-run", "--json")
    assert dry.status == 0, dry.err
    unmatched = {"url_sha256": 1, "url_md5": 2, "pair_id": 1}
    assert json.loads(dry.out)["unmatched"] == unmatched

    crash(words, "after append takedowns")
    damaged = call("verify", "--checks", "takedowns", *at, "--json")
    assert damaged.status == 1
    (checked,) = [each for each in json.loads(damaged.out)["checks"] if each["check"] == "takedowns"]
    first = {each["id"] for each in checked["first"] if each["field"] == "pairs"}
    assert first
    assert first <= by_hash | {by_id}
    assert checked["differences"] > len(by_hash | {by_id})  # pairs, curated pairs, and an exported file
    done = call(*words)
    assert done.status == 0, done.err
    for sentence in (
        "1 of 2 SHA-256 of urls matches no pair that the tables have. A url was hashed as found, without spaces and "
        "tabs, as a browser requests it (as in exports), and with `&amp;` for `&`.",
        "2 of 3 MD5 of urls match no pair that the tables have. A url was hashed",
        "1 of 2 pair ids matches no pair that the tables have.",
    ):
        assert sentence in done.err
    assert "2 SHA-256 of urls, 3 MD5 of urls, 2 pair ids listed, 0 of them new" in " ".join(done.out.split())
    gone = by_hash | {by_id}
    assert {key for (key,) in rows_of(spark, warehouse, "pairs", ("pair_id",))} == {key for key, *_ in pairs} - gone
    assert not gone & {key for (key,) in rows_of(spark, warehouse, "curated_pairs", ("pair_id",))}
    assert not gone & set(pc.list_flatten(pq.read_table(export / "00000.parquet")["pair_ids"]).to_pylist())
    checked = call("verify", *at)
    assert checked.status == 0, checked.out

    later = write_parquet(tmp_path / "april.parquet", [SPACED, (SHARED[0], "a dog", *TAIL[2:]), row("d", 1), TAIL])
    ended = call("run", *world.words(warehouse, input=later, snapshot="april"), "--json")
    assert ended.status == 0, ended.err
    assert json.loads(ended.out)["rejected"]["takedown"] == 3
    assert call("verify", "--checks", "takedowns,sources,counts", *at).status == 0
    for question in (["--pair-id", by_id], ["--url", SPACED[0]]):
        explained = call("explain", *question, *at)
        assert explained.status == 2
        assert "it is on the takedown list, so it was deleted, and later input does not bring it back" in explained.err
    explained = call("explain", "--url", SHARED[0], "--text", "a dog", *at, "--json")
    (answer,) = json.loads(explained.out)
    assert answer["taken_down"]
    assert answer["verdict"].startswith("not in the pool, because it is on the takedown list; if it were: ")
