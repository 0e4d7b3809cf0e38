"""A later crawl does not bring back a taken-down pair: it is a counted reject, and no row shows it."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.extract.task import Stamp, Tools, extract_split
from metaclip_spark.filters import Filters
from metaclip_spark.matchers import compile_matcher
from metaclip_spark.metadata import Metadata
from metaclip_spark.sources.files import find_sources, splits_of
from metaclip_spark.takedown.hashes import Takedowns, hashes_of, sorted_hashes

PAGE = "http://ex.org/a/page.html"
"""The page of the WATs made here."""


def rows_of(path, matcher=None, filters=None, options=None, **listed: list[str]) -> list[dict]:
    """Extract a file with these urls and domains on the takedown list."""
    hashes = {kind: sorted_hashes([hashes_of("00", kind, pa.array(values))]) for kind, values in listed.items()}
    tools = Tools(matcher=matcher, filters=filters, takedowns=Takedowns("00", hashes) if listed else None)
    (split,) = splits_of(find_sources([str(path)]))
    batches = extract_split(split, options or ExtractOptions(), tools, Stamp("snap", "list-id", "batch-1"))
    return [row for batch in batches for row in batch.to_pylist()]


@pytest.mark.parametrize(
    "listed",
    [
        {"url": ["http://ex.org/a/1.jpg", "http://img.net/3.jpg"]},
        {"domain": ["ex.org", "img.net"]},
    ],
    ids=["urls", "domains"],
)
def test_taken_down_images_are_counted_and_not_shown(tmp_path, wat, listed):
    """A taken-down pair leaves no row, whether a filter, the matching or the reader would have rejected it."""
    path = wat.of_links(
        tmp_path / "a.wat.gz",
        wat.img("1.jpg", alt="a cat"),
        wat.img("http://img.net/3.jpg", alt="a bird"),
        wat.img("http://b.net/2", alt="a cat"),
        wat.img("http://b.net/3", alt="nothing"),
    )
    matcher, options = compile_matcher(Metadata.from_entries(["cat"])), ExtractOptions(max_words=2)
    rows = rows_of(path, matcher, Filters(options), options, **listed)
    assert [row["url"] for row in rows if row["kind"] == "pair"] == ["http://b.net/2"]
    assert dict(rows[-1]["rejected"]) == {"takedown": 2, "no_match": 1}
    assert rows[-1]["texts_read"] == 4
    assert "bird" not in str(rows)
    assert "1.jpg" not in str(rows)


def test_taken_down_pages_are_counted_and_their_rejects_are_not_shown(tmp_path, wat):
    """A reader's reject names its page, unless the page was taken down."""
    links = [("http://b.net/1.jpg", "a cat"), ("http://b.net/2.jpg", " "), ("data:x", "a")]
    path = wat.of_links(tmp_path / "a.wat.gz", *(wat.img(url, alt=alt) for url, alt in links))
    before = rows_of(path)
    assert [row["record"] for row in before if row["kind"] == "reject"] == [PAGE, PAGE]
    for listed in ({"page_domain": ["ex.org"]}, {"url": [PAGE]}):
        (outcome,) = rows_of(path, **listed)
        assert dict(outcome["rejected"]) == {"takedown": 1, "empty_text": 1, "data_url": 1}
        assert "ex.org" not in str(outcome)
    assert rows_of(path, domain=["ex.org"])[:-1] == [row for row in before[:-1] if row["kind"] != "reject"]


def test_tabular_pools_lose_their_taken_down_urls(tmp_path):
    """The takedown list also applies to a pool that is not deduplicated and has its own keys."""
    path = tmp_path / "pool.parquet"
    pq.write_table(pa.table({"url": ["u://a/1", "u://a/2"], "text": ["a cat", "a cat"], "key": ["x", "y"]}), path)
    options = ExtractOptions(dedup=False, id_column="key")
    *pairs, outcome = rows_of(path, options=options, url=["u://a/1"], page_domain=["a"])
    assert [(pair["url"], pair["pair_id"]) for pair in pairs] == [("u://a/2", "y")]
    assert dict(outcome["rejected"]) == {"takedown": 1}
