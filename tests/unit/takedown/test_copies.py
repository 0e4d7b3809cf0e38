"""Exports and reports after a takedown."""

from __future__ import annotations

import hashlib
import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from metaclip_spark.storage.packed import ENTRIES, TEXTS, block
from metaclip_spark.takedown.copies import (
    RewrittenFile,
    correct_manifests,
    exported_files,
    partial_exports,
    remove_file,
    rewrite_export,
    stale_reports,
)
from metaclip_spark.takedown.hashes import DOMAIN, PAIR_ID, URL, Takedowns, hashes_of, sorted_hashes, url_forms

GONE = Takedowns(
    "00",
    {
        URL: sorted_hashes([hashes_of("00", URL, pa.array(["http://a.org/1"]))]),
        DOMAIN: sorted_hashes([hashes_of("00", DOMAIN, pa.array(["gone.net"]))]),
    },
)


def write(path, rows: list[dict], **how) -> str:
    pq.write_table(pa.Table.from_pylist(rows), path, **how)
    return str(path)


def sha256_of(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


@pytest.fixture
def images(tmp_path) -> str:
    """Write an export of images, each with its pairs in lists, in two row groups."""
    rows = [
        {"url": "http://a.org/1", "text": "x", "pair_ids": ["p1", "p2"], "texts": ["x", "y"], "entry_ids": [[1], [2]]},
        {"url": "http://b.org/1", "text": "x", "pair_ids": ["p3", "p4"], "texts": ["x", "z"], "entry_ids": [[1], []]},
        {"url": "http://b.org/2", "text": "v", "pair_ids": ["p5"], "texts": ["v"], "entry_ids": [[3]]},
        {"url": "http://www.gone.net/", "text": "w", "pair_ids": ["p6"], "texts": ["w"], "entry_ids": [[4]]},
    ]
    return write(tmp_path / "0.parquet", rows, row_group_size=3, compression="zstd", write_statistics=False)


def test_a_row_is_removed_by_its_url_and_a_pair_by_its_id(images):
    """An image is removed for its url, or with its last pair; the lists of an image that stays keep one length."""
    schema = pq.read_schema(images)
    found = rewrite_export(images, GONE, {"p3", "p5"})
    assert found == RewrittenFile(removed=5, rows=1, pairs=1, bytes=os.path.getsize(images), sha256=sha256_of(images))
    file = pq.ParquetFile(images)
    assert file.read().to_pylist() == [
        {"url": "http://b.org/1", "text": "z", "pair_ids": ["p4"], "texts": ["z"], "entry_ids": [[]]}
    ]
    assert file.schema_arrow == schema
    column = file.metadata.row_group(0).column(0)
    assert (column.compression, column.is_stats_set) == ("ZSTD", False)
    assert rewrite_export(images, GONE, {"p3", "p5"}) == RewrittenFile(0, 1, 1, found.bytes)


def test_a_file_without_taken_down_rows_is_not_changed(tmp_path, images):
    """A file without a taken-down row, a file whose columns name no pair, and any file of a dry run stay."""
    other = write(tmp_path / "other.parquet", [{"url": "http://b.org/1", "__key__": "p1"}])
    names = write(tmp_path / "names.parquet", [{"name": "http://a.org/1"}])
    before = {path: (os.stat(path).st_ino, os.stat(path).st_mtime_ns) for path in (images, other, names)}
    assert rewrite_export(images, GONE, {"p3"}, dry_run=True).removed == 4
    assert rewrite_export(other, GONE, {"p3"}).removed == 0
    assert rewrite_export(names, GONE, {"p3"}).removed == 0
    assert {path: (os.stat(path).st_ino, os.stat(path).st_mtime_ns) for path in before} == before
    assert rewrite_export(other, GONE, {"p1"}) == RewrittenFile(1, 0, 0, os.path.getsize(other), sha256_of(other))


@pytest.mark.parametrize("listed", ["http://a.org/my photo.jpg", "HTTP://A.org/my%20photo.jpg#1"])
def test_an_export_has_the_url_that_a_browser_requests(tmp_path, listed):
    """A row goes by the url as found or as exported, even if no table has its pair any more."""
    gone = Takedowns("00", {URL: sorted_hashes([hashes_of("00", URL, url_forms(pa.array([listed])))])})
    rows = [{"url": url, "__key__": url} for url in ("http://a.org/my%20photo.jpg", "http://a.org/my-photo.jpg")]
    path = write(tmp_path / "0.parquet", rows)
    assert rewrite_export(path, gone, ()).removed == 1
    assert pq.read_table(path).to_pylist() == rows[1:]


def test_pages_count_where_an_export_shows_them(tmp_path):
    """A row is removed if its page is among the urls."""
    path = write(
        tmp_path / "0.parquet",
        [
            {"url": "http://b.org/1", "page_url": "http://a.org/1"},
            {"url": "http://b.org/1", "page_url": None},
        ],
    )
    assert rewrite_export(path, GONE, ()).removed == 1
    assert pq.read_table(path).to_pylist() == [{"url": "http://b.org/1", "page_url": None}]


LISTED = Takedowns("00", {PAIR_ID: sorted_hashes([hashes_of("00", PAIR_ID, pa.array(["p2", "p3", "p4"]))])})


def test_listed_pair_ids_are_removed_from_exports(images, tmp_path):
    """From lists, and from columns of ids, although no table names the pairs any more."""
    assert rewrite_export(images, LISTED, ()) == RewrittenFile(3, 3, 3, os.path.getsize(images), sha256_of(images))
    assert [row["pair_ids"] for row in pq.read_table(images).to_pylist()] == [["p1"], ["p5"], ["p6"]]
    for name in ("pair_id", "__key__"):
        path = write(tmp_path / f"{name}.parquet", [{"url": "http://b.org/", name: key} for key in ("p1", "p3")])
        assert rewrite_export(path, LISTED, ()).removed == 1


def test_files_of_exports_are_found_and_none_is_removed(tmp_path):
    """Files are found at any depth, partial ones apart; a warehouse without exports has none."""
    root = tmp_path / "wh"
    assert exported_files(str(root)) == partial_exports(str(root)) == []
    folder = root / "exports" / "run" / "known"
    folder.mkdir(parents=True)
    for name in ("b.parquet", "a.parquet", "a.parquet.12345678.partial", "_manifest.json"):
        (folder / name).write_bytes(b"")
    assert exported_files(str(root)) == [str(folder / "a.parquet"), str(folder / "b.parquet")]
    assert partial_exports(str(root)) == [str(folder / "a.parquet.12345678.partial")]
    assert len(list(folder.iterdir())) == 4


def test_manifests_are_corrected(tmp_path):
    """Rows, pairs and bytes of each file, and their sums, are corrected; other entries and manifests stay."""
    folder = tmp_path / "exports" / "run"
    folder.mkdir(parents=True)
    entry = {"file": "0.parquet", "rows": 4, "pairs": 6, "bytes": 99}
    other = {"file": "known/0.parquet", "rows": 1, "pairs": 1, "bytes": 5}
    manifest, index = folder / "_manifest.json", folder / "_index.json"
    manifest.write_text(json.dumps({"run_id": "é", "rows": 5, "pairs": 7, "files": [entry, other]}))
    index.write_text(json.dumps({"shardlist": [{"url": "0.parquet", "nsamples": 4, "filesize": 99}]}))
    (folder / "list.json").write_text("[1]")
    exported = {str(folder / "0.parquet"): RewrittenFile(5, 1, 1, 42)}
    assert correct_manifests(str(tmp_path), exported) == [str(manifest), str(index)]
    assert json.loads(manifest.read_text()) == {
        "run_id": "é",
        "rows": 2,
        "pairs": 2,
        "files": [{**entry, "rows": 1, "pairs": 1, "bytes": 42}, other],
    }
    assert json.loads(index.read_text()) == {"shardlist": [{"url": "0.parquet", "nsamples": 1, "filesize": 42}]}
    assert correct_manifests(str(tmp_path), exported) == []
    assert correct_manifests(str(tmp_path / "none"), exported) == []


@pytest.mark.parametrize("interrupted", [False, True])
def test_checksums_are_corrected_with_the_files(tmp_path, interrupted):
    """In the manifest and in the description, also where an interrupted takedown wrote the file before."""
    folder = tmp_path / "exports" / "run"
    folder.mkdir(parents=True)
    rows = [{"url": f"http://b.org/{at}", "__key__": f"p{at}"} for at in range(3)]
    files = {}
    for name in ("0.parquet", "1.parquet"):
        path = write(
            folder / name, rows if name[0] == "0" else [dict(row, __key__=f"q{at}") for at, row in enumerate(rows)]
        )
        size = os.path.getsize(path)
        files[name] = {"file": name, "rows": 3, "pairs": 3, "bytes": size, "sha256": sha256_of(path)}
    objects = [{"@id": name, "contentUrl": name, "sha256": each["sha256"]} for name, each in files.items()]
    described = {"@type": "sc:Dataset", "distribution": [*objects, {"@id": "files-pairs", "includes": "*.parquet"}]}
    (folder / "_manifest.json").write_text(json.dumps({"files": list(files.values())}))
    (folder / "_croissant.json").write_text(json.dumps(described))
    before = dict(files)
    for _ in range(1 + interrupted):  # the second attempt finds nothing to remove
        now = {str(folder / name): rewrite_export(str(folder / name), GONE, {"p0"}) for name in files}
    assert [file.removed for file in now.values()] == [0 if interrupted else 1, 0]
    changed = correct_manifests(str(tmp_path), now)
    assert changed == [str(folder / "_manifest.json"), str(folder / "_croissant.json")]
    manifest = json.loads((folder / "_manifest.json").read_text())
    mended = {**before["0.parquet"], "rows": 2, "pairs": 2}
    mended |= {"bytes": os.path.getsize(folder / "0.parquet"), "sha256": sha256_of(str(folder / "0.parquet"))}
    assert manifest["files"] == [mended, before["1.parquet"]]
    first, second, of_files = json.loads((folder / "_croissant.json").read_text())["distribution"]
    assert (first["sha256"], first["contentSize"]) == (mended["sha256"], f"{mended['bytes']} B")
    assert (second["sha256"], of_files) == (before["1.parquet"]["sha256"], described["distribution"][2])
    assert correct_manifests(str(tmp_path), now) == []


def test_reports_of_runs_that_lost_pairs_and_those_that_show_them_are_stale(tmp_path):
    """A report is stale by the run in its name, or by a url or host in its text, however it is escaped."""
    folder = tmp_path / "reports"
    folder.mkdir()
    pages = {
        "feed.html": "<p>nothing</p>",
        "beef.html": "<p>nothing</p>",
        "a.json": '{"url": "http:\\/\\/a.org\\/1"}',
        "b.html": "<td>http:&#x2F;&#x2F;a.org/1</td>",
        "c.html": "<td>www.gone.net</td><td>0.190</td>",
        "d.html": '<svg xmlns="http://www.w3.org/2000/svg">http://a.org/12</svg>',
        "e.txt": "http://a.org/1",
    }
    for name, page in pages.items():
        (folder / name).write_text(page)
    stale = stale_reports(str(tmp_path), GONE, ["feed"])
    assert stale == [str(folder / name) for name in ("a.json", "b.html", "c.html", "feed.html")]
    remove_file(stale[0])
    remove_file(stale[0])
    assert stale_reports(str(tmp_path), GONE, []) == stale[1:3]
    assert stale_reports(str(tmp_path / "none"), GONE, ["feed"]) == []


def test_a_report_that_shows_a_listed_pair_is_stale_with_its_page(tmp_path):
    """Its JSON has the id; a report without a page, and one of other pairs, too."""
    folder = tmp_path / "reports"
    folder.mkdir()
    for name, content in (("a", "p3"), ("b", "p5")):
        (folder / f"{name}.html").write_text("<p>p3</p>")
        (folder / f"{name}.json").write_text(json.dumps({"pairs": [{"pair_id": content, "url": "http://b.org/"}]}))
    (folder / "c.json").write_text(json.dumps({"pair_id": "p2"}, indent=1))
    wanted = [str(folder / name) for name in ("a.html", "a.json", "c.json")]
    assert stale_reports(str(tmp_path), LISTED, []) == wanted


def test_a_card_is_stale_by_the_images_of_its_packed_texts_but_not_by_their_words(tmp_path):
    """A text may name a site that was taken down; its own image decides. What cannot be read is stale."""
    folder = tmp_path / "reports"
    folder.mkdir()
    rows = {
        "a.html": [["a cat", "http://a.org/1", "p5"]],
        "b.html": [["see http://a.org/1 and www.gone.net", "http://b.org/1", "p5"]],
        "c.html": [["a cat", "https://img.gone.net/2.jpg", "p5"]],
    }
    for name, texts in rows.items():
        (folder / name).write_text(f"<p>nothing</p>{block(TEXTS, {'texts': texts, 'of': {}})}<p>nothing</p>")
    (folder / "d.html").write_text(block(TEXTS, []))
    (folder / "e.html").write_text(block(ENTRIES, {"entries": ["www.gone.net"]}))
    (folder / "f.html").write_text('<script type="application/octet-stream" id="entry-texts">AAAA</script>')
    stale = stale_reports(str(tmp_path), GONE, [])
    assert stale == [str(folder / name) for name in ("a.html", "c.html", "d.html", "f.html")]
    (folder / "a.html").write_text(block(TEXTS, {"texts": [["a cat", "http://b.org/1", "p3"]], "of": {}}))
    stale = stale_reports(str(tmp_path), LISTED, [])
    assert stale == [str(folder / name) for name in ("a.html", "d.html", "f.html")]
