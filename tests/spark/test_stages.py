"""Each stage is checked against brute force, for several partitionings and sizes of batches."""

from __future__ import annotations

import math
import random
from collections import Counter
from fractions import Fraction
from functools import reduce

import numpy as np
import pyarrow as pa
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.errors import PythonException
from pyspark.sql import functions as F
from pyspark.testing import assertDataFrameEqual

from metaclip_spark.core.sampling import entry_probability, from_fixed_point
from metaclip_spark.core.worldwide.thresholds import LanguageThresholds
from metaclip_spark.errors import InputError
from metaclip_spark.metadata import Metadata
from metaclip_spark.schemas import (
    CURATED_PAIRS,
    ENTRY_PROBABILITIES,
    EXTRACTED,
    PAIRS,
    REJECTS,
    RUN_STATISTICS,
    SOURCES,
)
from metaclip_spark.spark.broadcast import Broadcast
from metaclip_spark.spark.embedded import is_embedded
from metaclip_spark.stages.balance import balance, entry_probabilities
from metaclip_spark.stages.columns import draw
from metaclip_spark.stages.count import count, with_entry
from metaclip_spark.stages.dedup import CONSTANT, dedup, rejects, sources, staged_pairs
from metaclip_spark.stages.known_keys import known_keys
from metaclip_spark.stages.statistics import MAX_MATCHES, statistics

pytestmark = pytest.mark.spark

PARTITIONS = (1, 2, 7)
FEW_JOBS = settings(max_examples=4, derandomize=True, database=None)
NO_KEYS = "metadata_id string, snapshot string, pair_key binary"


def key(number: int) -> str:
    """Return a pair_id."""
    return f"{number:032x}"


@pytest.fixture(scope="module")
def staged(spark):
    """Return a function that makes rows of `extracted` from dictionaries."""

    def make(*rows: dict):
        full = [tuple({"snapshot": "s", "metadata_id": "m", **row}.get(n) for n in EXTRACTED.names) for row in rows]
        return spark.createDataFrame(full, EXTRACTED.ddl)

    return make


def pair(number: int, source: str, page: str | None = None, field: str = "alt", at: int = 0) -> dict:
    """Return a row of kind pair, with its identity in `extra`."""
    return {
        "kind": "pair",
        "pair_id": key(number),
        "source_path": source,
        "page_url": page,
        "text_source": field,
        "position": at,
        "url": f"http://u/{number}",
        "text": f"text {number}",
        "image_id": "i",
        "lang": "und",
        "entry_ids": [number],
        "extra": {"row": f"{source}|{page}|{field}|{at}"},
    }


# --- dedup ---------------------------------------------------------------------------------------------------


def test_dedup_keeps_the_smallest_source_page_and_field_and_drops_keys_of_earlier_crawls(spark, staged):
    """Rows are ordered by source, page (null first), field and position. Strings are compared by bytes."""
    winners = [
        pair(1, "a", "z", "title", 9),
        pair(2, "a", "p"),
        pair(3, "a", None, "title"),
        pair(4, "a", "p", "alt", 7),
        pair(5, "a", "p", "alt", 3),
        pair(6, "Z"),
        pair(7, "a", ""),
    ]
    losers = [
        pair(1, "b", "a", "alt", 0),
        pair(2, "a", "q"),
        pair(3, "a", "", "alt"),
        pair(3, "a", "p", "alt"),
        pair(4, "a", "p", "title", 1),
        pair(5, "a", "p", "alt", 20),
        pair(6, "a"),
        pair(7, "a", "\u00e9"),
        pair(8, "a"),
        pair(8, "b"),
    ]
    others = [{"kind": "reject", "pair_id": key(9)}, {"kind": "source", "source_path": "a"}]
    extracted = staged(*losers, *others, *reversed(winners))
    earlier = spark.createDataFrame([("m", "old", bytes.fromhex(key(8)))], NO_KEYS)
    expected = staged(*winners).select(*[name for name in PAIRS.names if name not in CONSTANT])
    assertDataFrameEqual(dedup(extracted, earlier).select(*expected.columns), expected)


rows_of_pairs = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.sampled_from(["a", "b", "B"]),
        st.sampled_from([None, "", "p", "q"]),
        st.sampled_from(["alt", "title"]),
    ),
    min_size=1,
    max_size=40,
)


