"""`export` writes files that equal the tables, and overwrites nothing."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from e2e_world import call, flag_words, rows_of, versions, write_parquet

from metaclip_spark.export.croissant import CROISSANT
from metaclip_spark.export.place import MANIFEST
from metaclip_spark.export.shards import COLUMNS
from metaclip_spark.training import epoch

pytestmark = pytest.mark.spark

DOCS = Path(__file__).resolve().parents[2] / "docs" / "EXPORT.md"

PAIR = ("image_id", "pair_id", "url", "text", "lang", "entry_ids", "extra", "sampling_probability")


@pytest.fixture
def warehouse(undisturbed, tmp_path) -> Path:
    """Return a copy of the undisturbed run's tables, to export into."""
    return shutil.copytree(undisturbed.warehouse, tmp_path / "warehouse")


def files_of(folder: Path) -> list[dict]:
    """Return the rows of all shards, shard by shard."""
    return [row for path in sorted(folder.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]


def pairs_in(folder: Path) -> list[tuple]:
    """Return the pairs of an export with one row per image, as sorted tuples in the order of `PAIR`."""
    lists = ("pair_ids", "texts", "langs", "entry_ids", "extras", "sampling_probabilities")
    pairs = []
    for row in files_of(folder):
        assert row["text"] == row["texts"][0]
        for pair, text, lang, ids, extra, p in zip(*(row[name] for name in lists), strict=True):
            kept_columns = None if extra is None else tuple(sorted(extra))
            pairs.append((row["image_id"], pair, row["url"], text, lang, tuple(ids), kept_columns, p))
    return sorted(pairs)


def single(p: float) -> float:
    """Return the float32 nearest to a number."""
    return float(np.float32(p))


def test_a_curated_subset_and_its_pool_are_exported(spark, undisturbed, warehouse, tmp_path):
    """The subset is exported into the warehouse, one row per image, and the pool elsewhere, one row per pair.

    The pool has the run's probabilities, and a loader samples it. The tables do not change. A second export is refused.
    """
    before = versions(warehouse)
    ended = call("export", *flag_words(warehouse=warehouse, shards=3), "--json")
    assert ended.status == 0, ended.err
    summary = json.loads(ended.out)
    output = warehouse / "exports" / f"{undisturbed.run_id}-curated"
    assert summary["output"] == str(output)
    kept = rows_of(spark, warehouse, "curated_pairs", PAIR)
    assert pairs_in(output) == [(*row[:-1], single(row[-1])) for row in kept]
    manifest = json.loads((output / MANIFEST).read_text(encoding="utf-8"))
    assert {"output": str(output), **manifest} == summary
    assert (summary["pairs"], summary["rows"]) == (len(kept), len({row[0] for row in kept}))
    assert {each["file"]: each["rows"] for each in summary["files"]} == {
        path.name: pq.read_metadata(path).num_rows for path in output.glob("*.parquet")
    }
    hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in output.glob("*.parquet")}
    assert {each["file"]: each["sha256"] for each in summary["files"]} == hashes
    described = json.loads((output / CROISSANT).read_text(encoding="utf-8"))
    assert {each["@id"]: each.get("sha256") for each in described["distribution"]} == {**hashes, "files-pairs": None}
    assert (summary["stage"], summary["threshold"], summary["seed"], summary["unit"]) == ("curated", 2, 0, "pair")
    assert spark.read.parquet(str(output)).count() == summary["rows"]

    pool = tmp_path / "pool"
    words = flag_words(warehouse=warehouse, output=pool, stage="pairs", rows_per_shard=5, format="webdataset-index")
    ended = call("export", *words)
    assert ended.status == 0, ended.err
    assert ended.out.splitlines()[-1] == f"export    {pool}"
    by_entry = dict(rows_of(spark, warehouse, "entry_probabilities", ("entry_id", "probability")))
    wanted = {}
    for pair, ids in rows_of(spark, warehouse, "pairs", ("pair_id", "entry_ids")):
        missed = 1.0
        for entry in ids:
            missed *= 1.0 - by_entry[entry]
        wanted[pair] = single(1.0 - missed)
    rows = files_of(pool)
    assert {row["__key__"]: row["sampling_probability"] for row in rows} == wanted
    assert len(rows) == len(wanted)
    assert all(pq.read_schema(path).equals(pa.schema(COLUMNS["webdataset-index"])) for path in pool.glob("*.parquet"))
    index = json.loads((pool / "_index.json").read_text(encoding="utf-8"))
    assert len(index["shardlist"]) > 2
    assert {each["url"]: each["nsamples"] for each in index["shardlist"]} == {
        path.name: pq.read_metadata(path).num_rows for path in pool.glob("*.parquet")
    }
    sampled = {pair["pair_id"] for at in range(20) for pair in epoch(pool, at)}
    assert {pair for pair, p in wanted.items() if p == 1} <= sampled <= wanted.keys()

    assert versions(warehouse) == before
    again = call("export", *flag_words(warehouse=warehouse))
    first = min(path.name for path in output.iterdir())
    assert (again.status, again.out) == (2, "")
    assert again.err.splitlines()[-1] == (
        f"metaclip-spark: output {output} holds {first} already; expected a new or an empty folder. "
        "Give another --output, or remove what is there."
    )


