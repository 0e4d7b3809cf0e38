"""The table of robots rules that `--robots` names: where it is found, and when it cannot be used."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from metaclip_spark.errors import ConfigError
from metaclip_spark.robots.index import Robots, Written
from metaclip_spark.schemas import ROBOTS
from metaclip_spark.steps.optouts.stored import PROPERTY, StoredRobots, in_words, stored_robots
from metaclip_spark.warehouse.delta_rs import DeltaLogs

RULES = "User-agent: *\nDisallow: /\n"


def add(root: Path, build_id: str, hosts: int = 1) -> None:
    """Add the rows of a build to the table."""
    row = {"build_id": build_id, "fetched": "", "http": 200, "status": "read", "target": "", "rules": RULES}
    rows = [
        {**row, "origin": f"http://{number}.example", "agents": ["*"], "shut_out": ["*"]} for number in range(hosts)
    ]
    write_deltalake(str(root / "robots"), pa.Table.from_pylist(rows, ROBOTS.arrow), mode="append")


@pytest.fixture
def root(tmp_path) -> Path:
    """Return a folder with an empty table, in a folder that is itself named as the table is."""
    folder = tmp_path / "robots"
    DeltaLogs(str(folder)).create(ROBOTS)
    return folder


def test_a_finished_build_is_found_by_its_folder_and_by_its_table(root, tmp_path, monkeypatch):
    """Relative paths, too; only the rows of the build that the property names are read."""
    add(root, "old", 3)
    add(root, "new", 2)
    DeltaLogs(str(root)).set_property("robots", PROPERTY, json.dumps({"build_id": "new"}))
    wanted = StoredRobots(f"{root}/robots", "new")
    monkeypatch.chdir(tmp_path)
    assert [stored_robots(place) for place in (str(root), f"{root}/", f"{root}/robots", "robots")] == [wanted] * 4
    wanted.write(tmp_path / "file")
    assert Robots.read(tmp_path / "file", "new").written == Written(2, 1, 0)


def test_a_table_without_a_finished_build_is_refused(root, tmp_path):
    """A folder without a table, an interrupted build, and one that was replaced meanwhile."""
    with pytest.raises(ConfigError, match="has no table robots; expected the folder of an `optouts build`."):
        stored_robots(str(tmp_path / "nowhere"))
    add(root, "new")
    with pytest.raises(ConfigError, match="has no finished build; run the same `optouts build` again."):
        stored_robots(str(root))
    with pytest.raises(ConfigError, match="has no rows of build old; it was built again meanwhile."):
        StoredRobots(f"{root}/robots", "old").write(tmp_path / "file")
    assert not (tmp_path / "file").exists()


def test_what_was_written_in_words():
    """Redirects that lead nowhere are said, because they allow everything."""
    assert in_words(Written(1, 1, 0)) == "1 host with rules, 1 different"
    assert in_words(Written(2_000, 30, 1)) == (
        "2,000 hosts with rules, 30 different, 1 redirect to files that the archives lack (allowed)"
    )