@FEW_JOBS
@given(rows=rows_of_pairs, partitions=st.sampled_from(PARTITIONS), known=st.sets(st.integers(0, 5), max_size=2))
def test_dedup_equals_a_minimum_per_pair_in_any_partitioning(spark, staged, rows, partitions, known):
    """For any pool and any partitioning, the rows are the minima by (source, page or null, field, position)."""
    staged_rows = [pair(*row, at=at) for at, row in enumerate(rows)]

    def order(row: dict) -> tuple:
        page = row["page_url"]
        return (row["source_path"], page is not None, page or "", row["text_source"], row["position"])

    best = {}
    for row in staged_rows:
        if int(row["pair_id"], 16) not in known:
            best[row["pair_id"]] = min(best.get(row["pair_id"], row), row, key=order)
    keys = spark.createDataFrame([("m", "old", bytes.fromhex(key(n))) for n in known], NO_KEYS)
    found = dedup(staged(*staged_rows).repartition(partitions), keys).select("pair_id", "extra").collect()
    assert sorted(row["pair_id"] for row in found) == sorted(best)
    assert {row["pair_id"]: row["extra"] for row in found} == {k: row["extra"] for k, row in best.items()}


def test_without_deduplication_every_pair_row_is_stored(spark, staged):
    """`staged_pairs` returns the rows of kind pair, repeats included."""
    rows = [pair(1, "a"), pair(1, "b"), pair(2, "a")]
    found = staged_pairs(staged(*rows, {"kind": "source"}, {"kind": "reject"}))
    assertDataFrameEqual(found, staged(*rows))


def test_known_keys_are_those_of_pairs_without_ids_of_the_input(spark, make_pairs):
    """A key is the 16 bytes of a pair_id. Other ids have no key, also if they are as long."""
    pairs = make_pairs([(key(1), None), ("my-own-id", None), ("g" * 32, None), (key(3), None)])
    assert sorted(bytes(row[0]).hex() for row in known_keys(pairs).collect()) == [key(1), key(3)]


def outcome(source: str, split: int, status: str, reason: str | None, rejected: dict, n: int) -> dict:
    """Return the outcome of a split. Its sums are n, 2n, ..., so that no two are equal."""
    return {
        "kind": "source",
        "source_path": source,
        "split": split,
        "status": status,
        "reason": reason,
        "rejected": rejected,
        "format": "parquet",
        "etag": "e",
        "extract_id": "x",
        "batch_id": "b",
        "records_read": n,
        "texts_read": 2 * n,
        "texts_matched": 3 * n,
        "pairs_written": 4 * n,
        "bytes_read": 5 * n,
    }


def test_sources_sum_their_splits_and_merge_their_statuses(spark, staged):
    """Numbers are summed over splits. A source is done or failed only if all its splits are."""
    extracted = staged(
        outcome("whole", 0, "done", None, {}, 1),
        outcome("both", 0, "done", None, {"no_match": 2, "repeat": 1}, 1),
        outcome("both", 1, "done", None, {"no_match": 5}, 10),
        outcome("mixed", 0, "done", None, {"empty_text": 1}, 1),
        outcome("mixed", 1, "failed", "OSError: gone", {}, 0),
        outcome("mixed", 2, "partial", "gzip ends early", {"data_url": 3, "empty_text": 1}, 7),
        outcome("failed", 0, "failed", "no footer", {}, 0),
        outcome("failed", 1, "failed", "no footer", {}, 0),
        pair(1, "whole"),
        {"kind": "reject", "source_path": "whole", "reason": "no_url"},
    )

    def source(path: str, status: str, reason: str | None, rejected: dict, n: int) -> tuple:
        row = {**outcome(path, 0, status, reason, rejected, n), "snapshot": "s", "metadata_id": "m"}
        return tuple(row.get(name) for name in SOURCES.names)

    expected = spark.createDataFrame(
        [
            source("whole", "done", None, {}, 1),
            source("both", "done", None, {"no_match": 7, "repeat": 1}, 11),
            source("mixed", "partial", "OSError: gone; gzip ends early", {"data_url": 3, "empty_text": 2}, 8),
            source("failed", "failed", "no footer", {}, 0),
        ],
        SOURCES.ddl,
    )
    assertDataFrameEqual(sources(extracted.where("kind = 'source'")), expected)


