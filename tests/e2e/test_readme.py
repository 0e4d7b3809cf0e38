"""The commands of README and docs/ run as written."""

from __future__ import annotations

import gzip
import json
import re
import shlex
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from e2e_world import row, wat_of, write_wat

pytestmark = pytest.mark.spark

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LISTS = (ROOT / "metadata" / "README.md").read_text(encoding="utf-8")
FLAGS = (ROOT / "docs" / "FLAGS.md").read_text(encoding="utf-8")
BALANCING = (ROOT / "docs" / "BALANCING.md").read_text(encoding="utf-8")
CARD = (ROOT / "docs" / "DATA_CARD.md").read_text(encoding="utf-8")


def commands(heading: str, page: str = README) -> list[list[str]]:
    """Return the words after `metaclip-spark` of each command in the fenced blocks below a heading."""
    below = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^## |\Z)", page, re.DOTALL | re.MULTILINE).group(1)
    lines = "".join(re.findall(r"^```\n(.*?)^```", below, re.DOTALL | re.MULTILINE)).splitlines()
    return [shlex.split(line)[1:] for line in lines if line.startswith("metaclip-spark ")]


RECORDS = wat_of((f"http://img.example.org/{n}.jpg", f"a photo of a dog in the garden {n}") for n in range(9))
URLS = [row("a", n) for n in range(12)]
"""Pairs of the undisturbed run's pool."""


@pytest.fixture
def desk(tmp_path, monkeypatch) -> Path:
    """Make a folder with the files that the commands name, and change to it."""
    texts = ["a photo of a dog", "two cats, one dog", "in the garden", "xyzzy"]
    (tmp_path / "pairs").mkdir()
    for at in (0, 1):
        urls = [f"https://img.example.org/{at}/{n}.jpg" for n in range(len(texts))]
        pq.write_table(pa.table({"url": urls, "text": texts}), tmp_path / "pairs" / f"{at}.parquet")
    (tmp_path / "crawl").mkdir()
    write_wat(tmp_path / "crawl" / "a.wat.gz", RECORDS)
    for crawl in ("CC-MAIN-2024-51", "CC-MAIN-2025-05"):
        names = [f"crawl-data/{crawl}/segments/{n}/wat/{n}.warc.wat.gz" for n in range(2)]
        for name in names:
            write_wat(tmp_path / "mirror" / name, RECORDS)
        with gzip.open(tmp_path / "mirror" / "crawl-data" / crawl / "wat.paths.gz", "wt") as file:
            file.writelines(f"{name}\n" for name in names)
    with gzip.open(tmp_path / "captions.tsv.gz", "wt") as file:
        file.writelines(f"{text}\thttps://img.example.org/tsv/{n}.jpg\n" for n, text in enumerate(texts))
    (tmp_path / "metadata.json").write_text(json.dumps(["photo", "dog", "garden", "in the", "a"]))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_commands_for_ones_own_pairs_run(metaclip, desk):
    """Each command under "Curate your own pairs" ends with exit status 0 and a table."""
    runs = commands("Curate your own pairs")
    assert len(runs) == 3
    for words in runs:
        ended = metaclip(*words)
        assert ended.status == 0, ended.err
        assert "curated subset" in ended.out


@pytest.mark.slow
def test_commands_for_a_crawl_run(metaclip, desk):
    """The commands under "Curate Common Crawl" and "Add a crawl" run on a mirror of two crawls.

    They make a plan, a run, a retry that reads nothing again, and a second snapshot.
    """
    plan, run, retry = commands("Curate Common Crawl")
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
    (add,) = commands("Add a crawl")
    assert commands("Add a crawl", BALANCING) == [add]
    added = metaclip(*add, *mirror)
    assert added.status == 0, added.err
    assert "snapshot CC-MAIN-2025-05" in added.err


def test_commands_for_a_list_of_ones_own_run(metaclip, tmp_path, monkeypatch):
    """The commands of metadata/README.md run on tiny inputs, from a dump to the effect of the list."""
    pytest.importorskip("mwparserfromhell")
    data = ROOT / "tests" / "data"
    for name in ("wordnet", "pageviews"):
        shutil.copytree(next(data.glob(f"{name}*")), tmp_path / name)
    for name in ("enwiki", "metadata"):
        (tmp_path / name).mkdir()
    for number in range(5):  # so that words reach the minimum count
        shutil.copyfile(data / "wikipedia" / "tiny.xml", tmp_path / "enwiki" / f"{number}.xml")
    (tmp_path / "metadata" / "en.json.gz").write_bytes(gzip.compress(b'["the", "The", "cat"]'))
    (tmp_path / "texts.txt").write_text("the cat\nNew York\n")
    monkeypatch.chdir(tmp_path)
    results = [metaclip(*words) for words in commands("A list of your own", LISTS)]
    assert [ended.status for ended in results] == [0] * 4, [ended.err for ended in results]
    assert "words.tsv" in results[0].out
    assert results[1].out.startswith("source")
    assert "matched" in results[2].out
    assert "only in B" in results[3].out


@pytest.mark.slow
def test_commands_for_taking_down_run(metaclip, desk):
    """Urls are removed and purged. A dry run of domains shows the number of pairs that would be removed."""
    assert metaclip(*commands("Curate your own pairs")[0]).status == 0
    (desk / "urls.txt").write_text("https://img.example.org/0/0.jpg\n")
    for name in ("domains.txt", "pages.txt"):
        (desk / name).write_text("example.org\n")
    remove, dry = commands("Remove urls and domains (takedown)")
    ended = metaclip(*remove)
    assert ended.status == 0, ended.err
    assert re.search(r"^pairs +1$", ended.out, re.MULTILINE)
    ended = metaclip(*dry)
    assert ended.status == 0, ended.err
    assert re.search(r"^pairs +5$", ended.out, re.MULTILINE)


