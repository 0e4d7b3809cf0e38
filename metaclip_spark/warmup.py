"""Compile the kernels that a worker compiles at its first file, so that an archive or a container image has them.

    python -m metaclip_spark.warmup [PART...]

Several processes can compile a part each at the same time: `match` (an entry list, matches, counts), `wat` (a WAT,
ids), `rest` (WARC, tables, lists of hosts) and `lists` (the lists of languages, for --worldwide). Without a part, all
are compiled.

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


PARTS = ("match", "wat", "rest", "lists")


def warm_up(parts: Sequence[str] = PARTS) -> int:
    """Extract a WAT and a WARC of one page each and three tables, as tasks do; return the number of pairs.

    Args:
        parts: of `PARTS`; what another process compiles is left out. Without `match`, pairs are not matched.

    Raises:
        ValueError: a part is unknown.
    """
    if unknown := set(parts) - set(PARTS):
        raise ValueError(f"expected parts of {', '.join(PARTS)}; got {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "list.txt").write_text("dog\nthe garden\nin the garden\ndog in the garden\n", encoding="utf-8")
        matcher = None
        if "match" in parts:
            matcher = compile_matcher(load_metadata(str(Path(folder, "list.txt"))), "auto")
            matcher.match(pa.array(["a dog in the garden", 'a "dog" in the garden']))
            _count_and_balance()
        if "wat" in parts:
            # JSON without spaces, as extractors write it. JSON with spaces is parsed without the compiled loops.
            # All but the last record of a file are read together, by other loops than the last one.
            wat = _record("metadata", "application/json", json.dumps(_PAGE, separators=(",", ":")).encode())
            Path(folder, "made.wat.gz").write_bytes(2 * wat)
        if "rest" in parts:
            _write_others(folder)
            written_hosts(pa.array(_URLS))  # used by blocklists and takedowns
            bad_hosts(pa.array(_URLS))
        if "lists" in parts:
            _match_by_language()
        if not {"wat", "rest"} & set(parts):
            return 0
        tools = Tools(matcher=matcher, identifier=load_identifier("lid176"))
        splits = splits_of(find_sources([folder]))
        stamp = Stamp("warmup", "warmup" if matcher is None else matcher.metadata_id, "warmup")
        batches = [batch for split in splits for batch in extract_split(split, ExtractOptions(), tools, stamp)]
    return sum(row == "pair" for batch in batches for row in batch.column("kind").to_pylist())


def _match_by_language() -> None:
    """Match texts of two languages, one of which is written without spaces."""
    with tempfile.TemporaryDirectory() as folder:
        for name, entry in (("en", "dog"), ("zh", "\u72d7")):
            Path(folder, f"{name}.txt").write_text(f"{entry}\n", encoding="utf-8")
        matcher = WorldwideMatcher(Lists(lists_in(folder), compiled=Path(folder, "compiled")))
        matcher.match(pa.array(["a dog", "\u9ed1\u72d7"]), pa.array(["en", "zh"]))
        matcher.lists.get("zh").match(pa.array(["\u9ed1\u72d7"]))


def _write_others(folder: str) -> None:
    """Write a WARC and three tables."""
    warc = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + _HTML.encode()
    Path(folder, "made.warc.gz").write_bytes(_record("response", "application/http; msgtype=response", warc))
    lines = [json.dumps({"url": url, "text": "a dog in the garden"}) for url in _URLS[:1]]
    Path(folder, "made.jsonl").write_text("\n".join(lines), encoding="utf-8")
    for name, text in (("made.csv", 'a ""dog"" in the garden'), ("made.tsv", r"a \"dog\" in the garden")):
        sign = "\t" if name == "made.tsv" else ","
        Path(folder, name).write_text(f'url{sign}text\n{_URLS[0]}{sign}"{text}"\n', encoding="utf-8")


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
    print(f"{warm_up(sys.argv[1:] or PARTS)} pairs")