def test_rejects_are_the_sampled_records_with_their_reasons(spark, staged):
    """The stage returns the rows of kind reject, with the columns of the table `rejects`."""
    reject = {"source_path": "a", "record": "row 3", "reason": "no_url", "detail": "a cat"}
    found = rejects(staged({"kind": "reject", **reject}, pair(1, "a")))
    expected = [tuple({"snapshot": "s", "metadata_id": "m", **reject}[name] for name in REJECTS.names)]
    assertDataFrameEqual(found, spark.createDataFrame(expected, REJECTS.ddl))


# --- count ---------------------------------------------------------------------------------------------------

N_ENTRIES = 12
matches = st.one_of(st.none(), st.sets(st.integers(0, N_ENTRIES - 1)).map(sorted))


@FEW_JOBS
@given(pool=st.lists(matches, max_size=60))
def test_counts_equal_brute_force_in_any_partitioning(spark, make_pairs, pool):
    """The count of an entry is the number of pairs that match it, for 1, 2 and 7 partitions."""
    pairs = make_pairs([(key(n), ids) for n, ids in enumerate(pool)])
    by_cut = [count(pairs.repartition(n), N_ENTRIES).withColumn("cut", F.lit(n)) for n in PARTITIONS]
    rows = reduce(lambda a, b: a.unionByName(b), by_cut).collect()
    expected = Counter(i for ids in pool for i in ids or [])
    for cut in PARTITIONS:
        found = [(row["entry_id"], row["count"]) for row in rows if row["cut"] == cut]
        assert sorted(found) == sorted(expected.items())


@pytest.mark.slow
def test_a_task_shuffles_at_most_4_mb_for_500_000_entries(spark):
    """Spark reports the shuffled bytes of two tasks, in each of which one to forty pairs match every entry."""
    entries, size = 500_000, 10_000
    name = "spark.sql.adaptive.enabled"

    def matched(batches):
        for batch in batches:
            times = np.random.default_rng(int(batch.column(0)[0].as_py())).integers(1, 41, entries)
            for start in range(0, entries, size):
                ids = np.repeat(np.arange(start, start + size, dtype=np.int32), times[start : start + size])
                offsets = pa.array(np.arange(len(ids) + 1, dtype=np.int32))
                yield pa.record_batch({"entry_ids": pa.ListArray.from_arrays(offsets, pa.array(ids))})

    before = spark.conf.get(name, None)
    spark.conf.set(name, "false")  # so that the executed plan is the planned one
    try:
        counted = count(spark.range(0, 2, 1, 2).mapInArrow(matched, "entry_ids array<int>"), entries)
        rows = counted.collect()
    finally:
        spark.conf.unset(name) if before is None else spark.conf.set(name, before)
    expected = sum(np.random.default_rng(task).integers(1, 41, entries) for task in range(2))
    found = np.zeros(entries, np.int64)
    for entry_id, number in rows:
        found[entry_id] = number
    assert (found == expected).all()
    if is_embedded(spark):
        return  # all its tasks are in one process
    shuffled = exchanged(counted._jdf.queryExecution().executedPlan())
    assert 1e6 < shuffled / 2 < 4e6


def exchanged(plan) -> int:
    """Return the bytes that an executed plan wrote to shuffles."""
    own = plan.metrics().apply("shuffleBytesWritten").value() if plan.nodeName() == "Exchange" else 0
    children = plan.children()
    return own + sum(exchanged(children.apply(at)) for at in range(children.size()))


def test_counts_carry_their_entry_strings(spark, make_pairs):
    """`with_entry` looks up the string by position, and returns (entry_id int, entry string, count bigint)."""
    entries = Broadcast.of(spark, pa.array(["zero", "one", "two", "\U0001f600"]))
    counts = with_entry(count(make_pairs([(key(1), [0, 3]), (key(2), [3])]), 4), entries)
    expected = spark.createDataFrame([(0, "zero", 1), (3, "\U0001f600", 2)], "entry_id int, entry string, count bigint")
    assertDataFrameEqual(counts, expected)


