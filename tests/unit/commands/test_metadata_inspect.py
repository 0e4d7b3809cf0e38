"""`metadata inspect`, coverage and `metadata diff`, checked against lists made by hand."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from metaclip_spark.cli import main
from metaclip_spark.commands.metadata_coverage import CURVE, HEAD_SHARE, measure_coverage, read_texts
from metaclip_spark.commands.metadata_diff import compare, compare_coverage
from metaclip_spark.commands.metadata_inspect import inspect
from metaclip_spark.errors import MetadataError
from metaclip_spark.metadata import Metadata, load_metadata

SHIPPED = Path(__file__).resolve().parents[3] / "metadata" / "en.json.gz"


def write(path: Path, entries: list) -> Path:
    """Write a list as JSON."""
    path.write_text(json.dumps(entries))
    return path


def findings_in(path: Path) -> dict[str, tuple[int, list]]:
    """Return the number and the examples of each finding that has any."""
    return {finding.name: (finding.number, finding.examples) for finding in inspect(path).findings if finding.number}


def test_usable_list_has_an_id_and_no_error(tmp_path):
    """The id equals that of the loader, and the cost of compiling is measured."""
    inspection = inspect(write(tmp_path / "list.json", ["The", "the", "New York", "cat", "4", "a b c d e"]))
    assert (
        inspection.metadata_id == Metadata.from_entries(["The", "the", "New York", "cat", "4", "a b c d e"]).metadata_id
    )
    assert (inspection.errors, inspection.listed, len(inspection.entries)) == ([], 6, 6)
    assert inspection.words == [4, 1, 0, 1]
    assert inspection.chars == [1, 1, 3, 8, 8, 9]
    assert (inspection.with_capital, inspection.one_case_only) == (2, 3)
    assert inspection.compile_seconds >= 0
    assert inspection.compiled_bytes > 0


def test_every_error_of_a_list_is_reported_with_its_position(tmp_path):
    """All errors are reported at once; the loader stops at the first."""
    path = write(tmp_path / "list.json", ["cat", 7, "", "  ", "cat", None, "\ud800", "dog", "dog"])
    findings = findings_in(path)
    assert findings["not a string"] == (2, [(1, "a number"), (5, "null")])
    assert findings["empty"] == (1, [(2, "''")])
    assert findings["blank"] == (1, [(3, "'  '")])
    assert findings["repeats an earlier entry"] == (
        2,
        [(4, "'cat' (first at 0)"), (8, "'dog' (first at 7)")],
    )
    assert findings["holds a lone surrogate"] == (1, [(6, "'\\ud800'")])
    inspection = inspect(path)
    assert (inspection.metadata_id, inspection.entries) == (None, ["cat", "dog"])


def test_unusual_entries_are_counted_with_examples(tmp_path):
    """They are valid entries, and are reported for the user's information."""
    path = write(tmp_path / "list.json", ["St. John", "a\tb", " cat", "a  b", "x" * 257, "bell\x07", "fine"])
    assert findings_in(path) == {
        "can never match": (2, [(0, "'St. John'"), (1, "'a\\tb'")]),
        "matches only where a text has its outer or double spaces": (2, [(2, "' cat'"), (3, "'a  b'")]),
        "holds a control character": (2, [(1, "'a\\tb'"), (5, "'bell\\x07'")]),
        "has over 256 characters": (1, [(4, repr("x" * 257))]),
    }


@pytest.mark.parametrize(("content", "message"), [("{}", "the JSON is an object"), ("[]", "the list is empty")])
def test_file_that_is_not_a_list_is_refused(tmp_path, content, message):
    """Such a file raises an error, because it has no entries to inspect."""
    (tmp_path / "list.json").write_text(content)
    with pytest.raises(MetadataError, match=message):
        inspect(tmp_path / "list.json")


TEXTS = ["the cat", "a cat, a cat", "nothing here", "The New York cat"]


def test_coverage_counts_texts_matches_and_entries():
    """An entry counts once per text; texts without a match count in the share."""
    coverage = measure_coverage(Metadata.from_entries(["cat", "New York", "the", "dog"]), TEXTS)
    assert (coverage.texts, coverage.matched, coverage.matches, coverage.unmatched_entries) == (4, 3, 5, 1)
    assert (coverage.matched_share, coverage.matches_per_text) == (0.75, pytest.approx(5 / 3))
    assert coverage.counts.tolist() == [3, 1, 1, 0]
    assert coverage.top == [("cat", 3), ("New York", 1), ("the", 1)]


