"""The work of one task: rows, rejects and outcome in one stream, whose counts always add up."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from metaclip_spark.candidates.ledger import TEXT_REASONS
from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.extract import task as task_module
from metaclip_spark.extract.task import Stamp, Tools, extract_split
from metaclip_spark.filters import Filters
from metaclip_spark.matchers import compile_matcher
from metaclip_spark.metadata import Metadata, load_metadata
from metaclip_spark.robots.index import Robots, write_index
from metaclip_spark.schemas import EXTRACTED
from metaclip_spark.sources.files import find_sources, splits_of

ROOT = Path(__file__).parents[3]
STAMP = Stamp("snap", "list-id", "batch-1")


@pytest.fixture
def page(tmp_path, wat):
    """Write a WAT of one page with two texts."""
    return wat.of_links(tmp_path / "a.wat.gz", wat.img("1.jpg", alt="a cat"), wat.img("2.jpg", alt="a dog"))


def split_of(path):
    (split,) = splits_of(find_sources([str(path)]))
    return split


def test_rows_have_the_schema_of_the_table(page):
    """Every batch of pairs, rejects or the outcome has the names, types and order of the table."""
    matcher = compile_matcher(Metadata.from_entries(["cat"]))
    batches = list(extract_split(split_of(page), ExtractOptions(), Tools(matcher=matcher), STAMP))
    assert [batch.column("kind")[0].as_py() for batch in batches] == ["pair", "reject", "source"]
    for batch in batches:
        assert batch.schema == EXTRACTED.arrow
    pa.Table.from_batches(batches).validate(full=True)


def test_outcome_comes_last_and_says_everything(page):
    """The last row has the split's status, numbers, fingerprint and settings."""
    options = ExtractOptions()
    split = split_of(page)
    *_, last = extract_split(split, options, Tools(matcher=compile_matcher(Metadata.from_entries(["cat"]))), STAMP)
    (row,) = last.to_pylist()
    assert {name: value for name, value in row.items() if value is not None} == {
        "snapshot": "snap",
        "metadata_id": "list-id",
        "batch_id": "batch-1",
        "kind": "source",
        "source_path": str(page),
        "split": 0,
        "splits": 1,
        "format": "wat",
        "status": "done",
        "records_read": 1,
        "texts_read": 2,
        "texts_matched": 1,
        "pairs_written": 1,
        "rejected": [("no_match", 1)],
        "bytes_read": page.stat().st_size,
        "etag": split.source.etag,
        "extract_id": options.extract_id,
        "retries": [],
    }


def test_a_reject_says_which_record_and_what_was_found(page):
    """It names the page and the text without a match."""
    matcher = compile_matcher(Metadata.from_entries(["cat"]))
    rows = [
        row
        for batch in extract_split(split_of(page), ExtractOptions(), Tools(matcher=matcher), STAMP)
        for row in batch.to_pylist()
    ]
    (reject,) = [row for row in rows if row["kind"] == "reject"]
    assert (reject["record"], reject["reason"], reject["detail"]) == (
        "http://ex.org/a/page.html",
        "no_match",
        "a dog",
    )


class Broken:
    """A matcher with a defect."""

    name = "broken"
    metadata_id = "x"

    def __init__(self, error: Exception) -> None:
        self._error = error

    def match(self, texts):
        raise self._error


@pytest.mark.parametrize("error", [RuntimeError("ours"), ValueError("ours"), OSError("ours"), EOFError("ours")])
def test_errors_of_the_engine_end_the_task(page, error):
    """A defect of the matcher is not recorded as damage of the source: the task fails and is retried."""
    with pytest.raises(type(error), match="ours"):
        list(extract_split(split_of(page), ExtractOptions(), Tools(matcher=Broken(error)), STAMP))


