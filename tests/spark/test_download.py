"""The outcome of each image in a download, and the pairs with these outcomes."""

from __future__ import annotations

import pytest

from metaclip_spark.core.hashing.ids import image_id
from metaclip_spark.errors import InputError
from metaclip_spark.stages.download import OUTCOME, images_by_outcome, outcomes_of, with_outcomes
from metaclip_spark.stages.survive import exported_ids

pytestmark = pytest.mark.spark

ROWS = [
    ("ok", "success", None),
    ("gone", "failed_to_download", "HTTP Error 404: Not Found"),
    ("busy", "failed_to_download", "HTTP Error 503: Service Unavailable"),
    ("noai", "failed_to_download", "Use of image disallowed by X-Robots-Tag directive"),
    ("lost", "failed_to_download", "<urlopen error [Errno -2] Name or service not known>"),
    ("late", "failed_to_download", None),
    ("odd", "failed_to_download", "hash mismatch"),
    ("broken", "failed_to_resize", "Image decoding error"),
    ("null", None, None),
    # An image with several rows, of one download or of two.
    ("second try", "failed_to_download", "HTTP Error 404: Not Found"),
    ("second try", "success", None),
    ("refused later", "failed_to_resize", "Image decoding error"),
    ("refused later", "failed_to_download", "Use of image disallowed by X-Robots-Tag directive"),
    ("twice", "failed_to_download", "HTTP Error 503: Service Unavailable"),
    ("twice", "failed_to_resize", "Image decoding error"),
    ("by name", "failed_to_download", "HTTP Error 503: Service Unavailable"),
    ("by name", "failed_to_download", "HTTP Error 404: Not Found"),
    ("in no pair", "success", None),
]
"""Images with img2dataset's statuses and messages."""
OUTCOMES = {
    "ok": "success",
    "gone": "http_404",
    "busy": "http_503",
    "noai": "opted_out",
    "lost": "failed_to_download",
    "late": "failed_to_download",
    "odd": "failed_to_download",
    "broken": "failed_to_resize",
    "null": "no_status",
    "second try": "success",
    "refused later": "opted_out",
    "twice": "failed_to_resize",
    "by name": "http_404",
    "new": "not_tried",
}


def url_of(name: str) -> str:
    """Return a url with a space, which export writes as %20."""
    return f"http://example.org/{name} 1.jpg"


@pytest.mark.parametrize("key", ["image_id", "url as found", "url as exported"])
def test_an_image_has_the_outcome_of_its_best_row(spark, key):
    """A success wins, then an opt-out, then what could not be read. An image without a row was not tried."""
    pairs = [(image_id(url_of(name)), f"{name}-{n}", url_of(name)) for name in OUTCOMES for n in range(2)]
    pool = spark.createDataFrame(pairs, "image_id string, pair_id string, url string")
    values = {
        "image_id": lambda name: image_id(url_of(name)),
        "url as found": url_of,
        "url as exported": lambda name: url_of(name).replace(" ", "%20"),
    }
    column = key.split()[0]
    rows = [(values[key](name), status, error) for name, status, error in ROWS]
    table = spark.createDataFrame(rows, f"{column} string, status string, error_message string")
    known = with_outcomes(pool, outcomes_of(table), None if column == "image_id" else exported_ids(pool))
    found = {row["pair_id"]: row[OUTCOME] for row in known.collect()}
    assert found == {f"{name}-{n}": outcome for name, outcome in OUTCOMES.items() for n in range(2)}
    counts = {row[OUTCOME]: row["images"] for row in images_by_outcome(known).collect()}
    assert counts == {outcome: list(OUTCOMES.values()).count(outcome) for outcome in OUTCOMES.values()}


def test_a_table_without_messages_has_statuses_alone(spark):
    """A table without status is refused."""
    rows = [(image_id("a"), "success"), (image_id("b"), "failed_to_resize"), (image_id("c"), "failed_to_download")]
    table = spark.createDataFrame(rows, "image_id string, status string")
    pool = spark.createDataFrame([(image_id(name), name) for name in "abc"], "image_id string, pair_id string")
    found = {row["pair_id"]: row[OUTCOME] for row in with_outcomes(pool, outcomes_of(table)).collect()}
    assert found == {"a": "success", "b": "failed_to_resize", "c": "failed_to_download"}
    with pytest.raises(InputError) as refused:
        outcomes_of(table.select("image_id"))
    assert str(refused.value) == (
        "--failed-of expects the Parquet files that img2dataset writes, with the column status; got ['image_id']."
    )
