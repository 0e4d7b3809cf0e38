"""Wrong usage ends with one clear sentence and an exit status, before the work starts."""

from __future__ import annotations

import json

import pytest
from crashing import Crash, CrashAt, watched
from e2e_world import call, commits, flag_words, rows_of, write_tsv

from metaclip_spark.warehouse.lease import Lease
from metaclip_spark.warehouse.tables import Warehouse

pytestmark = pytest.mark.spark


def refused(ended, status: int, sentence: str) -> None:
    """Check that a command printed one sentence on stderr, besides progress, and nothing on stdout."""
    assert (ended.status, ended.out) == (status, "")
    before = ("engine: ", "run ", "warning: metadata: 1 of 10 entries (10.0%) can never match")
    lines = [line for line in ended.err.splitlines() if not line.startswith(before)]
    assert lines == [f"metaclip-spark: {sentence}"]


def test_two_ways_to_choose_t_are_refused(world, metaclip):
    """--threshold and --tail-fraction contradict each other."""
    ended = metaclip("run", *world.words(), "--tail-fraction", "0.1")
    refused(ended, 2, "--threshold and --tail-fraction both choose t; give one of them.")


def test_t_of_zero_is_refused(world, metaclip):
    """t = 0 would keep nothing. The sentence names the flag and the value of the paper."""
    sentence = "threshold must be >= 1, got 0. MetaCLIP-400M used 20000 (flag --threshold)."
    refused(metaclip("run", *world.words(threshold=0)), 2, sentence)


def test_missing_input_file_is_named(world, metaclip):
    """A missing path is an error, not an empty pool."""
    missing = world.root / "none.parquet"
    sentence = f"input {missing} does not exist; expected a file, a folder or a glob."
    refused(metaclip("run", *world.words(input=missing)), 2, sentence)


def test_no_input_is_refused(world, metaclip):
    """`run` without --input names the missing flag."""
    sentence = "input is missing; expected files, folders or globs, e.g. --input pool/*.parquet."
    refused(metaclip("run", *world.words(input=None)), 2, sentence)


def test_no_metadata_is_refused(world, metaclip):
    """`run` without --metadata names the missing flag."""
    sentence = "metadata is missing; expected --metadata NAME or PATH, e.g. --metadata en."
    refused(metaclip("run", *world.words(metadata=None)), 2, sentence)


def test_no_warehouse_is_refused(world, metaclip):
    """`run` without --warehouse or --catalog names the missing flags."""
    words = ["--no-lid", *flag_words(input=world.pool, metadata=world.metadata)]
    sentence = "warehouse is missing; expected --warehouse DIR, or --catalog CATALOG.SCHEMA."
    refused(metaclip("run", *words), 2, sentence)


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ([], "the list is empty, expected at least one entry; check the path."),
        (["cat", 7], "position 1 (from 0) holds a number, expected a string; quote or remove it."),
        (["cat", ""], "position 1 (from 0) holds an empty entry (''); remove it."),
        (
            ["cat", "dog", "cat"],
            "1 entry repeats an earlier one ('cat' at positions 0 and 2); an id would be ambiguous; "
            "remove the repeats.",
        ),
        ({"cat": 1}, 'the JSON is an object, expected an array of strings; write it as ["...", ...].'),
    ],
)
def test_list_that_cannot_be_used_is_refused(world, metaclip, entries, problem):
    """Empty lists are refused. Entries that are not strings, empty or repeated are named by their positions."""
    world.metadata.write_text(json.dumps(entries), encoding="utf-8")
    refused(metaclip("run", *world.words()), 2, f"{world.metadata}: {problem}")


def test_missing_list_is_named(world, metaclip):
    """A missing list is named by its path."""
    missing = world.root / "none.json"
    ended = metaclip("run", *world.words(metadata=missing))
    refused(
        ended,
        2,
        f"{missing}: no such file; expected a JSON array of strings (.json, .json.gz) or one entry per line "
        "(.txt, .txt.gz). Check the path.",
    )


def test_missing_column_is_refused_before_the_work(world, metaclip):
    """The error names the columns of the file, and the flags that choose them."""
    ended = metaclip("run", *world.words(), "--text-column", "caption")
    refused(
        ended,
        2,
        f"column 'caption' is missing in {world.pool / 'a.parquet'}; got ['url', 'text', 'lang', 'key', "
        "'note']. Name the columns with --url-column and --text-column (in a file without a header line by "
        "position: 0, 1, ...).",
    )
    assert not (world.root / "warehouse").exists()


