"""Every flag, command, file, module and identifier that docs, messages and docstrings name exists."""

from __future__ import annotations

import ast
import functools
import importlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "metaclip_spark"

OF_OTHER_TOOLS = {
    "airflow": "--constraint --dag-id --from-date --to-date",
    "curl, chromium": "--headless --screenshot",
    "databricks": "--host --params --profile --recursive --target --var",
    "docker": "--build-arg --rm",
    "git": "--dirty --short",
    "img2dataset": "--caption_col --compute_hash --disallowed_header_directives --enable_wandb --extra_columns "
    "--hash_col --image_size --input_format --min_image_size --number_sample_per_shard --output_folder --output_format "
    "--processes_count --resize_mode --resize_only_if_bigger --retries --save_additional_columns --thread_count "
    "--timeout --url_col --url_list --user_agent_token --verify_hash",
    "pip": "--force-reinstall --no-cache-dir --no-deps --quiet --require-hashes --upgrade --user --wheel-dir",
    "ruff": "--check",
    "spark": "--archives --class --conf --deploy-mode --driver-memory --executor-cores --executor-memory --files "
    "--host --load-spark-defaults --memory --name --num-executors --packages --port --properties-file --py-files",
}
"""Flags of other tools whose commands the docs show."""


def test_flags_that_are_named_exist():
    """A flag in a document, a docstring or a message is one of our commands, our scripts, or a tool that is shown."""
    known = flags_of_commands() | flags_of_scripts() | set(" ".join(OF_OTHER_TOOLS.values()).split())
    missing = [
        (place, flag)
        for place, text in everything()
        for flag in re.findall(r"(?<![\w-])--[a-z][a-z0-9_-]*[a-z0-9](?![\w*])", text)
        if flag not in known and not any(other.startswith(f"{flag}-") for other in known if f"{flag}-..." in text)
    ]
    assert missing == []


def test_commands_that_are_named_exist():
    """`metaclip-spark X Y` names a command, and a sub-command where the command is a group."""
    missing = []
    for place, text in everything():
        for words in re.findall(r"metaclip-spark ((?:[a-z][a-z-]*)(?: [a-z][a-z-]*)?)(?![\w/.=-])", text):
            first, _, second = words.partition(" ")
            command = group().commands.get(first)
            if command is None and first not in ORDINARY_WORDS:
                missing.append((place, words))
            if isinstance(command, click.Group) and second and second not in command.commands:
                missing.append((place, words))
    assert missing == []


ORDINARY_WORDS = {"and", "into", "is", "on", "package", "reads", "selects", "takes", "with", "writes"}
"""What may follow the program's name in a sentence."""


def test_files_that_are_named_exist():
    """A path into the repository, or below the package, is there; so is a Python file that is named alone."""
    tracked = files()
    folders = {parent.as_posix() for path in tracked for parent in Path(path).parents}
    names = {Path(path).name for path in tracked}
    tops = {path.split("/")[0] for path in tracked if "/" in path}
    below = {path.split("/")[1] for path in tracked if path.startswith("metaclip_spark/") and path.count("/") > 1}
    missing = []
    for place, text in everything():
        for path in re.findall(r"(?<![\w/.~$:{}<>-])((?:\.\./)?[\w.-]+(?:/[\w.-]+)+/?)(?![\w*{}<$/])", text):
            path = path.rstrip("/.")
            head = path.split("/")[0]
            candidates = {path, f"metaclip_spark/{path}", (Path(place).parent / path).as_posix()}
            candidates |= {f"{candidate}.py" for candidate in candidates}
            known = head in tops or (head in below and re.search(r"\.(py|j2)$", path))
            if known and not candidates & (set(tracked) | folders) and not made_later(path):
                missing.append((place, path))
        for name in re.findall(r"(?<![\w/.~*{}<>'\"-])([a-z]\w*\.py)(?![\w*])", text):
            if name not in names and name not in OF_USERS:
                missing.append((place, name))
    assert missing == []


OF_USERS = {"my_filters.py", "train.py", "download_upstream.py", "resharder.py"}
"""Files that the docs ask a reader to write, and those of DataComp."""


def made_later(path: str) -> bool:
    """Return whether a command or a reader makes the path: a build, a warehouse, a module `x` of one's own."""
    return (
        Path(path).stem == "x"
        or path.split("/")[0] in ("dist", "warehouse", ".venv")
        or path.endswith((".tar.gz", ".whl"))
    )


def test_modules_that_are_named_exist():
    """`metaclip_spark.x.y` is a module, or a name in one."""
    missing = []
    for place, text in everything():
        for dotted in re.findall(r"\bmetaclip_spark(?:\.[A-Za-z_]\w*)+", text):
            if not resolves(dotted) and dotted not in ("metaclip_spark.zip", "metaclip_spark.tasks"):
                missing.append((place, dotted))
    assert missing == []


