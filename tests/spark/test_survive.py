"""Pairs after download: survivors, one image per group, weighted counts, and the same draw."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from metaclip_spark.core.counts import EntrySums
from metaclip_spark.core.draw import draws, pair_keys
from metaclip_spark.core.hashing.ids import image_id
from metaclip_spark.core.sampling import drawn_again, entry_probability, weighted_counts, weights_of
from metaclip_spark.errors import InputError
from metaclip_spark.spark.broadcast import Broadcast
from metaclip_spark.stages.balance import balance
from metaclip_spark.stages.choose import one_of_each_group
from metaclip_spark.stages.count import count
from metaclip_spark.stages.statistics import statistics
from metaclip_spark.stages.survive import exported_ids, surviving, survivors_of, unmatched

pytestmark = pytest.mark.spark

URLS = [f"http://example.org/{n} {n}.jpg" for n in range(6)]


def downloaded(spark):
    """Return a table like those of img2dataset: urls, their status, and measurements of the images."""
    rows = [
        (URLS[0], "success", 300, "same"),
        (URLS[1], "success", 100, None),
        (URLS[2], "failed_to_download", None, None),
        (URLS[3], "success", 400, "same"),
        (URLS[4], "success", 500, None),
        (URLS[4], "success", 500, "z"),
    ]
    return spark.createDataFrame(rows, "url string, status string, width int, phash string")


def pairs_of(make_pairs, texts: int = 2):
    """Return some pairs of each image."""
    from pyspark.sql import functions as F

    pairs = make_pairs([(f"{image}-{text}", [text]) for image in range(6) for text in range(texts)])
    image_ids = F.create_map(*[F.lit(part) for n in range(6) for part in (str(n), image_id(URLS[n]))])
    return pairs.withColumn("image_id", image_ids[F.substring("pair_id", 1, 1)])


def ids(df) -> list[str]:
    return sorted(row["pair_id"] for row in df.collect())


def test_survivors_are_downloaded_and_meet_the_condition(spark, make_pairs):
    """Urls are compared without spaces. Rows with another status than success, or a null condition, are dropped."""
    pairs, table = pairs_of(make_pairs), downloaded(spark)
    assert ids(surviving(pairs, survivors_of(table))) == [f"{n}-{t}" for n in (0, 1, 3, 4) for t in (0, 1)]
    wide = survivors_of(table, where="width >= 200")
    assert wide.columns == ["image_id"]
    assert ids(surviving(pairs, wide)) == [f"{n}-{t}" for n in (0, 3, 4) for t in (0, 1)]
    by_pair = spark.createDataFrame([("0-1", 1), ("0-1", 2), ("9-9", 3)], "pair_id string, n int")
    assert ids(surviving(pairs, survivors_of(by_pair))) == ["0-1"]
    with pytest.raises(InputError, match=r"^survivors: expected one of the columns pair_id, image_id, url, got \['n'"):
        survivors_of(by_pair.select("n"))


AS_FOUND = ["http://e.org/my photo.jpg", "http://E.org/caf\u00e9.jpg#1", "http://e.org/c.jpg", "http://a b/d.jpg"]
AS_EXPORTED = [
    *("http://e.org/my%20photo.jpg", "http://e.org/caf%C3%A9.jpg", "http://e.org/c.jpg", "http://a b/d.jpg"),
]


def found_pairs(spark):
    """Return two pairs of each image of AS_FOUND, and one of an image that has a spaceless form of the first url."""
    rows = [(image_id(url), f"{n}-{text}", url) for n, url in enumerate(AS_FOUND) for text in (0, 1)]
    rows.append((image_id(AS_FOUND[0]), "0-2", AS_FOUND[0].replace(" ", "")))
    return spark.createDataFrame(rows, "image_id string, pair_id string, url string")


@pytest.mark.parametrize("urls", [AS_FOUND, AS_EXPORTED, AS_FOUND[:2] + AS_EXPORTED])
def test_a_survivor_finds_its_pairs_by_the_url_as_found_or_as_exported(spark, urls):
    """Both forms give each pair of the image once, and the smallest group; a survivor without a pair is counted."""
    pairs = found_pairs(spark)
    exported = exported_ids(pairs)
    assert {row["image_id"] for row in exported.collect()} == {image_id(url) for url in AS_FOUND[:2]}
    table = spark.createDataFrame(
        [(url, f"g{n:02}") for n, url in enumerate([*urls, "http://e.org/x"])], "url string, g string"
    )
    survivors = survivors_of(table)
    assert ids(surviving(pairs, survivors, exported)) == ids(pairs)
    assert [row["image_id"] for row in unmatched(pairs, survivors, exported).collect()] == [image_id("http://e.org/x")]
    grouped = surviving(pairs, survivors_of(table, group="g"), exported)
    assert ids(grouped) == ids(pairs)
    smallest = {row["pair_id"][0]: row["group"] for row in grouped.collect()}
    forms = [{url, AS_EXPORTED[n]} for n, url in enumerate(AS_FOUND)]
    assert smallest == {
        str(n): f"g{min(urls.index(url) for url in form if url in urls):02}" for n, form in enumerate(forms)
    }


def test_one_image_of_a_group_is_kept_with_all_its_pairs(spark, make_pairs):
    """The image with the smallest hash is kept, which depends on the seed alone. Images without a group are kept."""
    survivors = surviving(pairs_of(make_pairs), survivors_of(downloaded(spark), group="phash"))
    kept = {seed: ids(one_of_each_group(survivors.repartition(seed + 1), "group", seed)) for seed in range(6)}
    alone = [f"{n}-{t}" for n in (1, 4) for t in (0, 1)]
    assert set(map(tuple, kept.values())) == {
        tuple(sorted([*alone, "0-0", "0-1"])),
        tuple(sorted([*alone, "3-0", "3-1"])),
    }
    images = pa.array([image_id(URLS[0]), image_id(URLS[3])])
    for seed, found in kept.items():
        smallest = int(np.argmin(draws(images, seed, "group")))
        assert f"{(0, 3)[smallest]}-0" in found


def test_weighted_counts_and_the_same_draw_equal_numpy(spark, make_pairs):
    """Each pair counts 1 / p', no probability exceeds p', and capped pairs are counted, for any partitioning."""
    rng = np.random.default_rng(5)
    lists = [sorted(rng.choice(12, size=rng.integers(1, 5), replace=False).tolist()) for _ in range(400)]
    keys = pair_keys(pa.array([f"http://e.org/{n}" for n in range(400)]), pa.array(["t"] * 400)).to_pylist()
    within = rng.uniform(0.05, 1, 400)
    u = draws(pa.array(keys), 3)
    drawn = u < within
    pairs = make_pairs([(key, ids) for key, ids, kept in zip(keys, lists, drawn, strict=True) if kept])
    before = spark.createDataFrame(
        [(key, float(p)) for key, p, kept in zip(keys, within, drawn, strict=True) if kept],
        "pair_id string, within double",
    )
    subset = pairs.join(before, on="pair_id", how="inner").repartition(3)
    sums = EntrySums(12)
    matches = pa.array([ids for ids, kept in zip(lists, drawn, strict=True) if kept], pa.list_(pa.int32()))
    sums.add_weighted(matches, weights_of(within[drawn]))
    wanted = weighted_counts(sums.sums)
    found = count(subset, within="within").toArrow()
    assert dict(zip(found["entry_id"].to_pylist(), found["count"].to_pylist(), strict=True)) == dict(enumerate(wanted))
    by_entry = entry_probability(wanted, 40)
    broadcast = Broadcast.of(spark, by_entry)
    missed = [np.prod([1 - by_entry[i] for i in ids]) for ids, kept in zip(lists, drawn, strict=True) if kept]
    p = 1 - np.array(missed)
    capped = int((p > within[drawn]).sum())
    kept = balance(subset, broadcast, 3, "r", within="within").toArrow()
    assert 0 < capped < drawn.sum()
    assert 0 < len(kept) < drawn.sum()
    probability = dict(zip(np.array(keys)[drawn], np.minimum(p, within[drawn]), strict=True))
    got = dict(zip(kept["pair_id"].to_pylist(), kept["sampling_probability"].to_pylist(), strict=True))
    assert got == pytest.approx({key: probability[key] for key in got})
    assert set(got) == {key for key, draw in zip(keys, u, strict=True) if draw < probability.get(key, 0)}
    sums_by_name = {
        row["name"]: row["value"] for row in statistics(subset, broadcast, 3, "r", within="within").collect()
    }
    sizes = tuple(sums_by_name[name] for name in ("pairs", "curated", "capped"))
    assert sizes == (int(drawn.sum()), len(got), capped)
    expected = ((sums_by_name["expected_high"] << 27) + sums_by_name["expected_low"]) / 2**53
    assert expected == pytest.approx(float(drawn_again(p, within[drawn]).sum()))
