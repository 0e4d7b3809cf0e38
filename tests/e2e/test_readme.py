"""The commands that README shows are run as they stand."""

from __future__ import annotations

import gzip
import json
import re
import shlex
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from e2e_world import wat_of, write_wat

pytestmark = pytest.mark.spark

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LISTS = (ROOT / "metadata" / "README.md").read_text(encoding="utf-8")


def fenced(after: str, language: str = "", page: str = README) -> str:
    """Return the first fenced block after a heading."""
    return re.search(rf"^{re.escape(after)}\n.*?^```{language}\n(.*?)^```", page, re.DOTALL | re.MULTILINE).group(1)


RECORDS = wat_of((f"http://img.example.org/{n}.jpg", f"a photo of a dog in the garden {n}") for n in range(9))


@pytest.fixture
def desk(tmp_path, monkeypatch) -> Path:
    """A folder with the files that README's commands name."""
    texts = ["a photo of a dog", "two cats, one dog", "in the garden", "xyzzy"]
    (tmp_path / "pairs").mkdir()
    for at in (0, 1):
        urls = [f"https://img.example.org/{at}/{n}.jpg" for n in range(len(texts))]
        pq.write_table(pa.table({"url": urls, "text": texts}), tmp_path / "pairs" / f"{at}.parquet")
    (tmp_path / "crawl").mkdir()
    write_wat(tmp_path / "crawl" / "a.wat.gz", RECORDS)
    mirror = tmp_path / "mirror" / "crawl-data" / "CC-MAIN-2024-51"
    names = [f"crawl-data/CC-MAIN-2024-51/segments/{n}/wat/{n}.warc.wat.gz" for n in range(2)]
    for name in names:
        write_wat(tmp_path / "mirror" / name, RECORDS)
    with gzip.open(mirror / "wat.paths.gz", "wt") as file:
        file.writelines(f"{name}\n" for name in names)
    with gzip.open(tmp_path / "captions.tsv.gz", "wt") as file:
        file.writelines(f"{text}\thttps://img.example.org/tsv/{n}.jpg\n" for n, text in enumerate(texts))
    (tmp_path / "metadata.json").write_text(json.dumps(["photo", "dog", "garden", "in the", "a"]))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_commands_for_ones_own_pairs_run(metaclip, desk):
    """Each command under "Your own pairs" ends with exit status 0 and a table."""
    commands = [shlex.split(line) for line in fenced("## Your own pairs").splitlines()]
    assert len(commands) == 3
    for program, *words in commands:
        assert program == "metaclip-spark"
        ended = metaclip(*words)
        assert ended.status == 0, ended.err
        assert "curated subset" in ended.out


@pytest.mark.slow
def test_commands_for_a_crawl_run(metaclip, desk):
    """Each command under "Common Crawl", on a mirror of a crawl: a plan, a run, and nothing left to read again."""
    plan, run, retry = [shlex.split(line)[1:] for line in fenced("## Common Crawl").splitlines()]
    mirror = ["--crawl-root", desk / "mirror"]
    ended = metaclip(*plan, *mirror)
    assert (ended.status, "2 wat" in ended.out) == (0, True), ended.err
    ended = metaclip(*run, *mirror)
    assert ended.status == 0, ended.err
    assert "2 sources" in ended.err
    assert "snapshot CC-MAIN-2024-51" in ended.err
    again = metaclip(*retry, *mirror)
    assert (again.status, again.out) == (0, ended.out), again.err
    assert "0 sources of snapshot CC-MAIN-2024-51 are read again" in again.err


