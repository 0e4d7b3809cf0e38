"""Shards: the file of each row, and the rows of each image, for any batches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaclip_spark.export import shards
from metaclip_spark.export.shards import COLUMNS, IMAGES, INDEX, KNOWN_IMAGES, ROW_GROUP, write_shards

ROWS = pa.schema(
    [
        ("shard", pa.int32()),
        ("known", pa.bool_()),
        ("missing", pa.bool_()),
        ("over_limit", pa.int64()),
        ("image_id", pa.string()),
        ("pair_id", pa.string()),
        ("url", pa.string()),
        ("text", pa.string()),
        ("lang", pa.string()),
        ("entry_ids", pa.list_(pa.int32())),
        ("sampling_probability", pa.float64()),
        ("extra", pa.map_(pa.string(), pa.string())),
    ]
)


def rows_of(images: list[tuple[int, str, int]], known: tuple[str, ...] = (), missing: int = 0) -> pa.Table:
    """Return rows as the stage sends them.

    Args:
        images: (shard, image, how many pairs), in order.
        known: images that the earlier run has.
        missing: rows of its pairs that are not there, at the end.
    """
    rows = []
    for shard, image, number in images:
        for at in range(number):
            pair = f"{image}{at}"
            over = 2 if at == 0 and number > 3 else 0
            rows.append(
                (
                    shard,
                    image in known,
                    False,
                    over,
                    image,
                    pair,
                    f"http://x/{image}",
                    f"text {pair}",
                    "en",
                    list(range(at + 1)),
                    1 / (at + 1),
                    [("note", pair)],
                )
            )
    rows += [(9, True, True, 0, "gone", f"gone{at}", None, None, None, None, None, None) for at in range(missing)]
    return pa.Table.from_pylist([dict(zip(ROWS.names, row, strict=True)) for row in rows], ROWS)


def written(table: pa.Table, folder: Path, format: str, cuts: list[int] = ()) -> list[dict]:
    """Write the rows, divided into batches at these positions; return the rows of `WRITTEN`."""
    borders = [0, *sorted(min(cut, table.num_rows) for cut in cuts), table.num_rows]
    parts = [table.slice(start, stop - start) for start, stop in zip(borders, borders[1:], strict=False)]
    batches = [batch for part in parts for batch in part.combine_chunks().to_batches()]
    return pa.Table.from_batches(write_shards(iter(batches), str(folder), format), shards.WRITTEN).to_pylist()


IMAGES_OF_TWO_SHARDS = [(0, "a", 1), (0, "b", 3), (2, "c", 2), (2, "d", 1)]


def test_an_image_is_a_row_with_its_pairs_as_lists(tmp_path):
    """`text` is the first pair's text; lists have one element per pair, in the order of the pairs."""
    report = written(rows_of(IMAGES_OF_TWO_SHARDS), tmp_path, IMAGES)
    assert [(each["file"], each["rows"], each["pairs"]) for each in report] == [
        ("00000.parquet", 2, 4),
        ("00002.parquet", 2, 3),
    ]
    table = pq.read_table(tmp_path / "00000.parquet")
    assert table.schema.equals(pa.schema(COLUMNS[IMAGES]))
    b = table.to_pylist()[1]
    assert (b["image_id"], b["url"], b["text"]) == ("b", "http://x/b", "text b0")
    assert (b["pair_ids"], b["langs"]) == (["b0", "b1", "b2"], ["en"] * 3)
    assert b["texts"] == ["text b0", "text b1", "text b2"]
    assert b["entry_ids"] == [[0], [0, 1], [0, 1, 2]]
    assert b["extras"] == [[("note", f"b{at}")] for at in range(3)]
    assert b["sampling_probabilities"] == [1.0, 0.5, float(np.float32(1 / 3))]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["00000.parquet", "00002.parquet"]
    assert [each["bytes"] for each in report] == [(tmp_path / each["file"]).stat().st_size for each in report]


def test_the_index_has_one_row_per_pair(tmp_path):
    """`__key__` is the pair's id; entry_ids and sampling_probability (float32) are the pair's."""
    report = written(rows_of(IMAGES_OF_TWO_SHARDS), tmp_path, INDEX)
    assert [(each["rows"], each["pairs"]) for each in report] == [(4, 4), (3, 3)]
    table = pq.read_table(tmp_path / "00002.parquet")
    assert table.schema.field("sampling_probability").type == pa.float32()
    assert table.select(["__key__", "text", "entry_ids", "sampling_probability"]).to_pylist()[1] == {
        "__key__": "c1",
        "text": "text c1",
        "entry_ids": [0, 1],
        "sampling_probability": 0.5,
    }


