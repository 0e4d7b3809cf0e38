"""Helpers for the tests of extraction: a runner that checks every split's counts, and a builder of small WATs."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from metaclip_spark.candidates.ledger import (
    FILTER_PREFIX,
    MASKED,
    NO_TEXT_REASONS,
    PASSED_OVER,
    REASONS,
    RECORD_REASONS,
    TEXT_REASONS,
)
from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.extract.task import Stamp, Tools, extract_split
from metaclip_spark.matchers import compile_matcher
from metaclip_spark.metadata import Metadata
from metaclip_spark.schemas import EXTRACTED
from metaclip_spark.sources.files import Split, find_sources, splits_of

STAMP = Stamp("snap", "list-id", "batch-1")


@dataclass
class Extraction:
    """The rows of one split."""

    pairs: list[dict]
    rejects: list[dict]
    outcome: dict

    @property
    def rows(self) -> list[tuple[str, str]]:
        """The pairs as (url, text)."""
        return [(pair["url"], pair["text"]) for pair in self.pairs]

    @property
    def rejected(self) -> dict[str, int]:
        """The number of rejects by reason."""
        return dict(self.outcome["rejected"])

    @property
    def ending(self) -> tuple[str, str | None]:
        """(status, reason)."""
        return self.outcome["status"], self.outcome["reason"]


def run_split(split: Split, options: ExtractOptions, matcher=None) -> Extraction:
    """Extract a split and check what must be true of every split."""
    batches = list(extract_split(split, options, Tools(matcher=matcher), STAMP))
    assert all(batch.schema == EXTRACTED.arrow for batch in batches)
    rows = []
    for batch in batches:
        batch.validate(full=True)
        rows += batch.to_pylist()
    assert [row["kind"] for row in rows].count("source") == 1
    assert rows[-1]["kind"] == "source"
    for row in rows:
        assert (row["snapshot"], row["metadata_id"], row["batch_id"]) == ("snap", "list-id", "batch-1")
        assert (row["source_path"], row["split"]) == (split.source.source_path, split.index)
        assert row["splits"] == split.of
    found = Extraction(
        [row for row in rows if row["kind"] == "pair"],
        [row for row in rows if row["kind"] == "reject"],
        rows[-1],
    )
    check_counts(found, options)
    return found


def check_counts(found: Extraction, options: ExtractOptions) -> None:
    """Check that a split's counts add up: no text is lost without a reason, and every counted row was sent."""
    outcome, rejected = found.outcome, found.rejected
    assert outcome["pairs_written"] == len(found.pairs)
    of_filters = {reason for reason in rejected if reason.startswith(FILTER_PREFIX)}
    assert set(rejected) - of_filters <= {*REASONS, *MASKED}
    texts = sum(number for reason, number in rejected.items() if reason in TEXT_REASONS or reason in of_filters)
    assert outcome["texts_read"] == outcome["pairs_written"] + texts
    assert (outcome["reason"] is None) == (outcome["status"] == "done")
    without_text = {**PASSED_OVER, **RECORD_REASONS}
    if outcome["format"] not in ("wat", "warc"):  # a row has one text at most
        without_text |= NO_TEXT_REASONS
        lost = outcome["records_read"] - outcome["texts_read"]
        assert lost == sum(rejected.get(reason, 0) for reason in without_text)
    assert outcome["records_read"] >= sum(rejected.get(reason, 0) for reason in without_text)
    for reason in set(rejected) - set(PASSED_OVER) - set(MASKED):
        number = rejected[reason]
        examples = [row for row in found.rejects if row["reason"] == reason]
        assert len(examples) == min(number, options.sample_cap)
    for pair in found.pairs:
        assert None not in (pair["pair_id"], pair["image_id"], pair["url"], pair["text"], pair["lang"])
        assert pair["lang"]
        assert pair["text"]
    if options.dedup:
        sent: dict[str, tuple[str, str]] = {}
        for pair in found.pairs:  # a repeat is sent only if its page and field are smaller
            order = (pair["page_url"] or "", pair["text_source"])
            assert pair["pair_id"] not in sent or order < sent[pair["pair_id"]]
            sent[pair["pair_id"]] = order


@pytest.fixture
def extract():
    """Extract one file in one split: `extract(path, entries=[...], **options)`."""

    def run(path, entries: Sequence[str] | None = None, **options) -> Extraction:
        matcher = None if entries is None else compile_matcher(Metadata.from_entries(entries))
        (split,) = splits_of(find_sources([str(path)]), split_bytes=1 << 40)
        return run_split(split, ExtractOptions(**options), matcher)

    return run


@pytest.fixture
def extract_in_splits():
    """Extract one file in splits of a given size; return one extraction per split."""

    def run(path, split_bytes: int, **options) -> list[Extraction]:
        splits = splits_of(find_sources([str(path)]), split_bytes)
        return [run_split(split, ExtractOptions(**options)) for split in splits]

    return run


class WatBuilder:
    """Build WAT files record by record, one gzip member per record, as Common Crawl does."""

    @staticmethod
    def record(
        payload: bytes | str | dict | list | None,
        kind: str = "metadata",
        content_type: str = "application/json",
        length: str | None = None,
    ) -> bytes:
        """Build a WARC record; a payload that is not bytes is written as JSON."""
        raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        content_length = str(len(raw)) if length is None else length
        head = f"WARC/1.0\r\nWARC-Type: {kind}\r\nContent-Type: {content_type}\r\n"
        if content_length:
            head += f"Content-Length: {content_length}\r\n"
        return head.encode() + b"\r\n" + raw + b"\r\n\r\n"

    def page(self, uri: object, links: object, base: object = None, kind: object = "response") -> bytes:
        """Build the metadata record of a response with these links."""
        html: dict = {"Links": links}
        if base is not None:
            html["Head"] = {"Base": base}
        return self.record(
            {
                "Envelope": {
                    "WARC-Header-Metadata": {"WARC-Type": kind, "WARC-Target-URI": uri},
                    "Payload-Metadata": {"HTTP-Response-Metadata": {"HTML-Metadata": html}},
                }
            }
        )

    @staticmethod
    def img(url: object, **texts: object) -> dict:
        """Build an image link."""
        return {"path": "IMG@/src", "url": url, **texts}

    @staticmethod
    def write(path: Path, records: Iterable[bytes]) -> Path:
        """Write a file of these records, one gzip member per record; equal records give equal bytes."""
        path.write_bytes(b"".join(gzip.compress(record, mtime=0) for record in records))
        return path

    def of_links(self, path: Path, *links: dict, uri: str = "http://ex.org/a/page.html", **page) -> Path:
        """Write a file of one page."""
        return self.write(path, [self.page(uri, list(links), **page)])


@pytest.fixture
def wat() -> WatBuilder:
    """A builder of small WATs."""
    return WatBuilder()
