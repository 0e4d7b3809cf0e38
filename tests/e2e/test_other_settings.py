"""Other settings on a snapshot that was extracted before are refused before the work."""

from __future__ import annotations

import json
import shutil

import pytest
from e2e_world import DATA_TABLES, call, flag_words, row, rows_of, versions, write_parquet, write_tsv

pytestmark = pytest.mark.spark

WAYS = (
    "To read the sources with the settings of now, use `snapshots replace default`: another "
    "--snapshot would get only the pairs that this snapshot lacks. `metaclip-spark balance` draws from the stored "
    "pairs as they are."
)


def sentence(ended) -> str:
    """Return the only line of a refused command that is not progress."""
    assert (ended.status, ended.out) == (2, ""), ended.err
    (line,) = [line for line in ended.err.splitlines() if not line.startswith(("engine: ", "warning: metadata"))]
    return line.removeprefix("metaclip-spark: ")


@pytest.mark.timeout(900)
def test_other_settings_are_refused_before_the_work_and_change_no_table(spark, world, undisturbed):
    """For `run`, `extract`, `plan` and --retry, with the same sources and with new ones. The earlier settings go on."""
    warehouse, pool = world.root / "warehouse", undisturbed.world.pool
    shutil.copytree(undisturbed.warehouse, warehouse)
    before = versions(warehouse)
    words = world.words(input=pool)
    languages = ["--languages", "en,de", "--lang-column", "lang"]
    refused = sentence(call("run", *words, *languages))
    assert refused == (
        "snapshot 'default' was extracted with other settings: --lang-column was not given and is lang; "
        f"--languages was all and is en,de (e.g. {pool / 'a.parquet'}). Nothing was read. To go on with this snapshot, "
        f"give the settings as they were (without --lang-column, without --languages). {WAYS}"
    )
    for command in ("plan", "extract"):
        at = world.words(input=pool, threshold=None) if command == "extract" else words
        at = [word for word in at if command == "extract" or word not in ("--threshold", 2, "--files-per-commit", 1)]
        at += [] if command == "extract" else ["--files-per-commit", 1]
        assert sentence(call(command, *at, *languages)) == refused
    assert sentence(call("run", *words, *languages, "--retry", "partial,failed")) == refused

    more = write_parquet(world.root / "more" / "d.parquet", [row("d", n, "cat") for n in range(3)])
    mixed = sentence(call("run", *world.words(input=more), "--min-words", 3))
    assert mixed == (
        "snapshot 'default' was extracted with other settings: --min-words was 0 and is 3. New sources would be mixed "
        "with its pairs, so nothing was read. To add them to this snapshot, give the settings as they were (without "
        "--min-words). To read them with the settings of now, give another --snapshot, or use `snapshots "
        "replace default` to read all sources with them."
    )
    assert versions(warehouse) == before
    again = call("run", *words)
    assert again.status == 0, again.err
    assert versions(warehouse) == before

    # The layout of files is no rule: a file with other names of columns adds to the snapshot, under its own names.
    renamed = ("address", "caption", "lang", "key", "note")
    other = write_tsv(world.root / "more" / "e.tsv", [row("e", n, "cat") for n in range(3)], renamed)
    named = ["--url-column", "address", "--text-column", "caption"]
    ended = call("extract", *world.words(input=other, threshold=None), *named)
    assert ended.status == 0, ended.err
    assert call("dedup", *flag_words(warehouse=warehouse, metadata=world.metadata)).status == 0
    added = {url for (url,) in rows_of(spark, warehouse, "pairs", ("url",))} - {
        url for (url,) in rows_of(spark, undisturbed.warehouse, "pairs", ("url",))
    }
    assert added == {row("e", n, "cat")[0] for n in range(3)}
    assert "--text-column was caption and is note" in sentence(
        call("extract", *world.words(input=other, threshold=None), "--url-column", "address", "--text-column", "note")
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_another_list_another_snapshot_and_a_failed_source_are_not_refused(spark, world):
    """A list is a pool of its own, a snapshot has settings of its own, and a failed source has no rows."""
    source = write_parquet(world.root / "x.parquet", [row("x", n) for n in range(6)])
    wrong = write_tsv(world.root / "y.tsv", [row("y", n) for n in range(6)], ("u", "text", "lang", "key", "note"))
    first = world.words(input=source, threshold=2)
    assert call("run", *first).status == 0
    world.metadata.write_text(json.dumps(["cat", "dog"]), encoding="utf-8")
    assert call("run", *first, "--min-words", 3).status == 0
    other = world.words(input=source, threshold=2, snapshot="second")
    assert call("run", *other, "--min-words", 4).status == 0
    before = versions(world.root / "warehouse", DATA_TABLES)
    assert "--min-words was 4 and is 5" in sentence(call("run", *other, "--min-words", 5))
    assert versions(world.root / "warehouse", DATA_TABLES) == before

    # One snapshot with a source that fails: its column is named only at the second attempt.
    both = world.words(input=[source, wrong], threshold=2, snapshot="third")
    ended = call("run", *both)
    assert ended.status in (2, 3), ended.err


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_dedup_with_other_settings_than_extract_is_refused(world):
    """`extract --no-dedup`, then `dedup`; then `run` with either."""
    words = world.words(input=world.pool / "b.tsv", threshold=None)
    assert call("extract", *words, "--no-dedup").status == 0
    tables = flag_words(warehouse=world.root / "warehouse", metadata=world.metadata)
    assert sentence(call("dedup", *tables)) == (
        "snapshot 'default' was extracted with other settings: --no-dedup was on and is off. Nothing was deduplicated. "
        "Give the settings as they were (--no-dedup)."
    )
    assert "--no-dedup was on and is off" in sentence(call("run", *words, "--threshold", 2))
    assert call("dedup", *tables, "--no-dedup").status == 0
    assert call("run", *words, "--threshold", 2, "--no-dedup").status == 0
