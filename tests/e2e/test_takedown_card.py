"""The data card after takedowns: rows add up, pairs taken down have a line, and the sd is that of a draw."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from e2e_world import SHARED, World, call, flag_words, row, write_parquet

pytestmark = pytest.mark.spark

TAKEN = "taken down"
REPEATS = "repeats that met in deduplication"
EARLIER = "pairs that an earlier snapshot has"
REJECT = ("http://example.org/r.jpg", "nothing at http://example.org/r.jpg", "en", "f" * 32, "unmatched")
"""A row that matches nothing, and whose text has its url."""


class Cards:
    """The commands of a test on one warehouse, and the cards of their runs."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.at = flag_words(warehouse=world.root / "warehouse")

    def json_of(self, *words: object) -> dict[str, Any]:
        """Run a command with --json."""
        ended = call(*words, "--json")
        assert ended.status == 0, ended.err
        return json.loads(ended.out)

    def run(self, name: str, rows: list[tuple[str, ...]], *more: object, repeats: int = 0, **flags: object) -> str:
        """Curate a snapshot whose second file repeats the first rows of the first one; return the run's id."""
        write_parquet(self.world.root / name / "1.parquet", rows)
        if repeats:
            write_parquet(self.world.root / name / "2.parquet", rows[:repeats])
        given = {"input": self.world.root / name, "snapshot": name, **flags}
        return self.json_of("run", *self.world.words("warehouse", *more, **given))["run_id"]

    def take_down(self, *rows: tuple[str, ...]) -> dict[str, Any]:
        """Take the images of rows down."""
        (self.world.root / "urls.txt").write_text("\n".join(url for url, *_ in rows), encoding="utf-8")
        return self.json_of("takedown", "--urls", self.world.root / "urls.txt", *self.at)

    def card(self, run_id: str) -> dict[str, Any]:
        """Write the report of a run; check that its funnel adds up, with a reason for each pair; return its numbers."""
        ended = call("report", *self.at, "--run-id", run_id)
        assert ended.status == 0, ended.err
        card = json.loads(Path(ended.out.strip()).with_suffix(".json").read_text(encoding="utf-8"))
        for before, after in zip(card["funnel"], card["funnel"][1:], strict=False):
            assert before["value"] - sum(after["left_out"].values()) + sum(after["added"].values()) == after["value"]
            assert "not accounted for" not in {*after["left_out"], *after["added"]}
        return card


@pytest.fixture
def cards(world) -> Cards:
    return Cards(world)


def lines_of(card: dict[str, Any], name: str) -> dict[str, int]:
    """Return what was left out before a row of the funnel, by reason."""
    return next(row["left_out"] for row in card["funnel"] if row["name"].startswith(name))


@pytest.mark.timeout(1800)
@pytest.mark.slow
def test_pairs_taken_down_have_their_line_before_and_after_a_draw(cards):
    """Two snapshots, the second run builds on the first one's subset, and most of the second snapshot is taken down."""
    one, two = [row("a", n) for n in range(12)], [row("b", n) for n in range(24)]
    first = cards.run("one", [*one, SHARED], repeats=3)
    second = cards.run("two", [*two, SHARED, *one[:2]], repeats=5)
    drawn = cards.card(second)
    assert (lines_of(drawn, "Unique")[REPEATS], lines_of(drawn, "Unique")[EARLIER]) == (3 + 5, 3)
    assert abs(drawn["deviation_sds"]) < 5

    cards.take_down(*two[:20], SHARED)
    card = cards.card(second)
    assert lines_of(card, "Unique") == {REPEATS: 8, EARLIER: 3, TAKEN: 21}
    assert card["unique_pairs"] == drawn["unique_pairs"] - 21
    assert card["curated_size"] < drawn["curated_size"] == card["drawn"]
    assert (card["deviation_sds"], card["expected_size"]) == (drawn["deviation_sds"], drawn["expected_size"])
    assert lines_of(cards.card(first), "Unique")[TAKEN] == 1

    cards.take_down(*two[20:22], one[0])
    assert lines_of(cards.card(second), "Unique") == {REPEATS: 8, EARLIER: 3, TAKEN: 24}
    again = cards.json_of("balance", *cards.at, "-t", 3)["run_id"]
    assert lines_of(cards.card(again), "Unique") == {REPEATS: 8, EARLIER: 3, TAKEN: 24}
    assert "drawn" not in cards.card(again)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_pairs_taken_down_before_they_reach_the_pool_and_takedowns_of_no_pair(cards):
    """A takedown between `extract` and `dedup`, one of rejects only, and one of nothing; then survivors and images."""
    rows = [row("a", n) for n in range(16)]
    write_parquet(cards.world.root / "in" / "1.parquet", [*rows, REJECT])
    write_parquet(cards.world.root / "in" / "2.parquet", rows[:3])
    words = cards.world.words("warehouse", input=cards.world.root / "in", snapshot="one")
    reading = [word for word in words if word not in ("--threshold", 2)]
    assert call("extract", *reading).status == 0
    taken = cards.take_down(rows[0], rows[5])  # the first is staged twice
    assert taken["rows"]["extracted"] == 3
    run_id = cards.json_of("run", *words)["run_id"]
    assert lines_of(cards.card(run_id), "Unique") == {REPEATS: 2, TAKEN: 3}
    assert cards.take_down(REJECT)["rows"]["rejects"] == 1
    assert "pairs" not in cards.take_down(("http://example.org/nowhere.jpg",))["rows"]
    assert lines_of(cards.card(run_id), "Unique") == {REPEATS: 2, TAKEN: 3}

    ended = call("run", *words)
    assert ended.status == 0, ended.err
    lines = ended.err.splitlines()
    assert f"nothing to do: 2 sources are read, and the subset of run {run_id} is drawn." in lines
    assert "  taken down" in ended.out
    assert "curated subset" in ended.out

    left = cards.json_of("balance", *cards.at, "-t", 2, "--where", "url LIKE '%/a/%'")["run_id"]
    images = cards.json_of("balance", *cards.at, "-t", 2, "--unit", "image")["run_id"]
    drawn = cards.card(left)
    cards.take_down(*rows[6:12])
    card = cards.card(left)
    assert lines_of(card, "Unique") == {REPEATS: 2, TAKEN: 3}
    assert [row["value"] for row in card["funnel"]][:-1] == [row["value"] for row in drawn["funnel"]][:-1]
    assert lines_of(card, "Curated")[TAKEN] == drawn["curated_size"] - card["curated_size"] > 0
    assert (card["drawn"], card["deviation_sds"]) == (drawn["curated_size"], drawn["deviation_sds"])
    assert lines_of(cards.card(images), "Unique") == {REPEATS: 2, TAKEN: 9}
