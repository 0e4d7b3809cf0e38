"""No code is read from data: what the source calls, and what a planted pickle does."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from metaclip_spark.metadata.words import phrases_of
from metaclip_spark.metadata.worldwide.tokens import spaced_phrases

ROOT = Path(__file__).resolve().parents[2]
FILES = [
    path
    for folder in ("metaclip_spark", "jobs", "metadata")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "__pycache__" not in path.parts
]

FORBIDDEN = {
    "pickle.load pickle.loads pickle.Unpickler cloudpickle.load cloudpickle.loads dill.load dill.loads": "a pickle",
    "marshal.load marshal.loads shelve.open joblib.load pandas.read_pickle torch.load": "a pickle",
    "yaml.load yaml.load_all yaml.compose yaml.unsafe_load yaml.full_load": "YAML without a safe loader",
    "eval exec compile builtins.eval builtins.exec": "code",
    "os.system os.popen subprocess.getoutput subprocess.getstatusoutput": "a shell",
}
"""Calls, by their full name -> what they run or read."""
_KIND = {name: kind for names, kind in FORBIDDEN.items() for name in names.split()}
SAFE_LOADERS = {"yaml.SafeLoader", "_UniqueKeys"}
"""Loaders of YAML that make no objects; the second one is a subclass of the first."""

ALLOWED = {
    ("metaclip_spark/extract/isolated.py", "pickle.loads"): (1, "a pipe from a process that this one started"),
    ("metaclip_spark/spark/workers.py", "pickle.loads"): (5, "pipes between this process and those that it started"),
    ("metaclip_spark/spark/broadcast.py", "pickle.load"): (
        2,
        "a new folder of mode 0700 of this process, and an artifact that Spark gives to this session's tasks",
    ),
}
"""(file, call) -> how often it is there, and why nobody else can write what it reads."""

SQL = ("sql", "expr", "selectExpr")
"""Methods that take SQL as text."""
SQL_ALLOWED = {
    ("metaclip_spark/warehouse/statements.py", "sql"): (13, "names by quoted, values by sql_string"),
    ("metaclip_spark/warehouse/tables.py", "sql"): (1, "a view whose query is a constant"),
    ("metaclip_spark/warehouse/tables.py", "expr"): (1, "a condition of equal_to"),
    ("metaclip_spark/stages/survive.py", "expr"): (2, "--where and --group: the user's SQL in the user's session"),
    ("metaclip_spark/steps/pool.py", "expr"): (1, "--group"),
    ("metaclip_spark/spark/class_archive.py", "sql"): (1, "a constant, in a session of its own"),
}
"""(file, method) -> how often it takes a text that is no literal, and why nothing of the data can be in it."""


def calls(path: Path) -> Iterator[tuple[ast.Call, str]]:
    """Yield each call of a file and the full name of what it calls, whatever it was imported as."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            known |= {each.asname or each.name: each.name for each in node.names}
        if isinstance(node, ast.ImportFrom):
            known |= {each.asname or each.name: f"{node.module}.{each.name}" for each in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            first, dot, rest = ast.unparse(node.func).partition(".")
            yield node, known.get(first, first) + dot + rest


def is_unsafe(call: ast.Call, name: str) -> bool:
    """Return whether a call may run what it reads."""
    named = {word.arg: ast.unparse(word.value) for word in call.keywords}
    if name in ("yaml.load", "yaml.load_all", "yaml.compose"):
        return named.get("Loader", "") not in SAFE_LOADERS
    if name in ("numpy.load", "np.load"):
        return named.get("allow_pickle", "False") != "False"
    if name.startswith("subprocess.") and named.get("shell", "False") != "False":
        return True
    return name in _KIND


def unsafe_calls(path: Path) -> Counter[str]:
    """Return the unsafe calls of a file and their number."""
    return Counter(name for call, name in calls(path) if is_unsafe(call, name))


def test_no_call_runs_what_it_reads():
    """Every call that could is in `ALLOWED`, exactly as often as the reason was thought about."""
    found = {
        (path.relative_to(ROOT).as_posix(), name): number
        for path in FILES
        for name, number in unsafe_calls(path).items()
    }
    assert found == {where: number for where, (number, _) in ALLOWED.items()}


@pytest.mark.parametrize(
    "line",
    [
        "import pickle as p; p.load(f)",
        "from pickle import loads as l; l(b)",
        "import yaml; yaml.load(f)",
        "import yaml; yaml.load(f, Loader=yaml.Loader)",
        "import numpy as np; np.load(f, allow_pickle=True)",
        "import subprocess as s; s.run(c, shell=True)",
        "import torch; torch.load(f)",
        "exec(text)",
    ],
)
def test_the_check_sees_such_calls(tmp_path, line):
    """Under any name that the import gives."""
    (tmp_path / "a.py").write_text(line)
    assert sum(unsafe_calls(tmp_path / "a.py").values()) == 1


def test_sql_is_made_in_one_place():
    """A text of SQL is a literal, or its file and its reason are in `SQL_ALLOWED`."""
    found = Counter(
        (path.relative_to(ROOT).as_posix(), call.func.attr)
        for path in FILES
        for call, _ in calls(path)
        if isinstance(call.func, ast.Attribute) and call.func.attr in SQL
        if call.args and not isinstance(call.args[0], ast.Constant)
    )
    assert found == {where: number for where, (number, _) in SQL_ALLOWED.items()}


def test_no_table_for_spreadsheets_is_written():
    """Texts of the web leave as Parquet, JSON or HTML. The one TSV has words, none of which begins a formula.

    The one CSV has domains: `tests/unit/report/summary/test_template.py` shows that none begins a formula.
    """
    writers = {"csv.writer", "csv.DictWriter", "pyarrow.csv.write_csv"}
    called = {
        (path.relative_to(ROOT).as_posix(), name)
        for path in FILES
        for _, name in calls(path)
        if path.is_relative_to(ROOT / "metaclip_spark")
        if name in writers or name.rpartition(".")[2] in ("to_csv", "write_csv", "csv", "saveAsTextFile")
    }
    assert called == {("metaclip_spark/report/summary/domain_csv.py", "csv.writer")}
    signs = "=+-@\t\r\n"
    hostile = " ".join(
        f"{sign}{word} {sign}1 {word}{sign}" for sign in signs for word in ("cmd|'/C calc'!A0", "SUM", "é")
    )
    for phrases in (phrases_of, spaced_phrases):
        words = [word for run in phrases(hostile) for word in run]
        assert "SUM" in words
        assert [word for word in words if word[0] in signs] == []
