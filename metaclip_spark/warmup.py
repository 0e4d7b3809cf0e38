"""Compile now what a worker compiles at its first file, so that an archive or an image carries it.

    python -m metaclip_spark.warmup

What is compiled is kept beside the package (`kernels.py`), and is used by machines with the same kind of processor;
on any other it is compiled again. It also leaves the byte code of every module that a worker imports.
"""

from __future__ import annotations

import gzip
import json
import tempfile
from pathlib import Path

from metaclip_spark.extract.language import load_identifier
from metaclip_spark.extract.options import ExtractOptions
from metaclip_spark.extract.sources import find_sources, splits_of
from metaclip_spark.extract.task import Stamp, Tools, extract_split
from metaclip_spark.matchers import compile_matcher
from metaclip_spark.metadata import load_metadata

_URLS = ("https://example.org/a b.jpg", "//example.org/b.jpg", "/c.jpg", "d.jpg?x=1", "../e.jpg", "d\u00e9f.jpg")
_PAGE = {
    "Envelope": {
        "WARC-Header-Metadata": {"WARC-Type": "response", "WARC-Target-URI": "https://example.org/pages/1"},
        "Payload-Metadata": {
            "HTTP-Response-Metadata": {
                "HTML-Metadata": {
                    "Links": [{"path": "IMG@/src", "url": url, "alt": 'a "dog" in\nthe garden'} for url in _URLS],
                    "Head": {"Title": "a page", "Metas": [{"name": "description", "content": "made"}]},
                }
            }
        },
    }
}


def warm_up() -> int:
    """Read a made WAT of one page and a made table, as tasks do; return the pairs found."""
    with tempfile.TemporaryDirectory() as folder:
        _write_wat(Path(folder, "made.wat.gz"))
        lines = [json.dumps({"url": url, "text": "a dog in the garden"}) for url in _URLS[:1]]
        Path(folder, "made.jsonl").write_text("\n".join(lines), encoding="utf-8")
        Path(folder, "list.txt").write_text("dog\ngarden\n", encoding="utf-8")
        matcher = compile_matcher(load_metadata(str(Path(folder, "list.txt"))), "auto")
        tools = Tools(matcher=matcher, identifier=load_identifier("lid176"))
        splits = splits_of(find_sources([folder]))
        stamp = Stamp("warmup", matcher.metadata_id, "warmup")
        batches = [batch for split in splits for batch in extract_split(split, ExtractOptions(), tools, stamp)]
    return sum(row == "pair" for batch in batches for row in batch.column("kind").to_pylist())


def _write_wat(path: Path) -> None:
    # Without spaces, as extractors write it: what is written otherwise does not pass the compiled loops.
    payload = json.dumps(_PAGE, separators=(",", ":")).encode()
    head = ["WARC/1.0", "WARC-Type: metadata", "Content-Type: application/json", f"Content-Length: {len(payload)}"]
    path.write_bytes(gzip.compress("\r\n".join([*head, "", ""]).encode() + payload + b"\r\n\r\n", mtime=0))


if __name__ == "__main__":
    print(f"{warm_up()} pairs")
