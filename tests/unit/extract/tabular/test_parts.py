"""A text file that several tasks read gives what one task reads from it."""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter
from dataclasses import replace

import pytest
from extraction import run_split

from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.extract import task
from metaclip_spark.extract.tabular import blocks
from metaclip_spark.extract.tabular.parts import PART_ROWS
from metaclip_spark.sources.files import Split, find_sources, splits_of, whole

OPTIONS = ExtractOptions(keep_columns=("note",))


def tsv(draw: random.Random, end: str = "\n", sign: str = "\t", header: bool = True) -> bytes:
    """Return a file with rows of all lengths, and rows that are rejected."""
    lines = [sign.join(("url", "text", "note"))] if header else []
    for number in range(draw.randrange(60, 140)):
        url = f"http://ex.org/{draw.randrange(90)}.jpg"
        text = draw.choice(
            ["a cat", "  ", "", 'said "so" twice', "ein Hüpfer \u2028 dort", "\\N", "x" * draw.randrange(300)]
        )
        kind = draw.randrange(20)
        if kind == 0:
            lines.append(f"{url}{sign}short")
        elif kind == 1:
            lines.append("")
        elif kind == 2:
            lines.append(sign.join(("", text, "no url")))
        elif kind == 3 and number > 2:
            lines.append(lines[0] if header else "")
        else:
            lines.append(sign.join((url, text, f"note {number}")))
    data = end.join([*lines, *([""] if draw.random() < 0.7 else [])]).encode()
    return data.replace(b"a cat", b"a \xff cat", 1) if draw.random() < 0.3 else data


def jsonl(draw: random.Random) -> bytes:
    """Return JSON lines with broken ones."""
    lines = [json.dumps({"url": "http://ex.org/first.jpg", "text": "first", "note": "n"})]
    for number in range(draw.randrange(60, 140)):
        row = {
            "url": f"http://ex.org/{draw.randrange(90)}.jpg",
            "text": "é\n" * draw.randrange(40),
            "note": f"{number}",
        }
        broken = ["[1]", "{", "", '{"url": 3, "text": "x"}']
        lines.append(draw.choice([json.dumps(row, ensure_ascii=False)] * 12 + broken))
    return "\n".join(lines).encode()


FILES = {
    "tabs.tsv": tsv,
    "crlf.tsv": lambda draw: tsv(draw, end="\r\n"),
    "commas.csv": lambda draw: tsv(draw, sign=","),
    "semicolons.csv": lambda draw: tsv(draw, sign=";"),
    "bom.tsv": lambda draw: b"\xef\xbb\xbf" + tsv(draw),
    "lines.jsonl": jsonl,
}


def together(splits: list[Split], options: ExtractOptions) -> dict:
    """Return what the splits of a source give together."""
    found = [run_split(split, options) for split in splits]
    pairs = [pair for one in found for pair in one.pairs]
    assert [pair["position"] for pair in pairs] == sorted(pair["position"] for pair in pairs)
    rejected = sum((Counter(one.rejected) for one in found), Counter())
    outcomes = [one.outcome for one in found]
    assert [one["reason"] for one in outcomes] == [None] * len(found)
    # A repeat of a row in another part is left to deduplication, which keeps the first by position.
    by_id = {pair["pair_id"]: (pair["url"], pair["text"], pair["extra"]) for pair in reversed(pairs)}
    examples = [row for one in found for row in one.rejects if row["reason"] != "repeat"]
    return {
        "pairs": sorted(by_id.items()),
        "rejects": sorted((row["reason"], row["detail"]) for row in examples),
        "rejected": {why: number for why, number in rejected.items() if why != "repeat"},
        "repeats": rejected["repeat"] + len(pairs),
        "bytes": sum(one["bytes_read"] for one in outcomes),
        **{name: sum(one[name] for one in outcomes) for name in ("records_read", "texts_read")},
    }


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("name", FILES)
def test_parts_give_what_the_whole_file_gives(tmp_path, monkeypatch, name, seed):
    """The pairs, the rejects with their details, and the sums are equal, wherever the file is cut."""
    draw = random.Random(f"{name} {seed}")
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1 << draw.randrange(6, 11))
    path = tmp_path / name
    path.write_bytes(FILES[name](draw))
    (source,) = find_sources([str(path)])
    options = replace(OPTIONS, sample_cap=10_000, quoting=draw.choice(["auto", "none"]))
    splits = splits_of([source], draw.choice([20, 60, 500, 1500]), options.quoting)
    assert len(splits) > 1
    one = together([whole(source)], options)
    parts = together(splits, options)
    assert parts == one


