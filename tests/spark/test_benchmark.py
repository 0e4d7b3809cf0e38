"""The passes that `metaclip-spark benchmark` times in Spark return what they are said to."""

from __future__ import annotations

import pytest

from metaclip_spark.benchmark import in_spark
from metaclip_spark.benchmark.texts import different_texts
from metaclip_spark.metadata import Metadata

pytestmark = pytest.mark.spark


def test_passes_are_timed_beside_the_floor(spark):
    """One round over 300 texts: the floor first, both ways of pyahocorasick, and the project's own."""
    metadata = Metadata.from_entries(["cat", "a cat", "york"])
    made = different_texts(["a cat", "new york", "nothing here"], 300)
    found = in_spark.passes(spark, metadata, made, ids=400, rounds=1)
    assert [one.name for one in found] == [
        in_spark.FLOOR,
        "pyahocorasick in a plain UDF",
        "pyahocorasick in mapInArrow",
        in_spark.OURS,
    ]
    assert all(one.seconds > 0 for one in found)
