"""The pipeline equals the reference, a single-process MetaCLIP, bit for bit."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import reference

pytestmark = [pytest.mark.spark, pytest.mark.timeout(900)]

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "jobs" / "sample" / "pool.wat.gz"
WORDNET = ROOT / "metadata" / "wordnet.json.gz"

ODD_ROWS = [
    ("http://a.example/1.jpg", "photo of a cat, a dog and the sea"),
    ("http://a.example/1.jpg", "photo of a cat, a dog and the sea"),
    ("http://a.example/1.jpg", "another text on the same image"),
    ("http://a.example/2 with space.jpg", '"a quoted cat" on a table'),
    ("http://a.example/3.jpg", 'the 5" disk, a so-called "floppy"'),
    ("http://a.example/4.jpg", " \u00a0red car \u3000"),
    ("http://a.example/5.jpg", "a \U0001f600 cat, e\u0301 and \u4e2d\u6587 dog"),
    ("http://a.example/6.jpg", "no-break\u00a0space is a letter; cat"),
    ("http://a.example/7.jpg", "two  spaces between new  york and new york"),
    ("http://a.example/8.jpg", "Tom &amp; cat &#39;s: entities stay in tables"),
    ("http://a.example/9.jpg", "xyzzyq"),
    ("data:image/gif;base64", "a cat inlined"),
    ("", "a cat without a url"),
    ("http://a.example/10.jpg", ""),
    ("http://a.example/11.jpg", "   "),
]
WITH_LINE_ENDS = [
    ("http://a.example/20.jpg", "a cat\non two lines"),
    ("http://a.example/21.jpg", "a cat\r\nwith\ttabs\t"),
]
WITH_ANYTHING = [
    ("http://a.example/30.jpg", "a \0NUL\0 cat"),
    ("http://a.example/31.jpg", None),
    (None, "a cat whose url is null"),
]


def entries_of(path: Path) -> list[str]:
    """Read an entry list."""
    return json.loads(gzip.decompress(path.read_bytes()))


def read(spark, warehouse: Path, table: str, *columns: str, run_id: str | None = None) -> list[tuple]:
    """Return a table's columns as rows."""
    rows = spark.read.format("delta").load(str(warehouse / table))
    rows = rows if run_id is None else rows.where(f"run_id = '{run_id}'")
    found = rows.select(*columns).toArrow()
    return list(zip(*[found[name].to_pylist() for name in columns], strict=True))


def assert_pool_equals(spark, same, warehouse: Path, expected: reference.Curated, entries) -> None:
    """Compare pairs, their ids and matches, and entry counts."""
    columns = ("pair_id", "image_id", "url", "text", "entry_ids")
    rows = read(spark, warehouse, "pairs", *columns)
    assert len({row[0] for row in rows}) == len(rows)
    same(
        {row[0]: row[1:] for row in rows},
        {
            pair: (expected.image_ids[pair], row.url, row.text, expected.entry_ids[pair])
            for pair, row in expected.pairs.items()
        },
    )
    counted = read(spark, warehouse, "entry_counts", "entry_id", "entry", "count")
    same(
        {entry_id: (entry, count) for entry_id, entry, count in counted},
        {i: (entries[i], count) for i, count in expected.counts.items()},
    )


def assert_run_equals(spark, same, warehouse: Path, run_id: str, expected: reference.Curated) -> None:
    """Compare t, entry probabilities, and the kept set with its probabilities and draws, floats exactly."""
    columns = ("entry_id", "count", "threshold", "probability")
    same(
        {row[0]: row[1:] for row in read(spark, warehouse, "entry_probabilities", *columns, run_id=run_id)},
        {i: (expected.counts[i], expected.threshold, p) for i, p in expected.entry_probabilities.items()},
    )
    columns = ("pair_id", "sampling_probability", "draw")
    rows = read(spark, warehouse, "curated_pairs", *columns, run_id=run_id)
    assert len({row[0] for row in rows}) == len(rows)
    same({row[0]: row[1:] for row in rows}, expected.kept)


def assert_keepers_equal(spark, same, warehouse: Path, expected: reference.Curated) -> None:
    """Compare the source, page and field of each pair, which are the smallest of all its rows."""
    columns = ("pair_id", "source_path", "page_url", "text_source")
    same(
        {row[0]: (row[1], row[2] or "", row[3]) for row in read(spark, warehouse, "pairs", *columns)},
        {pair: row[:3] for pair, row in expected.pairs.items()},
    )


def run(metaclip, *words: object) -> str:
    """Run a command that must succeed and return its run_id."""
    # The reference identifies no languages and honours no opt-outs.
    every_text = ["--no-lid", "--opt-outs", "none"] if words[0] == "run" else []
    ended = metaclip(*words, *every_text, "--json")
    assert ended.status == 0, ended.err
    return json.loads(ended.out)["run_id"]


