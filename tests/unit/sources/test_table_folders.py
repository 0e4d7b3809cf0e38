"""The files of a table are not its rows: Delta, Iceberg, Hudi and others are refused wherever they are met."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from metaclip_spark.errors import InputError
from metaclip_spark.sources.files import find_sources

MARKERS = {
    "Delta": "_delta_log/00000000000000000000.json",
    "Delta checkpoint": "_delta_log/00000000000000000010.checkpoint.parquet",
    "Hudi": ".hoodie/hoodie.properties",
    "Iceberg": "metadata/00001-0f4c8b5e-9a43-4b9e-8f1c-2d1f5a3c7b11.metadata.json",
    "Iceberg of a Hadoop catalog": "metadata/version-hint.text",
    "Iceberg, gzip": "metadata/v3.gz.metadata.json",
    "Paimon": "schema/schema-0",
}


def write(path: Path, content: bytes | None = None) -> Path:
    """Write a file; by default a Parquet file of one row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if content is None:
        pq.write_table(pa.table({"url": ["http://ex.org/a.jpg"], "text": ["a cat"]}), path)
    else:
        path.write_bytes(content)
    return path


def refusal(*inputs: object) -> str:
    with pytest.raises(InputError) as caught:
        find_sources([str(given) for given in inputs])
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture(params=MARKERS)
def table(request, tmp_path):
    """Write the folder of a table with a file in a partition, and return (kind, folder, file)."""
    folder = tmp_path / "lake" / "pool"
    file = write(folder / "data" / "day=1" / "part-0.parquet")
    write(folder / MARKERS[request.param], b"{}")
    return request.param.split()[0].rstrip(","), folder, file


def test_a_table_is_refused_however_it_is_given(table, tmp_path, monkeypatch):
    """By its folder, one above, one below, a file, patterns, uris, a relative path, a list, and through links."""
    kind, folder, file = table
    (tmp_path / "link").symlink_to(file.parent)
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "x.parquet").symlink_to(file)
    listed = write(tmp_path / "uris.txt", f"{file}\n".encode())
    monkeypatch.chdir(file.parent)
    spellings = [
        folder,
        folder.parent,
        file.parent,
        file,
        f"{folder}/",
        f"{folder}/**/*.parquet",
        f"{folder.parent}/*/*/*/*.parquet",
        folder.as_uri(),
        f"file:{file}",
        "part-0.parquet",
        ".",
        tmp_path / "link",
        tmp_path / "link" / "*.parquet",
        listed,
    ]
    for given in spellings:
        message = refusal(given)
        assert f"{kind} table" in message, given
        assert f'load("{folder}").write.parquet' in message, given


def test_a_link_to_a_file_of_a_table_is_refused(tmp_path):
    """Beside its name, the place of the file is looked at."""
    file = write(tmp_path / "lake" / "part-0.parquet")
    write(tmp_path / "lake" / "_delta_log" / "00000000000000000000.json", b"{}")
    (tmp_path / "pool").mkdir()
    (tmp_path / "pool" / "x.parquet").symlink_to(file)
    for given in (tmp_path / "pool", tmp_path / "pool" / "x.parquet", tmp_path / "pool" / "*"):
        assert "reads files of the Delta table" in refusal(given)


def test_the_sentence_says_what_it_is_and_what_to_do(tmp_path):
    """It names the table, and the two ways out."""
    write(tmp_path / "t" / "part-0.parquet")
    write(tmp_path / "t" / "_delta_log" / "0.json", b"{}")
    assert refusal(tmp_path / "t") == (
        f"input {tmp_path}/t is a Delta table (_delta_log), whose files also hold deleted and replaced rows. Write its "
        f'rows to Parquet, e.g. spark.read.format("delta").load("{tmp_path}/t").write.parquet("pool-parquet"), and '
        "give that folder; or call the functions of metaclip_spark on its DataFrame."
    )
    assert refusal(tmp_path).startswith(
        f"input {tmp_path} reads files of the Delta table {tmp_path}/t (_delta_log), whose files"
    )


def test_deleted_rows_do_not_come_back(tmp_path):
    """A table written by hand: its log removed the first file, which is still there."""
    table = pa.table({"url": ["http://ex.org/a.jpg"], "text": ["deleted"]})
    (tmp_path / "t" / "_delta_log").mkdir(parents=True)
    pq.write_table(table, tmp_path / "t" / "old.parquet")
    pq.write_table(table.slice(0, 0), tmp_path / "t" / "new.parquet")
    for version, actions in enumerate([[{"add": {"path": "old.parquet"}}], [{"remove": {"path": "old.parquet"}}]]):
        log = "\n".join(json.dumps(action) for action in actions)
        (tmp_path / "t" / "_delta_log" / f"{version:020}.json").write_text(log)
    assert "Delta table" in refusal(tmp_path / "t" / "old.parquet")
    assert "Delta table" in refusal(tmp_path / "t" / "*.parquet")


