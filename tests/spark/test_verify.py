"""`verify` gives one answer on both engines; tests/e2e/test_verify.py has each damage."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from damaged import add, rewrite, rows_in

pytestmark = [pytest.mark.spark, pytest.mark.timeout(900)]


def answer(out: str) -> dict:
    """Return the results of the checks without their times."""
    return {check["check"]: {**check, "seconds": 0} for check in json.loads(out)["checks"]}


@pytest.fixture
def interpreted(spark, monkeypatch):
    """Make the modules of tests/e2e known, and switch off Spark's code generation meanwhile."""
    monkeypatch.setattr(sys, "path", [str(Path(__file__).resolve().parents[1] / "e2e"), *sys.path])
    from e2e_world import FOR_A_DOZEN_ROWS

    before = {name: spark.conf.get(name, None) for name in FOR_A_DOZEN_ROWS}
    for name, value in FOR_A_DOZEN_ROWS.items():
        spark.conf.set(name, value)
    yield
    for name, value in before.items():
        spark.conf.unset(name) if value is None else spark.conf.set(name, value)


@pytest.mark.slow
def test_both_engines_give_the_same_answer(interpreted, metaclip, tmp_path):
    """The numbers of what was checked, the differences and their order are equal."""
    from e2e_world import World, row, write_parquet
    from other_engine import clean_env, play_elsewhere

    world, warehouse = World(tmp_path), tmp_path / "warehouse"
    verify = ["verify", "--warehouse", str(warehouse), "--json"]
    script = []
    for name, numbers in (("one", range(30)), ("two", range(20, 60))):
        write_parquet(tmp_path / name / "1.parquet", [row("a", n) for n in numbers])
        words = world.words("warehouse", "--keep-unmatched", input=tmp_path / name, snapshot=name, threshold=6)
        script.append(["run", *map(str, words)])
    (tmp_path / "urls.txt").write_text(row("a", 3)[0] + "\n", encoding="utf-8")
    script += [["takedown", "--warehouse", str(warehouse), "--urls", str(tmp_path / "urls.txt")], verify]

    def elsewhere(name: str, script: list[list[str]]) -> list:
        """Run commands on the embedded engine, in another process; return the outcome of the last one."""
        last: list = play_elsewhere("embedded", {str(warehouse): script}, tmp_path / name, clean_env())[str(warehouse)][
            -1
        ]
        return last

    status, out, err = elsewhere("right", script)
    assert status == 0, err
    assert all(check["status"] == "ok" for check in answer(out).values())

    rewrite(warehouse, "curated_pairs", lambda rows: sorted(rows, key=lambda each: each["pair_id"])[1:])
    rewrite(warehouse, "pairs", lambda rows: [{**each, "text": each["text"] + " street"} for each in rows])
    add(warehouse, "sources", rows_in(warehouse, "sources")[0])
    wrong = metaclip(*verify)
    assert wrong.status == 1
    found = answer(wrong.out)
    assert {name for name, check in found.items() if check["status"] == "differs"} == {
        "unique",
        "ids",
        "subsets",
        "runs",
    }
    assert all(sum(check["checked"].values()) and not check["problem"] for check in found.values())
    assert found["ids"]["differences"] == len(rows_in(warehouse, "pairs"))
    status, out, err = elsewhere("wrong", [verify])
    assert status == 1, err
    assert answer(out) == found
