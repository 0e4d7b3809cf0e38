"""The loader: the pairs of an epoch for any number of workers, from an export and from img2dataset's folder."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_exports import FILES, PROBABILITIES, image, make_export

from metaclip_spark.core.draw import draws
from metaclip_spark.errors import ConfigError, InputError
from metaclip_spark.export.shards import IMAGES, INDEX, KNOWN_IMAGES
from metaclip_spark.training import batches, epoch, kept_texts, shards, sized_batches, sizes


def ids(pairs) -> list[str]:
    """Return the ids of the pairs, in order."""
    return [pair["pair_id"] for pair in pairs]


@pytest.mark.parametrize("format", [IMAGES, INDEX])
def test_a_pair_is_in_as_many_epochs_as_its_probability_says(tmp_path, format):
    """Over 60 epochs each probability's share is within 5 standard deviations, and p = 1 is in every epoch."""
    path, number, epochs = make_export(tmp_path / "x", format=format), 200, 60
    counts = Counter()
    for at in range(epochs):
        drawn = [(pair["pair_id"], pair["sampling_probability"]) for pair in epoch(path, at)]
        assert len(drawn) == len(set(drawn))
        counts.update(p for _, p in drawn)
    for p in PROBABILITIES:
        pairs = sum(each == p for row in range(number) for each in image(row)["sampling_probabilities"])
        draws = pairs * epochs
        assert abs(counts[float(np.float32(p))] - draws * p) <= 5 * np.sqrt(draws * p * (1 - p)), p


def test_an_epoch_is_the_same_set_for_any_workers_and_another_is_another(tmp_path):
    """One worker and three workers read the same set; another epoch or seed gives another set."""
    path = make_export(tmp_path / "x")
    first = ids(epoch(path, 3))
    assert ids(epoch(path, 3)) == first
    shared = [ids(epoch(path, 3, worker=(at, 3))) for at in range(3)]
    assert sorted(pair for part in shared for pair in part) == sorted(first)
    for other in (ids(epoch(path, 4)), ids(epoch(path, 3, seed=1))):
        assert set(other) != set(first)
        always = {
            pair
            for row in range(200)
            for pair, p in zip(image(row)["pair_ids"], image(row)["sampling_probabilities"], strict=True)
            if p == 1
        }
        assert always <= set(first) & set(other)


def test_both_formats_draw_the_same_pairs(tmp_path):
    """The draw depends on the pair, for a row per image and a row per pair."""
    one, other = (make_export(tmp_path / format, format=format) for format in (IMAGES, INDEX))
    pairs = {pair["pair_id"]: pair for pair in epoch(one, 0)}
    index = {pair["pair_id"]: pair for pair in epoch(other, 0)}
    assert pairs.keys() == index.keys()
    for name in ("url", "text", "entry_ids", "sampling_probability", "image_id", "lang", "extra"):
        assert {key: pair[name] for key, pair in pairs.items()} == {key: pair[name] for key, pair in index.items()}


def test_workers_share_the_shards_differently_each_epoch(tmp_path):
    """Workers take turns in the order of the files, at most one file at each border is read by two of them, and the
    order of files and of pairs changes with the epoch."""
    path = make_export(tmp_path / "x")
    order = [shards(path, at) for at in range(4)]
    assert all(sorted(files) == sorted(order[0]) for files in order)
    assert len({tuple(files) for files in order}) > 1
    first, second = (shards(path, 1, worker=(at, 2)) for at in range(2))
    assert (len(first), first[-1]) == (3, second[0])
    assert first + second[1:] == order[1]
    everything = [ids(epoch(path, at, balance=False)) for at in range(2)]
    assert sorted(everything[0]) == sorted(everything[1])
    assert everything[0] != everything[1]


def test_an_epoch_can_be_resumed_at_a_shard(tmp_path):
    """The pairs from that shard on equal those of the whole epoch."""
    path = make_export(tmp_path / "x")
    whole = list(epoch(path, 2, worker=(1, 2)))
    assert [pair for pair in whole if pair["shard"] >= 1] == list(epoch(path, 2, worker=(1, 2), first_shard=1))
    assert {pair["shard"] for pair in whole} == {0, 1, 2}
    files = shards(path, 2, worker=(1, 2))
    assert [(batch.shard, batch.file) for batch in batches(path, 2, worker=(1, 2))] == list(enumerate(files))


@pytest.mark.parametrize("format", [IMAGES, INDEX])
@pytest.mark.parametrize("workers", [1, 2, 8, 23, 200])
def test_any_number_of_workers_shares_an_epoch(tmp_path, format, workers):
    """Each pair goes to one worker, also where workers are more than files or row groups; `sizes` counts them."""
    path = make_export(tmp_path / "x", format=format)
    for balance in (True, False):
        parts = [ids(epoch(path, 3, 1, (at, workers), balance=balance)) for at in range(workers)]
        assert sorted(pair for part in parts for pair in part) == sorted(ids(epoch(path, 3, 1, balance=balance)))
        assert sizes(path, 3, 1, workers, balance=balance) == [len(part) for part in parts]


