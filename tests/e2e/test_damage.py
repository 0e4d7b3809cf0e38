"""With damaged input, each source is done, partial or failed with a reason, and the run reads the others."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from e2e_world import World, call, row, rows_of, wat_of, write_parquet, write_tsv, write_wat

from metaclip_spark.candidates.ledger import REASONS, TEXT_REASONS

pytestmark = pytest.mark.spark

GOOD_ROWS = [row("g", n) for n in range(6)]


def damaged_pool(folder: Path) -> None:
    """Write good files, and files with every kind of damage."""
    write_wat(folder / "good.wat.gz", wat_of(GOOD_ROWS))
    # Two gzip members and half of the third, so two pages are complete.
    members = [gzip.compress(record, mtime=0) for record in wat_of([row("cut", n) for n in range(4)])]
    (folder / "cut.wat.gz").write_bytes(b"".join(members[:2]) + members[2][: len(members[2]) // 2])
    (folder / "page.wat.gz").write_bytes(b"<html>503 Slow Down</html>")
    (folder / "text.wat.gz").write_bytes(gzip.compress(b"no WARC at all\n" * 50, mtime=0))
    (folder / "empty.wat.gz").write_bytes(b"")
    write_parquet(folder / "good.parquet", [row("p", n) for n in range(5)])
    broken = write_parquet(folder / "footer.parquet", [row("f", n) for n in range(5)])
    broken.write_bytes(broken.read_bytes()[:-20])
    (folder / "empty.parquet").write_bytes(b"")
    (folder / "empty.tsv").write_bytes(b"")
    lines = write_tsv(folder / "bad_rows.tsv", [row("t", n) for n in range(6)]).read_bytes().splitlines(keepends=True)
    lines[2:2] = [b"http://example.org/short.jpg\tonly two\n"] * 13
    lines.append(b"http://example.org/latin.jpg\tphoto of a caf\xe9\ten\t00\tlatin\n")
    lines.append(b"\tphoto of a cat\ten\t00\tno url\n")
    (folder / "bad_rows.tsv").write_bytes(b"".join(lines))
    good = json.dumps({"url": "http://example.org/j/1.jpg", "text": "a cat on a mat"})
    (folder / "lines.jsonl").write_text(f'{good}\n{{"url": "http://exa\n[1, 2]\n', encoding="utf-8")


@pytest.fixture(scope="module")
def damaged(spark, tmp_path_factory) -> SimpleNamespace:
    """Run over the damaged pool; return the outcome, and the sources by file name."""
    world = World(tmp_path_factory.mktemp("damaged"))
    damaged_pool(world.root / "bad")
    ended = call("run", *world.words(input=world.root / "bad"), "--files-per-commit", 5)
    columns = ("source_path", "status", "reason", "records_read", "texts_read", "pairs_written", "rejected")
    rows = rows_of(spark, world.root / "warehouse", "sources", columns)
    return SimpleNamespace(
        world=world,
        words=world.words(input=world.root / "bad", threshold=None),
        ended=ended,
        sources={Path(found[0]).name: SimpleNamespace(**dict(zip(columns, found, strict=True))) for found in rows},
    )


INCOMPLETE = {
    "cut.wat.gz": ("partial", "EOFError: Compressed file ended before the end-of-stream marker was reached"),
    "page.wat.gz": ("failed", "not gzip: the first bytes are b'<h', expected b'\\x1f\\x8b'"),
    "text.wat.gz": ("failed", "not a WARC record: expected a line 'WARC/1.0', got b'no WARC at all\\n'"),
    "empty.wat.gz": ("failed", "the file is empty"),
    "footer.parquet": ("failed", "Parquet magic bytes not found in footer"),
    "empty.parquet": ("failed", "the file is empty; expected a Parquet file."),
    "empty.tsv": ("failed", "the file is empty"),
}
DONE = {"good.wat.gz": 6, "good.parquet": 5, "bad_rows.tsv": 6, "lines.jsonl": 1}


@pytest.mark.timeout(900)
def test_each_damaged_source_has_its_status_and_its_reason(damaged):
    """A source is partial if some of it was read, and failed if none was. Good sources are done."""
    assert damaged.sources.keys() == {*INCOMPLETE, *DONE}
    for name, (status, reason) in INCOMPLETE.items():
        source = damaged.sources[name]
        assert source.status == status, name
        assert reason in source.reason, name
    for name in DONE:
        assert (damaged.sources[name].status, damaged.sources[name].reason) == ("done", None), name


def test_run_over_damaged_sources_ends_with_status_3_and_names_them(damaged):
    """The run finishes, prints its table, and names each incomplete source on stderr with its reason."""
    assert damaged.ended.status == 3
    assert "curated subset" in damaged.ended.out
    assert "7 of 11 sources are incomplete, 0 allowed (--allow-incomplete): exit status 3." in damaged.ended.err
    for name, (status, reason) in INCOMPLETE.items():
        lines = [line for line in damaged.ended.err.splitlines() if f"{name} is {status}: " in line]
        assert len(lines) == 1, name
        assert reason in lines[0]
    assert "Traceback" not in damaged.ended.err


def test_rows_before_the_damage_are_kept(spark, damaged):
    """The pool has the pairs of the good sources, and the pairs before the damage."""
    urls = {url for (url,) in rows_of(spark, damaged.world.root / "warehouse", "pairs", ("url",))}
    wanted = {row("cut", n)[0] for n in range(2)} | {"http://example.org/j/1.jpg"}
    for name, number in (("g", 6), ("p", 5), ("t", 6)):
        wanted |= {row(name, n)[0] for n in range(number)}
    assert urls == wanted
    assert damaged.sources["cut.wat.gz"].pairs_written == 2
    assert {name: damaged.sources[name].pairs_written for name in DONE} == DONE


def test_every_text_is_a_pair_or_a_counted_reject(spark, damaged):
    """texts_read equals pairs_written + rejected texts. Rejects are stored up to the cap, but all are counted."""
    for name, source in damaged.sources.items():
        assert_sums(name, source.texts_read, source.pairs_written, dict(source.rejected))
    assert dict(damaged.sources["bad_rows.tsv"].rejected) == {"broken_row": 14, "no_url": 1}
    assert dict(damaged.sources["lines.jsonl"].rejected) == {"broken_json": 2}
    rows = rows_of(spark, damaged.world.root / "warehouse", "rejects", ("source_path", "reason", "record", "detail"))
    broken = [row for path, *row in rows if path.endswith("bad_rows.tsv") and row[0] == "broken_row"]
    assert len(broken) == 10
    assert "2 columns, expected 5: http://example.org/short.jpg\tonly two" in {detail for _, _, detail in broken}


def assert_sums(name: str, texts_read: int, pairs_written: int, rejected: dict[str, int]) -> None:
    """Check that no text of a source was lost."""
    assert set(rejected) <= set(REASONS)
    rejected_texts = sum(number for reason, number in rejected.items() if reason in TEXT_REASONS)
    assert texts_read == pairs_written + rejected_texts, name


@pytest.mark.parametrize(("allowed", "status"), [("10", 0), ("50%", 3)])
def test_allowed_number_of_incomplete_sources_decides_the_status(damaged, allowed, status):
    """A number or a share of sources may be incomplete for exit status 0 (here 7 of 11 are). Nothing is read again."""
    ended = call("extract", *damaged.words, "--allow-incomplete", allowed)
    assert ended.status == status, ended.err
    assert "11 done already" in ended.err


@pytest.mark.timeout(900)
def test_no_text_of_a_real_crawl_is_lost(spark, shared_data, world):
    """Every WAT of the real crawl is read to its end. Each of its texts is a pair or a counted reject."""
    ended = call(
        "extract", *world.words(input=shared_data / "crawl" / "*.wat.gz", threshold=None), "--files-per-commit", 10
    )
    assert ended.status == 0, ended.err
    columns = ("source_path", "status", "reason", "texts_read", "pairs_written", "rejected")
    outcomes = rows_of(spark, world.root / "warehouse", "extracted", columns, condition="kind = 'source'")
    assert {Path(path).name for path, *_ in outcomes} == {file.name for file in shared_data.glob("crawl/*.wat.gz")}
    for path, status, reason, texts_read, pairs_written, rejected in outcomes:
        assert (status, reason) == ("done", None), path
        assert_sums(path, texts_read, pairs_written, dict(rejected))
    assert sum(texts for _, _, _, texts, _, _ in outcomes) > 10_000
