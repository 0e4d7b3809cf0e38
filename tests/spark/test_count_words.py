"""Spark counts the words of Wikipedia's dumps like one process, byte for byte, for any splits."""

from __future__ import annotations

import bz2
import json
import re
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "metadata"))
pytest.importorskip("mwparserfromhell", reason="mwparserfromhell is not installed (pip install '.[wikipedia]')")

from test_dumps import TINY, damaged_at_its_start, many_pages, multistream
from test_wikitext import tree_text

from metaclip_spark.cli import main
from metaclip_spark.metadata.dumps import find_dumps, splits_of
from metaclip_spark.metadata.wikipedia import pages_of
from metaclip_spark.metadata.words import phrases_of
from metaclip_spark.metadata.worldwide import WorldwideLists
from metaclip_spark.metadata.worldwide.tokens import phrases_for, tokeniser_of

pytestmark = pytest.mark.spark

REAL = "enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"


def lines(counts: Counter, least: int = 1) -> bytes:
    """Return the counts in the format of the file."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0].encode()))
    return "".join(f"{gram}\t{count}\n" for gram, count in ordered if count >= least).encode()


def single_process(path: Path, tokenize=phrases_of) -> tuple[Counter, Counter]:
    """Count words and bigrams by a plain loop over the pages of the whole file, and over the tree of each page."""
    words, bigrams = Counter(), Counter()
    for dump in find_dumps([str(path)]):
        (split,) = splits_of([dump], 1 << 40)
        for page in pages_of(split):
            if page.namespace == "0" and not page.redirect and page.model == "wikitext":
                for run in tokenize(tree_text(page.text, dump.link_prefixes)):
                    words.update(run)
                    bigrams.update(f"{first} {second}" for first, second in zip(run, run[1:], strict=False))
    return words, bigrams


def test_the_command_writes_what_one_process_counts(spark, tmp_path, capsys):
    """Files and sidecar are equal for small and large splits, and equal a plain count. The minimum is that of sums."""
    (tmp_path / "dumps").mkdir()
    (tmp_path / "dumps" / "a.xml").write_bytes(TINY.read_bytes())
    (tmp_path / "dumps" / "b.xml.bz2").write_bytes(multistream(many_pages(60, words=40)))
    (tmp_path / "dumps" / "c.xml.bz2").write_bytes(bz2.compress(TINY.read_bytes()))
    for name, split in (("small", "500"), ("large", "100000000")):
        words = ["metadata", "count-words", str(tmp_path / "dumps"), "--output", str(tmp_path / name)]
        assert main([*words, "--min-count", "2", "--split-bytes", split, "--json"]) == 0
    reports = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    words, bigrams = single_process(tmp_path / "dumps")
    for name in ("small", "large"):
        assert (tmp_path / name / "words.tsv").read_bytes() == lines(words, 2)
        assert (tmp_path / name / "bigrams.tsv").read_bytes() == lines(bigrams, 2)
    sidecars = [(tmp_path / name / "counts.json").read_bytes() for name in ("small", "large")]
    assert sidecars[0] == sidecars[1]
    assert reports[0]["statistics"]["words"] == words.total()
    assert reports[0]["statistics"]["pages_read"] == 2 * 6 + 60


def sentence(capsys) -> str:
    """Return what was printed on stderr, without its line breaks."""
    return " ".join(capsys.readouterr().err.split())


def test_another_language_has_the_tokens_of_the_recipe(spark, tmp_path, capsys):
    """`--language` counts Spanish and Thai as one process does; the sidecar says how, and a wrong name is said."""
    pytest.importorskip("icu4py", reason="icu4py is not installed (pip install '.[segmenters]')")
    for code, text in (("es", "«Perro», ¿gato? don't perro gato"), ("th", "แมวสองตัว (หมา)")):
        page = f"<page><title>A</title><ns>0</ns><revision><model>wikitext</model><text>{text}</text></revision></page>"
        path = tmp_path / f"{code}wiki-latest-pages-articles.xml.bz2"
        path.write_bytes(multistream(f"<mediawiki>{page * 9}</mediawiki>\n".encode()))
        out = tmp_path / code
        words = ["metadata", "count-words", str(path), "--language", code, "--output", str(out), "--split-bytes", "300"]
        assert main(words) == 0
        expected = single_process(path, phrases_for(code))
        assert [(out / name).read_bytes() for name in ("words.tsv", "bigrams.tsv")] == [lines(one) for one in expected]
        sidecar = json.loads((out / "counts.json").read_text())
        assert (sidecar["language"], sidecar["tokeniser"]) == (code, tokeniser_of(code))
        assert "named as the Wikipedia" not in sentence(capsys)
    assert main(["metadata", "count-words", str(path), "--output", str(tmp_path / "plain")]) == 0
    assert "named as the Wikipedia th, and is counted by the tokens of the English list" in sentence(capsys)
    assert main(["metadata", "count-words", str(path), "--language", "xx", "--output", str(tmp_path / "none")]) == 2
    assert "--language: 'xx' is the code of no Wikipedia" in sentence(capsys)


@pytest.mark.slow
def test_the_commands_of_the_page_go_from_dumps_to_a_balanced_subset(spark, tmp_path, monkeypatch, capsys):
    """Word for word, from generated dumps and page views of three languages to lists, a subset and its page."""
    pytest.importorskip("icu4py", reason="icu4py is not installed (pip install '.[segmenters]')")
    page = (Path(__file__).resolve().parents[2] / "docs" / "WORLDWIDE.md").read_text(encoding="utf-8")
    block = re.search(r"## Build lists of your own.*?```\n(.*?)```", page, re.DOTALL)[1]
    monkeypatch.chdir(tmp_path)
    texts = {"de": "Hund bellt. Katze schläft", "fi": "Koira juoksee. Kissa nukkuu", "th": "แมวสองตัว (หมา)"}
    for code, text in texts.items():
        pages = (
            f"<page><title>A</title><ns>0</ns><revision><model>wikitext</model><text>{text}</text></revision></page>"
        )
        (tmp_path / f"{code}wiki").mkdir()
        dump = tmp_path / f"{code}wiki" / f"{code}wiki-latest-pages-articles.xml.bz2"
        dump.write_bytes(bz2.compress(f"<mediawiki>{pages * 30}</mediawiki>\n".encode()))
    (tmp_path / "pageviews").mkdir()
    views = "de Hund 4 0\nde Katze 2 0\nfi Koira 5 0\nfi.m Koira 3 0\nfi Kissa 2 0\nth แมว_ดำ 3 0\nth หมา 1 0\n"
    (tmp_path / "pageviews" / "pageviews-20240101-000000").write_text(views)
    captions = {
        "de": "Der große Hund läuft heute schnell über die grüne Wiese im Garten",
        "fi": "Pieni musta Koira juoksee metsässä hyvin nopeasti kohti vanhaa taloa",
        "th": "แมว ดำ ตัวหนึ่งกำลังนอนหลับอยู่บนเก้าอี้ในบ้านของเรา",
    }
    rows = [(f"https://example.org/{code}/{at}.jpg", text) for code, text in captions.items() for at in range(40)]
    urls, lines_of_text = zip(*rows, strict=True)
    pq.write_table(pa.table({"url": urls, "text": lines_of_text}), tmp_path / "pairs.parquet")
    for command in block.strip().splitlines():
        assert main(command.split()[1:]) == 0, command
    printed = capsys.readouterr().out
    assert "3 lists, worldwide_id " in printed
    lists = WorldwideLists.open(tmp_path / "lists")
    entries = {name: lists.load(name).entries[100:] for name in texts}
    assert entries == {"de": ("Hund",), "fi": ("Koira",), "th": ("แมว ดำ",)}
    assert re.search(r"unique pairs +120 ", printed)
    counts = DeltaTable(str(tmp_path / "out" / "entry_counts")).to_pyarrow_table().to_pylist()
    assert {(row["lang"], row["entry"]): row["count"] for row in counts} == {
        (code, words[0]): 40 for code, words in entries.items()
    }
    kept = DeltaTable(str(tmp_path / "out" / "curated_pairs")).to_pyarrow_table()
    assert set(kept["list_lang"].to_pylist()) <= set(texts)
    assert list((tmp_path / "out" / "reports").glob("*.html"))


def test_damage_leaves_nothing_at_the_output(spark, tmp_path, capsys):
    """If a task cannot decode a block, the command prints one sentence, ends with status 1, and creates no folder."""
    (tmp_path / "d.xml.bz2").write_bytes(damaged_at_its_start())
    status = main(["metadata", "count-words", str(tmp_path / "d.xml.bz2"), "--output", str(tmp_path / "out")])
    printed = capsys.readouterr().err
    assert status == 1
    assert "compare its checksum" in printed
    assert "Traceback" not in printed
    assert [path.name for path in tmp_path.iterdir()] == ["d.xml.bz2"]


@pytest.mark.slow  # fetches a package
@pytest.mark.timeout(900)
def test_a_real_shortened_dump_is_counted_as_by_one_process(spark, tmp_path):
    """gensim's package has a real dump in its test data. Without the package, the test is skipped."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "-q", "-d", str(tmp_path), "gensim==4.3.3"]
    subprocess.run(command, check=False, capture_output=True)
    wheels = [*tmp_path.glob("gensim*.whl")]
    if not wheels:
        pytest.skip("gensim's package cannot be downloaded (pip download gensim==4.3.3)")
    dump = tmp_path / "real-pages-articles.xml.bz2"
    with zipfile.ZipFile(wheels[0]) as package:
        dump.write_bytes(package.read(f"gensim/test/test_data/{REAL}"))
    out = tmp_path / "out"
    assert main(["metadata", "count-words", str(dump), "--output", str(out), "--split-bytes", "50000"]) == 0
    words, bigrams = single_process(dump)
    assert words.total() > 10_000
    assert (out / "words.tsv").read_bytes() == lines(words)
    assert (out / "bigrams.tsv").read_bytes() == lines(bigrams)
