"""What `--survival` takes, before an engine starts."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from metaclip_spark.core.survival.model import Survival
from metaclip_spark.core.weights.pairs import PairWeights
from metaclip_spark.errors import ConfigError, InputError
from metaclip_spark.steps.sweep.survival import PoolOnDisk, asked_for


@pytest.mark.parametrize(
    ("words", "rate"), [("0.7", 0.7), ("70%", 0.7), (" 70 % ", 0.7), ("1", 1), ("100%", 1), (".5", 0.5), ("7e-1", 0.7)]
)
def test_a_share_is_a_rate(words, rate):
    """As a fraction or in percent."""
    assert asked_for(words).rate == pytest.approx(rate)


@pytest.mark.parametrize("words", ["0", "1.01", "70", "150%", "-0.5", "0%"])
def test_a_number_that_is_no_share_is_refused(words):
    """No file is looked for."""
    with pytest.raises(ConfigError) as caught:
        asked_for(words)
    assert str(caught.value) == (
        "--survival takes a share above 0 and at most 1 (0.7 or 70%), or the folder that img2dataset wrote; got "
        f"{words!r}."
    )


def test_a_folder_needs_a_parquet_file(tmp_path):
    """Other files of img2dataset are no table."""
    (tmp_path / "00000.txt").write_text("")
    with pytest.raises(InputError):
        asked_for(str(tmp_path))
    pq.write_table(pa.table({"url": ["a"]}), tmp_path / "00000.parquet")
    asked = asked_for(str(tmp_path))
    assert (asked.rate, len(asked.sources)) == (None, 1)


def test_weights_of_pairs_are_refused_because_their_draws_do_not_multiply():
    """With --unit image, each image has one draw and one weight."""
    survival, counts, weights = Survival.of_rate(0.5), np.ones(3, np.int64), PairWeights("score")
    with pytest.raises(ConfigError) as caught:
        PoolOnDisk.of(None, "pair", survival, counts, weights)
    assert str(caught.value) == (
        "--survival counts images, and with weights the draws of an image's pairs do not multiply; add --unit image, "
        "or leave out --weight and --language-weights."
    )
    assert PoolOnDisk.of("images", "image", survival, counts, weights).images == "images"
