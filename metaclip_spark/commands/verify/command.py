"""Verify a warehouse: open it to read, carry out the checks, print the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from metaclip_spark.commands.opening import need_metadata, open_warehouse
from metaclip_spark.commands.verify.answer import as_plain, print_checks
from metaclip_spark.config.numbers import share
from metaclip_spark.config.settings import Settings
from metaclip_spark.core.secrets import masked
from metaclip_spark.errors import ConfigError, WarehouseError
from metaclip_spark.metadata import Metadata
from metaclip_spark.steps.verify.checks import CHECKS, verify_step, versions_of
from metaclip_spark.steps.verify.inspection import Inspection
from metaclip_spark.terminal.progress import Reporter
from metaclip_spark.warehouse.holder import waited_for
from metaclip_spark.warehouse.lease import refuse_while_held
from metaclip_spark.warehouse.runs import RunLog
from metaclip_spark.warehouse.tables import Warehouse


def verify(
    settings: Settings,
    reporter: Reporter,
    sample: str | None,
    names: Sequence[str],
    run_ids: Sequence[str],
    as_json: bool,
    explain: Callable[[Exception], str],
) -> int:
    """Check a warehouse, and write nothing; return 0, or 1 where something differs or a check failed.

    Args:
        sample: share of the pairs whose ids and matches are computed again; None: all.
        names: the checks; empty: all.
        run_ids: the runs whose subsets are checked; empty: all that are stored.
        explain: returns the line of an error that names its cause.

    Raises:
        ConfigError: there is no such check or run, or the share is wrong.
        WarehouseError: the warehouse has no run, or is of a newer format.
        HeldError: another run writes.
    """
    rate = _rate(sample)
    unknown = [name for name in names if name not in CHECKS]
    if unknown:
        raise ConfigError(f"--checks names {', '.join(unknown)}; expected some of {', '.join(CHECKS)}.")
    warehouse = open_warehouse(settings, reporter, takes_older=True)
    if not warehouse.exists("runs"):
        raise WarehouseError(f"{warehouse.root or warehouse.catalog} holds no run; expected tables made by run.")
    versions, log = _pinned(warehouse, settings, reporter)
    look = Inspection(warehouse, settings, reporter, log, rate, tuple(run_ids), versions, _load_list)
    missing = [run_id for run_id in run_ids if run_id not in look.stored_runs]
    if missing:
        raise ConfigError(f"--run-id names {', '.join(missing)}, of which no subset is stored; `runs list` shows all.")
    checks = list(verify_step(look, [name for name in CHECKS if not names or name in names], explain))
    differs = any(check.status in ("differs", "failed") for check in checks)
    where = masked(settings.warehouse or settings.catalog or "")
    if as_json:
        print(as_plain(where, look, checks, not differs))
    else:
        print_checks(where, look, checks)
    return int(differs)


def _rate(sample: str | None) -> float:
    if sample is None:
        return 1.0
    try:
        rate = float(share(sample))
    except (TypeError, ValueError):
        rate = 0.0
    if not 0 < rate <= 1:
        raise ConfigError(
            f"--sample must be a share of the pairs above 0 and at most 1, such as 1% or 0.01, got {sample}."
        )
    return rate


def _pinned(warehouse: Warehouse, settings: Settings, reporter: Reporter) -> tuple[dict[str, int], RunLog]:
    """Return the versions of the tables while nobody writes, and the log of runs.

    The lease is only looked at: a command that reads takes none.
    """

    def look() -> tuple[dict[str, int], RunLog]:
        before = refuse_while_held(warehouse, settings.lease_seconds, reporter.warn)
        versions, log = versions_of(warehouse), RunLog(warehouse)
        log.events  # noqa: B018 - read now: another run may write later
        if refuse_while_held(warehouse, settings.lease_seconds, reporter.warn) != before:
            return look()  # another run wrote between the two
        return versions, log

    return waited_for(look, settings.wait, reporter.say)


def _load_list(config: Mapping[str, Any]) -> Metadata:
    return need_metadata(Settings(metadata=config["metadata"], worldwide=config["worldwide"]))