def test_rows_of_a_later_part_are_named_with_it(tmp_path):
    """Nobody counted the rows before it."""
    path = tmp_path / "a.tsv"
    path.write_text("url\ttext\n" + "http://ex.org/1.jpg\ta cat\n" * 20 + "http://ex.org/2.jpg\t\n")
    (source,) = find_sources([str(path)])
    last = run_split(splits_of([source], 100)[-1], ExtractOptions())
    (reject,) = [row for row in last.rejects if row["reason"] == "empty_text"]
    number = last.outcome["split"]
    assert reject["record"].endswith(f" of part {number}")
    assert last.pairs[0]["position"] == number * PART_ROWS


@pytest.mark.parametrize(
    ("name", "content", "quoting", "is_cut"),
    [
        ("a.tsv", b'url\ttext\nu\tsays "so"\n', "auto", True),
        ("a.tsv", b'url\ttext\nu\t"two\nlines"\n', "auto", False),
        ("a.tsv", b'url\ttext\nu\t"two\nlines"\n', "none", True),
        ("a.csv", b'"url","text"\nu,t\n', "auto", False),
        ("a.csv", b'\xef\xbb\xbf"url",text\nu,t\n', "auto", False),
        ("a.csv", b"sep=x\nurlxtext\n", "auto", False),
        ("a.csv", b"url,text\nu,t\n", "double", True),
        ("a.jsonl", b'{"url": "u", "text": "t"}\n', "auto", True),
        ("a.tsv", gzip.compress(b"url\ttext\nu\tt\n"), "auto", False),
        ("a.tsv.gz", gzip.compress(b"url\ttext\nu\tt\n"), "none", False),
        ("a.wat.gz", gzip.compress(b"WARC/1.0"), "auto", False),
    ],
)
def test_a_file_is_cut_where_every_line_end_ends_a_row(tmp_path, name, content, quoting, is_cut):
    """A quoted field may have a line end inside, and a gzip file has no place to begin at."""
    path = tmp_path / name
    path.write_bytes(content)
    splits = splits_of(find_sources([str(path)]), 5, quoting)
    assert (len(splits) > 1) == is_cut


def test_a_mark_after_megabytes_is_found(tmp_path, monkeypatch):
    """Also where two reads meet between a delimiter and a mark."""
    from metaclip_spark.sources import lines

    path = tmp_path / "a.tsv"
    path.write_bytes(b"url\ttext\n" + b"u\tt\n" * 20 + b'u\t"x\ny"\n')
    for block in range(1, 40):
        monkeypatch.setattr(lines, "_BLOCK", block)
        assert not lines.is_cut_at_lines(str(path), "tsv", "auto")


def test_a_wrong_name_of_a_gzip_file_loses_no_row(tmp_path):
    """A remote file may be gzip under a plain name: its first part reads it whole, the others nothing."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(gzip.compress(b'{"url": "http://ex.org/1.jpg", "text": "a cat"}\n' * 3))
    (source,) = find_sources([str(path)])
    half = source.bytes // 2
    splits = [Split(source, 0, 2, 0, half), Split(source, 1, 2, half, source.bytes)]
    assert [len(run_split(split, ExtractOptions(dedup=False)).pairs) for split in splits] == [3, 0]


def test_a_task_remembers_a_bounded_number_of_keys(tmp_path, monkeypatch):
    """Beyond the bound repeats are passed on, wherever batches are cut; the first of each key is always among them."""
    path = tmp_path / "a.tsv"
    rows = [f"http://ex.org/{n}.jpg\ttext" for n in (*range(10), *range(10), *range(10))]
    path.write_text("\n".join(["url\ttext", *rows]))
    (source,) = find_sources([str(path)])
    unbounded = run_split(whole(source), ExtractOptions())
    assert len(unbounded.pairs) == 10
    for cap, kept in ((0, 30), (4, 22), (10, 10)):
        monkeypatch.setattr(task, "REMEMBERED", cap)
        tools = task.Tools()
        found = list(task.extract_split(whole(source), ExtractOptions(), tools, task.Stamp("s", "m", "b")))
        pairs = [row for batch in found for row in batch.to_pylist() if row["kind"] == "pair"]
        assert len(pairs) == kept
        first = {pair["pair_id"]: pair["position"] for pair in reversed(pairs)}
        assert first == {pair["pair_id"]: pair["position"] for pair in unbounded.pairs}
        assert dict(found[-1].to_pylist()[0]["rejected"]).get("repeat", 0) == 30 - kept
