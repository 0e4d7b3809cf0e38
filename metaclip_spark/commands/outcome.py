"""The outcome of a command for a scheduler: plain values, written to a file or a URI as JSON."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from metaclip_spark.core.secrets import masked
from metaclip_spark.core.wording import counted
from metaclip_spark.report.account import SHOWN as GROUPS_SHOWN
from metaclip_spark.report.account import WithoutPairs, by_reason
from metaclip_spark.steps.account.outcome import Outcome
from metaclip_spark.steps.context import RunContext
from metaclip_spark.storage.write import write_text
from metaclip_spark.terminal.progress import Reporter
from metaclip_spark.warehouse.events import DONE

SHOWN = 20
"""Number of incomplete sources that are named; all are counted."""


def outcome_of(ctx: RunContext, command: str, status: int, **more: object) -> dict[str, Any]:
    """Return the outcome of a command.

    Args:
        status: exit status of the command: 0, 3, or 1 if the pool or the subset is empty.
        more: further values by name; None is skipped.
    """
    return {
        "command": command,
        "status": status,
        "run_id": ctx.run_id,
        "attempt_id": ctx.attempt_id,
        "metadata_id": ctx.metadata_id,
        **{name: value for name, value in more.items() if value is not None},
    }


def stage_outcome(ctx: RunContext, stage: str, snapshots: Iterable[str | None]) -> dict[str, Any]:
    """Return the table versions that a finished stage logged, for the next stage to read.

    Args:
        snapshots: snapshots of the stage; [None] for a balance, whose events name no snapshot.
    """
    run_id = ctx.run_id if stage == "balance" else None
    events = [ctx.last(stage, snapshot, run_id) for snapshot in snapshots]
    versions: dict[str, int] = {}
    for event in events:
        for table, version in event.versions.items() if event is not None and event.event == DONE else ():
            versions[table] = max(version, versions.get(table, version))
    return {"versions": versions}


def source_outcomes(found: Mapping[str, Outcome]) -> dict[str, Any]:
    """Return the number of sources by status, the first incomplete ones, and those that gave no pair, by reason.

    Args:
        found: source_path -> outcome.
    """
    statuses = Counter({"done": 0, "partial": 0, "failed": 0})
    statuses.update(outcome.status for outcome in found.values())
    incomplete = [(path, ended.status, ended.reason) for path, ended in sorted(found.items()) if ended.status != "done"]
    named = [dict(zip(("source_path", "status", "reason"), each, strict=True)) for each in incomplete[:SHOWN]]
    without = [group.plain for group in sources_without_pairs(found)]
    return {"sources": dict(statuses), "incomplete": named, "sources_without_pairs": without}


def emit_sources(reporter: Reporter, found: Mapping[str, Outcome]) -> None:
    """Emit how many sources ended with each status, and of the incomplete ones, for which kind of reason."""
    kinds = Counter((outcome.status, kind_of(outcome.reason)) for outcome in found.values())
    for (status, kind), number in sorted(kinds.items(), key=str):
        reporter.events.emit("sources", status=status, kind=kind, number=number)


def kind_of(reason: str | None) -> str | None:
    """Return the kind of a reason: its words, without the addresses, names and numbers that differ by source.

    >>> kind_of("https://h/a.gz could not be fetched: status 503 (5 times)")
    'could not be fetched: status 503 (N times)'
    """
    if reason is None:
        return None
    words = [word for word in reason.partition(";")[0].split() if "/" not in word]
    text = re.sub(r"(?<!status )\b\d[\d,.]*", "N", " ".join(words))
    return text[:100]


def sources_without_pairs(found: Mapping[str, Outcome]) -> list[WithoutPairs]:
    """Group the sources that are done, have records, and gave no pair, by their most common reason."""
    return by_reason(
        (path, ended.most, ended.number, ended.records, ended.texts)
        for path, ended in found.items()
        if ended.most is not None
    )


def warn_without_pairs(reporter: Reporter, found: Mapping[str, Outcome]) -> None:
    """Warn of sources that gave no pair, with one line per most common reason."""
    groups = sources_without_pairs(found)
    for group in groups[:GROUPS_SHOWN]:
        reporter.warn(group.sentence)
    if len(groups) > GROUPS_SHOWN:
        rest = sum(group.sources for group in groups[GROUPS_SHOWN:])
        reporter.warn(f"{counted(rest, 'more source')} gave no pair, for other reasons; see the table `sources`.")


def say_if_nothing_was_done(ctx: RunContext, state: str) -> None:
    """Say in one line that a command found all of its work done.

    Args:
        state: the state of the warehouse, as a sentence without its end.
    """
    if not ctx.reporter.stages:
        ctx.reporter.say(f"nothing to do: {state}.")


def write_outcome(ctx: RunContext, outcome: Mapping[str, Any]) -> None:
    """Write the outcome to --outcome, if it is given."""
    if ctx.settings.outcome is not None:
        text = json.dumps(masked(outcome), ensure_ascii=False, indent=1) + "\n"
        write_text(ctx.settings.outcome, text, "outcome", "--outcome")
