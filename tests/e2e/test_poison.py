"""A source that kills the process that reads it ends as failed or partial; the others are read, on both engines."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from e2e_world import World, row, rows_of, write_parquet, write_tsv
from started import FLAGS, Started

from metaclip_spark.candidates.ledger import TEXT_REASONS

pytestmark = [
    pytest.mark.spark,
    pytest.mark.timeout(900),
    pytest.mark.skipif("METACLIP_TEST_REMOTE" in os.environ, reason="each command starts an engine of its own"),
]

HELPERS = Path(__file__).resolve().parents[1] / "helpers"
GOOD = 20


def text_row(name: str, number: int, text: str) -> tuple[str, ...]:
    """Return a row with this text."""
    return (f"http://example.org/{name}/{number}.jpg", text, *row(name, number)[2:])


def poisoned(tmp_path: Path, deaths: dict[str, str]) -> World:
    """Return a world of 20 good files, and of one for each kind of death."""
    world = World(tmp_path)
    for file in world.pool.iterdir():
        file.unlink()
    for number in range(GOOD):
        write_tsv(world.pool / f"good{number:02}.tsv", [row(f"good{number}", n) for n in range(3)])
    for name, death in deaths.items():
        write_tsv(world.pool / f"{name}.tsv", [row(name, 0), text_row(name, 1, f"a cat, poison {death}"), row(name, 2)])
    return world


def run(world: World, child_env: dict[str, str], flags: list[str], *more: object) -> Started:
    """Run the command to its end in a process of its own; return it with its lines."""
    (world.root / "marks").mkdir(exist_ok=True)
    env = {
        **child_env,
        "PYTHONPATH": os.pathsep.join((child_env["PYTHONPATH"], str(HELPERS))),
        "POISON_MARKS": str(world.root / "marks"),
    }
    words = [*world.words(), "--files-per-commit", 500, "--filter", "poison:deadly", *more]
    started = Started(env, ["run", *words, *flags])
    started.process.wait(timeout=600)
    started.close()
    return started


def outcomes(spark, world: World) -> dict[str, tuple]:
    """Return file name -> (status, reason, pairs_written, texts_read, rejected)."""
    columns = ("source_path", "status", "reason", "pairs_written", "texts_read", "rejected")
    return {Path(path).name: rest for path, *rest in rows_of(spark, world.root / "warehouse", "sources", columns)}


def urls(spark, world: World) -> set[str]:
    """Return the urls of the pool."""
    return {url for (url,) in rows_of(spark, world.root / "warehouse", "pairs", ("url",))}


def test_poison_sources_fail_and_the_others_are_read(spark, engine, child_env, tmp_path):
    """Of 20 good sources and four that kill, the good ones give all of their pairs; exit status 3 names the others.

    One kills its process by a signal, one by an exit, one has no memory, and one dies once: it is read the second time.
    """
    deaths = {"crash": "crash", "exit": "exit", "memory": "memory", "once": "once x"}
    world = poisoned(tmp_path, deaths)
    ended = run(world, child_env, FLAGS[engine])
    assert ended.process.returncode == 3, ended.lines
    found = outcomes(spark, world)
    killers = {"crash.tsv": "signal 11", "exit.tsv": "exit status 7", "memory.tsv": "no memory was left"}
    for name, (status, reason, pairs, *_) in found.items():
        if name in killers:
            assert (status, pairs) == ("failed", 0), name
            assert "the worker died reading it" in reason
            assert killers[name] in reason
        else:
            assert (status, pairs) == ("done", 3), name
    assert len(found) == GOOD + 4
    assert len(urls(spark, world)) == 3 * (GOOD + 1)
    for name in killers:
        assert any(f"{name} is failed: the worker died reading it" in line for line in ended.lines), name
    assert not any("Traceback" in line for line in ended.lines)

    again = run(world, child_env, FLAGS[engine], "--retry", "failed")
    assert again.process.returncode == 3, again.lines
    assert any("3 sources of snapshot default are read again" in line for line in again.lines)


@pytest.mark.slow
def test_a_source_that_dies_late_is_partial_and_its_counts_add_up(spark, engine, child_env, tmp_path):
    """The pairs before the death are kept once, although several processes read them; every text is accounted for."""
    world = poisoned(tmp_path, {})
    rows = [text_row("late", n, "nothing here" if n % 2 else f"a cat {n}") for n in range(9000)]
    write_tsv(world.pool / "late.tsv", [*rows, text_row("late", 9001, "poison crash")])
    ended = run(world, child_env, FLAGS[engine])
    assert ended.process.returncode == 3, ended.lines
    status, reason, pairs, texts, rejected = outcomes(spark, world)["late.tsv"]
    assert (status, pairs) == ("partial", 4096)
    assert "the worker died reading it" in reason
    assert dict(rejected) == {"no_match": 4096}
    assert texts == pairs + sum(number for why, number in dict(rejected).items() if why in TEXT_REASONS)
    assert len([url for url in urls(spark, world) if "/late/" in url]) == 4096


@pytest.mark.slow
def test_a_single_source_that_kills_the_driver_fails_at_the_second_attempt(spark, engine, child_env, tmp_path):
    """The embedded engine reads a single source in its own process, which dies; the same command then says why."""
    world = poisoned(tmp_path, {"exit": "exit"})
    for file in world.pool.glob("good*"):
        file.unlink()
    first = run(world, child_env, FLAGS[engine])
    ended = run(world, child_env, FLAGS[engine]) if engine == "embedded" else first
    assert first.process.returncode == (7 if engine == "embedded" else 1)
    assert outcomes(spark, world)["exit.tsv"][0] == "failed"
    assert any("the worker died reading it" in line for line in ended.lines)
    assert ended.process.returncode == 1  # no pair is left


@pytest.mark.parametrize("others", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_footer_over_which_arrow_ends_its_process_is_a_failed_source(spark, engine, child_env, tmp_path, others):
    """Alone or with another file, at the first attempt: a footer that says of a column that it has no nulls.

    Its size statistics have numbers for two levels then, and Arrow expects one.
    """
    world = poisoned(tmp_path, {})
    for file in sorted(world.pool.glob("good*"))[others:]:
        file.unlink()
    path = write_parquet(world.pool / "bad.parquet", [row("bad", n) for n in range(3)])
    raw = path.read_bytes()
    optional, required = (b"\x25" + level + b"\x18\x04text" for level in (b"\x02", b"\x00"))
    assert raw.count(optional) == 1
    path.write_bytes(raw.replace(optional, required))
    ended = run(world, child_env, FLAGS[engine])
    assert ended.process.returncode == (3 if others else 1), ended.lines
    status, reason, pairs, *_ = outcomes(spark, world)["bad.parquet"]
    assert (status, pairs) == ("failed", 0)
    assert "the worker died reading it, 3 times (signal 6" in reason
    assert {url.split("/")[3] for url in urls(spark, world)} == ({"good0"} if others else set())


@pytest.mark.slow
def test_a_cluster_isolates_at_the_third_attempt(spark, engine, child_env, tmp_path):
    """With attempts left, a task of Spark reads in processes of its own, and its job does not fail."""
    if engine == "embedded":
        pytest.skip("the embedded engine attempts a task once")
    world = poisoned(tmp_path, {"crash": "crash", "second": "second x"})
    flags = [*FLAGS["spark"], "--master", "local[2,8]"]
    ended = run(world, child_env, flags)
    assert ended.process.returncode == 3, ended.lines
    found = outcomes(spark, world)
    assert {name for name, (status, *_) in found.items() if status != "done"} == {"crash.tsv"}
    assert not any("are read again, each in a process of its own" in line for line in ended.lines)