def test_an_empty_log_is_refused_too(tmp_path):
    """Whether the rows are live is not known; the error says how to go on if the folder is no table."""
    write(tmp_path / "t" / "part-0.parquet")
    (tmp_path / "t" / "_delta_log").mkdir()
    assert refusal(tmp_path / "t") == (
        f"input {tmp_path}/t: {tmp_path}/t is a Delta table without a row (_delta_log is empty), but has data files. "
        "If it is no table, remove the folder _delta_log."
    )


@pytest.mark.parametrize("below", ["", "pairs", "pairs/snapshot=default", "pairs/snapshot=default/part-0.parquet"])
def test_the_programs_own_warehouse_is_refused(tmp_path, below):
    """The error names the commands that work on it."""
    for name in ("pairs", "sources", "runs"):
        write(tmp_path / "w" / name / "_delta_log" / "0.json", b"{}")
    write(tmp_path / "w" / "pairs" / "snapshot=default" / "part-0.parquet")
    message = refusal(tmp_path / "w" / below)
    assert f"belongs to the warehouse {tmp_path}/w, whose tables are no input" in message
    assert "`match` and `balance` with --warehouse" in message
    assert "`export`" in message


def test_files_beside_the_tables_of_a_warehouse_are_input(tmp_path):
    """An export may be inside of the warehouse's folder."""
    for name in ("pairs", "sources"):
        write(tmp_path / "w" / name / "_delta_log" / "0.json", b"{}")
    file = write(tmp_path / "w" / "export" / "00000.parquet")
    assert [source.uri for source in find_sources([str(tmp_path / "w" / "export")])] == [str(file)]


def test_the_files_of_a_ducklake_are_refused(tmp_path):
    """Its catalog is a database elsewhere; the folder's name says what it is."""
    file = write(tmp_path / "lake.ducklake.files" / "main" / "pool" / "ducklake-0199.parquet")
    for given in (tmp_path, file, file.parent):
        assert "DuckLake table" in refusal(given)
        assert "COPY (FROM lake.pool)" in refusal(given)


@pytest.mark.parametrize(
    "other",
    [
        "metadata/en.json",
        "metadata/notes.metadata.json",
        "schema/schema.sql",
        "_SUCCESS",
        "_temporary/0/x.parquet",
        "_metadata",
        "_delta/0.json",
        ".hoodie_partition_metadata",
        "_spark_metadata/0",
    ],
)
def test_other_folders_are_no_tables(tmp_path, other):
    """Only the log of a table makes a table."""
    file = write(tmp_path / "pool" / "a.parquet")
    write(tmp_path / "pool" / other, b"x")
    assert [source.uri for source in find_sources([str(tmp_path / "pool")])] == [str(file)]


def test_files_of_other_formats_are_in_no_table(tmp_path):
    """A crawl in a folder above which a table lies is read."""
    write(tmp_path / "_delta_log" / "0.json", b"{}")
    file = write(tmp_path / "crawl" / "a.tsv", b"url\ttext\n")
    assert len(find_sources([str(file)])) == len(find_sources([str(file.parent)])) == 1


@pytest.mark.parametrize("marker", ["Delta", "Hudi", "Iceberg", "Paimon"])
def test_a_table_whose_folder_is_named_as_a_partition_is_refused(tmp_path, bucket, marker):
    """A lake may have one table a month."""
    kind = marker.split()[0]
    write(tmp_path / "lake" / "month=2024-01" / "part-0.parquet")
    write(tmp_path / "lake" / "month=2024-01" / MARKERS[marker], b"{}")
    put(bucket, "lake/month=2024-01/part-0.parquet", f"lake/month=2024-01/{MARKERS[marker]}")
    put(bucket, "lake/month=2024-02/part-0.parquet")
    for lake in (f"{tmp_path}/lake", "s3://pool/lake"):
        for given in ("", "/month=2024-01", "/month=2024-01/part-0.parquet", "/*/*.parquet"):
            assert f"{kind} table" in refusal(lake + given), given
    assert len(find_sources(["s3://pool/lake/month=2024-02/part-0.parquet"])) == 1


