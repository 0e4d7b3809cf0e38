"""The pipeline: the steps of `run`, in order."""

from __future__ import annotations

from collections.abc import Sequence

from metaclip_spark.config.expectations import Expectations
from metaclip_spark.report.card import Card
from metaclip_spark.steps.balance import balance_step
from metaclip_spark.steps.card import make_card
from metaclip_spark.steps.context import ExtractContext, WritingContext
from metaclip_spark.steps.count import count_step
from metaclip_spark.steps.dedup import dedup_step
from metaclip_spark.steps.expect import expect_step
from metaclip_spark.steps.reading.extract import extract_step
from metaclip_spark.steps.reading.plan import Plan


def curate(
    ctx: WritingContext, plans: Sequence[tuple[ExtractContext, Plan]], expectations: Expectations | None = None
) -> Card:
    """Curate the sources of some snapshots into a balanced subset ("Demystifying CLIP Data", algorithm 1).

    Each step skips what is done already, so a killed run continues where it stopped.

    Args:
        plans: the plan of each snapshot, after the context of its steps.
        expectations: checked before anything is drawn; None: nothing is expected.

    Raises:
        IncompleteError: too many sources are partial or failed.
        ExpectationError: an expectation is violated.
    """
    for at, plan in plans:
        extract_step(at, plan)  # match texts against the metadata; drop those that match nothing
        dedup_step(at)  # one row per (url, text), without the pairs of earlier crawls
    expect_step(ctx, expectations, [at.settings.snapshot for at, _ in plans])  # refuse what looks wrong
    counted = count_step(ctx)  # entry counts over the whole pool
    balance_step(ctx, counted)  # choose t; p = t / max(count, t); one draw per pair
    return make_card(ctx)
