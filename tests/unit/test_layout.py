"""The package's layout: imports point down, only the edges know Spark, and no folder is a heap."""

from __future__ import annotations

import statistics

import layout
import pytest


def test_imports_point_down_and_the_core_never_reaches_pyspark(monkeypatch):
    """The contracts of `[tool.importlinter]` in pyproject.toml are kept."""
    cli = pytest.importorskip("importlinter.cli", reason="import-linter is not installed; it comes with [test]")
    monkeypatch.chdir(layout.ROOT)
    assert cli.lint_imports(no_cache=True) == 0


def test_no_modules_import_each_other():
    """No circle of imports, imports inside functions included."""
    assert layout.cycle() is None


def test_only_the_edges_import_pyspark():
    """Stages, steps, the warehouse, `spark/`, the Spark verbs and the edges do; nothing else does."""
    outside = [
        module
        for module in layout.importers_of_pyspark()
        if not any(module == allowed or module.startswith(f"{allowed}.") for allowed in layout.MAY_IMPORT_PYSPARK)
    ]
    assert outside == []


def test_no_folder_is_a_heap():
    """At most 12 files lie flat at the top, and at most 20 in any folder."""
    folders = layout.files_by_folder()
    assert folders[layout.PACKAGE] <= 12
    assert {folder: n for folder, n in folders.items() if n > 20} == {}


def test_the_median_file_is_short():
    """Half of the files have fewer than 150 lines."""
    assert statistics.median(layout.lengths()) < 150