def test_commands_for_a_list_of_ones_own_run(metaclip, tmp_path, monkeypatch):
    """Each command of metadata/README.md, from a dump to what the list changes, on tiny inputs."""
    pytest.importorskip("mwparserfromhell")
    data = ROOT / "tests" / "data"
    for name in ("wordnet", "pageviews"):
        shutil.copytree(next(data.glob(f"{name}*")), tmp_path / name)
    for name in ("enwiki", "metadata"):
        (tmp_path / name).mkdir()
    for number in range(5):  # so that words reach the floor
        shutil.copyfile(data / "wikipedia" / "tiny.xml", tmp_path / "enwiki" / f"{number}.xml")
    (tmp_path / "metadata" / "en.json.gz").write_bytes(gzip.compress(b'["the", "The", "cat"]'))
    (tmp_path / "texts.txt").write_text("the cat\nNew York\n")
    monkeypatch.chdir(tmp_path)
    commands = [shlex.split(line) for line in fenced("## A list of your own", page=LISTS).splitlines()]
    said = [metaclip(*words) for _, *words in commands]
    assert [ended.status for ended in said] == [0] * 4, [ended.err for ended in said]
    assert "words.tsv" in said[0].out
    assert said[1].out.startswith("source")
    assert "matched" in said[2].out
    assert "only in B" in said[3].out


@pytest.mark.slow
def test_commands_for_taking_down_run(metaclip, desk):
    """Urls go and are purged; a dry run of domains says what would."""
    assert metaclip(*shlex.split(fenced("## Your own pairs").splitlines()[0])[1:]).status == 0
    (desk / "urls.txt").write_text("https://img.example.org/0/0.jpg\n")
    for name in ("domains.txt", "pages.txt"):
        (desk / name).write_text("example.org\n")
    taken, dry = [shlex.split(line)[1:] for line in fenced("## Taking down").splitlines()]
    ended = metaclip(*taken)
    assert ended.status == 0, ended.err
    assert re.search(r"^pairs +1$", ended.out, re.MULTILINE)
    ended = metaclip(*dry)
    assert ended.status == 0, ended.err
    assert re.search(r"^pairs +5$", ended.out, re.MULTILINE)


def test_notebook_examples_run(spark, monkeypatch):
    """The Python blocks curate a DataFrame, in one call and in steps to the same rows, and give ids in SQL."""
    monkeypatch.chdir(ROOT)
    verbs, sql = re.findall(r"^```python\n(.*?)^```", README.partition("## In a notebook")[2], re.DOTALL | re.MULTILINE)
    texts = ["a photo of a dog", "xyzzy", None]
    df = spark.createDataFrame([(f"u{n}", text) for n, text in enumerate(texts)], "url string, text string")
    df.createOrReplaceTempView("pool")
    names = {"spark": spark, "df": df}
    exec(verbs.replace("curated", "at_once", 1), names)
    (row,) = names["curated"].collect()
    assert (row["text"], [row]) == ("a photo of a dog", names["at_once"].collect())
    assert [row["verdict"].partition(":")[0] for row in names["why"].collect()] == ["kept", "dropped", "dropped"]
    *setup, query = sql.strip().splitlines()
    exec("\n".join(setup), names)
    rows = {row["text"]: row["entry_ids"] for row in eval(query, names).collect()}
    assert rows == {"a photo of a dog": row["entry_ids"], "xyzzy": [], None: None}
    assert len(row["entry_ids"]) >= 3


def test_flags_in_readme_exist():
    """Every flag that README names is one of the command line's."""
    from metaclip_spark.cli.app import cli

    groups = [cli, cli.commands["metadata"], cli.commands["runs"]]
    commands = [command for group in groups for command in group.commands.values()]
    known = {"--help", "--packages"} | {name for command in commands for param in command.params for name in param.opts}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", README)) <= known


@pytest.mark.slow
def test_commands_of_the_data_card_run(metaclip, undisturbed, tmp_path, monkeypatch):
    """Each command under "The data card", on a run and itself."""
    shutil.copytree(undisturbed.warehouse, tmp_path / "warehouse")
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    monkeypatch.chdir(tmp_path)
    lines = re.sub("RUN_[AB]", undisturbed.run_id, fenced("## The data card")).splitlines()
    said = [metaclip(*shlex.split(line)[1:]) for line in lines]
    assert [ended.status for ended in said] == [0] * 3, [ended.err for ended in said]
    assert [Path(ended.out.strip()).is_file() for ended in said] == [True] * 3
