"""Print the result of `verify`: one line per check, the first differences, and what was not checked."""

from __future__ import annotations

import json
from collections.abc import Sequence

from metaclip_spark.core.secrets import masked
from metaclip_spark.core.wording import agrees, counted
from metaclip_spark.stages.verify.found import SHOWN
from metaclip_spark.steps.verify.inspection import Check, Inspection
from metaclip_spark.terminal.console import console
from metaclip_spark.terminal.tables import print_rows


def as_plain(where: str, look: Inspection, checks: Sequence[Check], is_right: bool) -> str:
    """Return the result as JSON."""
    return json.dumps(
        {
            "warehouse": where,
            "ok": is_right,
            "sample": look.sample,
            "versions": dict(look.versions),
            "checks": [
                {
                    "check": check.name,
                    "what": check.what,
                    "status": check.status,
                    "checked": {plural: number for (_, plural), number in check.checked.items()},
                    "differences": check.found.differences,
                    "first": [masked(each._asdict()) for each in check.first],
                    "not_checked": masked(check.not_checked),
                    "problem": check.problem,
                    "seconds": round(check.seconds, 3),
                }
                for check in checks
            ],
        },
        ensure_ascii=False,
    )


def print_checks(where: str, look: Inspection, checks: Sequence[Check]) -> None:
    """Print the table of the checks, the differences, and what was not checked."""
    out = console()
    print_rows(
        ["check", "what", "checked", "result"], [[c.name, c.what, c.amount, _result(c)] for c in checks], whole=1
    )
    for check in checks:
        if check.problem is not None:
            out.print(f"\n{check.name} did not come to its end: {check.problem}", markup=False)
        if check.found.differences:
            _print_differences(check)
    skipped = [(check.name, sentence) for check in checks for sentence in masked(check.not_checked)]
    if skipped:
        out.print("\nnot checked", markup=False, style="bold")
        for name, sentence in skipped:
            out.print(f"  {name}: {sentence}", markup=False)
    out.print()
    wrong = [check.name for check in checks if check.status in ("differs", "failed")]
    sampled = "" if look.sample >= 1 else f" (ids and matches in a sample of {look.sample:.4g})"
    if wrong:
        out.print(f"{where} is not right: see {', '.join(wrong)}", markup=False, style="bold")
    else:
        done = [check for check in checks if check.status == "ok"]
        out.print(f"{where} is right in {counted(len(done), 'check')}{sampled}", markup=False, style="bold")


def _result(check: Check) -> str:
    if check.status == "differs":
        number = check.found.differences
        return f"{number:,} {agrees(number, 'difference', 'differences')}"
    return check.status


def _print_differences(check: Check) -> None:
    out = console()
    number = check.found.differences
    shown = f", the first {SHOWN}" if number > SHOWN else ""
    out.print(f"\n{check.name}: {counted(number, 'difference')}{shown}", markup=False, style="bold")
    rows = [masked(list(each)) for each in check.first]
    print_rows(["where", "row", "expected", "got"], rows)