def test_identifiers_in_docstrings_exist():
    """A constant or class in backticks in prose of the package is a name in its code or of a library."""
    known = identifiers()
    missing = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for text in prose_of(path):
            for name in re.findall(r"`([A-Z][A-Za-z0-9]*(?:_[A-Z0-9]+)*|_?[A-Z][A-Z0-9_]{2,})`", text):
                if name not in known and name not in OF_LIBRARIES:
                    missing.append((path.relative_to(ROOT).as_posix(), name))
    assert missing == []


OF_LIBRARIES = {"DataFrame", "Table", "SparkSession", "RecordBatch", "Array", "ListArray", "StringArray", "DeltaTable"}


@functools.cache
def everything() -> tuple[tuple[str, str], ...]:
    """Return (place, text) of every document, script, docstring, comment and message."""
    found = [(place, (ROOT / place).read_text(encoding="utf-8")) for place in documents()]
    found += [(place, usage_of(ROOT / place)) for place in files() if place.endswith(".sh")]
    for place in files():
        if place.endswith(".py") and place.startswith(("metaclip_spark/", "jobs/", "docs/", "metadata/")):
            found += [(place, text) for text in prose_of(ROOT / place)]
    return tuple(found)


def documents() -> list[str]:
    """Return the Markdown files, without the history: CHANGELOG names what was there once."""
    return [place for place in files() if place.endswith(".md") and place != "CHANGELOG.md"]


@functools.cache
def files() -> tuple[str, ...]:
    """Return the repository's files, those that are not ignored."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip(f"the files of the repository cannot be listed: {listed.stderr.strip()}")
    return tuple(place for place in listed.stdout.splitlines() if (ROOT / place).is_file())


def usage_of(path: Path) -> str:
    """Return the comments and the printed texts of a shell script, not its commands."""
    text = path.read_text(encoding="utf-8")
    printed = re.findall(r"<<'?END'?\n(.*?)\nEND\n", text, re.DOTALL)
    said = re.findall(r"^ *(?:say|fail)\b(.*)$", text, re.MULTILINE)
    return "\n".join([*printed, *said, *re.findall(r"^\s*#(?!!)(.*)$", text, re.MULTILINE)])


def prose_of(path: Path) -> Iterator[str]:
    """Yield the comments, docstrings and other strings of a Python file."""
    text = path.read_text(encoding="utf-8")
    for line in text.splitlines():
        if line.lstrip().startswith("#"):
            yield line
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.value
        if isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else "{}" for part in node.values]
            yield "".join(str(part) for part in parts)


def group() -> click.Group:
    """Return the root command."""
    from metaclip_spark.cli.app import cli

    return cli


def flags_of_commands() -> set[str]:
    """Return every flag of every command."""

    def walk(command: click.Command) -> Iterator[str]:
        for parameter in command.params:
            yield from [*parameter.opts, *parameter.secondary_opts]
        for below in getattr(command, "commands", {}).values():
            yield from walk(below)

    return {"--help", "--version", *walk(group())}


def flags_of_scripts() -> set[str]:
    """Return the flags that our shell scripts and argparse scripts take."""
    found: set[str] = set()
    for place in files():
        text = (ROOT / place).read_text(encoding="utf-8") if place.endswith((".sh", ".py")) else ""
        if place.endswith(".sh"):
            found |= set(re.findall(r"(?:^|[\s|(])(--[a-z][a-z-]*)(?==\*)?(?:=\*)?\s*[|)]", text, re.MULTILINE))
        found |= set(re.findall(r"add_argument\(\s*\"(--[a-z][a-z-]*)\"", text))
        found |= set(re.findall(r"addoption\(\s*\"(--[a-z][a-z-]*)\"", text))
    return found


def resolves(dotted: str) -> bool:
    """Return whether a dotted name is a module or an attribute of one."""
    parts = dotted.split(".")
    for size in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:size]))
        except ModuleNotFoundError:
            continue
        for part in parts[size:]:
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


@functools.cache
def identifiers() -> frozenset[str]:
    """Return every name in the code of the package, and the words of its short strings."""
    found: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Name):
                found.add(node.id)
            elif isinstance(node, ast.Attribute):
                found.add(node.attr)
            elif isinstance(node, ast.ClassDef | ast.FunctionDef):
                found.add(node.name)
            elif isinstance(node, ast.alias):
                found.add(node.name.rpartition(".")[2])
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 100:
                found |= set(re.findall(r"\w+", node.value)) if "`" not in node.value else set()
    return frozenset(found)
