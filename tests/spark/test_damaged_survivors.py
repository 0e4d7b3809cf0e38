"""Damaged files of survivors, on Spark: the error names them, and says what to do."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from metaclip_spark.config.merge import make_settings
from metaclip_spark.core.hashing.ids import image_id
from metaclip_spark.errors import ConfigError, InputError
from metaclip_spark.steps.pool import surviving_of_files

pytestmark = pytest.mark.spark

URLS = [f"http://ex.org/{at}.jpg" for at in range(5)]


def survivors(spark, path, **flags) -> list[str]:
    rows = [(f"{at}", image_id(url), url) for at, url in enumerate(URLS)]
    pool = spark.createDataFrame(rows, "pair_id string, image_id string, url string")
    settings = make_settings({"survivors": str(path), "drawn_from": "pool", **flags})
    return sorted(row["pair_id"] for row in surviving_of_files(spark, settings, pool, lambda line: None).collect())


@pytest.mark.parametrize(
    "damage", [*(pytest.param(name, marks=pytest.mark.slow) for name in ("footer", "pages")), "no Parquet"]
)
def test_a_damaged_file_is_named(spark, tmp_path, damage):
    """In its footer, in its pages, or of another kind."""
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"url": URLS[:3]}), path, use_dictionary=False, compression="gzip")
    assert survivors(spark, path) == ["0", "1", "2"]
    raw = bytearray(path.read_bytes())
    if damage == "footer":
        raw[-40:-8] = b"\xff" * 32
    elif damage == "pages":
        raw[4:90] = bytes(86)
    else:
        raw[:] = b"url\nhttp://ex.org/1.jpg\n" * 10
    path.write_bytes(raw)
    with pytest.raises(
        InputError, match=r"survivors .*a\.parquet cannot be read: .*Expected whole Parquet files"
    ) as refused:
        survivors(spark, path)
    assert len(str(refused.value)) < 1000


def test_wrong_sql_is_still_an_error_of_its_flag(spark, tmp_path):
    """It is no damage."""
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"url": URLS[:3]}), path)
    with pytest.raises(ConfigError, match="--where cannot be used"):
        survivors(spark, path, where="width > parquet(")
