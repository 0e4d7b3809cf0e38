"""The loader: the pairs of an epoch for any number of workers, from an export and from img2dataset's folder."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from metaclip_spark.core.draw import draws
from metaclip_spark.errors import ConfigError, InputError
from metaclip_spark.export.place import MANIFEST
from metaclip_spark.export.shards import COLUMNS, IMAGES, INDEX, KNOWN_IMAGES
from metaclip_spark.training import batches, epoch, kept_texts, shards

FILES = 5
PROBABILITIES = (1.0, 0.5, 0.1)


def image(number: int) -> dict:
    """Return a row of an export: every image has two pairs, with the probabilities in turn."""
    p = [PROBABILITIES[(2 * number + at) % 3] for at in range(2)]
    pairs = [f"{number:06}{at}" for at in range(2)]
    return {
        "image_id": f"image{number}",
        "url": f"http://x/{number}.jpg",
        "text": f"text {pairs[0]}",
        "pair_ids": pairs,
        "texts": [f"text {pair}" for pair in pairs],
        "langs": ["en", "en"],
        "entry_ids": [[1, 2], [3]],
        "sampling_probabilities": p,
        "extras": [[("at", str(at))] for at in range(2)],
    }


def make_export(folder: Path, number: int = 200, stage: str | None = "pairs", format: str = IMAGES, unit="pair") -> str:
    """Write an export with this number of images; without a manifest if the stage is None."""
    folder.mkdir(parents=True)
    for at in range(FILES):
        rows = [image(each) for each in range(number) if each % FILES == at]
        if format == INDEX:
            rows = [
                {
                    "__key__": pair,
                    **{name: row[name] for name in ("image_id", "url")},
                    "text": text,
                    "lang": "en",
                    "entry_ids": ids,
                    "sampling_probability": p,
                    "extra": extra,
                }
                for row in rows
                for pair, text, ids, p, extra in zip(
                    *(row[name] for name in ("pair_ids", "texts", "entry_ids", "sampling_probabilities", "extras")),
                    strict=True,
                )
            ]
        table = pa.Table.from_pylist(rows, pa.schema(COLUMNS[format]))
        pq.write_table(table, folder / f"{at:05}.parquet")
    if stage is not None:
        (folder / MANIFEST).write_text(json.dumps({"stage": stage, "unit": unit}), encoding="utf-8")
    return str(folder)


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
    """Each file goes to one worker; the order of files and of pairs changes with the epoch."""
    path = make_export(tmp_path / "x")
    order = [shards(path, at) for at in range(4)]
    assert all(sorted(files) == sorted(order[0]) for files in order)
    assert len({tuple(files) for files in order}) > 1
    parts = [shards(path, 1, worker=(at, 2)) for at in range(2)]
    assert sorted(parts[0] + parts[1]) == sorted(order[1])
    everything = [ids(epoch(path, at, balance=False)) for at in range(2)]
    assert sorted(everything[0]) == sorted(everything[1])
    assert everything[0] != everything[1]


def test_an_epoch_can_be_resumed_at_a_shard(tmp_path):
    """The pairs from that shard on equal those of the whole epoch."""
    path = make_export(tmp_path / "x")
    whole = list(epoch(path, 2, worker=(1, 2)))
    assert [pair for pair in whole if pair["shard"] >= 1] == list(epoch(path, 2, worker=(1, 2), first_shard=1))
    assert {pair["shard"] for pair in whole} == {0, 1}
    files = shards(path, 2, worker=(1, 2))
    assert [(batch.shard, batch.file) for batch in batches(path, 2, worker=(1, 2))] == list(enumerate(files))


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


def test_a_uri_is_read_as_a_folder_is(tmp_path):
    """A store that fsspec knows gives the same pairs in the same order."""
    path = make_export(tmp_path / "x", number=20)
    store = fsspec.filesystem("memory")
    store.put(path + "/", f"/{tmp_path.name}/", recursive=True)
    assert ids(epoch(f"memory://{tmp_path.name}", 0)) == ids(epoch(path, 0))


def test_wrong_use_is_reported(tmp_path):
    """More workers than files, an invalid worker, a folder without files, and other files have their errors."""
    path = make_export(tmp_path / "x", number=5)
    with pytest.raises(ConfigError, match="6 workers cannot share 5 files; export with --shards 6 or more"):
        shards(path, 0, worker=(0, 6))
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
