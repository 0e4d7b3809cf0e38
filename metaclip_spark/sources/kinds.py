"""The kinds of files by their suffixes: those that are read, and what to do with the usual ones that are not."""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit

from metaclip_spark.storage.open import is_remote

SUFFIXES = {
    ".wat.gz": "wat",
    ".warc.gz": "warc",
    ".warc": "warc",
    ".parquet": "parquet",
    ".tsv": "tsv",
    ".tsv.gz": "tsv",
    ".csv": "csv",
    ".csv.gz": "csv",
    ".jsonl": "jsonl",
    ".jsonl.gz": "jsonl",
}

_PACKED = ("gz", "zst", "zstd", "bz2", "xz", "lz4", "br", "snappy", "zip", "7z", "deflate", "tmp", "part", "crc")
_ENDING = re.compile(rf"(\.[a-z][a-z0-9_-]{{0,9}})?(\.(?:{'|'.join(_PACKED)}))$|\.[a-z0-9_-]{{1,12}}$", re.IGNORECASE)
_TEXT = r"(?:tsv|csv|jsonl|warc)"

_ADVICE = (
    (rf"\.{_TEXT}\.(?:zst|zstd|bz2|xz|lz4|br|zip)$", "decompress it; of the compressed files, only .gz is read"),
    (r"\.parquet\.\w+$", "decompress it: Parquet compresses its own columns"),
    (r"\.(?:parq|pq|pqt)$", "rename it to .parquet"),
    (r"\.(?:ndjson|jsonlines|ldjson)(?:\.gz)?$", "if it has one JSON object per line, rename it to .jsonl[.gz]"),
    (r"\.json(?:\.gz)?$", "if it has one JSON object per line, rename it to .jsonl[.gz]; else write its rows so"),
    (r"\.(?:tab|psv)(?:\.gz)?$", "if its fields are separated by tabs, rename it to .tsv[.gz]"),
    (r"\.wacz$", "unzip it and give the WARC files of its folder archive"),
    (r"\.arc(?:\.gz)?$", "convert it to WARC, e.g. warcio recompress FILE.arc.gz FILE.warc.gz"),
    (r"\.wet(?:\.gz)?$", "a WET file has no image links: give the WAT or WARC file of the same name"),
    (r"\.wat$", "gzip it: a WAT file is read as .wat.gz"),
    (r"\.(?:tar|tgz|zip|7z|rar)$|\.tar\.\w+$", "unpack it; of a dataset in shards, give the Parquet files beside it"),
    (
        r"\.(?:arrow|feather|ipc|orc|avro|lance|xlsx?|sqlite3?|duckdb|db|pkl|pickle|h5|npz)$",
        "write its rows to Parquet",
    ),
)


def format_of(path: str) -> str | None:
    """Return the format that a file's suffix stands for, or None."""
    name = _name(path).lower()
    return next((kind for suffix, kind in SUFFIXES.items() if name.endswith(suffix)), None)


def ending_of(path: str) -> str:
    """Return the ending of a file's name, with the one before it where it only says how the file is compressed.

    >>> ending_of("a/b.warc.zst"), ending_of("part-0.c000.ZST"), ending_of("a/README"), ending_of(".bashrc")
    ('.warc.zst', '.c000.ZST', '', '')
    """
    found = _ENDING.search(os.path.basename(_name(path)).lstrip("."))
    return found[0] if found else ""


def advice_for(path: str) -> str:
    """Return what to do with a file that is not read, "" where its ending says nothing.

    >>> advice_for("a.pq")
    'rename it to .parquet'
    """
    name = _name(path).lower()
    return next((advice for pattern, advice in _ADVICE if re.search(pattern, name)), "")


def suffixes_text() -> str:
    """Return the suffixes of the files that are read, for an error."""
    return ", ".join(SUFFIXES)


def _name(path: str) -> str:
    return urlsplit(path).path if is_remote(path) else path
