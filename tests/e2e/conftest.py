"""The tiny world, once undisturbed for every test to compare with, and anew for tests that change it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))  # e2e_world and crashing, also under importlib mode

from e2e_world import Ended, World, call, table_state  # noqa: E402


@pytest.fixture
def world(tmp_path) -> World:
    """A tiny world of the test's own."""
    return World(tmp_path)


@dataclass(frozen=True)
class Undisturbed:
    """A run that nothing disturbed."""

    world: World
    warehouse: Path
    ended: Ended
    state: dict[str, list[tuple]]


@pytest.fixture(scope="session")
def undisturbed(spark, tmp_path_factory) -> Undisturbed:
    """One run over the tiny world; tests only read it."""
    world = World(tmp_path_factory.mktemp("undisturbed"))
    ended = call("run", *world.words())
    assert ended.status == 0, ended.err
    warehouse = world.root / "warehouse"
    return Undisturbed(world, warehouse, ended, table_state(spark, warehouse))
