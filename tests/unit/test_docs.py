"""The first minute of README runs verbatim, and the pages of docs/api equal the docstrings."""

from __future__ import annotations

import builtins
import importlib.util
import inspect
import re
import sys
from pathlib import Path

import pytest

import metaclip_spark as mc
from metaclip_spark import errors
from metaclip_spark.verbs import facade

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


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    """Return the pages of docs/api, rendered from the docstrings."""
    if sys.version_info < (3, 11):
        pytest.skip("griffe2md needs Python 3.11")
    spec = importlib.util.spec_from_file_location("api_build", ROOT / "docs" / "api" / "build.py")
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    return build.render()


def test_the_api_pages_equal_the_docstrings(pages):
    """`python docs/api/build.py` would change nothing, and no verb is missing."""
    stored = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "api").glob("*.md")}
    assert stored.keys() == pages.keys()
    for name, page in pages.items():
        assert stored[name] == page, f"docs/api/{name} is out of date; run: python docs/api/build.py"
    headings = re.findall(r"^## `metaclip_spark\.(\w+)`$", pages["verbs.md"], re.MULTILINE)
    assert sorted(headings) == sorted(facade.__all__)
    assert "`mc.local.curate(table, ...)`" in pages["local.md"]
    assert "](#" not in "".join(pages.values())


@pytest.mark.parametrize("name", [*facade.__all__, "choose_threshold", "load_metadata"])
def test_every_line_of_a_docstring_is_on_the_page(pages, name):
    """The page has each line of a docstring, with every bracket, backtick and word."""
    lines = pages["verbs.md" if name in facade.__all__ else "README.md"].splitlines()
    section = ""
    for line in inspect.getdoc(getattr(mc, name)).splitlines():
        text = line.strip()
        if re.fullmatch(r"(Args|Returns|Raises|Examples):", line):
            section = line
        elif text and text != "<BLANKLINE>":
            entry = re.match(r"    (\w+): (.*)", line) if section in ("Args:", "Raises:") else None
            wanted = entry[2] if entry else text
            assert any(shown.endswith(wanted) for shown in lines), text
            if entry and section == "Raises:":
                assert f"- <code>{entry[1]}</code> – {wanted}" in lines
            elif entry:
                assert any(re.fullmatch(rf"- \*\*{entry[1]}\*\* .* – {re.escape(wanted)}", shown) for shown in lines)


def test_the_api_pages_have_no_broken_markup(pages):
    """Tags, backticks and brackets are balanced in prose, and every raised class exists."""
    assert "(double, in [0, 1))" in pages["verbs.md"]
    for page in pages.values():
        raised = re.findall(r"\*\*Raises:\*\*\n\n((?:.+\n)+)", page)
        classes = [name for block in raised for name in re.findall(r"^- <code>(.*)</code> – ", block, re.MULTILINE)]
        assert {vars(errors).get(name) or vars(builtins)[name] for name in classes} <= set(every_exception())
        prose = re.sub(r"^```.*?^```$", "", page, flags=re.DOTALL | re.MULTILINE)
        for paragraph in re.split(r"\n\n|\n(?=- )", prose):
            closed = paragraph.replace("[0, 1)", "")
            assert closed.count("`") % 2 == 0, paragraph
            for first, last in ("[]", "()", ("<code>", "</code>")):
                assert closed.count(first) == closed.count(last), paragraph
    assert "Raises" in pages["verbs.md"]


def every_exception(root: type = Exception) -> list[type]:
    """Return a class and all its subclasses."""
    return [root, *(found for child in root.__subclasses__() for found in every_exception(child))]