def put(bucket, *keys: str) -> None:
    for key in keys:
        bucket.put_object(Bucket="pool", Key=key, Body=key.encode())


@pytest.mark.parametrize("marker", ["Delta", "Hudi", "Iceberg"])
def test_a_table_in_a_bucket_is_refused_however_it_is_given(bucket, tmp_path, marker):
    """By its folder, one above, one below, a file, a pattern, and a list."""
    put(bucket, "lake/t/data/day=1/part-0.parquet", f"lake/t/{MARKERS[marker]}")
    listed = write(tmp_path / "uris.txt", b"s3://pool/lake/t/data/day=1/part-0.parquet\n")
    for given in (
        "s3://pool/lake/t",
        "s3://pool/lake/t/",
        "s3://pool/lake",
        "s3://pool/lake/t/data/day=1",
        "s3://pool/lake/t/data/day=1/part-0.parquet",
        "s3a://pool/lake/t/data/day=1/part-0.parquet",
        "s3://pool/lake/*/data/*/*.parquet",
        listed,
    ):
        message = refusal(given)
        assert f"{marker.split()[0].rstrip(',')} table" in message, given
        assert "pool/lake/t" in message, given


def test_a_warehouse_in_a_bucket_is_refused(bucket):
    """The error names the commands that work on it."""
    put(bucket, *(f"w/{name}/_delta_log/0.json" for name in ("pairs", "sources")), "w/pairs/part-0.parquet")
    for given in ("s3://pool/w", "s3://pool/w/pairs", "s3://pool/w/pairs/part-0.parquet"):
        assert "belongs to the warehouse s3://pool/w, whose tables are no input" in refusal(given)


def test_looking_for_tables_costs_few_requests(bucket, monkeypatch):
    """Each distinct folder is looked at once, and those of crawl files not at all."""
    import s3fs

    calls: list[str] = []
    request = s3fs.S3FileSystem._call_s3

    async def counted(self, method, *args, **kwargs):
        calls.append(method)
        return await request(self, method, *args, **kwargs)

    monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", counted)
    put(bucket, *(f"lake/t/day={day}/part-{part}.parquet" for day in range(10) for part in range(2)))
    put(bucket, *(f"crawl/{segment}/{part}.wat.gz" for segment in range(10) for part in range(2)))
    assert len(find_sources(["s3://pool/crawl/*/*.wat.gz"])) == 20
    listing = len(calls)
    calls.clear()
    assert len(find_sources(["s3://pool/lake/t"])) == 20
    assert len(calls) <= 4 * 8
    calls.clear()
    assert len(find_sources(["s3://pool/lake/t/*/*.parquet"])) == 20
    assert len(calls) <= listing + 4 * 8 + 10  # a partition is one request


def test_a_key_that_may_only_read_files_can_read_them(bucket, monkeypatch):
    """Where folders cannot be looked at, they are taken for none."""
    import s3fs

    def refused(self, path, **kwargs):
        raise PermissionError("ListBucket")

    put(bucket, "pool/a.parquet")
    monkeypatch.setattr(s3fs.S3FileSystem, "exists", refused)
    assert len(find_sources(["s3://pool/pool/a.parquet"])) == 1


def test_a_bucket_that_cannot_be_reached_costs_one_round_of_looks(bucket, monkeypatch):
    """Its files are reported when they are read."""
    import s3fs

    looks: list[str] = []

    def unreachable(self, path, **kwargs):
        looks.append(path)
        raise TimeoutError

    monkeypatch.setattr(s3fs.S3FileSystem, "exists", unreachable)
    lines = "".join(f"s3://pool/{number}/a.parquet\n" for number in range(200))
    bucket.put_object(Bucket="pool", Key="uris.txt", Body=lines.encode())
    assert len(find_sources(["s3://pool/uris.txt"])) == 200
    assert len(looks) < 50


def test_every_folder_is_looked_at_once(tmp_path, monkeypatch):
    """A pool of many files costs a look per folder."""
    for number in range(30):
        write(tmp_path / f"day={number % 3}" / f"{number}.parquet", b"x")
    looked: list[str] = []
    exists = os.path.exists
    monkeypatch.setattr(os.path, "exists", lambda path: looked.append(str(path)) or exists(path))
    find_sources([str(tmp_path / "*" / "*.parquet"), str(tmp_path)])
    logs = [path for path in looked if path.endswith("_delta_log")]
    assert len(logs) == len(set(logs))
