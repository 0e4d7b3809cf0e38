"""Make the small warehouse of format 1 that tests/e2e/test_upgrade.py upgrades.

    python tests/helpers/format_1.py OUT.tar.gz

Run it with a release of that format. The archive has the inputs and a warehouse: a snapshot in two batches and a later
one, a run after each, a second list by `match` with a run, and a takedown.
"""

from __future__ import annotations

import json
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / name) for name in ("e2e", "")]

ONE, TWO = "CC-MAIN-2024-10", "CC-MAIN-2024-18"
FILES = {(ONE, "1"): range(24), (ONE, "2"): range(12, 40), (TWO, "1"): range(30, 60)}
"""(snapshot, name of a file) -> the numbers of its pairs."""
SETTINGS = ["--config", str(Path(__file__).with_suffix(".yaml"))]


def write_file(root: Path, snapshot: str, name: str, numbers: Iterable[int]) -> None:
    """Write a WAT of generated pages."""
    from e2e_world import row, wat_of, wat_record, write_wat

    odd = wat_record("http://pages.example/odd", [{"url": "data:image/gif;base64,R0", "alt": "a cat"}])
    write_wat(root / "crawl-data" / snapshot / f"{name}.wat.gz", [*wat_of(row("a", n) for n in numbers), odd])


def write_inputs(root: Path) -> None:
    """Write the files of all snapshots, two lists, and the urls to take down."""
    from e2e_world import ENTRIES, row

    (root / "entries.json").write_text(json.dumps(ENTRIES), encoding="utf-8")
    (root / "other.json").write_text(json.dumps(["a", "road", *ENTRIES[4:]]), encoding="utf-8")
    (root / "urls.txt").write_text("\n".join(row("a", n)[0] for n in (3, 35, 50)) + "\n", encoding="utf-8")
    for (snapshot, name), numbers in FILES.items():
        write_file(root, snapshot, name, numbers)


def run_words(root: Path, snapshot: str, names: Iterable[str]) -> list[str]:
    """Return the words of `run` for some files of a snapshot."""
    inputs = [str(root / "crawl-data" / snapshot / f"{name}.wat.gz") for name in names]
    words = ["run", "--input", *inputs, "--snapshot", snapshot, "--metadata", str(root / "entries.json")]
    return [
        *words,
        "--warehouse",
        str(root / "warehouse"),
        "--no-lid",
        "--keep-unmatched",
        *SETTINGS,
        "--threshold",
        "4",
        "--json",
    ]


def commands(root: Path) -> list[list[str]]:
    """Return the commands that make the warehouse, in order."""
    at = ["--warehouse", str(root / "warehouse")]
    other = [*at, "--metadata", str(root / "other.json")]
    return [
        run_words(root, ONE, "1"),
        run_words(root, ONE, "12"),
        run_words(root, TWO, "1"),
        ["match", *other, *SETTINGS, "--keep-unmatched"],
        ["count", *other, *SETTINGS],
        ["balance", *other, *SETTINGS, "--threshold", "5"],
        ["takedown", *at, "--urls", str(root / "urls.txt")],
    ]


def make(archive: Path) -> None:
    """Write the archive."""
    from e2e_world import call

    from metaclip_spark.spark.embedded import embedded_session

    embedded_session()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "format-1"
        root.mkdir()
        write_inputs(root)
        for words in commands(root):
            ended = call(*words)
            if ended.status:
                raise SystemExit(f"{words} ended with status {ended.status}: {ended.err}")
        shutil.rmtree(root / "warehouse" / "reports")
        with tarfile.open(archive, "w:gz", compresslevel=9) as out:
            out.add(root, root.name)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
