"""Name the run whose subset consumers read: a table of one row, and in a catalog the view `curated_current`."""

from __future__ import annotations

import pyarrow as pa

from metaclip_spark.schemas import CURRENT_RUN
from metaclip_spark.warehouse.runs import RunLog
from metaclip_spark.warehouse.tables import Warehouse

SUBSET = "curated"
VIEW = "curated_current"
_QUERY = "SELECT p.* FROM {curated_pairs} p LEFT SEMI JOIN {current_run} c ON p.run_id = c.run_id"


def name_current_run(warehouse: Warehouse, log: RunLog) -> None:
    """Write the run that was drawn last, and is stored, into `current_run`, unless it is there.

    A reader of the table sees the run before or the new one, whose pairs are all written by then.
    """
    run_id = next(reversed(log.draws()), None)
    named = warehouse.rows(CURRENT_RUN.name, ["run_id"], subset=SUBSET)["run_id"].to_pylist()
    if named == ([] if run_id is None else [run_id]):
        return
    if run_id is None:
        warehouse.delete(CURRENT_RUN.name, subset=SUBSET)
        return
    warehouse.replace(CURRENT_RUN.name, pa.table([[run_id], [SUBSET]], schema=CURRENT_RUN.arrow), subset=SUBSET)
    warehouse.define_view(VIEW, _QUERY)
