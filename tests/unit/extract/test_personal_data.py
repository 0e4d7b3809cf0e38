"""Texts with personal data are masked before anything else sees them, or dropped, and are counted by kind."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.core.hashing.ids import pair_id
from metaclip_spark.extract.task import Stamp, Tools, extract_split
from metaclip_spark.matchers import compile_matcher
from metaclip_spark.metadata import Metadata
from metaclip_spark.sources.files import find_sources, splits_of
from metaclip_spark.takedown.hashes import PAIR_ID, Takedowns, hashes_of, sorted_hashes

URL = "http://example.org/{}.jpg"
TEXTS = [
    "a cat, write to jane@example.org",
    "a cat, write to john@example.org",
    "a cat, 201-555-0123 or jane@example.org",
    "a dog",
    "nothing 4111 1111 1111 1111",
]
"""The first two are of one image."""
MATCHER = compile_matcher(Metadata.from_entries(["cat", "dog", "EMAIL", "jane"]))
LONG = "x " * 200


def read(
    folder: Path, texts: list[str], options: ExtractOptions, tools: Tools, urls: list[str | None] | None = None
) -> tuple[list[dict], Mapping[str, int]]:
    """Extract texts, the first two of one image; return the rows and the outcome's counts."""
    urls = urls or [URL.format(max(at, 1)) for at in range(len(texts))]
    keys = [f"key {at}" for at in range(len(texts))]
    pq.write_table(pa.table({"url": urls, "text": texts, "key": keys}), folder / "a.parquet")
    (split,) = splits_of(find_sources([str(folder / "a.parquet")]))
    rows = [row for batch in extract_split(split, options, tools, Stamp("s", "m", "b")) for row in batch.to_pylist()]
    assert rows[-1]["texts_read"] == len(texts)
    return rows[:-1], dict(rows[-1]["rejected"])


def test_texts_are_masked_before_matching_ids_and_repeats(tmp_path):
    """No entry matches a mask or what it hides; texts that become equal are repeats; rejects show masked texts."""
    rows, counts = read(tmp_path, TEXTS, ExtractOptions(pii="mask"), Tools(matcher=MATCHER))
    pairs = [row for row in rows if row["kind"] == "pair"]
    assert [row["text"] for row in pairs] == ["a cat, write to [EMAIL]", "a cat, [PHONE] or [EMAIL]", "a dog"]
    assert [row["entry_ids"] for row in pairs] == [[0], [0], [1]]
    assert [row["pair_id"] for row in pairs] == [pair_id(row["url"], row["text"]) for row in pairs]
    assert counts == {"masked:email": 3, "masked:phone": 1, "masked:card": 1, "repeat": 1, "no_match": 1}
    rejects = {row["reason"]: row["detail"] for row in rows if row["kind"] == "reject"}
    assert rejects == {"repeat": "a cat, write to [EMAIL]", "no_match": "nothing [CARD]"}


def test_texts_are_dropped_by_the_first_kind_in_them(tmp_path):
    """The sample of rejects shows them masked; other texts are as they were."""
    rows, counts = read(tmp_path, TEXTS, ExtractOptions(pii="drop"), Tools(matcher=MATCHER))
    assert [row["text"] for row in rows if row["kind"] == "pair"] == ["a dog"]
    assert counts == {"pii:email": 2, "pii:phone": 1, "pii:card": 1}
    assert {(row["reason"], row["detail"]) for row in rows if row["kind"] == "reject"} == {
        ("pii:email", "a cat, write to [EMAIL]"),
        ("pii:phone", "a cat, [PHONE] or [EMAIL]"),
        ("pii:card", "nothing [CARD]"),
    }


def test_without_the_setting_texts_are_as_they_were(tmp_path):
    """Nothing is looked for, and the identity of an extraction is that of earlier releases."""
    rows, counts = read(tmp_path, TEXTS, ExtractOptions(), Tools())
    assert [row["text"] for row in rows] == TEXTS
    assert counts == {}
    assert ExtractOptions(pii=None).extract_id == ExtractOptions().extract_id
    assert len({ExtractOptions(pii=mode).extract_id for mode in (None, "mask", "drop")}) == 3


@pytest.mark.parametrize("pii", ["mask", "drop"])
def test_rejects_of_readers_hide_personal_data(tmp_path, pii):
    """Also where the text is cut in the middle of a number, because it is cut after it is masked."""
    text = LONG[: 300 - 12] + "4111 1111 1111 1111"
    rows, counts = read(tmp_path, [text, "a cat"], ExtractOptions(pii=pii), Tools(), [None, URL.format(1)])
    (reject,) = [row for row in rows if row["kind"] == "reject"]
    assert reject["reason"] == "no_url"
    assert "4111" not in reject["detail"]
    assert "[CARD" in reject["detail"]
    assert counts == {"no_url": 1}


@pytest.mark.parametrize("listed", ["masked", "as found"])
def test_a_pair_that_was_taken_down_is_kept_out_in_both_forms(tmp_path, listed):
    """By the id of its masked text, and by that of its text as found, from before --pii was given."""
    text = "a cat, 201-555-0123 or [EMAIL]" if listed == "as found" else "a cat, [PHONE] or [EMAIL]"
    found = "a cat, 201-555-0123 or [EMAIL]"
    key = pair_id(URL.format(1), text)
    takedowns = Takedowns("5a", {PAIR_ID: sorted_hashes([hashes_of("5a", PAIR_ID, pa.array([key]))])})
    rows, counts = read(tmp_path, [found, "a dog"], ExtractOptions(pii="mask"), Tools(takedowns=takedowns))
    assert [row["text"] for row in rows] == ["a dog"]
    assert counts == {"takedown": 1} | ({} if listed == "as found" else {"masked:phone": 1})


def test_the_input_s_own_key_stays(tmp_path):
    """A pool with ids has them after masking, and a takedown by such an id is looked up once."""
    takedowns = Takedowns("5a", {PAIR_ID: sorted_hashes([hashes_of("5a", PAIR_ID, pa.array(["key 0"]))])})
    options = ExtractOptions(pii="mask", id_column="key", dedup=False)
    rows, counts = read(tmp_path, TEXTS[:3], options, Tools(takedowns=takedowns))
    assert [row["pair_id"] for row in rows] == ["key 1", "key 2"]
    assert counts == {"masked:email": 2, "masked:phone": 1, "takedown": 1}


def test_texts_without_spaces_and_many_batches_add_up(tmp_path):
    """Every text is a pair or a reject, whatever is masked."""
    draw = np.random.default_rng(0)
    texts = [str(TEXTS[at % 5]) + f" {draw.integers(99)}" for at in range(20_000)]
    for pii in ("mask", "drop"):
        rows, counts = read(tmp_path, texts, ExtractOptions(pii=pii), Tools(matcher=MATCHER))
        pairs = sum(row["kind"] == "pair" for row in rows)
        left_out = sum(n for why, n in counts.items() if not why.startswith("masked:"))
        assert pairs + left_out == len(texts)
        prefix = "masked:" if pii == "mask" else "pii:"
        assert counts[f"{prefix}card"] == 4000
