"""The sentences about a pool that is empty, and about texts in other languages. Without Spark."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from metaclip_spark.config.settings import Settings
from metaclip_spark.errors import EmptyPoolError
from metaclip_spark.steps.account import empty_pool
from metaclip_spark.steps.account.sums import language_notes


def values(texts: int, matched: int, sent: int, **rejected: int) -> dict[str, Any]:
    """Return the sums of an account; every text has its place in them."""
    assert texts == sent + sum(rejected.values())
    return {
        "sources": {"done": 1},
        "records_read": texts,
        "texts_read": texts,
        "texts_matched": matched,
        "pairs_sent": sent,
        "rejected": rejected,
    }


def test_texts_that_are_identified_as_other_languages_are_noted():
    """They are compared with the pairs: both are matched."""
    (note,) = language_notes(Settings(), values(1_000, 90, 30, no_match=910, language=60))
    assert note.startswith(
        "Most of the input is not English: of 90 texts whose language was looked at, 60 are left out for their "
        "language. English is the default: --languages all keeps every language"
    )
    assert not language_notes(Settings(), values(1_000, 90, 50, no_match=910, language=40))
    assert not language_notes(Settings(languages="en"), values(1_000, 90, 30, no_match=910, language=60))


def test_a_language_that_the_input_names_is_compared_before_matching():
    """Of 1,000 texts, 100 are in other languages, and 30 of the others match."""
    before_matching = values(1_000, 30, 30, language=100, no_match=860, no_url=10)
    for settings in (Settings(lang_column="lang"), Settings()):
        assert not language_notes(settings, before_matching)
    (note,) = language_notes(Settings(), values(1_000, 30, 30, language=800, no_match=160, no_url=10))
    assert "of 990 texts with a url, 800 are left out for their language." in note


class Pool:
    """An opened pool without a pair."""

    frozen, before = False, None
    counts = SimpleNamespace(any=lambda: False)
    pairs = SimpleNamespace(count=lambda: 0)


@pytest.mark.parametrize(
    ("taken_down", "why"),
    [
        (False, "none of the pairs that `match` read matches an entry of this list. Check --metadata: "),
        (True, "none of the pairs that `match` read matches an entry of this list, or they were taken down. Check "),
    ],
)
def test_an_empty_pool_of_match_is_not_taken_for_one_without_input(monkeypatch, taken_down, why):
    """`match` with another list reads no source, and may store no pair."""
    account = SimpleNamespace(values={**values(0, 0, 0), "sources": {"done": 0}, "pairs_sent": None})
    monkeypatch.setattr(empty_pool, "read_account", lambda ctx, pools: account)
    stages = {"match"}
    ctx: Any = SimpleNamespace(
        last=lambda stage, snapshot: stage if stage in stages else None,
        warehouse=SimpleNamespace(exists=lambda name: taken_down),
        settings=Settings(),
    )
    pool: Any = Pool()
    with pytest.raises(EmptyPoolError) as refused:
        empty_pool.refuse_empty(ctx, pool, ["s"])
    assert str(refused.value).startswith(f"the pool of snapshot s is empty: {why}")
    assert str(refused.value).endswith(" Nothing was drawn.")
    stages.add("dedup")
    with pytest.raises(EmptyPoolError, match="no source was read. Give --input or --crawl"):
        empty_pool.refuse_empty(ctx, pool, ["s"])
