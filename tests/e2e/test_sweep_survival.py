"""`sweep --survival`: the images that will be on disk, from a rate and from what img2dataset wrote."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from e2e_world import World, call, flag_words, row, rows_of, write_parquet

pytestmark = pytest.mark.spark

HOSTS = ("good.org", "bad.org", "new.org")
OLD, NEW = "CC-MAIN-2016-10", "CC-MAIN-2024-51"


def pair(number: int, text: int) -> tuple[str, ...]:
    """Return a pair of one of 60 images; every third image has three texts."""
    _, words, lang, _, note = row("a", text)
    key = f"{number:08x}{text:024x}"
    return f"http://{HOSTS[number % 3]}/{number}.jpg", words, lang, key, note


PAIRS = [pair(number, number + 7 * extra) for number in range(60) for extra in range(3 if number % 3 == 0 else 1)]


@pytest.fixture(scope="module")
def world(spark, tmp_path_factory) -> World:
    """Curate two snapshots of different ages."""
    made = World(tmp_path_factory.mktemp("survival"))
    for name, part in ((OLD, PAIRS[::2]), (NEW, PAIRS[1::2])):
        path = write_parquet(made.root / f"{name}.parquet", part)
        ended = call("run", *made.words("warehouse", input=path, snapshot=name, threshold=5))
        assert ended.status == 0, ended.err
    return made


def swept(world: World, *words: object) -> dict:
    """Run a sweep with --json."""
    ended = call("sweep", *flag_words(warehouse=world.root / "warehouse"), "--json", *words)
    assert ended.status == 0, ended.err
    return json.loads(ended.out)


def kept_by_hand(spark, world: World, t: int) -> dict[str, tuple[float, str]]:
    """Return image id -> (the probability that a pair of the image is kept, its url), pair by pair."""
    counts: dict[int, int] = defaultdict(int)
    for entry, count in rows_of(spark, world.root / "warehouse", "entry_counts", ("entry_id", "count")):
        counts[entry] += count
    missed: dict[str, tuple[float, str]] = {}
    for image, url, ids in rows_of(spark, world.root / "warehouse", "pairs", ("image_id", "url", "entry_ids")):
        of_pair = 1.0
        for entry in ids:
            of_pair *= 1.0 - t / max(counts[entry], t)
        missed[image] = missed.get(image, (1.0, url))[0] * of_pair, url
    return {image: (1.0 - value, url) for image, (value, url) in missed.items()}


def downloaded(world: World, name: str, **more: list) -> Path:
    """Write what img2dataset leaves: 300 images of good.org, 90% of them there, and 300 of bad.org, 20% of them."""
    folder = world.root / name
    folder.mkdir()
    urls = [f"http://www.{HOSTS[at % 2]}/earlier/{at}.jpg" for at in range(600)]
    got = [at // 2 % 10 < (9 if at % 2 == 0 else 2) for at in range(600)]
    for shard in range(2):
        part = slice(shard * 300, shard * 300 + 300)
        table = {
            "url": urls[part],
            "key": [f"{at:09}" for at in range(600)][part],
            "status": ["success" if one else "failed_to_download" for one in got][part],
            "error_message": [None if one else "HTTP Error 404: Not Found" for one in got][part],
            "width": pa.array([256 if one else None for one in got][part], pa.int32()),
            **{column: values[part] for column, values in more.items()},
        }
        pq.write_table(pa.table(table), folder / f"{shard:05}.parquet")
        (folder / f"{shard:05}_stats.json").write_text("{}")
    return folder


@pytest.mark.parametrize("rate", ["0.5", "50%"])
def test_a_rate_counts_images_of_which_a_pair_is_kept(spark, world, rate):
    """Draws of an image's pairs are independent; an image with three texts is one image."""
    found = swept(world, "--survival", rate, "--thresholds", "1,3", "--threshold", 2)
    assert (found["survival"]["mean"], found["survival"]["tried"]) == (0.5, None)
    for at in found["sweep"]:
        by_hand = sum(p for p, _ in kept_by_hand(spark, world, at["threshold"]).values())
        disk = at["images_on_disk"]
        assert disk["expected"] == pytest.approx(0.5 * by_hand, abs=1e-6)
        assert by_hand < at["expected_size"]
        assert 0 <= disk["low"] < disk["expected"] < disk["high"] < 60


