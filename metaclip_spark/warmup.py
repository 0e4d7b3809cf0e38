"""Compile the kernels that a worker compiles at its first file, so that an archive or a container image has them.

    python -m metaclip_spark.warmup [PART...]

The parts are `match` (an entry list, matches, counts), `language` (identification), `wat` and `warc` (files of a crawl,
ids), `tables` (Parquet, TSV, CSV, JSON lines), `hosts` (lists of hosts, the report) and `lists` (the lists of
languages, for --worldwide). Without a part, all are compiled. Processes that compile at the same time share the work:
each kernel is compiled once. A command that reads sources does so in the background (`cli/ahead.py`).

The compiled kernels are stored next to the package (`core/jit.py`). Machines with the same kind of processor use these
kernels; others compile them again. The byte code of every module that a worker imports is stored as well.
"""

from __future__ import annotations

import gzip
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.core.counts import EntrySums
from metaclip_spark.core.entry_lists import SMALL
from metaclip_spark.core.jit import mark_compiled
from metaclip_spark.core.leave import end_with_parent
from metaclip_spark.core.sampling import batch_probability
from metaclip_spark.core.urls.hosts import written_hosts
from metaclip_spark.core.urls.valid_hosts import bad_hosts
from metaclip_spark.extract.language import load_identifier
from metaclip_spark.extract.task import Stamp, Tools, extract_split
from metaclip_spark.matchers import compile_matcher
from metaclip_spark.matchers.worldwide import Lists, WorldwideMatcher, lists_in
from metaclip_spark.metadata import load_metadata
from metaclip_spark.sources.files import find_sources, splits_of

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
_HTML = '<html><head><title>a page</title></head><body><img src="a.jpg" alt="a dog"></body></html>'


PARTS = ("match", "language", "wat", "warc", "tables", "hosts", "lists")


WITH_PARENT = "--with-parent"
"""An argument: end when the process that started this one has ended."""


def warm_up(parts: Sequence[str] = PARTS) -> int:
    """Do for each part a small piece of work, as tasks do; return the number of pairs that were extracted.

    Args:
        parts: of `PARTS`, in the order in which they are compiled.

    Raises:
        ValueError: a part is unknown.
    """
    if unknown := set(parts) - set(PARTS):
        raise ValueError(f"expected parts of {', '.join(PARTS)}; got {', '.join(sorted(unknown))}")
    pairs = 0
    for part in parts:
        with tempfile.TemporaryDirectory() as folder:
            pairs += _WORK[part](Path(folder))
        mark_compiled(part)
    return pairs


def _match(folder: Path) -> int:
    path = folder / "list.txt"
    path.write_text("dog\nthe garden\nin the garden\ndog in the garden\n", encoding="utf-8")
    matcher = compile_matcher(load_metadata(str(path)), "auto")
    matcher.match(pa.array(["a dog in the garden", 'a "dog" in the garden']))
    _count_and_balance()
    return 0


def _language(folder: Path) -> int:
    load_identifier("lid176").identify(pa.array(["a dog in the garden"]))
    return 0


def _wat(folder: Path) -> int:
    # JSON without spaces, as extractors write it. JSON with spaces is parsed without the compiled loops.
    # All but the last record of a file are read together, by other loops than the last one.
    wat = _record("metadata", "application/json", json.dumps(_PAGE, separators=(",", ":")).encode())
    (folder / "made.wat.gz").write_bytes(2 * wat)
    return _extract(folder)


def _warc(folder: Path) -> int:
    warc = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + _HTML.encode()
    (folder / "made.warc.gz").write_bytes(_record("response", "application/http; msgtype=response", warc))
    return _extract(folder)


def _tables(folder: Path) -> int:
    lines = [json.dumps({"url": url, "text": "a dog in the garden"}) for url in _URLS[:1]]
    (folder / "made.jsonl").write_text("\n".join(lines), encoding="utf-8")
    for name, text in (("made.csv", 'a ""dog"" in the garden'), ("made.tsv", r"a \"dog\" in the garden")):
        sign = "\t" if name == "made.tsv" else ","
        (folder / name).write_text(f'url{sign}text\n{_URLS[0]}{sign}"{text}"\n', encoding="utf-8")
    return _extract(folder)


def _hosts(folder: Path) -> int:
    written_hosts(pa.array(_URLS))  # used by blocklists, takedowns and the report
    bad_hosts(pa.array(_URLS))
    return 0


def _extract(folder: Path) -> int:
    splits = splits_of(find_sources([str(folder)]))
    stamp = Stamp("warmup", "warmup", "warmup")
    batches = [batch for split in splits for batch in extract_split(split, ExtractOptions(), Tools(), stamp)]
    return sum(row == "pair" for batch in batches for row in batch.column("kind").to_pylist())


def _lists(folder: Path) -> int:
    """Match texts of two languages, one of which is written without spaces."""
    for name, entry in (("en", "dog"), ("zh", "\u72d7")):
        (folder / f"{name}.txt").write_text(f"{entry}\n", encoding="utf-8")
    matcher = WorldwideMatcher(Lists(lists_in(folder), compiled=folder / "compiled"))
    matcher.match(pa.array(["a dog", "\u9ed1\u72d7"]), pa.array(["en", "zh"]))
    matcher.lists.get("zh").match(pa.array(["\u9ed1\u72d7"]))
    return 0


_WORK = {
    "match": _match,
    "language": _language,
    "wat": _wat,
    "warc": _warc,
    "tables": _tables,
    "hosts": _hosts,
    "lists": _lists,
}


def _count_and_balance() -> None:
    """Count and multiply enough ids to reach the compiled loops."""
    matched = pa.array([[0, 1]] * SMALL, pa.list_(pa.int32()))
    sums = EntrySums(2)
    sums.add(matched)
    p = batch_probability(matched, np.ones(2))
    sums.add(matched, p > 0)


def _record(kind: str, content_type: str, payload: bytes) -> bytes:
    head = [
        "WARC/1.0",
        f"WARC-Type: {kind}",
        "WARC-Target-URI: https://example.org/pages/1",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(payload)}",
    ]
    return gzip.compress("\r\n".join([*head, "", ""]).encode() + payload + b"\r\n\r\n", mtime=0)


if __name__ == "__main__":
    chosen = sys.argv[1:]
    if WITH_PARENT in chosen:
        chosen.remove(WITH_PARENT)
        end_with_parent()
    print(f"{warm_up(chosen or PARTS)} pairs")
