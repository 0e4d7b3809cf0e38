"""A fixture for the tests of lists: the whole of WordNet."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

REBUILD = Path(__file__).resolve().parents[2] / "metadata" / "rebuild.py"


@pytest.fixture(scope="session")
def wordnet(tmp_path_factory) -> Path:
    """WordNet 3.0's dictionary folder as `metadata/rebuild.py` finds it: installed, or from Debian's package."""
    spec = importlib.util.spec_from_file_location("rebuild", REBUILD)
    rebuild = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(rebuild)
    try:
        return rebuild.find_wordnet(None, tmp_path_factory.mktemp("wordnet"))
    except SystemExit as error:
        print(error)
        pytest.skip(str(error))