@pytest.mark.parametrize(
    ("stage", "call"),
    [
        ("count", lambda df: count(df, 1)),
        ("balance", lambda df: balance(df, lambda: None, 0, "r")),
        ("statistics", lambda df: statistics(df, lambda: None, 0, "r")),
    ],
)
def test_stage_without_its_column_reports_what_is_missing_and_what_to_do(spark, stage, call):
    """The error names the stage, the missing column, the existing columns, and the commands to run first."""
    frame = spark.createDataFrame([], "pair_id string, text string")
    with pytest.raises(InputError) as error:
        call(frame)
    assert str(error.value) == (
        f"{stage}: column 'entry_ids' is missing; got ['pair_id', 'text']. "
        "Run extract with --metadata, or match, first."
    )


# --- balance -------------------------------------------------------------------------------------------------


class Pool:
    """A random pool with a long tail, its counts, and the answers by brute force."""

    def __init__(self, n_pairs: int = 3000, n_entries: int = 400, seed: int = 1) -> None:
        rng = random.Random(seed)
        weights = [1 / (rank + 1) for rank in range(n_entries)]
        self.ids: dict[str, list[int]] = {}
        for number in range(n_pairs):
            wanted = rng.choice([0, 1, 1, 2, 3, 5, 8])
            self.ids[key(rng.getrandbits(128))] = sorted(set(rng.choices(range(n_entries), weights, k=wanted)))
            if number == 0:
                self.ids[key(0)] = list(range(50))
        self.counts = np.bincount([i for ids in self.ids.values() for i in ids], minlength=n_entries)

    def by_entry(self, threshold: int) -> np.ndarray:
        return np.where(self.counts > 0, entry_probability(self.counts, threshold), np.nan)

    def probability(self, threshold: int) -> dict[str, float]:
        p = {}
        for pair_id, ids in self.ids.items():
            missed = 1.0
            for i in ids:
                missed *= 1.0 - threshold / max(int(self.counts[i]), threshold)
            p[pair_id] = 1.0 - missed
        return p


def drawn(pair_id: str, seed: int, purpose: str = "draw") -> float:
    """Compute the draw by its definition, with the xxhash library."""
    keyed = xxhash.xxh64_intdigest(f"{purpose}:{seed}".encode(), seed=42)
    return (xxhash.xxh64_intdigest(pair_id.encode(), seed=keyed) >> 11) * 2.0**-53


@pytest.fixture(scope="module")
def pool() -> Pool:
    """Make one pool for all tests of balancing."""
    return Pool()


@pytest.fixture(scope="module")
def pool_pairs(make_pairs, pool):
    """Return the pool as a cached DataFrame."""
    pairs = make_pairs(list(pool.ids.items()), url="http://u", text="t").repartition(3).cache()
    yield pairs
    pairs.unpersist()


def kept_of(frame) -> dict[str, tuple[float, float]]:
    rows = frame.select("pair_id", "sampling_probability", "draw").collect()
    assert len({row[0] for row in rows}) == len(rows)
    return {row[0]: (row[1], row[2]) for row in rows}


def test_draw_equals_the_xxhash_library_for_any_id_seed_and_purpose(spark):
    """Spark's expression and the library return the same bits, even for ids that are not ASCII."""
    ids = [key(n) for n in range(500)] + ["", "a", "\u00e9", "\u4e2d\U0001f600", "x" * 100]
    frame = spark.createDataFrame([(i,) for i in ids], "pair_id string")
    keys = [(0, "draw"), (1, "draw"), (-3, "draw"), (2**40, "draw"), (0, "choose")]
    columns = [draw("pair_id", seed, purpose).alias(f"u{n}") for n, (seed, purpose) in enumerate(keys)]
    rows = frame.select("pair_id", *columns).collect()
    for row in rows:
        assert list(row)[1:] == [drawn(row["pair_id"], seed, purpose) for seed, purpose in keys]
    assert all(0.0 <= u < 1.0 for row in rows for u in list(row)[1:])


def test_subset_is_the_same_for_1_2_and_7_partitions_and_equals_brute_force(spark, pool, pool_pairs):
    """Kept pairs, probabilities and draws equal brute force exactly, for any partitioning of the pool."""
    t = 20
    p = pool.probability(t)
    expected = {i: (p[i], drawn(i, 0)) for i in pool.ids if drawn(i, 0) < p[i]}
    assert 100 < len(expected) < len(pool.ids) - 100
    broadcast = Broadcast.of(spark, pool.by_entry(t))
    for partitions in PARTITIONS:
        subset = balance(pool_pairs.repartition(partitions), broadcast, 0, "r")
        assert kept_of(subset) == expected