@pytest.mark.parametrize("unit", ["pair", "image"])
def test_an_epoch_can_be_resumed_at_every_pair(tmp_path, unit):
    """After any number of pairs, `skip` gives the rest of the undisturbed sequence; row groups are small, so that some
    are passed over and some are cut."""
    path = make_export(tmp_path / "x", number=60, unit=unit, row_group=5)
    for worker in ((0, 1), (1, 3)):
        whole = list(epoch(path, 2, worker=worker))
        assert len(whole) > 10
        for skip in range(len(whole) + 2):
            assert list(epoch(path, 2, worker=worker, skip=skip)) == whole[skip:], skip
    assert ids(epoch(path, 2, first_shard=2, skip=3)) == [p["pair_id"] for p in epoch(path, 2) if p["shard"] >= 2][3:]


def test_batches_have_one_size_and_can_be_resumed(tmp_path):
    """They are the pairs of `epoch` in their order; the last one is shorter."""
    path = make_export(tmp_path / "x", row_group=5)
    whole = ids(epoch(path, 1, worker=(0, 2)))
    found = list(sized_batches(path, 1, 7, worker=(0, 2)))
    assert [pair for batch in found for pair in batch["pair_id"].to_pylist()] == whole
    assert {len(batch) for batch in found[:-1]} == {7}
    assert len(found[-1]) == len(whole) % 7 > 0
    for first in range(len(found) + 1):
        assert list(sized_batches(path, 1, 7, worker=(0, 2), first_batch=first)) == found[first:]


@pytest.mark.parametrize("format", [IMAGES, INDEX])
def test_columns_can_be_chosen(tmp_path, format):
    """The same pairs come in the same order, with these columns alone."""
    path = make_export(tmp_path / "x", format=format)
    whole = list(epoch(path, 1))
    for columns in (["text"], ["entry_ids", "pair_id"], ["url", "extra", "lang"]):
        chosen = [{name: pair[name] for name in (*columns, "shard")} for pair in whole]
        assert list(epoch(path, 1, columns=columns)) == chosen


def test_the_text_of_a_pair_is_its_own_wherever_the_columns_are(tmp_path):
    """A file's column `text` is the first text of an image, also where it is behind the list of texts."""
    make_export(tmp_path / "x", number=10)
    for path in (tmp_path / "x").glob("*.parquet"):
        table = pq.read_table(path)
        pq.write_table(table.select(table.column_names[::-1]), path)
    found = {(pair["pair_id"], pair["text"]) for pair in epoch(tmp_path / "x", 0, columns=["pair_id", "text"])}
    assert found == {(pair, f"text {pair}") for pair in ids(epoch(tmp_path / "x", 0))}


def test_over_200_seeds_a_pair_is_drawn_as_often_as_its_probability_says(tmp_path):
    """The share of the seeds in which a pair is in the epoch is within 4.5 standard deviations of p for each of 400
    pairs, and within 3 for the pairs of each probability together."""
    path, seeds = make_export(tmp_path / "x"), 200
    counts = Counter(pair for seed in range(seeds) for pair in ids(epoch(path, 0, seed, columns=["pair_id"])))
    p = {
        pair: float(np.float32(p))
        for row in range(200)
        for pair, p in zip(image(row)["pair_ids"], image(row)["sampling_probabilities"], strict=True)
    }
    for pair, expected in p.items():
        assert abs(counts[pair] - seeds * expected) <= 4.5 * np.sqrt(seeds * expected * (1 - expected)), pair
    for expected in set(p.values()):
        pairs = [pair for pair in p if p[pair] == expected]
        draws_of = seeds * len(pairs)
        off = sum(counts[pair] for pair in pairs) - draws_of * expected
        assert abs(off) <= 3 * np.sqrt(draws_of * expected * (1 - expected)), expected


def test_a_curated_subset_is_not_sampled_again(tmp_path):
    """Sampling it again by the same probabilities is refused, with the reason."""
    path = make_export(tmp_path / "x", number=20, stage="curated")
    assert len(ids(epoch(path, 0))) == 40
    with pytest.raises(ConfigError, match="a curated subset was sampled by its probabilities already; sampled again"):
        next(epoch(path, 0, balance=True))


def test_without_a_manifest_one_has_to_say_whether_to_sample(tmp_path):
    """The folder of img2dataset does not say whether it was a pool."""
    path = make_export(tmp_path / "x", number=20, stage=None)
    with pytest.raises(ConfigError, match="does not say whether it is a pool or a curated subset"):
        next(epoch(path, 0))
    assert len(ids(epoch(path, 0, balance=False))) == 40
    assert len(ids(epoch(path, 0, balance=True))) < 40


