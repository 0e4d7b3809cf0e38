"""The checks of a warehouse, and the step that carries them out one after another."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from metaclip_spark.core.secrets import masked
from metaclip_spark.core.wording import counted
from metaclip_spark.schemas import LEASE, TABLES
from metaclip_spark.steps.verify.counts import counts_of_pools, probabilities_of_runs
from metaclip_spark.steps.verify.inspection import Check, Inspection
from metaclip_spark.steps.verify.left import staging, takedowns
from metaclip_spark.steps.verify.log import log_and_tables
from metaclip_spark.steps.verify.pairs import ids_of_pairs, matches_of_pairs, unique
from metaclip_spark.steps.verify.sources import sources_and_pairs
from metaclip_spark.steps.verify.subsets import draws_of_runs, members_of_runs
from metaclip_spark.warehouse.tables import Warehouse


class Definition(NamedTuple):
    """A check: what it compares, in words, and the function that does so."""

    what: str
    work: Callable[[Inspection, Check], None]


CHECKS = {
    "unique": Definition("each key is there once", unique),
    "ids": Definition("ids are those of url and text", ids_of_pairs),
    "matches": Definition("entry ids, by matching again", matches_of_pairs),
    "counts": Definition("counts, by counting again", counts_of_pools),
    "probabilities": Definition("each run's counts, t, probabilities", probabilities_of_runs),
    "draws": Definition("each curated pair's p and draw", draws_of_runs),
    "subsets": Definition("all that is drawn, nothing else", members_of_runs),
    "sources": Definition("sources, pairs, rejects agree", sources_and_pairs),
    "runs": Definition("log, batches and tables agree", log_and_tables),
    "takedowns": Definition("what was taken down is gone", takedowns),
    "staging": Definition("no staging is left", staging),
}
"""Name -> check, in the order in which they are carried out."""


def versions_of(warehouse: Warehouse) -> dict[str, int]:
    """Return table -> version of the tables that exist, but for the lease."""
    versions = {name: warehouse.version(name) for name in TABLES if name != LEASE.name}
    return {name: version for name, version in versions.items() if version is not None}


def verify_step(look: Inspection, names: Sequence[str], explain: Callable[[Exception], str]) -> Iterator[Check]:
    """Carry out checks one after another, and yield each with its result.

    An error ends its check, which then counts as failed, and the next one follows.

    Args:
        names: of `CHECKS`.
        explain: returns the line of an error that names its cause.
    """
    for name in names:
        definition = CHECKS[name]
        check = Check(name, definition.what)
        began = time.monotonic()
        bounded = look.warehouse.bounded_batches("pairs")
        with look.reporter.stage(name, look.warehouse.spark) as stage, bounded:
            try:
                definition.work(look, check)
            except Exception as error:
                check.problem = masked(explain(error))
            stage.note = f"{check.status}: {check.amount}, {counted(check.found.differences, 'difference')}"
        check.seconds = time.monotonic() - began
        yield check