def test_subset_is_the_same_for_any_size_of_arrow_batch(spark, pool, pool_pairs):
    """Batches of 17 rows do not change a single bit of the probabilities."""
    name = "spark.sql.execution.arrow.maxRecordsPerBatch"
    broadcast = Broadcast.of(spark, pool.by_entry(20))
    before = spark.conf.get(name)
    large = kept_of(balance(pool_pairs, broadcast, 3, "r"))
    try:
        spark.conf.set(name, "17")
        assert kept_of(balance(pool_pairs, broadcast, 3, "r")) == large
    finally:
        spark.conf.set(name, before)


def test_curated_rows_are_the_pairs_rows_with_run_probability_and_draw(spark, make_pairs):
    """Every column of a kept pair is unchanged, in the schema of `curated_pairs`."""
    pairs = make_pairs(
        [(key(1), [0]), (key(2), [])],
        url="http://u",
        text="t\u00e9",
        image_id="i",
        page_url=None,
        lang="en",
        lang_score=0.5,
        source_path="s",
        text_source="alt",
        extra={"k": "v", "null": None},
    )
    subset = balance(pairs, Broadcast.of(spark, np.array([1.0])), 0, "r")
    kept = pairs.where(f"pair_id = '{key(1)}'").select(
        F.lit("r").alias("run_id"),
        *PAIRS.names,
        F.lit(1.0).alias("sampling_probability"),
        F.lit(drawn(key(1), 0)).alias("draw"),
    )
    assert subset.columns == CURATED_PAIRS.names
    assertDataFrameEqual(subset, kept)


def test_larger_t_gives_a_superset(spark, pool, pool_pairs):
    """With fixed counts, a larger t only adds pairs."""
    thresholds = (1, 5, 20, 100, 10_000)
    subsets = [set(kept_of(balance(pool_pairs, Broadcast.of(spark, pool.by_entry(t)), 0, "r"))) for t in thresholds]
    assert all(small < large for small, large in zip(subsets, subsets[1:], strict=False))
    assert subsets[-1] == {i for i, ids in pool.ids.items() if ids}


def test_every_pair_with_a_tail_entry_is_kept_and_none_without_a_match(spark, pool, pool_pairs):
    """An entry with count < t keeps all its pairs with probability exactly 1. A pair without a match has 0."""
    t = 20
    tail = {i for i, ids in pool.ids.items() if any(pool.counts[j] < t for j in ids)}
    at_t = {i for i, ids in pool.ids.items() if any(pool.counts[j] == t for j in ids)}
    unmatched = {i for i, ids in pool.ids.items() if not ids}
    assert len(tail) > 500
    assert unmatched
    for seed in (0, 1):
        kept = kept_of(balance(pool_pairs, Broadcast.of(spark, pool.by_entry(t)), seed, "r"))
        assert tail <= kept.keys()
        assert {kept[i][0] for i in tail | at_t} == {1.0}
        assert not unmatched & kept.keys()


def test_sizes_of_100_seeds_follow_the_predicted_mean_and_deviation(spark, pool, pool_pairs):
    """The mean is within 4 standard errors, the deviation within a quarter, and Spark agrees for three seeds."""
    t = 20
    p = pool.probability(t)
    mean = math.fsum(p.values())
    sd = math.sqrt(math.fsum(x * (1 - x) for x in p.values()))
    sizes = {seed: sum(drawn(i, seed) < p[i] for i in pool.ids) for seed in range(100)}
    assert abs(np.mean(list(sizes.values())) - mean) < 4 * sd / 10
    assert 0.75 < np.std(list(sizes.values()), ddof=1) / sd < 1.25
    assert all(abs(size - mean) < 5 * sd for size in sizes.values())
    broadcast = Broadcast.of(spark, pool.by_entry(t))
    for seed in (0, 42, 99):
        assert balance(pool_pairs, broadcast, seed, "r").count() == sizes[seed]


@pytest.mark.parametrize("stage", [balance, statistics])
def test_pair_with_an_uncounted_entry_stops_the_stage(spark, make_pairs, stage):
    """Pairs and counts that do not belong together cause an error, instead of silently losing pairs."""
    broadcast = Broadcast.of(spark, np.array([1.0, np.nan]))
    frame = stage(make_pairs([(key(1), [0]), (key(2), [0, 1])]), broadcast, 0, "r")
    with pytest.raises(PythonException, match="matches an entry that was never counted.*run count again"):
        frame.collect()


