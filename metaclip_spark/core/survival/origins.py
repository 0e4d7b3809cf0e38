"""Where an image comes from, as far as its survival depends on it: its domain, and the week in which it was seen."""

from __future__ import annotations

import re
from collections.abc import Collection

import pyarrow as pa
import pyarrow.compute as pc

from metaclip_spark.core.urls.registered import domains_of_urls

UNKNOWN = ""
"""The age of a snapshot that names no week, and the domain of a url without a host."""
_WEEK = re.compile(r"(?<!\d)(20\d\d)-([0-5]\d)(?!\d)")


def age_of(snapshot: str | None) -> str:
    """Return the year and week that a snapshot names, or UNKNOWN.

    >>> age_of("CC-MAIN-2024-51"), age_of("default"), age_of(None)
    ('2024-51', '', '')
    """
    found = _WEEK.search(snapshot or "")
    return UNKNOWN if found is None or not 1 <= int(found[2]) <= 53 else found[0]


def weeks(age: str) -> int:
    """Return the number of a week, for distances between ages."""
    year, week = age.split("-")
    return 53 * int(year) + int(week)


def domains(urls: pa.Array, named: Collection[str] | None = None) -> pa.StringArray:
    """Return the domain of each url, as `domains_of_urls`; UNKNOWN without a host, and for domains not in `named`.

    Args:
        urls: string array of n.
        named: None: every domain has its name.
    """
    found = domains_of_urls(urls)
    if named is None:
        return found
    return pc.if_else(pc.is_in(found, pa.array(list(named), pa.string())), found, UNKNOWN)


def ages(snapshots: pa.Array) -> pa.StringArray:
    """Return the age of each snapshot, as `age_of`."""
    encoded = snapshots.cast(pa.string()).dictionary_encode()
    of_names = pa.array([age_of(name) for name in encoded.dictionary.to_pylist()], pa.string())
    return pc.fill_null(of_names.take(encoded.indices), UNKNOWN)
