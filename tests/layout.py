"""Measure the layout of the package: `python tests/layout.py`.

The figures are those that tests/unit/test_layout.py holds to: how many files lie flat, how long they are, how deep the
imports run, and whether any import points up or in a circle.
"""

from __future__ import annotations

import functools
import statistics
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "metaclip_spark"

MAY_IMPORT_PYSPARK = (
    "stages",
    "steps",
    "spark",
    "warehouse",
    "verbs.spark",
    "databricks",  # an edge: a notebook's session
    "benchmark.in_spark",  # an edge: times the engines in Spark
)
"""The only modules that import pyspark, but for type checkers."""


def modules() -> list[Path]:
    """Return the package's Python files."""
    return sorted((ROOT / PACKAGE).rglob("*.py"))


def files_by_folder() -> Counter[str]:
    """Return how many Python files lie flat in each folder, `__init__.py` not counted."""
    return Counter(
        path.parent.relative_to(ROOT).as_posix() for path in modules() if path.name not in ("__init__.py", "py.typed")
    )


def lengths() -> list[int]:
    """Return the lines of each file that has code of its own."""
    counted = [len(path.read_text(encoding="utf-8").splitlines()) for path in modules()]
    return [lines for lines in counted if lines > 5]


@functools.cache
def imports() -> dict[str, set[str]]:
    """Return the modules of the package that each module imports, imports inside functions included."""
    import grimp

    graph = grimp.build_graph(PACKAGE, exclude_type_checking_imports=True, cache_dir=None)
    return {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}


@functools.cache
def importers_of_pyspark() -> list[str]:
    """Return the modules that import pyspark, without the package's name."""
    import grimp

    graph = grimp.build_graph(
        PACKAGE, include_external_packages=True, exclude_type_checking_imports=True, cache_dir=None
    )
    return sorted(module.removeprefix(f"{PACKAGE}.") for module in graph.find_modules_that_directly_import("pyspark"))


def cycle() -> list[str] | None:
    """Return the modules of a circle of imports, or None."""
    try:
        TopologicalSorter(imports()).prepare()
    except CycleError as error:
        return list(error.args[1])
    return None


def levels() -> int:
    """Return the length of the longest chain of imports."""
    depth: dict[str, int] = {}
    for module in TopologicalSorter(imports()).static_order():
        depth[module] = 1 + max((depth[other] for other in imports()[module]), default=0)
    return max(depth.values())


def main() -> None:
    """Print the figures."""
    folders = files_by_folder()
    folder, most = max(((name, n) for name, n in folders.items() if name != PACKAGE), key=lambda item: item[1])
    circle = cycle()
    print(f"files flat at the top      {folders[PACKAGE]}")
    print(f"most files flat in a folder {most} ({folder})")
    print(f"median file                {statistics.median(lengths()):.0f} lines")
    print(f"longest file               {max(lengths())} lines")
    print(f"levels of imports          {levels() if circle is None else '-'}")
    print(f"circle of imports          {' -> '.join(circle) if circle else 'none'}")


if __name__ == "__main__":
    main()
