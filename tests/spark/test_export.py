"""The shards of an export are checked against a plain computation: their order, limits, and new pairs."""

from __future__ import annotations

import uuid
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from metaclip_spark.core.draw import draws, hashes
from metaclip_spark.spark.embedded import is_embedded
from metaclip_spark.stages.export import PAIR, in_shards

pytestmark = pytest.mark.spark

DDL = (
    "image_id string, pair_id string, url string, text string, lang string, entry_ids array<int>, "
    "sampling_probability double, extra map<string,string>"
)


def pairs_of(spark, pairs: dict[str, str]):
    """Return a DataFrame of pairs.

    Args:
        pairs: pair_id -> image_id.
    """
    rows = [
        (image, pair, f"http://x/{image}", f"text {pair}", "en", [1, 7], 0.25, {"note": pair})
        for pair, image in pairs.items()
    ]
    return spark.createDataFrame(rows, DDL)


def order_of(pairs: dict[str, str], seed: int) -> list[str]:
    """Return the pairs in the order of the export: by the draw of the image, then by the choosing hash of the pair."""
    ids = list(pairs)
    u = draws(pa.array([pairs[pair] for pair in ids]), seed, "shard")
    choice = hashes(pa.array(ids), seed, "choose")
    return [ids[at] for at in np.lexsort((choice, u))]


def collected(placed) -> list[tuple[int, list]]:
    """Return the rows with a name of their partition, in the order of the partition."""

    def named(batches):
        name = uuid.uuid4().hex  # the function is called once per partition
        for batch in batches:
            partition = pa.array([name] * batch.num_rows)
            yield pa.RecordBatch.from_arrays([*batch.columns, partition], names=[*batch.schema.names, "partition"])

    columns = ", ".join(f"{field.name} {field.dataType.simpleString()}" for field in placed.schema)
    return placed.mapInArrow(named, f"{columns}, partition string").collect()


SOME = {f"{number:04}": f"image{number * number % 391}" for number in range(900)}


def test_shards_are_slices_of_one_shuffled_order(spark):
    """All rows of a shard are in one partition, and the concatenated shards are all pairs in the keyed order."""
    for shards, seed in ((4, 0), (1, 3), (12, 1)):
        rows = collected(in_shards(pairs_of(spark, SOME), shards, seed, texts=1000))
        by_shard: dict[int, list[str]] = {}
        for row in rows:
            by_shard.setdefault(row["shard"], []).append(row["pair_id"])
        assert [pair for shard in sorted(by_shard) for pair in by_shard[shard]] == order_of(SOME, seed)
        assert len({(row["shard"], row["partition"]) for row in rows}) == len(by_shard) == shards
        # On Spark each task has one shard, on 4.0 as on later versions: no function of 4.1 is used.
        assert is_embedded(spark) or len({row["partition"] for row in rows}) == shards
    row = rows[0].asDict()
    pair = row["pair_id"]
    assert {name: row[name] for name in PAIR} == {
        "image_id": SOME[pair],
        "pair_id": pair,
        "url": f"http://x/{SOME[pair]}",
        "text": f"text {pair}",
        "lang": "en",
        "entry_ids": [1, 7],
        "sampling_probability": 0.25,
        "extra": {"note": pair},
    }


def test_texts_over_the_limit_are_dropped_and_counted(spark):
    """The first texts by the choosing hash are kept, and the image's first row has the number of dropped texts."""
    pairs = {f"{number:04}": "logo" if number < 40 else f"image{number}" for number in range(60)}
    rows = in_shards(pairs_of(spark, pairs), 2, 0, texts=7).collect()
    logo = [row["pair_id"] for row in rows if row["image_id"] == "logo"]
    assert logo == [pair for pair in order_of(pairs, 0) if pairs[pair] == "logo"][:7]
    assert Counter(row["over_limit"] for row in rows) == {33: 1, 0: 26}
    assert next(row["pair_id"] for row in rows if row["over_limit"]) == logo[0]


def test_since_an_earlier_run_only_new_pairs_are_exported(spark):
    """Common pairs are dropped, common images are known, and removed pairs are missing."""
    earlier = {pair: image for number, (pair, image) in enumerate(SOME.items()) if number % 3 == 0}
    now = {pair: image for number, (pair, image) in enumerate(SOME.items()) if number % 5 or number % 3}
    rows = in_shards(pairs_of(spark, now), 3, 0, 1000, pairs_of(spark, earlier)).collect()
    new = [row for row in rows if not row["missing"]]
    assert sorted(row["pair_id"] for row in new) == sorted(now.keys() - earlier.keys())
    assert sorted(row["pair_id"] for row in rows if row["missing"]) == sorted(earlier.keys() - now.keys())
    assert {row["pair_id"] for row in rows if row["known"] and not row["missing"]} == {
        pair for pair in now.keys() - earlier.keys() if now[pair] in earlier.values()
    }
    in_order = [row["pair_id"] for row in sorted(new, key=lambda row: row["shard"])]
    assert in_order == [pair for pair in order_of(now, 0) if pair not in earlier]


def test_the_limit_counts_new_pairs_alone(spark):
    """Texts of the earlier run do not count towards the limit."""
    pairs = {f"{number:04}": "logo" for number in range(10)}
    earlier = {pair: "logo" for pair in list(pairs)[:6]}
    rows = in_shards(pairs_of(spark, pairs), 1, 0, 3, pairs_of(spark, earlier)).collect()
    new = [pair for pair in order_of(pairs, 0) if pair not in earlier]
    assert [(row["pair_id"], row["over_limit"]) for row in rows] == [(new[0], 1), (new[1], 0), (new[2], 0)]


def test_one_shuffle_and_one_sort_serve_all(spark):
    """The plan shuffles the rows once, with an earlier run or without."""
    if is_embedded(spark):
        pytest.skip("the embedded engine shuffles once more, and its plan has other words")
    pairs = pairs_of(spark, SOME)
    for earlier in (None, pairs):
        plan = in_shards(pairs, 4, 0, 1000, earlier)._jdf.queryExecution().executedPlan().toString()
        assert plan.count("Exchange") == 1
        assert plan.count("Sort [") == 1