def test_with_unit_image_each_image_is_one_pair(world):
    """The expected size is one of images already."""
    found = swept(world, "--survival", "0.25", "--thresholds", "3", "--threshold", 3, "--unit", "image")
    (at,) = found["sweep"]
    assert at["images_on_disk"]["expected"] == pytest.approx(0.25 * at["expected_size"], abs=1e-6)


def test_a_download_gives_rates_by_domain(spark, world):
    """Its good domain, its bad one, and one that it never saw, which survives as all do."""
    found = swept(world, "--survival", downloaded(world, "images"), "--thresholds", "3", "--threshold", 3)
    survival = found["survival"]
    assert (survival["tried"], survival["got"], survival["domains_with_a_rate"]) == (600, 330, 2)
    assert survival["others"] == survival["mean"] == 330 / 600
    by_host = dict.fromkeys(HOSTS, 0.0)
    for p, url in kept_by_hand(spark, world, 3).values():
        by_host[url.split("/")[2]] += p
    (at,) = found["sweep"]
    wanted = 0.9 * by_host["good.org"] + 0.2 * by_host["bad.org"] + 0.55 * by_host["new.org"]
    assert at["images_on_disk"]["expected"] == pytest.approx(wanted, rel=0.01)
    assert at["images_on_disk"]["low"] < wanted < at["images_on_disk"]["high"]


def test_ages_come_from_the_download_or_from_the_pool(world):
    """Old images are gone: by the column `snapshot`, or by the snapshots of the same images in this pool."""
    snapshots = [OLD if at // 2 % 10 > 4 else NEW for at in range(600)]
    found = swept(
        world, "--survival", downloaded(world, "dated", snapshot=snapshots), "--thresholds", 3, "--threshold", 3
    )
    factors = found["survival"]["age_factors"]
    assert factors["2016-10"] < 1 < factors["2024-51"]

    images = world.root / "same"
    images.mkdir()
    lost = {url for url, *_ in PAIRS[::2]} - {url for url, *_ in PAIRS[1::2]}
    urls = sorted({url for url, *_ in PAIRS})
    status = ["failed_to_download" if url in lost else "success" for url in urls]
    pq.write_table(pa.table({"url": urls, "status": status}), images / "00000.parquet")
    factors = swept(world, "--survival", images, "--thresholds", 3, "--threshold", 3)["survival"]["age_factors"]
    assert factors["2016-10"] < 1 < factors["2024-51"]


def test_target_size_is_one_of_images_on_disk(spark, world):
    """The smallest t whose expected images on disk reach it; more than any t gives is refused."""
    words = "--survival", "0.5", "--target-size", 25
    found = swept(world, *words, "--thresholds", "1")
    (chosen,) = [at for at in found["sweep"] if at["chosen"]]
    assert chosen["images_on_disk"]["expected"] >= 25
    below = sum(p for p, _ in kept_by_hand(spark, world, chosen["threshold"] - 1).values())
    assert 0.5 * below < 25
    ended = call("sweep", *flag_words(warehouse=world.root / "warehouse"), *words)
    assert f"t = {chosen['threshold']} is the smallest whose expected images on disk reach 25 (passes: 2)." in ended.err
    assert "images on disk  from  to" in ended.out
    assert "The rate is given: 50.0%." in ended.out
    ended = call("sweep", *flag_words(warehouse=world.root / "warehouse"), "--survival", "0.5", "--target-size", 31)
    assert (ended.status, ended.err.splitlines()[-1]) == (
        2,
        "metaclip-spark: target_size 31 is more than the 30 images that are expected on disk at any t with this "
        "--survival. Give a smaller --target-size, or add input.",
    )


def test_what_cannot_be_used_is_refused(world, tmp_path):
    """A share above 1, and a table without a status."""
    at = flag_words(warehouse=world.root / "warehouse")
    pq.write_table(pa.table({"url": ["http://a.org/1"]}), tmp_path / "a.parquet")
    for words, sentence in (
        (
            ["--survival", "1.5"],
            "--survival takes a share above 0 and at most 1 (0.7 or 70%), or the folder that img2dataset wrote; got "
            "'1.5'.",
        ),
        (
            ["--survival", tmp_path],
            "--survival expects the Parquet files that img2dataset writes, with the columns url and status; got "
            "['url'].",
        ),
    ):
        ended = call("sweep", *at, *words)
        assert (ended.status, ended.err.splitlines()[-1]) == (2, f"metaclip-spark: {sentence}")
