"""What README and docs/api show is true: the first minute runs as it stands, the pages are those of the docstrings."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_the_first_minute_of_the_readme_gives_what_it_shows(monkeypatch):
    """The block runs in the repository's folder; its last line gives the value in the comment below it."""
    monkeypatch.chdir(ROOT)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"^## The first minute\n.*?^```python\n(.*?)^```", readme, re.DOTALL | re.MULTILINE).group(1)
    *lines, shown, result = block.strip().splitlines()
    names: dict = {}
    exec("\n".join(lines), names)
    assert eval(shown, names) == eval(result.removeprefix("# "))


@pytest.mark.skipif(sys.version_info < (3, 11), reason="griffe2md needs Python 3.11")
def test_the_api_pages_are_those_of_the_docstrings():
    """`python docs/api/build.py` would change nothing, and no verb is missing."""
    spec = importlib.util.spec_from_file_location("api_build", ROOT / "docs" / "api" / "build.py")
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    pages = build.render()
    stored = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "api").glob("*.md")}
    assert stored.keys() == pages.keys()
    for name, page in pages.items():
        assert stored[name] == page, f"docs/api/{name} is out of date; run: python docs/api/build.py"
    for verb in ("curate", "match", "count_entries", "balance", "explain"):
        assert f"## `metaclip_spark.{verb}`" in pages["spark.md"]
        assert f"## `metaclip_spark.local.{verb}`" in pages["local.md"]
    assert "](#" not in "".join(pages.values())