def test_entry_probabilities_are_of_counts_over_snapshots(spark):
    """The probability is t / max(count, t) of the summed count, in one row per entry that was counted."""
    rows = [("m", "und", "a", 0, "x", 30), ("m", "und", "b", 0, "x", 10), ("m", "und", "b", 1, "y", 19)]
    rows += [("m", "und", "a", 2, "z", 20), ("m", "und", "a", 3, "w", 3), ("m", "und", "b", 3, "w", 57)]
    counts = np.zeros(5, dtype=np.int64)
    for _, _, _, entry_id, _, number in rows:
        counts[entry_id] += number
    metadata = Metadata(("x", "y", "z", "w", "never"), "m")
    found = spark.createDataFrame(entry_probabilities(counts, metadata, LanguageThresholds.of_one(20, 5), "r"))
    expected = spark.createDataFrame(
        [
            ("r", "m", "und", 0, "x", 40, 20, 0.5),
            ("r", "m", "und", 1, "y", 19, 20, 1.0),
            ("r", "m", "und", 2, "z", 20, 20, 1.0),
            ("r", "m", "und", 3, "w", 60, 20, 20 / 60),
        ],
        ENTRY_PROBABILITIES.ddl,
    )
    assertDataFrameEqual(found, expected, rtol=0, atol=0)


# --- statistics ----------------------------------------------------------------------------------------------


FIXED_POINT_SUMS = ("expected_high", "expected_low", "variance_high", "variance_low")


def expected_statistics(pool: Pool, threshold: int, seed: int) -> dict[tuple[str, int], int]:
    """Compute every row of `run_statistics` by brute force, but for the sums in fixed point."""
    p = pool.probability(threshold)
    kept = [i for i in pool.ids if drawn(i, seed) < p[i]]
    lengths = {i: min(len(ids), MAX_MATCHES) for i, ids in pool.ids.items()}
    rows = {("pairs", 0): len(pool.ids), ("curated", 0): len(kept)}
    rows.update({("matches", n): c for n, c in Counter(lengths.values()).items()})
    rows.update({("curated_matches", n): c for n, c in Counter(lengths[i] for i in kept).items()})
    rows.update({("curated_count", e): c for e, c in Counter(e for i in kept for e in pool.ids[i]).items()})
    return rows


def test_statistics_equal_brute_force_and_the_expected_size_equals_exact_fractions(spark, pool, pool_pairs):
    """Sizes, histograms and counts are equal for 1, 2 and 7 partitions. Sums of p and p(1 - p) are exact."""
    t, seed = 20, 5
    p = pool.probability(t)
    broadcast = Broadcast.of(spark, pool.by_entry(t))
    by_partitioning = []
    for partitions in PARTITIONS:
        frame = statistics(pool_pairs.repartition(partitions), broadcast, seed, "r")
        assert frame.columns == RUN_STATISTICS.names
        rows = {(row["name"], row["key"]): row["value"] for row in frame.collect()}
        by_partitioning.append(dict(rows))
        sums = {name: rows.pop((name, 0)) for name in FIXED_POINT_SUMS}
        assert rows == expected_statistics(pool, t, seed)
    assert by_partitioning[0] == by_partitioning[1] == by_partitioning[2]
    exact = sum(map(Fraction, p.values()))
    assert from_fixed_point(sums["expected_high"], sums["expected_low"]) == float(exact)
    rounded = sum(Fraction(round(Fraction(x * (1.0 - x)) * 2**53), 2**53) for x in p.values())
    assert from_fixed_point(sums["variance_high"], sums["variance_low"]) == float(rounded)


def test_statistics_of_an_empty_pool_are_zeros(spark, make_pairs):
    """An empty pool gives sizes of zero instead of missing rows."""
    frame = statistics(make_pairs([]), Broadcast.of(spark, np.array([1.0])), 0, "r")
    rows = {(row["name"], row["key"]): row["value"] for row in frame.collect()}
    assert rows == {(name, 0): 0 for name in ("pairs", "curated", *FIXED_POINT_SUMS)}
