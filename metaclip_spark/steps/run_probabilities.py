"""The entry probabilities that a run was drawn with, read back from their table."""

from __future__ import annotations

import numpy as np

from metaclip_spark.core.entry_lists import by_entry
from metaclip_spark.warehouse.tables import Warehouse, filter_equal


def drawn_with(warehouse: Warehouse, run_id: str, missing: float = np.nan, n_entries: int = 0) -> np.ndarray:
    """Return a run's entry probabilities, float64 by entry id; it is at most the list that comes to the driver.

    Args:
        missing: what an entry has that the run did not count.
        n_entries: the length wanted; entries beyond it make it longer.
    """
    rows = (
        filter_equal(warehouse.read("entry_probabilities"), run_id=run_id).select("entry_id", "probability").toArrow()
    )
    return by_entry(rows["entry_id"].to_numpy(), rows["probability"].to_numpy(), missing, n_entries)
