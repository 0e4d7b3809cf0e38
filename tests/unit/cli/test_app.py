"""The command line up to the start of Spark: help, wrong usage, and one sentence per error."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import click
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from metaclip_spark.cli import app
from metaclip_spark.cli.options import spread_variadic
from metaclip_spark.commands import curation, opening
from metaclip_spark.config.setting import Group
from metaclip_spark.config.settings import SETTINGS, THINNING, Settings
from metaclip_spark.errors import MetaclipError
from metaclip_spark.spark import engine, session
from metaclip_spark.version import full_version

ROOT = Path(__file__).parents[3]
COMMANDS = [
    "run",
    "extract",
    "dedup",
    "match",
    "count",
    "balance",
    "plan",
    "sweep",
    "explain",
    "report",
    "export",
    "benchmark",
    "takedown",
]


@dataclass
class Ended:
    """The exit status and the output of a command."""

    status: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The one line of an error, after the lines of progress."""
        assert "Traceback" not in self.err
        lines = [line for line in self.err.splitlines() if line.startswith("metaclip-spark: ")]
        assert len(lines) == 1, self.err
        assert self.err.splitlines()[-1] == lines[0]
        return lines[0].removeprefix("metaclip-spark: ")


class StartedSparkError(AssertionError):
    """A command reached the start of Spark."""


@pytest.fixture(autouse=True)
def no_spark(monkeypatch):
    """Raise this error where a command would start a JVM; the command then ends with status 1."""

    def refuse(*args, **kwargs):
        raise StartedSparkError("Spark would start now")

    monkeypatch.setattr(opening, "open_engine", refuse)


@pytest.fixture
def metaclip(capsys):
    """Run a command in this process."""

    def command(*words: object) -> Ended:
        capsys.readouterr()
        status = app.main([str(word) for word in words])
        captured = capsys.readouterr()
        return Ended(status, captured.out, captured.err)

    return command


@dataclass
class Files:
    """The files of a correct command."""

    folder: Path
    pool: Path
    entries: Path

    @property
    def warehouse(self) -> Path:
        return self.folder / "warehouse"

    def flags(self, **changed: object) -> list[object]:
        """Return the flags of a correct `run`, with changes; None removes a flag."""
        flags = {"--input": self.pool, "--metadata": self.entries, "--warehouse": self.warehouse}
        flags |= {"--" + name.replace("_", "-"): value for name, value in changed.items()}
        return [word for flag, value in flags.items() if value is not None for word in (flag, value)]

    def entry_list(self, content: object) -> Path:
        """Write a list with this content, as JSON or, if it is a string, as it is."""
        path = self.folder / "other.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path


@pytest.fixture
def files(tmp_path) -> Files:
    """Write a small pool and a small list."""
    made = Files(tmp_path, tmp_path / "pool.parquet", tmp_path / "list.json")
    pq.write_table(pa.table({"url": ["u1"], "text": ["a cat"]}), made.pool)
    made.entries.write_text('["cat"]')
    return made


def test_a_correct_command_gets_as_far_as_spark(metaclip, files):
    """The mistakes of the other tests are refused before Spark starts."""
    ended = metaclip("run", *files.flags())
    assert ended.status == 1
    assert "Spark would start now" in ended.sentence


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_lists_the_commands(metaclip, flag):
    """Help is not an error, and goes to stdout."""
    ended = metaclip(flag)
    assert (ended.status, ended.err) == (0, "")
    assert "Usage: metaclip-spark" in ended.out
    for name in [*COMMANDS, "metadata", "runs"]:
        assert f"\n  {name} " in ended.out


@pytest.mark.parametrize(
    "name",
    [
        *([name] for name in COMMANDS),
        ["metadata"],
        ["metadata", "build"],
        ["runs"],
        ["runs", "list"],
        ["runs", "show"],
        ["runs", "prune"],
    ],
    ids=" ".join,
)
def test_every_command_has_help(metaclip, name):
    """Every command has a description, and every flag has a help text."""
    ended = metaclip(*name, "--help")
    assert (ended.status, ended.err) == (0, "")
    assert f"Usage: metaclip-spark {' '.join(name)}" in ended.out
    command: click.Command = app.cli
    for word in name:
        command = command.commands[word]
    assert (command.help or "").split(".")[0].split()[0] in ended.out
    for option in (param for param in command.params if isinstance(param, click.Option)):
        assert option.help, option.name
        assert max(option.opts, key=len) in ended.out


