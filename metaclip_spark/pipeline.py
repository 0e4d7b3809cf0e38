"""The main job: the calls in order."""

from __future__ import annotations

from collections.abc import Iterable

from metaclip_spark.report.card import Card
from metaclip_spark.steps.balance import balance_step
from metaclip_spark.steps.card import make_card
from metaclip_spark.steps.context import Context
from metaclip_spark.steps.count import count_step
from metaclip_spark.steps.dedup import dedup_step
from metaclip_spark.steps.extract import extract_step
from metaclip_spark.steps.plan import Plan


def curate(ctx: Context, plans: Iterable[tuple[Context, Plan]]) -> Card:
    """Curate the sources of some snapshots into a balanced subset ("Demystifying CLIP Data", algorithm 1).

    Each step leaves what it finds done as it is, so a killed run goes on where it stopped.
    """
    for at, plan in plans:
        extract_step(at, plan)  # texts matched against the metadata; what matches nothing is dropped
        dedup_step(at)  # one row per (url, text), none that an earlier crawl brought
    counted = count_step(ctx)  # entry counts over the whole pool
    balance_step(ctx, counted)  # t, p = t / max(count, t), and one draw per pair
    return make_card(ctx)