def test_running_out_of_memory_ends_the_task(page, monkeypatch):
    """A `MemoryError` says nothing about the source, so the ledger does not record it."""

    def reader(split, options, ledger):
        raise MemoryError
        yield

    monkeypatch.setitem(task_module.READERS, "wat", reader)
    with pytest.raises(MemoryError):
        list(extract_split(split_of(page), ExtractOptions(), Tools(), STAMP))


def test_whatever_the_reader_raises_ends_the_source(page, monkeypatch):
    """An unforeseen error in one file is its reason, and the pairs before it are kept."""

    read_wat = task_module.READERS["wat"]

    def reader(split, options, ledger):
        yield from read_wat(split, options, ledger)
        raise ArithmeticError("surprise")

    monkeypatch.setitem(task_module.READERS, "wat", reader)
    batches = list(extract_split(split_of(page), ExtractOptions(), Tools(), STAMP))
    last = batches[-1].to_pylist()[0]
    assert (last["status"], last["reason"], last["pairs_written"]) == (
        "partial",
        "ArithmeticError: surprise",
        2,
    )


def test_extraction_is_a_function_of_the_file(page):
    """A task that runs again returns the same rows."""
    runs = [
        [batch.to_pylist() for batch in extract_split(split_of(page), ExtractOptions(), Tools(), STAMP)]
        for _ in range(2)
    ]
    assert runs[0] == runs[1]


def test_a_batch_of_repeats_alone_sends_no_pairs(tmp_path, extract):
    """A batch whose rows all occurred in earlier batches returns no rows, and no error."""
    path = tmp_path / "a.tsv"
    path.write_text("url\ttext\n" + "u1\ta cat\n" * 20_000)
    found = extract(path, entries=["cat"])
    assert (found.rows, found.rejected) == ([("u1", "a cat")], {"repeat": 19_999})


def test_a_batch_in_which_nothing_matches_sends_no_pairs(tmp_path, extract):
    """20,000 texts without an entry are 20,000 `no_match`, stored as rows up to the cap."""
    path = tmp_path / "a.tsv"
    path.write_text("url\ttext\n" + "".join(f"u{n}\ta dog\n" for n in range(20_000)))
    found = extract(path, entries=["cat"], sample_cap=4)
    assert (found.rows, found.rejected) == ([], {"no_match": 20_000})
    assert [(row["record"], row["detail"]) for row in found.rejects] == [(f"row {n}", "a dog") for n in range(4)]


@pytest.mark.parametrize(
    "change",
    [
        {"url_column": "u"},
        {"text_column": "t"},
        {"lang_column": "l"},
        {"id_column": "i"},
        {"keep_columns": ("k",)},
        {"languages": ("en",)},
        {"keep_unmatched": True},
        {"dedup": False},
    ],
    ids=str,
)
def test_extract_id_changes_with_each_setting_that_changes_rows(change):
    """Rows that were read with other settings must not count as the same."""
    assert ExtractOptions(**change).extract_id != ExtractOptions().extract_id


def test_extract_id_does_not_depend_on_the_stored_rejects():
    """The number of stored rejects changes no pair."""
    assert ExtractOptions(sample_cap=0).extract_id == ExtractOptions().extract_id


def test_columns_are_wanted_once_each():
    """A column with two uses is read once; other columns are not read."""
    options = ExtractOptions("a", "b", None, "a", ("b", "c"))
    assert options.columns == ["a", "b", "c"]
    assert not options.by_position
    assert ExtractOptions("1", "0", keep_columns=("2",)).by_position


def test_the_counts_of_the_shipped_sample_add_up(extract):
    """In the pool of the quickstart, with its entry list, every text is a pair or has a reason."""
    entries = load_metadata(ROOT / "metadata" / "wordnet.json.gz").entries
    found = extract(ROOT / "jobs" / "sample" / "pool.wat.gz", entries=entries)
    outcome = found.outcome
    assert outcome["status"] == "done"
    assert outcome["texts_read"] > 50_000
    assert outcome["pairs_written"] > 10_000
    assert outcome["texts_matched"] == outcome["pairs_written"] + found.rejected["repeat"]
    left_out = sum(number for reason, number in found.rejected.items() if reason in TEXT_REASONS)
    assert outcome["texts_read"] == outcome["pairs_written"] + left_out
    assert outcome["bytes_read"] == (ROOT / "jobs" / "sample" / "pool.wat.gz").stat().st_size