def test_with_unit_image_the_image_is_drawn(tmp_path):
    """The draw depends on the image, so that pairs of equal probability are kept or dropped together."""
    path = make_export(tmp_path / "x", unit="image")
    u = draws(pa.array([f"image{number}" for number in range(200)]), 0, "epoch-0")
    wanted = [
        pair
        for number in range(200)
        for pair, p in zip(image(number)["pair_ids"], image(number)["sampling_probabilities"], strict=True)
        if u[number] < np.float32(p)
    ]
    assert sorted(ids(epoch(path, 0))) == wanted
    assert set(ids(epoch(path, 0, unit="pair"))) != set(wanted)


def test_a_pipeline_of_your_own_keeps_the_same_texts(tmp_path):
    """`kept_texts` of an image's record equals the loader."""
    path = make_export(tmp_path / "x", number=50)
    by_image: dict[str, list[str]] = {}
    for pair in epoch(path, 1):
        by_image.setdefault(pair["image_id"], []).append(pair["text"])
    for number in range(50):
        assert sorted(kept_texts(image(number), 1)) == sorted(by_image.get(f"image{number}", []))


def test_images_that_were_not_downloaded_are_dropped(tmp_path):
    """Rows with img2dataset's status `success` stay, with their key."""
    (tmp_path / "images").mkdir()
    rows = [
        {**image(n), "caption": image(n)["text"], "key": f"{n:09}", "status": status}
        for n, status in enumerate(["success", "failed_to_download", "success", "failed_to_resize"])
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "images" / "00000.parquet")
    pairs = list(epoch(tmp_path / "images", 0, balance=False))
    assert {pair["key"] for pair in pairs} == {"000000000", "000000002"}
    assert {pair["text"] for pair in pairs} == {*image(0)["texts"], *image(2)["texts"]}


def test_several_exports_are_one_epoch(tmp_path):
    """A first export, its top-up, and the top-up's new pairs of known images are read together."""
    first = make_export(tmp_path / "first", number=10, stage="curated")
    more = make_export(tmp_path / "more", number=5, stage="curated")
    make_export(tmp_path / "more" / KNOWN_IMAGES, number=5, stage=None)
    paths = [first, more, f"{more}/{KNOWN_IMAGES}"]
    assert len(ids(epoch(paths, 0))) == 40
    assert len(shards(paths, 0)) == 3 * FILES


def test_batches_of_exports_with_other_columns_are_whole(tmp_path):
    """The folder of img2dataset has columns that an export has not, and the other way round; they are null."""
    first = make_export(tmp_path / "first", number=10, stage="curated")
    (tmp_path / "images").mkdir()
    rows = [{**image(n), "key": f"{n:09}", "status": "success"} for n in range(10, 20)]
    for row in rows:
        del row["extras"]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "images" / "00000.parquet")
    (batch,) = sized_batches([first, tmp_path / "images"], 0, 40, balance=False)
    assert batch["extra"].null_count == 20
    assert sorted(zip(batch["pair_id"].to_pylist(), batch["key"].to_pylist(), strict=True)) == [
        (f"{n:06}{at}", None if n < 10 else f"{n:09}") for n in range(20) for at in range(2)
    ]


def test_a_uri_is_read_as_a_folder_is(tmp_path):
    """A store that fsspec knows gives the same pairs in the same order."""
    path = make_export(tmp_path / "x", number=20)
    store = fsspec.filesystem("memory")
    store.put(path + "/", f"/{tmp_path.name}/", recursive=True)
    assert ids(epoch(f"memory://{tmp_path.name}", 0)) == ids(epoch(path, 0))


def test_wrong_use_is_reported(tmp_path):
    """More workers than rows, an invalid worker, a folder without files, and other files have their errors."""
    path = make_export(tmp_path / "x", number=5)
    with pytest.raises(ConfigError, match="6 workers cannot share 5 rows; take fewer workers"):
        shards(path, 0, worker=(0, 6))
    with pytest.raises(ConfigError, match="a batch has at least one pair, got size=0"):
        next(sized_batches(path, 0, 0))
    with pytest.raises(InputError, match=r"column 'caption' is missing; got .* The loader's `columns` names it"):
        next(epoch(path, 0, columns=["text", "caption"]))
    with pytest.raises(ConfigError, match="unit must be 'pair' or 'image', got 'url'"):
        next(epoch(path, 0, unit="url"))
    with pytest.raises(ConfigError, match=r"worker must be \(i, n\) with 0 <= i < n, got \(2, 2\)"):
        shards(path, 0, worker=(2, 2))
    (tmp_path / "none").mkdir()
    with pytest.raises(ConfigError, match="holds no .parquet files; expected the folder of an export"):
        next(epoch(tmp_path / "none", 0))
    pq.write_table(pa.table({"url": ["a"]}), tmp_path / "none" / "a.parquet")
    with pytest.raises(InputError, match="column 'image_id' is missing; got .*img2dataset keeps these columns"):
        next(epoch(tmp_path / "none", 0, balance=True))


def test_the_loader_needs_no_spark():
    """No module of Spark is imported, because a trainer's machine has none."""
    code = "import sys, metaclip_spark.training; print([m for m in sys.modules if m.startswith(('pyspark', 'py4j'))])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
