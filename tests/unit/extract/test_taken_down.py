"""What was taken down does not come back with a later crawl: it is a counted reject, and nothing shows it."""

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
    """Extract a file where these urls and domains were taken down."""
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
def test_taken_images_are_counted_and_not_shown(tmp_path, wat, listed):
    """A pair, what a filter or the list would have shown as its reject, and what a reader refuses: of none a row."""
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


def test_taken_pages_are_counted_and_their_rejects_are_not_shown(tmp_path, wat):
    """A reader that refuses a text or a url says on which page; not on one that was taken down."""
    links = [("http://b.net/1.jpg", "a cat"), ("http://b.net/2.jpg", " "), ("data:x", "a")]
    path = wat.of_links(tmp_path / "a.wat.gz", *(wat.img(url, alt=alt) for url, alt in links))
    before = rows_of(path)
    assert [row["record"] for row in before if row["kind"] == "reject"] == [PAGE, PAGE]
    for listed in ({"page_domain": ["ex.org"]}, {"url": [PAGE]}):
        (outcome,) = rows_of(path, **listed)
        assert dict(outcome["rejected"]) == {"takedown": 1, "empty_text": 1, "data_url": 1}
        assert "ex.org" not in str(outcome)
    assert rows_of(path, domain=["ex.org"])[:-1] == [row for row in before[:-1] if row["kind"] != "reject"]


def test_tables_have_no_pages_and_lose_their_urls(tmp_path):
    """Also a pool that is not deduplicated, with keys of its own."""
    path = tmp_path / "pool.parquet"
    pq.write_table(pa.table({"url": ["u://a/1", "u://a/2"], "text": ["a cat", "a cat"], "key": ["x", "y"]}), path)
    options = ExtractOptions(dedup=False, id_column="key")
    *pairs, outcome = rows_of(path, options=options, url=["u://a/1"], page_domain=["a"])
    assert [(pair["url"], pair["pair_id"]) for pair in pairs] == [("u://a/2", "y")]
    assert dict(outcome["rejected"]) == {"takedown": 1}
