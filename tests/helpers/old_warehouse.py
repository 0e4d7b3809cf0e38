"""Make the small warehouse of an earlier version that tests/e2e/test_old_warehouse.py opens.

    python tests/helpers/old_warehouse.py OUT.tar.gz

Run it with the version whose format is to be kept. The archive holds the inputs, a warehouse (one crawl curated, a
second one extracted and no further), and `expected.json`: what that version's tables were after the second crawl.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "e2e"), str(Path(__file__).resolve().parents[1])]

CRAWLS = ("CC-MAIN-2024-10", "CC-MAIN-2024-18")
TABLES = ("pairs", "entry_counts", "entry_probabilities", "curated_pairs", "sources", "rejects")
_DIFFERS = {"batch_id"}
"""Columns that are new in every attempt."""


def command(*words: object) -> str:
    """Run a command of `metaclip-spark` in this process and return its standard output."""
    from metaclip_spark.cli import main

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        status = main([str(word) for word in words])
    if status != 0:
        raise SystemExit(f"{words} ended with status {status}")
    return out.getvalue()


def flags(root: Path, crawl: str) -> list[object]:
    """Return the flags of `run` for one crawl below `root`."""
    return [
        "--input",
        root / "crawl-data" / crawl,
        "--snapshot",
        crawl,
        "--metadata",
        root / "entries.json",
        "--warehouse",
        root / "warehouse",
        "--no-lid",
        "--opt-outs",
        "noai,noimageai,tdm",  # the default of that version; that of this one has more
        "--threshold",
        4,
        "--seed",
        7,
        "--files-per-commit",
        1,
    ]


def _is_later(key: str, row: dict[str, Any]) -> bool:
    """Return whether a column came with a later release, and is null as in a warehouse of one list."""
    return key in ("list_lang", "list_texts", "list_matched") and row[key] is None


def results(spark: Any, warehouse: Path) -> dict[str, list[str]]:
    """Return every table's rows as sorted lines of JSON."""
    found = {}
    for name in TABLES:
        rows = spark.read.format("delta").load(str(warehouse / name)).toArrow().to_pylist()
        plain = [{key: row[key] for key in row if key not in _DIFFERS and not _is_later(key, row)} for row in rows]
        found[name] = sorted(json.dumps(row, sort_keys=True, default=str) for row in plain)
    return found


def write_inputs(root: Path) -> None:
    """Write two crawls of two files each, and an entry list."""
    from e2e_world import ENTRIES, SHARED, TAIL, row, wat_of, wat_record, write_wat

    (root / "entries.json").write_text(json.dumps(ENTRIES), encoding="utf-8")
    for crawl, names in zip(CRAWLS, (("a", "b"), ("c", "d")), strict=True):
        for name in names:
            rows = [row(name, number) for number in range(40)]
            records = wat_of([*rows, SHARED, rows[3], TAIL])
            records.append(
                wat_record("http://pages.example/odd", [{"url": "data:image/gif;base64,R0", "alt": "a cat"}])
            )
            write_wat(root / "crawl-data" / crawl / f"{name}.wat.gz", records)


def make(archive: Path) -> None:
    """Write the archive."""
    from e2e_world import FOR_A_DOZEN_ROWS

    try:
        from metaclip_spark.spark.session import get_session
    except ModuleNotFoundError:  # before 0.2
        from metaclip_spark.session import get_session

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "old"
        root.mkdir()
        write_inputs(root)
        spark = get_session("local[2]", "4g", FOR_A_DOZEN_ROWS)
        first, second = CRAWLS
        ran = json.loads(command("run", *flags(root, first), "--json"))
        command("extract", *[word for word in flags(root, second) if word not in ("--threshold", 4, "--seed", 7)])
        shutil.copytree(root, root.parent / "kept")
        expected: dict[str, Any] = {"first": ran["run_id"]}
        done = json.loads(command("run", *flags(root, second), "--json"))
        expected |= {
            "second": done["run_id"],
            "curated_size": done["curated_size"],
            "tables": results(spark, root / "warehouse"),
        }
        shutil.rmtree(root)
        (root.parent / "kept").rename(root)
        (root / "expected.json").write_text(json.dumps(expected, sort_keys=True), encoding="utf-8")
        shutil.rmtree(root / "warehouse" / "reports", ignore_errors=True)
        with tarfile.open(archive, "w:gz", compresslevel=9) as out:
            out.add(root, "old")


if __name__ == "__main__":
    make(Path(sys.argv[1]))