def test_help_shows_options_under_headings(metaclip):
    """Headings are in the order of `Group`, with the general options last, and no option is missing."""
    lines = metaclip("balance", "--help").out.splitlines()
    headings = [line.removesuffix(":") for line in lines if line.endswith(":") and not line.startswith(" ")]
    shown = {
        setting.group for name, setting in SETTINGS.items() if name in {param.name for param in app.balance.params}
    }
    assert headings == [*(group.value for group in Group if group in shown), "General"]
    flags = [line.split()[0].rstrip(",") for line in lines if line.startswith("  -")]
    assert len(flags) == len(set(flags)) == len(app.balance.params) + 1  # and --help
    threshold = lines.index("Threshold and sampling:")
    assert lines[threshold + 1].startswith("  -t, --threshold T ")


def test_help_shows_own_options_first(metaclip):
    """Options of this command only come before its settings; all help texts are in one column."""
    lines = metaclip("export", "--help").out.splitlines()
    assert lines.index("Options:") < lines.index("Warehouse:") < lines.index("General:")
    columns = {len(line) - len(line[3:].partition("  ")[2].lstrip()) for line in lines if line.startswith("  --s")}
    assert len(columns) == 1


def test_help_shows_a_default_once(metaclip, monkeypatch):
    """A default is shown as it would be typed; words describe a default that is not a value."""
    monkeypatch.setenv("COLUMNS", "110")
    out = " ".join(metaclip("run", "--help").out.split())
    assert "[default: alt,title,data-image-title]" in out
    assert "[default: the name of the crawl, otherwise default]" in out
    assert "[default: half of the machine's memory]" in out
    assert "] [default" not in out
    assert "()" not in out


def test_a_group_without_a_command_shows_its_help(metaclip):
    """The name alone lists the commands of the group."""
    for words in ([], ["metadata"]):
        ended = metaclip(*words)
        assert "Commands:" in ended.out + ended.err
        assert "Traceback" not in ended.err


def test_version(metaclip):
    """The version is that of the package."""
    ended = metaclip("--version")
    assert (ended.status, ended.out) == (0, f"metaclip-spark, version {full_version()}\n")


