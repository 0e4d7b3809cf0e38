"""The samples and the stage in pipelines of the real webdataset, over an export and over tars."""

from __future__ import annotations

import io
import json
import tarfile
from functools import partial
from pathlib import Path

import pytest
import webdataset as wds
from made_exports import image, make_export
from torch.utils.data import DataLoader

from metaclip_spark.training import TextDraw, epoch, kept_texts, samples


@pytest.fixture
def tars(tmp_path) -> str:
    """Return a pattern of tars in img2dataset's layout: an image, its caption, and its row of the export as JSON."""
    for shard in range(4):
        with tarfile.open(tmp_path / f"{shard:05}.tar", "w") as tar:
            for number in range(shard, 60, 4):
                row = {**image(number), "caption": image(number)["text"], "key": f"{number:09}", "status": "success"}
                files = {"jpg": b"pixels", "txt": row["caption"].encode(), "json": json.dumps(row).encode()}
                for ending, content in files.items():
                    member = tarfile.TarInfo(f"{row['key']}.{ending}")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
    return f"{tmp_path}/{{00000..00003}}.tar"


def loaded(pipeline: wds.DataPipeline, workers: int) -> list:
    """Return the samples that a DataLoader gives."""
    return list(DataLoader(pipeline, batch_size=None, num_workers=workers))


@pytest.mark.parametrize("workers", [0, 2, 7])
def test_an_export_is_the_first_stage_of_a_pipeline(tmp_path, workers):
    """Each pair of the epoch comes once, decoded, whatever the number of workers."""
    path = make_export(tmp_path / "x", number=60)
    pipeline = wds.DataPipeline(partial(samples, path, 1), wds.decode(), wds.to_tuple("__key__", "txt", "json"))
    found = {key: (text, row) for key, text, row in loaded(pipeline, workers)}
    pairs = {pair["pair_id"]: pair for pair in epoch(path, 1)}
    assert found.keys() == pairs.keys()
    for key, (text, row) in found.items():
        assert text == pairs[key]["text"]
        assert (row["url"], row["entry_ids"]) == (pairs[key]["url"], pairs[key]["entry_ids"])


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("decode_first", [False, True])
def test_tars_are_balanced_by_a_stage(tars, workers, decode_first):
    """The texts of the epoch come with their image; the same ones as from the Parquet files."""
    stages = [TextDraw(3, 1), wds.decode()]
    pipeline = wds.DataPipeline(
        wds.SimpleShardList(tars),
        wds.split_by_node,
        wds.split_by_worker,
        wds.tarfile_to_samples(),
        *(reversed(stages) if decode_first else stages),
    )
    found = [(s["__key__"], s["__pair_id__"], s["txt"]) for s in loaded(pipeline, workers)]
    texts = [text if isinstance(text, str) else text.decode() for _, _, text in found]
    wanted = [(f"{n:09}", text) for n in range(60) for text in kept_texts(image(n), 3, 1)]
    assert sorted(zip([key for key, _, _ in found], texts, strict=True)) == sorted(wanted)
    assert [f"text {pair}" for _, pair, _ in found] == texts


def test_the_fluid_interface_takes_the_stage(tars):
    """`WebDataset(...).compose(TextDraw(...))`, then batches."""
    dataset = wds.WebDataset(tars, shardshuffle=False).compose(TextDraw(0)).decode().to_tuple("txt").batched(5)
    found = [text for (batch,) in dataset for text in batch]
    assert sorted(found) == sorted(text for n in range(60) for text in kept_texts(image(n), 0))


def test_the_shards_are_paths(tmp_path):
    """`__url__` is the file that a pair is from."""
    path = make_export(tmp_path / "x", number=20)
    assert {Path(sample["__url__"]).parent for sample in samples(path, 0)} == {Path(path)}
