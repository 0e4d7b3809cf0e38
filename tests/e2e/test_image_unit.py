"""`--unit image` on the command line has the right numbers, and `explain` names the drawn text of an image."""

from __future__ import annotations

import json

import pytest
from e2e_world import call, flag_words, rows_of, write_parquet

pytestmark = pytest.mark.spark


@pytest.mark.slow  # tests/spark/test_reference.py checks the drawn rows against the reference by default
def test_one_text_per_image_is_drawn_and_explained(spark, undisturbed, tmp_path):
    """The closing numbers count images, the sweep gives the expected size, and explain names the drawn text."""
    url = "http://example.org/{}.jpg"
    rows = [(url.format(n // 3), f"photo of a {('cat', 'dog', 'cow')[n % 3]} number {n}") for n in range(30)]
    rows.append((url.format("none"), "nothing here"))
    pool = write_parquet(tmp_path / "pool.parquet", rows, ("url", "text"))
    words = undisturbed.world.words(tmp_path / "warehouse", "--unit", "image", input=pool, threshold=4)
    ended = call("run", *words, "--keep-unmatched", "--json")
    assert ended.status == 0, ended.err
    run = json.loads(ended.out)
    assert (run["images"], run["unique_pairs"]) == (10, 31)
    at = flag_words(warehouse=tmp_path / "warehouse")
    kept = rows_of(spark, tmp_path / "warehouse", "curated_pairs", ("url", "pair_id", "draw", "sampling_probability"))
    assert len(kept) == len({row[0] for row in kept}) == run["curated_size"]

    swept = json.loads(call("sweep", *at, "--unit", "image", "--thresholds", 4, "-t", 4, "--json").out)
    assert [row["expected_size"] for row in swept["sweep"]] == [run["expected_size"]]
    assert (swept["pairs"], swept["matched"]) == (10, 10)

    explanations = [json.loads(call("explain", *at, "--url", url.format(n), "--json").out) for n in range(2)]
    for texts in explanations:
        not_dropped = [
            answer for answer in texts if "of the image's matched texts, the text of pair" not in answer["verdict"]
        ]
        (drawn,) = not_dropped
        assert len({answer["draw"] for answer in texts}) == 1
        assert len(texts) == 3
        assert all(
            answer["verdict"].endswith(f"the text of pair {drawn['pair_id']} is drawn")
            for answer in texts
            if answer is not drawn
        )
        stored = [row[2:] for row in kept if row[1] == drawn["pair_id"]]
        assert stored == (
            [(drawn["draw"], drawn["sampling_probability"])] if drawn["verdict"].startswith("kept") else []
        )
    page = (tmp_path / "warehouse" / "reports" / f"{run['run_id']}.html").read_text(encoding="utf-8")
    assert "with a matched text; one text each is sampled" in page
