"""The takedown list of a warehouse: read the table `takedowns`, and add to it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime, timezone

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metaclip_spark.schemas import TAKEDOWNS
from metaclip_spark.takedown.hashes import (
    COUNTED,
    HASH_BYTES,
    KINDS,
    PAIR_ID,
    URL,
    Hashes,
    Takedowns,
    from_arrow,
    hashes_of,
    normal_urls,
    pair_id_forms,
    sorted_hashes,
    to_arrow,
    url_forms,
)
from metaclip_spark.warehouse.tables import Warehouse

_SALT = "salt"


def stored_takedowns(warehouse: Warehouse) -> Takedowns | None:
    """Return the takedown list; None where nothing was taken down."""
    if not warehouse.exists(TAKEDOWNS.name):
        return None
    rows = warehouse.rows(TAKEDOWNS.name, ["kind", "hash"])
    of_kind = {kind: rows.filter(pc.equal(rows["kind"], kind))["hash"] for kind in (_SALT, *KINDS)}
    if not len(of_kind[_SALT]):
        return None  # the creation of the table was interrupted
    salt = of_kind.pop(_SALT)[0].as_py().hex()
    return Takedowns(salt, {kind: sorted_hashes([from_arrow(hashes)]) for kind, hashes in of_kind.items()})


def with_lists(known: Takedowns | None, lists: Mapping[str, pa.Array]) -> Takedowns:
    """Return the takedown list with lists added; urls and pair ids are added in every form that they stand for.

    Args:
        known: None where nothing was taken down before; a new salt is drawn.
        lists: kind -> its values, from `read_lists`.
    """
    salt = known.salt if known is not None else secrets.token_hex(HASH_BYTES)
    before = known.hashes if known is not None else {}
    all_forms = {URL: url_forms, PAIR_ID: pair_id_forms}
    forms = {kind: all_forms[kind](values) if kind in all_forms else values for kind, values in lists.items()}
    new = {kind: [hashes_of(salt, kind, values)] for kind, values in forms.items()}
    none = sorted_hashes([])
    return Takedowns(salt, {kind: sorted_hashes([before.get(kind, none), *new.get(kind, [])]) for kind in KINDS})


def new_of(known: Takedowns | None, wanted: Takedowns, lists: Mapping[str, pa.Array]) -> dict[str, int]:
    """Return kind -> number of listed values that were not taken down before; the forms of a url count once."""
    numbers = dict.fromkeys(KINDS, 0)
    for kind, values in lists.items():
        hashes = hashes_of(wanted.salt, kind, normal_urls(values) if kind == URL else values)
        numbers[kind] = len(np.setdiff1d(hashes, [] if known is None else known.hashes[kind]))
    return numbers


def unmatched_of(wanted: Takedowns, lists: Mapping[str, pa.Array], matched: Mapping[str, Hashes]) -> dict[str, int]:
    """Return kind -> number of its listed values that no pair of the tables has, for the lists of hashes and ids.

    Args:
        matched: kind -> hashes of the list that pairs have.
    """
    numbers = {}
    for kind, values in lists.items():
        if kind in COUNTED:
            found = np.isin(hashes_of(wanted.salt, kind, values), matched[kind])
            if kind == PAIR_ID:
                found |= np.isin(hashes_of(wanted.salt, kind, pc.utf8_lower(values)), matched[kind])
            numbers[kind] = int((~found).sum())
    return numbers


def add_takedowns(warehouse: Warehouse, known: Takedowns | None, wanted: Takedowns, takedown_id: str) -> None:
    """Append the hashes that are wanted and not known, in one commit.

    Args:
        known: None where nothing was taken down before; the salt is stored in the same commit.
    """
    before = known.hashes if known is not None else {}
    new = {kind: np.setdiff1d(hashes, before.get(kind, [])) for kind, hashes in wanted.hashes.items()}
    if not any(len(hashes) for hashes in new.values()):
        return
    columns = [(kind, to_arrow(hashes)) for kind, hashes in new.items() if len(hashes)]
    if known is None:
        columns.append((_SALT, pa.array([bytes.fromhex(wanted.salt)], pa.binary())))
    kinds = pa.concat_arrays([pa.repeat(pa.scalar(kind), len(hashes)) for kind, hashes in columns])
    size = len(kinds)
    table = pa.table(
        {
            "kind": kinds,
            "hash": pa.concat_arrays([hashes for _, hashes in columns]),
            "takedown_id": pa.repeat(pa.scalar(takedown_id), size),
            "at": pa.repeat(pa.scalar(datetime.now(timezone.utc), pa.timestamp("us", tz="UTC")), size),
        },
        schema=TAKEDOWNS.arrow,
    )
    warehouse.append(TAKEDOWNS.name, table)
