"""The programs of docs/TRAINING.md do what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from made_exports import make_export

from metaclip_spark.training import epoch

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "TRAINING.md").read_text(encoding="utf-8")


class Interrupted(Exception):
    """The end of a training before its time."""


def blocks(path: str) -> list[str]:
    """Return the page's programs, with the path of an export, and batches of five pairs."""
    found = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    return [
        block.replace("out/exports/RUN-pairs", path).replace("=256", "=5").replace("=1024", "=5") for block in found
    ]


@pytest.mark.parametrize("after", [1, 7, 20, 10_000])
def test_a_training_that_is_interrupted_goes_on(tmp_path, after):
    """The second program goes on where the first one was interrupted, and both give what the first one gives alone."""
    loop, resume = (b for b in blocks(make_export(tmp_path / "x", number=60)) if "state_after" in b)
    undisturbed: list = []
    exec(loop, {"train": undisturbed.append})
    assert 20 < len(undisturbed) < 10_000
    trained: list = []

    def train(batch: list) -> None:
        trained.append(batch)
        if len(trained) == after:
            raise Interrupted

    names: dict = {"train": train}
    try:
        exec(loop, names)
    except Interrupted:
        trained.pop()  # its state was not stored
        if "state" not in names:
            return
        stored = names["state"]
        names = {"train": trained.append}
        exec(loop.partition("for number")[0], names)
        names["state"] = stored
    exec(resume, names)
    assert trained == undisturbed


def test_the_other_programs_run(tmp_path):
    """Each for itself: dicts, batches by concept, an export in a pipeline."""
    path = make_export(tmp_path / "x", number=100)
    whole = {pair["pair_id"] for pair in epoch(path, 3)}
    plain, _, _, by_concept, pipeline, *_ = blocks(path)
    exec(plain, {})
    names: dict = {}
    exec(by_concept, names)
    assert len(names["batch"]) == 5
    names = {}
    exec(pipeline, names)
    assert {key for key, _, _ in names["pipeline"]} == whole