def test_curve_has_the_share_of_matches_of_the_most_frequent_entries():
    """The most frequent 0.1% of 1,000 entries is one entry, here with half of all matches."""
    metadata = Metadata.from_entries(["cat", *[f"word{number}" for number in range(999)]])
    texts = ["cat"] * 10 + [f"word{number}" for number in range(10)]
    curve = dict(measure_coverage(metadata, texts).curve)
    assert (curve[0.0001], curve[0.001], curve[0.01], curve[0.1]) == (0.0, 0.5, 0.95, 1.0)


def test_texts_are_read_from_every_kind_of_file(tmp_path):
    """A file has one text per line, or is a table with a column of texts; texts are cleaned, empty ones skipped."""
    (tmp_path / "texts.txt").write_text("the cat \n\na dog\n")
    (tmp_path / "texts.tsv").write_text("the cat\tu\na dog\tv\n")
    (tmp_path / "texts.jsonl").write_text('{"text": "the cat"}\n{"text": null}\n{"text": "a dog"}\n')
    with gzip.open(tmp_path / "texts.txt.gz", "wt") as stream:
        stream.write("the cat\na dog\n")
    pq.write_table(pa.table({"alt": ["the\tcat", None, "", "a dog"]}), tmp_path / "texts.parquet")
    for name, column in (("texts.txt", "text"), ("texts.txt.gz", "text"), ("texts.tsv", "0"), ("texts.jsonl", "text")):
        assert read_texts(tmp_path / name, column) == ["the cat", "a dog"], name
    assert read_texts(tmp_path / "texts.parquet", "alt") == ["the cat", "a dog"]


def test_texts_that_cannot_be_read_are_refused(tmp_path):
    """The cases are a missing file, a missing column, an empty file and a damaged file."""
    pq.write_table(pa.table({"note": ["x"]}), tmp_path / "texts.parquet")
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "rubbish.parquet").write_bytes(bytes(range(256)))
    for name, message in (
        ("absent.txt", r"absent\.txt: no such file, expected a sample of texts; check --texts\.$"),
        ("texts.parquet", r"texts\.parquet: column 'text' is missing; got \['note'\]"),
        ("empty.txt", r"empty\.txt: contains no text, expected at least one; check --texts and --text-column\.$"),
        ("rubbish.parquet", r"rubbish\.parquet: .*; check --texts and --text-column\.$"),
    ):
        with pytest.raises(MetadataError, match=message):
            read_texts(tmp_path / name)


ONE = Metadata.from_entries(["cat", "the", "old"])
TWO = Metadata.from_entries(["the", "cat", "New York", "nothing"])


def test_shipped_list_has_the_coverage_that_its_readme_states(shared_data):
    """At least 95% of the LAION sample match, and few entries have most of the matches; the README has the figures."""
    coverage = measure_coverage(load_metadata(SHIPPED), read_texts(shared_data / "captions" / "laion_sample.parquet"))
    assert coverage.matched_share >= 0.95
    curve = dict(coverage.curve)
    assert curve[HEAD_SHARE] > 0.9
    readme = SHIPPED.with_name("README.md").read_text(encoding="utf-8")
    assert (
        f"| LAION sample, {coverage.texts:,} | {coverage.matched_share:.1%} | {coverage.matches_per_text:.1f} |"
        in readme
    )
    assert [f"| {share * 100:g}% | {curve[share]:.1%} |" in readme for share in CURVE[:4]] == [True] * 4


def test_difference_has_the_entries_of_one_list_alone_and_the_changed_ids():
    """The entries are in the order of their list."""
    difference = compare(ONE, TWO)
    assert (difference.only_first, difference.only_second, difference.common) == (["old"], ["New York", "nothing"], 2)
    assert difference.moved == [("cat", 0, 1), ("the", 1, 0)]
    assert not difference.is_empty
    assert compare(ONE, ONE).is_empty


def test_difference_on_texts_counts_gained_and_lost_texts():
    """It counts the texts that one list alone matches, and the texts with more or fewer matches."""
    change = compare_coverage(ONE, TWO, [*TEXTS, "old"])
    assert (change.gained, change.lost, change.more, change.fewer) == (1, 1, 2, 1)
    assert (change.first.matched, change.second.matched) == (4, 4)


