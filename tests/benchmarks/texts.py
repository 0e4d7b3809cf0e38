"""Seeded inputs for the benchmarks: resampled captions with different urls, from real data if it is available."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from metaclip_spark.benchmark.texts import different_texts as resampled

ROOT = Path(__file__).resolve().parents[2]
CAPTIONS = ROOT.parent / "shared" / "data" / "captions"
LIST_500K = ROOT.parent / "shared" / "data" / "metadata" / "approx_500k.json.gz"


def entry_list() -> Path:
    """Return the path of the list of 500,000 entries, or of the shipped list if that file is missing."""
    return LIST_500K if LIST_500K.exists() else ROOT / "metadata" / "en.json.gz"


def base_texts() -> tuple[list[str], str]:
    """Return texts and their name: the LAION sample, or else the texts of the shipped sample."""
    if CAPTIONS.is_dir():
        texts = pq.read_table(CAPTIONS / "laion_sample.parquet").column("text").to_pylist()
        return [text for text in texts if text], "LAION sample"
    found = []
    with gzip.open(ROOT / "jobs" / "sample" / "pool.wat.gz") as file:
        for line in file:
            if line.startswith(b'{"') and b'"alt"' in line:
                found += _alts(line)
    return found, "shipped sample"


def _alts(line: bytes) -> list[str]:
    try:
        html = json.loads(line)["Envelope"]["Payload-Metadata"]["HTTP-Response-Metadata"]["HTML-Metadata"]
    except (ValueError, KeyError, TypeError):
        return []
    return [link["alt"] for link in html.get("Links") or () if isinstance(link, dict) and link.get("alt")]


def different_texts(number: int, seed: int = 0) -> tuple[list[str], str]:
    """Return this number of different texts, and their name."""
    base, name = base_texts()
    return resampled(base, number, seed), f"{name}, {number:,} different texts"


def write_pool(folder: Path, texts: list[str], files: int = 4) -> None:
    """Write the texts with different urls as Parquet files with the columns url and text."""
    folder.mkdir(parents=True, exist_ok=True)
    urls = [f"https://images.example.org/{at % 977}/{at:08d}.jpg" for at in range(len(texts))]
    table = pa.table({"url": urls, "text": texts})
    step = -(-len(texts) // files)
    for at in range(files):
        pq.write_table(table.slice(at * step, step), folder / f"part-{at}.parquet")
