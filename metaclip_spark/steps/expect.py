"""The expect step: measure the snapshots of a command, and compare them with the expectations of --expect."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from pyspark.sql import functions as F

from metaclip_spark.candidates.ledger import ROBOTS_PREFIX, is_of_text
from metaclip_spark.candidates.options import OPT_OUTS
from metaclip_spark.config.expectations import Bound, Expectations, is_share
from metaclip_spark.core.wording import counted
from metaclip_spark.errors import ExpectationError
from metaclip_spark.steps.account.sums import read_account
from metaclip_spark.steps.context import Context, WritingContext, in_pool
from metaclip_spark.warehouse.events import DONE

Measured = dict[str, float | None]
"""Measure -> its value; None where nothing was read that it could be a share of."""


@dataclass(frozen=True)
class Violation:
    """A bound that a snapshot is outside of.

    Attributes:
        got, expected: as they are shown.
        where: file and line of the bound.
    """

    snapshot: str
    measure: str
    got: str
    expected: str
    where: str

    @property
    def row(self) -> list[str]:
        """The violation as a row of a table, with the file's name alone."""
        return [self.snapshot, self.measure, self.got, self.expected, os.path.basename(self.where)]


HEADERS = ["snapshot", "measure", "got", "expected", "where"]


def expect_step(ctx: WritingContext, expectations: Expectations | None, snapshots: Iterable[str] | None) -> None:
    """Check snapshots, before the pool is counted and a subset is drawn.

    Args:
        snapshots: those of the command; None: the one that was deduplicated last.

    Raises:
        ExpectationError: a bound is violated; the error has the violations.
    """
    if expectations is None:
        return
    order = deduplicated(ctx)
    chosen = order[-1:] if snapshots is None else [name for name in order if name in set(snapshots)]
    names = [each.measure for each in expectations.each]
    violations: list[Violation] = []
    for snapshot in chosen:
        got = measured(ctx, snapshot, names)
        earlier = order[: order.index(snapshot)]
        changes = [each.measure for each in expectations.each for bound in each.bounds if bound.kind == "change"]
        before = measured(ctx, earlier[-1], changes) if earlier and changes else {}
        if changes and not earlier:
            ctx.reporter.say(f"expectations: no snapshot is before {snapshot}; `change` is not checked.")
        for each in expectations.each:
            for bound in each.bounds:
                expected = _violated(each.measure, bound, got[each.measure], before.get(each.measure), earlier[-1:])
                if expected:
                    where = f"{expectations.path}:{bound.line}"
                    violations.append(
                        Violation(snapshot, each.measure, _shown(each.measure, got[each.measure]), expected, where)
                    )
    if violations:
        raise ExpectationError(
            f"{counted(len(violations), 'expectation')} of {expectations.path} violated, so nothing was balanced. What "
            "was read and deduplicated stays. Mend the input, or the expectation, and run the same command again.",
            violations,
        )
    ctx.reporter.say(f"expectations: {', '.join(chosen) or 'no snapshot'} as {expectations.path} expects.")


def deduplicated(ctx: Context) -> list[str]:
    """Return the snapshots of this list in the order in which they were first deduplicated."""
    events = [event for event in ctx.log.stage_events if event.stage == "dedup" and event.event == DONE]
    of_list = [event.snapshot for event in events if ctx.metadata_id in event.metadata_ids and event.snapshot]
    return list(dict.fromkeys(of_list))


def measured(ctx: Context, snapshot: str, names: Iterable[str]) -> Measured:
    """Return the wanted measures of a snapshot. The pool is read for its languages alone, and only where one is wanted.

    Args:
        names: measures, as `config.expectations` names them.
    """
    values = read_account(ctx, {snapshot: None}).values
    rejected = {**values["rejected"], **values["passed_over"]}
    texts, records = values["texts_read"], values["records_read"]
    sources = sum(values["sources"].values())
    pairs = ctx.warehouse.count("pairs", metadata_id=ctx.metadata_id, snapshot=snapshot)
    sent = values["pairs_sent"] or 0
    known: Measured = {
        "sources": sources,
        "incomplete": _share(sources - values["sources"]["done"], sources),
        "texts": texts,
        "match_rate": _share(values["texts_matched"], texts),
        "opt_outs": _share(
            sum(n for why, n in rejected.items() if why in OPT_OUTS or why.startswith(ROBOTS_PREFIX)), texts
        ),
        "pairs": pairs,
        "pairs_per_source": _share(pairs, sources),
        "repeats": _share(sent - pairs, sent),
    }
    wanted = list(names)
    languages = _languages(ctx, snapshot) if any(name.startswith("language.") for name in wanted) else {}
    found: Measured = {}
    for name in wanted:
        kind, _, rest = name.partition(".")
        if kind == "language":
            found[name] = _share(languages.get(rest, 0), sum(languages.values()))
        elif kind == "rejects":
            found[name] = _share(rejected.get(rest, 0), texts if is_of_text(rest) else records)
        else:
            found[name] = known[name]
    return found


def _languages(ctx: Context, snapshot: str) -> dict[str, int]:
    rows = in_pool(ctx, "pairs", snapshot).groupBy("lang").agg(F.count("*").alias("pairs")).collect()
    return {row["lang"]: row["pairs"] for row in rows}


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _violated(measure: str, bound: Bound, got: float | None, before: float | None, earlier: list[str]) -> str:
    """Return what was expected, in words; "" where the value is within the bound, or there is none to compare with."""
    limit = _shown(measure, bound.value)
    if bound.kind == "min":
        return f"at least {limit}" if got is None or got < bound.value else ""
    if bound.kind == "max":
        return f"at most {limit}" if got is None or got > bound.value else ""
    if not earlier or before is None:
        return ""
    if got is None or abs(got - before) > bound.value * before:
        return f"{_shown(measure, before)} ± {100 * bound.value:g}% of it, as {earlier[0]}"
    return ""


def _shown(measure: str, value: float | None) -> str:
    if value is None:
        return "nothing was read"
    if is_share(measure):
        return f"{value:.2%}"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"