@pytest.mark.parametrize("format", [IMAGES, INDEX])
def test_urls_are_written_as_a_browser_requests_them(tmp_path, format):
    """Ids stay those of the url as found; each file counts its rewritten urls, and those that no browser accepts."""
    table = rows_of([(0, "a", 2), (0, "b", 1), (1, "c", 1), (1, "d", 1)], known=("d",))
    found = ["http://x/my photo.jpg"] * 2 + ["http://x.org/b.jpg", "http://a b/c.jpg", "http://x.org/caf\u00e9.jpg#1"]
    table = table.set_column(ROWS.get_field_index("url"), ROWS.field("url"), pa.array(found))
    report = {each["file"]: (each["rewritten"], each["refused"]) for each in written(table, tmp_path, format)}
    rows_of_a = 1 if format == IMAGES else 2
    assert report == {"00000.parquet": (rows_of_a, 0), "00001.parquet": (0, 1), "known_images/00001.parquet": (1, 0)}
    rows = [row for name in report for row in pq.read_table(tmp_path / name).to_pylist()]
    assert [(row["image_id"], row["url"]) for row in rows] == [
        *[("a", "http://x/my%20photo.jpg")] * rows_of_a,
        ("b", "http://x.org/b.jpg"),
        ("c", "http://a b/c.jpg"),
        ("d", "http://x.org/caf%C3%A9.jpg"),
    ]
    pairs = [pair for row in rows for pair in (row["pair_ids"] if format == IMAGES else [row["__key__"]])]
    assert pairs == table["pair_id"].to_pylist()


def test_new_pairs_of_known_images_go_to_a_folder_of_their_own(tmp_path):
    """A downloader of the folder's files does not fetch an image twice; missing pairs are counted."""
    report = written(rows_of(IMAGES_OF_TWO_SHARDS, known=("b", "d"), missing=3), tmp_path, IMAGES)
    files = {each["file"]: each["pairs"] for each in report if each["file"]}
    assert files == {
        "00000.parquet": 1,
        f"{KNOWN_IMAGES}/00000.parquet": 3,
        "00002.parquet": 2,
        f"{KNOWN_IMAGES}/00002.parquet": 1,
    }
    assert pq.read_table(tmp_path / KNOWN_IMAGES / "00000.parquet")["image_id"].to_pylist() == ["b"]
    assert report[-1]["file"] is None
    assert report[-1]["missing"] == 3


def test_pairs_over_the_limit_are_summed(tmp_path):
    """The last row has the number of pairs that the stage dropped."""
    report = written(rows_of([(0, "a", 4), (1, "b", 5), (1, "c", 1)]), tmp_path, IMAGES)
    assert [each["over_limit"] for each in report] == [0, 0, 4]


def test_no_rows_make_no_file(tmp_path):
    """A task without rows, or with missing rows alone, writes no file."""
    assert written(rows_of([]), tmp_path, IMAGES) == []
    (report,) = written(rows_of([], missing=2), tmp_path, IMAGES)
    assert (report["file"], report["missing"]) == (None, 2)
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=25)
@given(st.lists(st.integers(0, 12), max_size=5), st.sampled_from([IMAGES, INDEX]))
def test_files_do_not_depend_on_the_batches(tmp_path_factory, cuts, format):
    """A task that runs again writes the same bytes."""
    table = rows_of([*IMAGES_OF_TWO_SHARDS, (3, "e", 4)], known=("c",))
    whole, cut = (tmp_path_factory.mktemp("cuts") for _ in range(2))
    report = [sorted(written(table, folder, format, where), key=str) for folder, where in ((whole, ()), (cut, cuts))]
    assert report[0] == report[1]
    for path in whole.rglob("*.parquet"):
        assert (cut / path.relative_to(whole)).read_bytes() == path.read_bytes()


def test_row_groups_are_of_one_size(tmp_path):
    """The batches do not matter, so that the loader needs the same memory for every file."""
    table = rows_of([(0, f"{number:06}", 1) for number in range(2 * ROW_GROUP + 5)])
    written(table, tmp_path, INDEX, cuts=[7, 10_000, 20_000, 32_769])
    file = pq.ParquetFile(tmp_path / "00000.parquet")
    assert [file.metadata.row_group(at).num_rows for at in range(file.num_row_groups)] == [ROW_GROUP, ROW_GROUP, 5]
    assert file.read()["__key__"].to_pylist() == table["pair_id"].to_pylist()


def test_a_task_that_fails_leaves_no_file(tmp_path):
    """The file being written is removed; complete files stay until the export is abandoned."""
    table = rows_of(IMAGES_OF_TWO_SHARDS)

    def breaking():
        yield from table.slice(0, 6).combine_chunks().to_batches()
        raise OSError("the shuffle is gone")

    with pytest.raises(OSError, match="the shuffle is gone"):
        list(write_shards(breaking(), str(tmp_path), IMAGES))
    assert sorted(path.name for path in tmp_path.iterdir()) in (["00000.parquet"], [])
