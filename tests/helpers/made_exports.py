"""Small exports: images with two pairs each, in five files, and the probabilities 1, 0.5 and 0.1 in turn."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from metaclip_spark.export.place import MANIFEST
from metaclip_spark.export.shards import COLUMNS, IMAGES, INDEX

FILES = 5
PROBABILITIES = (1.0, 0.5, 0.1)


def image(number: int) -> dict:
    """Return a row of an export: every image has two pairs, with the probabilities in turn."""
    p = [PROBABILITIES[(2 * number + at) % 3] for at in range(2)]
    pairs = [f"{number:06}{at}" for at in range(2)]
    return {
        "image_id": f"image{number}",
        "url": f"http://x/{number}.jpg",
        "text": f"text {pairs[0]}",
        "pair_ids": pairs,
        "texts": [f"text {pair}" for pair in pairs],
        "langs": ["en", "en"],
        "entry_ids": [[1, 2], [3]],
        "sampling_probabilities": p,
        "extras": [[("at", str(at))] for at in range(2)],
    }


def make_export(
    folder: Path,
    number: int = 200,
    stage: str | None = "pairs",
    format: str = IMAGES,
    unit: str = "pair",
    row_group: int = 1 << 14,
) -> str:
    """Write an export with this number of images; without a manifest if the stage is None."""
    folder.mkdir(parents=True)
    for at in range(FILES):
        rows = [image(each) for each in range(number) if each % FILES == at]
        if format == INDEX:
            rows = [
                {
                    "__key__": pair,
                    **{name: row[name] for name in ("image_id", "url")},
                    "text": text,
                    "lang": "en",
                    "entry_ids": ids,
                    "sampling_probability": p,
                    "extra": extra,
                }
                for row in rows
                for pair, text, ids, p, extra in zip(
                    *(row[name] for name in ("pair_ids", "texts", "entry_ids", "sampling_probabilities", "extras")),
                    strict=True,
                )
            ]
        table = pa.Table.from_pylist(rows, pa.schema(COLUMNS[format]))
        pq.write_table(table, folder / f"{at:05}.parquet", row_group_size=row_group)
    if stage is not None:
        (folder / MANIFEST).write_text(json.dumps({"stage": stage, "unit": unit}), encoding="utf-8")
    return str(folder)
