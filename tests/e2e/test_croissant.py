"""mlcroissant accepts the description of an export, and reads the rows that the Parquet files have."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from e2e_world import call, flag_words
from own_venv import own_venv

pytestmark = [pytest.mark.spark, pytest.mark.slow, pytest.mark.timeout(1800)]

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tests" / "croissant"


@pytest.fixture(scope="module")
def python() -> Path:
    """Return the Python of .venv-croissant; create the environment if it is missing or outdated.

    mlcroissant wants another pandas than pyspark.
    """
    return own_venv("croissant", FOLDER / "requirements.txt") / "python"


def read(python: Path, export: Path, cwd: Path) -> dict:
    """Return what mlcroissant finds in an export: errors, warnings and records."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [python, FOLDER / "read.py", export / "_croissant.json"]
    done = subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("format", ["parquet", "webdataset-index"])
def test_the_rows_of_an_export_are_read_by_its_description(undisturbed, python, tmp_path, format):
    """All columns but the kept ones. What only the publisher can say is missed until `--describe` says it."""
    words = {"warehouse": undisturbed.warehouse, "stage": "pairs", "format": format, "shards": 3}
    assert call("export", *flag_words(**words, output=tmp_path / "plain")).status == 0
    found = read(python, tmp_path / "plain", tmp_path)
    assert found["errors"] == []
    missed = {"license", "citeAs", "datePublished", "version"}
    assert {name for name in missed if any(f"/{name}" in warning for warning in found["warnings"])} == missed
    assert len(found["warnings"]) == len(missed)
    said = [f"{name}={value}" for name, value in SAID.items()]
    describe = [word for one in said for word in ("--describe", one)]
    assert call("export", *flag_words(**words, output=tmp_path / "told"), *describe).status == 0
    told = read(python, tmp_path / "told", tmp_path)
    assert (told["errors"], told["warnings"]) == ([], [])
    rows = [row for path in sorted((tmp_path / "told").glob("*.parquet")) for row in pq.read_table(path).to_pylist()]
    wanted = [{f"pairs/{name}": row[name] for name in row if not name.startswith("extra")} for row in rows]
    assert len(wanted) > 10
    key = next(iter(wanted[0]))
    for of_export in (found, told):
        assert list(of_export["records"]) == ["pairs"]
        assert sorted(of_export["records"]["pairs"], key=lambda row: row[key]) == sorted(
            wanted, key=lambda row: row[key]
        )


SAID = {
    "license": "https://spdx.org/licenses/CC-BY-4.0",
    "url": "https://example.org/pairs",
    "creator": "A lab",
    "citeAs": "A lab (2026): pairs",
    "datePublished": "2026-11-28",
    "version": "1.0.0",
}
