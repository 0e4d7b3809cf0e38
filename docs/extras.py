"""Print how many MB each extra adds to the plain installation, from the distributions that are installed here.

    .venv/bin/python docs/extras.py

It needs `packaging`, which comes with [test]. An extra of which something is not installed has no number.
"""

from __future__ import annotations

from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

OURS = "metaclip-spark"


def needed(name: str, extras: frozenset[str], seen: set[tuple[str, frozenset[str]]]) -> dict[str, Distribution | None]:
    """Return what a distribution with extras needs, itself included; None for what is not installed."""
    if (name, extras) in seen:
        return {}
    seen.add((name, extras))
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return {name: None}
    all_of_it: dict[str, Distribution | None] = {name: found}
    for line in found.requires or ():
        requirement = Requirement(line)
        applies = requirement.marker is None or any(requirement.marker.evaluate({"extra": e}) for e in {"", *extras})
        if applies:
            all_of_it |= needed(canonicalize_name(requirement.name), frozenset(requirement.extras), seen)
    return all_of_it


def megabytes(found: Distribution) -> float:
    """Return the size of a distribution's files that exist, as they are on disk."""
    paths = [found.locate_file(file) for file in found.files or ()]
    return sum(path.stat().st_size for path in paths if path.is_file()) / 2**20


def main() -> None:
    """Print one line per extra."""
    base = needed(OURS, frozenset(), set())
    missing = [name for name, found in base.items() if found is None]
    print(f"none: {sum(megabytes(found) for found in base.values() if found):,.0f} MB; not installed: {missing}")
    for extra in distribution(OURS).metadata.get_all("Provides-Extra") or ():
        added = {name: d for name, d in needed(OURS, frozenset({extra}), set()).items() if name not in base}
        missing = [name for name, found in added.items() if found is None]
        size = f"{sum(megabytes(found) for found in added.values() if found):,.0f} MB"
        print(f"[{extra}]: {size if not missing else 'not installed: ' + ', '.join(missing)}")


if __name__ == "__main__":
    main()