def test_warehouse_below_a_file_is_refused(world, metaclip):
    """A folder cannot be created below a regular file. Unlike rights, this is true for root too."""
    (world.root / "somefile").write_text("", encoding="utf-8")
    ended = metaclip("run", *world.words("somefile/wh"))
    refused(
        ended,
        2,
        f"warehouse {world.root}/somefile/wh cannot be written: Not a directory. Give a writable folder, "
        "or the right to write.",
    )


def test_unknown_flag_is_refused(metaclip):
    """Errors of click have exit status 2, too."""
    ended = metaclip("run", "--treshold", "20")
    assert ended.status == 2
    assert ended.out == ""
    assert "No such option" in ended.err
    assert "--treshold" in ended.err
    assert "Traceback" not in ended.err


def test_unknown_config_key_is_refused(world, metaclip):
    """The error names a misspelt key of the YAML file, and the file."""
    config = world.root / "c.yaml"
    config.write_text("balance:\n  treshold: 3\n", encoding="utf-8")
    ended = metaclip("run", *world.words(), "--config", config)
    assert ended.status == 2
    assert ended.err.startswith(f"metaclip-spark: {config}: unknown key balance.treshold; expected one of input, ")
    assert len(ended.err.splitlines()) == 1


def test_debug_shows_the_stack_trace(world, metaclip):
    """With --debug, the error has the stack trace and the sentence."""
    ended = metaclip("run", *world.words(threshold=0), "--debug")
    assert ended.status == 2
    assert "Traceback (most recent call last)" in ended.err
    assert "metaclip-spark: threshold must be >= 1, got 0." in ended.err


def test_unknown_snapshot_is_refused_before_the_work(spark, world, metaclip):
    """If neither the warehouse nor this run has a snapshot of --snapshots, nothing is read."""
    ended = metaclip("run", *world.words(), "--snapshots", "default,march")
    refused(ended, 2, "snapshot 'march' has no pairs of this list; there are ['default'].")
    assert rows_of(spark, world.root / "warehouse", "planned") == []


@pytest.mark.parametrize("early", [True, False])
def test_second_run_on_a_held_warehouse_is_refused(spark, world, metaclip, monkeypatch, early):
    """While one run has the lease, another ends with a sentence and status 1, before Spark starts.

    Where the lease's table cannot be read without Spark, it ends before it plans.
    """
    if early:
        monkeypatch.setattr("metaclip_spark.commands.opening.open_engine", lambda *args: pytest.fail("an engine"))
    else:
        monkeypatch.setattr("metaclip_spark.commands.opening.refuse_before_spark", lambda *args: None)
    warehouse = world.root / "warehouse"
    lease = Lease(Warehouse(spark, str(warehouse)))
    lease.acquire()
    try:
        ended = metaclip("run", *world.words())
    finally:
        lease.release()
    assert (ended.status, ended.out) == (1, "")
    sentence = ended.err.splitlines()[-1]
    assert sentence.startswith(f"metaclip-spark: another run holds warehouse {warehouse}: process ")
    assert sentence.endswith("s more unless it renews. Wait for it (--wait SECONDS), or use another --warehouse.")
    assert "Traceback" not in ended.err
    assert commits(warehouse, "planned") == []
    assert commits(warehouse, "runs") == []


@pytest.mark.timeout(600)
def test_unfinished_extraction_refuses_other_settings_and_other_bytes(world, metaclip):
    """If planned sources are not read yet, only the planned settings and bytes are accepted."""
    words = world.words(input=world.pool / "b.tsv", threshold=None)
    with watched(CrashAt(lambda point: point == "after append planned")), pytest.raises(Crash):
        call("extract", *words)
    ended = metaclip("extract", *words, "--keep-unmatched")
    refused(
        ended,
        2,
        "snapshot 'default' has 1 source of an unfinished extraction with other settings: --keep-unmatched was off "
        f"and is on (e.g. {world.pool / 'b.tsv'}). Nothing was read. To finish it, give the settings as they were "
        "(without --keep-unmatched). To read everything with the settings of now, "
        "use `snapshots replace default`.",
    )

    path = world.pool / "b.tsv"
    size = path.stat().st_size
    write_tsv(path, [("http://example.org/other.jpg", "a cat", "en", "0" * 32, "changed")])
    refused(
        metaclip("extract", *words),
        2,
        f"{path} has other bytes than when it was planned for snapshot 'default' (size {path.stat().st_size}, was "
        f"{size}). Give the changed file another name, or another --snapshot (--retry, if it was not read to its "
        "end).",
    )