@pytest.mark.slow  # tests/spark/test_export.py checks the new pairs against sets by default
def test_a_top_up_has_the_pairs_that_are_new(spark, undisturbed, warehouse):
    """Since the first run, a larger t exports the pairs that the first run lacks, and no pair is missing.

    The other way round, nothing is new and some pairs are missing. A repeated export has the same bytes. The commands
    are those of docs/EXPORT.md.
    """
    first = undisturbed.run_id
    words = ("balance", "--warehouse", "out", "--freeze-counts", "EARLIER", "--threshold", "40000")
    assert "metaclip-spark " + " ".join(words) in DOCS.read_text(encoding="utf-8")
    ended = call("balance", *flag_words(warehouse=warehouse, freeze_counts=first, threshold=4))
    assert ended.status == 0, ended.err
    kept = {run: set() for run in (first, "later")}
    for run, *pair in rows_of(spark, warehouse, "curated_pairs", ("run_id", *PAIR)):
        kept[first if run == first else "later"].add((*pair[:-1], single(pair[-1])))
    (later,) = {run for (run,) in rows_of(spark, warehouse, "curated_pairs", ("run_id",))} - {first}
    known = {pair[1] for pair in kept[first]}

    names = {"out": str(warehouse), "RUN": later, "EARLIER": first}
    lines = re.findall(r"^metaclip-spark (export .*)$", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    lines = [line for line in lines if "--output" not in line]  # other tests have those
    for words in sorted({tuple(names.get(word, word) for word in shlex.split(line, comments=True)) for line in lines}):
        ended = call(*words)
        assert ended.status == 0, ended.err
    exports = warehouse / "exports"
    assert sorted(path.name for path in exports.iterdir()) == sorted(
        [f"{later}-curated", f"{later}-curated-since-{first}", f"{later}-pairs"]
    )
    output = exports / f"{later}-curated-since-{first}"
    manifest = json.loads((output / MANIFEST).read_text(encoding="utf-8"))
    new = sorted(pair for pair in kept["later"] if pair[1] not in known)
    assert new
    assert sorted(pairs_in(output) + pairs_in(output / "known_images")) == new
    assert manifest["missing_since"] == 0
    assert spark.read.parquet(str(output)).count() == len(files_of(output))

    words = flag_words(warehouse=warehouse, run_id=first, since=later)
    other = call("export", *words)
    assert f"since     run {later}; {len(kept['later']) - len(known):,} of its pairs are not in this run" in other.out

    before = {path.name: path.read_bytes() for path in output.rglob("*.parquet")}
    shutil.rmtree(output)
    assert call("export", *flag_words(warehouse=warehouse, since=first)).status == 0
    assert {path.name: path.read_bytes() for path in output.rglob("*.parquet")} == before


@pytest.mark.slow
def test_an_export_that_fails_leaves_nothing_and_can_be_repeated(undisturbed, warehouse, monkeypatch):
    """After an error the folder is empty. The next export removes the files of a killed export."""
    from metaclip_spark.export.place import Place

    output = warehouse / "exports" / f"{undisturbed.run_id}-curated"
    monkeypatch.setattr(Place, "finish", lambda *_: (_ for _ in ()).throw(RuntimeError("no")))
    assert call("export", *flag_words(warehouse=warehouse, shards=1)).status == 1
    assert list(output.parent.iterdir()) == []
    monkeypatch.setattr(Place, "abandon", lambda _: None)  # as if the process had been killed
    assert call("export", *flag_words(warehouse=warehouse, shards=1)).status == 1
    assert [path.name for path in output.parent.iterdir()] == [f"{output.name}.unfinished"]
    monkeypatch.undo()
    assert call("export", *flag_words(warehouse=warehouse, shards=1)).status == 0
    found = sorted(path.name for path in output.parent.rglob("*"))
    assert found == sorted(["00000.parquet", CROISSANT, MANIFEST, output.name])


@pytest.mark.parametrize("interrupted", [False, True])
def test_a_takedown_during_an_export_to_another_place_ends_the_export(
    spark, undisturbed, warehouse, tmp_path, monkeypatch, interrupted
):
    """The export takes no lease there, and may have read pairs that are removed: nothing stays of it."""
    from metaclip_spark.commands import export
    from metaclip_spark.steps.takedown import removal

    ((url,), *_) = rows_of(spark, warehouse, "curated_pairs", ["url"])
    (tmp_path / "urls").write_text(f"{url}\n")
    words = flag_words(warehouse=warehouse, urls=tmp_path / "urls")
    write = export.write

    def taken_down_meanwhile(*given):
        found = write(*given)
        with monkeypatch.context() as patch:
            if interrupted:
                patch.setattr(removal, "remove_pairs", lambda *_: (_ for _ in ()).throw(RuntimeError("no")))
            assert call("takedown", *words).status == int(interrupted)
        return found

    monkeypatch.setattr(export, "write", taken_down_meanwhile)
    output = tmp_path / "elsewhere"
    done = call("export", *flag_words(warehouse=warehouse, output=output))
    assert done.status == 1
    sentence = "was interrupted; run the same takedown again" if interrupted else "a takedown removed pairs of run"
    assert sentence in done.err
    assert not output.exists() or not list(output.iterdir())
    monkeypatch.undo()
    if interrupted:
        assert call("takedown", *words).status == 0
    assert call("export", *flag_words(warehouse=warehouse, output=output)).status == 0
    assert url not in {row["url"] for row in files_of(output)}


@pytest.mark.slow
def test_with_unit_image_an_image_has_the_text_that_was_drawn(spark, undisturbed, tmp_path):
    """Pool and subset of such a run have one pair per image, which --unit image chooses."""
    url = "http://example.org/{}.jpg"
    rows = [(url.format(n // 3), f"photo of a {('cat', 'dog', 'cow')[n % 3]} number {n}") for n in range(30)]
    pool = write_parquet(tmp_path / "pool.parquet", rows, ("url", "text"))
    warehouse = tmp_path / "warehouse"
    ended = call("run", *undisturbed.world.words(warehouse, "--unit", "image", input=pool, threshold=4))
    assert ended.status == 0, ended.err
    for stage in ("pairs", "curated"):
        output = tmp_path / stage
        assert call("export", *flag_words(warehouse=warehouse, stage=stage, output=output)).status == 0
    kept = {(row[0], row[1]) for row in rows_of(spark, warehouse, "curated_pairs", PAIR)}
    exported = {stage: [row[:2] for row in pairs_in(tmp_path / stage)] for stage in ("pairs", "curated")}
    assert set(exported["curated"]) == kept
    assert len(exported["pairs"]) == 10
    assert kept <= set(exported["pairs"])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["--shards", 2, "--rows-per-shard", 5],
            "--shards and --rows-per-shard both say how many files there are; give one of them.",
        ),
        (
            ["--stage", "pairs", "--since", "abc"],
            "--since compares curated subsets, not pools; remove it, or remove --stage pairs.",
        ),
        (
            ["--failed-of", "{warehouse}/nowhere", "--since", "abc"],
            "--failed-of and --since exclude each other. To try again what both downloads lack, give --failed-of for "
            "the folder of each, without --since.",
        ),
        (
            ["--retry-status", "not_tried"],
            "--retry-status says what of --failed-of FOLDER to try again; give that folder, too.",
        ),
        (
            ["--failed-of", "{warehouse}/nowhere"],
            "input {warehouse}/nowhere does not exist; expected a file, a folder or a glob.",
        ),
        (["--run-id", "abc"], "{warehouse} holds no run 'abc'; see runs list."),
        (
            ["--output", "nope://bucket/x"],
            "output nope://bucket/x cannot be written: Protocol not known: nope. "
            "Give a folder, or a uri that is known.",
        ),
        (
            ["--output", "{warehouse}"],
            "output {warehouse} holds curated_pairs already; expected a new or an empty "
            "folder. Give another --output, or remove what is there.",
        ),
    ],
)
def test_wrong_usage_is_one_sentence(undisturbed, words, sentence):
    """Nothing is written, and the exit status is 2."""
    warehouse = undisturbed.warehouse
    ended = call("export", "--warehouse", warehouse, *(str(word).format(warehouse=warehouse) for word in words))
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.splitlines()[-1] == f"metaclip-spark: {sentence.format(warehouse=warehouse)}"
    assert not (warehouse / "exports").exists()


# The columns of img2dataset 1.47.0 besides those that --save_additional_columns names.
OF_IMG2DATASET = pa.schema(
    [
        *(("image_id", pa.string()), ("pair_ids", pa.list_(pa.string())), ("caption", pa.string())),
        *((name, pa.string()) for name in ("url", "key", "status", "error_message")),
        *((name, pa.int32()) for name in ("width", "height", "original_width", "original_height")),
        *((name, pa.string()) for name in ("exif", "sha256")),
    ]
)
FAILURES = (
    ("failed_to_download", "HTTP Error 404: Not Found"),
    ("failed_to_download", "Use of image disallowed by X-Robots-Tag directive"),
    ("failed_to_resize", "Image decoding error"),
)


def downloaded(folder: Path, rows: list[dict], outcomes: list[tuple[str, str | None]]) -> Path:
    """Write a shard as img2dataset does, of the rows of an export, with these (status, error) in turn."""
    folder.mkdir(exist_ok=True)
    tried = []
    for number, row in enumerate(rows):
        status, error = outcomes[number % len(outcomes)]
        size = 64 if status == "success" else None
        sizes = dict.fromkeys(("width", "height", "original_width", "original_height"), size)
        kept = {name: row[name] for name in ("image_id", "pair_ids", "url")}
        more = {"caption": row["text"], "key": f"{number:09}", "status": status, "error_message": error}
        tried.append({**kept, **more, **sizes, "exif": None, "sha256": None})
    pq.write_table(pa.Table.from_pylist(tried, OF_IMG2DATASET), folder / "00000.parquet")
    (folder / "00000_stats.json").write_text("{}", encoding="utf-8")
    return folder


def test_what_a_download_did_not_get_is_exported_again(undisturbed, warehouse, tmp_path):
    """The export is an ordinary one, of the images that failed or were not tried. A second try narrows it down.

    A shard that was not finished is not read, and said. Opt-outs are exported only where they are named.
    """
    at = {"warehouse": warehouse, "stage": "pairs"}
    assert call("export", *flag_words(**at, output=tmp_path / "all")).status == 0
    rows = files_of(tmp_path / "all")
    whole = {row["image_id"]: row for row in rows}
    tried, left = rows[:-3], {row["image_id"] for row in rows[-3:]}
    images = downloaded(tmp_path / "images", tried, [("success", None), *FAILURES])
    (images / "00001.parquet").write_bytes((images / "00000.parquet").read_bytes()[:99])
    named = {"gone": set(), "opted_out": set(), "resize": set()}
    for row, name in zip(tried, ["", *named] * len(tried), strict=False):
        named.setdefault(name, set()).add(row["image_id"])

    ended = call("export", *flag_words(**at, failed_of=images, output=tmp_path / "again"))
    assert ended.status == 0, ended.err
    assert f"--failed-of {images}: img2dataset did not finish 1 shard; its images count as not tried." in ended.err
    again = files_of(tmp_path / "again")
    assert again == [row for row in rows if row["image_id"] in named["gone"] | named["resize"] | left]
    manifest = json.loads((tmp_path / "again" / MANIFEST).read_text(encoding="utf-8"))
    counts = {
        "success": len(named[""]),
        "http_404": len(named["gone"]),
        "opted_out": len(named["opted_out"]),
        "failed_to_resize": len(named["resize"]),
        "not_tried": 3,
    }
    assert manifest["images_by_outcome"] == counts
    assert sorted(manifest["retried"]) == ["failed_to_resize", "http_404", "not_tried"]
    assert (manifest["failed_of"], manifest["unfinished_shards"], manifest["unmatched_images"]) == ([str(images)], 1, 0)
    assert manifest["rows"] == len(again)
    (line,) = re.findall(r"^retry     (.*)$", ended.out, re.MULTILINE)
    again_said, _, not_said = line.partition("; not ")
    assert sorted(again_said.split(", ")) == sorted(f"{counts[name]} {name}" for name in manifest["retried"])
    assert sorted(not_said.split(", ")) == sorted([f"{counts['success']} success", f"{counts['opted_out']} opted_out"])

    second = downloaded(tmp_path / "images-2", again, [("success", None), ("failed_to_resize", "Image decoding error")])
    both = ["--failed-of", images, "--failed-of", second, "--retry-status", "failed_to_resize,opted_out", "--json"]
    ended = call("export", *flag_words(**at), *both)
    assert ended.status == 0, ended.err
    summary = json.loads(ended.out)
    output = warehouse / "exports" / f"{undisturbed.run_id}-pairs-failed"
    assert summary["output"] == str(output)
    wanted = named["opted_out"] | {row["image_id"] for row in again[1::2]}
    assert files_of(output) == [whole[row["image_id"]] for row in rows if row["image_id"] in wanted]

    got = downloaded(tmp_path / "images-3", rows, [("success", None)])
    ended = call("export", *flag_words(**at, failed_of=got, output=tmp_path / "none"))
    assert (ended.status, ended.out, (tmp_path / "none").exists()) == (2, "", False)
    assert ended.err.splitlines()[-1] == (
        f"metaclip-spark: --failed-of {got} leaves nothing to try again. Images of this export: {len(rows)} success."
    )


OF_DATACOMP = pa.schema(
    [
        *((name, pa.string()) for name in ("uid", "url", "text")),
        *((name, pa.int64()) for name in ("original_width", "original_height")),
        *((name, pa.float32()) for name in ("clip_b32_similarity_score", "clip_l14_similarity_score")),
        ("face_bboxes", pa.list_(pa.list_(pa.float64()))),
        ("sha256", pa.string()),
    ]
)
"""The columns of DataComp's metadata."""


@pytest.mark.slow
def test_datacomps_metadata_is_read_as_it_is_and_the_subset_has_its_uids(spark, undisturbed, tmp_path):
    """The input is the folder of metadata with features beside, the output is what `resharder.py` takes.

    Pairs without a uid are counted; where no pair has one, nothing is written.
    """
    rows = []
    for number in range(40):
        uid = hashlib.md5(str(number).encode()).hexdigest()
        text = f"photo of a {('cat', 'dog', 'cow')[number % 3]} number {number}"
        sizes = {"original_width": 640, "original_height": 480, "face_bboxes": [[0.1, 0.2, 0.3, 0.4]] * (number % 2)}
        scores = {"clip_b32_similarity_score": 0.25, "clip_l14_similarity_score": 0.125}
        url = f"http://example.org/{number}.jpg"
        rows.append({"uid": uid, "url": url, "text": text, "sha256": uid * 2, **sizes, **scores})
    metadata = tmp_path / "metadata"
    metadata.mkdir()
    for at, name in ((0, "00aa" * 8), (20, "ff00" * 8)):
        pq.write_table(pa.Table.from_pylist(rows[at : at + 20], OF_DATACOMP), metadata / f"{name}.parquet")
        np.savez(metadata / f"{name}.npz", b32_img=np.zeros((20, 4), np.float16))
    warehouse = tmp_path / "warehouse"
    ended = call("run", *undisturbed.world.words(warehouse, input=metadata, threshold=5))
    assert ended.status == 0, ended.err
    assert "columns: uid is kept, because the layout is DataComp's" in ended.err
    uid_of = {row["url"]: row["uid"] for row in rows}
    kept = rows_of(spark, warehouse, "curated_pairs", ("url", "extra"))
    assert 0 < len(kept) < len(rows)
    assert all(dict(extra) == {"uid": uid_of[url]} for url, extra in kept)

    for stage, urls in (("curated", [url for url, _ in kept]), ("pairs", list(uid_of))):
        output = tmp_path / stage
        words = flag_words(warehouse=warehouse, format="datacomp", stage=stage, output=output)
        ended = call("export", *words)
        assert ended.status == 0, ended.err
        assert sorted(path.name for path in output.iterdir()) == [MANIFEST, "uids.npy"]
        uids = np.load(output / "uids.npy", mmap_mode="r")
        wanted = np.array([(int(uid_of[url][:16], 16), int(uid_of[url][16:], 16)) for url in urls], np.dtype("u8,u8"))
        wanted.sort()
        assert (uids.dtype, np.array_equal(uids, wanted)) == (np.dtype("u8,u8"), True)
        manifest = json.loads((output / MANIFEST).read_text(encoding="utf-8"))
        numbers = [manifest[name] for name in ("rows", "pairs", "pairs_without_uid", "malformed_uids", "repeated_uids")]
        assert numbers == [len(urls), len(urls), 0, 0, 0]
        assert f"pairs     {len(urls)}, {len(urls)} uids" in ended.out.splitlines()

    more = [
        (f"http://example.org/more/{number}.jpg", f"photo of a red cat {number}", uid) for number, uid in odd_uids()
    ]
    path = write_parquet(tmp_path / "more.parquet", more, ("url", "text", "uid"))
    words = ("--keep-columns", "uid", "--snapshot", "more")
    ended = call("run", *undisturbed.world.words(warehouse, *words, input=path, threshold=1000))
    assert ended.status == 0, ended.err
    ended = call("export", *flag_words(warehouse=warehouse, format="datacomp", output=tmp_path / "odd"))
    assert ended.status == 0, ended.err
    assert len(np.load(tmp_path / "odd" / "uids.npy")) == 41
    assert [line for line in ended.out.splitlines() if line.startswith(("pairs", "no uid", "repeated"))] == [
        "pairs     45, 41 uids",
        "no uid    1 pairs have none, and are not in the file",
        "no uid    2 pairs have a value that is not of 32 hex digits, and are not in the file",
        "repeated  1 pairs have the uid of another pair, which is in the file once",
    ]


def odd_uids() -> list[tuple[int, str | None]]:
    """Return numbered uids: one of another pair in upper case, a short one, two that are none, and a null."""
    return list(enumerate([hashlib.md5(b"7").hexdigest().upper(), "7", "x" * 32, "0" * 33, None]))
