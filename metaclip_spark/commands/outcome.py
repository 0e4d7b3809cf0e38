"""What came of a command, as a scheduler wants it: plain values, written to a file or a uri."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from metaclip_spark.steps.context import Context
from metaclip_spark.storage.write import write_text
from metaclip_spark.warehouse.events import DONE

SHOWN = 20
"""Incomplete sources that are named; all are counted."""


def outcome_of(ctx: Context, command: str, status: int, **more: object) -> dict[str, Any]:
    """Return what came of a command.

    Args:
        status: its exit status, 0 or 3.
        more: what else there is to say; None is left out.
    """
    return {
        "command": command,
        "status": status,
        "run_id": ctx.attempt.run_id,
        "attempt_id": ctx.attempt.attempt_id,
        "metadata_id": ctx.metadata_id,
        **{name: value for name, value in more.items() if value is not None},
    }


def stage_outcome(ctx: Context, stage: str, snapshots: Iterable[str | None]) -> dict[str, Any]:
    """Return what the log says of a stage that is done: rows, and the versions that the next stage is to read.

    Args:
        snapshots: those that the stage was done for; a balance is done for none by name.
    """
    run_id = ctx.attempt.run_id if stage == "balance" else None
    events = [ctx.last(stage, snapshot, run_id) for snapshot in snapshots]
    versions: dict[str, int] = {}
    for event in events:
        for table, version in event.versions.items() if event is not None and event.event == DONE else ():
            versions[table] = max(version, versions.get(table, version))
    return {"versions": versions}


def source_outcomes(found: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    """Return how many sources ended how, and the first that were not read to their end.

    Args:
        found: source_path -> (status, reason).
    """
    statuses = Counter({"done": 0, "partial": 0, "failed": 0})
    statuses.update(status for status, _ in found.values())
    incomplete = [(path, *ended) for path, ended in sorted(found.items()) if ended[0] != "done"]
    named = [dict(zip(("source_path", "status", "reason"), each, strict=True)) for each in incomplete[:SHOWN]]
    return {"sources": dict(statuses), "incomplete": named}


def write_outcome(ctx: Context, outcome: Mapping[str, Any]) -> None:
    """Write the outcome where --outcome says, if anywhere."""
    if ctx.settings.outcome is not None:
        text = json.dumps(outcome, ensure_ascii=False, indent=1) + "\n"
        write_text(ctx.settings.outcome, text, "outcome", "--outcome")