def test_the_module_is_the_command():
    """python -m metaclip_spark is the same program, exit status included."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    for words, status in ((["--version"], 0), (["run", "--nonsense"], 2)):
        done = subprocess.run([sys.executable, "-m", "metaclip_spark", *words], env=env, capture_output=True, text=True)
        assert done.returncode == status
        assert "Traceback" not in done.stderr


def test_every_setting_is_a_flag_of_run():
    """Every key of the YAML file is a flag of `run`, except those for later stages and for a part of the pool."""
    of = {command.name: {option.name for option in command.params} for command in (app.run, app.balance)}
    flags = of["run"] - {"config", "debug", "as_json"}
    assert flags == set(Settings.model_fields) - {"pinned", *THINNING}
    assert of["balance"] >= {"pinned", *THINNING}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "--treshold", "5"], "No such option"),
        (["walk"], "No such command 'walk'"),
        (["run", "stray.parquet"], "unexpected extra argument"),
        (["run", "--input"], "requires an argument"),
        (["run", "--threshold"], "requires an argument"),
        (["metadata", "build"], "Missing option '--output'"),
        (["metadata", "melt"], "No such command 'melt'"),
    ],
)
def test_wrong_flags_are_wrong_usage(metaclip, words, message):
    """The exit status is 2, and the error goes to stderr, without a stack trace."""
    ended = metaclip(*words)
    assert (ended.status, ended.out) == (2, "")
    assert "Error: " in ended.err
    assert message in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("command", ["run", "extract", "plan"])
def test_no_input(metaclip, files, command):
    """Commands that read sources refuse to start without input."""
    ended = metaclip(command, *files.flags(input=None))
    assert ended.status == 2
    assert ended.sentence == "input is missing; expected files, folders or globs, e.g. --input pool/*.parquet."


@pytest.mark.parametrize("command", ["run", "extract", "plan"])
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gone.parquet", "does not exist; expected a file, a folder or a glob."),
        ("*.csv", "matches no file; expected a file, a folder or a glob."),
        ("notes.md", "is of no known kind; expected a name ending in .wat.gz, "),
        ("empty", "no input in folder "),
    ],
)
def test_input_that_cannot_be_read(metaclip, files, command, name, message):
    """A path that does not exist, or has no known format, is refused before the start."""
    (files.folder / "notes.md").touch()
    (files.folder / "empty").mkdir()
    ended = metaclip(command, *files.flags(input=files.folder / name))
    assert ended.status == 2
    assert message in ended.sentence
    assert str(files.folder / name) in ended.sentence
    assert not files.warehouse.exists()


@pytest.mark.parametrize("command", ["run", "match"])
def test_no_list(metaclip, files, command):
    """Commands that match need a list; the error shows the flag."""
    flags = files.flags(metadata=None) if command == "run" else ["--warehouse", files.warehouse]
    ended = metaclip(command, *flags)
    assert ended.status == 2
    assert ended.sentence == ("metadata is missing; expected --metadata NAME or PATH, e.g. --metadata en.")


@pytest.mark.parametrize("command", ["run", "extract"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "the list is empty, expected at least one entry"),
        ({"cat": 1}, "the JSON is an object, expected an array of strings"),
        ("cat\ndog\n", "is not JSON"),
        ("", "is not JSON"),
        (["cat", 5], "position 1 (from 0) holds a number, expected a string"),
        (["cat", None], "position 1 (from 0) holds null, expected a string"),
        ([["cat"]], "position 0 (from 0) holds an array, expected a string"),
        (["cat", "dog", "cat"], "1 entry repeats an earlier one ('cat' at positions 0 and 2)"),
        (["cat", ""], "position 1 (from 0) holds an empty entry"),
        (["  "], "position 0 (from 0) holds a blank entry"),
    ],
    ids=lambda value: str(value)[:25],
)
def test_lists_that_cannot_be_used(metaclip, files, command, content, message):
    """A list is refused if it is empty, has other elements than strings, or has repeated or empty entries."""
    path = files.entry_list(content)
    ended = metaclip(command, *files.flags(metadata=path))
    assert ended.status == 2
    assert message in ended.sentence
    assert ended.sentence.startswith(f"{path}: ")


def test_a_missing_list(metaclip, files):
    """The error names the given path."""
    ended = metaclip("run", *files.flags(metadata=files.folder / "gone.json"))
    assert ended.status == 2
    assert "gone.json: no such file" in ended.sentence


@pytest.mark.parametrize("command", ["run", "extract", "plan"])
@pytest.mark.parametrize("flag", ["url_column", "text_column", "lang_column", "keep_columns"])
def test_a_missing_column(metaclip, files, command, flag):
    """A wrong column is found in the first file before any work; the error names the existing columns."""
    ended = metaclip(command, *files.flags(**{flag: "caption"}))
    assert ended.status == 2
    assert ended.sentence.startswith(f"column 'caption' is missing in {files.pool}; got ['url', 'text']")


@pytest.mark.parametrize("name", ["pool.tsv", "pool.csv", "pool.tsv.gz"])
def test_a_missing_column_of_a_text_file(metaclip, files, name):
    """TSV and CSV files have their columns in the first line."""
    import gzip

    sep = "," if ".csv" in name else "\t"
    body = f"link{sep}caption\nu1{sep}a cat\n".encode()
    path = files.folder / name
    path.write_bytes(gzip.compress(body) if name.endswith(".gz") else body)
    ended = metaclip("run", *files.flags(input=path))
    assert ended.status == 2
    assert ended.sentence.startswith(f"column 'url' is missing in {path}; got ['link', 'caption']")


def test_a_damaged_file_is_not_a_wrong_flag(metaclip, files):
    """A broken footer becomes the outcome of that source later, and does not stop the command."""
    files.pool.write_bytes(b"PAR1 and no more")
    ended = metaclip("run", *files.flags())
    assert "Spark would start now" in ended.sentence


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "benchmark"])
def test_no_warehouse(metaclip, files, command):
    """Every command that uses tables needs a warehouse or a catalog."""
    flags = {
        "run": files.flags(warehouse=None),
        "extract": files.flags(warehouse=None),
        "plan": files.flags(warehouse=None),
        "match": ["--metadata", files.entries],
        "explain": ["--text", "a cat"],
        "takedown": ["--retain-hours", 1],
    }.get(command, [])
    ended = metaclip(command, *flags)
    assert ended.status == 2
    assert ended.sentence == "warehouse is missing; expected --warehouse DIR, or --catalog CATALOG.SCHEMA."


@pytest.mark.parametrize("command", ["run", "extract", "match"])
@pytest.mark.parametrize("place", ["file", "file/below", "/proc/nonexistent", "/dev/null/x"])
def test_a_warehouse_that_cannot_be_written(metaclip, files, command, place):
    """The error names a file in place of the folder, a path through a file, and a folder that cannot be made."""
    (files.folder / "file").touch()
    warehouse = place if place.startswith("/") else files.folder / place
    flags = files.flags(warehouse=warehouse, input=None if command == "match" else files.pool)
    ended = metaclip(command, *flags)
    assert ended.status == 2
    assert ended.sentence.startswith(f"warehouse {warehouse} cannot be written: ")


@pytest.mark.parametrize("words", [["report"], ["explain", "--text", "a cat"]], ids=lambda words: words[0])
def test_reading_a_missing_warehouse(metaclip, files, words):
    """A command that only reads does not make the folder."""
    ended = metaclip(*words, "--warehouse", files.warehouse)
    assert ended.status == 2
    assert "does not exist" in ended.sentence
    assert not files.warehouse.exists()


def test_plan_makes_no_folder(metaclip, files):
    """A plan leaves no files."""
    ended = metaclip("plan", *files.flags(), "--json")
    assert ended.status == 0, ended.err
    assert json.loads(ended.out)["sources"] == 1
    assert not files.warehouse.exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["-t", "0"], "threshold must be >= 1, got 0"),
        (["--threshold", "-5"], "threshold must be >= 1, got -5"),
        (["--threshold", "many"], "got 'many' (flag --threshold)."),
        (["-t", "5", "--tail-fraction", "0.1"], "--threshold and --tail-fraction both choose t; give one of them."),
        (["-t", "5", "--target-size", "9"], "--threshold and --target-size both choose t; give one of them."),
        (["--tail-fraction", "6"], "tail_fraction must be between 0 and 1, got 6"),
        (["--matcher", "regex"], "matcher must be one of auto, "),
        (["--seed", "x"], "got 'x' (flag --seed)."),
        (["--catalog", "a.b"], "--warehouse and --catalog both say where the tables are; give one of them."),
        (["--spark", "novalue"], "spark: expected NAME=VALUE (flag --spark)."),
        (["--config", "/gone.yaml"], "config /gone.yaml cannot be read: "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_settings_that_are_refused(metaclip, files, flags, message):
    """The error is one sentence, the exit status is 2, and nothing starts."""
    ended = metaclip("run", *files.flags(), *flags)
    assert ended.status == 2
    assert message in ended.sentence
    assert not files.warehouse.exists()


def settings_of(monkeypatch, metaclip, *words: object) -> Settings:
    """Return the settings that `run` is called with."""
    calls = []
    monkeypatch.setattr(curation, "run", lambda settings, *rest: calls.append(settings) or 0)
    ended = metaclip("run", *words)
    assert (ended.status, ended.err) == (0, "")
    return calls[0]


def test_flags_reach_the_command(monkeypatch, metaclip):
    """A flag may have several inputs, lists have commas, Spark settings are repeated, and switches have no value."""
    settings = settings_of(
        monkeypatch,
        metaclip,
        "--input",
        "a",
        "b",
        "-t",
        "50",
        "--input",
        "c",
        "--keep-columns",
        "w,h",
        "--no-dedup",
        "--spark",
        "x=1",
        "--spark",
        "y=a=b",
        "--snapshots",
        "s1,s2",
        "--seed",
        "-3",
    )
    assert settings.input == ("a", "b", "c")
    assert (settings.threshold, settings.seed, settings.no_dedup) == (50, -3, True)
    assert settings.keep_columns == ("w", "h")
    assert settings.spark == {"x": "1", "y": "a=b"}
    assert settings.snapshots == ("s1", "s2")


def test_a_switch_that_is_not_given_leaves_the_file_alone(monkeypatch, metaclip, tmp_path):
    """Switches and lists of the YAML file count unless a flag replaces them."""
    conf = tmp_path / "conf.yaml"
    conf.write_text("keep_unmatched: true\nno-dedup: true\ninput: [a, b]\nspark: {x: 1}\nseed: 4\nmatcher: naive\n")
    settings = settings_of(monkeypatch, metaclip, "--config", conf, "--seed", "0")
    assert (settings.keep_unmatched, settings.no_dedup, settings.matcher) == (True, True, "naive")
    assert (settings.input, settings.spark, settings.seed) == (("a", "b"), {"x": "1"}, 0)


def test_an_error_names_the_files_key(metaclip, tmp_path, monkeypatch):
    """The command line reports the key of the file as well."""
    monkeypatch.chdir(tmp_path)
    Path("conf.yaml").write_text("balance: {threshold: 0}\n")
    ended = metaclip("run", "--config", "conf.yaml")
    assert ended.status == 2
    assert "(conf.yaml: balance.threshold)" in ended.sentence


@pytest.mark.parametrize(
    ("words", "spread"),
    [
        ([], []),
        (["run"], ["run"]),
        (["run", "--input", "a"], ["run", "--input", "a"]),
        (["--input", "a", "b", "c"], ["--input", "a", "--input", "b", "--input", "c"]),
        (["--input", "a", "--input", "b", "c"], ["--input", "a", "--input", "b", "--input", "c"]),
        (["--input", "a", "b", "-t", "5"], ["--input", "a", "--input", "b", "-t", "5"]),
        (["--input", "a", "b", "--no-dedup", "c"], ["--input", "a", "--input", "b", "--no-dedup", "c"]),
        (["--metadata", "a", "b"], ["--metadata", "a", "b"]),
        (["--input"], ["--input"]),
        (["--input", "--seed", "1"], ["--input", "--seed", "1"]),
        (["--input=a", "--seed", "1"], ["--input=a", "--seed", "1"]),
        (["--input", "a b", ""], ["--input", "a b", "--input", ""]),
    ],
)
def test_words_after_a_variadic_flag_are_its_values(words, spread):
    """A variadic flag takes all words up to the next flag, as a shell expands a glob; other flags take one value."""
    assert spread_variadic(words) == spread


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (MetaclipError("it is so."), 1, "it is so."),
        (RuntimeError("odd\nsecond line"), 1, "failed: RuntimeError: odd (--debug shows the stack trace)."),
        (RuntimeError(), 1, "failed: RuntimeError:  (--debug shows the stack trace)."),
        (Exception("java.lang.X\n  at y\nValueError: the cause\n"), 1, "failed: Exception: ValueError: the cause"),
        (KeyboardInterrupt(), 130, "interrupted; the same command continues from the last commit."),
        (click.exceptions.Abort(), 130, "interrupted; the same command continues from the last commit."),
    ],
)
def test_errors_end_in_one_sentence(monkeypatch, metaclip, error, status, message):
    """Every error becomes a sentence on stderr and an exit status, without a stack trace."""

    def fail(*args):
        raise error

    monkeypatch.setattr(curation, "run", fail)
    ended = metaclip("run")
    assert ended.status == status
    assert ended.sentence.startswith(message)


def test_debug_shows_the_stack_trace(monkeypatch, metaclip):
    """--debug adds the stack trace, and the exit status is the same."""

    def fail(*args):
        raise RuntimeError("odd")

    monkeypatch.setattr(curation, "run", fail)
    ended = metaclip("run", "--debug")
    assert ended.status == 1
    assert "Traceback (most recent call last)" in ended.err
    assert ended.err.splitlines()[-1].startswith("metaclip-spark: failed: RuntimeError: odd")


def test_the_commands_status_is_the_programs(monkeypatch, metaclip):
    """Exit status 3 (incomplete sources) is passed on."""
    monkeypatch.setattr(curation, "run", lambda *args: 3)
    assert metaclip("run").status == 3


def test_metadata_build_without_wordnet(metaclip, tmp_path):
    """The error names a folder without WordNet, and nothing is written."""
    ended = metaclip("metadata", "build", "--wordnet", tmp_path / "gone", "--output", tmp_path / "list.json.gz")
    assert ended.status in (1, 2)
    assert str(tmp_path / "gone") in ended.sentence
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def bare_machine(monkeypatch, tmp_path):
    """Simulate a machine without Java and without an open session, with the real start of sessions."""
    from pyspark.sql import SparkSession

    monkeypatch.setattr(opening, "open_engine", engine.open_engine)
    monkeypatch.setattr(SparkSession, "getActiveSession", classmethod(lambda cls: None))
    for name in ("JAVA_HOME", "PYSPARK_GATEWAY_PORT", "DATABRICKS_RUNTIME_VERSION"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def put_java(folder: Path, output: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    java = folder / "java"
    java.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{output}\nEND\n".replace("cat", "/bin/cat"))
    java.chmod(0o755)
    return java


def test_no_java(metaclip, files, bare_machine):
    """The error names what Spark needs, what is missing, and how to install it."""
    ended = metaclip("run", *files.flags(), "--engine", "spark")
    assert ended.status == 1
    assert ended.sentence.startswith("Spark needs Java 17 or 21, and no java is on PATH. Install one (")


def test_a_java_home_without_java(metaclip, files, bare_machine, monkeypatch):
    """JAVA_HOME has precedence over PATH, so the error names it."""
    put_java(bare_machine, 'openjdk version "17.0.1"')
    monkeypatch.setenv("JAVA_HOME", "/nowhere/at/all")
    ended = metaclip("run", *files.flags(), "--engine", "spark")
    assert ended.status == 1
    assert ended.sentence.startswith("Spark needs Java 17 or 21, and JAVA_HOME=/nowhere/at/all has no bin/java.")


@pytest.mark.parametrize(
    ("output", "version"),
    [
        ('openjdk version "11.0.2" 2019-01-15', "11"),
        ('java version "1.8.0_392"', "8"),
        ('openjdk version "25" 2025-09-16', "25"),
        ("no version at all", "'no version at all\\n'"),
    ],
)
def test_a_java_that_spark_does_not_run_on(metaclip, files, bare_machine, output, version):
    """The error names the version that was found, and its path."""
    java = put_java(bare_machine, output)
    ended = metaclip("run", *files.flags(), "--engine", "spark")
    assert ended.status == 1
    assert ended.sentence.startswith(f"Spark needs Java 17 or 21, got {version} at {java}.")


@pytest.mark.parametrize(
    "output",
    [
        'openjdk version "17.0.19" 2026-04-21',
        'openjdk version "21" 2023-09-19',
        'Picked up JAVA_TOOL_OPTIONS: -Dx=1\nopenjdk version "21.0.4" 2024-07-16',
    ],
)
def test_a_java_that_spark_runs_on(bare_machine, output, monkeypatch):
    """Java 17 and 21 are accepted, on PATH or under JAVA_HOME, whatever Java prints before its version."""
    put_java(bare_machine, output)
    session.check_java()
    home = bare_machine / "jdk"
    put_java(home / "bin", output)
    monkeypatch.setenv("JAVA_HOME", str(home))
    monkeypatch.setenv("PATH", "")
    session.check_java()


def test_a_java_that_cannot_be_run(metaclip, files, bare_machine):
    """A file called java that is not a program ends in a sentence too."""
    java = bare_machine / "java"
    java.write_bytes(b"\x7fELF and nothing")
    java.chmod(0o755)
    ended = metaclip("run", *files.flags(), "--engine", "spark")
    assert ended.status == 1
    assert ended.sentence


def test_no_pyspark(monkeypatch):
    """The package works without Spark up to this point, and the error names the extra to install."""
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    with pytest.raises(MetaclipError, match=r"pyspark cannot be imported .*pip install 'delta-spark"):
        session.get_session()


def test_takedown_without_a_list_names_its_flags(metaclip, files):
    """A takedown needs a list, or --retain-hours."""
    ended = metaclip("takedown", "--warehouse", files.warehouse)
    assert ended.status == 2
    assert ended.sentence == (
        "takedown needs a list; expected --urls FILE, --domains FILE, --page-domains FILE, --url-hashes FILE or "
        "--pair-ids FILE. (--retain-hours alone removes the files of earlier takedowns.)"
    )


@pytest.mark.parametrize("flag", ["--urls", "--domains", "--page-domains", "--url-hashes"])
def test_takedown_refuses_a_wrong_list_before_spark(metaclip, files, flag):
    """The error names the line that is no url, domain or hash, and nothing starts."""
    files.folder.joinpath("list.txt").write_text("\nnot one of them\n")
    ended = metaclip("takedown", flag, files.folder / "list.txt", "--warehouse", files.warehouse)
    kinds = {"--urls": "url. Expected one url per line", "--url-hashes": "hash of a url. Expected one hash"}
    kind = kinds.get(flag, "domain.")
    assert ended.status == 2
    assert ended.sentence.startswith(
        f"takedown list {files.folder / 'list.txt'}, line 2: 'not one of them' is not a {kind}"
    )