def write_tables(folder: Path, url: str = "url", text: str = "text") -> list[Path]:
    """Write the odd rows in every tabular format, with one row that only this format has."""
    folder.mkdir()
    own_rows = {
        name: [(f"http://{name}.example/x.jpg", "a cat and a mouse")]
        for name in ("parquet", "tsv", "tsv.gz", "csv", "csv.gz", "jsonl", "jsonl.gz")
    }
    paths = [folder / f"pool.{name}" for name in own_rows]
    for path, (name, rows) in zip(paths, own_rows.items(), strict=True):
        rows = rows + ODD_ROWS
        opened = gzip.open if name.endswith(".gz") else open
        if name == "parquet":
            urls, texts = zip(*rows + WITH_LINE_ENDS + WITH_ANYTHING, strict=True)
            pq.write_table(pa.table({text: texts, "other": range(len(urls)), url: urls}), path, row_group_size=7)
            continue
        with opened(path, "wt", encoding="utf-8", newline="") as file:
            if name.startswith("tsv"):
                file.writelines(f"{t}\t{u}\n" for u, t in [(url, text), *rows])
            elif name.startswith("csv"):
                csv.writer(file).writerows([(url, text), *rows, *WITH_LINE_ENDS])
            else:
                all_rows = [*rows, *WITH_LINE_ENDS, *WITH_ANYTHING, ("http://a.example/32.jpg", "a \ud800 cat")]
                file.writelines(json.dumps({url: u, text: t}) + "\n" for u, t in all_rows)
    return paths


def test_pipeline_equals_the_reference_on_the_sample_and_on_every_tabular_format(spark, metaclip, same, tmp_path):
    """The shipped WAT and small files in all formats give the reference's tables, for two values of t and two seeds."""
    paths = [SAMPLE, *write_tables(tmp_path / "pool")]
    warehouse = tmp_path / "warehouse"
    first = run(metaclip, "run", "--input", *paths, "--metadata", WORDNET, "--warehouse", warehouse)
    again = run(metaclip, "balance", "--warehouse", warehouse, "--threshold", 30, "--seed", 5)
    images = run(metaclip, "balance", "--warehouse", warehouse, "--threshold", 30, "--seed", 5, "--unit", "image")

    entries = entries_of(WORDNET)
    rows = reference.read_pool(paths)
    expected = reference.curate(rows, entries)
    assert 0 < len(expected.kept) < len(expected.pairs)
    assert_pool_equals(spark, same, warehouse, expected, entries)
    assert_run_equals(spark, same, warehouse, first, expected)
    expected = reference.curate(rows, entries, threshold=30, seed=5)
    assert_run_equals(spark, same, warehouse, again, expected)
    assert_keepers_equal(spark, same, warehouse, expected)
    expected = reference.curate(rows, entries, threshold=30, seed=5, unit="image")
    assert len(expected.drawn) < len(expected.pairs)
    assert_run_equals(spark, same, warehouse, images, expected)


def test_reference_by_automaton_equals_the_reference_by_naive_scan():
    """The reference's automaton, which is faster, gives the same results as its scan."""
    rows = reference.read_pool([SAMPLE])[:2000]
    entries = entries_of(WORDNET)[::80]
    entries = list(dict.fromkeys([*entries, "a", "of", "by the", "St. John"]))
    assert reference.curate(rows, entries) == reference.curate(rows, entries, naive=True)


@pytest.mark.parametrize(
    ("files", "columns", "choosing"),
    [
        pytest.param(
            ["captions/laion_sample.parquet", "crawl/pages.wat.gz"],
            {},
            {},
            id="noisy web texts and a WAT",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            ["captions/xflickrco_8lang.parquet", "captions/cmoa.parquet", "crawl/pages.wat.gz"],
            {},
            {},
            id="eight languages, museum titles and a WAT",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            ["captions/cc3m_val.tsv.gz"],
            {"text_column": "0", "url_column": "1"},
            {"threshold": 100, "seed": 7},
            id="a TSV without a header",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_pipeline_equals_the_reference_on_real_data(
    spark, metaclip, same, shared_data, tmp_path, files, columns, choosing
):
    """Real captions and pages with 500,000 entries give the reference's tables."""
    paths = [shared_data / file for file in files]
    metadata = shared_data / "metadata" / "approx_500k.json.gz"
    warehouse = tmp_path / "warehouse"
    flags = [word for key, value in {**columns, **choosing}.items() for word in (f"--{key.replace('_', '-')}", value)]
    run_id = run(metaclip, "run", "--input", *paths, "--metadata", metadata, "--warehouse", warehouse, *flags)

    entries = entries_of(metadata)
    expected = reference.curate(reference.read_pool(paths, **columns), entries, **choosing)
    assert 0 < len(expected.kept) < len(expected.pairs)
    assert_pool_equals(spark, same, warehouse, expected, entries)
    assert_run_equals(spark, same, warehouse, run_id, expected)
    assert_keepers_equal(spark, same, warehouse, expected)
