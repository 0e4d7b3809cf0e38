"""With `unit="image"`, one matched text per image is sampled, by a draw of the image id."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pytest
import reference
from pyspark.sql import functions as F

import metaclip_spark as mc
from metaclip_spark.errors import ConfigError, InputError
from metaclip_spark.spark.broadcast import Broadcast
from metaclip_spark.spark.embedded import is_embedded
from metaclip_spark.stages.balance import balance, balance_images
from metaclip_spark.stages.choose import choose

pytestmark = pytest.mark.spark

ENTRIES = ["a", "cat", "dog", "on a", "rare"]


def pool() -> pa.Table:
    """Return 300 pairs of 120 images. Some urls differ only by spaces, and some texts match nothing."""
    rows = []
    for number in range(300):
        image = number * 7 % 120
        animal = ("cat", "dog", "cow", "xyz")[number % 4]
        text = f"{animal} {number}" if number % 5 else f"a {animal} on a mat {number}"
        space = " " if number % 3 == 0 else ""
        rows.append((f"https://example.org/{image}{space}.jpg", text + (" rare" if number % 50 == 1 else "")))
    return pa.table({"url": [url for url, _ in rows], "text": [text for _, text in rows]})


def expected(threshold: int, seed: int) -> dict[tuple[str, str], tuple[float, float]]:
    table = pool()
    rows = [reference.Row("", "", "", url, text) for url, text in zip(*table.to_pydict().values(), strict=True)]
    curated = reference.curate(rows, ENTRIES, threshold=threshold, seed=seed, unit="image")
    return {(curated.pairs[pair].url, curated.pairs[pair].text): drawn for pair, drawn in curated.kept.items()}


def rows_of(table: pa.Table) -> dict[tuple[str, str], tuple[float, float]]:
    names = ("url", "text", "sampling_probability", "draw")
    return {row[:2]: row[2:] for row in zip(*(table[name].to_pylist() for name in names), strict=True)}


@pytest.mark.parametrize(("threshold", "seed", "partitions"), [(10, 0, 1), (40, 5, 5)])
def test_both_verbs_equal_the_reference(spark, threshold, seed, partitions):
    """pyarrow, Spark and the reference give the same rows, probabilities and draws, for any partitioning."""
    wanted = expected(threshold, seed)
    images = {hashlib.sha224(url.replace(" ", "").encode()).hexdigest() for url, _ in wanted}
    assert 10 < len(wanted) == len(images)
    table = pool()
    matched = mc.local.match(table, ENTRIES)
    counts = mc.local.count_entries(matched)
    by_pyarrow = mc.local.balance(matched, counts, threshold=threshold, seed=seed, unit="image")
    assert rows_of(by_pyarrow) == wanted
    df = mc.match(spark.createDataFrame(table.to_pandas()).repartition(partitions), ENTRIES)
    by_spark = mc.balance(df, counts, threshold=threshold, seed=seed, unit="image")
    assert by_spark.columns == by_pyarrow.column_names
    assert rows_of(by_spark.toArrow()) == wanted


def test_a_larger_t_only_adds_images():
    """The chosen text of an image does not depend on t, so the subset of a larger t contains that of a smaller t."""
    small, large = expected(10, 1), expected(40, 1)
    assert small.keys() < large.keys()
    matched = mc.local.match(pool(), ENTRIES)
    counts = mc.local.count_entries(matched)
    kept = [rows_of(mc.local.balance(matched, counts, threshold=t, seed=1, unit="image")).keys() for t in (10, 40)]
    assert kept[0] < kept[1]


def test_image_id_is_preferred_to_the_url():
    """The column `image_id` identifies the image of a row, whatever its url is."""
    table = pa.table({"image_id": ["x", "x", "y", "y"], "text": ["a cat", "a dog", "cat", "xyz"], "id": [1, 2, 3, 4]})
    matched = mc.local.match(table, ENTRIES)
    kept = mc.local.balance(matched, mc.local.count_entries(matched), threshold=9, unit="image", key="id")
    assert sorted(kept["image_id"].to_pylist()) == ["x", "y"]


def test_rows_without_an_image_are_refused():
    """An unknown unit, a missing column url, and a null url are errors."""
    matched = mc.local.match(pa.table({"id": [1], "text": ["a cat"]}), ENTRIES)
    counts = mc.local.count_entries(matched)
    with pytest.raises(ConfigError, match=r"^unit must be pair or image, got 'text'\.$"):
        mc.local.balance(matched, counts, threshold=1, unit="text", key="id")
    with pytest.raises(InputError, match="^balance: column 'url' is missing; .* unit='image' needs the image: "):
        mc.local.balance(matched, counts, threshold=1, unit="image", key="id")
    unknown = matched.append_column("url", pa.nulls(1, pa.string()))
    with pytest.raises(InputError, match="^balance: a matched row has no key: column 'url' is null; "):
        mc.local.balance(unknown, counts, threshold=1, unit="image", key="id")


def moved(spark) -> int:
    """Return the bytes that all stages of Spark have written to shuffles; the embedded engine does not count them."""
    if is_embedded(spark):
        return 0
    executors = spark.sparkContext._jsc.sc().statusStore().executorList(False)
    return sum(executors.apply(at).totalShuffleWrite() for at in range(executors.size()))


def test_texts_that_are_not_drawn_are_not_shuffled(spark, make_pairs):
    """The rows are those of a choice and a draw after it; four of five images are dropped, and with them the bytes."""
    rng = np.random.default_rng(0)
    ids = [f"{rng.integers(1 << 63):016x}{number:016x}" for number in range(4000)]
    pairs = make_pairs([(key, [0, 1] if number % 3 else [0]) for number, key in enumerate(ids)])
    noise = F.concat(*[F.sha2(F.concat("pair_id", F.lit(part)), 512) for part in range(6)])
    image = F.concat(F.lit("image "), F.conv(F.substring("pair_id", 20, 13), 16, 10).cast("bigint") % 2500)
    pairs = pairs.withColumns({"image_id": image, "text": noise, "url": noise})
    probabilities = Broadcast.of(spark, np.array([0.15, 0.1]))
    before = moved(spark)
    apart = balance(choose(pairs, 3), probabilities, 3, "r", "image_id").sort("pair_id").collect()
    between = moved(spark)
    together = balance_images(pairs, probabilities, 3, "r").sort("pair_id").collect()
    assert together == apart
    assert 200 < len(together) < 1000
    if not is_embedded(spark):
        assert moved(spark) - between < 0.5 * (between - before)
