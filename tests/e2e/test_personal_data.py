"""`--pii` end to end: what is masked or dropped is counted, said, explained, and right for `verify`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from e2e_world import call, flag_words, rows_of, write_parquet

from metaclip_spark.core.hashing.ids import pair_id

pytestmark = pytest.mark.spark

MAIL = "photo of a red cat, write to jane@example.org"
BOTH = "photo of a dog, 201-555-0123 or 2341@example.org"
ROWS = [(f"http://example.org/{at}.jpg", text) for at, text in enumerate((MAIL, BOTH, "a cat on a road", "a red dog"))]
NOTE = (
    "Personal data was masked in texts, before they were matched (--pii): 2 with an e-mail address, 1 with a telephone"
)


@pytest.mark.timeout(1800)
def test_masked_and_dropped_texts_are_counted_and_explained(spark, world):
    """One snapshot is masked, another dropped; the pool, the account, the card and `verify` agree."""
    warehouse = world.root / "warehouse"
    at = flag_words(warehouse=warehouse)
    masked, dropped = (write_parquet(world.root / f"{n}.parquet", ROWS, ("url", "text")) for n in ("one", "two"))
    ended = call("run", *world.words(warehouse, "--json", input=masked, snapshot="one", pii="mask"))
    assert ended.status == 0, ended.err
    numbers = json.loads(ended.out)
    assert numbers["masked"] == {"email": 2, "phone": 1}
    assert numbers["rejected"] == {}
    texts = {"photo of a red cat, write to [EMAIL]", "photo of a dog, [PHONE] or [EMAIL]", ROWS[2][1], ROWS[3][1]}
    pairs = rows_of(spark, warehouse, "pairs", ("url", "text", "pair_id"))
    assert {text for _, text, _ in pairs} == texts
    assert [key for *_, key in pairs] == [pair_id(url, text) for url, text, _ in pairs]
    page = Path(call("report", *at).out.strip())
    assert NOTE in page.read_text(encoding="utf-8")
    assert "Texts with personal data that was masked" in page.read_text(encoding="utf-8")
    assert json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))["masked"] == numbers["masked"]
    explained = call("explain", *at, "--url", ROWS[0][0], "--text", MAIL)
    assert "text    'photo of a red cat, write to [EMAIL]'" in explained.out
    assert "kept" in explained.out

    ended = call("run", *world.words(warehouse, input=dropped, snapshot="two", pii="drop"))
    assert ended.status == 0, ended.err
    assert "Texts with personal data were dropped (--pii): 1 with an e-mail address, 1 with a telephone number." in (
        " ".join(ended.out.split())
    )
    explained = call("explain", *at, "--url", "http://example.org/9.jpg", "--text", BOTH)
    assert explained.out.splitlines()[-1] == (
        "dropped before matching: the text holds a telephone number and an e-mail address (--pii drop)"
    )
    checked = call("verify", *at)
    assert checked.status == 0, checked.out
    for table in ("pairs", "curated_pairs", "rejects"):
        assert "@" not in str(rows_of(spark, warehouse, table))


def test_a_snapshot_is_not_read_with_another_setting(world):
    """The setting is part of what identifies an extraction; `off` is the same as none."""
    path = write_parquet(world.root / "one.parquet", ROWS, ("url", "text"))
    assert call("run", *world.words(input=path, pii="off")).status == 0
    assert "nothing to do" in call("run", *world.words(input=path)).err
    refused = call("run", *world.words(input=path, pii="mask"))
    assert refused.status == 2
    assert "pii" in refused.err
