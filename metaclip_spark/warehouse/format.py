"""The format of a warehouse: what its tables have, as a number in a property of the table `runs`.

The number is in the log of the table, so every engine and every catalog shows it, and no row has to be read.
"""

from __future__ import annotations

from metaclip_spark.errors import WarehouseError
from metaclip_spark.schemas import FORMAT, FORMAT_PROPERTY, RUNS
from metaclip_spark.version import __version__
from metaclip_spark.warehouse.tables import Warehouse

FIRST = 1
"""The format of warehouses that do not name theirs."""


def stored_format(warehouse: Warehouse) -> int | None:
    """Return the format of a warehouse; None where it has no log of runs, so nothing was stored yet."""
    properties = warehouse.properties(RUNS.name)
    if properties is None:
        return None
    return int(properties.get(FORMAT_PROPERTY, FIRST))


def check_format(warehouse: Warehouse, takes_older: bool = False) -> None:
    """Check that this release reads the format of a warehouse.

    Args:
        takes_older: the command reads nothing that an older format lacks.

    Raises:
        WarehouseError: the warehouse is of a newer format, or of an older one that must be upgraded first.
    """
    found, where = stored_format(warehouse), warehouse.root or warehouse.catalog
    if found is None or found == FORMAT:
        return
    if found > FORMAT:
        raise WarehouseError(
            f"{where} has format {found}, and this release ({__version__}) knows formats up to {FORMAT}. Use the "
            "release that wrote it, or a newer one. Nothing was changed."
        )
    if not takes_older:
        flag = "--warehouse" if warehouse.root is not None else "--catalog"
        raise WarehouseError(
            f"{where} has format {found} of an earlier release, and this release ({__version__}) needs format "
            f"{FORMAT}. Run `metaclip-spark upgrade {flag} {where}` once; --dry-run shows what it would do. Until then "
            "only `upgrade`, `runs list` and `runs show` open it."
        )


def set_format(warehouse: Warehouse, number: int) -> None:
    """Store the format of a warehouse, when all of its tables have it."""
    warehouse.set_property(RUNS.name, FORMAT_PROPERTY, str(number))