def test_notebook_examples_run(spark, monkeypatch):
    """The Python blocks curate a DataFrame, in one call and in steps to the same rows, and give ids in SQL."""
    monkeypatch.chdir(ROOT)
    page = README.partition("## Use it in a notebook or a script")[2]
    verbs, sql = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
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
    """Every flag that README and docs/FLAGS.md name is one of the command line's, and FLAGS.md names all of `run`."""
    from metaclip_spark.cli.app import cli

    groups = [cli, cli.commands["metadata"], cli.commands["runs"]]
    every = [command for group in groups for command in group.commands.values()]
    known = {"--help", "--version", "--packages", "--no-spark"} | {
        name for command in every for param in command.params for name in param.opts
    }
    flag = r"(?<![\w-])--[a-z][a-z-]+"
    assert set(re.findall(flag, README + FLAGS)) <= known
    single = {
        name for name in ("run", "count", "balance") for param in cli.commands[name].params for name in param.opts
    }
    assert {name for name in single if name.startswith("--")} <= set(re.findall(flag, FLAGS))


@pytest.mark.slow
def test_commands_of_the_data_card_run(metaclip, undisturbed, tmp_path, monkeypatch):
    """The commands of docs/DATA_CARD.md run, with one run in both places of a comparison. README has some of them."""
    shutil.copytree(undisturbed.warehouse, tmp_path / "warehouse")
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    monkeypatch.chdir(tmp_path)
    reports = commands("Read the data card", CARD)
    assert [words for words in commands("Read the data card") if words not in reports] == []
    lines = [[re.sub("RUN_[AB]", undisturbed.run_id, word) for word in words] for words in reports]
    results = [metaclip(*words) for words in lines]
    assert [ended.status for ended in results] == [0] * 3, [ended.err for ended in results]
    assert [Path(ended.out.strip()).is_file() for ended in results] == [True] * 3


@pytest.mark.slow
def test_the_figure_of_readme_is_drawn_from_a_run(spark, undisturbed, tmp_path, monkeypatch):
    """`python docs/figures.py WAREHOUSE` writes a standalone SVG. It uses no colour of a page, and names both curves.

    The stored figure has the same parts.
    """
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    import figures

    monkeypatch.setattr(figures, "OUTPUT", tmp_path / "entry-counts.svg")
    figures.main(str(undisturbed.warehouse))
    stored = ROOT / "docs" / "entry-counts.svg"
    assert f"![Entry counts of the shipped sample, sorted, before and after balancing](docs/{stored.name})" in README
    for picture in (figures.OUTPUT, stored):
        svg = picture.read_text(encoding="utf-8")
        assert "var(" not in svg
        root = ElementTree.fromstring(svg)
        texts = [element.text for element in root.iter() if element.tag.endswith("}text")]
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert root[0].attrib == {"x": "0", "y": "0", "width": "520", "height": "340", "fill": "#ffffff"}
        assert {"Rank of the entry", "Entry count", "pool", "curated subset"} <= set(texts)


@pytest.mark.slow
def test_commands_for_a_warehouse_run(metaclip, undisturbed, tmp_path, monkeypatch):
    """The commands from "Choose t" to "Look at and delete runs" run on a copy of a run's tables.

    docs/BALANCING.md has the same commands.
    """
    shutil.copytree(undisturbed.warehouse, tmp_path / "out")
    (tmp_path / "images").mkdir()
    downloaded = {
        "url": [url for url, *_ in URLS],
        "status": ["success"] * len(URLS),
        "width": [100 + 20 * n for n in range(len(URLS))],
        "nsfw": [0.1] * len(URLS),
        "phash": [str(n) for n in range(len(URLS))],
    }
    pq.write_table(pa.table(downloaded), tmp_path / "images" / "00000.parquet")
    monkeypatch.chdir(tmp_path)
    names = {"RUN": undisturbed.run_id, "https://example.org/1.jpg": URLS[0][0]}

    def run(words: list[str]) -> str:
        ended = metaclip(*[names.get(word, word) for word in words])
        assert ended.status == 0, ended.err
        return ended.out

    (sweep,) = commands("Choose t")
    sizes = run(["20" if word == "20000" else word for word in sweep])  # the pool has 28 pairs
    assert set(re.findall(r"^ *([\d,]+) ", sizes, re.MULTILINE)) >= {"1", "10", "100", "1,000"}
    by_text, by_url = commands("Explain a pair")
    assert "not in the pool" not in run(by_url)
    assert "t 2, seed 0" in run(by_text)

    of_pool, of_run, frozen = commands("Rebalance after download")
    assert commands("Add pairs to a subset", BALANCING) == [frozen]
    assert commands("Rebalance after download", BALANCING) == [of_pool, of_run]
    assert "curated subset" in run(frozen)
    pool, new = commands("Export for img2dataset")
    assert Path(run(pool).splitlines()[-1].split()[-1]).is_dir()
    assert f"since     run {undisturbed.run_id}" in run(new)
    assert "curated subset" in run(of_pool)
    assert "curated subset" in run(of_run)

    listed, shown, prune = commands("Look at and delete runs")
    assert len(re.findall(" finished ", run(listed))) == 4
    assert f"run {undisturbed.run_id}: finished" in run(shown)
    assert undisturbed.run_id in run(prune)
    assert "pruned" in run(listed)
