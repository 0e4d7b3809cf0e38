"""Fixtures: one undisturbed run over the tiny world, and a new world for each test that changes it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

# e2e_world, crashing, reference and processes, also under importlib mode
TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "e2e"), str(TESTS), str(TESTS / "spark")]

from e2e_world import FOR_A_DOZEN_ROWS, Ended, World, call, rows_of, table_state  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def interpreted(spark) -> Iterator[None]:
    """Switch off Spark's code generation meanwhile, and let only `report` make the pass for the whole card."""
    from metaclip_spark.commands import report

    whole_up_to, report.WHOLE_UP_TO = report.WHOLE_UP_TO, 0
    before = {name: spark.conf.get(name, None) for name in FOR_A_DOZEN_ROWS}
    for name, value in FOR_A_DOZEN_ROWS.items():
        spark.conf.set(name, value)
    yield
    report.WHOLE_UP_TO = whole_up_to
    for name, value in before.items():
        spark.conf.unset(name) if value is None else spark.conf.set(name, value)


@pytest.fixture(scope="session")
def engine(request) -> str:
    """Return the engine of this test run: spark or embedded."""
    return request.config.getoption("--engine")


@pytest.fixture
def world(tmp_path) -> World:
    """Return a new tiny world for the test."""
    return World(tmp_path)


@dataclass(frozen=True)
class Undisturbed:
    """A run that ended without an interruption, and its tables."""

    world: World
    warehouse: Path
    ended: Ended
    state: dict[str, list[tuple]]
    run_id: str


@pytest.fixture(scope="session")
def undisturbed(spark, tmp_path_factory) -> Undisturbed:
    """Run once over the tiny world. Tests only read the tables."""
    world = World(tmp_path_factory.mktemp("undisturbed"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("metaclip_spark.commands.report.WHOLE_UP_TO", 1_000)
        ended = call("run", *world.words())
    assert ended.status == 0, ended.err
    warehouse = world.root / "warehouse"
    (run_id,) = {run_id for (run_id,) in rows_of(spark, warehouse, "curated_pairs", ("run_id",))}
    return Undisturbed(world, warehouse, ended, table_state(spark, warehouse), run_id)
