"""Samples in the form of WebDataset, and the stage over img2dataset's tars."""

from __future__ import annotations

import json

import pytest
from made_exports import image, make_export

from metaclip_spark.errors import InputError
from metaclip_spark.training import TextDraw, epoch, kept_texts, samples


def of_tars(number: int, decoded: bool) -> list[dict]:
    """Return samples as `tarfile_to_samples` yields them, or as they are after `decode`."""
    found = []
    for n in range(number):
        record = {**image(n), "caption": "", "key": f"{n:09}"}
        raw = {"txt": image(n)["text"], "json": record} if decoded else {"txt": b"first", "json": json.dumps(record)}
        raw["json"] = raw["json"] if decoded else raw["json"].encode()
        found.append({"__key__": f"{n:09}", "__url__": "00000.tar", "jpg": b"...", **raw})
    return found


def test_samples_are_the_pairs_of_the_epoch(tmp_path):
    """Bytes, as in a tar: the text, and the other columns as JSON."""
    path = make_export(tmp_path / "x", number=50)
    pairs = list(epoch(path, 1, worker=(1, 2)))
    found = list(samples(path, 1, worker=(1, 2)))
    assert [sample["__key__"] for sample in found] == [pair["pair_id"] for pair in pairs]
    assert [sample["txt"] for sample in found] == [pair["text"].encode() for pair in pairs]
    assert {sample["__url__"] for sample in found} <= {f"{path}/{n:05}.parquet" for n in range(5)}
    for sample, pair in zip(found, pairs, strict=True):
        del pair["text"], pair["shard"]
        assert json.loads(sample["json"]) == {**pair, "extra": [list(item) for item in pair["extra"]]}
    assert list(samples(path, 1, worker=(1, 2), skip=7)) == found[7:]


def test_samples_are_split_over_ranks(tmp_path, monkeypatch):
    """By RANK and WORLD_SIZE, without a word from the user."""
    path = make_export(tmp_path / "x", number=50)
    monkeypatch.setenv("WORLD_SIZE", "2")
    parts = []
    for rank in range(2):
        monkeypatch.setenv("RANK", str(rank))
        parts.append([sample["__key__"] for sample in samples(path, 1)])
        assert parts[rank] == [pair["pair_id"] for pair in epoch(path, 1, worker=(rank, 2))]


@pytest.mark.parametrize("decoded", [False, True])
@pytest.mark.parametrize("unit", ["pair", "image"])
def test_a_stage_keeps_the_texts_of_the_epoch(decoded, unit):
    """A sample for each text that `kept_texts` has; the image stays as it is, or goes."""
    found: dict[str, list[str]] = {}
    for sample in TextDraw(2, 5, unit)(of_tars(60, decoded)):
        assert sample["jpg"] == b"..."
        assert sample["txt"] == f"text {sample['__pair_id__']}".encode()
        found.setdefault(sample["__key__"], []).append(sample["txt"].decode())
    wanted = {f"{n:09}": kept_texts(image(n), 2, 5, unit) for n in range(60)}
    assert found == {key: texts for key, texts in wanted.items() if texts}
    assert 0 < len(found) < 60


def test_the_epoch_of_a_stage_can_be_a_function():
    """It is called where the stage begins, so that workers may share a value."""
    now = [0]
    stage = TextDraw(lambda: now[0])
    first = [sample["__pair_id__"] for sample in stage(of_tars(60, True))]
    now[0] = 1
    second = [sample["__pair_id__"] for sample in stage(of_tars(60, True))]
    assert first == [sample["__pair_id__"] for sample in TextDraw(0)(of_tars(60, True))]
    assert second == [sample["__pair_id__"] for sample in TextDraw(1)(of_tars(60, True))]
    assert first != second


def test_tars_of_something_else_are_refused():
    """The error names the sample, what its json lacks, and img2dataset's flag."""
    said = (
        "sample 7 of 0.tar: its json lacks texts, sampling_probabilities; img2dataset keeps these columns with --save"
    )
    with pytest.raises(InputError, match=said):
        next(TextDraw(0)([{"__key__": "7", "__url__": "0.tar", "json": b'{"pair_ids": []}'}]))
    with pytest.raises(InputError, match="sample 7 of None: its json lacks pair_ids, texts, sampling_probabilities"):
        next(TextDraw(0)([{"__key__": "7", "jpg": b""}]))
