"""Read the entry probabilities that a run was drawn with."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metaclip_spark.core.entry_lists import by_entry
from metaclip_spark.warehouse.tables import Warehouse


def drawn_with(
    warehouse: Warehouse, run_id: str, missing: float = np.nan, n_entries: int = 0
) -> npt.NDArray[np.float64]:
    """Return the entry probabilities of a run, float64 by entry id. The driver collects one row per counted entry.

    Args:
        missing: the value of an entry that the run did not count.
        n_entries: the smallest length of the array; a larger entry id makes it longer.
    """
    rows = warehouse.rows("entry_probabilities", ["entry_id", "probability"], run_id=run_id)
    return by_entry(rows["entry_id"].to_numpy(), rows["probability"].to_numpy(), missing, n_entries)
