"""`metaclip-spark benchmark` times the floor, the peers and the project's own pass in Spark."""

from __future__ import annotations

import pytest

from metaclip_spark.benchmark import in_spark
from metaclip_spark.benchmark.texts import different_texts
from metaclip_spark.metadata import Metadata

pytestmark = pytest.mark.spark


@pytest.mark.slow
def test_passes_are_timed_with_the_floor(spark):
    """One round over 300 texts times the floor, pyahocorasick in two ways, and the project's pass, in this order."""
    metadata = Metadata.from_entries(["cat", "a cat", "york"])
    texts = different_texts(["a cat", "new york", "nothing here"], 300)
    passes = in_spark.passes(spark, metadata, texts, ids=400, rounds=1)
    assert [each.name for each in passes] == [
        in_spark.FLOOR,
        "pyahocorasick in a plain UDF",
        "pyahocorasick in mapInArrow",
        in_spark.OURS,
    ]
    assert all(each.seconds > 0 for each in passes)