@pytest.mark.parametrize(
    ("name", "records", "texts"), [("pages.wat.gz", 3074, 13_495), ("whirlwind.warc.wat.gz", 2, 0)]
)
def test_real_wats_are_read_to_their_end(extract, shared_data, name, records, texts):
    """All records and texts of Common Crawl's files are read, and the counts add up (the runner checks them)."""
    found = extract(shared_data / "crawl" / name)
    assert found.ending == ("done", None)
    assert (found.outcome["records_read"], found.outcome["texts_read"]) == (records, texts)
    assert all(pair["url"][:8].lower().startswith(("http://", "https://")) for pair in found.pairs)
    assert not any(set(pair["text"]) & set("\t\n\r\0") for pair in found.pairs)


@pytest.mark.parametrize(
    ("name", "rows", "columns"),
    [
        ("cmoa.parquet", 87_289, {"keep_columns": ("page_url",)}),
        ("xflickrco_8lang.parquet", 16_000, {"lang_column": "lang"}),
        ("laion_sample.parquet", 10_000, {}),
        ("cc3m_val.tsv.gz", None, {"text_column": "0", "url_column": "1"}),
    ],
)
def test_real_captions_are_read_to_their_end(extract, shared_data, name, rows, columns):
    """Every row of a real tabular pool is read, and is a pair or has a reason."""
    found = extract(shared_data / "captions" / name, **columns)
    assert found.ending == ("done", None)
    assert found.outcome["records_read"] == (rows or found.outcome["records_read"]) >= 10_000
    assert len(found.pairs) > 0.5 * found.outcome["records_read"]


@pytest.mark.parametrize(
    ("where", "rejected"),
    [
        ("page", {"robots:*": 2}),
        ("image", {"robots:GPTBot": 1}),
        ("both", {"robots:*": 2}),
    ],
)
def test_robots_rules_are_applied_before_filters_and_matching(tmp_path, wat, where, rejected):
    """Those of the page come first where both count; the text of a tabular file has no page."""
    rows = [
        ("http://ex.org", "User-agent: *\nDisallow: /a/\n"),
        ("http://img.org", "User-agent: GPTBot\nDisallow: /1\n"),
    ]
    columns = [
        pa.array(column, pa.string()) for column in ([host for host, _ in rows], ["", ""], [text for _, text in rows])
    ]
    write_index(tmp_path / "robots", "build", [pa.record_batch(columns, ["origin", "target", "rules"])])
    robots = Robots.read(tmp_path / "robots", "build")
    images = [wat.img(f"http://img.org/{number}.jpg", alt="a cat") for number in (1, 2)]
    page = wat.of_links(tmp_path / "a.wat.gz", *images)
    options = ExtractOptions(robots="build", robots_for=where, min_words=9)
    tools = Tools(robots=robots, filters=Filters(options))
    *_, last = extract_split(split_of(page), options, tools, STAMP)
    kept = 2 - sum(rejected.values())
    assert dict(last.to_pylist()[0]["rejected"]) == {**rejected, **({"too_short": kept} if kept else {})}
    table = tmp_path / "a.tsv"
    table.write_text("url\ttext\nhttp://img.org/1.jpg\ta cat\n", encoding="utf-8")
    *_, last = extract_split(split_of(table), options, tools, STAMP)
    of_image = "too_short" if where == "page" else "robots:GPTBot"
    assert dict(last.to_pylist()[0]["rejected"]) == {of_image: 1}