def run(capsys, *words: object) -> tuple[int, str, str]:
    """Run the command line; return the exit status, stdout and stderr."""
    status = main([str(word) for word in words])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_inspect_command_prints_tables_and_its_status_says_whether_the_list_is_valid(tmp_path, capsys):
    """Tables are on stdout, errors on stderr."""
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS))
    good = write(tmp_path / "good.json", ["cat", "New York", "E. coli"])
    status, out, err = run(capsys, "metadata", "inspect", good, "--texts", tmp_path / "texts.txt")
    assert (status, err) == (0, "")
    assert "\n1  can never match; positions from 0:\n   'E. coli' at 2\nnone: not a string; empty; blank; " in out
    assert "\nmatched                                        75.0%\n" in out
    bad = write(tmp_path / "bad.json", ["cat", "cat"])
    status, out, err = run(capsys, "metadata", "inspect", bad)
    assert status == 1
    assert "'cat' (first at 0) at 1" in out
    assert err == f"metaclip-spark: {bad}: 1 entry: repeats an earlier entry; other commands refuse this list.\n"


def test_inspect_and_diff_print_json(tmp_path, capsys):
    """The JSON has the numbers of the tables."""
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS))
    one, two = write(tmp_path / "one.json", ["cat", "dog"]), write(tmp_path / "two.json", ["dog"])
    texts = ("--texts", tmp_path / "texts.txt", "--json")
    inspected = json.loads(run(capsys, "metadata", "inspect", one, *texts)[1])
    assert (inspected["entries"], inspected["coverage"]["matched_share"]) == (2, 0.75)
    compared = json.loads(run(capsys, "metadata", "diff", one, two, *texts)[1])
    assert (compared["only_first"], compared["moved"]) == (["cat"], [["dog", 1, 0]])
    assert compared["coverage"]["lost"] == 3


def test_diff_command_prints_the_changes(tmp_path, capsys):
    """It prints the changed entries and ids, and the coverage of both lists side by side."""
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS))
    one, two = write(tmp_path / "one.json", ["cat", "dog"]), write(tmp_path / "two.json", ["dog"])
    status, out, _ = run(capsys, "metadata", "diff", one, two, "--texts", tmp_path / "texts.txt")
    assert status == 0
    assert "'dog' 1 -> 0" in out
    assert "ids differ: counts and matches of one list cannot be used with the other" in out
    assert f"A  {one}\nB  {two}\n" in out
    assert "texts that match only under B: 0; only under A: 3" in out
    assert run(capsys, "metadata", "diff", one, one)[1] == "the lists are equal: 2 entries with the same ids\n"


def test_tables_keep_to_the_terminals_width(tmp_path, capsys, monkeypatch):
    """A long row continues on the next line, and no entry is broken. Without a terminal, each row is one line."""
    many = write(tmp_path / "many.json", [f"U.S. Mint number {number}" for number in range(9)] + ["cat"])
    one = write(tmp_path / "one.json", ["cat"])
    inspected, compared = [], []
    for columns in ("80", "0"):
        monkeypatch.setenv("COLUMNS", columns)
        inspected.append(run(capsys, "metadata", "inspect", many)[1])
        compared.append(run(capsys, "metadata", "diff", many, one, "--examples", 9)[1])
    wide = [line for out in (inspected[0], compared[0]) for line in out.splitlines() if str(tmp_path) not in line]
    assert max(map(len, wide)) <= 80
    assert compared[0].count("'U.S. Mint number") == compared[1].count("'U.S. Mint number") == 9
    assert "'U.S. Mint number 1',\n" in compared[0]
    assert ["only in A" in line and "number 8'" in line for line in compared[1].splitlines()].count(True) == 1
    assert inspected[1].splitlines()[-1].startswith("none: not a string; ")


def test_build_command_prints_the_counts_of_each_source(tmp_path, capsys):
    """A variadic flag takes every file up to the next flag; the table has the dropped candidates."""
    for name, content in (("a.tsv", "the\t900\nrare\t9\n"), ("b.tsv", "the\t9\ncat\t150\n")):
        (tmp_path / name).write_text(content)
    output = tmp_path / "list.json.gz"
    words = ("--unigrams", tmp_path / "a.tsv", tmp_path / "b.tsv", "--numbers", 0, "--output", output)
    status, out, err = run(capsys, "metadata", "build", *words)
    assert (status, err) == (0, "unigrams: 2 entries from 3 candidates\n")
    assert out.splitlines()[:2] == [
        "source    read  offered  taken  cut",
        "unigrams     3        2      2  1 count under 100",
    ]
    assert out.splitlines()[3] == f"in {output} (next to it: list.sidecar.json, list.provenance.parquet)"
    status, out, err = run(capsys, "metadata", "build", "--output", output)
    assert (status, out) == (2, "")
    assert err.startswith("metaclip-spark: no source is given, expected at least one of --wordnet")
